"""The simplified model: every optimum against an independent computation of what its definition says.

No oracle here uses samlib's solvers, and most use another representation of the objective. An optimum w is certified: a
worst-case objective is higher at w (1 +- h), an average one has a slope that changes its sign between w (1 - h) and
w (1 + h). All objectives are unimodal, so the optimum is within h.
"""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from scipy.optimize import minimize, root
from scipy.special import expit, ndtr
from scipy.stats import norm

import samlib
from samlib import toy, toy_definitions
from tests.simplified_model import SETTINGS, W_STAR, chi_squared_grid, logistic_grid, settings


def between(slope, w: float, h: float = 1e-9) -> bool:
    """The slope turns from negative to positive within a relative distance h of w."""
    return slope(w * (1 - h)) < 0 < slope(w * (1 + h))


def is_lowest(objective, w: float, h: float) -> bool:
    """The objective is higher on both sides, a relative distance h away."""
    here = objective(w)
    return objective(w * (1 - h)) > here and objective(w * (1 + h)) > here


def error_in_full(w_1, p, eta, d):
    """The error in mpmath, straight from the model: a normal sum of d features against w_1."""
    mean, deviation = mpmath.mpf(eta) * d, mpmath.sqrt(d)
    p, w_1 = mpmath.mpf(p), mpmath.mpf(w_1)
    return p * mpmath.ncdf(-(mean + w_1) / deviation) + (1 - p) * mpmath.ncdf(-(mean - w_1) / deviation)


def error_at(p, eta, d):
    """`error_in_full` as a function of w_1 alone."""
    return lambda w_1: error_in_full(w_1, p, eta, d)


def error_of(w_1, total, norm_, p, eta):
    """The error of any weights: w_1, the others' sum, and their norm."""
    return p * ndtr(-(eta * total + w_1) / norm_) + (1 - p) * ndtr(-(eta * total - w_1) / norm_)


@pytest.fixture(autouse=True)
def forty_digits():
    with mpmath.workdps(40):
        yield


# ---- data and errors -------------------------------------------------------------------------------------------------


def test_sample_has_the_moments_of_the_model():
    x, y = toy.sample(200_000, 0.8, 0.3, 4, torch.Generator().manual_seed(1))
    assert x.shape == (200_000, 5)
    assert x.dtype == y.dtype == torch.float32
    assert set(y.tolist()) == {-1.0, 1.0}
    assert abs(y.mean()) < 4 / math.sqrt(2e5)
    agree = (x[:, 0] == y).float()
    assert torch.equal(x[:, 0].abs(), torch.ones(len(x)))
    assert abs(agree.mean() - 0.8) < 4 * math.sqrt(0.16 / 2e5)
    weak = x[:, 1:] * y[:, None]
    assert (weak.mean(0) - 0.3).abs().max() < 4.5 / math.sqrt(2e5)
    assert (torch.cov(weak.T) - torch.eye(4)).abs().max() < 4.5 * math.sqrt(2 / 2e5)
    assert torch.corrcoef(torch.stack([agree, weak.sum(1)]))[0, 1].abs() < 4.5 / math.sqrt(2e5)


