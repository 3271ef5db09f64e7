"""The exercises of lesson 03: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.sam_alone import exercises as lesson


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: (b.mean() - a.mean(), (a.var() / len(a) + b.var() / len(b)) ** 0.5),
        lambda a, b: [float(b.mean() - a.mean()), float(torch.sqrt(a.std() ** 2 / len(a) + b.std() ** 2 / len(b)))],
        lambda a, b: (
            np.mean(b.numpy()) - np.mean(a.numpy()),
            np.hypot(np.std(a.numpy(), ddof=1) / len(a) ** 0.5, np.std(b.numpy(), ddof=1) / len(b) ** 0.5),
        ),
    ],
)
def test_gain_accepts_every_right_way(answer):
    assert lesson.gain.check(answer).status == CORRECT


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (lambda a, b: (a.mean() - b.mean(), 0.0), "wrong sign"),
        (lambda a, b: (100 * (b.mean() - a.mean()), 0.0), "in points"),
        (lambda a, b: b.mean() - a.mean(), "two numbers"),
        (lambda a, b: (b.median() - a.median(), 0.0), "the means differ by"),
        (lambda a, b: (b.mean() - a.mean(), (a.var() + b.var()) ** 0.5), "two single runs"),
        (lambda a, b: (b.mean() - a.mean(), a.std() / len(a) ** 0.5 + b.std() / len(b) ** 0.5), "squares that add"),
        (
            lambda a, b: (b.mean() - a.mean(), (a.var(correction=0) / len(a) + b.var(correction=0) / len(b)) ** 0.5),
            "n - 1",
        ),
        (lambda a, b: (b.mean() - a.mean(), 0.1), "standard error is 0.1"),
        (lambda a, b: (b.mean() - a.mean(), a.var() / len(a) + b.var() / len(b)), "is its root"),
        ((0.12, 0.01), "must be a function"),
    ],
)
def test_gain_says_what_is_wrong(answer, symptom):
    verdict = lesson.gain.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def costs(**changed):
    names = {"sgd": "SGD", "sam": "SAM", "first": "first-layer SAM", "at": "AT with 7 steps"}
    return lesson.COST | {names[name]: value for name, value in changed.items()}


def test_cost_accepts_numbers_of_any_kind():
    assert lesson.cost.check(costs()).status == CORRECT
    assert lesson.cost.check(costs(sgd=3.0, at=np.int64(17), first=2 + 3)).status == CORRECT


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (costs(at=24), "a step of it costs 2"),
        (costs(at=14), "comes on top"),
        (costs(first=6), "First-layer SAM"),
        (costs(sgd=2), "forward 1; backward 2"),
        (costs(sam=9), "SAM: 9 is not it"),
        (costs(sam=...), "SAM is still open"),
        (costs(sam="2 * 3"), "give a number"),
        ({"SGD": 3}, "with the keys"),
    ],
)
def test_cost_says_what_is_wrong(answer, symptom):
    verdict = lesson.cost.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_cost_left_open_is_not_attempted():
    assert lesson.cost.check(dict.fromkeys(lesson.COST, ...)).status == NOT_ATTEMPTED


GOOD = {"SGD": [0.21, 0.22, 0.23], "all": [0.39, 0.4, 0.41], "first": [0.38, 0.39, 0.4], "rest": [0.3, 0.31, 0.32]}


def test_layers_accepts_any_bet_that_was_tested():
    for bet in ("all", "first", "rest"):
        assert lesson.layers.check({"prediction": bet, "measured": GOOD}).status == CORRECT


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        ({"prediction": "last", "measured": GOOD}, "must be one of"),
        ({"prediction": "all", "measured": GOOD | {"SGD": [0.2]}}, "one seed shows nothing"),
        ({"prediction": "all", "measured": GOOD | {"SGD": [21, 22, 23]}}, "fractions in [0, 1]"),
        ({"prediction": "all", "measured": GOOD | {"rest": [0.3, 0.3, 0.3]}}, "a seed of its own"),
        (
            {"prediction": "all", "measured": GOOD | {"first": GOOD["rest"], "rest": GOOD["first"]}},
            "names you gave to perturb",
        ),
        ({"prediction": "all", "measured": GOOD | {"all": [0.1, 0.11, 0.12]}}, "no better than SGD"),
        ({"prediction": "all", "measured": {"SGD": [0.1]}}, "with the keys"),
        ({"prediction": "all", "measured": GOOD | {"SGD": 0.2}}, "must be a list"),
        ("first", "Give a dict"),
    ],
)
def test_layers_says_what_is_wrong(answer, symptom):
    verdict = lesson.layers.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_layers_left_open_is_not_attempted():
    assert lesson.layers.check({"prediction": ..., "measured": ...}).status == NOT_ATTEMPTED
    assert lesson.layers.check({"prediction": "all", "measured": dict.fromkeys(GOOD, ...)}).status == NOT_ATTEMPTED


def test_an_unfinished_function_is_not_attempted():
    assert lesson.gain.check(lambda a, b: ...).status == NOT_ATTEMPTED
