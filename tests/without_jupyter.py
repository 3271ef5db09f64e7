"""A pytest plugin: as on a machine where Jupyter, matplotlib and the browser are not installed.

python -m pytest tests/core -p tests.without_jupyter [--device cuda]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

ABSENT = {"IPython", "ipykernel", "ipywidgets", "jupyter_client", "jupyterlab", "jupytext"}
ABSENT |= {"matplotlib", "nbformat", "nbval", "playwright"}


class Absent:
    """Finds nothing, loudly."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r} (tests.without_jupyter)", name=name)


for _name in [name for name in sys.modules if name.partition(".")[0] in ABSENT]:
    del sys.modules[_name]  # a plugin of pytest may have brought it
sys.meta_path.insert(0, Absent())
