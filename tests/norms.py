"""The norms of the tests, taken from the registry: a new one is tested as soon as it is entered."""

from __future__ import annotations

import torch

from samlib.balls import BALLS, make_ball

NORMS = list(BALLS)


def typical_eps(norm: str) -> float:
    """A radius that breaks some of the digits, and not all, in any norm: l_inf .125, l_2 .5.

    It is the length of a change of a quarter of the 64 pixels, by an eighth.
    """
    change = torch.zeros(1, 64)
    change[:, :16] = 0.125
    return float(make_ball(norm, 0.0).norm(change))


NORMS_AND_EPS = [(norm, typical_eps(norm)) for norm in NORMS]