def test_sample_depends_on_its_generator_alone():
    torch.manual_seed(0)
    one = toy.sample(50, 0.8, 0.3, 4, torch.Generator().manual_seed(1))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again = toy.sample(50, 0.8, 0.3, 4, torch.Generator().manual_seed(1))
    other = toy.sample(50, 0.8, 0.3, 4, torch.Generator().manual_seed(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize(("p", "eta", "d"), [(0.95, 0.2, 50), (0.7, 0.5, 3), (0.6, 0.8, 1)])
@pytest.mark.parametrize("eps", [0.0, 0.1, 0.6])
def test_errors_against_monte_carlo(p, eta, d, eps):
    n = 200_000
    x, y = toy.sample(n, p, eta, d, torch.Generator().manual_seed(d))
    x[:, 1:] -= eps * y[:, None]
    for w_1 in (-1.0, 0.5, 3.0):
        wrong = ((w_1 * x[:, 0] + x[:, 1:].sum(1)) * y < 0).double().mean().item()
        exact = toy.attacked_error(w_1, p, eta, d, eps)
        assert abs(wrong - exact) < 4 * math.sqrt(exact * (1 - exact) / n)
        if eps == 0:
            assert toy.clean_error(w_1, p, eta, d) == exact


def test_errors_take_arrays_and_keep_their_digits_in_the_tail():
    w_1 = np.linspace(-3, 9, 7)
    errors = toy.clean_error(w_1, 0.9, 1.5, 100)
    assert errors.shape == w_1.shape
    for w, error in zip(w_1, errors, strict=True):
        assert toy.clean_error(float(w), 0.9, 1.5, 100) == error
        assert error == pytest.approx(float(error_in_full(w, 0.9, 1.5, 100)), rel=1e-11)  # about 1e-50


def test_pgd_finds_the_attack_that_the_closed_form_assumes():
    p, eta, d, eps, w_1 = 0.8, 0.5, 6, 0.2, 1.3
    x, y = toy.sample(300, p, eta, d, torch.Generator().manual_seed(0))
    span = 2 * float(x.abs().max()) + 1

    def classifier(pixels):
        margin = w_1 * x[:, 0] + ((pixels - 0.5) * span).sum(1)
        return torch.stack([-margin, margin], 1) / 10

    pixels = x[:, 1:] / span + 0.5
    found = samlib.pgd(classifier, pixels, (y > 0).long(), eps / span)
    assert torch.allclose((found - pixels) * span, -eps * y[:, None].expand(-1, d), atol=1e-5)


# ---- the optima of standard and adversarial training -----------------------------------------------------------------


def test_standard_and_adversarial_optimum_are_the_least_error_on_the_whole_grid():
    for p, eta, d, rho in SETTINGS:
        eps = eta * min(0.9, 2 * rho)
        assert is_lowest(error_at(p, eta, d), mpmath.mpf(toy.standard_optimum(p, eta)), 1e-9)
        attacked = toy.adversarial_optimum(p, eta, eps)
        assert is_lowest(error_at(p, eta - eps, d), mpmath.mpf(attacked), 1e-9)


def test_slope_of_the_error_has_the_form_that_the_lesson_uses():
    for p, eta, d, _ in SETTINGS[:40]:
        w = np.linspace(-2, 3, 6) * toy.standard_optimum(p, eta)
        slope = [float(mpmath.diff(error_at(p, eta, d), v)) for v in w]
        form = np.exp(-(w**2) / 2 / d) * np.sinh(eta * (w - toy.standard_optimum(p, eta)))
        constant = 2 * math.sqrt(p * (1 - p) / (2 * math.pi * d)) * math.exp(-(eta**2) * d / 2)
        np.testing.assert_allclose(slope, constant * form, rtol=1e-9, atol=1e-15 * constant)


def test_adversarial_optimum_diverges_as_eps_approaches_eta():
    optima = [toy.adversarial_optimum(0.9, 0.3, 0.3 * (1 - gap)) for gap in (1.0, 1e-1, 1e-2, 1e-3)]
    assert optima[0] == toy.standard_optimum(0.9, 0.3)
    for one, ten_times in pairwise(optima):
        assert ten_times == pytest.approx(10 * one, rel=1e-9)


# ---- SAM: the worst case for the whole loss --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "radius"),
    [("A", lambda w, rho, d: rho), ("A'", lambda w, rho, d: rho * mpmath.sqrt(d)), ("D", lambda w, rho, d: rho * w)],
)
def test_interval_definitions_are_the_least_worst_case(definition, radius):
    for p, eta, d, rho in SETTINGS:

        def worst(w, p=p, eta=eta, d=d, rho=rho):
            return max(error_in_full(w + sign * radius(w, rho, d), p, eta, d) for sign in (-1, 1))

        assert is_lowest(worst, mpmath.mpf(toy.sam_optimum(p, eta, d, rho, definition)), 1e-9)


@pytest.mark.parametrize(
    ("p", "eta", "d", "rho", "definition"),
    [
        (0.95, 0.05, 3, 0.1, "A"),  # w* = 29: the valley is 1e-63 deep, of errors of 0.05
        (0.95, 0.05, 3, 0.1, "D"),
        (0.50001, 0.3, 20, 0.2, "D"),  # w* = 7e-5: so is rho w*
        (0.9, 0.2, 50, 1e-5, "A"),
        (0.9, 1.0, 400, 0.3, "A"),  # errors of 1e-90
        (0.9, 0.2, 50, 20.0, "A"),  # rho = 3 sqrt(d)
    ],
)
def test_intervals_where_floats_see_no_difference_of_errors(p, eta, d, rho, definition):
    with mpmath.workdps(150):

        def rising_side_less_falling_side(w):
            radius = mpmath.mpf(rho) * (w if definition == "D" else 1)
            return error_in_full(w + radius, p, eta, d) - error_in_full(w - radius, p, eta, d)

        w = toy.sam_optimum(p, eta, d, rho, definition)
        assert w > toy.standard_optimum(p, eta)
        assert between(lambda w: math.copysign(1, rising_side_less_falling_side(w)), mpmath.mpf(w))


def test_worst_of_an_interval_is_one_of_its_ends():
    for p, eta, d, rho in SETTINGS[:40]:
        w = toy.sam_optimum(p, eta, d, rho, "A")
        inside = toy.clean_error(np.linspace(w - rho, w + rho, 101), p, eta, d)
        assert inside.max() <= max(inside[0], inside[-1])


def test_uniform_average_has_the_optimum_of_a():
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for p, eta, d, rho in SETTINGS:

        def slope(w, p=p, eta=eta, d=d, rho=rho):
            v, scale = w + rho * nodes, math.sqrt(d)
            # both densities times exp(v^2 / 2d + eta^2 d / 2): what is left of them is the bracket of L'
            return weights @ (np.exp(-(v**2) / 2 / scale**2) * ((1 - p) * np.exp(eta * v) - p * np.exp(-eta * v)))

        assert between(slope, toy.sam_optimum(p, eta, d, rho, "A")), (p, eta, d, rho)


def worst_in_ball(w, p, eta, d, rho, adaptive):
    """The highest error on the sphere around (w, 1 ... 1), by finer and finer grids on it.

    Inside the ball nothing is worse: the error depends on the direction only, and the sphere has them all. Three
    coordinates do: w_1, along (1 ... 1), across it. The poles of the grid lie where the error hardly changes.
    """
    pole = np.array([1.0 if adaptive else w, math.sqrt(d)])
    pole /= np.hypot(*pole)

    def errors(theta, phi):
        up, out, across = rho * np.cos(theta), rho * np.sin(theta) * np.cos(phi), rho * np.sin(theta) * np.sin(phi)
        dw = pole[0] * up + pole[1] * out
        along = math.sqrt(d) + pole[1] * up - pole[0] * out
        return error_of(w * (1 + dw) if adaptive else w + dw, math.sqrt(d) * along, np.hypot(along, across), p, eta)

    def highest(phi):
        theta = np.linspace(0.8, math.pi - 0.8, 33)
        for _ in range(11):
            values = errors(theta[:, None], phi[None, :])
            i, j = np.unravel_index(values.argmax(), values.shape)
            theta = np.linspace(theta[max(i - 2, 0)], theta[min(i + 2, len(theta) - 1)], 13)
            phi = np.linspace(phi[max(j - 2, 0)], phi[min(j + 2, len(phi) - 1)], 13)
        return errors(theta[:, None], phi[None, :]).max()

    # More w_1 and less w_1 make two hills of nearly the same height; each is followed to its top. A single weak feature
    # has nothing across it.
    hills = np.linspace(0, math.pi / 2, 33), np.linspace(math.pi / 2, math.pi, 33)
    return max(highest(phi) for phi in (hills if d > 1 else (np.zeros(1), np.full(1, math.pi))))


@pytest.mark.long
@pytest.mark.parametrize("definition", ["B", "D'"])
def test_ball_definitions_are_the_least_worst_case(definition):
    unmoved = 0
    for p, eta, d, rho in SETTINGS:
        w = toy.sam_optimum(p, eta, d, rho, definition)

        def worst(w, p=p, eta=eta, d=d, rho=rho):
            return worst_in_ball(w, p, eta, d, rho, definition == "D'")

        exactly = w == toy.standard_optimum(p, eta)
        unmoved += exactly
        # A kink can be told from its neighbours in float64; around an optimum without one the objective is flat.
        assert is_lowest(worst, w, 1e-4 if exactly else 1e-8), (p, eta, d, rho)
    # D' has both kinds in the grid, B only kinks.
    assert (unmoved == 0) if definition == "B" else (50 < unmoved < 150)


def error_on_rim(angle, w, p, eta, d, rho, adaptive, lib=mpmath, cdf=mpmath.ncdf):
    """The error in a direction on the rim of the cone of directions that the ball around (w, 1 ... 1) is seen as."""
    unit, total = (w if adaptive else w / w), lib.sqrt(d)
    length = lib.sqrt((w / unit) ** 2 + d)
    along, sine = (w / unit / length, total / length), rho / length
    cosine, dw = lib.sqrt(1 - sine**2), sine * lib.cos(angle)
    robust, equal = unit * (cosine * along[0] + dw * along[1]), cosine * along[1] - dw * along[0]
    scale, vote = lib.sqrt(equal**2 + (sine * lib.sin(angle)) ** 2), eta * total * equal
    return p * cdf(-(vote + robust) / scale) + (1 - p) * cdf(-(vote - robust) / scale)


def worst_on_rim(w, p, eta, d, rho, adaptive):
    """`worst_in_ball` to 40 digits: both ends of the rim, and each local maximum that a grid of floats finds."""
    grid = np.linspace(0, math.pi, 801)
    values = error_on_rim(grid, float(w), float(p), float(eta), d, float(rho), adaptive, np, ndtr)
    tops = grid[1:-1][(values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])]

    def error(angle):
        return error_on_rim(angle, w, p, eta, d, rho, adaptive)

    angles = [mpmath.mpf(0), mpmath.pi]
    for top in tops if d > 1 else ():  # a single weak feature has nothing across it
        angles.append(
            mpmath.findroot(lambda a: mpmath.diff(error, a), (top - 1e-3, top + 1e-3), tol=1e-30, verify=False)
        )
    return max(map(error, angles))


