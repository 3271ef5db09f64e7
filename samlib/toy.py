"""The simplified model: one robust feature, d weak ones, and where each kind of training puts the balance.

y is -1 or +1, each with probability 1/2. x_1 = y with probability p, else -y: robust, and right a fraction p of the
time. x_2 ... x_{d+1} are independent, N(eta * y, 1): each nearly useless, all together strong, and all moved at once
by a small attack. A linear classifier sign(w . x) is judged by one number, w_1 with w_2 = ... = w_{d+1} = 1: how far
it leans on the robust feature. `rho` is a radius in the space of weights, `eps` one in the space of inputs; they share
no unit. Closed forms and solvers are in float64.

Most of SAM's optima are found by one solver, `_optimum`, from a function that has the sign of the objective's slope:
- The *whole loss* is taken at its worst around w: the worst point on the rising side less the worst on the falling
  side. At the optimum a step to the right and a step to the left would hurt equally.
- The loss is an *average*, over noise or over each example's own worst case: the pull of the examples whose robust
  feature is wrong less the pull of those where it is right.

Source: the model is that of Tsipras et al. 2019, arXiv 1805.12152, as used by Wei et al. 2023, arXiv 2305.05392, and
Zhang et al. 2024, arXiv 2402.15152. The formulas are derived for this project and checked in tests/test_toy.py.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq, root
from scipy.special import expit, log_expit, log_ndtr, logsumexp, ndtr
from torch import Tensor
from torch.nn import functional as F

from samlib.checks import check_count, check_number
from samlib.sam import SAM

Array = NDArray[np.float64]

_NODES, _LOG_WEIGHTS = np.polynomial.legendre.leggauss(32)  # Gauss-Legendre, for the mean over [0, 1]
_NODES, _LOG_WEIGHTS = (_NODES + 1) / 2, np.log(_LOG_WEIGHTS / 2)


def _check_open(name: str, value: object, low: float, high: float, why: str) -> float:
    """Return `value` as a float strictly between `low` and `high`; `why` says what lies beyond."""
    number = check_number(name, value, -math.inf)
    if not low < number < high:
        raise ValueError(f"{name} is {value}; it must be a number in ({low:g}, {high:g}): {why}.")
    return number


@dataclass(frozen=True)
class Model:
    """p, eta and d, checked once, and what all formulas are made of."""

    p: float
    eta: float
    d: int

    def __post_init__(self) -> None:
        _check_open("p", self.p, 0.5, 1.0, "how often the robust feature is right")
        check_number("eta", self.eta, open_low=True)
        check_count("d", self.d)

    @property
    def log_odds(self) -> float:
        """ln(p / (1 - p)): what the robust feature tells about y."""
        return math.log(self.p) - math.log1p(-self.p)

    @property
    def optimum(self) -> float:
        """w*, the Bayes classifier."""
        return self.log_odds / (2 * self.eta)

    @property
    def strength(self) -> float:
        """eta sqrt(d): the mean of the weak features' sum, in its standard deviations."""
        return self.eta * math.sqrt(self.d)

    def log_regret(self, w_1: ArrayLike, unequal: ArrayLike = 0.0) -> Array:
        """log of how much more often weights err than the Bayes classifier does, up to a constant.

        `unequal` is the variance of w_2 ... w_{d+1} when their mean is 1; the best w_1 is then w* (1 + unequal). On the
        way from the Bayes classifier there, and on to w_1, the error only rises. The integrals of its slope keep all
        their digits, where differences of nearly equal errors have none left.
        """
        w_1, unequal = (np.asarray(v, dtype=np.float64)[..., None] for v in (w_1, unequal))
        with np.errstate(divide="ignore"):
            spread = 1 + unequal * _NODES
            rise = -(self.strength**2 / spread + self.optimum**2 * spread / self.d) / 2 - 1.5 * np.log(spread)
            there = np.log(unequal * self.strength / 2)[..., 0] + np.logaddexp.reduce(rise + _LOG_WEIGHTS, axis=-1)
            spread = 1 + unequal
            on = w_1 - self.optimum * spread
            steep = self.eta * np.abs(on) / spread * _NODES
            rise = -(self.strength**2 + (self.optimum * spread + on * _NODES) ** 2 / self.d) / spread / 2
            rise = rise + steep + np.log(-np.expm1(-2 * steep) / 2)  # sinh(steep)
            length = np.log(np.abs(on) / np.sqrt(self.d * spread))[..., 0]
            return np.logaddexp(there, length + np.logaddexp.reduce(rise + _LOG_WEIGHTS, axis=-1))


# ---- data, errors, and the two optima that need no SAM ----------------------------------------------------------------


