"""Copies of all lessons to test on, in build/lessons: with their guard cells, and an end that moves every control.

    python tests/notebooks/lesson_copies.py          of all lessons
    python tests/notebooks/lesson_copies.py 03 05    of these

A runner that executes the cells sees an error in a widget's first drawing, and none that comes when it is moved. The
last cell moves them all: every option, both ends of each slider, every button. The one before it asks what the
exercises' checks have said: *correct* of every published solution, *not attempted* of every open answer. A learner sees
neither, nor the guards.
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

# After the set-up: what the check of each exercise says, under its name.
LISTEN = """\
from samlib.course.exercise import Exercise

_said, _check = {}, Exercise.check


def _heard(exercise, answer):
    verdict = _check(exercise, answer)
    _said[exercise.name] = verdict.status
    return verdict


Exercise.check = _heard"""

spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def tested_copy(source: Path, *, solved: bool, swept: bool) -> nbformat.NotebookNode:
    """A lesson with its guard cells in their places, and at its end what it must have said, and the sweep.

    `swept`: with the sweep; a browser moves the controls itself.
    """
    notebook = build.make(source, solved=solved, guarded=True)
    verdicts = dict.fromkeys(build.solutions(source), "correct" if solved else "not attempted")
    ends = [f"assert _said == {verdicts}, _said", *([SWEEP.read_text(encoding="utf-8")] if swept else [])]
    notebook.cells.insert(2, nbformat.v4.new_code_cell(LISTEN, id="listen"))
    notebook.cells += [nbformat.v4.new_code_cell(code, id=f"end-{i}") for i, code in enumerate(ends)]
    return notebook


def write_copies(numbers: list[str]) -> list[Path]:
    """Write two copies of each lesson, or of those with these numbers, and return their paths."""
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir(parents=True)
    written = []
    for source in build.sources():
        for kind in ("learner", "solved") if not numbers or source.stem[:2] in numbers else ():
            written.append(COPIES / f"{source.stem}_{kind}.ipynb")
            nbformat.write(tested_copy(source, solved=kind == "solved", swept=True), written[-1])
    return written


if __name__ == "__main__":
    copies = write_copies(sys.argv[1:])
    print(f"wrote {len(copies)} notebooks to test on")
    sys.exit(0 if copies else f"There is no lesson {' '.join(sys.argv[1:])}.")
