"""The bare loops behind the attacks, without checks, to be run in `attack_mode`.

`ascend` is projected gradient ascent with steps of one length; `apgd_ascent` chooses the length for each image as it
goes; `random_search` takes no gradient at all. What is the same for all three: an image's result never depends on
which other images are attacked beside it, and all random numbers come in from outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from samlib.balls import Ball, l2_norm, make_ball, per_example, project_pixels
from samlib.losses import Loss

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
        for p in trainable:
            p.requires_grad_(True)
        for module, training in modes:
            module.training = training


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
    broken: Tensor  # whether the model has misclassified an iterate

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
) -> Tensor:
    """Gradient ascent with momentum that halves an image's step where it no longer helps (APGD): the bare loop.

    The first steps are 2 * eps long. At each checkpoint an image's step is halved, and the image goes back to its best
    iterate, if the loss rose in fewer than three quarters of the steps since the last one, or if neither its step nor
    its best loss changed.

    Args:
        eps: one radius for each image, (n,).
        stop: an image is done as soon as the model misclassifies it. Without it every image takes all the steps.

    Returns:
        For each image the first iterate that the model misclassifies, else the one of highest loss, (n, ...).

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
        _evaluate(c, model, loss, stop, with_gradient=step < steps)
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


def _evaluate(c: _Ascent, model: Model, loss: Loss, stop: bool, with_gradient: bool) -> None:
    """Evaluate the loss at the iterates, and its gradient; remember the best."""
    x_adv = c.x_adv.detach().requires_grad_(with_gradient)
    with torch.set_grad_enabled(with_gradient):
        logits = model(x_adv.view_as(x_adv))
        values = loss(logits, c.y, c.targets)
    if with_gradient:
        (c.gradient,) = torch.autograd.grad(values.sum(), x_adv)
    value = values.detach().to(c.value.dtype)
    c.rises = c.rises + (value > c.value)
    c.value = value
    if stop:  # the first iterate that the model misclassifies is kept: no loss is above infinity
        c.broken = c.broken | (logits.detach().argmax(1) != c.y)
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


# ---- search without gradients ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposals:
    """The random numbers of one search. All images are shown the same proposals, so that none depends on its batch.

    `place` (queries, 4): the corners of two windows, as shares of the room that there is; `sign` (queries, channels):
    -1 or 1; `stripes` (1, channels, height, width): -1 or 1, where the search begins.
    """

    place: list[list[float]]
    sign: Tensor
    stripes: Tensor


def as_pictures(x: Tensor) -> Tensor:
    """The images with channels, height and width; a vector is one line of pixels."""
    return x if x.ndim == 4 else x.unsqueeze(1) if x.ndim == 3 else x.flatten(1)[:, None, None]


@dataclass(frozen=True)
class Moves:
    """What random search must know of a norm.

    `begin`: (signs, channels, height, width) -> the pattern of -1 and 1 that it begins with, in the ball's steepest
    direction; `signs(*shape)` draws. `propose`: (x, eps, best, share, place, sign) -> changed images, inside the ball.
    """

    begin: Callable[[Callable[..., Tensor], int, int, int], Tensor]
    propose: Callable[[Tensor, Tensor, Tensor, float, list[float], Tensor], Tensor]


def moves_in(norm: str) -> Moves:
    """The moves for a norm.

    Raises:
        ValueError: there are none.
    """
    if norm not in MOVES:
        raise ValueError(
            f"norm is {norm!r}, for which random search (square) has no moves, only for "
            f"{', '.join(map(repr, MOVES))}. Enter some in samlib.ascent.MOVES, or leave attacks of kind 'square' out."
        )
    return MOVES[norm]


def draw_proposals(x: Tensor, norm: str, queries: int, generator: torch.Generator) -> Proposals:
    """Draw what `random_search` needs for images like `x`."""
    _, channels, height, width = as_pictures(x).shape

    def signs(*shape: int) -> Tensor:
        drawn = torch.randint(2, shape, generator=generator, device=generator.device)
        return (2 * drawn - 1).to(x.device, x.dtype)

    place = torch.rand(queries, 4, generator=generator, device=generator.device, dtype=torch.float64).tolist()
    sign = signs(queries, channels)
    return Proposals(place, sign, moves_in(norm).begin(signs, channels, height, width))


def _window_share(query: int, queries: int) -> float:
    """The share of the pixels that a proposal changes: .8 at first, halved at fixed shares of the search."""
    done = query / queries * 10_000  # the schedule of the paper is given for ten thousand queries
    return 0.8 / 2 ** sum(done > bound for bound in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000))