@pytest.mark.long
@pytest.mark.parametrize("definition", ["B", "D'"])
def test_ball_definitions_are_the_least_worst_case_to_nine_digits(definition):
    for p, eta, d, rho in SETTINGS:
        w = toy.sam_optimum(p, eta, d, rho, definition)

        def worst(w, p=p, eta=eta, d=d, rho=rho):
            return worst_on_rim(w, mpmath.mpf(p), mpmath.mpf(eta), d, mpmath.mpf(rho), definition == "D'")

        assert is_lowest(worst, mpmath.mpf(w), 1e-9), (p, eta, d, rho)


def test_b_is_the_midpoint_of_a_level_chord_in_the_angle_while_the_worst_direction_stays_in_the_plane():
    checked = 0
    for p, eta, d, rho in SETTINGS[:60]:
        w = toy.sam_optimum(p, eta, d, rho, "B")
        if d == 1 or rho < 0.25 * toy.standard_optimum(p, eta):
            angle, turn = mpmath.atan2(w, mpmath.sqrt(d)), mpmath.asin(rho / mpmath.hypot(w, mpmath.sqrt(d)))

            def level(angle, p=p, eta=eta, d=d):
                return error_in_full(mpmath.sqrt(d) * mpmath.tan(angle), p, eta, d)

            middle = mpmath.findroot(
                lambda a, level=level, turn=turn: level(a + turn) - level(a - turn), (angle * 0.999, angle), tol=1e-60
            )
            assert float(mpmath.tan(middle) / mpmath.tan(angle)) == pytest.approx(1, abs=1e-9)
            checked += 1
    assert checked > 15