def sample(n: int, p: float, eta: float, d: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw n examples from the model.

    Returns:
        x, float32, (n, d + 1), the robust feature first; y, float32, (n,), of -1 and +1.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, d or n not a whole number >= 1, or no torch.Generator.
    """
    Model(p, eta, d)
    check_count("n", n)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is a {type(generator).__name__}; it must be a torch.Generator.")
    label, agreement = torch.rand(2, n, generator=generator, device=generator.device)
    y = torch.where(label < 0.5, 1.0, -1.0)
    x = torch.randn(n, d + 1, generator=generator, device=generator.device)
    x.add_(eta * y[:, None])
    x[:, 0] = torch.where(agreement < p, y, -y)
    return x, y


def clean_error(w_1: ArrayLike, p: float, eta: float, d: int) -> float | Array:
    """How often sign(w . x) is not y, with w_2 = ... = w_{d+1} = 1; a number, or an array like `w_1`.

    L(w_1) = p Phi(-(eta d + w_1) / sqrt(d)) + (1 - p) Phi(-(eta d - w_1) / sqrt(d)); its slope is
    A exp(-w_1^2 / 2d) sinh(eta (w_1 - w*)) with A > 0, so that w* is its only minimum.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, or d not a whole number >= 1.
    """
    return attacked_error(w_1, p, eta, d, 0.0)


def attacked_error(w_1: ArrayLike, p: float, eta: float, d: int, eps: float) -> float | Array:
    """The error when each of x_2 ... x_{d+1} may be moved by up to eps (l_inf); the robust feature is left alone.

    The worst move against w_2 = ... = w_{d+1} = 1 is -eps * y on each of them, whatever x is: eta becomes eta - eps.

    Raises:
        ValueError, TypeError: as for `clean_error`, or eps negative or not finite.
    """
    model, w_1 = Model(p, eta, d), np.asarray(w_1, dtype=np.float64)
    mean = (eta - check_number("eps", eps)) * d
    right, wrong = ndtr(-(mean + w_1) / math.sqrt(d)), ndtr(-(mean - w_1) / math.sqrt(d))
    error = model.p * right + (1 - model.p) * wrong
    return error if error.ndim else float(error)


def standard_optimum(p: float, eta: float) -> float:
    """w* = ln(p / (1 - p)) / (2 eta): the least clean error. It does not depend on d.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), or eta not > 0.
    """
    return Model(p, eta, 1).optimum


def adversarial_optimum(p: float, eta: float, eps: float) -> float:
    """w_AT = ln(p / (1 - p)) / (2 (eta - eps)): the least attacked error. It diverges as eps approaches eta.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, eps negative or >= eta.
    """
    model = Model(p, eta, 1)
    if check_number("eps", eps) >= eta:
        raise ValueError(
            f"eps is {eps}; it must be a number in [0, {eta:g}), less than eta: the attack turns the weak features "
            "against y otherwise, and the more weight on the robust feature, the better."
        )
    return model.log_odds / (2 * (eta - eps))


# ---- SAM: the tools ---------------------------------------------------------------------------------------------------


def _optimum(model: Model, slope: Callable[[float], float]) -> float:
    """Where `slope`, which has the sign of the objective's derivative in w_1, turns from negative to positive."""
    start = slope(model.optimum)
    if start == 0:
        return model.optimum
    near = model.optimum
    for step in 1 + 1e-3 * 2.0 ** np.arange(40):  # further and further from w*, upwards where the slope is negative
        far = model.optimum * step if start < 0 else model.optimum / step
        if slope(far) * start <= 0:
            return brentq(slope, near, far, xtol=1e-15 * far, rtol=1e-15)
        near = far
    raise _no_finite_optimum(model)


def _no_finite_optimum(model: Model) -> ValueError:
    return ValueError(
        f"rho is too large for p={model.p:g}, eta={model.eta:g}, d={model.d}: the robust feature alone is best then, "
        "and there is no finite optimum."
    )


def _worst(loss: Callable[[Array], Array], low: float, high: float) -> float:
    """Where in [low, high] `loss` is highest: a grid, then finer and finer ones around its best point."""
    grid = np.linspace(low, high, 65)
    best = int(np.argmax(loss(grid)))
    for end, inside in ((0, 1), (-1, -2)):
        at_end, beside = loss(grid[end] + (grid[inside] - grid[end]) * np.array([0.0, 0.01]))
        if best == end % len(grid) and at_end >= beside:
            return float(grid[end])
    for _ in range(7):
        grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 17)
        best = int(np.argmax(loss(grid)))
    return float(grid[best])


def _normal_grid(model: Model, step: float) -> tuple[Array, Array]:
    """Points z and log weights with sum(weight * f(z)) = E f(z), z ~ N(0, 1), as far as rare errors matter.

    The trapezoid rule: for a smooth f its error falls like exp(-2 pi c / step), with c the distance from the real axis
    to where f stops being smooth. The points reach out to where the weak features' sum has the wrong sign.
    """
    z = np.arange(-math.ceil((model.strength + 9) / step), math.ceil(9 / step) + 1) * step
    return z, -(z**2) / 2 + math.log(step / math.sqrt(2 * math.pi))


def _chi_squared_grid(degrees: int) -> tuple[Array, Array]:
    """Points q and log weights with sum(weight * f(q)) = E f(q), q chi-squared: Gauss-Laguerre by Golub and Welsch.

    (scipy's roots_genlaguerre overflows at about 340 degrees of freedom; the eigenvalue problem does not.)
    """
    if degrees == 0:
        return np.zeros(1), np.zeros(1)
    shape, k = degrees / 2 - 1, np.arange(80)
    values, vectors = eigh_tridiagonal(2 * k + shape + 1, np.sqrt(k[1:] * (k[1:] + shape)))
    with np.errstate(divide="ignore"):
        return 2 * values, 2 * np.log(np.abs(vectors[0]))


