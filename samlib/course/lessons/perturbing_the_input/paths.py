"""Where PGD goes: every point on its way, and which images are robust to all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from samlib.attacks import Model, ascend, attack_mode
from samlib.balls import Ball, make_ball
from samlib.losses import make_loss

STEPS, RUNS = 40, 4
STEP_SIZES = (0.02, 0.1, 0.25, 1.0)  # shares of eps
LOSSES = ("ce", "margin")


def pgd_path(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    steps: int,
    step_size: float,
    start: Tensor | None = None,
    loss: str = "ce",
) -> Tensor:
    """Where samlib's PGD is after each step, (steps + 1, n, ...).

    Args:
        model: images (n, ...) -> logits (n, classes).
        x, y: images in [0, 1], (n, ...), and labels, int64 (n,).
        ball: around x; its radius is in pixels.
        step_size: the norm of each step, in pixels.
        start: in the ball around x, (n, ...); x itself if None.
        loss: "ce" or "margin".
    """
    path = [x if start is None else start]
    with attack_mode(model):
        for _ in range(steps):
            path.append(
                ascend(model, x, y, ball, start=path[-1], steps=1, step_size=step_size, loss=make_loss(loss))[0]
            )
    return torch.stack(path)


def robust_on_the_way(model: Model, x: Tensor, y: Tensor, eps: float) -> dict[tuple[str, float], Tensor]:
    """Which images PGD has not broken after each step of each run, counting every point on the way.

    Forty steps in the l_inf ball of radius eps from four random starts, for both losses and four step sizes.

    Args:
        model: images (n, 1, 8, 8) -> logits (n, classes).
        x, y: images in [0, 1] and labels, int64 (n,).
        eps: radius, in pixels.

    Returns:
        {(loss, step size as a share of eps): bool (41, 4, n)}.
    """
    return {
        (loss, size): _robust_on_the_way(model, x, y, eps, loss, size * eps) for loss in LOSSES for size in STEP_SIZES
    }


def _robust_on_the_way(model: Model, x: Tensor, y: Tensor, eps: float, loss: str, step_size: float) -> Tensor:
    many_x, many_y = x.repeat(RUNS, 1, 1, 1), y.repeat(RUNS)
    ball = make_ball("linf", eps)
    start = (many_x + ball.random_start(many_x, torch.Generator().manual_seed(1))).clamp(0, 1)
    path = pgd_path(model, many_x, many_y, ball, STEPS, step_size, start, loss)
    path[0] = many_x  # the digit itself is a point of the ball too
    with attack_mode(model), torch.no_grad():
        right = torch.stack([model(points).argmax(1) == many_y for points in path])
    return right.cummin(0).values.view(STEPS + 1, RUNS, len(x))
