"""The input space: find the image near x on which the model errs most.

The threat model: the attacker knows the model (white box), may move each image within a ball of radius eps around
it, and the result must be an image, with pixels in [0, 1]. An attack gives an upper bound on robustness: where
it fails, another may succeed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from samlib.balls import L2, Linf, make_ball, per_example, project_pixels
from samlib.checks import (
    check_choice,
    check_classifier_input,
    check_count,
    check_labels,
    check_logits,
    check_radius,
)
from samlib.losses import Loss, make_loss

Model = Callable[[Tensor], Tensor]


@contextmanager
def attack_mode(model: Model) -> Iterator[None]:
    """Evaluation mode and frozen parameters inside; afterwards every module and parameter as it was.

    Frozen, because a compiled model would otherwise compute weight gradients that nobody asks for. Each module's
    own mode comes back, so that a BatchNorm that was frozen on purpose stays frozen.
    """
    if not isinstance(model, nn.Module):
        with torch.inference_mode(False), torch.enable_grad():
            yield
        return
    modes = [(module, module.training) for module in model.modules()]
    trainable = [p for p in model.parameters() if p.requires_grad]
    try:
        model.eval()
        for p in trainable:
            p.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for p in trainable:
            p.requires_grad_(True)
        for module, training in modes:
            module.training = training


def ascend(
    model: Model,
    x: Tensor,
    y: Tensor,
    ball: Linf | L2,
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
        The image kept, (n, ...), and with keep="best" its loss (n,). "best" is each example's highest loss on the
        way; it costs one forward pass more, to see the last iterate.
    """
    x_adv, best, best_loss = start, start, None
    step_size = per_example(step_size, x)
    for step in range(steps + (keep == "best")):
        x_adv = x_adv.detach().requires_grad_(step < steps)
        with torch.set_grad_enabled(step < steps):
            # a view, since torch's module hooks (its FLOP counter has some) cannot watch a leaf inside autograd.grad
            values = loss(model(x_adv.view_as(x_adv)), y, targets)
        if keep == "best":
            better = values > best_loss if best_loss is not None else torch.ones_like(values, dtype=torch.bool)
            best = torch.where(per_example(better, x), x_adv.detach(), best)
            best_loss = torch.where(better, values.detach(), best_loss) if best_loss is not None else values.detach()
        if step < steps:
            (gradient,) = torch.autograd.grad(values.sum(), x_adv)  # a sum: an image's step ignores its batch
            x_adv = project_pixels(ball, x, x_adv.detach() + step_size * ball.steepest(gradient))
    return (best, best_loss) if keep == "best" else (x_adv.detach(), None)


def _checked_once(model: Model, y: Tensor) -> Model:
    """The model, with what it returns looked at the first time."""
    seen = False

    def forward(x: Tensor) -> Tensor:
        nonlocal seen
        logits = model(x)
        if not seen:
            check_logits(logits, y)
            if torch.is_grad_enabled() and not logits.requires_grad:
                raise ValueError(
                    "model returned logits that do not depend on x by differentiable operations; no gradient can be taken."
                )
            seen = True
        return logits

    return forward


def default_generator(generator: torch.Generator | None) -> torch.Generator:
    """The generator given, or a fresh one with seed 0: without one, a call draws the same numbers every time."""
    if generator is None:
        return torch.Generator().manual_seed(0)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is a {type(generator).__name__}; it must be a torch.Generator or None.")
    return generator


def fgsm(model: Model, x: Tensor, y: Tensor, eps: float | Tensor, norm: str = "linf") -> Tensor:
    """Fast gradient (sign) method: one step of size eps, the steepest one, from the image itself.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside.
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        eps: radius in pixels of [0, 1]; one number, or one for each image, (n,).
        norm: "linf" or "l2".

    Returns:
        Attacked images, a new tensor like `x`, within eps of it and within [0, 1].

    Raises:
        ValueError, TypeError: an argument is not as said above.

    Source: Goodfellow et al. 2015, arXiv 1412.6572.
    """
    return pgd(model, x, y, eps, norm, steps=1, step_size=eps, random_start=False, keep="last")


def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    steps: int = 10,
    step_size: float | Tensor | None = None,
    random_start: bool = True,
    restarts: int = 1,
    loss: str = "ce",
    keep: str = "best",
    targets: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient descent: `steps` steepest steps, each followed by the projection onto ball and pixel range.

    The model is attacked in evaluation mode; its modes, its parameters and their gradients are as before afterwards.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside.
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        eps: radius in pixels of [0, 1]; one number, or one for each image, (n,).
        norm: "linf" or "l2".
        steps: gradient steps; each costs a forward and a backward pass.
        step_size: length of a step in `norm`, like eps; 2.5 * eps / steps if None.
        random_start: begin at a point drawn uniformly from the ball instead of at the image.
        restarts: runs in all; from the second on, only images that still stand are attacked again.
        loss: "ce", "margin" or "dlr" (losses.py).
        keep: "best", the iterate of highest loss, or "last".
        targets: int64, (n,): attack towards these classes instead of away from y.
        generator: draws the random starts; a fresh one with seed 0 if None.

    Returns:
        Attacked images, a new tensor like `x`, within eps of it (to float rounding) and within [0, 1].

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.

    Source: Madry et al. 2018, arXiv 1706.06083.
    """
    check_classifier_input(model, x, y)
    eps = check_radius("eps", eps, x)
    check_count("steps", steps)
    check_count("restarts", restarts)
    check_choice("keep", keep, ("best", "last"))
    objective = make_loss(loss)
    generator = default_generator(generator)
    make_ball(norm, eps)
    if step_size is None:
        step_size = 2.5 * eps / steps
    step_size = check_radius("step_size", step_size, x)
    if targets is not None:
        check_labels(targets, x, "targets")

    def run(rows: Tensor | slice) -> Tensor:
        """One run on some of the images."""
        x_, y_, targets_ = x[rows], y[rows], targets[rows] if targets is not None else None
        eps_, step_size_ = (v[rows] if isinstance(v, Tensor) else v for v in (eps, step_size))
        ball = make_ball(norm, eps_)
        start = project_pixels(ball, x_, x_ + ball.random_start(x_, generator)) if random_start else x_
        x_adv, _ = ascend(
            forward,
            x_,
            y_,
            ball,
            start=start,
            steps=steps,
            step_size=step_size_,
            loss=objective,
            targets=targets_,
            keep=keep,
        )
        return x_adv

    @torch.no_grad()
    def judge(x_adv: Tensor, rows: Tensor | slice) -> tuple[Tensor, Tensor]:
        """The loss of attacked images, and which of them still stand."""
        logits = forward(x_adv)
        if targets is None:
            return objective(logits, y[rows], None), logits.argmax(1) == y[rows]
        return objective(logits, y[rows], targets[rows]), logits.argmax(1) != targets[rows]

    with attack_mode(model):
        x, y = x.detach().clone(), y.clone()  # tensors of inference mode cannot be differentiated, their copies can
        forward = _checked_once(model, y if targets is None else torch.maximum(y, targets))
        x_adv = run(slice(None))
        if restarts > 1:
            value, stands = judge(x_adv, slice(None))
        for _ in range(restarts - 1):
            rows = stands.nonzero().squeeze(1)
            if not len(rows):
                break
            again = run(rows)
            again_value, again_stands = judge(again, rows)
            better = ~again_stands | (again_value > value[rows])
            x_adv[rows[better]] = again[better]
            value[rows[better]] = again_value[better]
            stands[rows] = again_stands
    return x_adv