@pytest.mark.slow
def test_exponential_loss_is_symmetric_about_its_optimum_so_that_no_ball_moves_it():
    rng = np.random.default_rng(0)
    for p, eta, d, rho in SETTINGS:
        robust, others = math.log(p / (1 - p)) / 2, eta
        assert toy.sam_optimum(p, eta, d, rho, "G") == pytest.approx(robust / others, rel=1e-14)

        def log_loss(dw, robust=robust, others=others, p=p, eta=eta):
            """log E exp(-y w . x): the robust feature's two values times the others' moment generating functions."""
            w_1, rest = robust + dw[:, 0], others + dw[:, 1:]
            return np.log(p * np.exp(-w_1) + (1 - p) * np.exp(w_1)) + (rest**2 / 2 - eta * rest).sum(1)

        dw = rho * rng.standard_normal((20, d + 1)) / math.sqrt(d)
        np.testing.assert_allclose(log_loss(dw), log_loss(-dw), rtol=1e-9, atol=1e-12)
        # A convex function that is symmetric about a point has its least worst case there. Seen directly:
        ball = rho * rng.standard_normal((400, d + 1))
        ball *= rho / np.linalg.norm(ball, axis=1, keepdims=True)
        ball = np.concatenate([ball, -ball])
        for move in dw:
            assert log_loss(ball + move).max() > log_loss(ball).max()


def test_normalised_ascent_on_the_whole_loss_rests_at_the_standard_optimum():
    for p, eta, d, rho in SETTINGS:

        def slope(w, p=p, eta=eta, d=d):
            right, wrong = -(((eta * d + w) ** 2) / d) / 2, -(((eta * d - w) ** 2) / d) / 2
            return np.sign((1 - p) * np.exp(wrong - right) - p)

        rest = toy.sam_optimum(p, eta, d, rho, "E")
        distance = rest * np.array([1e-9, 1e-3, 0.1, 0.5, 1.0, 2.0])
        for w, toward in ((rest + distance, -1), (rest - distance, 1)):
            velocity = -slope(w + rho * slope(w))
            assert (velocity == toward).all()


# ---- SAM: noise, and each example's own worst case -------------------------------------------------------------------


def own_ball_threshold(w, q, d, rho):
    """Where sqrt(d) t + w = rho sqrt(1 + t^2 + q), by bisection: below it an example errs."""
    low, high = np.full_like(q, -1e3), np.full_like(q, 1e3)
    for _ in range(70):
        middle = (low + high) / 2
        errs = math.sqrt(d) * middle + w < rho * np.sqrt(1 + middle**2 + q)
        low, high = np.where(errs, middle, low), np.where(errs, high, middle)
    return low


@pytest.mark.slow
def test_noise_definition_has_no_slope_at_its_optimum():
    # Seen from the examples: for a given x, y w . x is normal with variance rho^2 ||x||^2. (samlib takes the noise
    # first.)
    for p, eta, d, rho in SETTINGS:
        t = np.arange(-eta * math.sqrt(d) - 10, 9, min(0.1, rho / 5))[:, None]
        q, weight = chi_squared_grid(d - 1)
        weight = weight * norm.pdf(t)
        t = t + eta * math.sqrt(d)
        length = rho * np.sqrt(1 + t**2 + q)

        def slope(w, p=p, t=t, d=d, length=length, weight=weight):
            right, wrong = ((math.sqrt(d) * t + w) / length) ** 2, ((math.sqrt(d) * t - w) / length) ** 2
            return (weight / length * ((1 - p) * np.exp(-wrong / 2) - p * np.exp(-right / 2))).sum()

        assert between(slope, toy.sam_optimum(p, eta, d, rho, "C")), (p, eta, d, rho)


def test_own_interval_has_no_slope_at_its_optimum():
    for p, eta, d, rho in SETTINGS:
        w = mpmath.mpf(toy.sam_optimum(p, eta, d, rho, "F1"))
        # |x_1| = 1: the weak features' sum has to beat rho besides
        assert is_lowest(error_at(p, mpmath.mpf(eta) - mpmath.mpf(rho) / d, d), w, 1e-9)
        assert float(w) == pytest.approx(toy.adversarial_optimum(p, eta, rho / d), rel=1e-12)


