"""The exercises of lesson 04: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG, Exercise, Question, solutions
from samlib.course.lessons.is_it_real import exercises as lesson
from samlib.course.widgets import question
from samlib.masking import quantise_input, scale_logits

EPS = lesson.EPS


def check(exercise, answer, status, *words):
    verdict = exercise.check(answer)
    assert verdict.status == status, verdict
    for word in words:
        assert word in verdict.message, verdict


@pytest.fixture(scope="module")
def digits():
    _, _, x, y = samlib.load_digits()
    return x[:100], y[:100]


@pytest.fixture(scope="module")
def nets():
    x_train, y_train, _, _ = samlib.load_digits()
    plain, robust = samlib.mlp(), samlib.mlp()
    samlib.train(plain, x_train, y_train, epochs=30, progress=False)
    samlib.train(robust, x_train, y_train, "at", eps=EPS, epochs=30, progress=False)
    return plain, robust


@pytest.fixture(scope="module")
def models(nets):
    return lesson.four_networks(*nets)


@pytest.fixture(scope="module")
def fakes(models, digits):
    return lesson.find_the_fake(models, *digits)


@pytest.fixture(scope="module")
def found(models, digits):
    """What the lesson's solution finds."""
    space = {"samlib": samlib, "models": models, "x": digits[0], "y": digits[1], "EPS": EPS}
    exec(solutions()["is_it_real/fakes"], space)
    return space["found"]


EXERCISES = [value for value in vars(lesson).values() if isinstance(value, Exercise)]
QUESTIONS = {name: value for name, value in vars(lesson).items() if isinstance(value, Question)}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_open_answer_is_not_attempted_and_help_is_there(exercise):
    for nothing in (..., None):
        check(exercise, nothing, NOT_ATTEMPTED)
    texts = [exercise.hint().text for _ in range(4)]
    assert texts[0].startswith("Hint 1 of 3")
    assert texts[2] == texts[3]
    assert exercise.solution().text == solutions()[exercise.name]


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_choice_of_a_question_gets_a_reason(name):
    asked = QUESTIONS[name]
    assert len(asked.choices) >= 3
    assert all(len(reason) > 20 for reason in asked.choices.values())
    assert len(question(asked.text, asked.choices, asked.correct).children) == 4


# ---- a loss that no scale fools --------------------------------------------------------------------------------------


def best_wrong(logits, y):
    return logits.scatter(1, y[:, None], -torch.inf).amax(1)


def right_one(logits, y):
    return logits.gather(1, y[:, None]).squeeze(1)


def solved(name, function, **space):
    space |= {"torch": torch, "F": F}
    exec(solutions()[name], space)
    return space[function]


def by_topk(logits, y):
    top, which = logits.topk(2, dim=1)
    return torch.where(which[:, 0] == y, top[:, 1], top[:, 0]) - right_one(logits, y)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: solved("is_it_real/loss", "loss")(z, y),
        lambda z, y: best_wrong(z, y) - right_one(z, y),
        lambda z, y: (best_wrong(z, y) - right_one(z, y)).sum(),
        by_topk,
        samlib.losses.dlr,
        lambda z, y: F.cross_entropy(z / z.detach().abs().amax(1, keepdim=True) * 5, y, reduction="none"),
        lambda z, y: F.cross_entropy(5 * (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True), y, reduction="none"),
        lambda z, y: 1e-3 * (best_wrong(z, y) - right_one(z, y)),
    ],
)
def test_every_loss_that_no_scale_fools_is_accepted(loss):
    check(lesson.loss, loss, CORRECT)


@pytest.mark.parametrize(
    ("loss", "word"),
    [
        (lambda z, y: F.cross_entropy(z, y, reduction="none"), "saturates"),
        (lambda z, y: best_wrong(z.softmax(1), y) - right_one(z.softmax(1), y), "saturates"),
        (lambda z, y: F.cross_entropy(z / 5, y, reduction="none"), "only moves the scale"),
        (lambda z, y: F.cross_entropy(z / 30, y, reduction="none"), "only for a part of the digits"),
        (lambda z, y: F.cross_entropy(z.double(), y, reduction="none"), "saturates"),
        (lambda z, y: right_one(z, y) - best_wrong(z, y), "Is its sign right"),
        (lambda z, y: z.amax(1) - right_one(z, y), "leave out the right one"),
        (lambda z, y: (z.argmax(1) != y).float(), "No gradient leads back"),
        (lambda z, y: z.scatter(1, y[:, None], 0.0).amax(1) - right_one(z, y), "lowered below 0"),
        (lambda z, y: z, "one number for each image"),
        (lambda z, y: 1.0, "must return a tensor"),
        (lambda z, y: -(right_one((30 * z).softmax(1), y)).log(), "not finite"),
        (lambda z: z, "TypeError"),
        (3, "must be a function"),
    ],
)
def test_a_wrong_loss_is_told_by_its_symptom(loss, word):
    check(lesson.loss, loss, WRONG, word)


