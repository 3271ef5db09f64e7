"""Copies of all notebooks to test on, in build/lessons: each ends with a cell that moves every control.

    python tests/lesson_copies.py

A runner that executes the cells sees an error in a widget's first drawing, and none that comes when it is moved. The added
cell moves them all: every option, both ends of each slider, every button. A learner never sees it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / "build" / "lessons"
SWEEP = Path(__file__).with_name("sweep.py")


def write_copies() -> list[Path]:
    """Write a copy of each notebook and return their paths."""
    shutil.rmtree(COPIES, ignore_errors=True)
    written = []
    for kind, folder in (("learner", ROOT / "notebooks"), ("solved", ROOT / "notebooks" / "solutions")):
        for path in sorted(folder.glob("[0-9]*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            notebook.cells.append(nbformat.v4.new_code_cell(SWEEP.read_text(encoding="utf-8"), id="sweep"))
            copy = COPIES / f"{path.stem}_{kind}.ipynb"
            copy.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, copy)
            written.append(copy)
    return written


if __name__ == "__main__":
    copies = write_copies()
    print(f"wrote {len(copies)} notebooks to test on")
    sys.exit(not copies)
