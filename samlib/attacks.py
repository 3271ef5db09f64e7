"""The input space: find the image near x on which the model errs most.

The threat model: the attacker knows the model (white box), may move each image within a ball of radius eps around
it, and the result must be an image, with pixels in [0, 1]. An attack gives an upper bound on robustness: where
it fails, another may succeed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from samlib.ascent import Model, apgd_ascent, ascend, attack_mode
from samlib.balls import Ball, check_inside, make_ball, per_example, project_pixels
from samlib.checks import (
    check_choice,
    check_classifier_input,
    check_count,
    check_labels,
    check_logits,
    check_not_probabilities,
    check_radius,
)
from samlib.losses import make_loss

__all__ = ["Model", "apgd", "ascend", "attack_mode", "default_generator", "fgsm", "pgd"]


def _checked_once(model: Model, y: Tensor) -> Model:
    """The model, with what it returns looked at the first time."""
    seen = False

    def forward(x: Tensor) -> Tensor:
        nonlocal seen
        logits = model(x)
        if not seen:
            check_logits(logits, y)
            check_not_probabilities(logits)
            if torch.is_grad_enabled() and not logits.requires_grad:
                raise ValueError(
                    "model returned logits that do not depend on x by differentiable operations; "
                    "no gradient can be taken."
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

    Args, raises: as for `pgd`.

    Returns:
        Attacked images, a new tensor like `x`, within eps of it and within [0, 1].

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
        norm: "linf" or "l2" (balls.BALLS).
        steps: gradient steps; each costs a forward and a backward pass.
        step_size: length of a step in `norm`, like eps; 2.5 * eps / steps if None.
        random_start: begin at a point drawn uniformly from the ball instead of at the image.
        restarts: runs in all; from the second on, only images that are still robust are attacked again.
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
        """The loss of attacked images, and which of them are still robust."""
        logits = forward(x_adv)
        if targets is None:
            return objective(logits, y[rows], None), logits.argmax(1) == y[rows]
        return objective(logits, y[rows], targets[rows]), logits.argmax(1) != targets[rows]

    with attack_mode(model):
        x, y = x.detach().clone(), y.clone()  # tensors of inference mode cannot be differentiated, their copies can
        forward = _checked_once(model, y if targets is None else torch.maximum(y, targets))
        x_adv = run(slice(None))
        if restarts > 1:
            value, robust = judge(x_adv, slice(None))
        for _ in range(restarts - 1):
            rows = robust.nonzero().squeeze(1)
            if not len(rows):
                break
            again = run(rows)
            again_value, again_robust = judge(again, rows)
            better = ~again_robust | (again_value > value[rows])
            x_adv[rows[better]] = again[better]
            value[rows[better]] = again_value[better]
            robust[rows] = again_robust
    return check_inside(norm, eps, x, x_adv)


def one_for_each(eps: float | Tensor, x: Tensor) -> Tensor:
    """The radius as (n,), one for each image."""
    return eps if isinstance(eps, Tensor) else torch.full((len(x),), eps, dtype=x.dtype, device=x.device)


def apgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    steps: int = 100,
    loss: str = "ce",
    targets: Tensor | None = None,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Auto-PGD: gradient ascent with momentum that finds each image's step length itself, from a random start.

    There is no step size to choose, and so none to choose badly. An image is done as soon as the model errs on it; the
    model is attacked in evaluation mode, and its modes, parameters and their gradients are as before afterwards.

    Args:
        model, x, y, eps, norm, loss, generator: as for `pgd`.
        steps: gradient steps; each costs a forward and a backward pass.
        targets: int64, (n,): ascend towards these classes. An image counts as broken whichever wrong class wins.
        restarts: runs in all; from the second on, only images that are still robust are attacked again.

    Returns:
        A new tensor like `x`, within eps of it (to float rounding) and within [0, 1]: the image that the model errs on
        where one was found, else the one of highest loss (of the last run).

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.

    Source: Croce and Hein 2020, arXiv 2003.01690.
    """
    check_classifier_input(model, x, y)
    eps = check_radius("eps", eps, x)
    ball = make_ball(norm, 1.0)
    check_count("steps", steps)
    check_count("restarts", restarts)
    objective = make_loss(loss)
    generator = default_generator(generator)
    if targets is not None:
        check_labels(targets, x, "targets")

    with attack_mode(model):
        x, y, eps = x.detach().clone(), y.clone(), one_for_each(eps, x).clone()
        forward = _checked_once(model, y if targets is None else torch.maximum(y, targets))
        x_adv, rows = x.clone(), torch.arange(len(x), device=x.device)
        for _ in range(restarts):
            start = random_start(ball, x, eps, generator)
            x_adv[rows] = apgd_ascent(
                forward,
                x[rows],
                y[rows],
                eps[rows],
                norm,
                start=start[rows],
                steps=steps,
                loss=objective,
                targets=None if targets is None else targets[rows],
            )
            if restarts > 1:
                with torch.no_grad():
                    rows = rows[forward(x_adv[rows]).argmax(1) == y[rows]]
                if not len(rows):
                    break
    return check_inside(norm, eps, x, x_adv)


def random_start(unit_ball: Ball, x: Tensor, eps: Tensor, generator: torch.Generator) -> Tensor:
    """A point drawn uniformly from the ball of radius eps, (n,), around each image, then brought into the pixel range.

    Drawn for all images at once and before any batch is cut, so that no batch size changes what an image is given.
    """
    offset = unit_ball.random_start(x, generator) * per_example(eps, x)
    return (x + offset).clamp(0, 1)
