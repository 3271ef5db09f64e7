"""The scenes of lesson 01: what they compute, and that what they say is so at both ends of each control."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch

import samlib
from samlib.balls import make_ball
from samlib.course import style
from samlib.course.lessons import perturbing_the_input as lesson
from samlib.course.lessons.perturbing_the_input import bound, digit, faults, judging, paths, plane, steepest
from samlib.course.widgets import Live, choices


@pytest.fixture(scope="module")
def plane_net():
    """A network of two-pixel images that has not been trained: its two classes meet somewhere in the box."""
    return samlib.mlp((8,), num_classes=2, input_shape=(1, 1, 2), mean=0.5, std=0.29, seed=1)


@pytest.fixture(scope="module")
def digits():
    x_train, y_train, x_test, y_test = samlib.load_digits()
    net = samlib.mlp((32,))
    samlib.train(net, x_train, y_train, epochs=10, progress=False)
    return net.double().eval(), x_test.double(), y_test


def at_both_ends(scene: Live):
    """The controls' values and the text of the picture, with each control at its two ends."""
    ends = [(choices(control)[0], choices(control)[-1]) for control in scene.controls.values()]
    for values in itertools.product(*ends):
        state = dict(zip(scene.controls, values, strict=True))
        yield state, re.search(r'alt="([^"]*)"', scene.still(**state).data).group(1)


def states_of(scene: Live) -> int:
    return int(np.prod([len(choices(control)) for control in scene.controls.values()]))


# ---- one step --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [0, 30, 90, 105])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_direction_of_the_same_ball_raises_the_loss_more_than_the_steepest(angle, norm):
    gradient = steepest.unit_gradient(angle)
    direction, *_ = steepest.step_and_back(steepest.X, gradient, norm, 0.25, 0.25)
    rise = steepest.rise_at_the_edge(gradient, norm, 0.25)
    assert rise.max() <= 0.25 * gradient @ direction + 1e-12
    assert rise.max() == pytest.approx(0.25 * gradient @ direction, rel=1e-3)
    assert rise.min() == pytest.approx(-rise.max())


def test_on_an_axis_the_linf_step_leaves_the_other_pixel_alone():
    direction, *_ = steepest.step_and_back(steepest.X, steepest.unit_gradient(90), "linf", 0.25, 0.4)
    assert direction.tolist() == [0, 1]


def test_a_long_step_comes_back_into_the_ball_and_then_into_the_box():
    _, stepped, projected, clamped = steepest.step_and_back(
        np.array([0.9, 0.5]), steepest.unit_gradient(0), "l2", 0.2, 0.4
    )
    assert [point.round(6).tolist() for point in (stepped, projected, clamped)] == [[1.3, 0.5], [1.1, 0.5], [1.0, 0.5]]


@pytest.mark.slow
def test_the_step_scene_names_the_points_that_it_draws():
    scene = lesson.one_step()
    assert states_of(scene) <= 200
    for state, alt in at_both_ends(scene):
        gradient = steepest.unit_gradient(state["angle"])
        _, *way = steepest.step_and_back(steepest.X, gradient, state["norm"], 0.25, state["step_size"])
        numbers = [float(number) for number in re.findall(r"\((-?[\d.]+), (-?[\d.]+)\)", alt) for number in number]
        assert numbers == pytest.approx(np.concatenate(way), abs=0.006)


def test_the_labels_of_the_step_scene_name_only_what_happened():
    picture = steepest.StepPicture(style.figure(4.4))

    def words(step_size: float) -> set[str]:
        gradient = steepest.unit_gradient(135)
        _, *way = steepest.step_and_back(steepest.X, gradient, "l2", 0.25, step_size)
        picture.show_step(gradient, "l2", 0.25, *way)
        return {block.text.get_text() for block in picture.labels.blocks if block.text.get_visible()}

    assert words(0.4) - words(0.1) == {"projected"}
    assert "clamped" not in words(0.4)


# ---- PGD in the plane ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_the_path_begins_at_the_start_stays_in_ball_and_box_and_ends_where_pgd_does(norm, loss):
    net, x = judging.small_net(0), judging.some_images(5, 0)
    net._forward_pre_hooks.clear()
    y, ball = torch.tensor([0, 1, 2, 3, 0]), make_ball(norm, 0.3)
    path = paths.pgd_path(net, x, y, ball, 6, 0.1, loss=loss)
    assert path.shape == (7, *x.shape)
    assert torch.equal(path[0], x)
    assert ball.norm((path - x).flatten(0, 1)).max() <= 0.3 + 1e-9
    assert path.min() >= 0
    assert path.max() <= 1
    settings = {"steps": 6, "step_size": 0.1, "random_start": False, "keep": "last", "loss": loss}
    assert torch.allclose(path[-1], samlib.pgd(net, x, y, 0.3, norm, **settings))


def test_a_path_can_begin_elsewhere():
    net, x = judging.small_net(0), judging.some_images(5, 0)
    net._forward_pre_hooks.clear()
    start = (x + 0.05).clamp(0, 1)
    path = paths.pgd_path(net, x, torch.zeros(5, dtype=torch.long), make_ball("linf", 0.1), 2, 0.05, start)
    assert torch.equal(path[0], start)


def test_the_plane_has_the_first_pixel_along_its_columns(plane_net):
    grid = plane.plane_of_leads(plane_net, 11)
    images = torch.tensor([[0.3, 0.0], [0.0, 0.3], [1.0, 0.7]]).view(3, 1, 1, 2)
    leads = plane.leads(plane_net, images).numpy()
    assert [grid[0, 3], grid[3, 0], grid[7, 10]] == pytest.approx(leads.tolist(), abs=1e-5)


