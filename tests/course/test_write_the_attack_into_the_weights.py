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
    assert lesson.cheapest.check(lambda W, dx, x: ...).status == NOT_ATTEMPTED
    assert lesson.felt.check(lambda x, others: None).status == NOT_ATTEMPTED


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, others: others @ x / (x @ x),
        lambda x, others: [float(o @ x) / float(x.norm()) ** 2 for o in others],
        lambda x, others: (others * x).sum(1) / x.square().sum(),
    ],
)
def test_felt_accepts_every_right_way(answer):
    assert lesson.felt.check(answer).status == CORRECT


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (lambda x, others: torch.cosine_similarity(others, x[None], dim=1), "the cosine"),
        (lambda x, others: others @ x, "divide by ‖x‖²"),
        (lambda x, others: others @ x / x.norm(), "it must be ‖x‖²"),
        (lambda x, others: others @ x / (others * others).sum(1), "other digit's length squared"),
        (lambda x, others: (others @ x / (x @ x)) ** 2, "another digit should feel"),
        (lambda x, others: others @ x / (others @ x).max(), "should feel exactly 1"),
        (lambda x, others: (others @ x / (x @ x))[:3], "(9,)"),
    ],
)
def test_felt_says_what_is_wrong(answer, symptom):
    verdict = lesson.felt.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message
