"""What the tests of the simplified model share: settings from weak to strong, and a grid of examples."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import chi2, norm

from samlib import toy

M_DIAL = {"p": 0.95, "eta": 0.2, "d": 50}
W_STAR = toy.standard_optimum(0.95, 0.2)


def settings(count: int = 208, strongest: float = 5.0) -> list[tuple[float, float, int, float]]:
    """(p, eta, d, rho) from weak to strong, few features to many; rho where every definition has an answer."""
    rng = np.random.default_rng(20230505)
    drawn = []
    for _ in range(count):
        strength, d = rng.uniform(0.4, strongest), int(np.exp(rng.uniform(0, math.log(300))))
        rho = rng.uniform(0.05, 1) * min(0.5, strength / 4)
        drawn.append((rng.uniform(0.52, 0.98), strength / math.sqrt(d), d, rho))
    return drawn


SETTINGS = settings()


def chi_squared_grid(degrees):
    """Points and weights for the mean over chi-squared q: the trapezoid rule in log q. (samlib uses Gauss-Laguerre.)"""
    points = 400 if degrees < 4 else 80
    if degrees == 0:
        return np.zeros(1), np.ones(1)
    u = np.linspace(math.log(chi2.ppf(1e-15, degrees) + 1e-40), math.log(chi2.isf(1e-18, degrees)), points)
    return np.exp(u), chi2.pdf(np.exp(u), degrees) * np.exp(u) * (u[1] - u[0])


def logistic_grid(eta, d, rho, growth=1.0):
    """t, ||x|| and weights (t, q) for means over the weak features, t along (1 ... 1); `growth` of the weights."""
    z = np.arange(-eta * math.sqrt(d) - 9, 9, min(0.2, 0.55 / (2 * growth * eta * math.sqrt(d) + rho)))
    t = (z + eta * math.sqrt(d))[:, None]
    q, weight = chi_squared_grid(d - 1)
    return t, np.sqrt(1 + t**2 + q), weight * (norm.pdf(z) * (z[1] - z[0]))[:, None]