def _log_pulls(model: Model, wrong: Array, right: Array) -> float:
    """log of the pull of the examples whose robust feature is wrong, less that of the others; from each one's log pull."""
    return float(logsumexp(wrong) - logsumexp(right)) - model.log_odds


# ---- SAM: the definitions ---------------------------------------------------------------------------------------------
# Each takes the model and rho > 0 and returns the optimum.


def _absolute(model: Model, rho: float) -> float:
    """A: L(w_1 - rho) = L(w_1 + rho), a level chord in the valley of the loss; its midpoint is the optimum."""
    return _optimum(model, lambda w: float(model.log_regret(w + rho) - model.log_regret(w - rho)))


def _relative(model: Model, rho: float) -> float:
    """D: L(w_1 (1 - rho)) = L(w_1 (1 + rho))."""
    _check_open("rho", rho, 0.0, 1.0, "a relative change of 1 wipes w_1 out")
    return _optimum(model, lambda w: float(model.log_regret(w * (1 + rho)) - model.log_regret(w * (1 - rho))))


def _ball(model: Model, rho: float, adaptive: bool) -> float:
    """B and D': the worst direction that a ball of weights around (w_1, 1 ... 1) reaches.

    The error depends on the weights' direction only, and the ball is seen from the origin as a cone. Its rim is a
    circle, run through by `angle`, from the most w_1 (0) to the least (pi). Half way, at pi / 2, the weak features'
    weights are made unequal, which costs the vote some of its strength and does not ask for any other w_1.
    """
    d = model.d
    if adaptive:
        _check_open("rho", rho, 0.0, 1.0, "a relative change of 1 wipes a weight out")
    else:
        _check_open("rho", rho, 0.0, math.sqrt(d), "a change of sqrt(d) wipes all other weights out")

    def rim(w: float, angle: Array) -> tuple[Array, Array]:
        """w_1 and the others' variance, in the directions on the rim, scaled to others of mean 1."""
        unit = w if adaptive else 1.0  # what one unit of the ball is worth for w_1
        centre = np.array([w / unit, math.sqrt(d)])
        length = math.hypot(*centre)
        sine, cosine = rho / length, math.sqrt(1 - (rho / length) ** 2)
        along, across = centre / length, np.array([centre[1], -centre[0]]) / length
        robust = unit * (cosine * along[0] + sine * np.cos(angle) * across[0])
        equal = cosine * along[1] + sine * np.cos(angle) * across[1]
        return robust * math.sqrt(d) / equal, (sine * np.sin(angle) / equal) ** 2

    def side(w: float, sign: int) -> float:
        """The worst log regret among the directions where more w_1 would raise (+1) or lower (-1) the error."""

        def loss(angle: Array) -> Array:
            w_1, unequal = rim(w, angle)
            on_side = sign * (w_1 - model.optimum * (1 + unequal)) >= 0
            return np.where(on_side, model.log_regret(w_1, unequal), -np.inf)

        ends = np.array([0.0, math.pi])
        return float(loss(ends if d == 1 else np.array([_worst(loss, *ends)])).max())  # one weight cannot be unequal

    # At w* the most unequal weights are a stationary point of the rim. Where they are the worst, w* is the optimum.
    tangent = d / (d - rho**2)
    unequal = float(model.log_regret(model.optimum * tangent, tangent * rho**2 / d))
    if d > 1 and max(side(model.optimum, +1), side(model.optimum, -1)) <= unequal + 1e-12:
        return model.optimum

    def excess(w: float) -> float:
        up, down = side(w, +1), side(w, -1)
        return up - down if math.isfinite(up) and math.isfinite(down) else math.copysign(1.0, up - down)

    return _optimum(model, excess)


def _gaussian(model: Model, rho: float) -> float:
    """C: the noise makes the margin normal once the noise along (1 ... 1), z, and across it, q, is given."""
    z, log_z = _normal_grid(model, 0.125)
    q, log_q = _chi_squared_grid(model.d - 1)
    norm = math.sqrt(model.d) + rho * z[:, None]
    mean = model.strength * norm
    deviation = np.sqrt(norm**2 + rho**2 * (1 + q))
    log_weight = log_z[:, None] + log_q - np.log(deviation)

    def slope(w: float) -> float:
        wrong, right = ((mean - w) / deviation) ** 2, ((mean + w) / deviation) ** 2
        return _log_pulls(model, log_weight - wrong / 2, log_weight - right / 2)

    return _optimum(model, slope)


def _own_interval(model: Model, rho: float) -> float:
    """F1: the margin y w . x falls by rho |x_1| = rho, as if each weak feature lost rho / d: AT with eps = rho / d."""
    _check_open("rho", rho, 0.0, model.eta * model.d, "at eta * d the weak features' mean is used up")
    return model.optimum / (1 - rho / (model.eta * model.d))


