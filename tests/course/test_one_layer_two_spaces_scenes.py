"""Lesson 05: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import copy
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.path import Path

import samlib
from samlib.course import style
from samlib.course.lessons import one_layer_two_spaces as lesson
from samlib.course.lessons.one_layer_two_spaces import batches, spaces, worst_losses
from samlib.course.lessons.one_layer_two_spaces.way_back import in_words
from samlib.course.widgets import choices
from samlib.duality import at_layer, singular_range
from tests.course.scenes import draw, ends, same_when_drawn_whole

LAYERS = [(1, 0), (2, 30), (4, 75), (4, 90)]
each_layer = pytest.mark.parametrize(("kappa", "angle"), LAYERS)


@pytest.fixture(scope="module")
def stage():
    """A network that is trained a little, and one digit of each class."""
    x, y, *_ = samlib.load_digits()
    net = samlib.mlp((12, 12), mean=0.0, std=1.0)
    samlib.train(net, x, y, "sgd", epochs=5, progress=False)
    ten = [int((y == digit).nonzero()[0]) for digit in range(10)]
    return net.double(), x[ten].double(), y[ten]


# ---- ball and ellipse ------------------------------------------------------------------------------------------------


@each_layer
def test_a_layer_keeps_areas_and_has_its_condition_number_and_its_angle_to_the_gradient(kappa, angle):
    weight = lesson.layer(kappa, angle)
    low, high = singular_range(weight)
    assert high / low == pytest.approx(kappa)
    assert float(torch.linalg.det(weight)) == pytest.approx(1)
    if kappa > 1:
        apart = lesson.angle_between(lesson.GRADIENT, torch.linalg.svd(weight)[0][:, 0])
        assert min(apart, 180 - apart) == pytest.approx(angle, abs=1e-4)


def test_the_toy_loss_rises_along_the_gradient_and_is_level_on_its_lines():
    z = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(spaces.decision(z), z)
    assert torch.equal(gradient, lesson.GRADIENT)
    for value in (-2.0, 0.0, 1.5):
        assert torch.allclose(spaces.decision(spaces.level_line(value)), torch.tensor(value, dtype=torch.float64))


@each_layer
def test_each_space_has_its_own_ball_and_the_layer_carries_one_view_into_the_other(kappa, angle):
    weight = lesson.layer(kappa, angle)
    views = spaces.two_views(weight, rho=0.4, eps=0.3)
    assert np.allclose(np.linalg.norm(views["features"].sets["weights"], axis=1), 0.4)
    assert np.allclose(np.linalg.norm(views["pixels"].sets["pixels"], axis=1), 0.3)
    for part in ("sets", "steps"):
        pixels, features = (getattr(views[plane], part) for plane in ("pixels", "features"))
        for who in pixels:
            assert np.allclose(pixels[who] @ weight.numpy().T, features[who])
    boundary = torch.from_numpy(views["pixels"].boundary) @ weight.T
    assert spaces.decision(boundary).abs().max() < 1e-9


@each_layer
def test_each_step_goes_straight_up_its_own_space_to_the_edge_of_what_it_reaches(kappa, angle):
    weight = lesson.layer(kappa, angle)
    views = spaces.two_views(weight, rho=0.4, eps=0.3)
    steps = {plane: {who: torch.from_numpy(s) for who, s in view.steps.items()} for plane, view in views.items()}
    assert lesson.angle_between(steps["features"]["weights"], lesson.GRADIENT) == pytest.approx(0, abs=1e-4)
    assert lesson.angle_between(steps["pixels"]["pixels"], weight.T @ lesson.GRADIENT) == pytest.approx(0, abs=1e-4)
    assert steps["features"]["weights"].norm() == pytest.approx(0.4)
    assert steps["pixels"]["pixels"].norm() == pytest.approx(0.3)


@each_layer
def test_eps_makes_the_ellipse_as_large_as_the_ball_or_lie_inside_or_around_it(kappa, angle):
    weight = lesson.layer(kappa, angle)
    eps = {size: spaces.radius_of_pixels(weight, 0.4, size) for size in spaces.SIZES}
    ellipses = {size: spaces.two_views(weight, 0.4, r)["features"].sets["pixels"] for size, r in eps.items()}
    lengths = {size: np.linalg.norm(ellipse, axis=1) for size, ellipse in ellipses.items()}
    assert eps["same area"] == pytest.approx(0.4)  # the layer keeps areas
    assert lengths["inside"].max() <= 0.4 + 1e-9
    assert lengths["around"].min() >= 0.4 - 1e-9
    assert lengths["inside"].max() == pytest.approx(0.4, rel=1e-2)
    assert lengths["around"].min() == pytest.approx(0.4, rel=1e-2)


@pytest.mark.slow
def test_ball_and_ellipse_says_how_far_apart_the_steps_are_and_what_they_cost():
    scene = lesson.ball_and_ellipse()
    for values in ends(scene):
        alt = draw(scene, **values)
        weight = lesson.layer(values["kappa"], values["angle"])
        eps = spaces.radius_of_pixels(weight, spaces.RHO, values["size"])
        view = spaces.two_views(weight, spaces.RHO, eps)["features"]
        ours, theirs = (float(lesson.toy_loss(torch.from_numpy(view.steps[who]))) for who in ("weights", "pixels"))
        assert f"eps {eps:.2f}: steps {view.apart:.0f} degrees apart" in alt
        assert f"loss {ours:.2f} by weights, {theirs:.2f} by pixels" in alt
    assert same_when_drawn_whole(scene, kappa=4, angle=75)


def test_ball_and_ellipse_has_the_states_that_the_text_asks_for_and_not_too_many():
    scene = lesson.ball_and_ellipse()
    assert math.prod(len(choices(control)) for control in scene.controls.values()) <= 200
    assert {0, 75, 90} <= set(spaces.ANGLES)
    assert {1, 4} <= set(spaces.KAPPAS)


@pytest.mark.parametrize("angle", spaces.ANGLES)
@pytest.mark.parametrize("kappa", spaces.KAPPAS)
def test_no_word_of_a_plane_lies_on_the_boundary_or_beyond_it_but_the_one_that_belongs_there(kappa, angle):
    scene = lesson.ball_and_ellipse()
    fig = scene.picture.fig
    for size in spaces.SIZES:
        draw(scene, kappa=kappa, angle=angle, size=size)
        for ax in fig.axes[:2]:
            line = Path(ax.transData.transform(boundary_of(ax)))
            for text in (t for t in ax.texts if t.get_visible() and t.get_text()):
                box = text.get_window_extent(fig.canvas.get_renderer())
                assert not line.intersects_bbox(box, filled=False), (kappa, angle, size, text.get_text())


def boundary_of(ax):
    """The black line of a plane, (n, 2): of its lines, the broadest in ink."""
    lines = [line for line in ax.lines if line.get_color() == style.INK and line.get_linewidth() == 2.0]
    return np.column_stack(lines[0].get_data())


# ---- the way back ----------------------------------------------------------------------------------------------------


def batch_of(stage, m):
    _, x, y = stage
    return lesson.shared_with(x, y, x[3:4], 3, m)


@pytest.mark.parametrize("m", [1, 8])
def test_sams_step_does_the_same_in_weights_and_in_pixels_and_is_the_optimizers(stage, m):
    net, images, labels = stage[0], *batch_of(stage, m)
    assert len(images) == len(labels) == m
    ours, theirs = lesson.two_ways(net, at_layer(net, images, labels), 3, rho=0.2)
    assert torch.allclose(ours.logits["weights"], ours.logits["pixels"], atol=1e-9)
    perturbed = copy.deepcopy(net)
    sam = samlib.SAM(torch.optim.SGD([*perturbed.fc1.parameters()], lr=0.1), rho=0.2)
    F.cross_entropy(perturbed(images), labels).backward()
    sam.first_step()
    assert torch.allclose(perturbed(images)[0], ours.logits["pixels"], atol=1e-9)
    assert theirs.dx.norm() == pytest.approx(float(ours.dx.norm()))
    x = images[0].flatten() + ours.dx
    assert ours.outside == pytest.approx(float(((x < 0) | (x > 1)).double().mean()))
    assert ours.loss == pytest.approx(float(F.cross_entropy(ours.logits["weights"], torch.tensor(3))))


def test_an_attack_goes_up_the_gradient_of_the_input(stage):
    net, images, labels = stage[0], *batch_of(stage, 8)
    _, theirs = lesson.two_ways(net, at_layer(net, images, labels), 3, rho=0.1)
    x = images[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(net(x), labels[:1]), x)
    assert lesson.angle_between(gradient.flatten(), theirs.dx) == pytest.approx(0, abs=1e-4)


def test_the_others_that_share_a_step_do_not_depend_on_the_digit(stage):
    _, x, y = stage
    first, labels = lesson.shared_with(x, y, x[3:4], 3, 6)
    second, _ = lesson.shared_with(x, y, x[5:6], 5, 6)
    assert torch.equal(first[1:], second[1:])
    assert torch.equal(first[0], x[3])
    assert int(labels[0]) == 3


@pytest.mark.slow
def test_the_way_back_says_the_losses_and_that_the_logits_agree(stage):
    net, x, y = stage
    scene = lesson.way_back({"SGD": net, "SAM": net}, x, y, x)
    assert math.prod(len(choices(control)) for control in scene.controls.values()) <= 200
    for values in ends(scene):
        alt = draw(scene, **values)
        images, labels = lesson.shared_with(x, y, x[values["digit"]][None], values["digit"], values["m"])
        ours, theirs = lesson.two_ways(net, at_layer(net, images, labels), values["digit"], values["rho"])
        assert f"{ours.loss:.3f} after SAM's step, classified as {ours.says}; {theirs.loss:.3f} after" in alt
        assert f"{100 * ours.outside:.0f} % of the pixels" in alt
        assert float(alt.split()[-1].rstrip(".")) < 1e-9
    assert same_when_drawn_whole(scene)


def test_a_loss_is_short_in_words():
    assert in_words(0.0312) == "loss 0.031"
    assert in_words(1e-6) == "loss below 0.001"


# ---- the sandwich ----------------------------------------------------------------------------------------------------


def test_layers_with_the_same_singular_vectors_have_the_same_mean_singular_value(stage):
    weight = stage[0].fc1.weight.detach()
    sigmas = torch.linalg.svdvals(weight)
    equal, *_, itself = worst_losses.same_vectors(weight)
    assert torch.allclose(itself, weight)
    found = torch.linalg.svdvals(equal)
    assert torch.allclose(found, found[0].expand_as(found))
    for other in worst_losses.same_vectors(weight):
        assert torch.linalg.svdvals(other).log().mean() == pytest.approx(float(sigmas.log().mean()))
        across = torch.linalg.svd(weight, full_matrices=False)[0].T @ other
        gram = across @ across.T
        assert torch.allclose(gram, torch.diag(gram.diagonal()), atol=1e-9)


@pytest.fixture(scope="module")
def found(stage):
    return lesson.sandwiches(*stage)


@pytest.mark.slow
def test_the_three_losses_are_in_order_and_the_two_radii_differ_by_the_condition_number(found):
    for (digit, rho), losses in found.losses.items():
        assert (np.diff(losses, axis=0) >= -1e-9).all()
        small, large = found.radii(digit, rho)
        assert large / small == pytest.approx(np.array(found.kappas))
        assert small[-1] == pytest.approx(rho * found.lengths[digit] / float(found.sigmas[0]))
    assert found.kappas[0] == pytest.approx(1)


@pytest.mark.slow
def test_the_sandwich_says_the_three_losses(found):
    scene = lesson.sandwich(found)
    for values in ends(scene):
        alt = draw(scene, **values)
        losses = found.losses[values["digit"], values["rho"]][:, found.kappas.index(values["kappa"])]
        assert [float(n) for n in re.findall(r"([\d.e+-]+) \(", alt)] == pytest.approx(losses.tolist(), rel=5e-3)
    assert same_when_drawn_whole(scene)


def test_the_rise_per_length_is_the_gradient_at_eps_0_and_reached_within_eps(stage):
    net, x, y = stage
    seen = at_layer(net, x, y)
    slope = (seen.g @ seen.weight).norm(dim=1)
    torch.testing.assert_close(lesson.rise_per_length(net, x, y, 0.0), slope)
    torch.testing.assert_close(lesson.rise_per_length(net, x, y, 1e-6), slope, rtol=1e-3, atol=0)
    before = F.cross_entropy(net(x), y, reduction="none").detach()
    along = F.normalize((seen.g @ seen.weight), dim=1).view_as(x)
    for eps in (0.1, 0.4):
        rise = eps * lesson.rise_per_length(net, x, y, eps)
        one_step = F.cross_entropy(net(x + eps * along), y, reduction="none").detach() - before
        assert (rise >= one_step - 1e-9).all()
    assert (4 * lesson.rise_per_length(net, x, y, 0.4) >= lesson.rise_per_length(net, x, y, 0.1) - 1e-9).all()


@pytest.mark.slow
def test_the_gradients_say_how_many_digits_lie_above_the_upper_line(stage):
    net, x, y = stage
    scene = lesson.gradients({"SGD": net, "SAM": net}, x, y)
    seen, lengths = at_layer(net, x, y), x.flatten(1).norm(dim=1)
    bound = singular_range(seen.weight)[1] * seen.g.norm(dim=1) * lengths
    for eps in choices(scene.controls["eps"]):
        above = int((lengths * lesson.rise_per_length(net, x, y, eps) > bound * (1 + 1e-9)).sum())
        assert draw(scene, eps=eps).endswith(
            f"of 10 test digits these lie above the upper line: {above} on SGD, {above} on SAM."
        )
        assert above == 0 if eps == 0 else True
    assert same_when_drawn_whole(scene, eps=0.4)


# ---- a batch ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0])
def test_drawn_inputs_have_length_one_and_the_similarity_asked_for(similarity):
    gradients, inputs = batches.random_batch(5, similarity, draw=0)
    cosines = inputs @ inputs.T
    assert torch.allclose(cosines.diagonal(), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(cosines[~torch.eye(5, dtype=bool)], torch.tensor(similarity, dtype=torch.float64))
    assert gradients.shape == (5, 2)


def test_unlike_inputs_share_the_length_and_alike_ones_the_direction():
    assert batches.shares(16, 0.0, draws=20) == pytest.approx((25, 0))
    length, down = batches.shares(16, 1.0, draws=20)
    assert length == pytest.approx(100)
    assert 20 < down < 50


@pytest.mark.slow
def test_the_shared_step_says_who_goes_downhill():
    scene = lesson.shared_step()
    for values in ends(scene):
        alt = draw(scene, **values)
        falls = int(re.search(r": (\d+) go downhill", alt)[1])
        length, down = lesson.shared_step_curves()[values["similarity"]][:, lesson.SIZES.index(values["size"])]
        assert f"in the mean {down:.0f} %, with perturbations of {length:.0f} %" in alt
        assert falls == 0 if values["similarity"] == 0 or values["size"] == 1 else 0 < falls < values["size"]
    assert same_when_drawn_whole(scene, size=64)
