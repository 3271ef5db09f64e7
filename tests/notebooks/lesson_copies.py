"""Copies of all lessons to test on, in build/lessons: with their guard cells, and a last cell that moves every control.

    python tests/notebooks/lesson_copies.py          of all lessons
    python tests/notebooks/lesson_copies.py 03 05    of these

A runner that executes the cells sees an error in a widget's first drawing, and none that comes when it is moved. The added
cell moves them all: every option, both ends of each slider, every button. A learner never sees it, nor the guards.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
COPIES = ROOT / "build" / "lessons"
SWEEP = Path(__file__).with_name("sweep.py")

spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def tested_copy(source: Path, *, solved: bool) -> nbformat.NotebookNode:
    """A lesson with its guard cells in their places, and the sweep at its end."""
    notebook = build.make(source, solved=solved, guarded=True)
    notebook.cells.append(nbformat.v4.new_code_cell(SWEEP.read_text(encoding="utf-8"), id="sweep"))
    return notebook


def write_copies(numbers: list[str]) -> list[Path]:
    """Write two copies of each lesson, or of those with these numbers, and return their paths."""
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir(parents=True)
    written = []
    for source in build.sources():
        for kind in ("learner", "solved") if not numbers or source.stem[:2] in numbers else ():
            written.append(COPIES / f"{source.stem}_{kind}.ipynb")
            nbformat.write(tested_copy(source, solved=kind == "solved"), written[-1])
    return written


if __name__ == "__main__":
    copies = write_copies(sys.argv[1:])
    print(f"wrote {len(copies)} notebooks to test on")
    sys.exit(0 if copies else f"There is no lesson {' '.join(sys.argv[1:])}.")
