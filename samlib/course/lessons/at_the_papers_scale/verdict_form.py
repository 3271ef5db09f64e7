"""The verdict form: lines to be judged, and rows of evidence, one of which speaks to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from samlib.course import results
from samlib.course.exercise import NotAttempted, attempted
from samlib.course.lessons.at_the_papers_scale.audit_scene import NEEDS
from samlib.course.lessons.at_the_papers_scale.evidence import (
    CLEAN,
    DIGITS,
    TUNED,
    USUAL,
    Evidence,
    Found,
    radius,
)

PART, WHOLE = "CIFAR-10, a part", "CIFAR-10"
ROWS = {  # letter: data set, pair, attack, level of eps
    "a": (DIGITS, USUAL, "PGD-10", "larger"),
    "b": (DIGITS, USUAL, "standard", "larger"),
    "c": (DIGITS, TUNED, "standard", "larger"),
    "d": (PART, USUAL, "PGD-10", "smaller"),
    "e": (PART, USUAL, "standard", "smaller"),
    "f": (PART, USUAL, CLEAN, "smaller"),
    "g": (WHOLE, TUNED, "standard", "smaller"),
}
SAM_OR_AT = "h"
LINES = {  # number: what is claimed, and the evidence that speaks to it
    1: ("On digits SAM is more robust than SGD, both as usual, under the strongest attack we have.", "b"),
    2: ("So it is where both sides were tuned.", "c"),
    3: ("On digits it keeps more than AT with one step, which takes fewer passes; both tuned.", SAM_OR_AT),
    4: ("On a part of CIFAR-10 SAM is more robust than SGD at 1/255, under the strongest attack we have.", "e"),
    5: ("There its clean accuracy is higher, too.", "f"),
    6: ("On the whole of CIFAR-10, with the paper's network and both sides tuned, SAM is more robust.", "g"),
}
WORDS = ("supported", "refuted", "open")


class Rows(dict[str, Found | None]):
    """Evidence by its letter; None where nothing was measured. Printed, a line for each."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__({letter: evidence.find(*row) for letter, row in ROWS.items()})
        self[SAM_OR_AT] = sam_or_at(evidence)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for letter, found in self.items():
            if letter == SAM_OR_AT:
                said, missing = "digits, SAM − AT with one step, both tuned, standard at 0.125", ""
            else:
                data, pair, attack, level = ROWS[letter]
                by = "no attack" if attack == CLEAN else f"{attack} at {radius(data, level)}"
                said, missing = f"{data}, {pair}, {by}", NEEDS[data]
            shown = missing if found is None else f"{found} points, {found.number}"
            yield f"{letter}  {said}: {shown}"


def evidence_rows(evidence: Evidence) -> Rows:
    """The rows that a verdict may point at."""
    return Rows(evidence)


def sam_or_at(evidence: Evidence) -> Found:
    """SAM minus AT with one step on digits, both tuned for robust accuracy, by split."""
    names = ("AT, 1 step, tuned (robust)", "SAM, tuned (robust)")
    parts = [results.by_split(evidence.methods, name, "linf 0.125") for name in names]
    one, other = (100 * np.concatenate([np.array(runs) for runs in found.values()]) for found in parts)
    gains = [100 * (np.mean(parts[1][part]) - np.mean(parts[0][part])) for part in parts[0]]
    return Found(names, one, other, np.array(gains), "split")


def form() -> str:
    """The lines to be judged."""
    return "\n".join(f"{number}. {text}" for number, (text, _) in LINES.items())


def judge_verdict(verdict: Any, rows: Mapping[str, Found | None] | None = None) -> str | None:
    """What is wrong with a verdict, {line: (word, letter of the evidence)}, if anything is."""
    if not isinstance(verdict, Mapping) or set(verdict) != set(LINES):
        return f"verdict must be a dict with the keys {', '.join(map(str, LINES))}."
    rows = Rows(Evidence()) if rows is None else rows
    for number, (_, right) in LINES.items():
        pair = attempted(verdict[number])
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            return f'Line {number}: give two things, ("open", "a") say; yours is {pair!r}.'
        word, letter = pair
        if word is ... or letter is ...:
            raise NotAttempted
        if word not in WORDS:
            return f"Line {number}: {word!r} is none of {', '.join(WORDS)}."
        if letter not in rows:
            return f"Line {number}: there is no evidence {letter!r}; the letters are {', '.join(rows)}."
        if letter != right:
            return f"Line {number}: evidence {letter} does not speak to it. {_why_not(letter, right)}"
        found = rows[letter]
        says = "open" if found is None else found.says
        if word != says:
            return f"Line {number} is not {word}. {_because(found)}"
    return None


def _why_not(letter: str, right: str) -> str:
    """In what a row of evidence differs from the one that speaks to a line."""
    if SAM_OR_AT in (letter, right):
        return "The line names the two methods that are compared; look for both."
    parts = zip(ROWS[letter], ROWS[right], ("data set", "methods or tuning", "attack", "eps"), strict=True)
    return f"It differs in: {', '.join(what for one, other, what in parts if one != other)}."


def _because(found: Found | None) -> str:
    """What a row of evidence allows to say."""
    if found is None:
        return "Its evidence was not measured, and no other row stands for it: that leaves it open."
    low, high = found.ends
    return f"The interval of its evidence goes from {low:.1f} to {high:.1f}: supported if above zero, refuted if below."
