"""The exercises of lesson 05: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG
from samlib.course.lessons.one_layer_two_spaces import exercises as lesson
from samlib.course.widgets import question
from samlib.duality import at_layer, dz_by_input, dz_by_weights
from tests.course.answers import check, solved


def layer(kappa, angle):
    """A layer of condition number kappa whose long axis stands at `angle` degrees to the exercise's gradient."""
    turn = math.atan2(float(lesson.GRADIENT[1]), float(lesson.GRADIENT[0])) + math.radians(angle)
    axes = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]], dtype=torch.float64)
    return axes @ torch.diag(torch.tensor([kappa, 1.0], dtype=torch.float64))


# ---- two layers, two steps -------------------------------------------------------------------------------------------


def degrees_apart(weight):
    g = lesson.GRADIENT
    return lesson.angle_between(dz_by_weights(g, torch.ones(1, dtype=g.dtype), 1.0), dz_by_input(weight, g, 1.0))


def test_the_widest_angle_is_the_one_that_the_hint_says():
    for kappa in (2.0, 4.0, 10.0):
        best = max(degrees_apart(layer(kappa, angle)) for angle in range(90))
        assert degrees_apart(layer(kappa, math.degrees(math.atan(kappa)))) >= best - 1e-9
        assert math.cos(math.radians(best)) == pytest.approx(2 * kappa / (kappa**2 + 1), abs=1e-3)
    assert degrees_apart(layer(1e4, math.degrees(math.atan(1e4)))) < 90


@pytest.mark.parametrize(
    "answer",
    [
        solved("one_layer_two_spaces/steps", "two_layers", layer=layer, math=math),
        {"same way": layer(5, 0), "apart": layer(4, 75)},
        {"same way": layer(50, 90).float(), "apart": layer(3.9, -75)},
        {"same way": (3 * layer(7, 180)).tolist(), "apart": layer(4, 105).numpy()},
    ],
    ids=["the solution", "by the slider", "float32, the short axis", "lists and arrays"],
)
def test_right_layers_are_correct_however_they_are_given(answer):
    check(lesson.steps, answer, CORRECT)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"same way": layer(4, 0)}, ("same way", "at least 5")),
        ({"same way": layer(6, 20)}, ("apart", "W Wᵀ")),
        ({"apart": layer(6, 80)}, ("6.00", "at most 4")),
        ({"apart": layer(4, 45)}, ("only", "at 45° to g", "further from")),
        ({"apart": layer(4, -85)}, ("only", "at 85° to g", "nearer to")),
        ({"apart": layer(3, 71.6)}, ("too small for 60°",)),
        ({"apart": torch.eye(3)}, ("(3, 3)",)),
        ({"apart": torch.ones(2, 2)}, ("inverse",)),
        ({"apart": layer(4, 75) * torch.nan}, ("finite",)),
    ],
)
def test_wrong_layers_are_told_why(changed, words):
    check(lesson.steps, {"same way": layer(5, 0), "apart": layer(4, 75)} | changed, WRONG, *words)


def test_open_layers_are_told_from_wrong_ones():
    check(lesson.steps, {"same way": ..., "apart": ...}, NOT_ATTEMPTED)
    check(lesson.steps, {"same way": layer(5, 0), "apart": ...}, NOT_ATTEMPTED)
    check(lesson.steps, ..., NOT_ATTEMPTED)
    check(lesson.steps, {"apart": layer(4, 75)}, WRONG, "keys")
    check(lesson.steps, layer(4, 75), WRONG, "dict")


# ---- eight digits ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    x, y, x_test, y_test = samlib.load_digits()
    net = samlib.mlp((48, 48), mean=0.0, std=1.0)
    samlib.train(net, x, y, "sgd", progress=False)
    return net.double(), x_test.double(), y_test


def eight_for(net, x, y, hard):
    says = net(x).argmax(1)
    return [hard, *((y == says[hard]) & (says == y)).nonzero()[:7, 0].tolist()]