@pytest.mark.slow
def test_own_ball_has_no_slope_at_its_optimum():
    infinite = 0
    for p, eta, d, rho in SETTINGS:
        q, weight = chi_squared_grid(d - 1)

        def thresholds(w, p=p, eta=eta, d=d, rho=rho, q=q):
            return [(sign, share, own_ball_threshold(sign * w, q, d, rho)) for sign, share in ((1, p), (-1, 1 - p))]

        def slope(w, eta=eta, d=d, rho=rho, q=q, weight=weight, thresholds=thresholds):
            total = 0.0
            for sign, share, t in thresholds(w):
                moves = -sign / (math.sqrt(d) - rho * t / np.sqrt(1 + t**2 + q))
                total += share * (weight * norm.pdf(t - eta * math.sqrt(d)) * moves).sum()
            return total

        try:
            w = toy.sam_optimum(p, eta, d, rho, "F2")
        except ValueError:  # "no finite optimum", see test_rho_too_large
            for w in toy.standard_optimum(p, eta) * np.geomspace(0.1, 30, 40):
                wrong = sum(share * (weight * ndtr(t - eta * math.sqrt(d))).sum() for _, share, t in thresholds(w))
                assert wrong > (1 - p) * (1 - 1e-9)  # the error with w_1 infinite
            infinite += 1
        else:
            assert between(slope, w), (p, eta, d, rho)
    assert infinite < 8


def test_own_ball_optimum_gives_the_least_monte_carlo_error():
    p, eta, d, rho = 0.9, 0.25, 30, 0.3
    x, y = toy.sample(400_000, p, eta, d, torch.Generator().manual_seed(0))
    rest, length = x[:, 1:].sum(1) * y, x.norm(dim=1)

    def error(w):
        return (w * x[:, 0] * y + rest < rho * length).double().mean().item()

    best, standard = toy.sam_optimum(p, eta, d, rho, "F2"), toy.standard_optimum(p, eta)
    assert best > 1.15 * standard
    assert error(best) < min(error(standard), error(2 * best - standard))


@pytest.mark.long
def test_logistic_loss_with_fixed_weights_has_no_slope_at_its_optimum():
    for p, eta, d, rho in SETTINGS:
        t, length, weight = logistic_grid(eta, d, rho)

        def slope(w, p=p, eta=eta, d=d, rho=rho, t=t, length=length, weight=weight):
            margin = 2 * eta * math.sqrt(d) * t - rho * length
            w = 2 * eta * w
            return (weight * ((1 - p) * expit(w - margin) - p * expit(-w - margin))).sum()

        assert between(slope, toy.sam_optimum(p, eta, d, rho, "J")), (p, eta, d, rho)


@pytest.mark.long
def test_free_logistic_loss_has_no_slope_at_its_optimum():
    for p, eta, d, rho in SETTINGS:
        ratio = toy.sam_optimum(p, eta, d, rho, "I") / math.sqrt(d)
        t, length, weight = logistic_grid(eta, d, rho, 1 + rho * math.sqrt(d) / 2)

        def derivatives(weights, p=p, rho=rho, t=t, length=length, weight=weight):
            gradient, hessian = np.zeros(2), np.zeros((2, 2))
            for sign, share in ((1, p), (-1, 1 - p)):
                lost = expit(rho * length - sign * weights[0] - t * weights[1])
                pull, bend = (share * weight * lost).sum(1), (share * weight * lost * (1 - lost)).sum(1)
                x = np.stack([np.full(len(t), sign), t[:, 0]])
                gradient, hessian = gradient - x @ pull, hessian + (x * bend) @ x.T
            return gradient, hessian

        # Along the ray of the ratio the loss is convex; from its lowest point, about, Newton's method finds the
        # optimum.
        ray, scale = np.array([ratio, 1.0]), 2 * eta * math.sqrt(d)
        while derivatives(scale * ray)[0] @ ray < 0:
            scale *= 1.3
        weights = scale * ray
        for _ in range(8):
            gradient, hessian = derivatives(weights)
            weights = weights - np.linalg.solve(hessian, gradient)
        assert np.abs(np.linalg.solve(*derivatives(weights)[::-1])).max() < 1e-9 * scale
        assert weights[0] / weights[1] == pytest.approx(ratio, rel=1e-9), (p, eta, d, rho)


def test_sam_with_one_example_goes_to_its_worst_case():
    # so that definition J is SAM at m = 1: the margin falls by exactly rho ||x||
    x, y = toy.sample(5, 0.9, 0.2, 7, torch.Generator().manual_seed(0))
    for one, label in zip(x.double(), y.double(), strict=True):
        w = torch.full((8,), 0.4, dtype=torch.float64, requires_grad=True)
        sam = samlib.SAM(torch.optim.SGD([w], lr=0.1), rho=0.3)
        before = (label * one @ w).item()
        torch.nn.functional.softplus(-label * one @ w).backward()
        sam.first_step()
        assert (label * one @ w).item() == pytest.approx(before - 0.3 * one.norm().item(), rel=1e-12)