def _own_ball(model: Model, rho: float) -> float:
    """F2: the margin y w . x falls by rho ||x||; an example errs where the weak features' sum is below a threshold."""
    _check_open("rho", rho, 0.0, math.sqrt(model.d), "a change of sqrt(d) wipes all other weights out")
    q, log_q = _chi_squared_grid(model.d - 1)
    rest = model.d - rho**2

    def thresholds(w: float) -> tuple[Array, Array, Array]:
        """Solutions t of sqrt(d) t +- w = rho sqrt(1 + t^2 + q), and how fast the root in them grows with w."""
        length = np.sqrt(w**2 + (1 + q) * rest)
        right, wrong = (rho * length - w * math.sqrt(model.d)) / rest, (rho * length + w * math.sqrt(model.d)) / rest
        return right, wrong, rho * w / length

    def slope(w: float) -> float:
        right, wrong, growth = thresholds(w)
        pull_right = log_q - (right - model.strength) ** 2 / 2 + np.log(math.sqrt(model.d) - growth)
        pull_wrong = log_q - (wrong - model.strength) ** 2 / 2 + np.log(math.sqrt(model.d) + growth)
        return _log_pulls(model, pull_wrong, pull_right)

    best = _optimum(model, slope)
    right, wrong, _ = thresholds(best)
    log_error = logsumexp(
        [
            math.log(model.p) + logsumexp(log_q + log_ndtr(right - model.strength)),
            math.log1p(-model.p) + logsumexp(log_q + log_ndtr(wrong - model.strength)),
        ]
    )
    if log_error >= math.log1p(-model.p):  # a valley, but w_1 -> infinity, with error 1 - p, is lower
        raise _no_finite_optimum(model)
    return best


# The logistic loss has a scale of its own. Its standard optimum is w_1 = ln(p / (1 - p)), w_j = 2 eta. The weights are
# (w_1, a) with a = sqrt(d) w_j, the part along (1 ... 1), and b, the length of the part across it, 0 but for SAM's perturbation.


def _logistic_step(slope: float) -> float:
    """A step for `_normal_grid` that resolves the logistic loss of slope * z: its poles are pi / slope off the real axis."""
    return min(0.125, 0.5 / slope)


def _examples(model: Model, slope: float) -> tuple[Array, Array, Array]:
    """t, the weak features along (1 ... 1) times y, ||x||, and log weights; (t, q), for margins up to slope * t."""
    if model.strength > 30:
        raise ValueError(
            f"eta is {model.eta:g} and d is {model.d}; eta * sqrt(d) must be at most 30 for the logistic loss: beyond, "
            "the examples that err are too rare for float64."
        )
    z, log_z = _normal_grid(model, _logistic_step(slope))
    q, log_q = _chi_squared_grid(model.d - 1)
    t = model.strength + z[:, None]
    return t, np.sqrt(1 + t**2 + q), log_z[:, None] + log_q


def _standard_loss(model: Model) -> float:
    """The expected logistic loss at the standard optimum."""
    t, _, log_weight = _examples(model, 2 * model.strength)
    right, wrong = 2 * model.strength * t + model.log_odds, 2 * model.strength * t - model.log_odds
    return -float((np.exp(log_weight) * (model.p * log_expit(right) + (1 - model.p) * log_expit(wrong))).sum())


def _derivatives(model: Model) -> tuple[Array, Array, Array]:
    """Of the expected logistic loss at the standard optimum, in (w_1, a): E l'' x x, E l'' ||x|| x, E l''' x x x.

    x = (x_1, t) times y; l'' and l''' are derivatives of the loss in the margin. The Hessian (2, 2), the slope of the
    examples' own perturbations (2,), the third derivatives (2, 2, 2).
    """
    t, length, log_weight = _examples(model, 2 * model.strength)
    weight = np.exp(log_weight)
    hessian, pull, third = np.zeros((2, 2)), np.zeros(2), np.zeros((2, 2, 2))
    for sign, share in ((1, model.p), (-1, 1 - model.p)):
        x = np.stack([np.full(len(t), float(sign)), t[:, 0]])
        right = expit(model.log_odds * x[0] + 2 * model.strength * x[1])
        bend = share * right * (1 - right)
        hessian += np.einsum("in,jn,n", x, x, bend * weight.sum(1))
        pull += x @ (bend * (weight * length).sum(1))
        third += np.einsum("in,jn,kn,n", x, x, x, bend * (1 - 2 * right) * weight.sum(1))
    return hessian, pull, third


def _logistic_fixed(model: Model, rho: float) -> float:
    """J: the margin falls by rho ||x||; only w_1 is learned. SAM's single step is the worst case for one example."""
    t, length, log_weight = _examples(model, 2 * model.strength + rho)
    margin = 2 * model.strength * t - rho * length

    def slope(w: float) -> float:
        w *= 2 * model.eta
        return _log_pulls(model, log_weight + log_expit(w - margin), log_weight + log_expit(-w - margin))

    return _optimum(model, slope)


