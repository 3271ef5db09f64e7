"""Clean and robust accuracy.

Robust accuracy is estimated from above: an image counts as robust while no attack has broken it. One attack flatters
some models (cross-entropy the certain ones, a margin others), so the worst over a union is reported, and each later attack
works only on what the earlier ones left standing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samlib.attacks import Model, attack_mode, default_generator, pgd
from samlib.balls import make_ball
from samlib.checks import check_classifier_input, check_count, check_logits, check_number, check_radius
from samlib.losses import make_loss, margin


@dataclass(frozen=True)
class Attack:
    """One PGD attack of a union: its loss, steps, the length of a step in units of eps, and restarts.

    With `targets` = k it is run k times, each time towards the next most likely wrong class. Steps of eps / 4 are long enough
    to leave a bad region and, since the best iterate is kept, lose nothing: on the digits they break up to one image
    in a hundred more than steps of 2.5 eps / steps, and come within two images of AutoAttack.
    """

    loss: str = "ce"
    steps: int = 40
    step: float = 0.25
    restarts: int = 1
    targets: int = 0

    def __post_init__(self) -> None:
        make_loss(self.loss)
        check_count("steps", self.steps)
        check_number("step", self.step, open_low=True)
        check_count("restarts", self.restarts)
        check_count("targets", self.targets, low=0)


STANDARD = (Attack("ce"), Attack("margin"), Attack("margin", targets=3))


def _predict(model: Model, x: Tensor, y: Tensor, batch_size: int) -> Tensor:
    """Logits of all images, (n, classes)."""
    parts = []
    with attack_mode(model), torch.no_grad():
        for batch, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
            parts.append(model(batch))
            check_logits(parts[-1], labels)
    return torch.cat(parts)


def accuracy(model: Model, x: Tensor, y: Tensor, batch_size: int = 1024) -> float:
    """Share of images that the model, in evaluation mode, classifies correctly, in [0, 1].

    Args:
        model: images (n, ...) -> logits (n, classes).
        x, y: images with pixels in [0, 1], float32 or float64, (n, ...); labels, int64, (n,).
        batch_size: images in one forward pass.
    """
    check_classifier_input(model, x, y)
    check_count("batch_size", batch_size)
    logits = _predict(model, x, y, batch_size)
    return float((logits.argmax(1) == y).double().mean())


def survivors(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    attacks: Sequence[Attack] = STANDARD,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Which images are classified correctly and withstand every attack: bool, (n,).

    Arguments as for `robust_accuracy`.
    """
    check_classifier_input(model, x, y)
    eps = check_radius("eps", eps, x)
    make_ball(norm, eps)
    check_count("batch_size", batch_size)
    if not attacks or not all(isinstance(attack, Attack) for attack in attacks):
        raise TypeError(f"attacks is {attacks!r}; it must be a non-empty sequence of samlib.evaluation.Attack.")
    generator = default_generator(generator)
    logits = _predict(model, x, y, batch_size)
    stands = logits.argmax(1) == y
    ranking = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)  # wrong classes, likely ones first

    def attack_all(attack: Attack, rank: int | None) -> None:
        if not stands.any():
            return
        for rows in stands.nonzero().squeeze(1).split(batch_size):
            eps_ = eps[rows] if isinstance(eps, Tensor) else eps
            targets = None if rank is None else ranking[rows, rank]
            x_adv = pgd(
                model,
                x[rows],
                y[rows],
                eps_,
                norm,
                attack.steps,
                attack.step * eps_,
                restarts=attack.restarts,
                loss=attack.loss,
                targets=targets,
                generator=generator,
            )
            stands[rows] = margin(_predict(model, x_adv, y[rows], batch_size), y[rows]) < 0

    for attack in attacks:
        ranks = range(min(attack.targets, logits.shape[1] - 1)) if attack.targets else [None]
        for rank in ranks:
            attack_all(attack, rank)
    return stands


def robust_accuracy(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    attacks: Sequence[Attack] = STANDARD,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> float:
    """Share of images that are classified correctly and that no attack of a union breaks, in [0, 1].

    An upper bound: what a stronger attack would find is not known. The default union is PGD with 40 steps of eps / 4
    from a random start on cross-entropy, on the margin, and on the margin towards each of the three most likely wrong classes.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside and is attacked in evaluation mode.
        x, y: images with pixels in [0, 1], float32 or float64, (n, ...); labels, int64, (n,).
        eps: radius in pixels of [0, 1]; one number, or one for each image, (n,).
        norm: "linf" or "l2".
        attacks: the union, in the order in which they are tried.
        batch_size: images attacked at once.
        generator: draws the random starts; a fresh one with seed 0 if None.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.
    """
    return float(survivors(model, x, y, eps, norm, attacks, batch_size, generator).double().mean())


def robust_curve(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "linf",
    attacks: Sequence[Attack] = STANDARD,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Robust accuracy at each of several radii, in increasing order; other arguments as for `robust_accuracy`.

    What breaks an image in a small ball breaks it in a larger one too, so only survivors are attacked again, and
    the curve never rises.

    Raises:
        ValueError: `eps` is empty or does not increase.
    """
    radii = [check_number("eps", e) for e in eps]
    if not radii or any(b <= a for a, b in itertools.pairwise(radii)):
        raise ValueError(f"eps is {list(eps)}; it must hold at least one radius, in increasing order.")
    check_classifier_input(model, x, y)
    generator = default_generator(generator)
    stands = torch.ones(len(x), dtype=torch.bool, device=x.device)
    curve = []
    for radius in radii:
        rows = stands.nonzero().squeeze(1)
        if len(rows):
            stands[rows] = survivors(model, x[rows], y[rows], radius, norm, attacks, batch_size, generator)
        curve.append(float(stands.double().mean()))
    return curve
