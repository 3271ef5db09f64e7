"""Perturbation sets: the l_inf and the l_2 ball, in any space, and where a further norm is entered.

Three questions are asked of a ball, and they are all that projected gradient ascent needs:
where may it start, which way is steepest, and what is the nearest point inside. The questions are the
same for the pixels of an image (attacks.py) and for the weights of a network (sam.py, sharpness.py).

A batch of vectors has shape (n, ...): each of its n entries is one vector, whatever its shape.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from torch import Tensor

from samlib.checks import check_choice


@overload
def per_example(values: Tensor, like: Tensor) -> Tensor: ...
@overload
def per_example(values: float | Tensor, like: Tensor) -> float | Tensor: ...
def per_example(values: float | Tensor, like: Tensor) -> float | Tensor:
    """Reshape one value for each example, (n,), so that it broadcasts over `like`, (n, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1)) if isinstance(values, Tensor) else values


def l2_norm(vectors: Tensor) -> Tensor:
    """The l_2 norm of each vector of a batch (n, ...), as (n,)."""
    return vectors.flatten(1).norm(dim=1)


def random_numbers(
    kind: Callable[..., Tensor], like: Tensor, shape: Sequence[int], generator: torch.Generator
) -> Tensor:
    """`kind` (torch.rand or torch.randn) drawn where the generator lives, moved to where `like` lives.

    Drawn in float32 whatever `like` is, so that the same images in another precision are given the same numbers.
    """
    return kind(shape, generator=generator, device=generator.device, dtype=torch.float32).to(like.device, like.dtype)


@dataclass(frozen=True)
class Ball(ABC):
    """All vectors whose norm is at most `eps`, one radius or one for each vector, (n,). Subclasses stand in BALLS."""

    eps: float | Tensor

    @abstractmethod
    def norm(self, delta: Tensor) -> Tensor:
        """The norm of each vector, (n,)."""

    @abstractmethod
    def random_start(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """A point drawn uniformly from the ball, for each vector of `like`."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """argmax of <gradient, v> over vectors of norm 1."""

    @abstractmethod
    def project(self, delta: Tensor) -> Tensor:
        """The nearest vector in the ball."""


class Linf(Ball):
    """All vectors whose largest entry is at most `eps` in size."""

    def norm(self, delta: Tensor) -> Tensor:
        return delta.flatten(1).abs().amax(1)

    def random_start(self, like: Tensor, generator: torch.Generator) -> Tensor:
        return per_example(self.eps, like) * (2 * random_numbers(torch.rand, like, like.shape, generator) - 1)

    def steepest(self, gradient: Tensor) -> Tensor:
        """The sign. A zero or NaN entry stays where it is."""
        return gradient.nan_to_num(nan=0.0).sign()

    def project(self, delta: Tensor) -> Tensor:
        """The nearest vector in the ball: each entry is cut to [-eps, eps]."""
        eps: Any = per_example(self.eps, delta)  # clamp takes two numbers or two tensors
        return delta.clamp(-eps, eps)


class L2(Ball):
    """All vectors of Euclidean length at most `eps`."""

    def norm(self, delta: Tensor) -> Tensor:
        return l2_norm(delta)

    def random_start(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """In d dimensions nearly all of a ball lies near its surface: the radius is eps * u^(1/d), with u uniform.

        (A radius uniform in [0, eps] is common in attack code and far too central.)
        """
        direction = self.steepest(random_numbers(torch.randn, like, like.shape, generator))
        u = random_numbers(torch.rand, like, like.shape[:1], generator)
        return direction * per_example(self.eps * u ** (1 / like[0].numel()), like)

    def steepest(self, gradient: Tensor) -> Tensor:
        """gradient / ||gradient||. A zero gradient gives zero.

        The gradient is divided by its largest entry first: the squares of a confident network's gradient
        underflow in float32, and `gradient / (norm + 1e-10)` would then hardly move.
        """
        gradient = gradient.nan_to_num(nan=0.0)
        largest = gradient.flatten(1).abs().amax(1)
        scaled = gradient / per_example(torch.where(largest > 0, largest, 1), gradient)
        return scaled / per_example(l2_norm(scaled).clamp(min=1), scaled)  # a non-zero one now has norm >= 1

    def project(self, delta: Tensor) -> Tensor:
        """The nearest vector in the ball: a longer one is scaled down to length eps."""
        norms = self.norm(delta)
        shrink = self.eps / norms.clamp(min=torch.finfo(delta.dtype).tiny)
        return delta * per_example(shrink.clamp(max=1), delta)


BALLS: dict[str, type[Ball]] = {"linf": Linf, "l2": L2}


def make_ball(norm: str, eps: float | Tensor) -> Ball:
    """The ball named `norm`, one of BALLS, of radius `eps`.

    Raises:
        ValueError: there is no such norm, or its ball lacks a piece.
    """
    kind = BALLS[check_choice("norm", norm, BALLS)]
    pieces = {name: getattr(kind, name, None) for name in sorted(Ball.__abstractmethods__)}
    missing = [name for name, piece in pieces.items() if getattr(piece, "__isabstractmethod__", piece is None)]
    if missing:
        raise ValueError(
            f"norm is {norm!r}, but its ball, {kind.__name__}, has no {', '.join(missing)}; see balls.Ball."
        )
    return kind(eps)


def check_inside(norm: str, eps: float | Tensor, x: Tensor, x_adv: Tensor) -> Tensor:
    """Return the attacked images if all lie in their balls, to float rounding, and in the pixel range.

    Raises:
        RuntimeError: one does not: the ball's `project`, or an attack's own step in this norm, is wrong.
    """
    ball = make_ball(norm, eps)
    far = ball.norm(x_adv - x)
    rounding = ball.norm(torch.full_like(x[:1], 4 * torch.finfo(x.dtype).eps))
    inside = (far <= eps * (1 + 1e-5) + rounding) & ((x_adv >= 0) & (x_adv <= 1)).flatten(1).all(1)
    if not bool(inside.all()):
        raise RuntimeError(
            f"norm {norm!r}: the attack left {int((~inside).sum())} of {len(x)} images outside their ball or "
            f"outside [0, 1]; the farthest lies {float(far.max()):.3g} from x. What knows of this norm (its ball's "
            "project, its moves for random search) must stay inside."
        )
    return x_adv


def project_pixels(ball: Ball, x: Tensor, x_adv: Tensor) -> Tensor:
    """Bring `x_adv` back into the ball around the image `x`, then into the pixel range [0, 1].

    Cutting to [0, 1] moves every pixel towards `x`, so the result stays in the ball. For l_inf this is the
    nearest point of the intersection; else it is a point of it, the one that attack code agrees on.
    """
    return (x + ball.project(x_adv - x)).clamp(0, 1)


def joint_l2_norm(tensors: list[Tensor]) -> Tensor:
    """The l_2 norm of one vector that lies in pieces (the parameters of a network), as a 0-d tensor.

    At least in float32, so that float16 gradients of a scaled loss do not overflow.
    """
    double = any(t.dtype == torch.float64 for t in tensors)
    norms = torch._foreach_norm(tensors, 2, dtype=torch.float64 if double else torch.float32)
    return torch.linalg.vector_norm(torch.stack([n.to(norms[0].device) for n in norms]))


def smallest_norm(norm: Tensor) -> float:
    """Below this a norm says nothing in its own precision: the squares of its entries underflow."""
    return math.sqrt(torch.finfo(norm.dtype).tiny)