@pytest.mark.slow
def test_the_path_scene_says_where_the_attack_ends(plane_net):
    scene = lesson.path_in_the_plane(plane_net, (0.9, 0.8))
    assert states_of(scene) <= 200
    x, y = torch.tensor([0.9, 0.8]).view(1, 1, 1, 2), torch.tensor([1])
    for state, alt in at_both_ends(scene):
        settings = {"steps": state["steps"], "step_size": state["step_size"], "random_start": False, "keep": "last"}
        end = samlib.pgd(plane_net, x, y, state["eps"], state["norm"], **settings)
        lead = plane.leads(plane_net, end).item()
        said = float(re.search(r"to (-?[\d.]+), ", alt).group(1))
        assert said == pytest.approx(lead, abs=0.06)
        assert ("misclassified" in alt) == (lead > 0)


# ---- a digit under attack --------------------------------------------------------------------------------------------


def test_the_chosen_digits_are_one_of_each_class_and_correctly_classified(digits):
    net, x, y = digits
    chosen, labels = lesson.chosen_digits(net, x, y)
    assert labels.tolist() == list(range(10))
    assert net(chosen).argmax(1).equal(labels)


@pytest.mark.slow
def test_the_digit_scene_says_what_the_network_says(digits):
    net, x, y = digits
    chosen, labels = lesson.chosen_digits(net, x, y)
    scene = lesson.digit_under_attack(net, chosen, labels)
    assert states_of(scene) <= 200
    for state, alt in at_both_ends(scene):
        eps, step = digit.RADII[state["norm"]][state["level"]], state["step"]
        k = state["digit"]
        image, label = chosen[k : k + 1], labels[k : k + 1]
        path = paths.pgd_path(net, image, label, make_ball(state["norm"], eps), step, eps / 8)
        assert alt.startswith(f"A {k} after {step} steps of PGD")
        assert f"eps {eps:g}:" in alt
        assert alt.endswith(f"the network says {net(path[-1]).argmax(1).item()}.")


# ---- an upper bound --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def robust(digits):
    net, x, y = digits
    return lesson.robust_on_the_way(net, x[:100], y[:100], 0.0625)


def test_more_steps_more_runs_and_more_attacks_never_leave_more_digits_robust(robust):
    assert set(robust) == set(itertools.product(paths.LOSSES, paths.STEP_SIZES))
    together = bound.robust_to_all(robust)
    for mask in robust.values():
        assert mask.shape == (paths.STEPS + 1, paths.RUNS, 100)
        shares = [bound.shares_robust(mask, runs) for runs in (1, 2, 4)]
        assert all((np.diff(share) <= 0).all() for share in shares)
        assert (shares[0] >= shares[1]).all()
        assert (shares[1] >= shares[2]).all()
        assert together <= shares[2][-1]


def test_before_the_first_step_a_digit_counts_as_robust_if_it_is_classified_correctly(digits, robust):
    net, x, y = digits
    right = net(x[:100]).argmax(1) == y[:100]
    assert all(mask[0].eq(right).all() for mask in robust.values())


def test_a_digits_state_tells_broken_from_misclassified_without_an_attack():
    mask = torch.tensor([[[True, True, False]], [[True, False, False]]])  # (steps + 1, runs, n)
    assert bound.states(mask, 1, 1).tolist() == [bound.ROBUST, bound.BROKEN, bound.MISCLASSIFIED]
    assert bound.states(mask, 0, 1).tolist()[1] == bound.ROBUST


def test_the_interval_of_a_share_holds_it_and_halves_with_four_times_the_images():
    low, high = bound.interval(65, 100)
    assert (round(low), round(high)) == (55, 74)  # Wilson's
    few, many = np.diff(bound.interval(65, 100)), np.diff(bound.interval(65, 400))
    assert many == pytest.approx(few / 2, rel=0.03)
    assert bound.interval(100, 100)[0] < 97
    assert bound.interval(100, 100)[1] <= 100 + 1e-9


@pytest.mark.slow
def test_the_bound_scene_says_how_many_are_robust(digits, robust):
    scene = lesson.upper_bound(robust, digits[1][:100])
    assert states_of(scene) <= 200
    for state, alt in at_both_ends(scene):
        mask = robust[state["loss"], state["size"]][state["steps"], : state["runs"]]
        share = 100 * mask.all(0).double().mean().item()
        assert f"{share:.1f} % of digits are robust" in alt
        assert "interval {:.0f} to {:.0f} %".format(*bound.interval(share, 100)) in alt


# ---- four faults -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_fault_is_measured_against_the_attack_without_it_and_leaves_the_network_as_it_was():
    x_train, y_train, x_test, y_test = samlib.load_digits()
    net = samlib.small_resnet(seed=3)
    samlib.train(net, x_train, y_train, epochs=2, progress=False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, y, eps = x_test[:60], y_test[:60], 0.0625
    reported = lesson.four_faults(net, x, y, eps)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    honest = samlib.pgd(net, x, y, eps, steps=40, step_size=eps / 10)
    assert reported["none"] == pytest.approx(100 * samlib.accuracy(net, honest, y))
    assert reported["no clamp"] <= reported["none"] <= reported["3 steps of eps / 10"]
    assert reported["none"] <= reported["eps in normalised pixels"]


def test_the_chart_of_the_faults_names_each_difference():
    reported = {"none": 67.0, "training mode": 73.0, "no clamp": 50.2}
    fig = style.figure(2.5)
    faults.draw_faults(fig, reported)
    said = [text.get_text() for ax in fig.axes for text in ax.texts]
    assert any(words.endswith("+6 points") for words in said)
    assert any(words.endswith("−17 points") for words in said)
    assert "67" in said
    assert "no clamp 50 %" in lesson.faults_chart(reported).data
