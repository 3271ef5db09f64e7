"""The valley of the error over w_1: its worst case within rho, by four definitions of SAM's perturbation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from samlib import toy
from samlib.toy_definitions import chi_squared_grid

ETA = 0.2  # of all pictures of the valley

Array = NDArray[np.float64]


def worst_error(definition: str, w_1: ArrayLike, p: float, d: int, rho: float, eta: float = ETA) -> Array:
    """The worst error within rho of the weights (w_1, 1 ... 1), as a fraction.

    Args:
        definition: "A", "B", "F1" or "F2", see `samlib.toy.sam_optimum`.
        w_1: (n,), > 0.
        p, d, eta: the model.
        rho: radius in weight space; in B and F2 below sqrt(d), so that the weak features' weights stay positive.

    Returns:
        (n,), or a number where w_1 is one.

    Raises:
        ValueError: another definition.
    """
    if definition not in ("A", "B", "F1", "F2"):
        raise ValueError(f"definition is {definition!r}; it must be 'A', 'B', 'F1' or 'F2'.")
    w = np.asarray(w_1, dtype=float)
    if definition == "A":
        return np.maximum(toy.clean_error(w - rho, p, eta, d), toy.clean_error(w + rho, p, eta, d))
    if definition == "F1":
        return np.asarray(toy.attacked_error(w, p, eta, d, rho / d))
    if definition == "F2":
        return _own_worst(w, p, d, rho, eta)
    return _worst_direction(w, p, d, rho, eta)


def _worst_direction(w: Array, p: float, d: int, rho: float, eta: float) -> Array:
    """B: the ball turns the weights within a cone, and the worst directions lie on its rim."""
    angle = np.linspace(0, np.pi, 61).reshape(-1, *[1] * w.ndim)
    size = np.sqrt(w**2 + d)
    sine, cosine = rho / size, np.sqrt(1 - (rho / size) ** 2)
    robust = cosine * w / size + sine * np.cos(angle) * np.sqrt(d) / size
    others = cosine * np.sqrt(d) / size - sine * np.cos(angle) * w / size
    length = np.hypot(others, sine * np.sin(angle))  # unequal weights of the weak features
    vote, robust = eta * np.sqrt(d) * others / length, robust / length
    return (p * ndtr(-vote - robust) + (1 - p) * ndtr(-vote + robust)).max(0)


def _own_worst(w: Array, p: float, d: int, rho: float, eta: float) -> Array:
    """F2: the margin falls by rho ||x||; the example is lost where the vote lies below sqrt(d) t."""
    q, log_weight = chi_squared_grid(d - 1)  # of the weak features across (1 ... 1)
    w = w[..., None]
    length = np.sqrt(w**2 + (1 + q) * (d - rho**2))
    lost = {side: (rho * length - side * w * np.sqrt(d)) / (d - rho**2) for side in (1, -1)}
    share = p * ndtr(lost[1] - eta * np.sqrt(d)) + (1 - p) * ndtr(lost[-1] - eta * np.sqrt(d))
    return share @ np.exp(log_weight)


def level_chord(
    definition: str, w_1: float, p: float, d: int, rho: float, eta: float = ETA
) -> tuple[float, float] | None:
    """The two worst neighbours of SAM's optimum w_1, as values of w_1; None where they do not form a level chord.

    In F1 and F2 each example has neighbours of its own; in B unequal weights of the weak features may be worse than
    both ends.
    """
    if definition in ("F1", "F2"):
        return None
    ends = (w_1 - rho, w_1 + rho)
    if definition == "B":
        tilt, half = np.arctan2(w_1, np.sqrt(d)), np.arcsin(rho / np.sqrt(w_1**2 + d))
        low, high = np.sqrt(d) * np.tan([tilt - half, tilt + half])
        ends = (float(low), float(high))
    left, right = (float(toy.clean_error(end, p, eta, d)) for end in ends)
    return ends if abs(left / right - 1) < 1e-6 else None


def optimum_or_nan(definition: str, p: float, d: int, rho: float, eta: float = ETA) -> float:
    """Where SAM puts w_1; nan where it has no finite optimum, since rho has used up the weak features."""
    try:
        return toy.sam_optimum(p, eta, d, rho, definition)
    except ValueError:
        return float("nan")