class WholeLogisticLoss:
    """The expected logistic loss in (w_1, a, b), a along (1 ... 1), b across it; 1 at the standard optimum."""

    def __init__(self, p, eta, d, rho):
        z = np.arange(-eta * math.sqrt(d) - 9, 9, min(0.2, 0.4 / (2 * eta * math.sqrt(d) + rho)))
        self.p, self.t, self.z, self.weight = p, eta * math.sqrt(d), z, norm.pdf(z) * (z[1] - z[0])
        self.standard = np.array([math.log(p / (1 - p)), 2 * self.t])
        self.weight = self.weight / self([*self.standard, 0.0])

    def __call__(self, point):
        w_1, a, b = (np.asarray(v)[..., None] for v in point)
        margin = self.t * a + np.hypot(a, b) * self.z
        return (self.p * np.logaddexp(0, -margin - w_1) + (1 - self.p) * np.logaddexp(0, w_1 - margin)) @ self.weight

    def gradient(self, point):
        """In (w_1, a, b), at one point."""
        w_1, a, b = point
        margin = self.t * a + np.hypot(a, b) * self.z
        right, wrong = self.p * expit(-margin - w_1), (1 - self.p) * expit(w_1 - margin)
        both, z = wrong + right, self.z / np.hypot(a, b)
        return np.array([wrong - right, -both * (self.t + a * z), -both * b * z]) @ self.weight


def hills(loss, centre, d, rho):
    """The points of the sphere around (w_1, a, 0) with the highest loss, one on each half of it."""
    centre = np.append(centre, 0.0)
    turn, tilt = np.meshgrid(
        np.linspace(0, 2 * math.pi, 181), np.linspace(0, math.pi / 2, 11) if d > 1 else np.zeros(1)
    )
    dws = rho * np.stack([np.cos(turn) * np.cos(tilt), np.sin(turn) * np.cos(tilt), np.sin(tilt)]).reshape(3, -1)
    values = loss(centre[:, None] + dws)
    towards = dws[:2, values.argmax()] @ dws[:2]
    found = []
    for half in (towards > 0, towards <= 0):
        dw = dws[:, np.where(half, values, -np.inf).argmax()]
        dw[2] = max(dw[2], 0.1 * rho * (d > 1))  # off the plane, which no gradient in it would leave
        for _ in range(150):  # uphill, since the loss is convex: its highest point over a ball of its tangent plane
            dw = loss.gradient(centre + dw)
            dw *= rho / np.linalg.norm(dw)

        def outward(k, centre=centre, loss=loss):
            return k - rho * loss.gradient(centre + k) / np.linalg.norm(loss.gradient(centre + k))

        found.append(centre + root(outward, dw, tol=1e-14).x)
    assert max(loss(point) for point in found) >= values.max() * (1 - 1e-14)
    return found


@pytest.mark.long
def test_whole_logistic_loss_meets_the_conditions_of_the_least_worst_case():
    # The loss is convex, and so is its worst case: at a minimum, and only there, the gradients at the worst points
    # balance.
    tilted = 0
    for p, eta, d, rho in settings(strongest=2.0):
        loss = WholeLogisticLoss(p, eta, d, rho)
        one, other = hills(loss, toy_definitions._centre(toy.Model(p, eta, d), rho), d, rho)
        assert loss(one) == pytest.approx(loss(other), rel=1e-9), (p, eta, d, rho)
        up, down = loss.gradient(one)[:2], loss.gradient(other)[:2]
        lengths = np.linalg.norm(up) * np.linalg.norm(down)
        assert up @ down < 0
        assert abs(up[0] * down[1] - up[1] * down[0]) < 1e-6 * lengths, (p, eta, d, rho)
        tilted += max(abs(one[2]), abs(other[2])) > 0.1 * rho
    assert 10 < tilted < 190  # both kinds are in the grid


def balanced(p, eta, d, rho):
    """H from its conditions, in extended precision: centre and worst points by Newton's method on all at once."""
    start = toy_definitions._centre(toy.Model(p, eta, d), rho)
    one, other = hills(WholeLogisticLoss(p, eta, d, rho), start, d, rho)
    exact = np.longdouble
    z = np.arange(-eta * math.sqrt(d) - 10, 10, min(0.15, 0.35 / (2 * eta * math.sqrt(d) + rho))).astype(exact)
    weight, t = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum(), exact(eta) * np.sqrt(exact(d))

    def loss(point):
        """Its logarithm and its gradient over its length."""
        w_1, a, b = point
        margin, direction = t * a + np.hypot(a, b) * z, z / np.hypot(a, b)
        value = (p * np.logaddexp(0, -margin - w_1) + (1 - p) * np.logaddexp(0, w_1 - margin)) @ weight
        right, wrong = p / (1 + np.exp(margin + w_1)), (1 - p) / (1 + np.exp(margin - w_1))
        both = right + wrong
        slope = np.stack([wrong - right, -both * (t + a * direction), -both * b * direction]) @ weight
        return np.log(value), slope / np.sqrt(slope @ slope)

    def conditions(v):
        """Each dw is along the gradient where it leads; equal losses; gradients in the plane opposite to each other."""
        centre, dws = np.append(v[:2], 0), (v[2:5], v[5:])
        (high, up), (low, down) = (loss(centre + dw) for dw in dws)
        turned = up[0] * down[1] - up[1] * down[0]
        return np.concatenate([dws[0] - rho * up, dws[1] - rho * down, [high - low, turned]])

    v = np.concatenate([start, one - np.append(start, 0), other - np.append(start, 0)]).astype(exact)
    for _ in range(15):
        if np.abs(conditions(v)).max() < 1e-13:
            break
        moves = 1e-8 * np.eye(8, dtype=exact)
        slopes = np.stack([(conditions(v + move) - conditions(v - move)) / exact(2e-8) for move in moves], 1)
        v = v - np.linalg.lstsq(slopes.astype(float), conditions(v).astype(float), rcond=1e-13)[0]
    assert np.abs(conditions(v)).max() < 1e-11
    return float(v[0] * np.sqrt(exact(d)) / v[1])


