"""The networks: sizes, normalisation inside, seeds of their own."""

from __future__ import annotations

import pytest
import torch

import samlib
from samlib.models import MODELS, Normalize


@pytest.mark.parametrize(
    ("name", "parameters"), [("mlp", 85_002), ("small_resnet", 5_090), ("preact_resnet18", 11_172_170)]
)
def test_each_network_has_its_size_and_gives_logits(name, parameters, device):
    model = MODELS[name]().to(device).eval()
    assert sum(p.numel() for p in model.parameters()) == parameters
    x = torch.rand(2, *((3, 32, 32) if name == "preact_resnet18" else (1, 8, 8)), device=device)
    assert model(x).shape == (2, 10)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_follow_their_seed_and_leave_the_callers_generator_alone(name):
    state = torch.get_rng_state()
    first, again, other = MODELS[name](seed=3), MODELS[name](seed=3), MODELS[name](seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_the_pixels_are_normalised_inside(device):
    x = torch.rand(4, 3, 2, 2, device=device)
    out = Normalize([0.1, 0.2, 0.3], [1.0, 2.0, 4.0]).to(device)(x)
    assert torch.allclose(out[:, 2], (x[:, 2] - 0.3) / 4)
    assert torch.allclose(samlib.mlp().to(device).normalize(x[:, :1]), (x[:, :1] - 0.3053) / 0.376)


def test_a_linear_classifier_is_an_mlp_without_hidden_layers():
    assert [name for name, _ in samlib.mlp(hidden=()).named_parameters()] == ["fc1.weight", "fc1.bias"]


def test_the_shape_of_an_image_and_the_number_of_classes_can_be_chosen(device):
    assert samlib.mlp((5,), 3, (2, 4, 4)).to(device)(torch.rand(2, 2, 4, 4, device=device)).shape == (2, 3)
    assert samlib.small_resnet(7, 3).to(device)(torch.rand(2, 3, 16, 16, device=device)).shape == (2, 7)
