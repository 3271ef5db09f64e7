"""Training on perturbed features is SAM at one end and an attack at the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import samlib
from samlib.runs.feature_training import (
    perturbation_along,
    perturbation_in_pixels,
    perturbation_of_batches,
    perturbed_cross_entropy,
)


@pytest.fixture
def net() -> nn.Sequential:
    return samlib.mlp((12, 9), mean=0.0, std=1.0, seed=3).double()


@pytest.fixture
def batch(digits):
    return digits[0][:16].double(), digits[1][:16]


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


def test_a_perturbation_of_length_zero_is_the_usual_loss(net, batch):
    x, y = batch
    for perturbation in (perturbation_along(0.0, 0.0), perturbation_along(1.0, 0.0), perturbation_of_batches(4, 0.0)):
        loss, logits = perturbed_cross_entropy(perturbation)(net, x, y)
        torch.testing.assert_close(loss, F.cross_entropy(net(x), y))
        torch.testing.assert_close(logits, net(x).detach())


@pytest.mark.parametrize("m", [1, 16])
def test_alpha_zero_and_one_batch_are_sams_gradient(net, batch, m):
    """SAM that perturbs the first layer's weights alone, on m examples at once; compared gradient by gradient."""
    x, y = batch
    expected = [torch.zeros_like(p) for p in net.parameters()]
    sam = samlib.SAM(
        torch.optim.SGD([{"params": [net.fc1.weight], "rho": 0.3}, {"params": others(net), "rho": 0.0}], lr=0.0)
    )
    for part in zip(x.split(m), y.split(m), strict=True):
        sam.zero_grad()
        F.cross_entropy(net(part[0]), part[1]).backward()
        sam.first_step()
        net.zero_grad()
        (F.cross_entropy(net(part[0]), part[1]) * len(part[0]) / len(x)).backward()
        expected = [e + p.grad for e, p in zip(expected, net.parameters(), strict=True)]
        sam.restore()
    perturbations = [perturbation_of_batches(m, 0.3)] + ([perturbation_along(0.0, 0.3)] if m == 1 else [])
    for perturbation in perturbations:
        found = gradients(net, perturbed_cross_entropy(perturbation)(net, x, y)[0])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def others(net):
    return [p for p in net.parameters() if p is not net.fc1.weight]


def test_alpha_one_moves_the_features_where_an_l2_attack_on_the_pixels_moves_them(net, batch):
    x, y = batch
    layer = samlib.duality.at_layer(net, x, y, "fc1")
    dz = perturbation_along(1.0, 0.2)(layer.weight, layer.g, layer.x)
    by_pixels = (layer.g @ layer.weight) @ layer.weight.T  # W dx with dx along the input gradient W^T g
    cosine = F.cosine_similarity(dz, by_pixels)
    torch.testing.assert_close(cosine, torch.ones_like(cosine))
    torch.testing.assert_close(dz.norm(dim=1), 0.2 * layer.x.norm(dim=1))


def test_training_on_perturbed_features_lowers_the_perturbed_loss(digits):
    x, y = digits[:2]
    objective = perturbed_cross_entropy(perturbation_along(0.5, 0.1))
    model = samlib.mlp((48, 48), mean=0.0, std=1.0, seed=0)
    before = objective(model, x, y)[0].item()
    history = samlib.train(model, x, y, loss=objective, epochs=20, progress=False)
    assert objective(model, x, y)[0].item() < 0.3 * before
    assert history["accuracy"][-1] > 0.9


def test_bad_perturbations_are_told():
    with pytest.raises(ValueError, match=r"alpha"):
        perturbation_along(-1.0, 0.1)
    with pytest.raises(ValueError, match=r"m is 0"):
        perturbation_of_batches(0, 0.1)
    with pytest.raises(TypeError, match=r"model holds a Conv2d"):
        perturbed_cross_entropy(perturbation_along(0.0, 0.1))(
            samlib.small_resnet(), torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
        )


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_one_step_in_the_pixels_is_as_long_as_its_ball_and_goes_sams_way_or_the_attacks(norm):
    generator = torch.Generator().manual_seed(0)
    weight, g, x = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((4, 7), (5, 4), (5, 7)))
    for direction, along in (("attack", g @ weight), ("sam", g @ torch.linalg.pinv(weight).T)):
        dz = perturbation_in_pixels(direction, norm, 0.3)(weight, g, x)
        step = along.sign() if norm == "linf" else F.normalize(along, dim=1)
        assert torch.allclose(dz, 0.3 * step @ weight.T)
    if norm == "l2":  # SAM's direction in the pixels gives SAM's direction in the features
        assert torch.allclose(F.normalize(dz, dim=1), F.normalize(g, dim=1))


def test_a_direction_or_a_norm_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'attack', 'sam'"):
        perturbation_in_pixels("sideways", "l2", 0.3)
    with pytest.raises(ValueError, match="norm is 'l3'"):
        perturbation_in_pixels("sam", "l3", 0.3)
