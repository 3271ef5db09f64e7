"""What all exercises have in common, and those of lessons 00 and 03: right, wrong in telling ways, and missing answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG, Exercise, Question, solutions
from samlib.course.lessons.sam_alone import exercises as sam_alone
from samlib.course.lessons.write_the_attack_into_the_weights import exercises as write_the_attack

ALL = {
    f"{module.__name__}.{name}": value
    for module in (sam_alone, write_the_attack)
    for name, value in vars(module).items()
    if isinstance(value, Exercise)
}


@pytest.mark.parametrize("exercise", ALL.values(), ids=ALL)
def test_an_open_answer_is_not_attempted_and_help_is_there(exercise):
    for nothing in (..., None):
        assert exercise.check(nothing).status == NOT_ATTEMPTED
    first = exercise.hint().text
    assert "Hint 1 of" in first
    last = [exercise.hint().text for _ in range(5)][-1]
    assert last.startswith(f"Hint {len(exercise.hints)}")
    assert exercise.solution().text == solutions()[exercise.name]


def test_a_verdict_shows_itself_as_text_and_as_html():
    verdict = Exercise("t", lambda answer: "a < b" if answer else None, "Well done.", ["h"]).check(1)
    assert repr(verdict) == "✘ Wrong. a < b"
    assert "a &lt; b" in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


def test_an_error_in_the_answer_is_told_to_the_learner_and_does_not_escape():
    verdict = write_the_attack.cheapest.check(lambda W, dx, x: W @ W)
    assert verdict.status == WRONG
    assert "RuntimeError" in verdict.message


def test_a_question_is_answered_only_after_the_commitment():
    question = Question("Which?", {"a": "since a", "b": "not b"}, correct="a")
    for choice, mark in [("a", "✔"), ("b", "✘")]:
        box = question.ask()
        _, options, commit, answer = box.children
        assert options.value is None
        assert commit.disabled
        options.value = choice
        assert "since" not in answer.value
        commit.click()
        assert mark in answer.value
        assert "since a" in answer.value
        assert options.disabled
    with pytest.raises(ValueError, match="correct is 'c'"):
        Question("Which?", {"a": "", "b": ""}, correct="c").ask()


QUESTIONS = {
    f"{module.__name__}.{name}": value
    for module in (sam_alone, write_the_attack)
    for name, value in vars(module).items()
    if isinstance(value, Question)
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_every_choice_of_a_question_gets_a_reason(question):
    assert question.correct in question.choices
    assert len(question.choices) >= 3
    assert all(len(reason) > 20 for reason in question.choices.values())


# ---- 00 --------------------------------------------------------------------------------------------------------------


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
def test_00_cheapest_accepts_every_right_way(answer):
    assert write_the_attack.cheapest.check(answer).status == CORRECT


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
def test_00_cheapest_says_what_is_wrong(answer, symptom):
    verdict = write_the_attack.cheapest.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_00_an_unfinished_function_is_not_attempted():
    assert write_the_attack.cheapest.check(lambda W, dx, x: ...).status == NOT_ATTEMPTED
    assert write_the_attack.felt.check(lambda x, others: None).status == NOT_ATTEMPTED
    assert sam_alone.gain.check(lambda a, b: ...).status == NOT_ATTEMPTED


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, others: others @ x / (x @ x),
        lambda x, others: [float(o @ x) / float(x.norm()) ** 2 for o in others],
        lambda x, others: (others * x).sum(1) / x.square().sum(),
    ],
)
def test_00_felt_accepts_every_right_way(answer):
    assert write_the_attack.felt.check(answer).status == CORRECT


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
def test_00_felt_says_what_is_wrong(answer, symptom):
    verdict = write_the_attack.felt.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


# ---- 03 --------------------------------------------------------------------------------------------------------------


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
def test_03_gain_accepts_every_right_way(answer):
    assert sam_alone.gain.check(answer).status == CORRECT


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
def test_03_gain_says_what_is_wrong(answer, symptom):
    verdict = sam_alone.gain.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def costs(**changed):
    names = {"sgd": "SGD", "sam": "SAM", "first": "first-layer SAM", "at": "AT with 7 steps"}
    return sam_alone.COST | {names[name]: value for name, value in changed.items()}


def test_03_cost_accepts_numbers_of_any_kind():
    assert sam_alone.cost.check(costs()).status == CORRECT
    assert sam_alone.cost.check(costs(sgd=3.0, at=np.int64(17), first=2 + 3)).status == CORRECT


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
def test_03_cost_says_what_is_wrong(answer, symptom):
    verdict = sam_alone.cost.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_03_cost_left_open_is_not_attempted():
    assert sam_alone.cost.check(dict.fromkeys(sam_alone.COST, ...)).status == NOT_ATTEMPTED


GOOD = {"SGD": [0.21, 0.22, 0.23], "all": [0.39, 0.4, 0.41], "first": [0.38, 0.39, 0.4], "rest": [0.3, 0.31, 0.32]}


def test_03_layers_accepts_any_bet_that_was_tested():
    for bet in ("all", "first", "rest"):
        assert sam_alone.layers.check({"prediction": bet, "measured": GOOD}).status == CORRECT


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
def test_03_layers_says_what_is_wrong(answer, symptom):
    verdict = sam_alone.layers.check(answer)
    assert verdict.status == WRONG
    assert symptom in verdict.message


def test_03_layers_left_open_is_not_attempted():
    assert sam_alone.layers.check({"prediction": ..., "measured": ...}).status == NOT_ATTEMPTED
    assert sam_alone.layers.check({"prediction": "all", "measured": dict.fromkeys(GOOD, ...)}).status == NOT_ATTEMPTED
