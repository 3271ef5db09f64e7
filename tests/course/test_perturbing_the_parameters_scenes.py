"""Lesson 02: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course import results
from samlib.course.lessons import perturbing_the_parameters as lesson
from samlib.course.lessons.perturbing_the_parameters import (
    batchnorm,
    batchnorm_scene,
    flat_and_robust,
    rescaling,
    valley,
    weight_ball,
)
from samlib.duality import rescale
from samlib.sharpness import along, find_worst_case, worst_case
from tests.course.scenes import draw, ends, same_when_drawn_whole


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


@pytest.mark.parametrize(
    ("rises", "said"),
    [
        ({"SGD": 0.6, "SAM": 0.05}, "SGD's loss rises 12 times as far"),
        ({"SGD": 1.0, "SAM": 2.5}, "SAM's loss rises 2.5 times as far"),
        ({"SGD": 1.0, "SAM": 1.1}, "Both rise about as far"),
    ],
)
def test_the_caption_says_whose_loss_rises_further(rises, said):
    assert weight_ball.compared(rises) == said


def test_the_rank_correlation_is_minus_one_where_the_flatter_run_is_always_the_more_robust():
    measured = [(1.0, 0.9), (2.0, 0.5), (3.0, 0.4)]
    runs = [{"setting": "SGD", "measured": {"s": s, "linf 0.125": r}} for s, r in measured]
    assert flat_and_robust.rank_correlation({"runs": runs}, "s", ["SGD"]) == pytest.approx(-1)
    runs[0]["measured"]["linf 0.125"] = 0.1
    assert flat_and_robust.rank_correlation({"runs": runs}, "s", ["SGD"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("correlation", "word"), [(-0.9, "The flatter"), (-0.5, "exceptions"), (-0.1, "not order"), (0.2, "not order")]
)
def test_a_rank_correlation_is_put_into_words(correlation, word):
    assert word in flat_and_robust.verdict(correlation)


# ---- BatchNorm in the second pass ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", batchnorm.POLICIES)
def test_a_step_counts_the_passes_that_its_policy_says_and_ends_in_training_mode(policy):
    x, y, *_ = samlib.load_digits()
    net = samlib.small_resnet()
    base = torch.optim.SGD(net.parameters(), lr=0.1)
    sam = samlib.SAM(base, rho=0.1, model=net if policy == "first pass only" else None)
    modes = []

    def backward():
        modes.append(net.bn.training)
        sam.zero_grad()
        loss = F.cross_entropy(net(x[:64]), y[:64])
        loss.backward()
        return loss.detach()

    before = F.cross_entropy(net(x[:64]), y[:64]).item()
    net.bn.reset_running_stats()
    assert batchnorm.take_step(sam, net, backward, policy).item() == pytest.approx(before)
    assert modes == [True, policy != "evaluation mode"]
    assert int(net.bn.num_batches_tracked) == (2 if policy == "both passes" else 1)
    assert net.training
    assert not sam.perturbed


def test_variance_ratios_are_one_where_the_running_variance_is_that_of_the_data_and_the_net_stays_as_it_was():
    x = samlib.load_digits()[0][:200]
    net = samlib.small_resnet().eval()
    assert (
        min(batchnorm.variance_ratios(net, x)) > 2 or max(batchnorm.variance_ratios(net, x)) < 0.5
    )  # still 1 at first
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.train()(x)
    state = {name: value.clone() for name, value in net.eval().state_dict().items()}
    assert batchnorm.variance_ratios(net, x) == pytest.approx([1.0] * 16, rel=1e-4)
    assert not net.training
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_the_file_holds_every_policy_rho_and_seed_and_one_row_can_be_made_again():
    rows = batchnorm.load()
    keys = [(row["policy"], row["rho"], row["seed"]) for row in rows]
    assert sorted(keys) == sorted(itertools.product(batchnorm.POLICIES, batchnorm.RHOS, batchnorm.SEEDS))
    assert {len(row["loss"]) for row in rows} == {batchnorm.EPOCHS}
    first = next(row for row in rows if (row["policy"], row["rho"], row["seed"]) == ("evaluation mode", 0.1, 0))
    _, losses, clean = batchnorm.train_with("evaluation mode", 0.1, 0, epochs=2)
    assert losses == pytest.approx(first["loss"][:2], rel=0.02)  # another machine rounds otherwise
    assert clean == pytest.approx(first["clean"][:2], abs=0.1)


@pytest.mark.slow
def test_a_whole_row_can_be_made_again():
    row = batchnorm.run("first pass only", 0.1, 0)
    kept = next(r for r in batchnorm.load() if (r["policy"], r["rho"], r["seed"]) == ("first pass only", 0.1, 0))
    assert row["loss"] == pytest.approx(kept["loss"], rel=0.2)
    assert row["clean"][-1] == pytest.approx(kept["clean"][-1], abs=0.015)
    assert row["robust"] == pytest.approx(kept["robust"], abs=0.06)
    assert row["variance ratios"] == pytest.approx(kept["variance ratios"], abs=0.05)


def test_what_the_running_statistics_count_changes_no_weight():
    found = {policy: batchnorm.rows_of(batchnorm.load(), policy) for policy in batchnorm.POLICIES}
    losses = {policy: [row["loss"] for row in rows] for policy, rows in found.items()}
    assert losses["first pass only"] == losses["both passes"] != losses["evaluation mode"]


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


def test_sharpness_and_robustness_are_told_by_their_rank_correlation():
    table = results.load("sharpness")
    scene = lesson.sharpness_and_robustness(table)
    for values in ends(scene):
        alt = draw(scene, **values)
        rho, settings = flat_and_robust.RADII[values["units"]][values["at"]], flat_and_robust.JOINED[values["who"]]
        found = lesson.rank_correlation(table, f"sharpness {values['units']} {rho:g}", settings)
        assert alt.startswith(f"{values['who']}, sharpness within rho {rho:g} in {values['units']} units")
        assert f"rank correlation {found:.2f}" in alt


def test_the_runs_of_a_policy_are_told_by_loss_and_accuracy():
    scene = lesson.batchnorm_in_the_second_pass()
    for values in ends(scene):
        alt = draw(scene, **values)
        chosen = batchnorm.rows_of(lesson.recorded(), **values)
        assert alt.startswith(f"{values['policy']}, rho {values['rho']:g}")
        assert f"clean {np.mean(batchnorm_scene.clean(chosen)):.1f} %" in alt
        assert f"robust {np.mean(batchnorm_scene.robust(chosen)):.1f} %" in alt


def test_drawing_what_moves_gives_the_whole_picture():
    for scene in (lesson.sharpness_and_robustness(results.load("sharpness")), lesson.batchnorm_in_the_second_pass()):
        assert all(same_when_drawn_whole(scene, **values) for values in ends(scene))
