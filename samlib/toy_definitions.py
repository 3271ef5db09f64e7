"""What "perturb the weights" may mean in the simplified model, and the optimum that each definition leads to.

Most of SAM's optima are found by one solver, `_optimum`, from a function that has the sign of the objective's slope.
Where the *whole loss* is taken at its worst around w, it is the worst point on the rising side less the worst on the
falling side: at the optimum a step to the right and a step to the left would hurt equally. Where the loss is an
*average*, over noise or over each example's own worst case, it is the pull of the examples whose robust feature is
wrong less the pull of those where it is right.

The model and its symbols are those of toy.py; all is in float64. The formulas are derived for this project and checked
in tests/core/test_toy.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import brentq, root
from scipy.special import expit, log_expit, log_ndtr, logsumexp

from samlib.checks import check_choice, check_count, check_number

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
        p = _check_open("p", self.p, 0.5, 1.0, "how often the robust feature is right")
        checked = {"p": p, "eta": check_number("eta", self.eta, open_low=True), "d": check_count("d", self.d)}
        for name, value in checked.items():  # in float64, also where a float32 came
            object.__setattr__(self, name, value)

    @property
    def log_odds(self) -> float:
        """ln(p / (1 - p)), what the robust feature tells about y."""
        return math.log(self.p) - math.log1p(-self.p)

    @property
    def optimum(self) -> float:
        """w*, the Bayes classifier."""
        return self.log_odds / (2 * self.eta)

    @property
    def strength(self) -> float:
        """eta sqrt(d), the mean of the weak features' sum, in its standard deviations."""
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


# ---- the tools ---------------------------------------------------------------------------------------------------


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
    z = np.arange(-math.ceil((model.strength + 9) / step), math.ceil(9 / step) + 1, dtype=np.float64) * step
    return z, -(z**2) / 2 + math.log(step / math.sqrt(2 * math.pi))


def chi_squared_grid(degrees: int) -> tuple[Array, Array]:
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
    """log of the pull of the examples whose robust feature is wrong, less that of the others; from each log pull."""
    return float(logsumexp(wrong) - logsumexp(right)) - model.log_odds


# ---- the definitions ---------------------------------------------------------------------------------------------
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
    q, log_q = chi_squared_grid(model.d - 1)
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
    q, log_q = chi_squared_grid(model.d - 1)
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
# (w_1, a) with a = sqrt(d) w_j, the part along (1 ... 1), and b, the length of the part across it, 0 but for SAM's
# perturbation.


def _logistic_step(slope: float) -> float:
    """A step for `_normal_grid` that resolves the logistic loss of slope * z: its poles lie pi / slope off the axis."""
    return min(0.125, 0.5 / slope)


def _examples(model: Model, slope: float) -> tuple[Array, Array, Array]:
    """t, the weak features along (1 ... 1) times y, ||x||, and log weights; (t, q), for margins up to slope * t."""
    if model.strength > 30:
        raise ValueError(
            f"eta is {model.eta:g} and d is {model.d}; eta * sqrt(d) must be at most 30 for the logistic loss: beyond, "
            "the examples that err are too rare for float64."
        )
    z, log_z = _normal_grid(model, _logistic_step(slope))
    q, log_q = chi_squared_grid(model.d - 1)
    t = model.strength + z[:, None]
    return t, np.sqrt(1 + t**2 + q), log_z[:, None] + log_q


def _standard_loss(model: Model) -> float:
    """The expected logistic loss at the standard optimum."""
    t, _, log_weight = _examples(model, 2 * model.strength)
    right, wrong = 2 * model.strength * t + model.log_odds, 2 * model.strength * t - model.log_odds
    return -float((np.exp(log_weight) * (model.p * log_expit(right) + (1 - model.p) * log_expit(wrong))).sum())


def derivatives(model: Model) -> tuple[Array, Array, Array]:
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


def _solve(equations: Callable[[Array], Any], start: ArrayLike, jac: bool = False) -> Array:
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
    """H, as (w_1, a): the optimum is the centre of a ball of radius rho in the lowest sublevel set that holds one.

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

    def gradient(w_1: Any, a: Any, b: Any) -> Array:
        """Of the loss, in w_1, a and b: three numbers."""
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

    # Where unequal weights alone are the worst, the perturbation is like noise, and the optimum is that of the noisy
    # loss.
    tilts = np.linspace(0, math.pi / 2, 33) if model.d > 1 else np.zeros(1)  # one weight cannot be unequal
    w_1, a = _solve(lambda weights: gradient(weights[0], weights[1], rho)[:2], standard)
    turn, tilt = np.meshgrid(np.linspace(0, 2 * math.pi, 33), tilts[:-1:2])
    if model.d == 1 or loss(*perturbed(w_1, a, turn, tilt)).max() > loss(w_1, a, rho) * (1 + 1e-14):
        top = np.linalg.eigh(derivatives(model)[0])[1][:, 1]
        w_1, a, _ = _solve(equations, [*standard, math.atan2(top[1], top[0])])
    return w_1, a


# ---- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """What "perturb the weights" may mean, in words; and the optimum, from the model and rho > 0."""

    description: str
    optimum: Callable[[Model, float], float]


_TABLE: dict[str, Definition] = {
    "A": Definition("only w_1; whole loss, worst case over [w_1 - rho, w_1 + rho]", _absolute),
    "A'": Definition(
        "only w_1; as A, with the other weights scaled to length 1 in all",
        lambda m, rho: _absolute(m, rho * math.sqrt(m.d)),
    ),
    "B": Definition(
        "all weights; whole loss, worst case over an l_2 ball",
        lambda m, rho: _ball(m, rho, adaptive=False),
    ),
    "C": Definition("all weights; average over Gaussian noise of variance rho^2", _gaussian),
    "D": Definition("only w_1; whole loss, worst case relative to its size", _relative),
    "D'": Definition(
        "all weights; whole loss, worst case over an l_2 ball relative to their sizes (ASAM)",
        lambda m, rho: _ball(m, rho, adaptive=True),
    ),
    "E": Definition(
        "only w_1; whole loss, one normalised step of ascent, then small steps of descent",
        lambda m, rho: m.optimum,
    ),
    "F1": Definition("only w_1; each example has its own worst case", _own_interval),
    "F2": Definition("all weights; each example has its own worst case over an l_2 ball", _own_ball),
    "G": Definition(
        "exponential loss, all weights learned; whole loss, worst case over an l_2 ball",
        lambda m, rho: m.optimum,
    ),
    "H": Definition("logistic loss, all weights learned; whole loss, worst case over an l_2 ball", _logistic_whole),
    "I": Definition(
        "logistic loss, all weights learned; each example has its own worst case over an l_2 ball", _logistic_free
    ),
    "J": Definition(
        "logistic loss, only w_1 learned; each example has its own worst case over an l_2 ball (batches of 1)",
        _logistic_fixed,
    ),
}

DEFINITIONS: dict[str, str] = {name: definition.description for name, definition in _TABLE.items()}


def definition_named(definition: object) -> str:
    """The definition's name as the table has it; it may come in either case and with either prime."""
    if isinstance(definition, str) and (name := definition.replace("′", "'").upper()) in _TABLE:
        return name
    return check_choice("definition", definition, _TABLE)


def optimum(model: Model, rho: float, definition: str) -> float:
    """Where SAM puts w_1 by that definition; the standard optimum for rho = 0."""
    chosen = _TABLE[definition_named(definition)]
    return float(chosen.optimum(model, rho)) if rho > 0 else model.optimum
