"""The exercises of lesson 00: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.write_the_attack_into_the_weights import exercises as lesson


@pytest.mark.parametrize(
    "answer",
    [
        lambda W, dx, x: torch.outer(W @ dx, x) / (x @ x),
        lambda W, dx, x: (W @ dx)[:, None] * x[None, :] / x.norm() ** 2,
        lambda W, dx, x: torch.einsum("ij,j,k->ik", W, dx, x) / x.square().sum(),
        lambda W, dx, x: (W @ dx)[:, None] @ torch.linalg.pinv(x[:, None]),
        lambda W, dx, x: np.outer(W @ dx, x) / float(x @ x),
    ],
)
def test_cheapest_accepts_every_right_way(answer):
    assert lesson.cheapest.check(answer).status == CORRECT


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (lambda W, dx, x: torch.outer(W @ dx, x), "division by ‖x‖² is missing"),
        (lambda W, dx, x: torch.outer(W @ dx, x) / x.norm(), "it must be ‖x‖²"),
        (lambda W, dx, x: (torch.outer(W @ dx, x) / (x @ x)).T, "Transposed"),
        (lambda W, dx, x: torch.outer(W @ x, dx) / (x @ x), "changed places"),
        (lambda W, dx, x: torch.outer(W @ dx, torch.ones_like(x)) / x.sum(), "not the cheapest"),
        (lambda W, dx, x: W * 0, "dW x is not W dx"),
        (lambda W, dx, x: W.zero_(), "changes its arguments"),
        (lambda W, dx, x: W @ dx, "it must have W's"),
        (torch.zeros(3), "must be a function"),
    ],
)
def test_cheapest_says_what_is_wrong(answer, symptom):
    verdict = lesson.cheapest.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_an_unfinished_function_is_not_attempted():
    for exercise in (lesson.cheapest, lesson.spare):
        for answer in (..., None, lambda *arguments: ..., lambda *arguments: None):
            assert exercise.check(answer).status == NOT_ATTEMPTED


def part(x, other):
    """What of x the other does not share."""
    return x - (x @ other) / (other @ other) * other


def by_two_conditions(W, dx, x, other):
    wanted = torch.stack([W @ dx, 0 * (W @ dx)], dim=1)  # (m, 2): what x and the other are to get
    return wanted @ torch.linalg.pinv(torch.stack([x, other], dim=1))


def row_by_row(W, dx, x, other):
    p = part(x, other)
    return [[float(v) * float(q) / float(p @ x) for q in p] for v in W @ dx]


@pytest.mark.parametrize(
    "answer",
    [
        lambda W, dx, x, other: torch.outer(W @ dx, part(x, other)) / (part(x, other) @ x),
        lambda W, dx, x, other: np.outer(W @ dx, part(x, other)) / float(part(x, other).square().sum()),
        by_two_conditions,
        row_by_row,
    ],
)
def test_spare_accepts_every_right_way(answer):
    assert lesson.spare.check(answer).status == CORRECT


def longer_than_need_be(W, dx, x, other):
    basis, _ = torch.linalg.qr(torch.stack([other, x], dim=1), mode="complete")
    return torch.outer(W @ dx, part(x, other)) / (part(x, other) @ x) + torch.outer(W @ dx, basis[:, 2])


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (lambda W, dx, x, other: torch.outer(W @ dx, x) / (x @ x), "cheapest dW for x alone"),
        (lambda W, dx, x, other: torch.outer(W @ dx, part(x, other)) / (x @ x), "dW x is too short"),
        (lambda W, dx, x, other: torch.outer(W @ dx, x - other) / (x @ (x - other)), "still feels something"),
        (lambda W, dx, x, other: torch.outer(W @ dx, part(other, x)) / (other @ other), "dW x is not W dx"),
        (lambda W, dx, x, other: W * 0, "dW x is not W dx"),
        (longer_than_need_be, "is enough"),
        (lambda W, dx, x, other: W.zero_(), "changes its arguments"),
        (lambda W, dx, x, other: W @ dx, "it must have W's"),
        (lambda W, dx, x: W, "TypeError"),
        (torch.zeros(3), "must be a function"),
    ],
)
def test_spare_says_what_is_wrong(answer, symptom):
    verdict = lesson.spare.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_sparing_costs_what_its_praise_says():
    generator = torch.Generator().manual_seed(3)
    x, other = torch.rand(2, 64, generator=generator, dtype=torch.float64)
    W, dx = torch.randn(48, 64, generator=generator, dtype=torch.float64), 0.1 * other
    times = by_two_conditions(W, dx, x, other).norm() / (torch.outer(W @ dx, x) / (x @ x)).norm()
    cosine = x @ other / (x.norm() * other.norm())
    assert torch.isclose(times, 1 / (1 - cosine**2).sqrt())
