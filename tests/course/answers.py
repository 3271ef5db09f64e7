"""What the tests of all exercises do: hand in an answer, and fetch the published solution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from samlib.course.exercise import Exercise, solutions


def check(exercise: Exercise, answer: Any, status: str, *words: str) -> None:
    """The exercise's verdict on an answer has this status, and its message these words."""
    verdict = exercise.check(answer)
    assert verdict.status == status, verdict
    for word in words:
        assert word in verdict.message, verdict


def solved(name: str, wanted: str, **space: Any) -> Any:
    """What the published solution of an exercise calls `wanted`; `space` holds what its lesson has imported before."""
    space = {"torch": torch, "F": F, **space}
    exec(solutions()[name], space)
    return space[wanted]
