"""How far each definition of SAM moves the optimum, over rho and over what the robust feature is worth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from samlib import toy
from samlib.course.lessons.robust_and_non_robust_features.leading import leading_order

SHARES = (0.03, 0.2, 0.7, 1.5, 2.5, 4.0)  # w*² / d, of the rows
RHOS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # in units of one weak feature's weight, of the columns
ETA, D = 0.2, 50

Maps = dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def change_maps() -> Maps:
    """The change of w_1 against w* in percent, {definition: (exact, to leading order)}, each (6, 6): SHARES x RHOS.

    nan stands for no finite optimum.
    """
    solvers = toy.sam_optimum, leading_order
    return {name: (_map(solvers[0], name), _map(solvers[1], name)) for name in toy.DEFINITIONS}


def _map(solve: Callable[..., float], name: str) -> NDArray[np.float64]:
    return np.array([[change(solve, name, share, rho) for rho in RHOS] for share in SHARES])


def change(solve: Callable[..., float], name: str, share: float, rho: float) -> float:
    """In percent of w*. `solve` is `toy.sam_optimum` or `leading_order`.

    rho is in units of one weak feature's weight, which is 2 eta under the logistic loss and eta in G.
    """
    star = np.sqrt(share * D)
    unit = {"G": ETA, "H": 2 * ETA, "I": 2 * ETA, "J": 2 * ETA}.get(name, 1.0)
    try:
        moved = 100 * (solve(1 / (1 + np.exp(-2 * ETA * star)), ETA, D, rho * unit, name) / star - 1)
    except ValueError:  # no finite optimum
        return float("nan")
    return 0.0 if abs(moved) < 1e-7 else float(moved)


def counts(change: NDArray[np.float64]) -> tuple[int, int]:
    """In how many squares of a map w_1 goes up, and in how many down."""
    return int((change > 0).sum()), int((change < 0).sum())


def signed_percent(change: float) -> str:
    """A change in two digits or so and with its sign: "+10.6", "−0.007", "0"."""
    size = abs(change)
    digits = 0 if size >= 99.5 else 1 if size >= 1 else 2 if size >= 0.095 else 3
    return f"{change:+.{digits}f}".replace("-", "−") if size else "0"