def _solve(equations: Callable[[Array], Any], start: Sequence[float], jac: bool = False) -> Array:
    """A root of several equations in as many unknowns, to about 1e-12."""
    solution = root(equations, start, jac=jac, tol=1e-13)
    if np.abs(solution.fun).max() > 1e-9:  # the equations are scaled to a loss of 1 at the standard optimum
        raise ValueError("rho is too large for this p, eta and d: it dwarfs the weights, and no optimum was found.")
    return solution.x


def _logistic_free(model: Model, rho: float) -> float:
    """I: as J, but w_1 and the other weights are learned; the ratio of w_1 to one of them."""
    scale, grown = _standard_loss(model), 1.5

    def solve(start: Array) -> Array:
        t, length, log_weight = _examples(model, grown * start[1] + rho)
        weight = np.exp(log_weight) / scale

        def gradient(weights: Array) -> tuple[Array, Array]:
            w_1, a = weights
            total, hessian = np.zeros(2), np.zeros((2, 2))
            for sign, share in ((1, model.p), (-1, 1 - model.p)):
                lost = expit(rho * length - sign * w_1 - a * t)
                pull, bend = share * weight * lost, share * weight * lost * (1 - lost)
                total -= [sign * pull.sum(), (pull * t).sum()]
                cross = sign * (bend * t).sum()
                hessian += [[bend.sum(), cross], [cross, (bend * t**2).sum()]]
            return total, hessian

        return _solve(gradient, start, jac=True)

    weights = np.array([model.log_odds, 2 * model.strength])
    while True:  # the weights grow with rho, and the grid with them
        start, weights = weights, solve(weights)
        if weights[1] <= grown * start[1]:
            return weights[0] * math.sqrt(model.d) / weights[1]


def _logistic_whole(model: Model, rho: float) -> float:
    """H: the ratio of w_1 to one of the other weights."""
    w_1, a = _centre(model, rho)
    return w_1 * math.sqrt(model.d) / a