@pytest.mark.long
def test_whole_logistic_loss_to_nine_digits():
    for p, eta, d, rho in settings(strongest=2.0):
        w = toy.sam_optimum(p, eta, d, rho, "H")
        assert w == pytest.approx(balanced(p, eta, d, rho), rel=1e-9), (p, eta, d, rho)


def least_worst(loss, point, dws):
    """Where the highest loss over all dw is least, by sequential quadratic programming: (w_1, a)."""

    def room(v):
        return [v[2] - loss([v[0] + k[0], v[1] + k[1], k[2]]) for k in dws]

    def slopes(v):
        return [[*-loss.gradient([v[0] + k[0], v[1] + k[1], k[2]])[:2], 1.0] for k in dws]

    return minimize(
        lambda v: v[2],
        [*point, max(loss(np.append(point, 0.0) + dw) for dw in dws)],
        jac=lambda v: np.array([0.0, 0.0, 1.0]),
        method="SLSQP",
        constraints={"type": "ineq", "fun": room, "jac": slopes},
        options={"ftol": 1e-16, "maxiter": 100},
    ).x[:2]


def inscribed_ball(p, eta, d, rho):
    """H by exchange: the least worst case over finitely many dw, to which the worst ones are added each time."""
    loss = WholeLogisticLoss(p, eta, d, rho)
    point, dws = loss.standard, []
    for _ in range(30):
        dws += [hill - np.append(point, 0.0) for hill in hills(loss, point, d, rho)]
        solved = least_worst(loss, point, dws)
        moved, point = np.abs(solved - point).max(), solved
        if moved < 1e-9:
            break
    return point[0] * math.sqrt(d) / point[1]


@pytest.mark.slow
def test_whole_logistic_loss_agrees_with_an_exchange_algorithm():
    for p, eta, d, rho in settings(4, strongest=2.0):
        w = toy.sam_optimum(p, eta, d, rho, "H")
        assert w == pytest.approx(inscribed_ball(p, eta, d, rho), rel=1e-7), (p, eta, d, rho)


@pytest.mark.parametrize("definition", ["E", "G"])
def test_definitions_that_change_nothing(definition):
    for p, eta, d, rho in SETTINGS:
        assert toy.sam_optimum(p, eta, d, rho, definition) == toy.standard_optimum(p, eta)


def test_directions_of_the_definitions():
    for p, eta, d, rho in SETTINGS[:30]:
        w_star = toy.standard_optimum(p, eta)
        for definition in ("A", "A'", "D", "F1", "J"):
            assert toy.sam_optimum(p, eta, d, rho, definition) > w_star
        small, ratio = 0.02 * min(w_star, 1), w_star**2 / d
        if abs(d - 2 + ratio) > 0.01:
            assert (toy.sam_optimum(p, eta, d, small, "C") > w_star) == (d - 2 + ratio > 0)
        if abs(ratio - 2) > 0.01:
            assert (toy.sam_optimum(p, eta, d, small, "B") > w_star) == (ratio > 2)


def test_whole_logistic_loss_can_move_either_way():
    assert toy.sam_optimum(0.95, 0.2, 50, 0.3, "H") < 0.997 * W_STAR
    assert toy.sam_optimum(0.95, 0.2, 10, 0.3, "H") > 1.001 * W_STAR


# ---- the menu and the two radii --------------------------------------------------------------------------------------


def test_menu():
    assert list(toy.DEFINITIONS) == ["A", "A'", "B", "C", "D", "D'", "E", "F1", "F2", "G", "H", "I", "J"]
    assert len(set(toy.DEFINITIONS.values())) == 13
    assert all("\n" not in line and 20 < len(line) < 110 for line in toy.DEFINITIONS.values())
    for definition in toy.DEFINITIONS:
        assert toy.sam_optimum(0.9, 0.3, 8, 0, definition) == toy.standard_optimum(0.9, 0.3)
        assert type(toy.sam_optimum(0.9, 0.3, 8, 0.1, definition)) is float
    for plain, typeset in (("A'", "A′"), ("D'", "d′"), ("F1", "f1")):
        assert toy.sam_optimum(0.9, 0.3, 8, 0.1, plain) == toy.sam_optimum(0.9, 0.3, 8, 0.1, typeset)
    assert toy.sam_optimum(0.9, 0.3, 8, 0.1) == toy.sam_optimum(0.9, 0.3, 8, 0.1, "A")


