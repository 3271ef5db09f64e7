"""Copies of all lessons to test on, in build/lessons: with their guard cells, and an end that moves every control.

    python tests/notebooks/lesson_copies.py               all copies of all lessons
    python tests/notebooks/lesson_copies.py both 03 05    one kind, of these

A runner that executes the cells sees an error in a widget's first drawing, and none that comes when it is moved. The
last cell moves them all: every option, both ends of each slider, every button. The one before it asks what the
exercises' checks have said. A learner sees neither, nor the guards.

The copy "learner" leaves every exercise open, "solved" holds the solutions; "both" has each exercise open first, and
checked, and then solved, and checked again: one run for two.
"""

from __future__ import annotations

import importlib.util
import itertools
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
    _said.setdefault(exercise.name, []).append(verdict.status)
    return verdict


Exercise.check = _heard"""
HEARD = """\
_wanted = {verdicts}
assert _said == _wanted, f"the checks of the exercises said {{_said}}; tagged as solutions are {{_wanted}}\""""

spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
SOURCES = [*build.sources(), build.CLASS]  # what is tested


VERDICTS = {"learner": ["not attempted"], "solved": ["correct"], "both": ["not attempted", "correct"]}


def tested_copy(source: Path, kind: str, *, swept: bool) -> nbformat.NotebookNode:
    """A lesson with its guard cells in their places, and at its end what it must have said, and the sweep.

    `kind`: one of VERDICTS. `swept`: every control is moved; else only looked at, since a browser moves them itself.
    """
    notebook = build.make(source, solved=kind != "learner", guarded=True)
    if kind == "both":
        answer_openly_first(notebook, source)
    verdicts = dict.fromkeys(build.solutions(source), VERDICTS[kind])
    ends = [HEARD.format(verdicts=verdicts), f"MOVE = {swept}\n{SWEEP.read_text(encoding='utf-8')}"]
    notebook.cells.insert(2, nbformat.v4.new_code_cell(LISTEN, id="listen"))
    notebook.cells += [nbformat.v4.new_code_cell(code, id=f"end-{i}") for i, code in enumerate(ends)]
    return notebook


def answer_openly_first(notebook: nbformat.NotebookNode, source: Path) -> None:
    """Before each solution, its stub and the cell that checks it."""
    for stub, solution in itertools.pairwise(build.read(source).cells):
        if "solution" in build.tags(solution):
            at = next(i for i, cell in enumerate(notebook.cells) if cell.source == solution.source)
            check = next(cell for cell in notebook.cells[at:] if ".check(" in cell.source)
            cells = [
                nbformat.v4.new_code_cell(code, id=f"open-{at}-{i}")
                for i, code in enumerate((stub.source, check.source))
            ]
            notebook.cells[at:at] = cells


def write_copies(numbers: list[str], kinds: list[str]) -> list[Path]:
    """Write the copies of each lesson, or of those with these numbers, and return their paths."""
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir(parents=True)
    written = []
    for source in SOURCES:
        for kind in kinds if not numbers or source.stem.split("_")[0] in numbers else ():
            written.append(COPIES / f"{source.stem}_{kind}.ipynb")
            nbformat.write(tested_copy(source, kind, swept=True), written[-1])
    return written


if __name__ == "__main__":
    kinds = [word for word in sys.argv[1:] if word in VERDICTS]
    copies = write_copies([word for word in sys.argv[1:] if word not in VERDICTS], kinds or list(VERDICTS))
    print(f"wrote {len(copies)} notebooks to test on")
    sys.exit(0 if copies else f"There is no lesson {' '.join(sys.argv[1:])}.")
