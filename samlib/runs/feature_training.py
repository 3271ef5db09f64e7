"""Training on perturbed features: from SAM's ascent step in the first layer to the attack on the input.

Both move the first layer's features z = W x + b before the gradient is taken: SAM by a change of the weights, an attack
by a change of the pixels. Here z itself is perturbed, so that one can choose its direction and leave all else as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.balls import make_ball
from samlib.checks import check_choice, check_count, check_number
from samlib.duality import dz_between, dz_by_sam_step, mlp_parts
from samlib.training import Objective

FeaturePerturbation = Callable[
    [Tensor, Tensor, Tensor], Tensor
]  # weight (m, n), g = dl/dz (b, m), x (b, n) -> dz (b, m)


def perturbation_along(alpha: float, r: float) -> FeaturePerturbation:
    """Each example's features are moved by r ||x|| along (W W^T)^alpha g.

    alpha = 0 is SAM's ascent step in the first layer for one example at a time (without the bias), with rho = r; alpha
    = 1 is the direction of the l_2 attack on the input.

    Raises:
        TypeError, ValueError: alpha or r is no number >= 0.
    """
    alpha, r = check_number("alpha", alpha), check_number("r", r)
    return lambda weight, g, x: dz_between(weight, g, x, r, alpha)


def perturbation_of_batches(m: int, rho: float) -> FeaturePerturbation:
    """SAM's ascent step in the first layer (without the bias), of length rho for every m examples.

    Raises:
        TypeError, ValueError: m is no whole number >= 1, or rho no number >= 0.
    """
    m, rho = check_count("m", m), check_number("rho", rho)
    return lambda weight, g, x: torch.cat(
        [dz_by_sam_step(g_, x_, rho) for g_, x_ in zip(g.split(m), x.split(m), strict=True)]
    )


def perturbation_in_pixels(direction: str, norm: str, eps: float) -> FeaturePerturbation:
    """Each example's pixels are moved by eps, in one step and without regard to [0, 1]; the features follow by W.

    Along W^T g ("attack") this is the fast gradient step of the norm; along W^+ g ("sam") the pixels go where SAM's
    ascent step in the first layer takes the features, made as long as the ball of the norm allows.

    Raises:
        TypeError, ValueError: direction is neither, norm is unknown, or eps is no number >= 0.
    """
    check_choice("direction", direction, ("attack", "sam"))
    ball = make_ball(norm, check_number("eps", eps))

    def perturbation(weight: Tensor, g: Tensor, x: Tensor) -> Tensor:
        back = weight if direction == "attack" else torch.linalg.pinv(weight).T
        return ball.eps * ball.steepest(g @ back) @ weight.T

    return perturbation


def perturbed_cross_entropy(perturbation: FeaturePerturbation) -> Objective:
    """The mean cross-entropy at perturbed features, for `train(..., loss=...)`.

    dz is a constant when the gradient is taken, as SAM's perturbation and an attack's are. The weights' gradient is
    that at the weights W + dz x^T / ||x||^2: no pixel and no weight has to move for it.

    Args:
        perturbation: such as `perturbation_along(0.5, r=0.2)`.

    Returns:
        (model, x, y) -> (loss, logits without dz); model as `samlib.mlp()` makes it.
    """

    def objective(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        before, first, after = mlp_parts(model)
        inputs = before(x)
        z, rest = first(inputs), nn.Sequential(*after)
        at_rest = z.detach().requires_grad_()
        logits = rest(at_rest)
        (g,) = torch.autograd.grad(F.cross_entropy(logits, y, reduction="sum"), at_rest)
        dz = perturbation(first.weight.detach(), g, inputs)
        return F.cross_entropy(rest(z + dz), y), logits.detach()

    return objective
