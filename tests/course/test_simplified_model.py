"""The lesson's computations on the simplified model: SAM's leading order, and training in batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import expit

from samlib import toy
from samlib.course.lessons.robust_and_non_robust_features.leading import LEADING, leading_order
from samlib.course.lessons.robust_and_non_robust_features.training import train_classifier
from tests.simplified_model import M_DIAL, SETTINGS, W_STAR, logistic_grid

# ---- the leading order -----------------------------------------------------------------------------------------------

# (definition, order of the first term that is left out, largest rho)
ORDERS = [
    ("A", 4, 0.4),
    ("A'", 4, 0.2),
    ("B", 4, 0.2),
    ("C", 4, 0.1),
    ("D", 4, 0.2),
    ("D'", 4, 0.1),
    ("F1", 2, 0.02),
    ("F2", 2, 0.02),
    ("H", 4, 0.2),
    ("I", 2, 0.01),
    ("J", 2, 0.02),
]


@pytest.mark.parametrize(("definition", "order", "rho"), ORDERS)
@pytest.mark.parametrize(
    ("p", "eta", "d"), [(0.95, 0.2, 50), (0.7, 0.5, 2), (0.9, 0.35, 12), (0.8, 0.8, 1), (0.97, 0.9, 6)]
)
def test_leading_order_leaves_out_the_next_one(definition, order, rho, p, eta, d):
    rhos = rho * np.array([1, 2**-0.5, 0.5])
    w_star = toy.standard_optimum(p, eta)
    left_out = [abs(toy.sam_optimum(p, eta, d, r, definition) - leading_order(p, eta, d, r, definition)) for r in rhos]
    assert left_out[-1] > 1e-12 * w_star  # a difference, not rounding
    slope = np.polyfit(np.log(rhos), np.log(left_out), 1)[0]
    assert slope == pytest.approx(order, abs=0.15)
    # and what it does give is the larger part
    assert abs(leading_order(p, eta, d, rhos[-1], definition) - w_star) > 4 * left_out[-1]


def test_relative_ball_does_not_move_the_optimum_below_k_1():
    below = 0
    for p, eta, d, _ in SETTINGS:
        w = toy.standard_optimum(p, eta)
        if d > 1 and w**2 * (d + 1) / d < 0.9:
            below += 1
            assert toy.sam_optimum(p, eta, d, 0.05, "D'") == leading_order(p, eta, d, 0.05, "D'") == w
    assert below > 50


def test_first_order_of_own_ball_is_about_one_over_the_strength():
    for d in (50, 200, 800):
        eta = 2 / math.sqrt(d)
        c = (leading_order(0.9, eta, d, 1e-3, "F2") / toy.standard_optimum(0.9, eta) - 1) / 1e-3
        assert c == pytest.approx(1 / 2, rel=2 / d)


def test_every_definition_has_a_leading_order():
    assert list(LEADING) == list(toy.DEFINITIONS)
    for definition in toy.DEFINITIONS:
        assert type(leading_order(0.9, 0.3, 8, 0.1, definition)) is float
        assert leading_order(0.9, 0.3, 8, 0, definition) == toy.standard_optimum(0.9, 0.3)
    for p, eta, d, rho in SETTINGS:
        for definition in ("E", "G"):
            assert leading_order(p, eta, d, rho, definition) == toy.standard_optimum(p, eta)


# ---- training --------------------------------------------------------------------------------------------------------


def batch_optimum(batch_size, rho, batches, seed):
    """Where the expected SAM gradient of w_1 vanishes, as a ratio to w*, and its Monte-Carlo error.

    The batches' plain gradients at w*, whose mean is 0, take most of the noise away.
    """
    p, eta, d = M_DIAL.values()
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((batches, batch_size, d + 1), dtype=np.float32) + np.float32(eta)
    x[..., 0] = np.where(generator.random((batches, batch_size)) < p, 1, -1)  # all times y
    rest = x[..., 1:].sum(2) * 2 * eta

    def pulls(w, rho):
        margin = rest + w * x[..., 0]
        if rho:
            gradient = -np.einsum("km,kmd->kd", expit(-margin), x, optimize=True)
            gradient *= rho / np.linalg.norm(gradient, axis=1, keepdims=True)
            margin = margin + np.einsum("kmd,kd->km", x, gradient, optimize=True)
        return -(expit(-margin) * x[..., 0]).mean(1).astype(np.float64)

    standard = 2 * eta * W_STAR
    plain = pulls(standard, 0)
    share = 1.3  # of the plain gradient; any number is unbiased
    w = brentq(lambda w: (pulls(w, rho) - share * plain).mean(), 0.9 * standard, 1.7 * standard, xtol=1e-4)
    steepness = (pulls(w + 0.05, rho) - pulls(w - 0.05, rho)).mean() / 0.1
    error = (pulls(w, rho) - share * plain).std() / math.sqrt(batches) / steepness
    return w / standard, error / standard


def trained_ratio(batch_size, steps, seeds=range(3), **options):
    """w_1 of SAM over w_1 of SGD on the same examples: mean over seeds, and its standard error."""
    sam = train_classifier(**M_DIAL, rho=0.3, batch_size=batch_size, steps=steps, seeds=seeds, **options)
    sgd = train_classifier(**M_DIAL, rho=0.0, batch_size=batch_size, steps=steps, seeds=seeds, **options)
    ratio = sam / sgd
    return ratio.mean().item(), (ratio.std() / math.sqrt(len(ratio))).item()


def test_batches_of_one_have_the_optimum_of_definition_j():
    ratio, error = batch_optimum(1, 0.3, 2**16, seed=0)
    exact = toy.sam_optimum(**M_DIAL, rho=0.3, definition="J") / W_STAR
    assert exact == pytest.approx(1.370, abs=5e-4)
    assert error < 0.01
    assert abs(ratio - exact) < 3 * error


@pytest.mark.slow
def test_large_batches_hardly_move_the_optimum():
    ratio, error = trained_ratio(128, 200)
    expected, its_error = batch_optimum(128, 0.3, 1000, seed=1)
    assert error < 0.003
    assert abs(ratio - expected) < 3 * math.hypot(error, its_error) + 0.001
    assert 1.005 < ratio < 1.03  # at m = 1 it is 1.37


@pytest.mark.long
@pytest.mark.parametrize(
    ("batch_size", "steps", "batches", "figure"),
    [(1, 1600, 2**16, 1.37), (4, 800, 2**14, 1.27), (16, 500, 2**12, 1.11), (4096, 100, 200, 1.004)],
)
def test_the_m_dial(batch_size, steps, batches, figure):
    ratio, error = trained_ratio(batch_size, steps)
    expected, its_error = batch_optimum(batch_size, 0.3, batches, seed=2)
    assert abs(expected - figure) < 3 * its_error + 0.005 * (figure - 1)
    assert abs(ratio - expected) < 4 * math.hypot(error, its_error)


def test_learning_one_weight_is_not_perturbing_one_weight():
    # Weights with requires_grad=False are not perturbed: the margin then falls by rho |x_1| only, and SAM moves far
    # less.
    p, eta, d = M_DIAL.values()
    t, _, weight = logistic_grid(eta, d, 0.3)
    margin = 2 * eta * math.sqrt(d) * t - 0.3

    def slope(w):
        return (weight * ((1 - p) * expit(2 * eta * w - margin) - p * expit(-2 * eta * w - margin))).sum()

    ratio = brentq(slope, 0.5 * W_STAR, 3 * W_STAR) / W_STAR
    assert ratio == pytest.approx(1.04, abs=0.005)


def test_a_step_perturbs_all_weights_and_learns_one():
    (ratio,) = train_classifier(**M_DIAL, rho=0.3, batch_size=1, steps=1, lr=2.0, seeds=[7]).tolist()
    x, y = toy.sample(1, **M_DIAL, generator=torch.Generator().manual_seed(7))
    x = (x * y[:, None]).double()[0]
    w = torch.tensor([2 * 0.2 * W_STAR] + 50 * [0.4], dtype=torch.float64)
    lost = torch.sigmoid(0.3 * x.norm() - w @ x)
    assert ratio == pytest.approx(((w[0] + 2.0 * lost * x[0]) / 0.4).item(), rel=1e-6)
    (ratio,) = train_classifier(**M_DIAL, rho=0.3, batch_size=1, steps=1, lr=2.0, seeds=[7], learn_others=True).tolist()
    w = w + 2.0 * lost * x
    assert ratio == pytest.approx((w[0] / w[1:].mean()).item(), rel=1e-6)


@pytest.mark.slow
def test_training_on_attacked_examples_finds_the_adversarial_optimum():
    options = {"learn_others": True, "batch_size": 256, "steps": 300, "seeds": range(3)}
    ratio = train_classifier(**M_DIAL, eps=0.05, **options) / train_classifier(**M_DIAL, **options)
    expected = toy.adversarial_optimum(0.95, 0.2, 0.05) / W_STAR
    error = (ratio.std() / math.sqrt(3)).item()
    assert error < 0.01
    assert abs(ratio.mean().item() - expected) < 4 * error + 0.005


def test_training_is_decided_by_its_seeds():
    options = {"rho": 0.2, "batch_size": 4, "steps": 20}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = train_classifier(**M_DIAL, seeds=[1, 2], **options)
    assert torch.equal(torch.get_rng_state(), state)
    assert one.shape == (2,)
    assert one.dtype == torch.float64
    assert torch.equal(one, train_classifier(**M_DIAL, seeds=[1, 2], **options))
    assert torch.equal(one[1:], train_classifier(**M_DIAL, seeds=[2], **options))
    assert one[0] != one[1]


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 1.0, 0.3, 1.2, -1, math.nan, math.inf])
def test_p_must_lie_between_one_half_and_one(p):
    for call in (
        lambda: leading_order(p, 0.3, 5, 0.1),
        lambda: train_classifier(p, 0.3, 5),
    ):
        with pytest.raises(ValueError, match=rf"^p is {p}; it must be"):
            call()


@pytest.mark.parametrize("eta", [0.0, -0.2, math.nan])
def test_eta_must_be_positive(eta):
    with pytest.raises(ValueError, match=rf"^eta is {eta}; it must be"):
        leading_order(0.8, eta, 5, 0.1)


def test_other_bad_input():
    with pytest.raises(ValueError, match=r"^definition is 'F3'; .* Did you mean 'F2'"):
        leading_order(0.8, 0.3, 5, 0.1, "F3")
    for definition in ("H", "I", "J"):
        with pytest.raises(ValueError, match=r"^eta is 2 and d is 900; eta \* sqrt\(d\) must be at most 30"):
            leading_order(0.9, 2.0, 900, 0.1, definition)
    with pytest.raises(TypeError, match=r"^rho is 'a'"):
        leading_order(0.8, 0.3, 5, "a")
    for name, value in (("batch_size", 0), ("steps", 0), ("lr", 0.0), ("eps", -1.0), ("rho", -1.0)):
        with pytest.raises(ValueError, match=rf"^{name} is {value}"):
            train_classifier(**M_DIAL, **{name: value})
    with pytest.raises(TypeError, match=r"^seeds is 0.5"):
        train_classifier(**M_DIAL, seeds=[0.5])
