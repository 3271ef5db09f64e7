"""The bare loops behind the attacks, without checks, to be run in `attack_mode`.

`ascend` is projected gradient ascent with steps of one length; `apgd_ascent` chooses the length for each image as it
goes. In both an image's result never depends on which other images are attacked beside it, and all random numbers
come in from outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from samlib.balls import Ball, make_ball, per_example, project_pixels
from samlib.losses import Loss, is_broken

Model = Callable[[Tensor], Tensor]


@contextmanager
def attack_mode(model: Model) -> Iterator[None]:
    """Evaluation mode and frozen parameters inside; afterwards every module and parameter as it was.

    Frozen, because a compiled model would otherwise compute weight gradients that nobody asks for. Each module's
    own mode comes back, so that a BatchNorm that was frozen on purpose stays frozen.
    """
    network = model if isinstance(model, nn.Module) else nn.Module()
    modes = [(module, module.training) for module in network.modules()]
    trainable = [p for p in network.parameters() if p.requires_grad]
    try:
        network.eval()
        for p in trainable:
            p.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for p in trainable:
            p.requires_grad_(True)


def ascend(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Ball,
    *,
    start: Tensor,
    steps: int,
    step_size: float | Tensor,
    loss: Loss,
    targets: Tensor | None = None,
    keep: str = "last",
) -> tuple[Tensor, Tensor | None]:
    """Projected gradient ascent on `loss` from `start`: the bare loop, without checks, to be run in `attack_mode`.

    Returns:
        The image kept, (n, ...), and with `keep="best"` its loss (n,), each example's highest on the way, of the broken
        iterates if there are any; it costs one forward pass more, to see the last iterate.
    """
    x_adv, best, broken = start, start, torch.zeros_like(y, dtype=torch.bool)
    best_loss = torch.full_like(y, -torch.inf, dtype=x.dtype)
    step_size = per_example(step_size, x)
    for step in range(steps + (keep == "best")):
        x_adv = x_adv.detach().requires_grad_(step < steps)
        with torch.set_grad_enabled(step < steps):
            # a copy, since a model may write over its images, and torch's module hooks cannot watch a leaf
            values = loss(logits := model(x_adv.clone()), y, targets)
        if keep == "best":
            breaks = is_broken(logits.detach(), y, targets)
            better = torch.where(breaks == broken, values.detach() > best_loss, breaks)
            best = torch.where(per_example(better, x), x_adv.detach(), best)
            best_loss, broken = torch.where(better, values.detach(), best_loss), broken | breaks
        if step < steps:
            (gradient,) = torch.autograd.grad(values.sum(), x_adv)  # a sum: an image's step ignores its batch
            x_adv = project_pixels(ball, x, x_adv.detach() + step_size * ball.steepest(gradient))
    return (best, best_loss) if keep == "best" else (x_adv.detach(), None)


# ---- APGD: steps whose length is chosen on the way -------------------------------------------------------------------


@dataclass
class _Ascent:
    """The state of each image's ascent. Every field is one tensor with a row for each image, or None."""

    row: Tensor
    x: Tensor
    y: Tensor
    targets: Tensor | None
    eps: Tensor
    x_adv: Tensor
    before: Tensor  # the iterate before this one, for the momentum
    gradient: Tensor
    step_size: Tensor
    value: Tensor  # the loss at x_adv
    best: Tensor
    best_value: Tensor
    best_gradient: Tensor
    rises: Tensor  # steps since the last checkpoint at which the loss rose
    value_at_check: Tensor  # the best loss at the last checkpoint
    halved: Tensor  # whether the step was halved there
    broken: Tensor  # whether an iterate was

    def keep(self, rows: Tensor) -> None:
        """Go on with these images only."""
        for field in fields(self):
            tensor = getattr(self, field.name)
            if tensor is not None:
                setattr(self, field.name, tensor[rows])


