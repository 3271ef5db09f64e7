"""The exercises of lesson 03: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import samlib
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.sam_alone import exercises as lesson
from samlib.course.lessons.sam_alone import four_trainers, preregistered
from tests.course.answers import solved


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


four_in_one = solved(
    "sam_alone/step",
    "step",
    F=F,
    parameters_to_vector=parameters_to_vector,
    vector_to_parameters=vector_to_parameters,
)


def by_samlib(model, x, y, optimizer, ball_x=None, ball_w=None):
    if ball_x is not None:
        x = samlib.fgsm(model, x, y, ball_x.eps, "linf" if isinstance(ball_x, samlib.balls.Linf) else "l2")
    sam = samlib.SAM(optimizer, rho=0.0 if ball_w is None else ball_w.eps)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return sam.step(closure)


@pytest.mark.parametrize("answer", [four_in_one, by_samlib])
def test_four_trainers_accepts_every_right_way(answer):
    assert lesson.step.check(answer).status == CORRECT


@pytest.mark.parametrize("way", four_trainers.SYMPTOMS)
def test_four_trainers_tells_the_symptom_of_each_mistake(way):
    def mistaken(model, x, y, optimizer, ball_x=None, ball_w=None):
        four_trainers._one_step(model, x, y, optimizer, ball_x, ball_w, way)

    verdict = lesson.step.check(mistaken)
    assert verdict.status == WRONG
    assert four_trainers.SYMPTOMS[way] in verdict.message


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (lambda model, x, y, optimizer, ball_x=None, ball_w=None: model.eval(), "in evaluation mode"),
        (lambda model, x, y, optimizer, ball_x=None, ball_w=None: 0.3, "the weights are where they were"),
        (lambda model, x: 0, "raised TypeError"),
        ("SGD", "must be a function"),
    ],
)
def test_four_trainers_says_what_is_wrong(answer, symptom):
    verdict = lesson.step.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_a_sign_in_place_of_the_balls_own_steepest_is_found_in_the_other_norm():
    def signs(model, x, y, optimizer, ball_x=None, ball_w=None):
        four_in_one(model, x, y, optimizer, ball_x and samlib.balls.Linf(ball_x.eps), ball_w)

    assert "With an l_2 ball for the pixels" in lesson.step.check(signs).message


# As measured by no one: `repeat` in place of a training run says what would come out.
MEASURED = {"SGD": [0.21, 0.22, 0.23], "all": [0.39, 0.4, 0.41], "first": [0.38, 0.39, 0.4], "rest": [0.3, 0.31, 0.32]}


@pytest.fixture
def committed(monkeypatch):
    said = []
    monkeypatch.setattr(preregistered, "_committed", said)
    return said


@pytest.fixture
def repeated(monkeypatch):
    asked = []

    def repeat(name, seed):
        asked.append((name, seed))
        return MEASURED[name][seed]

    monkeypatch.setattr(preregistered.judge_layers, "__defaults__", (repeat,))
    return asked


@pytest.mark.parametrize(
    ("bet", "said"),
    [("all", "As you had predicted"), ("first", "too few for three seeds"), ("rest", "A surprise that was written")],
)
def test_any_honest_measurement_is_right_whatever_was_predicted(committed, repeated, bet, said):
    assert bet in preregistered.commit(bet).data
    verdict = lesson.layers.check(MEASURED)
    assert verdict.status == CORRECT
    assert said in verdict.message
    assert len(repeated) == 1


def test_numbers_that_no_run_gives_are_noticed_wherever_they_stand(committed, repeated):
    preregistered.commit("first")
    invented = {name: [value + 0.03 for value in values] for name, values in MEASURED.items()}
    verdict = lesson.layers.check(invented)
    assert verdict.status == WRONG
    assert "was done again" in verdict.message
    by_chance = {preregistered._one_of({k: [v + i / 1000 for v in MEASURED[k]] for k in MEASURED}) for i in range(99)}
    assert len(by_chance) == 12, "any of the runs may be the one"


def test_the_first_commitment_stays(committed):
    assert "Nothing is committed" in preregistered.commit(...).data
    preregistered.commit("rest")
    assert "stays" in preregistered.commit("first").data
    assert committed == ["rest"]
    with pytest.raises(ValueError, match="'all', 'first', 'rest'"):
        preregistered.commit("last")


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (MEASURED | {"SGD": [0.2]}, "list of three"),
        (MEASURED | {"SGD": [21, 22, 23]}, "fractions in [0, 1]"),
        (MEASURED | {"SGD": 0.2}, "list of three"),
        ({"SGD": [0.1]}, "with the keys"),
        ("first", "must be a dict"),
    ],
)
def test_what_is_no_measurement_is_told(committed, repeated, answer, symptom):
    preregistered.commit("first")
    verdict = lesson.layers.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message
    assert repeated == []


def test_a_measurement_without_a_commitment_is_none(committed, repeated):
    assert "Commit to a prediction first" in lesson.layers.check(MEASURED).message


def test_layers_left_open_is_not_attempted(committed):
    assert lesson.layers.check(dict.fromkeys(MEASURED, ...)).status == NOT_ATTEMPTED


@pytest.mark.slow
def test_the_run_that_is_done_again_is_the_lessons_own():
    model = samlib.mlp((48, 48), mean=0.0, std=1.0, seed=1)
    x_train, y_train, x_test, y_test = samlib.load_digits()
    samlib.train(model, x_train, y_train, "sam", rho=0.4, perturb=["fc1"], seed=1, progress=False)
    assert preregistered.robust("first", 1) == samlib.robust_accuracy(model, x_test, y_test, 0.125)


def test_an_unfinished_function_is_not_attempted():
    assert lesson.gain.check(lambda a, b: ...).status == NOT_ATTEMPTED
    assert lesson.step.check(lambda model, x, y, optimizer, ball_x=None, ball_w=None: ...).status == NOT_ATTEMPTED
