"""Print the lower bounds of pyproject.toml as pip's constraints: torch>=2.4 becomes torch==2.4.

    python scripts/lower_bounds.py > lowest.txt

Needs a bare Python only. Where a name has two bounds, the higher one counts.
"""

from __future__ import annotations

import re
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lower_bounds(pyproject: str) -> dict[str, str]:
    """The highest lower bound of each requirement by name, extras included."""
    bounds: dict[str, str] = {}
    for name, bound in re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)[^"]*"', pyproject):
        if name != "setuptools":  # what builds the package, in an environment of its own
            bounds[name] = max(bounds.get(name, "0"), bound, key=lambda version: [*map(int, version.split("."))])
    return bounds


if __name__ == "__main__":
    for name, bound in lower_bounds(PYPROJECT.read_text(encoding="utf-8")).items():
        print(f"{name}=={bound}")