def _checkpoints(steps: int) -> list[int]:
    """The steps at which the length of a step is reconsidered: after 22 % of them, then more and more often."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({math.ceil(share * steps) for share in shares[1:-1]})


def apgd_ascent(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: Tensor,
    norm: str,
    *,
    start: Tensor,
    steps: int,
    loss: Loss,
    targets: Tensor | None = None,
    stop: bool = True,
    any_class: bool = False,
) -> Tensor:
    """Gradient ascent with momentum that halves an image's step where it no longer helps (APGD): the bare loop.

    The first steps are 2 * eps long. At each checkpoint an image's step is halved, and the image goes back to its best
    iterate, if the loss rose in fewer than three quarters of the steps since the last one, or if neither its step nor
    its best loss changed.

    Args:
        eps: one radius for each image, (n,).
        stop: an image is done as soon as it is broken. Without it every image takes all the steps.
        any_class: an image is broken as soon as the model errs on it, even if it is not for the target.

    Returns:
        For each image the first iterate that is broken (losses.is_broken), else the one of highest loss, (n, ...).

    Source: Croce and Hein 2020, arXiv 2003.01690, algorithm 1.
    """
    result, n = start.clone(), len(x)
    low, never = torch.full((n,), -torch.inf, dtype=x.dtype, device=x.device), torch.zeros_like(y, dtype=torch.bool)
    c = _Ascent(
        row=torch.arange(n, device=x.device),
        x=x,
        y=y,
        targets=targets,
        eps=eps,
        x_adv=start,
        before=start,
        gradient=torch.zeros_like(x),
        step_size=2 * eps,
        value=low,
        best=start,
        best_value=low,
        best_gradient=torch.zeros_like(x),
        rises=torch.zeros_like(eps),
        value_at_check=low,
        halved=never,
        broken=never,
    )
    checkpoints = _checkpoints(steps)
    # To drop the images that are broken costs a wait for the device, so it is done where it pays most: early.
    drops = {2**i for i in range(steps.bit_length())} | set(checkpoints)
    last_check = 0
    for step in range(steps + 1):
        _evaluate(c, model, loss, stop, any_class, with_gradient=step < steps)
        if stop and step in drops:
            result[c.row] = c.best
            c.keep((~c.broken).nonzero().squeeze(1))
            if not len(c.row):
                return result
        if step == steps:
            break
        if step in checkpoints:
            _reconsider(c, step - last_check)
            last_check = step
        ball = make_ball(norm, c.eps)
        uphill = project_pixels(ball, c.x, c.x_adv + per_example(c.step_size, c.x) * ball.steepest(c.gradient))
        share = 0.75 if step else 1.0
        step_to = c.x_adv + share * (uphill - c.x_adv) + (1 - share) * (c.x_adv - c.before)
        c.before, c.x_adv = c.x_adv, project_pixels(ball, c.x, step_to)
    result[c.row] = c.best
    return result


def _evaluate(c: _Ascent, model: Model, loss: Loss, stop: bool, any_class: bool, with_gradient: bool) -> None:
    """Evaluate the loss at the iterates, and its gradient; remember the best."""
    x_adv = c.x_adv.detach().requires_grad_(with_gradient)
    with torch.set_grad_enabled(with_gradient):
        logits = model(x_adv.clone())
        values = loss(logits, c.y, c.targets)
    if with_gradient:
        (c.gradient,) = torch.autograd.grad(values.sum(), x_adv)
    value = values.detach().to(c.value.dtype)
    c.rises = c.rises + (value > c.value)
    c.value = value
    if stop:  # the first iterate that is broken is kept: no loss is above infinity
        c.broken = c.broken | is_broken(logits.detach(), c.y, None if any_class else c.targets)
        value = torch.where(c.broken, torch.inf, value)
    better = value > c.best_value
    rows = per_example(better, c.x)
    c.best_value = torch.where(better, value, c.best_value)
    c.best = torch.where(rows, c.x_adv, c.best)
    c.best_gradient = torch.where(rows, c.gradient, c.best_gradient)


def _reconsider(c: _Ascent, steps: int) -> None:
    """Halve the step, and return to the best iterate, where the last `steps` steps did not do well."""
    stuck = ~c.halved & (c.best_value <= c.value_at_check)
    c.halved = (c.rises < 0.75 * steps) | stuck
    rows = per_example(c.halved, c.x)
    c.step_size = torch.where(c.halved, c.step_size / 2, c.step_size)
    c.x_adv, c.gradient = torch.where(rows, c.best, c.x_adv), torch.where(rows, c.best_gradient, c.gradient)
    c.before = torch.where(rows, c.best, c.before)
    c.value = torch.where(c.halved, c.best_value, c.value)
    c.value_at_check, c.rises = c.best_value, torch.zeros_like(c.rises)