@pytest.mark.parametrize("definition", list(toy.DEFINITIONS))
def test_optima_are_continuous_and_finite_far_out(definition):
    w_star = toy.standard_optimum(0.9, 0.05)
    assert toy.sam_optimum(0.9, 0.05, 1500, 1e-6, definition) == pytest.approx(w_star, rel=1e-4)
    assert 0.5 * w_star < toy.sam_optimum(0.9, 0.05, 1500, 0.1, definition) < 2 * w_star


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 1.0, 0.3, 1.2, -1, math.nan, math.inf])
def test_p_must_lie_between_one_half_and_one(p):
    calls = [
        lambda: toy.standard_optimum(p, 0.3),
        lambda: toy.adversarial_optimum(p, 0.3, 0.1),
        lambda: toy.sam_optimum(p, 0.3, 5, 0.1),
        lambda: toy.clean_error(1.0, p, 0.3, 5),
        lambda: toy.attacked_error(1.0, p, 0.3, 5, 0.1),
        lambda: toy.sample(3, p, 0.3, 5, torch.Generator()),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=rf"^p is {p}; it must be"):
            call()


@pytest.mark.parametrize("eta", [0.0, -0.2, math.nan])
def test_eta_must_be_positive(eta):
    for call in (
        lambda: toy.standard_optimum(0.8, eta),
        lambda: toy.sam_optimum(0.8, eta, 5, 0.1),
    ):
        with pytest.raises(ValueError, match=rf"^eta is {eta}; it must be"):
            call()


@pytest.mark.parametrize("eps", [0.3, 0.4, -0.1, math.inf])
def test_eps_must_be_less_than_eta_for_adversarial_training(eps):
    with pytest.raises(ValueError, match=rf"^eps is {eps}; it must be"):
        toy.adversarial_optimum(0.8, 0.3, eps)


def test_eps_may_be_more_than_eta_for_an_attack():
    assert toy.attacked_error(0.1, 0.8, 0.3, 20, 0.6) > 0.5


@pytest.mark.parametrize(
    ("definition", "meant"), [("A''", "A'"), ("F3", "F2"), ("F", "F2"), ("d''", "D'"), ("G2", "G"), ("Z", None)]
)
def test_unknown_definition(definition, meant):
    with pytest.raises(ValueError, match=r"^definition is .*must be one of 'A', \"A'\", 'B'") as caught:
        toy.sam_optimum(0.8, 0.3, 5, 0.1, definition)
    assert repr(definition) in str(caught.value)
    suggestion = f"Did you mean {meant!r}?"
    assert (suggestion in str(caught.value)) if meant else ("mean" not in str(caught.value))


@pytest.mark.parametrize("definition", [None, 3, ["A"], ("A",)])
def test_definition_must_be_a_name(definition):
    with pytest.raises(ValueError, match="definition is"):
        toy.sam_optimum(0.8, 0.3, 5, 0.1, definition)


@pytest.mark.parametrize(
    ("definition", "rho", "why"),
    [
        ("B", 3.0, "wipes all other weights out"),
        ("F2", 3.0, "wipes all other weights out"),
        ("D", 1.0, "wipes w_1 out"),
        ("D'", 1.0, "wipes a weight out"),
        ("F1", 2.7, "used up"),
        ("F2", 2.0, "no finite optimum"),
    ],
)
def test_rho_too_large(definition, rho, why):
    with pytest.raises(ValueError, match=f"rho is .*{why}"):
        toy.sam_optimum(0.8, 0.3, 9, rho, definition)


@pytest.mark.parametrize("definition", ["H", "I", "J"])
def test_logistic_loss_where_nobody_errs(definition):
    with pytest.raises(ValueError, match=r"^eta is 2 and d is 900; eta \* sqrt\(d\) must be at most 30"):
        toy.sam_optimum(0.9, 2.0, 900, 0.1, definition)


def test_rho_that_dwarfs_the_weights():
    with pytest.raises(ValueError, match=r"rho is too large .* dwarfs the weights"):
        toy.sam_optimum(0.9, 0.05, 2, 0.9, "H")  # the others weigh 0.1 each


def test_rho_d_and_counts():
    with pytest.raises(ValueError, match=r"^rho is -0.1; it must be"):
        toy.sam_optimum(0.8, 0.3, 5, -0.1)
    with pytest.raises(TypeError, match=r"^rho is 'a'"):
        toy.sam_optimum(0.8, 0.3, 5, "a")
    with pytest.raises(TypeError, match=r"^d is 2.5"):
        toy.sam_optimum(0.8, 0.3, 2.5, 0.1)
    with pytest.raises(ValueError, match=r"^d is 0; it must be at least 1"):
        toy.clean_error(1.0, 0.8, 0.3, 0)
    with pytest.raises(ValueError, match=r"^n is 0"):
        toy.sample(0, 0.8, 0.3, 5, torch.Generator())
    with pytest.raises(TypeError, match=r"^generator is a int"):
        toy.sample(3, 0.8, 0.3, 5, 0)