def _centre(model: Model, rho: float) -> tuple[float, float]:
    """H, as (w_1, a): the lowest level of the loss whose sublevel set holds a ball of radius rho; its centre is the optimum.

    Such a ball touches the level set where the outward normals balance: at points rho (cos(tilt) e, sin(tilt)) from
    the centre, on both sides along a unit vector e in the plane of (w_1, a), each tilted across it as far as pays.
    """
    z, log_z = _normal_grid(model, _logistic_step(2 * model.strength + rho))
    standard = np.array([model.log_odds, 2 * model.strength])
    weight = np.exp(log_z) / _standard_loss(model)

    def loss(w_1: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
        w_1, a, b = (np.asarray(v, dtype=np.float64)[..., None] for v in (w_1, a, b))
        margin = model.strength * a + np.hypot(a, b) * z
        return -(model.p * log_expit(margin + w_1) + (1 - model.p) * log_expit(margin - w_1)) @ weight

    def gradient(w_1: float, a: float, b: float) -> Array:
        """Of the loss, in w_1, a and b."""
        norm = math.hypot(a, b)
        margin = model.strength * a + norm * z
        right, wrong = model.p * expit(-margin - w_1), (1 - model.p) * expit(w_1 - margin)
        both = right + wrong
        return np.stack([wrong - right, -both * (model.strength + a / norm * z), -both * b / norm * z]) @ weight

    def perturbed(w_1: float, a: float, turn: ArrayLike, tilt: ArrayLike) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
        """The weights on the sphere around (w_1, a): `turn` in their plane, `tilt` across it."""
        inside = rho * np.cos(tilt)
        return w_1 + inside * np.cos(turn), a + inside * np.sin(turn), rho * np.sin(tilt)

    def side(w_1: float, a: float, turn: float) -> tuple[float, float]:
        """The worst loss in direction `turn`, with the tilt that pays most, and its gradient across `turn`."""

        def rise(tilt: float) -> float:
            in_w_1, in_a, in_b = gradient(*perturbed(w_1, a, turn, tilt))
            return math.cos(tilt) * in_b - math.sin(tilt) * (math.cos(turn) * in_w_1 + math.sin(turn) * in_a)

        best = int(np.argmax(loss(*perturbed(w_1, a, turn, tilts))))
        low, high = tilts[max(best - 1, 0)] + 1e-6, tilts[min(best + 1, len(tilts) - 1)]  # at 0 there is no rise
        tilt = brentq(rise, low, high) if rise(low) > 0 > rise(high) else tilts[best]
        worst = perturbed(w_1, a, turn, tilt)
        return float(loss(*worst)), float(gradient(*worst)[:2] @ [-math.sin(turn), math.cos(turn)])

    def equations(unknown: Array) -> tuple[float, float, float]:
        """Equal loss on both sides, and no gradient that would turn them."""
        w_1, a, turn = unknown
        (one, across_one), (other, across_other) = side(w_1, a, turn), side(w_1, a, turn + math.pi)
        return one - other, across_one, across_other

    # Where unequal weights alone are the worst, the perturbation is like noise, and the optimum is that of the noisy loss.
    tilts = np.linspace(0, math.pi / 2, 33) if model.d > 1 else np.zeros(1)  # one weight cannot be unequal
    w_1, a = _solve(lambda weights: gradient(*weights, rho)[:2], standard)
    turn, tilt = np.meshgrid(np.linspace(0, 2 * math.pi, 33), tilts[:-1:2])
    if model.d == 1 or loss(*perturbed(w_1, a, turn, tilt)).max() > loss(w_1, a, rho) * (1 + 1e-14):
        top = np.linalg.eigh(_derivatives(model)[0])[1][:, 1]
        w_1, a, _ = _solve(equations, [*standard, math.atan2(top[1], top[0])])
    return w_1, a


# ---- SAM: the leading order in rho ------------------------------------------------------------------------------------
# Each takes the model and rho and returns the optimum's ratio to w*.


def _leading_adaptive(model: Model, rho: float) -> float:
    """D': the worst direction changes at k = 1; below, it is the most unequal weights, if there are two."""
    k = model.optimum**2 * (model.d + 1) / model.d
    return 1 + rho**2 * (k - 3) / (3 * model.d) if k > 1 or model.d == 1 else 1.0


def _leading_own_ball(model: Model, rho: float) -> float:
    """F2: 1 + rho E(r - 1/r) / (eta d), with r = ||x|| on the decision boundary; about 1 + rho / (eta sqrt(d))."""
    q, log_q = _chi_squared_grid(model.d - 1)
    length = np.sqrt(1 + model.optimum**2 / model.d + q)
    return 1 + rho * float(np.exp(log_q) @ (length - 1 / length)) / (model.eta * model.d)


def _leading_whole(model: Model, rho: float) -> float:
    """H: equal loss at both ends of the ball's worst diameter, to third order."""
    hessian, _, third = _derivatives(model)
    (low, high), vectors = np.linalg.eigh(hessian)
    across, along = vectors.T
    bend = np.einsum("ijk,j,k", third, along, along)
    change = -(rho**2) * (along * (bend @ along) / (6 * high) + across * (bend @ across) / (2 * low))
    return 1 + change[0] / model.log_odds - change[1] / (2 * model.strength)


def _leading_free(model: Model, rho: float) -> float:
    """I: one Newton step from the standard optimum."""
    hessian, pull, _ = _derivatives(model)
    change = rho * np.linalg.solve(hessian, pull)
    return 1 + change[0] / model.log_odds - change[1] / (2 * model.strength)


def _leading_fixed(model: Model, rho: float) -> float:
    """J: the same, for w_1 alone."""
    hessian, pull, _ = _derivatives(model)
    return 1 + rho * pull[0] / (hessian[0, 0] * model.log_odds)


# ---- SAM: the menu ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """What "perturb the weights" may mean: in words, its optimum, and the optimum's ratio to w* to leading order."""

    description: str
    optimum: Callable[[Model, float], float]
    leading: Callable[[Model, float], float]


_MENU: dict[str, Definition] = {
    "A": Definition(
        "only w_1; whole loss, worst case over [w_1 - rho, w_1 + rho]",
        _absolute,
        lambda m, rho: 1 + rho**2 / (3 * m.d),
    ),
    "A'": Definition(
        "only w_1; as A, with the other weights scaled to length 1 in all",
        lambda m, rho: _absolute(m, rho * math.sqrt(m.d)),
        lambda m, rho: 1 + rho**2 / 3,
    ),
    "B": Definition(
        "all weights; whole loss, worst case over an l_2 ball",
        lambda m, rho: _ball(m, rho, adaptive=False),
        lambda m, rho: 1 - rho**2 * (2 - m.optimum**2 / m.d) / (3 * m.d),
    ),
    "C": Definition(
        "all weights; average over Gaussian noise of variance rho^2",
        _gaussian,
        lambda m, rho: 1 + rho**2 * (m.d - 2 + m.optimum**2 / m.d) / m.d,
    ),
    "D": Definition(
        "only w_1; whole loss, worst case relative to its size",
        _relative,
        lambda m, rho: 1 + rho**2 * m.optimum**2 / (3 * m.d),
    ),
    "D'": Definition(
        "all weights; whole loss, worst case over an l_2 ball relative to their sizes (ASAM)",
        lambda m, rho: _ball(m, rho, adaptive=True),
        _leading_adaptive,
    ),
    "E": Definition(
        "only w_1; whole loss, one normalised step of ascent, then small steps of descent",
        lambda m, rho: m.optimum,
        lambda m, rho: 1.0,
    ),
    "F1": Definition(
        "only w_1; each example has its own worst case",
        _own_interval,
        lambda m, rho: 1 + rho / (m.eta * m.d),
    ),
    "F2": Definition("all weights; each example has its own worst case over an l_2 ball", _own_ball, _leading_own_ball),
    "G": Definition(
        "exponential loss, all weights learned; whole loss, worst case over an l_2 ball",
        lambda m, rho: m.optimum,
        lambda m, rho: 1.0,
    ),
    "H": Definition(
        "logistic loss, all weights learned; whole loss, worst case over an l_2 ball", _logistic_whole, _leading_whole
    ),
    "I": Definition(
        "logistic loss, all weights learned; each example has its own worst case over an l_2 ball",
        _logistic_free,
        _leading_free,
    ),
    "J": Definition(
        "logistic loss, only w_1 learned; each example has its own worst case over an l_2 ball (batches of 1)",
        _logistic_fixed,
        _leading_fixed,
    ),
}

DEFINITIONS: dict[str, str] = {name: definition.description for name, definition in _MENU.items()}


def _find_definition(definition: object) -> Definition:
    """The definition of that name, in either case and with either prime."""
    name = str(definition).replace("′", "'").upper()
    if isinstance(definition, str) and name in _MENU:
        return _MENU[name]
    near = difflib.get_close_matches(name, _MENU, n=1, cutoff=0.4)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"definition is {definition!r}; it must be one of {', '.join(map(repr, _MENU))}.{meant}")