def test_the_losses_are_those_of_a_network_that_has_climbed(trained):
    net, x, y = trained
    chosen, rho = [3, 30, 300, 6], 0.1
    before, after = lesson.losses_after_ascent(net, at_layer(net, x, y), y, chosen, rho)
    loss = F.cross_entropy(net(x[chosen]), y[chosen])
    gradients = torch.autograd.grad(loss, [net.fc1.weight, net.fc1.bias])
    length = torch.cat([g.flatten() for g in gradients]).norm()
    with torch.no_grad():
        z = x[chosen].flatten(1) @ (net.fc1.weight + rho * gradients[0] / length).T
        moved = net[3:](z + net.fc1.bias + rho * gradients[1] / length)
    assert before.mean() == pytest.approx(float(loss.detach()), abs=1e-9)
    assert torch.allclose(after, F.cross_entropy(moved, y[chosen], reduction="none"), atol=1e-9)


def test_the_solutions_eight_are_correct_as_list_and_as_tensor(trained):
    net, x, y = trained
    eight = solved("one_layer_two_spaces/eight digits", "eight", net=net, x_test=x, y_test=y)
    exercise = lesson.eight_digits(net, x, y, rho=0.1)
    check(exercise, eight, CORRECT)
    check(exercise, torch.tensor(eight), CORRECT)
    check(exercise, np.array(eight), CORRECT)
    check(exercise, [np.int64(i) for i in eight], CORRECT)
    check(exercise, tuple(reversed(eight)), CORRECT)


def test_other_eights_are_correct_too_if_they_are_helped(trained):
    net, x, y = trained
    exercise, layer_ = lesson.eight_digits(net, x, y, rho=0.1), at_layer(net, x, y)
    wrong = (net(x).argmax(1) != y).nonzero()[:, 0].tolist()
    right = 0
    for hard in wrong:
        eight = eight_for(net, x, y, hard)
        before, after = lesson.losses_after_ascent(net, layer_, y, eight, 0.1)
        helped = int((after < before).sum())
        check(exercise, eight, CORRECT if helped >= 6 else WRONG)
        right += helped >= 6
    assert right >= 3


def test_wrong_and_open_eights_are_told_why(trained):
    net, x, y = trained
    exercise = lesson.eight_digits(net, x, y, rho=0.1)
    check(exercise, list(range(8)), WRONG, "of the eight", "mean loss rises")
    check(exercise, range(8), WRONG, "of the eight")
    check(exercise, [list(range(8))], WRONG, "whole numbers")
    check(exercise, list(range(7)), WRONG, "7 different digit(s)")
    check(exercise, [1] * 8, WRONG, "1 different digit(s)")
    check(exercise, [*range(7), 5000], WRONG, "Indices go from 0")
    check(exercise, [0.5] * 8, WRONG, "whole numbers")
    check(exercise, 8, WRONG, "a list of eight")
    check(exercise, ..., NOT_ATTEMPTED)


# ---- a run that could refute -----------------------------------------------------------------------------------------

TUNED = "chosen on validation images"


def run(network, perturb, against, rho, outcome):
    return dict(zip(lesson.FIELDS, (network, perturb, against, rho, outcome), strict=True))


@pytest.mark.parametrize(
    "design",
    [
        solved("one_layer_two_spaces/refute", "design"),
        run("256-256", "later layers", "SGD", TUNED, "higher"),
        run("ResNet", "later layers", "SGD", TUNED, "higher"),
        run("ResNet", "later layers", "SAM on all layers", TUNED, "not lower"),
        run("48-48", "later layers", "SAM on all layers", TUNED, "higher"),
        run("48-48", "first layer", "SGD", TUNED, "not higher"),
        run("48-48", "first layer", "SGD", TUNED, "lower"),
        run("48-48", "first layer", "SAM on all layers", TUNED, "lower"),
    ],
)
def test_a_design_whose_outcome_the_explanation_forbids_is_correct(design):
    check(lesson.refute, design, CORRECT)
    check(lesson.refute, dict(reversed(design.items())), CORRECT)


