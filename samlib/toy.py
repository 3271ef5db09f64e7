"""The simplified model: one robust feature, d weak ones, and where each kind of training puts the balance.

y is -1 or +1, each with probability 1/2. x_1 = y with probability p, else -y: robust, and right a fraction p of the
time. x_2 ... x_{d+1} are independent, N(eta * y, 1): each nearly useless, all together strong, and all moved at once
by a small attack. A linear classifier sign(w . x) is judged by one number, w_1 with w_2 = ... = w_{d+1} = 1: how far
it leans on the robust feature. `rho` is a radius in the space of weights, `eps` one in the space of inputs; they share
no unit. Closed forms and solvers are in float64.

Source: the model is that of Tsipras et al. 2019, arXiv 1805.12152, as used by Wei et al. 2023, arXiv 2305.05392, and
Zhang et al. 2024, arXiv 2402.15152. The formulas are derived for this project and checked in tests/core/test_toy.py.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import ndtr
from torch import Tensor

from samlib.checks import check_count, check_number
from samlib.toy_definitions import DEFINITIONS, Array, Model, optimum

__all__ = [
    "DEFINITIONS",
    "Model",
    "adversarial_optimum",
    "attacked_error",
    "clean_error",
    "sam_optimum",
    "sample",
    "standard_optimum",
]


def sample(n: int, p: float, eta: float, d: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw n examples from the model.

    Returns:
        x, float32, (n, d + 1), the robust feature first; y, float32, (n,), of -1 and +1.

    Raises:
        ValueError, TypeError: p not in (1/2, 1), eta not > 0, d or n not a whole number >= 1, or no torch.Generator.
    """
    model, n = Model(p, eta, d), check_count("n", n)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is a {type(generator).__name__}; it must be a torch.Generator.")
    label, agreement = torch.rand(2, n, generator=generator, device=generator.device)
    y = torch.where(label < 0.5, 1.0, -1.0)
    x = torch.randn(n, model.d + 1, generator=generator, device=generator.device)
    x.add_(model.eta * y[:, None])
    x[:, 0] = torch.where(agreement < model.p, y, -y)
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
    mean, spread = (model.eta - check_number("eps", eps)) * model.d, math.sqrt(model.d)
    right, wrong = ndtr(-(mean + w_1) / spread), ndtr(-(mean - w_1) / spread)
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
    model, eps = Model(p, eta, 1), check_number("eps", eps)
    if eps >= model.eta:
        raise ValueError(
            f"eps is {eps}; it must be a number in [0, {model.eta:g}), less than eta: the attack turns the weak "
            "features against y otherwise, and the more weight on the robust feature, the better."
        )
    return model.log_odds / (2 * (model.eta - eps))


def sam_optimum(p: float, eta: float, d: int, rho: float, definition: str = "A") -> float:
    """Where SAM puts w_1, when w_2 = ... = w_{d+1} = 1; divide by `standard_optimum(p, eta)` for the change.

    What is minimised over w_1 depends on what "perturb the weights" means. L is the error of the whole population at
    given weights, l the loss of one example (1 if it errs), delta the perturbation::

        A:  max L(w_1 + delta) over |delta| <= rho. Its average over the interval has the same optimum.
        A': the same with w_j = 1 / sqrt(d), that is, A with rho sqrt(d).
        B:  max L(w + delta) over ||delta||_2 <= rho, delta in all d + 1 weights, w = (w_1, 1 ... 1).
        C:  E L(w + delta), delta ~ N(0, rho^2 I) in all weights: rho^2 is a variance here, not a squared radius.
        D:  max L(w_1 (1 + delta)) over |delta| <= rho.
        D': max L(w_j (1 + delta_j)) over ||delta||_2 <= rho, in all weights.
        E:  not a minimum but where dw_1/dt = -L'(w_1 + rho sign L'(w_1)) comes to rest, bouncing: w* itself.
        F1: E max l(w_1 + delta) over |delta| <= rho, the maximum inside: each example has its own.
        F2: E max l(w + delta) over ||delta||_2 <= rho, in all weights.
        G:  exponential loss E exp(-y w . x), minimised over all weights, max over ||delta||_2 <= rho: w* itself, since
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
        The optimum w_1, or w_1 / w_j, in closed form for E, F1 and G, from a solver for the others, good to about 1e-9.

    Raises:
        ValueError, TypeError: an argument is not as said above, or rho is so large that weights can be wiped out (B
            and F2: sqrt(d); D and D': 1) or that the optimum is infinite (F1: eta * d; F2) or not found (H, I: rho
            several times the standard optimum's weights); eta * sqrt(d) is more than 30 in H, I and J.
    """
    return optimum(Model(p, eta, d), check_number("rho", rho), definition)