def random_search(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: Tensor,
    norm: str,
    *,
    proposals: Proposals,
    loss: Loss,
    stop: bool = True,
) -> Tensor:
    """Change a random window of the image; keep the change where the loss rises. No gradient is taken: the bare loop.

    Args: as for `apgd_ascent`; `loss` is untargeted.

    Returns:
        For each image the first one found that the model misclassifies, else the one of highest loss, (n, ...).

    Source: the Square Attack, Andriushchenko et al. 2020, arXiv 1912.00049. For l_2 mass moves from one window to
    another, as there.
    """
    shape, queries = x.shape, len(proposals.place)
    x = as_pictures(x)
    ball = make_ball(norm, eps)
    begin = ball.steepest(proposals.stripes.expand_as(x))
    x_adv = project_pixels(ball, x, x + per_example(eps, x) * begin)
    rows, result, best = torch.arange(len(x), device=x.device), x_adv.clone(), x_adv
    propose = moves_in(norm).propose

    def look(images: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(images.reshape(-1, *shape[1:]))
        values, erred = loss(logits, y).to(images.dtype), logits.argmax(1) != y
        return (torch.where(erred, torch.inf, values) if stop else values), erred

    with torch.no_grad():
        value, found = look(best)
        for query in range(1, queries):
            if stop and (query & (query - 1) == 0 or query % 50 == 0):  # a wait for the device, see above
                result[rows] = best
                left = (~found).nonzero().squeeze(1)
                if not len(left):
                    break
                rows, x, y, eps, best, value, found = (t[left] for t in (rows, x, y, eps, best, value, found))
            share = _window_share(query, queries)
            images = propose(x, eps, best, share, proposals.place[query], proposals.sign[query])
            new_value, erred = look(images)
            better = new_value > value
            best = torch.where(per_example(better, x), images, best)
            value, found = torch.where(better, new_value, value), found | erred
    result[rows] = best
    return result.reshape(shape)


def _window(x: Tensor, share: float, row: float, column: float, smallest: int = 1) -> tuple[slice, slice]:
    """A window with about `share` of the pixels, square where the image is wide enough."""
    height, width = x.shape[-2:]
    side = max(round(math.sqrt(share * height * width)), smallest)
    tall, wide = min(side, height), min(side, width)
    top, left = int(row * (height - tall + 1)), int(column * (width - wide + 1))
    return slice(top, top + tall), slice(left, left + wide)


def _stripes(signs: Callable[..., Tensor], channels: int, height: int, width: int) -> Tensor:
    """l_inf: each column of a channel has one sign."""
    return signs(1, channels, 1, width).expand(1, channels, height, width)


def _tiles(signs: Callable[..., Tensor], channels: int, height: int, width: int) -> Tensor:
    """l_2: each tile has one sign; about five a side."""
    tile = max(min(height, width) // 5, 1)
    grid = signs(1, channels, -(-height // tile), -(-width // tile))
    return grid.repeat_interleave(tile, 2).repeat_interleave(tile, 3)[:, :, :height, :width]


def _repaint(x: Tensor, eps: Tensor, best: Tensor, share: float, place: list[float], sign: Tensor) -> Tensor:
    """l_inf: each channel of a window goes to one end of the ball, x + eps or x - eps."""
    rows, columns = _window(x, share, place[0], place[1])
    images = best.clone()
    images[:, :, rows, columns] = (x[:, :, rows, columns] + per_example(eps, x) * sign.view(-1, 1, 1)).clamp(0, 1)
    return images


def _move_mass(x: Tensor, eps: Tensor, best: Tensor, share: float, place: list[float], sign: Tensor) -> Tensor:
    """l_2: a window is emptied; what it held, and what is left of the budget, goes to a two-sided bump in another."""
    delta, ball = best - x, make_ball("l2", eps)
    to, source = _window(x, share, place[0], place[1], 3), _window(x, share, place[2], place[3], 3)
    rest = delta.clone()
    rest[:, :, source[0], source[1]] = 0
    rest[:, :, to[0], to[1]] = 0
    mass = (eps**2 - l2_norm(rest) ** 2).clamp(min=0).sqrt()
    old = delta[:, :, to[0], to[1]]
    pattern = _bump(x, old.shape[-2], old.shape[-1], upright=place[0] + place[2] < 1) * sign.view(-1, 1, 1)
    length = old.flatten(2).norm(dim=2).clamp(min=torch.finfo(x.dtype).tiny)
    rest[:, :, to[0], to[1]] = per_example(mass, x) * ball.steepest(pattern + old / length[:, :, None, None])
    return project_pixels(ball, x, x + rest)


def _bump(like: Tensor, height: int, width: int, upright: bool) -> Tensor:
    """One half positive and one half negative, each highest at its middle, of l_2 norm 1."""
    if upright:
        return _bump(like, width, height, False).T

    def off_centre(length: int) -> Tensor:
        places = torch.arange(length, dtype=like.dtype, device=like.device)
        return (places - (length - 1) / 2).abs() / max(length, 1)

    halves = []
    for rows in (height // 2, height - height // 2):
        distance = torch.maximum(off_centre(rows)[:, None], off_centre(width)[None])
        halves.append(1 / (1 + 8 * distance) ** 2)
    bump = torch.cat([halves[0], -halves[1]])
    return bump / bump.norm()


MOVES = {"linf": Moves(_stripes, _repaint), "l2": Moves(_tiles, _move_mass)}
