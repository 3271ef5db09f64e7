"""SAM's optimum in the simplified model to leading order in rho, for each definition of samlib.toy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samlib.checks import check_number
from samlib.toy_definitions import Model, chi_squared_grid, definition_named, derivatives


def _adaptive(model: Model, rho: float) -> float:
    """D': the worst direction changes at k = 1; below, it is the most unequal weights, if there are two."""
    k = model.optimum**2 * (model.d + 1) / model.d
    return 1 + rho**2 * (k - 3) / (3 * model.d) if k > 1 or model.d == 1 else 1.0


def _own_ball(model: Model, rho: float) -> float:
    """F2: 1 + rho E(r - 1/r) / (eta d), with r = ||x|| on the decision boundary; about 1 + rho / (eta sqrt(d))."""
    q, log_q = chi_squared_grid(model.d - 1)
    length = np.sqrt(1 + model.optimum**2 / model.d + q)
    return 1 + rho * float(np.exp(log_q) @ (length - 1 / length)) / (model.eta * model.d)


def _whole(model: Model, rho: float) -> float:
    """H: equal loss at both ends of the ball's worst diameter, to third order."""
    hessian, _, third = derivatives(model)
    (low, high), vectors = np.linalg.eigh(hessian)
    across, along = vectors.T
    bend = np.einsum("ijk,j,k", third, along, along)
    change = -(rho**2) * (along * (bend @ along) / (6 * high) + across * (bend @ across) / (2 * low))
    return 1 + change[0] / model.log_odds - change[1] / (2 * model.strength)


def _free(model: Model, rho: float) -> float:
    """I: one Newton step from the standard optimum."""
    hessian, pull, _ = derivatives(model)
    change = rho * np.linalg.solve(hessian, pull)
    return 1 + change[0] / model.log_odds - change[1] / (2 * model.strength)


def _fixed(model: Model, rho: float) -> float:
    """J: the same, for w_1 alone."""
    hessian, pull, _ = derivatives(model)
    return 1 + rho * pull[0] / (hessian[0, 0] * model.log_odds)


# From the model and rho, the optimum's ratio to w*.
LEADING: dict[str, Callable[[Model, float], float]] = {
    "A": lambda m, rho: 1 + rho**2 / (3 * m.d),
    "A'": lambda m, rho: 1 + rho**2 / 3,
    "B": lambda m, rho: 1 - rho**2 * (2 - m.optimum**2 / m.d) / (3 * m.d),
    "C": lambda m, rho: 1 + rho**2 * (m.d - 2 + m.optimum**2 / m.d) / m.d,
    "D": lambda m, rho: 1 + rho**2 * m.optimum**2 / (3 * m.d),
    "D'": _adaptive,
    "E": lambda m, rho: 1.0,
    "F1": lambda m, rho: 1 + rho / (m.eta * m.d),
    "F2": _own_ball,
    "G": lambda m, rho: 1.0,
    "H": _whole,
    "I": _free,
    "J": _fixed,
}


def leading_order(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """SAM's optimum to leading order in rho: w* (1 + c rho^2); w* (1 + c rho) where each example has its own maximum.

    With w* the standard optimum and k = w*^2 (d + 1) / d, c is
        A 1 / (3 d), A' 1 / 3, B -(2 - w*^2 / d) / (3 d), C (d - 2 + w*^2 / d) / d, D w*^2 / (3 d),
        D' (k - 3) / (3 d) if k > 1 or d = 1, else 0, E 0, F1 1 / (eta d), F2 about 1 / (eta sqrt(d)), G 0,
    and an integral for F2 (exactly), H, I and J. In B, D' and H it holds while the worst direction stays in the plane
    of w_1 and (1 ... 1): in B up to about rho = w* / 2. Beyond, unequal weights are worse, and SAM moves w_1 less.

    Arguments as for `samlib.toy.sam_optimum`; every rho >= 0 is allowed.

    Raises:
        ValueError, TypeError: an argument is not as said above.
    """
    model, rho = Model(p, eta, d), check_number("rho", rho)
    return float(model.optimum * LEADING[definition_named(definition)](model, rho))