def sam_optimum(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """Where SAM puts w_1, when w_2 = ... = w_{d+1} = 1; divide by `standard_optimum(p, eta)` for the change.

    What is minimised over w_1 depends on what "perturb the weights" means. L is the error of the whole population at
    given weights, l the loss of one example (1 if it errs), delta the perturbation:

    A:  max L(w_1 + delta) over |delta| <= rho. Its average over the interval has the same optimum.
    A': the same with w_j = 1 / sqrt(d), that is, A with rho sqrt(d).
    B:  max L(w + delta) over ||delta||_2 <= rho, delta in all d + 1 weights, w = (w_1, 1 ... 1).
    C:  E L(w + delta), delta ~ N(0, rho^2 I) in all weights: rho^2 is a variance here, not a squared radius.
    D:  max L(w_1 (1 + delta)) over |delta| <= rho.
    D': max L(w_j (1 + delta_j)) over ||delta||_2 <= rho, in all weights.
    E:  not a minimum but where dw_1/dt = -L'(w_1 + rho sign L'(w_1)) comes to rest, bouncing: w* itself.
    F1: E max l(w_1 + delta) over |delta| <= rho, the maximum inside: each example has its own.
    F2: E max l(w + delta) over ||delta||_2 <= rho, in all weights.
    G:  exponential loss E exp(-y w . x), minimised over all weights, max over ||delta||_2 <= rho: w* itself, because
        the logarithm of the loss is symmetric about its minimum, w_1 = ln(p / (1 - p)) / 2, w_j = eta.
    H:  logistic loss E ln(1 + exp(-y w . x)), minimised over all weights, max over ||delta||_2 <= rho.
    I:  the same with the maximum inside the mean: E ln(1 + exp(-y w . x + rho ||x||)).
    J:  as I, with w_j = 2 eta kept and only w_1 learned; delta is still in all weights. SAM with batches of one
        example does just this.

    In G to J the loss gives the weights a scale, and rho is measured in it: the standard optimum of H, I and J is
    w_1 = ln(p / (1 - p)), w_j = 2 eta. What is returned is the ratio w_1 / w_j, which compares with w*.

    Args:
        p: how often the robust feature is right, in (1/2, 1).
        eta: mean of each weak feature, > 0, in its standard deviations.
        d: how many weak features, >= 1.
        rho: radius in weight space, >= 0; it shares no unit with eps.
        definition: one of DEFINITIONS.

    Returns:
        The optimum w_1, or w_1 / w_j: in closed form for E, F1 and G, from a solver for the others, good to about 1e-9.

    Raises:
        ValueError, TypeError: an argument is not as said above, or rho is so large that weights can be wiped out (B
            and F2: sqrt(d); D and D': 1) or that the optimum is infinite (F1: eta * d; F2) or not found (H, I: rho
            several times the standard optimum's weights); eta * sqrt(d) is more than 30 in H, I and J.
    """
    model, rho = Model(p, eta, d), check_number("rho", rho)
    chosen = _find_definition(definition)
    return float(chosen.optimum(model, rho)) if rho > 0 else model.optimum


def leading_order(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """SAM's optimum to leading order in rho: w* (1 + c rho^2), or w* (1 + c rho) where each example has its own maximum.

    With w* the standard optimum and k = w*^2 (d + 1) / d, c is
        A 1 / (3 d), A' 1 / 3, B -(2 - w*^2 / d) / (3 d), C (d - 2 + w*^2 / d) / d, D w*^2 / (3 d),
        D' (k - 3) / (3 d) if k > 1 or d = 1, else 0, E 0, F1 1 / (eta d), F2 about 1 / (eta sqrt(d)), G 0,
    and an integral for F2 (exactly), H, I and J. In B, D' and H it holds while the worst direction stays in the plane
    of w_1 and (1 ... 1): in B up to about rho = w* / 2. Beyond, unequal weights are worse, and SAM moves w_1 less.

    Arguments as for `sam_optimum`; every rho >= 0 is allowed.

    Raises:
        ValueError, TypeError: an argument is not as said above.
    """
    model, rho = Model(p, eta, d), check_number("rho", rho)
    return float(model.optimum * _find_definition(definition).leading(model, rho))


# ---- SAM's radius and the attack's ------------------------------------------------------------------------------------


def equivalent_eps(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """The eps whose adversarial optimum is SAM's optimum: eta (1 - w* / w_SAM); negative where SAM moves down.

    Arguments and errors as for `sam_optimum`.
    """
    return eta * (1 - standard_optimum(p, eta) / sam_optimum(p, eta, d, rho, definition))


def derived_eps(eta: float, d: int, rho: float) -> float:
    """`equivalent_eps` of definition A to leading order: 2 eta / eps = 2 + 6 d / rho^2. Derived for this project.

    It solves w* (1 + rho^2 / (3 d)) = w* eta / (eta - eps); p drops out.

    Raises:
        ValueError, TypeError: eta not > 0, d not a whole number >= 1, rho negative or not finite.
    """
    square = check_number("rho", rho) ** 2
    return check_number("eta", eta, open_low=True) * square / (square + 3 * check_count("d", d))


def reported_eps(eta: float, rho: float) -> float:
    """2 eta / eps = 2 + 3 / rho^2, as reported of Zhang et al. 2024. Reported, not derived: see `reported_optimum`.

    Raises:
        ValueError, TypeError: eta not > 0, rho negative or not finite.
    """
    square = check_number("rho", rho) ** 2
    return check_number("eta", eta, open_low=True) * 2 * square / (2 * square + 3)


def reported_optimum(p: float, eta: float, rho: float) -> float:
    """w* (1 + 2 rho^2 / 3), as reported of Zhang et al. 2024, arXiv 2402.15152. Known to us second-hand.

    No definition of `sam_optimum` has the constant 2/3 in general: A has 1 / (3 d), A' has 1/3. Its direction,
    upwards, is that of A, A', C (d >= 2), D, F1, F2 and J.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, rho negative or not finite.
    """
    return standard_optimum(p, eta) * (1 + 2 * check_number("rho", rho) ** 2 / 3)


# ---- training ---------------------------------------------------------------------------------------------------------


def train_classifier(
    p: float,
    eta: float,
    d: int,
    *,
    rho: float = 0.0,
    eps: float = 0.0,
    batch_size: int = 128,
    learn_others: bool = False,
    steps: int = 1000,
    lr: float | None = None,
    seeds: Sequence[int] = range(4),
) -> Tensor:
    """Train w on the logistic loss with SGD inside samlib.SAM, every batch freshly drawn; return w_1 / w_j.

    It begins at the standard optimum, w_1 = ln(p / (1 - p)) and w_j = 2 eta, and its answer is the mean over the second
    half of the steps. The ascent step is over the whole vector, also where only w_1 is learned (the other weights' group has
    learning rate 0). One batch size after the other, this shows what batches do to SAM: at 1 the optimum is that of
    definition J (of I, if all weights are learned), and the larger the batch, the less SAM moves it.

    One seed gives the same examples whatever rho and eps are. Divide by a run with rho=0 for the change: most of the
    noise is common to both and drops out.

    Args:
        p, eta, d: the model, as for `sam_optimum`.
        rho: length of SAM's ascent step; 0 is plain SGD.
        eps: train on attacked examples, each weak feature moved by -eps * y * sign(w_j), the worst case (l_inf).
        batch_size: examples in a step, with one ascent step for all of them.
        learn_others: learn all weights, not only w_1.
        steps: of SGD, each about a millisecond.
        lr: learning rate; if None, 0.3 for each example of the batch, but at most 1/20 of one Newton step.
        seeds: one run for each.

    Returns:
        float64, (len(seeds),): w_1 over the mean of the other weights, comparable with `standard_optimum`.

    Raises:
        ValueError, TypeError: an argument is not as said above.
    """
    model = Model(p, eta, d)
    eps = check_number("eps", eps)
    check_count("batch_size", batch_size)
    check_count("steps", steps)
    if lr is None:
        lr = min(0.3 * batch_size, 0.05 / float(_derivatives(model)[0][0, 0]))
    check_number("lr", lr, open_low=True)
    ratios = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(check_count("seeds", seed, low=0))
        robust = torch.tensor([model.log_odds], requires_grad=True)
        others = torch.full((d,), 2.0 * eta, requires_grad=True)
        groups = [{"params": [robust]}, {"params": [others], "lr": lr if learn_others else 0.0}]
        optimizer = SAM(torch.optim.SGD(groups, lr=lr), rho=rho)
        sums = torch.zeros(2, dtype=torch.float64)
        for step in range(steps):
            x, y = sample(batch_size, p, eta, d, generator)
            x *= y[:, None]  # the loss sees only y * x
            x[:, 1:] -= eps * others.detach().sign()

            def closure(
                x: Tensor = x, robust: Tensor = robust, others: Tensor = others, sam: SAM = optimizer
            ) -> Tensor:
                sam.zero_grad()
                loss = F.softplus(-(x @ torch.cat([robust, others]))).mean()
                loss.backward()
                return loss

            optimizer.step(closure)
            if step >= steps // 2:
                sums += torch.stack([robust.detach()[0], others.detach().mean()])
        ratios.append(sums[0] / sums[1])
    return torch.stack(ratios)
