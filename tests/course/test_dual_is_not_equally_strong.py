"""The exercises of lesson 06: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.dual_is_not_equally_strong import exercises as lesson
from samlib.course.widgets import question
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


# ---- the certificate -------------------------------------------------------------------------------------------------


def with_a_loop(W, b, x, y):
    found = []
    for image, label in zip(x, y.tolist(), strict=True):
        scores = W @ image + b
        ratios = [
            (scores[label] - scores[j]) / (W[label] - W[j]).norm() for j in range(len(W)) if j != label
        ]  # each class by itself
        found.append(max(0.0, float(min(ratios))))
    return found


def by_numpy_radius(W, b, x, y):
    W, b, x, y = (t.numpy() for t in (W, b, x, y))
    scores = x @ W.T + b
    gap = scores[range(len(y)), y][:, None] - scores
    slope = np.linalg.norm(W[y][:, None] - W, axis=2)
    slope[range(len(y)), y] = 1
    ratio = gap / slope
    ratio[range(len(y)), y] = np.inf
    return np.maximum(ratio.min(1), 0)


@pytest.mark.parametrize(
    "radius", [solved("dual_is_not_equally_strong/radius", "radius"), with_a_loop, by_numpy_radius, lesson.exact_radius]
)
def test_a_right_radius_is_correct_however_it_is_written(radius):
    check(lesson.radius, radius, CORRECT)


def gaps_and_slopes(W, b, x, y):
    scores = x @ W.T + b
    gap = (scores.gather(1, y[:, None]) - scores).scatter(1, y[:, None], torch.inf)
    return gap, (W[y][:, None] - W).norm(dim=2)


def no_clamp(W, b, x, y):
    gap, slope = gaps_and_slopes(W, b, x, y)
    return (gap / slope).amin(1)


def runner_up(W, b, x, y):
    gap, slope = gaps_and_slopes(W, b, x, y)
    return (gap / slope).gather(1, gap.argmin(1, keepdim=True))[:, 0].clamp(min=0)


def of_all(change):
    """A radius from the gaps, the slopes and W by another formula."""
    return lambda W, b, x, y: change(*gaps_and_slopes(W, b, x, y), W).clamp(min=0)


def with_itself(W, b, x, y):
    scores = x @ W.T + b
    return ((scores.gather(1, y[:, None]) - scores) / (W[y][:, None] - W).norm(dim=2)).amin(1)


@pytest.mark.parametrize(
    ("radius", "words"),
    [
        (no_clamp, ("misclassified", "return 0")),
        (runner_up, ("runner-up",)),
        (of_all(lambda gap, slope, W: gap.amin(1)), ("gaps of logits",)),
        (of_all(lambda gap, slope, W: (gap / W.norm(dim=1)).amin(1)), ("Divided by ‖W_j‖",)),
        (of_all(lambda gap, slope, W: (gap / slope**2).amin(1)), ("squared",)),
        (of_all(lambda gap, slope, W: gap.amin(1) / (2**0.5 * torch.linalg.matrix_norm(W, 2))), ("valid", "√2")),
        (of_all(lambda gap, slope, W: (gap / slope).amin(1) / 2), ("half",)),
        (of_all(lambda gap, slope, W: 1.2 * (gap / slope).amin(1)), ("too large",)),
        (of_all(lambda gap, slope, W: 0.9 * (gap / slope).amin(1)), ("not the largest",)),
        (with_itself, ("0 / 0",)),
        (lambda W, b, x, y: lesson.exact_radius(W, 0 * b, x, y), ("if b were 0",)),
        (lambda W, b, x, y: torch.zeros(len(x)), ("All radii are 0",)),
        (lambda W, b, x, y: x @ W.T, ("(40, 5)",)),
        (lambda W, b: 0, ("raised TypeError",)),
    ],
)
def test_a_wrong_radius_is_told_its_symptom(radius, words):
    check(lesson.radius, radius, WRONG, *words)


def test_an_open_radius_is_told_from_a_wrong_one():
    check(lesson.radius, lambda W, b, x, y: ..., NOT_ATTEMPTED)
    check(lesson.radius, lambda W, b, x, y: None, NOT_ATTEMPTED)
    check(lesson.radius, ..., NOT_ATTEMPTED)
    check(lesson.radius, "half", WRONG, "must be a function")


def test_the_exact_radius_is_where_a_class_ties_and_no_nearer():
    generator = torch.Generator().manual_seed(3)
    weight, bias, x = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((4, 6), (4,), (50, 6)))
    y = (x @ weight.T + bias).argmax(1)
    found = lesson.exact_radius(weight, bias, x, y)
    gap, slope = gaps_and_slopes(weight, bias, x, y)
    j = (gap / slope.clamp(min=1e-12)).argmin(1)
    normal = weight[y] - weight[j]
    at_border = x - found[:, None] * normal / normal.norm(dim=1, keepdim=True)
    margin = gaps_and_slopes(weight, bias, at_border, y)[0].amin(1)
    assert margin.abs().max() < 1e-9
    steps = F.normalize(torch.randn(2000, 50, 6, generator=generator, dtype=torch.float64), dim=2)
    inside = x + 0.999 * found[:, None] * steps
    assert ((inside @ weight.T + bias).argmax(-1) == y).all()


# ---- questions -------------------------------------------------------------------------------------------------------


def test_every_question_of_the_lesson_can_be_asked():
    asked = [value for value in vars(lesson).values() if isinstance(value, lesson.Question)]
    assert len(asked) == 6
    for one in asked:
        assert one.correct in one.choices
        assert question(one.text, one.choices, one.correct).children
