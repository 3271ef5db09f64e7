"""The losses that attacks raise."""

from __future__ import annotations

import pytest
import torch

from samlib.losses import LOSSES, cross_entropy, dlr, margin


@pytest.fixture
def logits(device):
    return torch.randn(200, 10, device=device)


@pytest.fixture
def y(logits):
    return torch.arange(200, device=logits.device) % 10


def test_cross_entropy_is_minus_log_probability(logits, y):
    expected = -logits.softmax(1).gather(1, y[:, None]).log().squeeze(1)
    assert torch.allclose(cross_entropy(logits, y), expected, atol=1e-5)
    assert torch.allclose(cross_entropy(logits, y, targets=y), -expected, atol=1e-5)


@pytest.mark.parametrize("loss", [margin, dlr])
def test_margin_and_dlr_are_positive_exactly_where_the_model_errs(loss, logits, y):
    assert torch.equal(loss(logits, y) > 0, logits.argmax(1) != y)


def test_the_targeted_margin_is_positive_exactly_where_the_model_says_the_target(logits, y):
    targets = (y + 1) % 10
    assert torch.equal(margin(logits, y, targets) > 0, logits.argmax(1) == targets)


def test_targeted_dlr_follows_its_definition(device):
    logits = torch.tensor([[4.0, 3.0, 1.0, 0.0]], device=device)
    y, targets = torch.tensor([0], device=device), torch.tensor([2], device=device)
    assert dlr(logits, y, targets).item() == pytest.approx(-(4 - 1) / (4 - (1 + 0) / 2))


def test_dlr_ignores_the_scale_and_the_offset_of_the_logits(logits, y):
    assert torch.allclose(dlr(logits, y), dlr(30 * logits + 5, y), atol=1e-4)


def test_cross_entropy_gradients_vanish_for_certain_models_and_margins_do_not(device):
    logits = torch.tensor([[200.0, 0.0, -1.0]], device=device, requires_grad=True)
    y = torch.tensor([0], device=device)
    sizes = {}
    for name, loss in LOSSES.items():
        (gradient,) = torch.autograd.grad(loss(logits, y).sum(), logits)
        sizes[name] = gradient.abs().max().item()
    assert sizes["ce"] == 0
    assert sizes["margin"] == 1
    assert sizes["dlr"] > 0


@pytest.mark.parametrize("loss", LOSSES.values())
def test_losses_are_float32_for_half_precision_logits(loss, logits, y):
    assert loss(logits.bfloat16(), y).dtype == torch.float32
    assert loss(logits.double(), y).dtype == torch.float64


def test_dlr_says_how_many_classes_it_needs(device):
    y = torch.zeros(1, dtype=torch.long, device=device)
    with pytest.raises(ValueError, match=r"at least 3 classes.*has 2"):
        dlr(torch.zeros(1, 2, device=device), y)
    with pytest.raises(ValueError, match=r"at least 4 classes.*has 3"):
        dlr(torch.zeros(1, 3, device=device), y, y)
