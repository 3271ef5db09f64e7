"""How long a lesson takes, counted from what a learner sees: words, widgets, questions, visible code.

    python notebooks/budget.py        a table of all lessons, and what is over its limit

A lesson has a part for the class and exercises for at home. All that stands under `### Exercise`, down to its check, is
for at home and counted by the minutes in its title; an appendix and the sources are read by whoever wants to.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

LESSONS = Path(__file__).resolve().parent.parent / "samlib" / "course" / "lessons"

WORDS_A_MINUTE = 130
LINES_A_MINUTE = 15  # of code
WIDGET = 4  # minutes for each
QUESTION = 1  # minute for each bet, and for each question at the end

CLASS = HOME = 45  # minutes at most
SHORTEST_EXERCISE = 5  # minutes
WORDS = 17_800  # in lessons 00 to 07 together; the audit has its minutes alone


@dataclass
class Budget:
    """What a lesson asks for. `words` are those of the class part, `home` those of exercises, appendix and sources."""

    words: int = 0
    home: int = 0
    lines: int = 0
    widgets: int = 0
    questions: int = 0
    exercises: list[int] = field(default_factory=list)  # minutes

    @property
    def in_class(self) -> float:
        """Minutes of the class part."""
        reading = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        return reading + self.widgets * WIDGET + self.questions * QUESTION

    @property
    def at_home(self) -> int:
        """Minutes of the exercises."""
        return sum(self.exercises)

    def faults(self, stated: int) -> list[str]:
        """What is over a limit, or missing; `stated` are the minutes in the lesson's header."""
        rounded = 5 * math.ceil(self.in_class / 5)
        said = [
            (stated != rounded, f"its header says {stated} minutes; rounded up to five it takes {rounded}"),
            (self.in_class > CLASS, f"{self.in_class:.0f} minutes in class; at most {CLASS}"),
            (self.at_home > HOME, f"{self.at_home} minutes of exercises; at most {HOME}"),
            (not self.widgets, "no widget"),
            (not self.exercises, "no exercise"),
            (
                any(minutes < SHORTEST_EXERCISE for minutes in self.exercises),
                f"exercises of {self.exercises} minutes; none under {SHORTEST_EXERCISE}",
            ),
        ]
        return [fault for wrong, fault in said if wrong]


def widgets_of(room: Path) -> set[str]:
    """The functions of a lesson's room that return a widget (`Live`, or `Work` behind a button)."""
    found = set()
    for module in room.glob("*.py"):
        functions = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.FunctionDef)]
        found |= {f.name for f in functions if f.returns and ast.unparse(f.returns).split(".")[-1] in ("Live", "Work")}
    return found


def count(cells: Iterable[nbformat.NotebookNode], widgets: set[str]) -> Budget:
    """What the cells of a learner's copy, without its set-up, ask for."""
    budget, part = Budget(), "class"
    for cell in cells:
        if cell.cell_type == "code":
            asks = len(re.findall(r"\.ask\(\)", cell.source))
            budget.questions += asks
            if part == "class" and not asks:
                called = re.findall(r"\blesson\.(\w+)\(", cell.source)
                budget.widgets += sum(name in widgets for name in called)
                budget.lines += sum(bool(line.strip()) for line in cell.source.splitlines())
            if ".check(" in cell.source:
                part = "class"
            continue
        for line in cell.source.splitlines():
            if title := re.match(r"### Exercise .*?(\d+) minutes", line):
                part = "exercise"
                budget.exercises.append(int(title[1]))
            elif re.match(r"#+ ", line):
                part = "sources" if line.startswith("### Sources") else "class"
            folded = part == "class" and "<details>" in line
            part = "appendix" if folded else part
            words = len(line.split())
            if part == "class":
                budget.words += words
            else:
                budget.home += words
            if part == "appendix" and "</details>" in line:
                part = "class"
    return budget


def main() -> None:
    """Print what each lesson asks for; the exit status is 1 where one is over a limit."""
    from build import make, sources

    lessons = {source.stem: make(source, solved=False) for source in sources()}
    budgets = {name: count(lesson.cells[2:], widgets_of(LESSONS / name[3:])) for name, lesson in lessons.items()}
    print("lesson  in class  at home  words  (home)  lines  widgets  questions  exercises")
    for name, one in budgets.items():
        print(
            f"{name[:2]:6}{one.in_class:10.1f}{one.at_home:9}{one.words:7}{one.home:8}{one.lines:7}{one.widgets:9}"
            f"{one.questions:11}  {one.exercises}"
        )
    total = sum(one.words + one.home for name, one in budgets.items() if name < "08")
    stated = {name: lesson.metadata["samlib"]["minutes"] for name, lesson in lessons.items()}
    faults = [f"{name}: {fault}" for name, one in budgets.items() for fault in one.faults(stated[name])]
    faults += [f"{total:,} words in 00 to 07; at most {WORDS:,}"] if total > WORDS else []
    print(f"{total:,} words in 00 to 07", *faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
