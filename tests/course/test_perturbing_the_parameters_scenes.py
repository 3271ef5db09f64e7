"""Lesson 02: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.text import Text

import samlib
from samlib.course import results
from samlib.course.lessons import perturbing_the_parameters as lesson
from samlib.course.lessons.perturbing_the_parameters import layers, rescaling, runs, valley, weight_ball
from samlib.duality import rescale
from samlib.sharpness import along, find_worst_case, worst_case
from tests.course.scenes import draw, ends


@pytest.fixture(scope="module")
def stage():
    """Two trained networks and the digits that their loss is measured on."""
    x, y, *_ = samlib.load_digits()
    x, y = x[:300], y[:300]
    nets = {name: samlib.mlp(hidden=(16, 16), mean=0.0, std=1.0) for name in ("SGD", "SAM")}
    samlib.train(nets["SGD"], x, y, method="sgd", epochs=20, progress=False)
    samlib.train(nets["SAM"], x, y, method="sam", rho=0.4, epochs=20, progress=False)
    return {name: net.double() for name, net in nets.items()}, x.double(), y


@pytest.fixture(scope="module")
def losses(stage):
    return lesson.losses_on_the_way(*stage)


@pytest.fixture(scope="module")
def twins(stage):
    return {a: rescale(stage[0]["SAM"], a) for a in lesson.FACTORS}


@pytest.fixture(scope="module")
def sharpness(stage, twins):
    nets, x, y = stage
    found = {}
    for (units, size), rho in lesson.RADII.items():
        setting = {"rho": rho, "steps": 3, "relative": "layer" if units == "relative" else None}
        found["SGD", units, size] = worst_case(nets["SGD"], x, y, **setting)
        found["SAM", units, size] = [worst_case(twin, x, y, **setting) for twin in twins.values()]
    return found


def steepness(u):
    return 1 + 4 * (u - 1) ** 2


@pytest.fixture(scope="module")
def paths():
    """Straight lines from one place: SGD's ends on the floor, SAM's further right; its ascent step goes up."""
    found = {}
    for rho, end in ((0.0, (-0.8, 0.0)), (0.2, (0.4, 0.0)), (0.4, (0.9, 0.01))):
        path = np.linspace((-1.0, 0.8), end, 202)
        found[rho] = path, path[:-1] + np.array([0, rho])
    return found


# ---- what they compute -----------------------------------------------------------------------------------------------


def test_random_directions_have_length_1_and_are_the_same_each_time(stage):
    net = stage[0]["SGD"]
    drawn, again = (list(weight_ball.random_directions(net, 3)) for _ in range(2))
    flat = torch.stack([torch.cat([part.flatten() for part in direction.values()]) for direction in drawn])
    torch.testing.assert_close(flat.norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert (flat @ flat.T - torch.eye(3)).abs().max() < 0.2  # hardly a common part
    assert all(torch.equal(a[name], b[name]) for a, b in zip(drawn, again, strict=True) for name in a)
    assert [list(direction) for direction in drawn] == [[name for name, _ in net.named_parameters()]] * 3


def test_the_worst_of_some_directions_is_where_the_loss_is_highest(stage):
    nets, x, y = stage
    gradients = torch.autograd.grad(F.cross_entropy(nets["SGD"](x), y), list(nets["SGD"].parameters()))
    length = torch.cat([g.flatten() for g in gradients]).norm()
    names = [name for name, _ in nets["SGD"].named_parameters()]
    uphill = {name: g / length for name, g in zip(names, gradients, strict=True)}
    downhill = {name: -part for name, part in uphill.items()}
    assert weight_ball.worst_of(iter([downhill, uphill, downhill]), nets["SGD"], x, y) is uphill


def test_losses_on_the_way_lead_from_the_weights_to_what_each_direction_finds(stage, losses):
    nets, x, y = stage
    assert set(losses) == set(itertools.product(nets, lesson.DIRECTIONS, weight_ball.RHOS))
    for name, net in nets.items():
        here = F.cross_entropy(net(x), y).item()
        found = find_worst_case(net, x, y, 0.4, 20)
        for direction in lesson.DIRECTIONS:
            assert losses[name, direction, 0.4][0] == pytest.approx(here)
        assert losses[name, "1 step", 0.4][-1] == pytest.approx(found.losses[1])
        assert losses[name, "20 steps", 0.4][-1] == pytest.approx(max(found.losses))
        worst = max(weight_ball.random_directions(net, 20), key=lambda d: float(along(net, x, y, d, [0.4])))
        assert losses[name, "random", 0.4][-1] == pytest.approx(float(along(net, x, y, worst, [0.4])))


def test_a_rise_is_measured_from_the_start_to_the_highest_place():
    assert lesson.rise(np.array([1.0, 0.5, 3.0, 2.0])) == 2.0
    assert lesson.rise(np.array([1.0, 0.5])) == 0.0


def test_labels_go_where_two_curves_are_far_apart():
    low, high = np.ones(9), np.array([1.0, 1, 1, 1, 1, 8, 9, 2, 1])
    points = weight_ball.far_apart({name: np.column_stack([range(9), v]) for name, v in (("a", low), ("b", high))})
    assert points["a"].tolist() == [[5, 1], [6, 1]]
    assert points["b"].tolist() == [[5, 8], [6, 9]]


def test_layers_are_as_long_as_their_rescaled_weights_and_move_by_rho_or_by_rho_of_their_length(twins):
    before, now = rescaling.weight_lengths(twins[1.0]), rescaling.weight_lengths(twins[0.1])
    assert now == pytest.approx([0.1 * before[0], 10 * before[1], before[2]])
    assert before[0] == pytest.approx(twins[1.0].fc1.weight.norm().item())
    assert rescaling.reach(now, "absolute", 0.4) == [0.4] * 3
    assert rescaling.reach(now, "relative", 0.05) == pytest.approx([0.05 * length for length in now])


@pytest.fixture(scope="module")
def shares(stage):
    return lesson.shares_of_rho(*stage)


def test_shares_of_rho_sum_to_one_and_relative_ones_do_not_see_the_rescaling(shares):
    assert all(sum(parts) == pytest.approx(1) for parts in shares.values())
    for name in ("SGD", "SAM"):
        relative = [shares[name, a, "relative"] for a in lesson.FACTORS]
        np.testing.assert_allclose(relative, relative[:1] * len(relative), atol=1e-9)
        assert shares[name, 0.1, "absolute"][0] > 0.9 > shares[name, 10.0, "absolute"][0]


def test_a_run_has_collapsed_where_it_misclassifies_more_than_a_tenth_of_its_training_images():
    methods = results.load("methods")
    lost = runs.collapsed(methods, "SAM 0.8")
    fitted = results.values(methods, "SAM 0.8", "training accuracy")
    assert 0 < sum(lost) < len(lost)
    assert lost == [value < 0.9 for value in fitted]
    assert not any(runs.collapsed(methods, "SAM 0.4"))


# ---- what their pictures say -----------------------------------------------------------------------------------------


def test_the_loss_within_rho_is_told_for_both_networks(losses):
    scene = lesson.loss_within_rho(losses)
    for values in ends(scene):
        alt = draw(scene, **values)
        for name in ("SGD", "SAM"):
            rise = lesson.rise(losses[name, values["direction"], values["rho"]])
            assert f"{name} by {rise:.5f}" in alt


def test_the_valley_is_told_by_where_training_is(paths):
    scene = lesson.training_in_the_valley(paths, steepness)
    for values in ends(scene):
        alt = draw(scene, **values)
        u, v = paths[values["rho"]][0][values["steps"]]
        assert alt.startswith("SAM, rho = 0.4 after" if values["rho"] else "SGD after")
        assert f"u = {u:.2f}, v = {v:.2f}" in alt
        assert f"steepness {steepness(u):.1f}" in alt


def test_the_loss_of_the_valley_is_zero_on_its_floor_and_rises_with_the_square():
    loss = valley.height(steepness)
    assert loss.shape == (len(valley.V), len(valley.U))
    np.testing.assert_allclose(loss[3], 0.5 * steepness(valley.U) * valley.V[3] ** 2)


@pytest.mark.slow
def test_the_rescaled_network_is_called_sharper_where_its_number_is_larger(twins, sharpness):
    scene = lesson.sharpness_of_one_function(twins, sharpness)
    for values in ends(scene):
        alt = draw(scene, **values)
        units, size = values["units"], values["size"]
        now = sharpness["SAM", units, size][lesson.FACTORS.index(values["a"])]
        fixed = sharpness["SGD", units, size]
        assert f"rho {lesson.RADII[units, size]:g}" in alt
        assert f"SAM {now:.4f}, SGD {fixed:.4f}; {'SAM' if now > fixed else 'SGD'}'s looks sharper" in alt


def test_the_shares_are_told_in_percent_and_drawn_side_by_side(shares):
    scene = lesson.share_of_each_layer(shares)
    for values in ends(scene):
        alt = draw(scene, **values)
        for name in ("SGD", "SAM"):
            found = shares[name, values["a"], values["units"]]
            assert f"{name} {', '.join(f'{100 * share:.0f} %' for share in found)}" in alt


def test_a_shared_bar_names_the_layers_for_which_there_is_room(shares):
    scene = lesson.share_of_each_layer({key: [0.7, 0.28, 0.02] for key in shares})
    words = {text.get_text() for text in scene.picture.fig.findobj(Text)}
    assert {"layer 1: 70 %", "layer 2: 28 %"} <= words
    assert not any("2 %" in text for text in words)
    assert layers.SharedBar.NAMED > layers.SharedBar.NUMBERED


@pytest.mark.parametrize("still", ["three", "steps", "valley", "balls", "shares", "runs"])
def test_a_still_picture_says_what_it_shows(still, losses, paths, sharpness, shares):
    made, word = {
        "three": lambda: (lesson.three_directions(losses), "up to distance 0.4"),
        "steps": lambda: (
            lesson.loss_after_each_step({"SGD": range(1, 22), "SAM": range(2, 23)}),
            "20 steps of ascent",
        ),
        "valley": lambda: (lesson.sgd_and_sam_in_the_valley(paths, steepness), "further right"),
        "balls": lambda: (lesson.sharpness_in_four_balls(sharpness), "Relative: it does not change"),
        "shares": lambda: (lesson.shares_absolute_and_relative(shares), "at a = 10 layer 2"),
        "runs": lambda: (lesson.runs_at_each_rho(results.load("methods")), "about half of the runs collapse"),
    }[still]()
    assert word in made.data
    assert 'width="840"' in made.data
