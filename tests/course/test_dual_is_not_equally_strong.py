"""The exercises of lesson 06: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.dual_is_not_equally_strong import exercises as lesson
from samlib.duality import dz_between
from tests.course.answers import check, solved

# ---- each in its own unit --------------------------------------------------------------------------------------------


def by_eigenvectors(W, g, alpha):
    values, vectors = torch.linalg.eigh(W @ W.T)
    dz = vectors @ (values**alpha * (vectors.T @ g))
    dx = torch.linalg.lstsq(W, dz[:, None], driver="gelsd").solution[:, 0]
    return torch.stack([g @ dz / dz.norm(), g @ dz / dx.norm()]).tolist()


def by_the_family(W, g, alpha):
    dz = dz_between(W, g, torch.ones(W.shape[1], dtype=W.dtype), 3.0, alpha)
    dx = torch.linalg.pinv(W) @ dz
    return float(g @ dz) / float(dz.norm()), np.float64(g @ dz) / float(dx.norm())


@pytest.mark.parametrize(
    "steepness",
    [
        solved("dual_is_not_equally_strong/steepness", "steepness"),
        by_eigenvectors,
        by_the_family,
        lesson.rise_per_length,
    ],
)
def test_a_right_steepness_is_correct_however_it_is_written(steepness):
    check(lesson.steepness, steepness, CORRECT)


def along(W, g, alpha):
    values, vectors = torch.linalg.eigh(W @ W.T)
    dz = vectors @ (values**alpha * (vectors.T @ g))
    return dz, torch.linalg.pinv(W) @ dz, g @ dz


def right(W, g, alpha):
    dz, dx, rise = along(W, g, alpha)
    return rise / dz.norm(), rise / dx.norm()


def with_the_transpose(W, g, alpha):
    dz, _, rise = along(W, g, alpha)
    return rise / dz.norm(), rise / (W.T @ dz).norm()


@pytest.mark.parametrize(
    ("steepness", "words"),
    [
        (lambda W, g, alpha: (along(W, g, alpha)[2],) * 2, ("Divide by its length",)),
        (lambda W, g, alpha: right(W, g, alpha)[::-1], ("changed places",)),
        (lambda W, g, alpha: right(W, g, alpha / 2), ("half the alpha",)),
        (with_the_transpose, ("pseudo-inverse",)),
        (lambda W, g, alpha: (g.norm(), right(W, g, alpha)[1]), ("At alpha = 0.5", "in the features")),
        (lambda W, g, alpha: (right(W, g, alpha)[0], 1.0), ("in the pixels",)),
        (lambda W, g, alpha: right(W, g, alpha)[0], ("two numbers",)),
        (lambda W, g: 0, ("raised TypeError",)),
    ],
)
def test_a_wrong_steepness_is_told_its_symptom(steepness, words):
    check(lesson.steepness, steepness, WRONG, *words)


def test_an_open_steepness_is_told_from_a_wrong_one():
    check(lesson.steepness, lambda W, g, alpha: ..., NOT_ATTEMPTED)
    check(lesson.steepness, lambda W, g, alpha: (..., ...), NOT_ATTEMPTED)
    check(lesson.steepness, ..., NOT_ATTEMPTED)
    check(lesson.steepness, 3, WRONG, "must be a function")


def test_each_direction_is_the_steepest_in_its_own_unit_as_the_praise_says():
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        W = torch.randn(5, 8, generator=generator, dtype=torch.float64)
        g = torch.randn(5, generator=generator, dtype=torch.float64)
        alphas = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 2.0, 4.0]
        features, pixels = zip(*(lesson.rise_per_length(W, g, alpha) for alpha in alphas), strict=True)
        assert list(features) == sorted(features, reverse=True)
        assert features[0] == pytest.approx(float(g.norm()))
        assert max(pixels) == pixels[4] == pytest.approx(float((W.T @ g).norm()))
        assert list(pixels[4:]) == sorted(pixels[4:], reverse=True)


# ---- what a share of a lead is worth ---------------------------------------------------------------------------------


def by_differences(neither, direction, length, both):
    lead, gain, rest = np.subtract([both, direction, length], [neither, neither, neither])
    return [gain / lead, (lead - rest) / lead]


@pytest.mark.parametrize(
    "answer", [solved("dual_is_not_equally_strong/shares", "shares"), by_differences, lesson.shares_of_the_lead]
)
def test_right_shares_are_correct_however_they_are_written(answer):
    check(lesson.shares, answer, CORRECT)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, d, b, a: lesson.shares_of_the_lead(n, d, b, a)[::-1], ("changed places",)),
        (lambda n, d, b, a: lesson.shares_of_the_lead(n, b, d, a), ("the length's shares",)),
        (lambda n, d, b, a: (d - n, a - b), ("those are points",)),
        (lambda n, d, b, a: ((d - n) / (a - n), 0.0), ("changed last", "0.727", "0.800")),
        (lambda n, d, b, a: (0.5, 0.5), ("changed first",)),
        (lambda n, d, b, a: (d - n) / (a - n), ("two numbers",)),
        ("half", ("must be a function",)),
    ],
)
def test_wrong_shares_are_told_their_symptom(answer, words):
    verdict = lesson.shares.check(answer)
    assert verdict.status == WRONG
    assert any(word in verdict.message for word in words)


def test_open_shares_are_told_from_wrong_ones():
    check(lesson.shares, lambda n, d, b, a: ..., NOT_ATTEMPTED)
    check(lesson.shares, lambda n, d, b, a: (..., ...), NOT_ATTEMPTED)
    check(lesson.shares, ..., NOT_ATTEMPTED)


def test_shares_agree_where_direction_and_length_add_up():
    first, last = lesson.shares_of_the_lead(0.40, 0.44, 0.52, 0.56)
    assert first == pytest.approx(last)
    assert lesson.shares_of_the_lead(0.2, 0.5, 0.25, 0.5) == pytest.approx((1.0, 5 / 6))
