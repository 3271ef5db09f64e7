"""The exercises of lesson 07 tell not attempted, wrong (and why) and correct apart; its pictures show what they get."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

from samlib import toy
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons import robust_and_non_robust_features as lesson
from samlib.course.lessons.robust_and_non_robust_features import exercises, leading


def log_odds(p):
    return math.log(p / (1 - p))


def level(p, eta, d, rho):
    """How much higher the right end of the interval is than the left one, over w."""
    return lambda w: toy.clean_error(w + rho, p, eta, d) - toy.clean_error(w - rho, p, eta, d)


def chord_by_root(p, eta, d, rho):
    standard = log_odds(p) / (2 * eta)
    return brentq(level(p, eta, d, rho), standard, standard + rho)


def chord_by_search(p, eta, d, rho):
    worst = lambda w: max(toy.clean_error(w + rho, p, eta, d), toy.clean_error(w - rho, p, eta, d))  # noqa: E731
    standard = log_odds(p) / (2 * eta)
    return minimize_scalar(worst, bounds=(standard, standard + rho), method="bounded", options={"xatol": 1e-6}).x


def chord_on_a_grid(p, eta, d, rho):
    w = log_odds(p) / (2 * eta) + np.linspace(0, rho, 50_001)
    return w[np.abs(level(p, eta, d, rho)(w)).argmin()]


RIGHT = [
    (lesson.middle, [chord_by_root, chord_by_search, chord_on_a_grid]),
    (
        lesson.to_the_right,
        [
            {"p": 0.99, "eta": 0.1, "rho": 1.0},
            {"p": 0.9, "eta": 0.05, "rho": 2},
        ],
    ),
    (
        lesson.which_definition,
        [
            {"definition": "B", "fits": ["order"]},
            {"definition": "b", "fits": {"order"}},
            {"definition": "G", "fits": ()},
            {"definition": "H", "fits": ["order"]},
        ],
    ),
]


@pytest.mark.parametrize(("exercise", "answer"), [(e, a) for e, answers in RIGHT for a in answers])
def test_every_right_way_is_accepted(exercise, answer):
    verdict = exercise.check(answer)
    assert verdict.status == CORRECT, verdict


WRONG_ANSWERS = [
    (lesson.middle, lambda p, eta, d, rho: toy.standard_optimum(p, eta), "lowest point"),
    (lesson.middle, lambda p, eta, d, rho: toy.standard_optimum(p, eta) * (1 + rho**2 / 3 / d), "leading order"),
    (lesson.middle, lambda p, eta, d, rho: chord_by_root(p, eta, d, rho) + rho, "an end of the chord"),
    (lesson.middle, lambda p, eta, d, rho: chord_by_root(p, eta, d, rho) - rho, "an end of the chord"),
    (
        lesson.middle,
        lambda p, eta, d, rho: (
            minimize_scalar(
                lambda w: toy.clean_error(w + rho, p, eta, d) + toy.clean_error(w - rho, p, eta, d),
                bounds=(0, 60),
                method="bounded",
            ).x
        ),
        "mean of the two ends",
    ),
    (lesson.middle, lambda p, eta, d, rho: 1.1 * chord_by_root(p, eta, d, rho), "not the middle of a level chord"),
    (lesson.middle, lambda p, eta, d, rho: 1.001 * chord_by_root(p, eta, d, rho), "not good to four digits"),
    (lesson.middle, lambda p, eta, d, rho: toy.sam_optimum(p, eta, d, rho, "A"), "Find the chord yourself"),
    (lesson.middle, lambda p, eta, d, rho: leading.leading_order(p, eta, d, rho), "Find the chord yourself"),
    (lesson.middle, "8.1", "must be a function"),
    (lesson.to_the_right, {"p": 0.95, "eta": 0.2, "rho": 2.0}, "w*²/d = 0.542"),
    (lesson.to_the_right, {"p": 0.99, "eta": 0.1, "rho": 0.1}, "take a larger rho"),
    (lesson.to_the_right, {"p": 0.99, "eta": 0.1, "rho": 0}, "SAM is ST"),
    (lesson.to_the_right, {"p": 0.99, "eta": 0.2, "rho": 11.0}, "there is no answer: rho"),
    (lesson.to_the_right, {"p": 1.2, "eta": 0.2, "rho": 0.5}, "there is no answer: p is 1.2"),
    (lesson.to_the_right, {"p": 0.99, "eta": 0.2, "rho": ...}, "rho is still open"),
    (lesson.to_the_right, {"p": 0.99, "eta": 0.2, "d": 20, "rho": 0.5}, "d is 100"),
    (lesson.to_the_right, {"p": 0.99}, "with the keys"),
    (lesson.to_the_right, 0.99, "with the keys"),
    (
        lesson.which_definition,
        {"definition": "B", "fits": []},
        "B does not fit “order”. Measure: w_1 changes",
    ),
    (lesson.which_definition, {"definition": "B", "fits": ["order", "constant"]}, "B fits “constant”"),
    (lesson.which_definition, {"definition": "A", "fits": ["direction", "order"]}, "only w_1; whole loss"),
    (lesson.which_definition, {"definition": "B", "fits": ["direction", "order"]}, "You say that B fits"),
    (lesson.which_definition, {"definition": "F1", "fits": ["direction"]}, "F1 is: "),
    (lesson.which_definition, {"definition": "G", "fits": ["order"]}, "G fits “order”"),
    (lesson.which_definition, {"definition": "F3", "fits": []}, "Did you mean 'F2'?"),
    (lesson.which_definition, {"definition": 7, "fits": []}, "definition is 7"),
    (lesson.which_definition, {"definition": "A", "fits": ["sign"]}, "must be a list of some of the clues"),
    (lesson.which_definition, {"definition": "A", "fits": "order"}, "must be a list of some of the clues"),
    (lesson.which_definition, {"definition": "A", "fits": 3}, "must be a list of some of the clues"),
    (lesson.which_definition, {"definition": "A", "fits": ...}, "fits is still open"),
    (lesson.which_definition, {"definition": "A"}, "with the keys"),
    (lesson.which_definition, "A", "with the keys"),
]


@pytest.mark.parametrize(("exercise", "answer", "symptom"), WRONG_ANSWERS)
def test_a_wrong_answer_is_told_its_symptom(exercise, answer, symptom):
    verdict = exercise.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [(lesson.middle, answer) for answer in (..., None, lambda *_: ..., lambda *_: None)]
    + [(lesson.to_the_right, ...), (lesson.to_the_right, dict.fromkeys(("p", "eta", "rho"), ...))]
    + [(lesson.which_definition, ...), (lesson.which_definition, {"definition": ..., "fits": ...})],
)
def test_what_is_left_open_is_not_attempted(exercise, answer):
    assert exercise.check(answer).status == NOT_ATTEMPTED


def test_a_check_leaves_the_package_as_it_was():
    before = toy.sam_optimum, leading.leading_order
    lesson.middle.check(lambda *_: toy.sam_optimum())
    assert (toy.sam_optimum, leading.leading_order) == before


def test_a_defended_answer_is_told_what_speaks_for_it_and_what_against():
    said = lesson.which_definition.check({"definition": "B", "fits": ["order"]}).message
    assert said.startswith("For B: order; against it: direction, constant.")
    said = lesson.which_definition.check({"definition": "G", "fits": []}).message
    assert said.startswith("For G: nothing; against it: direction, order, constant.")


def test_no_definition_fits_all_clues_nor_the_constant():
    found = {name: exercises.clues_of(name) for name in toy.DEFINITIONS}
    assert not any(clues["constant"] for clues in found.values())
    assert not any(found[name]["direction"] for name in exercises.FORMULA)
    assert [name for name, clues in found.items() if clues["direction"]] == ["A", "A'", "C", "D", "F1", "F2", "J"]
    assert [name for name, clues in found.items() if not clues["order"]] == ["E", "F1", "F2", "G", "I", "J"]


def test_hints_and_solutions():
    for exercise in (lesson.middle, lesson.to_the_right, lesson.which_definition):
        assert len({exercise.hint().text for _ in exercise.hints}) == len(exercise.hints)
        namespace = {"np": np, "toy": toy}
        exec(exercise.solution().text, namespace)
        name = exercise.name.partition("/")[2]
        answer = namespace[{"to the right": "world", "which definition": "place"}.get(name, name)]
        assert exercise.check(answer).status == CORRECT


def test_the_questions_figures():
    p, eta, d = 0.95, 0.2, 50
    star = toy.standard_optimum(p, eta)
    assert toy.clean_error(star, p, eta, d) == pytest.approx(0.024, abs=5e-4)
    assert toy.attacked_error(star, p, eta, d, 0.2) == pytest.approx(0.2, abs=0.02)
    assert toy.attacked_error(star, p, eta, d, 0.4) > 0.5
    flat = toy.sam_optimum(p, eta, d, 2.0, "B")
    assert toy.attacked_error(flat, p, eta, d, 0.1) > toy.attacked_error(star, p, eta, d, 0.1)
    assert star == pytest.approx(7.4, abs=0.05)
