"""The input space: find the image near x on which the model errs most.

The threat model: the attacker knows the model (white box), may move each image within a ball of radius eps around
it, and the result must be an image, with pixels in [0, 1]. An attack gives an upper bound on robustness: where
it fails, another may succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from samlib.ascent import Model, apgd_ascent, ascend, attack_mode
from samlib.balls import check_inside, make_ball, per_example
from samlib.batches import Batches
from samlib.checks import (
    check_choice,
    check_classifier_input,
    check_count,
    check_labels,
    check_logits,
    check_not_probabilities,
    check_radius,
)
from samlib.losses import is_broken, make_loss

__all__ = ["Model", "apgd", "ascend", "attack_mode", "default_generator", "fgsm", "pgd"]


def fgsm(
    model: Model, x: Tensor, y: Tensor, eps: float | Tensor, norm: str = "linf", batch_size: int | None = None
) -> Tensor:
    """Fast gradient (sign) method: one step of size eps, the steepest one, from the image itself.

    Args, raises: as for `pgd`.

    Returns:
        Attacked images, a new tensor like `x`, within eps of it and within [0, 1].

    Source: Goodfellow et al. 2015, arXiv 1412.6572.
    """
    return pgd(model, x, y, eps, norm, steps=1, step_size=eps, random_start=False, keep="last", batch_size=batch_size)


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
    batch_size: int | None = None,
) -> Tensor:
    """Projected gradient descent: `steps` steepest steps, each followed by the projection onto ball and pixel range.

    The model is attacked in evaluation mode; its modes, its parameters and their gradients are as before afterwards.
    An image is broken if the model errs on it; with `targets`, if it takes it for its target.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside.
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        eps: radius in pixels of [0, 1]; one number, or one for each image, (n,).
        norm: "linf" or "l2" (balls.BALLS).
        steps: gradient steps; each costs a forward and a backward pass.
        step_size: length of a step in `norm`, like eps; 2.5 * eps / steps if None.
        random_start: begin at a point drawn uniformly from the ball instead of at the image.
        restarts: runs in all; from the second on, only images that are not broken yet are attacked again.
        loss: "ce", "margin" or "dlr" (losses.py).
        keep: "best", the iterate of highest loss, of the broken ones if there are any; or "last".
        targets: int64, (n,): attack towards these classes instead of away from y.
        generator: draws the random starts; a fresh one with seed 0 if None.
        batch_size: images attacked at once; by the size of an image if None. It does not change the result, and what
            is too much for the memory is halved.

    Returns:
        Attacked images, a new tensor like `x`, within eps of it (to float rounding) and within [0, 1].

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.

    Source: Madry et al. 2018, arXiv 1706.06083.
    """
    task = Task(model, x, y, eps, norm, loss, targets, generator, batch_size)
    steps = check_count("steps", steps)
    check_choice("keep", keep, ("best", "last"))
    lengths = check_radius("step_size", 2.5 * task.eps / steps if step_size is None else step_size, x)

    def run(model: Model, rows: Tensor, start: Tensor) -> Tensor:
        x, y, eps, step_size, targets = task.of(rows, task.x, task.y, task.eps, lengths, task.targets)
        how: Any = {"steps": steps, "step_size": step_size, "loss": task.loss, "targets": targets, "keep": keep}
        return ascend(model, x, y, make_ball(norm, eps), start=start, **how)[0]

    return task.best(run, restarts, random_start)


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
    batch_size: int | None = None,
) -> Tensor:
    """Auto-PGD: gradient ascent with momentum that finds each image's step length itself, from a random start.

    There is no step size to choose, and so none to choose badly. An image is done as soon as it is broken; the model
    is attacked in evaluation mode, and its modes, parameters and their gradients are as before afterwards.

    Args:
        model, x, y, eps, norm, loss, targets, restarts, generator, batch_size: as for `pgd`.
        steps: gradient steps; each costs a forward and a backward pass.

    Returns:
        A new tensor like `x`, within eps of it (to float rounding) and within [0, 1]; a broken image where one was
        found, else the one of highest loss. Broken means the same as for `pgd`: with `targets`, the target is reached.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.

    Source: Croce and Hein 2020, arXiv 2003.01690.
    """
    task = Task(model, x, y, eps, norm, loss, targets, generator, batch_size)
    steps = check_count("steps", steps)

    def run(model: Model, rows: Tensor, start: Tensor) -> Tensor:
        x, y, eps, targets = task.of(rows, task.x, task.y, one_for_each(task.eps, task.x), task.targets)
        return apgd_ascent(model, x, y, eps, norm, start=start, steps=steps, loss=task.loss, targets=targets)

    return task.best(run, restarts, random_start=True)


# ---- what all attacks share ------------------------------------------------------------------------------------------


def default_generator(generator: torch.Generator | None) -> torch.Generator:
    """The generator given, or a fresh one with seed 0: without one, a call draws the same numbers every time."""
    if generator is None:
        return torch.Generator().manual_seed(0)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator is a {type(generator).__name__}; it must be a torch.Generator or None.")
    return generator


def one_for_each(eps: float | Tensor, x: Tensor) -> Tensor:
    """The radius as (n,), one for each image."""
    return eps if isinstance(eps, Tensor) else torch.full((len(x),), eps, dtype=x.dtype, device=x.device)


class Task:
    """What an attack is given, checked where it comes in, and how it is done: a batch at a time, the best of runs."""

    def __init__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        eps: float | Tensor,
        norm: str,
        loss: str,
        targets: Tensor | None,
        generator: torch.Generator | None,
        batch_size: int | None,
    ) -> None:
        check_classifier_input(model, x, y)
        self.model, self.x, self.y, self.norm, self.targets = model, x.detach(), y, norm, targets
        self.eps = check_radius("eps", eps, x)
        self.ball, self.loss = make_ball(norm, self.eps), make_loss(loss)
        if targets is not None:
            check_labels(targets, x, "targets")
        self.generator, self.batches = default_generator(generator), Batches(x, batch_size)
        self.looked = False

    def of(self, rows: Tensor, *values: float | Tensor | None) -> list[Any]:
        """What belongs to some of the images; a number belongs to all."""
        return [v[rows] if isinstance(v, Tensor) else v for v in values]

    def model_for(self, rows: Tensor) -> Model:
        """The model, with what it returns first looked at; and once, on the first batch, whether it is logits."""
        y, targets = self.of(rows, self.y, self.targets)
        seen = False

        def forward(x: Tensor) -> Tensor:
            nonlocal seen
            logits = self.model(x)
            if not seen:
                check_logits(logits, y if targets is None else torch.maximum(y, targets))
                if not self.looked:
                    check_not_probabilities(logits)
                if torch.is_grad_enabled() and not logits.requires_grad:
                    raise ValueError(
                        "model returned logits that do not depend on x by differentiable operations; "
                        "no gradient can be taken."
                    )
                seen = self.looked = True
            return logits

        return forward

    def best(self, run: Callable[[Model, Tensor, Tensor], Tensor], runs: int = 1, random_start: bool = False) -> Tensor:
        """The best of `runs` runs on each image; from the second on, only those that are not broken are attacked.

        `run`: (model, rows, start) -> attacked images (rows, ...). Starts are drawn for all images, whichever are left:
        neither the size of a batch nor who else is in it changes what an image is given.
        """
        runs = check_count("restarts", runs)
        x, offset, left = self.x, None, torch.arange(len(self.x), device=self.x.device)

        def attack(rows: Tensor) -> Tensor:
            start = x[rows] if offset is None else (x[rows] + offset[rows]).clamp(0, 1)
            return check_inside(self.norm, self.of(rows, self.eps)[0], x[rows], run(self.model_for(rows), rows, start))

        with attack_mode(self.model):
            x_adv, broken = x.clone(), torch.zeros_like(self.y, dtype=torch.bool)
            value = torch.full_like(x.flatten(1)[:, 0], torch.nan)  # no loss is at most NaN: the first run is kept
            for _ in range(runs):
                offset = self.ball.random_start(x, self.generator) if random_start else None
                for rows, found in self.batches.each(attack, left):
                    if runs > 1:
                        with torch.no_grad():
                            y, targets, logits = *self.of(rows, self.y, self.targets), self.model(found)
                        new, broken[rows] = self.loss(logits, y, targets).to(x.dtype), is_broken(logits, y, targets)
                        better = broken[rows] | ~(new <= value[rows])
                        value[rows] = torch.where(better, new, value[rows])
                        found = torch.where(per_example(better, x), found, x_adv[rows])
                    x_adv[rows] = found
                left = (~broken).nonzero().squeeze(1)
        return x_adv