def test_an_open_loss_is_not_attempted():
    check(lesson.loss, lambda z, y: ..., NOT_ATTEMPTED)
    check(lesson.loss, lambda z, y: None, NOT_ATTEMPTED)


# ---- find the fake ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_four_are_what_they_are_said_to_be(models, nets, digits):
    x, y = digits
    plain, robust = nets
    assert lesson.REAL == "B"
    with torch.no_grad():
        assert torch.equal(models["B"](x), robust(x))
        for name in "AD":
            assert (models[name](x).argmax(1) == plain(x).argmax(1)).double().mean() > 0.95
        assert not torch.equal(models["C"](x), models["C"](x))
    assert all(repr(model) == f"network {name}, sealed" for name, model in models.items())
    assert all(samlib.accuracy(model, x, y) > 0.85 for model in models.values())


def test_each_fake_withstands_the_attack_that_its_author_shows(models, digits):
    x, y = digits
    attacks = {
        "PGD ce": lambda m: samlib.pgd(m, x, y, EPS, steps=40),
        "PGD margin": lambda m: samlib.pgd(m, x, y, EPS, steps=40, loss="margin"),
        "random search": lambda m: samlib.square(m, x, y, EPS, queries=400),
    }
    for name, model in models.items():
        assert samlib.accuracy(model, attacks[lesson.CLAIMS[name]](model), y) > 0.7, name


def test_the_solution_and_other_evidence_convict_the_fakes(fakes, found, models, nets, digits):
    x, y = digits
    check(fakes, found, CORRECT, "images prove")
    transferred = samlib.pgd(nets[0], x, y, EPS, steps=40, loss="margin")  # whoever found the plain network may use it
    check(fakes, {"A": transferred, "B": " Robust", "C": transferred, "D": transferred}, CORRECT)
    apgd = samlib.apgd(models["D"], x, y, EPS, steps=40, loss="dlr")
    check(fakes, found | {"A": transferred.numpy(), "D": apgd}, CORRECT)


def test_wrong_verdicts_are_told_by_their_symptom(fakes, found, models, digits):
    x, y = digits
    accused = samlib.pgd(models["B"], x, y, EPS, steps=40)
    check(fakes, found | {"B": accused}, WRONG, "You accuse B", "no evidence")
    for name, word in {"A": "exactly 0", "C": "another answer each time", "D": "no gradient left"}.items():
        check(fakes, found | {name: "robust"}, WRONG, f"You let {name} pass", word)
    check(fakes, found | {"A": samlib.pgd(models["A"], x, y, EPS, steps=40)}, WRONG, "convicts nobody")
    check(fakes, found | {"D": samlib.pgd(models["D"], x, y, EPS, steps=40)}, WRONG, "convicts nobody")
    check(fakes, found | {"C": samlib.square(models["C"], x, y, EPS, queries=400)}, WRONG, "convicts nobody")


def test_evidence_of_the_wrong_form_is_told_so(fakes, found, models, digits):
    x, _ = digits
    check(fakes, found | {"A": "fake"}, WRONG, "Prove it")
    check(fakes, found | {"A": "maybe"}, WRONG, "it must be 'robust'")
    check(fakes, found | {"A": object()}, WRONG, "it must be 'robust'")
    check(fakes, found | {"A": x[:3]}, WRONG, "one for each digit")
    check(fakes, found | {"A": x + 0.1}, WRONG, "outside [0, 1]")
    check(fakes, found | {"A": 1 - x}, WRONG, "the attacker may use 0.125")
    check(fakes, found | {"A": np.full(tuple(x.shape), np.nan)}, WRONG, "outside [0, 1]")
    check(fakes, found | {"C": ...}, WRONG, "C is still open")
    check(fakes, {"A": "robust"}, WRONG, "keys")
    check(fakes, 3, WRONG, "keys")
    check(fakes, dict.fromkeys("ABCD", ...), NOT_ATTEMPTED)
    check(fakes, ..., NOT_ATTEMPTED)


def test_the_hints_and_the_solution_of_the_fakes_are_there(fakes):
    assert "Hint 1 of 3" in fakes.hint().text
    assert fakes.solution().text == solutions()["is_it_real/fakes"]


# ---- a fake that passes a check --------------------------------------------------------------------------------------


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


