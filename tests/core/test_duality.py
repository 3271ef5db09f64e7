"""One linear layer from both sides: every equality and inequality of facts.md, section 3 (P1 to P6), in float64."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import samlib
from samlib import SAM, duality
from samlib.layers import mlp_parts
from samlib.losses import cross_entropy, margin
from samlib.models import Normalize

CASES = 1000
many_shapes = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32)
widths = st.integers(1, 9)


class Draw:
    """Random float64 tensors from one seed."""

    def __init__(self, seed, device):
        self.generator, self.device = torch.Generator().manual_seed(seed), device

    def __call__(self, *shape):
        return torch.randn(shape, dtype=torch.float64, generator=self.generator).to(self.device)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def integer(self, low, high):
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def layer(self, n_at_least_m=False):
        """A layer with a conditioning of its own, (m, n): its singular values span up to three orders of magnitude."""
        m = self.integer(1, 6)
        n = self.integer(m if n_at_least_m else 1, 8)
        left, right = torch.linalg.qr(self(m, m))[0], torch.linalg.qr(self(n, n))[0]
        values = 10 ** (1.5 - 3 * torch.rand(min(m, n), dtype=torch.float64, generator=self.generator)).to(self.device)
        return left[:, : len(values)] * values @ right[: len(values)]


@pytest.fixture
def draw(device):
    return Draw(0, device)


def close(a, b, tolerance=1e-9):
    """Equal to `tolerance`, relative to the larger size; far inside the 1e-6 that the course promises."""
    a, b = a.detach(), b.detach()
    size = max(float(b.abs().max()), float(a.abs().max()), 1e-300)
    return a.shape == b.shape and float((a - b).abs().max()) <= tolerance * size


# ---- the translation -------------------------------------------------------------------------------------------------


@many_shapes
@given(seeds, widths, st.integers(0, 5), st.one_of(st.none(), st.integers(1, 5)), st.booleans())
def test_input_equivalent_is_exact_with_full_row_rank_and_of_least_norm(device, seed, m, more, batch, with_bias):
    draw, n = Draw(seed, device), m + more
    weight, d_weight = draw(m, n), draw(m, n)
    x = draw(n) if batch is None else draw(batch, n)
    d_bias = draw(m) if with_bias else None
    dx = duality.input_equivalent(weight, d_weight, x, d_bias)
    wanted = x @ d_weight.T + (d_bias if with_bias else 0)
    assert dx.shape == x.shape
    assert close(dx @ weight.T, wanted, 1e-7)
    # Least norm: nothing of it lies where W does not look, so any other solution is longer.
    unseen = torch.eye(n, dtype=torch.float64, device=device) - torch.linalg.pinv(weight) @ weight
    assert float((dx @ unseen).norm()) <= 1e-7 * float(dx.norm())


def test_the_translated_network_gives_the_same_logits(device, draw):
    model = samlib.mlp(hidden=(48, 48), mean=0, std=1).double().to(device)
    x = draw(20, 64).sigmoid()
    d_weight, d_bias = 0.05 * draw(48, 64), 0.05 * draw(48)
    dx = duality.input_equivalent(model.fc1.weight.detach(), d_weight, x, d_bias)
    moved = copy.deepcopy(model)

    def images(flat):
        return flat.view(-1, 1, 8, 8)

    with torch.no_grad():
        moved.fc1.weight += d_weight
        moved.fc1.bias += d_bias
        assert close(model(images(x + dx)), moved(images(x)))
        assert not close(model(images(x)), moved(images(x)), 1e-3)


def test_without_full_row_rank_the_input_comes_as_near_as_it_can(device, draw):
    weight, d_weight, x = draw(7, 3), draw(7, 3), draw(3)
    dx = duality.input_equivalent(weight, d_weight, x)
    miss = d_weight @ x - weight @ dx
    assert float(miss.norm()) > 0.1
    assert float((weight.T @ miss).norm()) < 1e-10  # the miss is orthogonal to all that inputs reach


@many_shapes
@given(seeds, widths, widths)
def test_weight_equivalent_is_exact_and_of_least_norm(device, seed, m, n):
    draw = Draw(seed, device)
    weight, dx, x = draw(m, n), draw(n), draw(n)
    d_weight = duality.weight_equivalent(weight, dx, x)
    assert close(d_weight @ x, weight @ dx)
    # Least norm: orthogonal to every change that leaves this example's z alone.
    idle = draw(m, n)
    idle -= torch.outer(idle @ x, x) / x.dot(x)
    assert abs(float((d_weight * idle).sum())) <= 1e-9 * float(d_weight.norm() * idle.norm()) + 1e-12
    other = draw(n)
    assert close(d_weight @ other, weight @ dx * other.dot(x) / x.dot(x))


# ---- P1 --------------------------------------------------------------------------------------------------------------


@many_shapes
@given(seeds, widths, widths)
def test_p1_the_least_weights_that_move_a_feature(device, seed, m, n):
    draw = Draw(seed, device)
    dz, x = draw(m), draw(n)
    d_weight = duality.d_weight_for_dz(dz, x)
    assert close(d_weight @ x, dz)
    assert close(d_weight.norm(), dz.norm() / x.norm())


def test_p1_weights_reach_the_ball_and_nothing_else(device, draw):
    for _ in range(CASES):
        m, n, rho = draw.integer(1, 6), draw.integer(1, 8), draw.uniform(0.01, 3)
        x, d_weight = draw(n), draw(m, n)
        d_weight *= rho / d_weight.norm()
        radius = duality.dz_by_weights(draw(m), x, rho).norm()
        assert (d_weight @ x).norm() <= radius * (1 + 1e-12)
        assert close(radius, rho * x.norm())


def test_singular_range_against_a_dense_decomposition(device, draw):
    for _ in range(100):
        weight = draw.layer()
        values = torch.linalg.eigvalsh(weight @ weight.T).clamp(min=0).sqrt()
        low, high = duality.singular_range(weight)
        assert high == pytest.approx(float(values[-1]), rel=1e-9)
        wanted = float(values[0]) if weight.shape[0] <= weight.shape[1] else 0.0
        assert low == pytest.approx(wanted, rel=1e-6, abs=1e-7)


def test_singular_range_is_zero_below_where_outputs_are_combinations_of_others(device, draw):
    weight = draw(3, 8)
    weight[2] = weight[0] - 2 * weight[1]
    assert duality.singular_range(weight)[0] == 0.0
    assert duality.singular_range(draw(5, 4))[0] == 0.0
    assert duality.singular_range(torch.zeros_like(weight)) == (0.0, 0.0)


@many_shapes
@given(seeds, widths, widths, st.floats(0.01, 5), st.booleans())
def test_dz_are_the_steepest_points_of_ball_and_ellipsoid(device, seed, m, n, radius, bias):
    draw = Draw(seed, device)
    weight, g, x = draw(m, n), draw(4, m), draw(4, n)
    length = (x.square().sum(1) + bias).sqrt()
    by_weights = duality.dz_by_weights(g, x, radius, bias)
    assert close((by_weights * g).sum(1), radius * length * g.norm(dim=1))  # Cauchy-Schwarz with equality
    assert close(by_weights.norm(dim=1), radius * length)
    by_input = duality.dz_by_input(weight, g, radius)
    assert close((by_input * g).sum(1), radius * (g @ weight).norm(dim=1))
    steps = draw(50, n)
    steps *= radius / steps.norm(dim=1, keepdim=True)
    assert (g @ (steps @ weight.T).T <= (by_input * g).sum(1, keepdim=True) * (1 + 1e-9) + 1e-12).all()


def test_dz_for_a_circle_of_gradients_draw_circle_and_ellipse(device, draw):
    angles = torch.linspace(0, 2 * math.pi, 33, dtype=torch.float64, device=device)
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    weight, x = draw(2, 5), draw(5)
    assert close(duality.dz_by_weights(circle, x, 0.5).norm(dim=1), (0.5 * x.norm()).expand(33))
    ellipse = duality.dz_by_input(weight, circle, 0.5)
    # On the boundary of W times a ball of radius .5: the shortest input that reaches each point has length .5.
    assert close((ellipse @ torch.linalg.pinv(weight).T).norm(dim=1), torch.full_like(angles, 0.5))


# ---- P2 --------------------------------------------------------------------------------------------------------------


def test_p2_each_ball_lies_in_the_next(device, draw):
    """Whatever the loss: weights reach what inputs of the small radius do, inputs of the large one what weights do."""
    for _ in range(CASES):
        weight = draw.layer(n_at_least_m=True)
        x, rho = draw(weight.shape[1]), draw.uniform(0.01, 3)
        low, high = duality.singular_range(weight)
        assert low > 0
        dx = draw(weight.shape[1])
        dx *= rho * x.norm() / high / dx.norm()
        assert duality.weight_equivalent(weight, dx, x).norm() <= rho * (1 + 1e-9)
        d_weight = draw(*weight.shape)
        d_weight *= rho / d_weight.norm()
        assert duality.input_equivalent(weight, d_weight, x).norm() <= rho * x.norm() / low * (1 + 1e-9)


def test_p2_for_the_margin_of_a_linear_readout_in_closed_form(device, draw):
    """max over ||dz|| <= r of max_j <v_j, z + dz> + c_j = max_j (<v_j, z> + c_j + r ||v_j||); W^T v_j for inputs."""
    for _ in range(CASES):
        weight = draw.layer()
        m, n = weight.shape
        x, v, c, rho = draw(n), draw(3, m), draw(3), draw.uniform(0.01, 3)
        low, high = duality.singular_range(weight)
        here, radius = v @ weight @ x + c, rho * x.norm()
        inner = (here + radius / high * (v @ weight).norm(dim=1)).max()
        middle = (here + radius * v.norm(dim=1)).max()
        assert inner <= middle + 1e-9 * middle.abs()
        if low > 0:
            outer = (here + radius / low * (v @ weight).norm(dim=1)).max()
            assert middle <= outer + 1e-9 * outer.abs()


def test_p2_the_search_finds_the_three_numbers_of_a_linear_readout(device, draw):
    for _ in range(30):
        weight = draw.layer(n_at_least_m=True)
        m, n = weight.shape
        x, v, bias, rho = draw(n), draw(m), draw(m), draw.uniform(0.01, 1)
        low, high = duality.singular_range(weight)
        here, radius = v @ (weight @ x + bias), rho * x.norm()
        found = duality.loss_sandwich(weight, x, rho, lambda z, v=v: z @ v, bias=bias, steps=20)
        exact = [
            here + radius / high * (weight.T @ v).norm(),
            here + radius * v.norm(),
            here + radius / low * (weight.T @ v).norm(),
        ]
        assert close(torch.tensor(found[:3], dtype=torch.float64, device=device), torch.stack(exact))
        assert close(found.dz[1], duality.dz_by_weights(v, x, rho))
        assert close(found.dz[0], duality.dz_by_input(weight, v, float(radius) / high))


def test_p2_the_search_agrees_with_a_fine_grid_in_the_plane(device, draw):
    """Two features, so that the whole ball and both ellipses can be looked at; a loss with many optima."""
    angles = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64, device=device)[:-1]
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    disc = (torch.linspace(0, 1, 60, dtype=torch.float64, device=device)[:, None, None] * circle).reshape(-1, 2)
    for _ in range(5):
        weight, x, inner, outer = draw(2, 5), draw(5), draw(6, 2), draw(6)
        values = torch.linalg.svdvals(weight)

        def loss(z, inner=inner, outer=outer):
            return torch.tanh(z @ inner.T) @ outer

        found = duality.loss_sandwich(weight, x, 0.3, loss, steps=100, starts=16)
        radius = 0.3 * x.norm()
        left, scales, _ = torch.linalg.svd(weight, full_matrices=False)
        ellipse = disc * scales @ left.T
        grid = [
            loss(weight @ x + region).max()
            for region in (radius / values[0] * ellipse, radius * disc, radius / values[-1] * ellipse)
        ]
        for ours, theirs in zip(found[:3], grid, strict=True):
            assert ours == pytest.approx(float(theirs), abs=2e-2)  # the grid is coarse in the large ellipse
            assert ours >= float(theirs) - 5e-3


def test_p2_what_is_found_keeps_the_order_whatever_the_loss(device, draw):
    for _ in range(100):
        weight = draw.layer()
        m, n = weight.shape
        inner, outer = draw(5, m), draw(5)
        found = duality.loss_sandwich(
            weight,
            draw(n),
            draw.uniform(0.01, 2),
            lambda z, inner=inner, outer=outer: torch.sin(z @ inner.T) @ outer,
            steps=3,
            starts=1,
        )
        assert found.lower <= found.value + 1e-9
        assert found.value <= found.upper + 1e-9


def test_p2_the_right_side_needs_full_row_rank(device):
    """Two equal outputs: no input moves their difference, the weights do."""
    weight = torch.ones(2, 3, dtype=torch.float64, device=device)
    found = duality.loss_sandwich(weight, weight[0], 0.5, lambda z: z[:, 0] - z[:, 1])
    assert found.lower == pytest.approx(0, abs=1e-12)
    assert found.value == pytest.approx(0.5 * math.sqrt(3) * math.sqrt(2))
    assert found.upper == math.inf
    assert found.dz[2].isnan().all()


def test_p2_closes_as_the_condition_number_goes_to_one(device, draw):
    rotation = torch.linalg.qr(draw(3, 3))[0]
    x, v = draw(3), draw(3)
    widths = []
    for condition in (100, 10, 2, 1):
        scales = torch.tensor([condition, 1, 1], dtype=torch.float64, device=device).sqrt()
        found = duality.loss_sandwich(rotation * scales, x, 0.1, lambda z: z @ v)
        widths.append(found.upper - found.lower)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(0, abs=1e-9)


def test_loss_sandwich_with_nothing_to_move(device, draw):
    weight, x = draw(2, 4), draw(4)
    here = float((weight @ x).sum())
    assert duality.loss_sandwich(weight, x, 0.0, lambda z: z.sum(1))[:3] == pytest.approx((here,) * 3)
    still = duality.loss_sandwich(torch.zeros_like(weight), x, 1.0, lambda z: z.sum(1))
    assert still.lower == 0
    assert still.value == pytest.approx(float(x.norm()) * math.sqrt(2))


def test_loss_sandwich_works_in_inference_mode_and_leaves_no_gradients(device, draw):
    with torch.inference_mode():
        weight, x = draw(2, 4), draw(4)
        found = duality.loss_sandwich(weight, x, 0.5, lambda z: z.square().sum(1))
    assert found.lower < found.value < found.upper
    readout = nn.Linear(2, 1, dtype=torch.float64, device=device)
    duality.loss_sandwich(weight.clone(), x.clone(), 0.5, lambda z: readout(z)[:, 0])
    assert readout.weight.grad is None


# ---- the certificate -------------------------------------------------------------------------------------------------


def linear_networks(device):
    """No ReLU: one layer, and three in a row, on normalised pixels."""
    torch.manual_seed(1)
    deep = nn.Sequential(Normalize(0.3, 0.4), nn.Flatten(), nn.Linear(64, 9), nn.Linear(9, 7), nn.Linear(7, 5))
    return [samlib.mlp(hidden=(), num_classes=5).double().to(device), deep.double().to(device)]


def own_classes(model, x):
    return model(x).argmax(1)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("which", [0, 1])
@torch.no_grad()
def test_the_certificate_is_exact_for_a_linear_network(device, draw, which, bias):
    model = linear_networks(device)[which]
    _, first, after = mlp_parts(model)
    x = draw(60, 1, 8, 8).sigmoid()
    y = own_classes(model, x)
    found = duality.certificate(model, x, y, bias)
    readout = torch.eye(first.out_features, dtype=torch.float64, device=device)
    for layer in after:
        readout = layer.weight @ readout
    inputs = torch.cat([model[:2](x), torch.full((60, 1), float(bias), dtype=torch.float64, device=device)], 1)
    rest = nn.Sequential(*after)
    for i in range(60):
        others = [j for j in range(5) if j != y[i]]
        directions = readout[others] - readout[y[i]]
        directions /= directions.norm(dim=1, keepdim=True)
        flipped = {}
        for factor in (1 - 1e-6, 1 + 1e-6):
            # The weights (and bias) that move z straight towards each other class, of Frobenius norm rho * factor.
            moves = factor * found.rho[i] * directions[:, :, None] * (inputs[i] / inputs[i].norm())
            z = inputs[i, :-1] @ (first.weight + moves[:, :, :-1]).mT + first.bias + moves[:, :, -1]
            flipped[factor] = bool((rest(z).argmax(1) != y[i]).any())
        assert flipped == {1 - 1e-6: False, 1 + 1e-6: True}


@pytest.mark.parametrize("hidden", [(), (16,), (16, 12)])
def test_nothing_within_the_certificate_flips_and_something_beyond_does(device, draw, hidden):
    model = samlib.mlp(hidden=hidden, seed=3).double().to(device)
    x = (0.5 + 0.2 * draw(100, 1, 8, 8)).clamp(0, 1)
    y = own_classes(model, x)
    found = duality.certificate(model, x, y)
    for loss in ("ce", "margin"):
        x_adv = samlib.pgd(model, x, y, 0.9999 * found.eps, norm="l2", steps=20, restarts=2, loss=loss)
        assert torch.equal(own_classes(model, x_adv), y)
    assert not torch.equal(own_classes(model, samlib.pgd(model, x, y, 50 * found.eps, norm="l2", loss="margin")), y)

    # The same in the weights, with the steepest dz of each example and with random ones.
    layer = duality.at_layer(model, x, y, loss="margin")
    rest = nn.Sequential(*mlp_parts(model)[2])
    for direction in [layer.g, *(draw(100, layer.z.shape[1]) for _ in range(10))]:
        moves = duality.dz_by_weights(direction, layer.x, 1.0) * found.rho[:, None] * 0.9999
        assert torch.equal(rest(layer.z + moves).argmax(1), y)


@pytest.mark.slow
@torch.no_grad()
def test_the_lipschitz_bound_holds_in_a_thousand_random_networks(device, draw):
    for _ in range(CASES):
        m, h, k = draw.integer(1, 5), draw.integer(1, 5), draw.integer(2, 4)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, m), nn.ReLU(), nn.Linear(m, h), nn.ReLU(), nn.Linear(h, k))
        model.double().to(device)
        for p in model.parameters():
            p.copy_(draw(*p.shape))
        x = draw(1, 4).sigmoid()
        y = own_classes(model, x)
        found = duality.certificate(model, x, y)
        dz = draw(50, m)
        dz *= found.features.clamp(max=1e6) * 0.9999 / dz.norm(dim=1, keepdim=True)
        z = model[1](x)
        assert (model[2:](z + dz).argmax(1) == y).all()
        dx = draw(50, 4)
        dx *= found.eps.clamp(max=1e6) * 0.9999 / dx.norm(dim=1, keepdim=True)
        assert (model(x + dx).argmax(1) == y).all()


def test_the_certificates_parts_belong_together(device, draw):
    model = samlib.mlp(hidden=(16,), std=0.25).double().to(device)
    x = draw(30, 1, 8, 8).sigmoid()
    found = duality.certificate(model, x, own_classes(model, x))
    layer = duality.at_layer(model, x, own_classes(model, x))
    assert close(found.features, found.rho * layer.x.norm(dim=1))
    sigma_max = duality.singular_range(layer.weight)[1]
    assert close(found.eps, 0.25 * found.rho * layer.x.norm(dim=1) / sigma_max)  # a pixel counts 1/std in the input
    with_bias = duality.certificate(model, x, own_classes(model, x), bias=True)
    assert close(with_bias.rho, found.features / (layer.x.square().sum(1) + 1).sqrt())


def test_the_certificate_of_wrong_and_of_unreachable_images(device, draw):
    model = samlib.mlp(hidden=(), num_classes=3, mean=0, std=1).double().to(device)
    x = draw(10, 1, 8, 8).sigmoid()
    wrong = (own_classes(model, x) + 1) % 3
    assert all((part == 0).all() for part in duality.certificate(model, x, wrong))
    assert (duality.certificate(model, torch.zeros_like(x), own_classes(model, 0 * x)).rho == math.inf).all()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 2)).double().to(device)
    with torch.no_grad():
        model[2].weight[1] = model[2].weight[0]  # both logits move together: the bias alone decides
        model[2].bias.copy_(torch.tensor([1.0, 0.0]))
    assert (duality.certificate(model, x, own_classes(model, x)).features == math.inf).all()
    assert (duality.certificate(model, x, 1 - own_classes(model, x)).features == 0).all()


# ---- P3 and P6 -------------------------------------------------------------------------------------------------------


@many_shapes
@given(seeds, widths, widths, st.floats(0.01, 5), st.booleans())
def test_p3_one_examples_ascent_step_is_the_steepest_dz_of_its_feature(device, seed, m, n, rho, bias):
    draw = Draw(seed, device)
    g, x = draw(m), draw(n)
    d_weight, d_bias = duality.sam_step(g, x, rho, bias)
    length = (x.square().sum() + bias).sqrt()
    assert close(d_weight, rho * torch.outer(g, x) / (g.norm() * length))
    assert close(duality.dz_by_sam_step(g, x, rho, bias), rho * length * g / g.norm())
    assert close(duality.dz_by_sam_step(g, x, rho, bias), duality.dz_by_weights(g, x, rho, bias))
    total = d_weight.square().sum() + (d_bias.square().sum() if bias else 0)
    assert math.sqrt(total) == pytest.approx(rho)
    assert (d_bias is None) == (not bias)


def test_p3_no_weights_in_the_ball_move_z_further(device, draw):
    for _ in range(CASES):
        m, n, rho = draw.integer(1, 6), draw.integer(1, 8), draw.uniform(0.01, 3)
        g, x, d_weight = draw(m), draw(n), draw(m, n)
        d_weight *= rho / d_weight.norm()
        assert g @ d_weight @ x <= g @ duality.dz_by_sam_step(g, x, rho) * (1 + 1e-12)


@pytest.mark.parametrize("batch", [1, 8])
def test_p3_and_p6_are_what_samlibs_sam_does_to_a_network(device, draw, batch):
    model = samlib.mlp(hidden=(12, 9), seed=2).double().to(device)
    x, y = draw(batch, 1, 8, 8).sigmoid(), torch.arange(batch, device=device)
    rest = [p for name, p in model.named_parameters() if not name.startswith("fc1")]
    groups = [{"params": list(model.fc1.parameters())}, {"params": rest, "rho": 0.0}]
    optimizer = SAM(torch.optim.SGD(groups, lr=0.1), rho=0.3)
    layer = duality.at_layer(model, x, y)
    before = copy.deepcopy(model)
    F.cross_entropy(model(x), y).backward()
    optimizer.first_step()
    d_weight, d_bias = duality.sam_step(layer.g, layer.x, 0.3, bias=True)
    assert close(model.fc1.weight - before.fc1.weight, d_weight, 1e-8)
    assert close(model.fc1.bias - before.fc1.bias, d_bias, 1e-8)
    moved = duality.at_layer(model, x, y)
    assert close(moved.z - layer.z, duality.dz_by_sam_step(layer.g, layer.x, 0.3, bias=True), 1e-8)


@many_shapes
@given(seeds, widths, widths, st.integers(1, 8), st.floats(0.01, 5), st.booleans())
def test_p6_the_batch_formula(device, seed, m, n, batch, rho, bias):
    draw = Draw(seed, device)
    g, x = draw(batch, m), draw(batch, n)
    similarity = x @ x.T + bias
    total = sum(torch.outer(g[i], torch.cat([x[i], x.new_full((1,), float(bias))])) for i in range(batch))
    wanted = torch.stack([rho * (similarity[:, j, None] * g).sum(0) / total.norm() for j in range(batch)])
    assert close(duality.dz_by_sam_step(g, x, rho, bias), wanted)
    assert close(duality.dz_by_sam_step(7 * g, x, rho, bias), wanted)  # sum or mean of the losses


@many_shapes
@given(seeds, widths, widths, st.floats(0.1, 3), st.floats(0.01, 5))
def test_p6_orthogonal_inputs_share_the_length(device, seed, m, batch, length, rho):
    draw = Draw(seed, device)
    x = length * torch.linalg.qr(draw(batch + 2, batch))[0].T
    moves = duality.dz_by_sam_step(draw(batch, m), x, rho)
    assert math.sqrt(float(moves.square().sum(1).mean())) == pytest.approx(rho * length / math.sqrt(batch))


@many_shapes
@given(seeds, st.integers(1, 6), widths, st.integers(2, 9))
def test_p6_inputs_along_one_ray_are_all_moved_one_way(device, seed, m, n, batch):
    draw = Draw(seed, device)
    lengths = draw(batch).abs() + 0.1
    g = draw(batch, m)
    moves = duality.dz_by_sam_step(g, lengths[:, None] * draw(n), 0.5)
    direction = (lengths[:, None] * g).sum(0)
    assert close(moves / moves.norm(dim=1, keepdim=True), (direction / direction.norm()).expand(batch, m))
    assert torch.equal(duality.downhill(g, moves), g @ direction < 0)


@pytest.mark.parametrize("features", [2, 10, 48])
def test_p6_the_share_that_goes_downhill_falls_with_the_number_of_features(device, draw, features):
    """Gaussian gradients, equal inputs, B = 64: <g, sum of all g> < 0 with probability E Phi(-||g|| / sqrt(B - 1))."""
    shares = []
    for _ in range(400):
        g = draw(64, features)
        shares.append(duality.downhill(g, duality.dz_by_sam_step(g, torch.ones_like(g[:, :1]), 0.1)).double().mean())
    expected = torch.special.ndtr(-draw(20_000, features).norm(dim=1) / math.sqrt(63)).mean()
    assert float(torch.stack(shares).mean()) == pytest.approx(float(expected), abs=0.01)


def test_a_zero_gradient_gives_no_dz_and_a_tiny_one_a_whole_one(device):
    zero, x = torch.zeros(2, 3, device=device), torch.ones(2, 4, device=device)
    assert not duality.dz_by_weights(zero, x, 1.0).any()
    assert not duality.dz_by_sam_step(zero, x, 1.0, bias=True).any()
    assert not duality.dz_between(torch.ones(3, 4, device=device), zero, x, 1.0, 0.5).any()
    tiny = torch.full((3,), 1e-30, device=device)  # its squares underflow in float32
    assert float(duality.dz_by_weights(tiny, x[0], 0.5).norm()) == pytest.approx(1.0, rel=1e-5)
    assert float(duality.dz_by_sam_step(tiny, x[0], 0.5).norm()) == pytest.approx(1.0, rel=1e-5)


# ---- alpha -----------------------------------------------------------------------------------------------------------


@many_shapes
@given(seeds, widths, widths, st.integers(1, 5), st.floats(0, 2), st.floats(0.01, 2))
def test_alpha_is_a_matrix_power_of_fixed_length(device, seed, m, n, batch, alpha, r):
    draw = Draw(seed, device)
    weight, g, x = draw(m, n), draw(batch, m), draw(batch, n)
    values, vectors = torch.linalg.eigh(weight @ weight.T)
    rank = min(m, n)
    powers = torch.cat([torch.zeros_like(values[: m - rank]), values[m - rank :].clamp(min=0) ** alpha])
    if alpha == 0:
        powers = torch.ones_like(values)
    direction = g @ (vectors * powers @ vectors.T).T
    found = duality.dz_between(weight, g, x, r, alpha)
    assert close(found.norm(dim=1), r * x.norm(dim=1))
    assert close(found, r * x.norm(dim=1, keepdim=True) * direction / direction.norm(dim=1, keepdim=True), 1e-6)


def test_alpha_goes_from_sams_dz_to_the_attacks(device, draw):
    for _ in range(200):
        weight = draw.layer()
        m, n = weight.shape
        g, x, rho = draw(m), draw(n), draw.uniform(0.01, 2)
        assert close(duality.dz_between(weight, g, x, rho, 0), duality.dz_by_sam_step(g, x, rho))
        attack = duality.dz_by_input(weight, g, 1.0)
        found = duality.dz_between(weight, g, x, rho, 1)
        assert close(found / found.norm(), attack / attack.norm(), 1e-7)
        # The nearer to the attack's direction, the less input it costs for its length.
        cost = [
            float((torch.linalg.pinv(weight) @ duality.dz_between(weight, g, x, rho, a)).norm())
            for a in (0.25, 0.5, 1, 2)
        ]
        assert all(a >= b * (1 - 1e-6) for a, b in itertools.pairwise(cost))


def test_alpha_keeps_numbers_below_rounding_out(device, draw):
    """Equal outputs: a singular value of 1e-16 to the power of .04 would count for a quarter."""
    weight = draw(1, 5).expand(3, 5).contiguous()
    found = duality.dz_between(weight, draw(3), draw(5), 1.0, 0.02)
    assert close(found, found.mean().expand(3))


# ---- P4 --------------------------------------------------------------------------------------------------------------


def test_p4_the_gradient_sandwich(device, draw):
    strict = 0
    for _ in range(CASES):
        weight = draw.layer()
        m, n = weight.shape
        found = duality.gradient_sandwich(weight, draw(5, m), draw(5, n))
        assert (found.lower <= found.value * (1 + 1e-9)).all()
        assert (found.value <= found.upper * (1 + 1e-9)).all()
        assert bool((found.lower > 0).all()) == (m <= n)
        strict += bool((found.value > 1.01 * found.lower).all() and (1.01 * found.value < found.upper).all())
    assert strict > CASES // 10  # the bounds are not hit by construction


def test_p4_without_full_row_rank_the_input_gradient_may_vanish(device):
    weight = torch.tensor([[1.0, 2.0], [1.0, 2.0]], device=device)
    g, x = torch.tensor([1.0, -1.0], device=device), torch.tensor([1.0, 1.0], device=device)
    found = duality.gradient_sandwich(weight, g, x)
    assert found.lower == found.value == 0 < found.upper


@many_shapes
@given(seeds, widths, widths, st.one_of(st.none(), st.integers(1, 5)))
def test_p4_eulers_identity_and_the_gradients_of_a_real_loss(device, seed, m, n, batch):
    draw = Draw(seed, device)
    weight, bias, readout = draw(m, n).requires_grad_(), draw(m), draw(4, m)
    x = (draw(n) if batch is None else draw(batch, n)).requires_grad_()
    z = x @ weight.T + bias
    loss = torch.tanh(z @ readout.T).sum()
    by_x, by_weight, g = torch.autograd.grad(loss, (x, weight, z))
    left, right = duality.euler_sides(weight.detach(), g, x.detach())
    assert torch.allclose(left, (x * by_x).sum(-1), rtol=1e-9, atol=1e-12)
    assert torch.allclose(left, right, rtol=1e-9, atol=1e-9 * float(g.norm()))
    assert torch.allclose(right.sum(), (weight * by_weight).sum(), rtol=1e-9, atol=1e-9 * float(g.norm()))
    value = duality.gradient_sandwich(weight.detach(), g, x.detach()).value
    assert torch.allclose(value, x.norm(dim=-1) * by_x.norm(dim=-1))


def test_p4_finite_differences_agree(device, draw):
    model = samlib.mlp(hidden=(7,), num_classes=4, input_shape=(1, 2, 3), mean=0, std=1).double().to(device)
    x, y = draw(5, 1, 2, 3).sigmoid(), torch.tensor([0, 1, 2, 3, 0], device=device)
    layer = duality.at_layer(model, x, y)
    step = 1e-6

    def loss(inputs):
        return cross_entropy(model(inputs), y)

    with torch.no_grad():
        direction = draw(*x.shape)
        slope = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
        assert close((layer.g @ layer.weight * direction.flatten(1)).sum(1), slope, 1e-7)
        d_weight = draw(7, 6)
        model.fc1.weight += step * d_weight
        up = loss(x)
        model.fc1.weight -= 2 * step * d_weight
        down = loss(x)
        assert close((layer.g @ d_weight * layer.x).sum(1), (up - down) / (2 * step), 1e-7)


@many_shapes
@given(seeds, st.floats(0.1, 10))
def test_p4_rescaling_keeps_the_function_and_moves_the_sharpness(device, seed, a):
    draw = Draw(seed, device)
    model = samlib.mlp(hidden=(8, 6), seed=seed % 100).double().to(device)
    x, y = draw(4, 1, 8, 8).sigmoid(), torch.arange(4, device=device)
    before, after = duality.at_layer(model, x, y), duality.at_layer(duality.rescale(model, a), x, y)
    assert close(duality.rescale(model, a)(x), model(x))
    assert close(after.g @ after.weight, before.g @ before.weight)  # the input's gradient
    assert close(after.g, before.g / a)  # and with it grad_W = g x^T
    ours, theirs = (duality.gradient_sandwich(layer.weight, layer.g, layer.x) for layer in (after, before))
    assert all(close(a, b) for a, b in zip(ours, theirs, strict=True))


def test_rescale_copies_and_is_exact_for_powers_of_two(device, draw):
    model = samlib.mlp(hidden=(8, 6)).to(device)
    kept = copy.deepcopy(model.state_dict())
    x = torch.rand(5, 1, 8, 8, device=device)
    scaled = duality.rescale(model, 4.0)
    assert torch.equal(scaled(x), model(x))
    assert torch.equal(scaled.fc1.weight, 4 * model.fc1.weight)
    assert torch.equal(scaled.fc1.bias, 4 * model.fc1.bias)
    assert torch.equal(scaled.fc2.weight, model.fc2.weight / 4)
    assert torch.equal(scaled.fc2.bias, model.fc2.bias)
    assert torch.equal(scaled.fc3.weight, model.fc3.weight)
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())
    no_bias = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)).to(device)
    assert torch.equal(duality.rescale(no_bias, 0.5)(x), no_bias(x))


# ---- P5 --------------------------------------------------------------------------------------------------------------


@many_shapes
@given(seeds, widths, st.integers(1, 5), st.floats(0, 5))
def test_p5_margins_are_reached_by_the_worst_weights_and_the_worst_input(device, seed, n, batch, radius):
    draw = Draw(seed, device)
    w, x = draw(n), draw(batch, n)
    y = draw(batch).sign()
    worst_w = w - radius * y[:, None] * x / x.norm(dim=1, keepdim=True)
    assert torch.allclose(duality.sam_margin(w, x, y, radius), y * (worst_w * x).sum(1), rtol=1e-9, atol=1e-9)
    worst_x = x - radius * y[:, None] * w / w.norm()
    assert torch.allclose(duality.at_margin(w, x, y, radius), y * (worst_x @ w), rtol=1e-9, atol=1e-9)
    # Swap w and x, and one is the other.
    assert torch.allclose(duality.at_margin(w, x[0], 1, radius), duality.sam_margin(x[0], w, 1, radius), rtol=1e-12)
    assert duality.sam_margin(w, x[0], y[0], radius).shape == ()


def test_p5_nothing_in_the_balls_lowers_the_margin_further(device, draw):
    for _ in range(CASES):
        n, radius = draw.integer(1, 8), draw.uniform(0, 3)
        w, x, step = draw(n), draw(n), draw(n)
        step *= radius / step.norm()
        assert (w + step) @ x >= duality.sam_margin(w, x, 1, radius) - 1e-12
        assert -(w + step) @ x >= duality.sam_margin(w, x, -1, radius) - 1e-12
        assert w @ (x + step) >= duality.at_margin(w, x, 1, radius) - 1e-12


# ---- a layer of a network --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fc1", "fc2", "fc3"])
def test_at_layer_sees_inputs_features_and_gradients(device, draw, name):
    model = samlib.mlp(hidden=(8, 6)).double().to(device)
    x, y = draw(7, 1, 8, 8).sigmoid(), torch.arange(7, device=device)
    layer = duality.at_layer(model, x, y, name)
    assert close(layer.z, layer.x @ layer.weight.T + layer.bias)
    cross_entropy(model(x), y).sum().backward()
    linear = getattr(model, name)
    assert close(layer.g.T @ layer.x, linear.weight.grad)
    assert close(layer.g.sum(0), linear.bias.grad)
    if name == "fc3":
        assert close(layer.z, model(x))
        rows = F.one_hot(margin(model(x), y).argmax(), 7)  # the loss can be chosen
        assert not close(duality.at_layer(model, x, y, name, loss="margin").g[rows], layer.g[rows], 1e-3)


def test_at_layer_restores_the_model_also_after_an_error(device):
    model = samlib.small_resnet().to(device)
    model.train()
    model.bn.eval()
    model.conv1.weight.requires_grad_(False)
    x, y = torch.rand(4, 1, 8, 8, device=device), torch.arange(4, device=device)
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    trainable = [p.requires_grad for p in model.parameters()]
    with torch.no_grad():
        layer = duality.at_layer(model, x, y, "fc")
    assert layer.g.shape == (4, 10)
    with pytest.raises(ValueError, match="label 10"):
        duality.at_layer(model, x, y + 7, "fc")
    with torch.inference_mode():
        assert close(duality.at_layer(model, x, y, "fc").g, layer.g)
    assert [module.training for module in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == trainable
    assert all(p.grad is None for p in model.parameters())
    assert not model.fc._forward_hooks
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


# ---- what is refused -------------------------------------------------------------------------------------------------


def mlp_with(module):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), module, nn.Linear(8, 10))


TIED = nn.Linear(64, 64)
W, V, X = torch.ones(3, 4), torch.ones(3), torch.ones(4)
IMAGES, LABELS = torch.full((2, 1, 8, 8), 0.5), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: duality.input_equivalent(W, W.T, X), ValueError, r"d_weight has shape \(4, 3\); it must be \(3, 4\)"),
        (lambda: duality.input_equivalent(W, W, V), ValueError, r"x has shape \(3,\); it must be \(4,\) or \(b, 4\)"),
        (lambda: duality.input_equivalent(W, W, X, X), ValueError, r"d_bias has shape \(4,\); it must be \(3,\)"),
        (lambda: duality.input_equivalent(V, W, X), ValueError, r"weight has shape \(3,\); it must be \(m, n\)"),
        (lambda: duality.input_equivalent(W.tolist(), W, X), TypeError, "weight is a list"),
        (lambda: duality.input_equivalent(W.long(), W, X), TypeError, "weight has dtype torch.int64"),
        (lambda: duality.input_equivalent(W, W, X.double()), ValueError, "x has dtype torch.float64 and weight has"),
        (lambda: duality.weight_equivalent(W, X, X[None]), ValueError, r"x has shape \(1, 4\)"),
        (lambda: duality.weight_equivalent(W, V, X), ValueError, r"dx has shape \(3,\); it must be \(4,\)"),
        (lambda: duality.weight_equivalent(W, X, 0 * X), ValueError, "x is zero"),
        (lambda: duality.d_weight_for_dz(V, 0 * X), ValueError, "x is zero"),
        (lambda: duality.singular_range(W[:0]), ValueError, r"weight has shape \(0, 4\)"),
        (lambda: duality.singular_range(W * math.nan), ValueError, "weight holds NaN or infinity"),
        (lambda: duality.dz_by_weights(V, X, -1.0), ValueError, "rho is -1"),
        (lambda: duality.dz_by_weights(V, X[None], 1.0), ValueError, r"x has shape \(1, 4\)"),
        (lambda: duality.dz_by_weights(V.expand(2, 3), X.expand(5, 4), 1.0), ValueError, r"must be \(2, n\)"),
        (lambda: duality.dz_by_input(W, X, 1.0), ValueError, r"g has shape \(4,\)"),
        (lambda: duality.dz_by_input(W, V, math.nan), ValueError, "r is nan"),
        (lambda: duality.dz_between(W, V, X, 1.0, -0.5), ValueError, "alpha is -0.5"),
        (lambda: duality.dz_between(W, V, V, 1.0, 0.5), ValueError, r"x has shape \(3,\)"),
        (lambda: duality.sam_step(V.expand(2, 3), X, 1.0), ValueError, r"x has shape \(4,\); it must be \(2, n\)"),
        (lambda: duality.dz_by_sam_step(V, X, "big"), TypeError, "rho is 'big'"),
        (lambda: duality.downhill(V, X), ValueError, r"dz has shape \(4,\); it must be \(3,\)"),
        (lambda: duality.gradient_sandwich(W, V, X[None]), ValueError, r"x has shape \(1, 4\)"),
        (lambda: duality.euler_sides(W, X, X), ValueError, r"g has shape \(4,\)"),
        (lambda: duality.sam_margin(X, X, 0, 1.0), ValueError, r"y holds something else than -1 and \+1"),
        (lambda: duality.sam_margin(X, X[None], torch.ones(2), 1.0), ValueError, r"y has shape \(2,\)"),
        (lambda: duality.at_margin(X, V, 1, 1.0), ValueError, r"x has shape \(3,\)"),
        (lambda: duality.at_margin(X, X, 1, -1.0), ValueError, "eps is -1"),
        (lambda: duality.loss_sandwich(W, X, -1.0, lambda z: z.sum(1)), ValueError, "rho is -1"),
        (lambda: duality.loss_sandwich(W, X, 1.0, lambda z: z.sum()), ValueError, r"a tensor \(5,\)"),
        (lambda: duality.loss_sandwich(W, X, 1.0, lambda z: z[:, 0].detach()), ValueError, "differentiable"),
        (lambda: duality.loss_sandwich(W, X, 1.0, lambda z: z[:, 0] * math.nan), ValueError, "loss returned NaN"),
        (lambda: duality.loss_sandwich(W, X, 1.0, lambda z: z.sum(1), bias=X), ValueError, "bias has shape"),
        (lambda: duality.loss_sandwich(W, X, 1.0, lambda z: z.sum(1), steps=0), ValueError, "steps is 0"),
        (lambda: duality.rescale(samlib.mlp(), 0.0), ValueError, "a is 0"),
        (lambda: duality.rescale(samlib.mlp(hidden=()), 2.0), ValueError, "single Linear"),
        (lambda: duality.rescale(nn.Sequential(TIED, nn.ReLU(), TIED), 2.0), ValueError, "twice"),
        (lambda: duality.rescale(mlp_with(nn.Tanh()), 2.0), TypeError, "holds a Tanh"),
        (lambda: duality.rescale(samlib.small_resnet(), 2.0), TypeError, "holds a Conv2d"),
        (lambda: duality.certificate(nn.Linear(64, 2), IMAGES, LABELS), TypeError, "model is a Linear"),
        (lambda: duality.certificate(mlp_with(nn.Sigmoid()), IMAGES, LABELS), TypeError, "holds a Sigmoid"),
        (lambda: duality.certificate(samlib.mlp(), 2 * IMAGES + 1, LABELS), ValueError, "pixels in"),
        (lambda: duality.at_layer(samlib.mlp(), IMAGES, LABELS, "fc7"), ValueError, "layer is 'fc7'.*'fc1', 'fc2'"),
        (lambda: duality.at_layer(lambda x: x, IMAGES, LABELS), TypeError, "model is a function"),
        (lambda: duality.at_layer(samlib.mlp(), IMAGES, LABELS, loss="mse"), ValueError, "loss is 'mse'"),
        (lambda: duality.at_layer(nn.Sequential(nn.Flatten(), TIED, TIED), IMAGES, LABELS, "1"), ValueError, "2 times"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