def test_a_radius_may_be_given_as_a_number():
    check(lesson.refute, run("48-48", "later layers", "SGD", 0.4, "higher"), WRONG, "nobody tuned")


@pytest.mark.parametrize(
    ("design", "words"),
    [
        (run("48-48", "first layer", "SGD", TUNED, "higher"), ("lets robust accuracy be higher", "cannot refute")),
        (run("48-48", "first layer", "SGD", TUNED, "not lower"), ("be higher", "cannot refute")),
        (run("48-48", "first layer", "SAM on all layers", TUNED, "not higher"), ("be equal", "cannot refute")),
        (run("48-48", "later layers", "SGD", TUNED, "not higher"), ("be lower or equal", "cannot refute")),
        (run("48-48", "later layers", "SGD", TUNED, "not lower"), ("be equal", "cannot refute")),
        (run("48-48", "later layers", "SAM on all layers", TUNED, "lower"), ("be lower", "cannot refute")),
        (run("48-48", "all layers", "SGD", TUNED, "not higher"), ("any layer's", "nothing to explain")),
        (run("48-48", "all layers", "SAM on all layers", TUNED, "lower"), ("with itself",)),
        (run("256-256", "first layer", "SGD", TUNED, "not higher"), ("more units than pixels", "exact")),
        (run("ResNet", "first layer", "SGD", TUNED, "not higher"), ("convolution", "exact")),
        (run("48-48", "first layer", "SGD", "0.4", "not higher"), ("nobody tuned", "not mean the same")),
        (run("256-256", "later layers", "SGD", "0.4", "higher"), ("nobody tuned",)),  # lesson 03 measures this gain
        (run("48-48", "later layers", "SAM on all layers", 0.4, "not lower"), ("nobody tuned",)),
        (run("48-48", "fc2", "SGD", TUNED, "higher"), ("'perturb' is 'fc2'", "later layers")),
        (run("48-48", ["later layers"], "SGD", TUNED, "higher"), ("'perturb' is", "must be one of")),
        ({"network": "48-48"}, ("keys", "refuted if")),
        ("later layers", ("keys",)),
    ],
)
def test_a_design_that_cannot_refute_is_told_why(design, words):
    check(lesson.refute, design, WRONG, *words)


def test_every_design_is_either_correct_or_told_why():
    every = [dict(zip(lesson.FIELDS, values, strict=True)) for values in itertools.product(*lesson.FIELDS.values())]
    verdicts = [lesson.refute.check(design).status for design in every]
    assert set(verdicts) == {CORRECT, WRONG}
    assert verdicts.count(CORRECT) == 3 * (1 + 2) + 2 + 1


def test_an_open_design_is_told_from_a_wrong_one():
    check(lesson.refute, run("48-48", "later layers", "SGD", TUNED, ...), NOT_ATTEMPTED)
    check(lesson.refute, run(..., ..., ..., ..., ...), NOT_ATTEMPTED)
    check(lesson.refute, ..., NOT_ATTEMPTED)


# ---- questions -------------------------------------------------------------------------------------------------------


def test_every_question_of_the_lesson_can_be_asked():
    asked = [value for value in vars(lesson).values() if isinstance(value, lesson.Question)]
    assert len(asked) == 7
    for one in asked:
        assert one.correct in one.choices
        assert question(one.text, one.choices, one.correct).children


def test_a_prediction_of_the_lesson_that_can_be_computed_is_right():
    """Ball against ellipse: along the long axis the pixels reach further up, across it the weights."""
    g, x = lesson.GRADIENT, torch.tensor([1.0, 0.0], dtype=torch.float64)
    for angle, sign in ((0, 1), (90, -1)):
        weight = layer(4, angle) / 2  # keeps areas
        rise = g @ dz_by_input(weight, g, 1.0) - g @ dz_by_weights(g, x, 1.0)
        assert sign * rise > 0
    assert lesson.bet_on_the_shape.correct == "it depends on where the loss rises"
