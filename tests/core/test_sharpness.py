"""Sharpness: closed forms, dense Hessians, a peer, the relative radius, and a model left exactly as it was."""

from __future__ import annotations

import copy
import itertools
import math
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import samlib
from samlib import SAM, duality, sharpness
from samlib.losses import cross_entropy

CLASSES = 3


def squared_error(logits, y):
    """Half the squared distance to the targets: quadratic in the weights of a linear model."""
    return (logits - targets(y)).square().sum(1) / 2


def targets(y):
    """Not one-hot: the best fit to that would look like probabilities."""
    return 2.0 * F.one_hot(y, CLASSES)


def linear_model(device, bias=True):
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, CLASSES, bias=bias)).double().to(device)


def small_mlp(device, seed=0):
    model = samlib.mlp(hidden=(5, 4), num_classes=CLASSES, input_shape=(1, 2, 3), mean=0, std=1, seed=seed)
    return model.double().to(device)


@pytest.fixture
def images(device):
    x = torch.rand(30, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x.to(device), (torch.arange(30) % CLASSES).to(device)


@pytest.fixture(scope="module")
def fitted(device):
    """A digits network that fits its training images, in float32, with those images."""
    x, y, _, _ = samlib.load_digits()
    x, y = x[:300].to(device), y[:300].to(device)
    model = samlib.mlp(hidden=(32,)).to(device)
    samlib.train(model, x, y, epochs=20, progress=False)
    return model, x, y


def extended(x):
    """Inputs with a 1 for the bias, (n, 7)."""
    return torch.cat([x.flatten(1), torch.ones_like(x[:, 0, 0, :1])], 1)


def second_moment(x):
    return extended(x).T @ extended(x) / len(x)


def at_the_optimum(model, x, y):
    """Solve the least squares problem, so that the gradient vanishes."""
    solution = torch.linalg.lstsq(extended(x), targets(y).double()).solution.T
    with torch.no_grad():
        model[1].weight.copy_(solution[:, :-1])
        model[1].bias.copy_(solution[:, -1])
    return model


def mean_loss(model, x, y):
    with torch.no_grad():
        return float(cross_entropy(model.eval()(x), y).mean())


def worst(model, x, y, rho, loss=squared_error):
    """With long steps, which converge fast on a quadratic."""
    return sharpness.worst_case(model, x, y, rho, 60, loss=loss, step_size=2 * rho)


def length(delta):
    return math.sqrt(sum(float(part.square().sum()) for part in delta.values()))


# ---- the ascent, in closed form --------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("rho", [0.01, 3.0])
def test_a_loss_that_is_linear_in_the_weights_rises_by_rho_times_its_slope(device, images, rho, steps):
    """Two classes and the margin: z_other - z_y, whose slope in the weights is +-x and does not change."""
    x, y = images[0], images[1] % 2
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double().to(device)
    sign = (1 - 2 * y).double()
    slope = math.sqrt(2) * float((sign[:, None] * extended(x)).mean(0).norm())
    found = sharpness.find_worst_case(model, x, y, rho, steps, loss="margin")
    assert found.increase == pytest.approx(rho * slope, rel=1e-9)
    assert length(found.delta) == pytest.approx(rho, rel=1e-9)
    assert len(found.losses) == steps + 1
    assert found.increase == sharpness.worst_case(model, x, y, rho, steps, loss="margin")
    only_bias = sharpness.worst_case(model, x, y, rho, steps, loss="margin", names="1.bias")
    assert only_bias == pytest.approx(rho * math.sqrt(2) * abs(float(sign.mean())), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rho", [0.1, 2.0])
def test_a_quadratic_rises_by_half_its_top_eigenvalue_times_rho_squared(device, images, rho):
    x, y = images
    model = at_the_optimum(linear_model(device), x, y)
    top = float(torch.linalg.eigvalsh(second_moment(x))[-1])
    assert worst(model, x, y, rho) == pytest.approx(top * rho**2 / 2, rel=1e-6)


def test_a_quadratic_away_from_its_minimum_against_a_dense_trust_region(device, images):
    """max of <g, u> + u^T H u / 2 over ||u|| <= rho lies at u = (mu - H)^-1 g with mu > lambda_max and ||u|| = rho."""
    x, y = images
    model, rho = linear_model(device), 0.7
    residual = (extended(x) @ torch.cat([model[1].weight, model[1].bias[:, None]], 1).T - targets(y)).detach()
    g = (residual.T @ extended(x) / len(x)).T  # (7, classes): H works on each class alike
    values, vectors = torch.linalg.eigh(second_moment(x))
    parts = vectors.T @ g
    low, high = float(values[-1]), float(values[-1]) + 1e3
    for _ in range(200):
        middle = (low + high) / 2
        too_long = float((parts / (middle - values)[:, None]).norm()) > rho
        low, high = (middle, high) if too_long else (low, middle)
    u = parts / (high - values)[:, None]
    exact = float((parts * u).sum() + (values[:, None] * u.square()).sum() / 2)
    assert worst(model, x, y, rho) == pytest.approx(exact, rel=1e-6)


def test_at_a_stationary_point_the_ascent_still_leaves(device, images):
    """Where the gradient is exactly zero it says nothing, and an ascent along it would report a flat minimum."""
    x, y = images
    model = linear_model(device)
    with torch.no_grad():
        here = model(x)
    top = float(torch.linalg.eigvalsh(second_moment(x))[-1])

    def loss(logits, y):
        return (logits - here).square().sum(1) / 2

    assert worst(model, x, y, 0.5, loss) == pytest.approx(top / 8, rel=1e-6)
    assert sharpness.worst_case(model, x, y, 0.0, loss=loss) == 0


def test_one_step_is_sams_ascent_step(fitted):
    model, x, y = fitted
    found = sharpness.find_worst_case(model, x, y, 0.3, steps=1)
    moved = copy.deepcopy(model).eval()
    optimizer = SAM(torch.optim.SGD(moved.parameters(), lr=0.1), rho=0.3)
    F.cross_entropy(moved(x), y).backward()
    optimizer.first_step()
    for name, p in moved.named_parameters():
        assert torch.allclose(found.delta[name], p - model.get_parameter(name), atol=1e-6)
    assert found.losses == pytest.approx([mean_loss(model, x, y), mean_loss(moved, x, y)], rel=1e-4)


def test_many_steps_find_what_one_step_and_random_directions_miss(fitted):
    model, x, y = fitted
    one, many = (sharpness.worst_case(model, x, y, 1.0, steps) for steps in (1, 40))
    assert many > 2 * one > 0
    assert many > 20 * float(sharpness.random_case(model, x, y, 1.0, samples=20).max())


def test_the_ascent_stays_in_its_ball_and_keeps_its_highest_point(fitted):
    model, x, y = fitted
    found = sharpness.find_worst_case(model, x, y, 0.5, steps=6, step_size=0.3)
    assert found.increase == max(found.losses) - found.losses[0]
    assert length(found.delta) <= 0.5 * (1 + 1e-5)
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for name, p in moved.named_parameters():
            p += found.delta[name]
    assert mean_loss(moved, x, y) == pytest.approx(max(found.losses), rel=1e-4)


def test_on_a_bumpy_loss_too_the_highest_point_is_kept(device, images):
    def loss(logits, y):
        return (3 * logits).sin().sum(1)

    fell_and_rose = 0
    for seed in range(10):
        model = small_mlp(device, seed)
        found = sharpness.find_worst_case(model, *images, 3.0, 8, loss=loss, step_size=2.0)
        end = sharpness.along(model, *images, found.delta, [1.0], loss=loss)
        assert float(end) == pytest.approx(max(found.losses))
        top = found.losses.index(max(found.losses))
        fell_and_rose += any(a < b for a, b in itertools.pairwise(found.losses[top + 1 :]))
    assert fell_and_rose > 0


def test_a_loss_that_breaks_on_the_way_does_not_break_the_measurement(device, images):
    x, y = images
    model = linear_model(device)
    ceiling = float(squared_error(model(x).detach(), y).mean()) + 0.1

    def loss(logits, y):
        values = squared_error(logits, y)
        return values if float(values.mean().detach()) < ceiling else values * math.nan

    found = sharpness.find_worst_case(model, x, y, 5.0, 50, loss=loss, step_size=0.02)
    assert 0 < found.increase < 0.1
    assert math.isnan(found.losses[-1])


# ---- random directions -----------------------------------------------------------------------------------------------


def test_random_directions_lie_on_the_sphere_uniformly(device, images):
    """For a quadratic at its minimum the mean over the sphere is rho^2 trace(H) / 2P."""
    x, y = images
    model = at_the_optimum(linear_model(device), x, y)
    rises = sharpness.random_case(model, x, y, 0.4, samples=2000, loss=squared_error)
    assert rises.shape == (2000,)
    expected = 0.4**2 * float(second_moment(x).trace()) / 7 / 2
    assert float(rises.mean()) == pytest.approx(expected, rel=0.05)
    assert float(rises.max()) <= worst(model, x, y, 0.4)


def test_random_directions_come_from_the_generator(device, images):
    model = small_mlp(device)

    def rises(generator=None):
        return sharpness.random_case(model, *images, 0.3, samples=3, generator=generator)

    assert torch.equal(rises(), rises(torch.Generator().manual_seed(0)))
    assert not torch.equal(rises(), rises(torch.Generator().manual_seed(1)))
    generator = torch.Generator().manual_seed(0)
    assert not torch.equal(rises(generator), rises(generator))


# ---- the meter that lies, and the one that does not ------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.1, 3.0, 10.0])
@pytest.mark.parametrize("relative", sharpness.RELATIVE)
def test_a_relative_radius_does_not_see_a_rescaling(fitted, relative, a):
    model, x, y = fitted
    model, x = copy.deepcopy(model).double(), x.double()
    scaled = duality.rescale(model, a)
    for measure in (
        lambda m, relative: sharpness.worst_case(m, x, y, 0.3, relative=relative),
        lambda m, relative: sharpness.top_eigenvalue(m, x, y, relative=relative, tolerance=1e-6),
        lambda m, relative: float(sharpness.random_case(m, x, y, 0.3, 5, relative=relative).max()),
    ):
        assert measure(scaled, relative) == pytest.approx(measure(model, relative), rel=1e-6)
        assert measure(scaled, None) > 1.5 * measure(model, None)


def test_the_adaptive_radius_does_not_see_a_rescaling_of_single_units(device, images):
    model = small_mlp(device)
    scaled = copy.deepcopy(model)
    factors = torch.tensor([0.2, 1, 3, 5, 0.5], dtype=torch.float64, device=device)
    with torch.no_grad():
        scaled.fc1.weight *= factors[:, None]
        scaled.fc1.bias *= factors
        scaled.fc2.weight /= factors
    assert torch.allclose(scaled(images[0]), model(images[0]))
    ours, theirs = (sharpness.worst_case(m, *images, 0.5, relative="adaptive") for m in (scaled, model))
    assert ours == pytest.approx(theirs, rel=1e-6)
    ours, theirs = (sharpness.worst_case(m, *images, 0.5, relative="layer") for m in (scaled, model))
    assert ours != pytest.approx(theirs, rel=0.01)


def test_relative_balls_are_what_they_are_said_to_be(device, images):
    model = small_mlp(device)
    with torch.no_grad():
        model.fc2.bias.zero_()
        model.fc3.bias[0] = 0
    weights = {name: p.detach() for name, p in model.named_parameters()}
    layer = sharpness.find_worst_case(model, *images, 0.2, steps=3, relative="layer").delta
    moving = [name for name in weights if name != "fc2.bias"]
    shares = [float(layer[name].norm() / weights[name].norm()) for name in moving]
    assert math.hypot(*shares) == pytest.approx(0.2)
    adaptive = sharpness.find_worst_case(model, *images, 0.2, steps=3, relative="adaptive").delta
    shares = [(adaptive[name] / weights[name]).nan_to_num() for name in moving]
    assert math.sqrt(sum(float(share.square().sum()) for share in shares)) == pytest.approx(0.2)
    assert adaptive["fc3.bias"][0] == 0
    assert layer["fc3.bias"][0] != 0
    assert not layer["fc2.bias"].any()
    assert not adaptive["fc2.bias"].any()


# ---- the Hessian -----------------------------------------------------------------------------------------------------


def dense_hessian(model, x, y, loss=cross_entropy, names=None):
    """The Hessian over the named parameters as one matrix, and these parameters as a vector."""
    parameters = {n: p.detach() for n, p in model.named_parameters() if names is None or n in names}
    sizes = [p.numel() for p in parameters.values()]

    def value(flat):
        parts = (part.view_as(p) for part, p in zip(flat.split(sizes), parameters.values(), strict=True))
        logits = torch.func.functional_call(model, dict(zip(parameters, parts, strict=True)), (x,))
        return loss(logits, y).mean()

    flat = torch.cat([p.flatten() for p in parameters.values()])
    return torch.autograd.functional.hessian(value, flat), parameters


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("names", [None, ["fc2.weight"], ["fc1.weight", "fc1.bias"]])
def test_the_top_eigenvalue_is_that_of_the_dense_hessian(device, images, seed, names):
    model = small_mlp(device, seed)
    hessian, _ = dense_hessian(model, *images, names=names)
    value, vector = sharpness.top_eigenpair(model, *images, names=names, tolerance=1e-9)
    values, vectors = torch.linalg.eigh(hessian)
    assert value == pytest.approx(float(values[-1]), rel=1e-8)
    flat = torch.cat([part.flatten() for part in vector.values()])
    assert float(flat.norm()) == pytest.approx(1)
    assert abs(float(flat @ vectors[:, -1])) == pytest.approx(1, abs=1e-6)
    assert sharpness.top_eigenvalue(model, *images, names=names) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("relative", sharpness.RELATIVE)
def test_the_relative_hessian_is_scaled_from_both_sides(device, images, relative):
    model = small_mlp(device)
    hessian, parameters = dense_hessian(model, *images)
    parts = [p.abs() if relative == "adaptive" else p.norm().expand_as(p) for p in parameters.values()]
    scale = torch.cat([part.flatten() for part in parts])
    wanted = float(torch.linalg.eigvalsh(scale[:, None] * hessian * scale)[-1])
    found = sharpness.top_eigenvalue(model, *images, relative=relative, tolerance=1e-8)
    assert found == pytest.approx(wanted, rel=1e-7)


def test_the_top_is_the_most_positive_not_the_largest_in_size(device, images):
    x, y = images
    model = linear_model(device)
    weights = torch.tensor([0.1, -5.0, -1.0], dtype=torch.float64, device=device)
    top = float(torch.linalg.eigvalsh(second_moment(x))[-1])

    def saddle(logits, y):
        return (weights * logits.square()).sum(1) / 2

    assert sharpness.top_eigenvalue(model, x, y, loss=saddle, tolerance=1e-9) == pytest.approx(0.1 * top, rel=1e-8)


@pytest.mark.filterwarnings("ignore")  # the peer and what it imports warn
def test_the_top_eigenvalue_agrees_with_curvlinops(fitted):
    peer = pytest.importorskip("curvlinops")
    from scipy.sparse.linalg import eigsh

    model, x, y = fitted
    model = copy.deepcopy(model).eval()
    operator = peer.HessianLinearOperator(model, nn.CrossEntropyLoss(), list(model.parameters()), [(x, y)])
    theirs = float(eigsh(operator.to_scipy(), k=1, which="LA", return_eigenvectors=False)[0])
    assert sharpness.top_eigenvalue(model, x, y, tolerance=1e-6) == pytest.approx(theirs, rel=1e-4)


def test_the_eigenvector_is_the_steepest_parabola(device, images):
    """Finite differences: the loss along the vector bends by the eigenvalue, along others by less."""
    model = small_mlp(device)
    value, vector = sharpness.top_eigenpair(model, *images, tolerance=1e-9)
    step = 1e-4

    def bend(direction):
        low, middle, high = sharpness.along(model, *images, direction, [-step, 0, step]).tolist()
        return (low - 2 * middle + high) / step**2

    assert bend(vector) == pytest.approx(value, rel=1e-4)
    for seed in range(20):
        torch.manual_seed(seed)
        other = {name: torch.randn_like(part) for name, part in vector.items()}
        assert bend({name: part / length(other) for name, part in other.items()}) < value


def test_a_resnet_with_batchnorm_has_an_eigenvalue_too(device):
    x = torch.rand(8, 1, 8, 8, device=device, dtype=torch.float64)
    y = torch.arange(8, device=device)
    model = samlib.small_resnet().double().to(device).eval()
    names = ["conv1", "bn", "fc"]
    hessian, _ = dense_hessian(model, x, y, names=[n for n, _ in model.named_parameters() if n.split(".")[0] in names])
    found = sharpness.top_eigenvalue(model.train(), x, y, names=names, tolerance=1e-8)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-7)


def test_a_loss_without_curvature_has_the_eigenvalue_zero(device, images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double().to(device)
    assert sharpness.top_eigenvalue(model, images[0], images[1] % 2, loss="margin") == 0


def test_a_tolerance_that_is_not_reached_is_said(device, images):
    with pytest.warns(RuntimeWarning, match="max_iterations=3"):
        sharpness.top_eigenvalue(small_mlp(device), *images, tolerance=1e-12, max_iterations=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # 18 weights in float32: they are used up before the iterations are, and rounding is no reason to warn.
        model, x = linear_model(device, bias=False).float(), images[0].float()
        factors = torch.tensor([1.0, 2.0, 3.0], device=device)

        def loss(logits, y):
            return (factors * logits.square()).sum(1) / 2

        top = float(torch.linalg.eigvalsh(x.flatten(1).T @ x.flatten(1) / len(x))[-1])
        found = sharpness.top_eigenvalue(model, x, images[1], loss=loss, tolerance=1e-12)
        assert found == pytest.approx(3 * top, rel=1e-5)


# ---- slices and shares -----------------------------------------------------------------------------------------------


def test_along_is_the_loss_of_moved_weights(device, images):
    model = small_mlp(device)
    torch.manual_seed(5)
    direction = {"fc1.weight": torch.randn(5, 6, dtype=torch.float64, device=device)}
    found = sharpness.along(model, *images, direction, [-0.5, 0, 2])
    for radius, value in zip([-0.5, 0, 2], found.tolist(), strict=True):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            moved.fc1.weight += radius * direction["fc1.weight"]
        assert value == pytest.approx(mean_loss(moved, *images), rel=1e-12)


def test_along_a_worst_case_ends_where_it_lies(fitted):
    model, x, y = fitted
    found = sharpness.find_worst_case(model, x, y, 0.5)
    start, end = sharpness.along(model, x, y, found.delta, [0, 1]).tolist()
    assert start == pytest.approx(found.losses[0], rel=1e-4)
    assert end - start == pytest.approx(found.increase, rel=1e-4)


def test_ascent_shares_are_how_far_sam_moves_each_layer(fitted):
    model, x, y = fitted
    moved = copy.deepcopy(model).eval()
    optimizer = SAM(torch.optim.SGD(moved.parameters(), lr=0.1), rho=0.5)
    F.cross_entropy(moved(x), y).backward()
    optimizer.first_step()
    shares = sharpness.ascent_shares(model, x, y)
    assert list(shares) == ["fc1", "fc2"]
    for layer, share in shares.items():
        pairs = zip(moved.get_submodule(layer).parameters(), model.get_submodule(layer).parameters(), strict=True)
        squared = sum(float((a - b).detach().square().sum()) for a, b in pairs)
        assert share == pytest.approx(squared / 0.25, rel=1e-3)
    assert sum(shares.values()) == pytest.approx(1)
    assert sharpness.ascent_shares(model, x, y, names="fc1") == {"fc1": pytest.approx(1)}
    flat = sharpness.ascent_shares(model, x, y, loss=lambda logits, y: 0 * logits.sum(1))
    assert flat == {"fc1": 0, "fc2": 0}


@pytest.mark.parametrize("relative", sharpness.RELATIVE)
def test_relative_ascent_shares_are_those_of_the_first_relative_step(fitted, relative):
    model, x, y = fitted
    weights = dict(model.named_parameters())
    step = sharpness.find_worst_case(model, x, y, 1e-4, 1, relative=relative).delta
    size = {"layer": lambda w: w.norm(), "adaptive": lambda w: w.abs().clamp_min(1e-30)}[relative]
    squared = {name: float((part / size(weights[name])).detach().square().sum()) / 1e-8 for name, part in step.items()}
    shares = sharpness.ascent_shares(model, x, y, relative=relative)
    for layer in ("fc1", "fc2"):
        assert shares[layer] == pytest.approx(squared[f"{layer}.weight"] + squared[f"{layer}.bias"], rel=1e-3)


# ---- the model stays as it was ---------------------------------------------------------------------------------------


MEASUREMENTS = {
    "worst_case": lambda model, x, y: sharpness.worst_case(model, x, y, 0.5, steps=3),
    "adaptive": lambda model, x, y: sharpness.worst_case(model, x, y, 0.5, steps=3, relative="adaptive"),
    "random_case": lambda model, x, y: sharpness.random_case(model, x, y, 0.5, samples=3).tolist(),
    "top_eigenvalue": lambda model, x, y: sharpness.top_eigenvalue(model, x, y, tolerance=0.1),
    "relative_eigenvalue": lambda model, x, y: sharpness.top_eigenvalue(model, x, y, relative="layer", tolerance=0.1),
    "along": lambda model, x, y: sharpness.along(
        model, x, y, {n: torch.ones_like(p) for n, p in model.named_parameters()}, [0.1, 0.2, 0.3]
    ).tolist(),
    "ascent_shares": sharpness.ascent_shares,
}


class Breaks(nn.Module):
    """Passes its input on, until told to fail after some passes."""

    def __init__(self):
        super().__init__()
        self.passes_left = math.inf

    def forward(self, x):
        self.passes_left -= 1
        if self.passes_left < 0:
            raise RuntimeError("out of memory")
        return x


@pytest.fixture
def resnet(device):
    """In training mode, with one BatchNorm frozen on purpose, one frozen parameter, and gradients of the user's own."""
    torch.manual_seed(0)
    model = nn.Sequential(samlib.small_resnet(), Breaks()).to(device)
    model.train()
    model[0].bn.eval()
    model[0].conv1.weight.requires_grad_(False)
    x, y = torch.rand(6, 1, 8, 8, device=device), torch.arange(6, device=device)
    F.cross_entropy(model(x), y).backward()
    return model, x, y


def everything(model):
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    where = [p.data_ptr() for p in model.parameters()]
    return state, gradients, where, [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]


def unchanged(before, after):
    state, gradients, *rest = before
    same = all(torch.equal(value, after[0][name]) for name, value in state.items())
    pairs = zip(gradients, after[1], strict=True)
    return same and all(a is b or torch.equal(a, b) for a, b in pairs) and rest == list(after[2:])


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_the_model_is_as_before(resnet, measure):
    model, x, y = resnet
    before, random_state = everything(model), torch.get_rng_state()
    first = measure(model, x, y)
    assert unchanged(before, everything(model))
    assert torch.equal(random_state, torch.get_rng_state())
    assert measure(model.eval(), x, y) == first  # measured in evaluation mode, and the same every time
    with torch.inference_mode():
        assert measure(model, x.clone(), y.clone()) == first
    with torch.no_grad():
        assert measure(model, x, y) == first


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
@pytest.mark.parametrize("passes", [0, 1])
def test_the_model_is_as_before_also_after_an_error(resnet, measure, passes):
    model, x, y = resnet
    before = everything(model)
    model[1].passes_left = passes
    with pytest.raises(RuntimeError, match="out of memory"):
        measure(model, x, y)
    assert unchanged(before, everything(model))


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_the_batch_size_changes_nothing(device, images, monkeypatch, measure):
    model = small_mlp(device)
    whole = measure(model, *images)
    original = sharpness.Landscape.__init__

    def in_small_batches(self, *args):
        original(self, *args[:-1], 7)

    monkeypatch.setattr(sharpness.Landscape, "__init__", in_small_batches)
    assert measure(model, *images) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("shared", ["module", "tensor"])
def test_shared_weights_move_together(device, shared):
    first, second = (nn.Linear(4, 4, bias=False).double().to(device) for _ in range(2))
    second.weight = first.weight
    model = nn.Sequential(nn.Flatten(), first, nn.Tanh(), first if shared == "module" else second)
    x, y = torch.rand(9, 1, 2, 2, dtype=torch.float64, device=device), (torch.arange(9) % 4).to(device)
    weight = first.weight
    found = sharpness.find_worst_case(model, x, y, 0.4, steps=5)
    assert model[1].weight is weight
    assert model[3].weight is weight
    assert list(found.delta) == ["1.weight"]
    with torch.no_grad():
        weight += found.delta["1.weight"]
    assert mean_loss(model, x, y) == pytest.approx(max(found.losses), rel=1e-9)


def test_frozen_parameters_are_measured_too(device, images):
    model = small_mlp(device)
    free = sharpness.worst_case(model, *images, 0.3)
    model.requires_grad_(False)
    assert sharpness.worst_case(model, *images, 0.3) == free
    assert sharpness.top_eigenvalue(model, *images) > 0


def test_weights_may_differ_in_precision(images):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 10).double()

        def forward(self, x):
            return self.second(self.first(x.flatten(1)).double())

    x, y = images[0].float(), images[1]
    case = sharpness.find_worst_case(Mixed().to(x.device), x, y, 0.1, 3)
    assert case.increase > 0
    assert case.delta["first.weight"].dtype == torch.float32
    assert case.delta["second.weight"].dtype == torch.float64


# ---- what is refused -------------------------------------------------------------------------------------------------


MODEL, X, Y = samlib.mlp(hidden=(4,)), torch.full((2, 1, 8, 8), 0.5), torch.tensor([0, 1])
FC1 = torch.ones(4, 64)


def cut(logits, y):
    return cross_entropy(logits, y).detach()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sharpness.worst_case(MODEL, X, Y, -1.0), ValueError, "rho is -1"),
        (lambda: sharpness.worst_case(MODEL, X, Y, math.inf), ValueError, "rho is inf"),
        (lambda: sharpness.worst_case(MODEL, X, Y, "0.1"), TypeError, "rho is '0.1'"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, steps=0), ValueError, "steps is 0"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, step_size=-1.0), ValueError, "step_size is -1"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, names=["fc9"]), ValueError, "names is 'fc9'.*'fc1'"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, names=[]), ValueError, "names selects no parameter"),
        (lambda: sharpness.worst_case(nn.DataParallel(MODEL), X, Y, 0.1), TypeError, "take model.module of a Data"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, loss=cut), ValueError, "does not depend on the chosen weights"),
        (lambda: sharpness.top_eigenvalue(MODEL, X, Y, loss=cut), ValueError, "does not depend on the chosen weights"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, names=1), TypeError, "names is 1"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, relative="layers"), ValueError, "mean 'layer'"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, loss="mse"), ValueError, "loss is 'mse'"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, loss=F.cross_entropy), ValueError, "one number for each"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, batch_size=0), ValueError, "batch_size is 0"),
        (lambda: sharpness.worst_case(MODEL, X, Y, 0.1, generator=7), TypeError, "generator is a int"),
        (lambda: sharpness.worst_case(MODEL.forward, X, Y, 0.1), TypeError, "model is a method"),
        (lambda: sharpness.worst_case(nn.Flatten(), X, Y, 0.1), ValueError, "no parameter"),
        (lambda: sharpness.worst_case(MODEL, 3 * X, Y, 0.1), ValueError, "pixels in"),
        (lambda: sharpness.worst_case(MODEL, X, Y.float(), 0.1), TypeError, "y has dtype"),
        (lambda: sharpness.worst_case(MODEL, X, 10 * Y, 0.1, batch_size=1), ValueError, "the label 10"),
        (
            lambda: sharpness.worst_case(MODEL, X, Y, 0.1, loss=lambda z, y: z[:, 0] / 0),
            ValueError,
            "loss at the model's",
        ),
        (lambda: sharpness.random_case(MODEL, X, Y, 0.1, samples=0), ValueError, "samples is 0"),
        (lambda: sharpness.random_case(MODEL, X, Y, -0.1), ValueError, "rho is -0.1"),
        (lambda: sharpness.top_eigenvalue(MODEL, X, Y, tolerance=0), ValueError, "tolerance is 0"),
        (lambda: sharpness.top_eigenvalue(MODEL, X, Y, max_iterations=0), ValueError, "max_iterations is 0"),
        (lambda: sharpness.along(MODEL, X, Y, {}, [1.0]), TypeError, "direction is {}"),
        (lambda: sharpness.along(MODEL, X, Y, {"fc1.weight": FC1}, []), ValueError, "radii is empty"),
        (lambda: sharpness.along(MODEL, X, Y, {"fc1.weight": FC1}, [math.nan]), ValueError, "radii is nan"),
        (lambda: sharpness.along(MODEL, X, Y, {"fc1": FC1}, [1.0]), ValueError, "name is 'fc1'.*mean 'fc1"),
        (lambda: sharpness.along(MODEL, X, Y, {"fc1.weight": FC1.T}, [1.0]), ValueError, r"\(64, 4\).*\(4, 64\)"),
        (
            lambda: sharpness.along(MODEL, X, Y, {"fc1.weight": 1.0}, [1.0]),
            ValueError,
            r"direction\['fc1.weight'\] is 1",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
