"""Exercises: `check` an answer, ask for a `hint`, see the `solution`.

A check tells three things apart: not attempted, wrong (and what the answer does instead), correct. It judges what an
answer does, not how it is written, and it never fails itself: an error in the learner's code is part of its answer.
The exercises of a lesson stand in a module of their own beside this one; their solutions come from the lesson's source.
"""

from __future__ import annotations

import html
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import ipywidgets

from samlib.course import style, widgets

Judge = Callable[[Any], str | None]

NOT_ATTEMPTED, WRONG, CORRECT = "not attempted", "wrong", "correct"
_LOOK = {NOT_ATTEMPTED: ("…", style.SGD), WRONG: ("✘", style.AT), CORRECT: ("✔", style.NOISE)}


class NotAttempted(Exception):
    """Raised by a judge that finds the learner's part still open."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: its `status` and a `message` to the learner."""

    status: str
    message: str

    def _repr_html_(self) -> str:  # words in the page's own colour: none that is named reads on white and on black
        mark, look = _LOOK[self.status]
        lines = html.escape(self.message).replace("\n", "<br>")
        return (
            f'<div role="status" style="border-left: 6px solid {look.color}; padding: 0.3em 0.8em">'
            f"<b>{mark} {self.status.capitalize()}.</b> {lines}</div>"
        )

    def __repr__(self) -> str:
        return f"{_LOOK[self.status][0]} {self.status.capitalize()}. {self.message}"


@dataclass(frozen=True)
class Question:
    """A question to choose an answer to: a prediction before an experiment, or one to look back with.

    Args:
        text: the question, HTML.
        choices: each answer with what is said to it: why it is right, or what speaks against it.
        correct: the right one of them.
    """

    text: str
    choices: Mapping[str, str]
    correct: str

    def ask(self) -> ipywidgets.VBox:
        """The question with a button to commit to an answer; only then is the right one shown."""
        return widgets.question(self.text, self.choices, self.correct)


@dataclass(frozen=True)
class Note:
    """A hint or a solution, shown as it is."""

    text: str
    code: bool = False

    def _repr_html_(self) -> str:
        text = html.escape(self.text)
        return f"<pre>{text}</pre>" if self.code else f"<div>{text}</div>"

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson.

    Args:
        name: under which its solution is kept, such as "sam_alone/gain": the lesson's room and a word.
        judge: answer -> None if it is correct, else why it is not, said to the learner.
        praise: what is said to a correct answer: what it shows, not just that it is right. A text, or a function of the
            answer.
        hints: from gentle to plain; asking again gives the next.
    """

    name: str
    judge: Judge
    praise: str | Callable[[Any], str]
    hints: Sequence[str]
    _asked: list[int] = field(default_factory=lambda: [0], init=False, repr=False, compare=False)

    def check(self, answer: Any) -> Verdict:
        """Judge an answer: a value, a tensor or a function, as the exercise asks for."""
        if answer is ... or answer is None:
            return Verdict(NOT_ATTEMPTED, "Put your answer in place of the dots and run the cell again.")
        try:
            complaint = self.judge(answer)
        except NotAttempted:
            return Verdict(NOT_ATTEMPTED, "Put your answer in place of the dots and run the cell again.")
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            return Verdict(
                WRONG, f"Your answer raised {type(error).__name__}: {error} (in {line.name}, line {line.lineno})."
            )
        if complaint is not None:
            return Verdict(WRONG, complaint)
        return Verdict(CORRECT, self.praise if isinstance(self.praise, str) else self.praise(answer))

    def hint(self) -> Note:
        """The next hint; the last one is repeated."""
        number = min(self._asked[0], len(self.hints) - 1)
        self._asked[0] += 1
        return Note(f"Hint {number + 1} of {len(self.hints)}. {self.hints[number]}")

    def solution(self) -> Note:
        """A solution, one of several that the check accepts."""
        return Note(solutions()[self.name], code=True)


def solutions() -> dict[str, str]:
    """The code of every solution by the name of its exercise, taken from the lessons' sources when they are built."""
    return json.loads((resources.files("samlib.course.lessons") / "solutions.json").read_text(encoding="utf-8"))


def attempted(value: Any) -> Any:
    """Return what a learner's function returned, unless it is what an unfinished one returns."""
    if value is ... or value is None:
        raise NotAttempted
    return value
