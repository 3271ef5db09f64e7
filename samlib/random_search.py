"""The Square attack: search without gradients, from the model's answers alone.

`square` is the public function; `random_search` the bare loop behind it, to be run in `attack_mode`. Random numbers
come in from outside, and all images are shown the same ones, so that no image's result depends on which others are
searched beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from samlib.ascent import Model
from samlib.attacks import Task, one_for_each
from samlib.balls import l2_norm, make_ball, per_example, project_pixels
from samlib.checks import check_count
from samlib.losses import Loss


def square(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    queries: int = 1000,
    loss: str = "margin",
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """Random search without gradients: repaint a random square, keep it if the loss rises; squares shrink on the way.

    Only the model's answers are used, so vanishing or misleading gradients do not stop it. An image is done as soon
    as the model errs on it. The same squares are tried on every image.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside. It need not be differentiable.
        x, y, eps, norm, loss, batch_size: as for `pgd`; a vector is taken as one line of pixels.
        queries: forward passes for each image, the first one included.
        generator: draws the search; a fresh one with seed 0 if None.

    Returns:
        A new tensor like `x`, within eps of it (to float rounding) and within [0, 1]; the image that the model errs on
        where one was found, else the one of highest loss.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.

    Source: Andriushchenko et al. 2020, arXiv 1912.00049.
    """
    task = Task(model, x, y, eps, norm, loss, None, generator, batch_size)
    queries = check_count("queries", queries)
    proposals = draw_proposals(x, norm, queries, task.generator)

    def run(model: Model, rows: Tensor, start: Tensor) -> Tensor:
        x, y, eps = task.of(rows, task.x, task.y, one_for_each(task.eps, task.x))
        return random_search(model, x, y, eps, norm, proposals=proposals, loss=task.loss)

    return task.best(run)


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
            f"{', '.join(map(repr, MOVES))}. Enter some in samlib.random_search.MOVES, or leave out attacks of "
            "kind 'square'."
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

    Args, but for the random `proposals`: as for `apgd_ascent`; `loss` is untargeted.

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
        logits = model(images.reshape(-1, *shape[1:]).clone())
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