class Wrapped(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(Reverse.apply(x))


class Decoy(torch.nn.Module):
    """The answers of one network with the gradients of another."""

    def __init__(self, net, decoy):
        super().__init__()
        self.net, self.decoy = net, decoy

    def forward(self, x):
        shown = self.decoy(x)
        return self.net(x.detach()).detach() + shown - shown.detach()


def by_hook(net):
    def model(x):
        if x.requires_grad:
            x = x.clone()
            x.register_hook(lambda gradient: -gradient)
        return net(x)

    return model


@pytest.mark.parametrize(
    "disguise",
    [
        lambda net: solved("is_it_real/disguise", "disguise")(net),
        lambda net: lambda x: net(x.detach() + (x.detach() - x)),
        lambda net: lambda x: 2 * net(x).detach() - net(x),
        Wrapped,
        by_hook,
        lambda net: Decoy(net, samlib.mlp()),
    ],
)
def test_every_liar_that_changes_no_answer_is_accepted(disguise):
    check(lesson.disguise, disguise, CORRECT)


def changes_the_weights(net):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.0001)
    return lambda x: net(2 * x.detach() - x)


@pytest.mark.parametrize(
    ("disguise", "word"),
    [
        (lambda net: net, "still finds its way"),
        (lambda net: lambda x: net(x.detach()), "No gradient at all"),
        (lambda net: lambda x: net(x.detach() + 0 * x), "exactly 0"),
        (lambda net: scale_logits(net, 200), "exactly 0"),
        (lambda net: quantise_input(net, 9), "another answer"),
        (lambda net: lambda x: net(1 - x), "another answer"),
        (lambda net: lambda x: net(x.detach() + (x - x.detach()).flip(-1)), "still finds its way"),
        (lambda net: lambda x: scale_logits(net, 5)(x), "still finds its way"),
        (changes_the_weights, "weights of net"),
        (lambda net: 3, "must return a network"),
        (3, "must be a function"),
        (lambda net: lambda x: net(x, x), "TypeError"),
    ],
)
def test_a_disguise_that_is_seen_through_is_told_why(disguise, word):
    check(lesson.disguise, disguise, WRONG, word)


def test_an_open_disguise_is_not_attempted():
    check(lesson.disguise, lambda net: ..., NOT_ATTEMPTED)
    check(lesson.disguise, lambda net: None, NOT_ATTEMPTED)
    check(lesson.disguise, lambda net: lambda x: None, NOT_ATTEMPTED)


def test_the_judges_network_is_the_same_after_every_check():
    net, _, _ = lesson._network_and_digits()
    before = copy.deepcopy(net.state_dict())
    lesson.disguise.check(changes_the_weights)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_gradients_that_are_exactly_zero_are_counted(nets, digits):
    assert lesson.zero_gradients(nets[0], *digits) == 0
    assert lesson.zero_gradients(scale_logits(nets[0], 1000), *digits) > 0.8


# ---- what the text says of this course's own evaluation -----------------------------------------------------------


def test_what_the_union_left_and_how_near_standard_comes_to_autoattack_is_as_the_lesson_says():
    root = Path(__file__).resolve().parents[2]
    strength = json.loads((root / "benchmarks" / "results" / "strength.json").read_text())
    flattered = {net["net"]: 100 * (net["PGD union"] - net["reference"]) for net in strength["nets"]}
    worst = max(flattered, key=flattered.get)
    assert worst.startswith("alpha 0")  # trained on perturbed features
    assert 10.5 < flattered[worst] < 11.5
    assert strength["networks"] == len(strength["nets"]) == 79
    assert strength["most images above"] == max(net["images above"] for net in strength["nets"]) == 2
    said = (root / "notebooks" / "source" / "04_is_it_real.py").read_text().replace("\n#", "")
    for words in ("up to eleven of 100 digits", "On 79 networks it now leaves at most two images more"):
        assert words in said


# ---- referee a report ------------------------------------------------------------------------------------------------


def test_the_right_remarks_are_accepted_and_each_wrong_one_is_told_where_to_look():
    right = dict(lesson.FAULTS)
    check(lesson.referee, right, CORRECT)
    for line in right:
        other = "fine" if right[line] != "fine" else "mean"
        check(lesson.referee, right | {line: other}, WRONG, f"line {line}", "5 of 6")
    check(lesson.referee, dict.fromkeys(right, "fine"), WRONG, "1 of 6")


def test_remarks_of_the_wrong_form_are_told_so():
    right = dict(lesson.FAULTS)
    check(lesson.referee, right | {3: "bad"}, WRONG, "Line 3 is 'bad'", "'one ball'")
    check(lesson.referee, right | {3: ["mean"]}, WRONG, "Line 3")
    check(lesson.referee, right | {3: ...}, WRONG, "Line 3 is still open")
    check(lesson.referee, {1: "fine"}, WRONG, "keys 1 to 6")
    check(lesson.referee, "fine", WRONG, "keys 1 to 6")
    check(lesson.referee, dict.fromkeys(right, ...), NOT_ATTEMPTED)
