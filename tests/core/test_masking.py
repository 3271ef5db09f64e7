"""The networks that only look robust: what they compute, which attack each fools, and which it does not."""

from __future__ import annotations

import copy

import pytest
import torch

import samlib
from samlib import masking
from samlib.losses import cross_entropy, margin


def robust_share(model, x_adv, y):
    with torch.no_grad():
        return (model(x_adv).argmax(1) == y).float().mean().item()


def gradient(model, x, y, loss):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(model(x), y).sum(), x)[0]


def test_each_computes_what_it_says(trained, digits):
    model, x = trained["sgd"], digits[2][:20]
    assert torch.equal(masking.scale_logits(model, 30)(x), 30 * model(x))
    assert torch.equal(masking.quantise_input(model, 2)(x), model((x > 0.5).float()))  # torch rounds .5 to 0
    on_the_grid = (x * 4).round() / 4
    assert torch.equal(masking.quantise_input(model, 5)(on_the_grid), model(on_the_grid))
    assert torch.equal(masking.noise_input(model, 0.0)(x), model(x))


def test_noise_is_drawn_anew_by_seed_and_touches_no_global_generator(trained, digits, device):
    x, y = digits[2][:20], digits[3][:20]
    before = torch.get_rng_state()
    first, second, third = (masking.noise_input(trained["sgd"], 0.1, seed) for seed in (0, 0, 1))
    logits = first(x)
    assert torch.equal(logits, second(x))
    assert not torch.equal(logits, first(x))
    assert not torch.equal(logits, third(x))
    assert torch.equal(copy.deepcopy(first)(x), first(x))
    assert torch.equal(torch.get_rng_state(), before)
    noise = masking.noise_input(torch.nn.Identity(), 0.1)(torch.zeros(100_000, device=device))
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.002)
    assert gradient(first, x, y, margin).abs().amax() > 0


def test_scaled_logits_fool_cross_entropy_and_not_the_margin(trained, digits):
    x, y, model = digits[2][:200], digits[3][:200], trained["sgd"]
    scaled = masking.scale_logits(model, 30)
    assert (gradient(scaled, x, y, cross_entropy).flatten(1).abs().amax(1) == 0).float().mean() > 0.8
    left = {
        loss: robust_share(scaled, samlib.apgd(scaled, x, y, 0.125, steps=40, loss=loss), y)
        for loss in ("ce", "margin")
    }
    honest = robust_share(model, samlib.apgd(model, x, y, 0.125, steps=40, loss="margin"), y)
    assert left["ce"] > honest + 0.4
    assert left["margin"] == pytest.approx(honest, abs=0.01)


def test_quantised_pixels_fool_gradients_and_not_random_search(trained, digits):
    x, y = digits[2][:200], digits[3][:200]
    model = masking.quantise_input(trained["sgd"], 9)
    for loss in (cross_entropy, margin):
        assert not gradient(model, x, y, loss).any()
    assert robust_share(model, samlib.pgd(model, x, y, 0.125, steps=40), y) > 0.9
    assert robust_share(model, samlib.square(model, x, y, 0.125, queries=1000), y) < 0.5


def test_noise_saves_images_that_were_broken_once(trained, digits):
    """A judge who comes after an attack that stops at its first success sees other noise, and reads much of it well."""
    x, y = digits[2][:200], digits[3][:200]
    model = masking.noise_input(trained["sgd"], 0.1)
    once = robust_share(model, samlib.square(model, x, y, 0.125, queries=300), y)
    assert once > robust_share(trained["sgd"], samlib.square(trained["sgd"], x, y, 0.125, queries=300), y) + 0.2
    assert samlib.robust_accuracy(model, x, y, 0.125, budget="quick") < once - 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: masking.scale_logits(model, 0), r"factor is 0; it must be a finite number in \(0"),
        (lambda model: masking.quantise_input(model, 1), r"levels is 1; it must be at least 2"),
        (lambda model: masking.noise_input(model, -0.1), r"sigma is -0.1"),
        (lambda model: masking.noise_input(model, 0.1, seed=-1), r"seed is -1"),
    ],
)
def test_settings_that_are_none(trained, make, message):
    with pytest.raises(ValueError, match=message):
        make(trained["sgd"])
