"""Attacks tried on networks: each attack on each network, with few steps and with many, at several eps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Attack = Callable[
    [nn.Module, Tensor, Tensor, Tensor, int], Tensor
]  # (network, x, y, eps (n,), steps) -> attacked images


@dataclass(frozen=True)
class Trials:
    """What every attack did to every network.

    Args:
        networks, attacks, eps, steps: what was tried.
        x, y: the images before any attack, (n, ...), and their labels, (n,).
        images: {(network, attack, steps): the attacked images at each eps, (eps, n, ...)}.
        answers: {(network, attack, steps): the classes that the network gives them, (eps, n)}.
        clean: {network: how many images it classifies correctly without an attack}.
    """

    networks: tuple[str, ...]
    attacks: tuple[str, ...]
    eps: tuple[float, ...]
    steps: tuple[int, ...]
    x: Tensor
    y: Tensor
    images: Mapping[tuple[str, str, int], Tensor]
    answers: Mapping[tuple[str, str, int], Tensor]
    clean: Mapping[str, int]

    def attacked(self, network: str, attack: str, steps: int, eps: float) -> tuple[Tensor, Tensor]:
        """The attacked images, (n, ...), and the classes that the network gives them, (n,)."""
        at = self.eps.index(eps)
        return self.images[network, attack, steps][at], self.answers[network, attack, steps][at]

    def robust(self, network: str, attack: str, steps: int, eps: float) -> int:
        """How many of the images the attack does not get misclassified."""
        return int((self.attacked(network, attack, steps, eps)[1] == self.y).sum())

    def robust_to_all(self, network: str, eps: float) -> int:
        """How many of the images no attack with any number of steps gets misclassified."""
        at = self.eps.index(eps)
        right = [self.answers[network, attack, steps][at] == self.y for attack in self.attacks for steps in self.steps]
        return int(torch.stack(right).all(0).sum())


def try_attacks(
    attacks: Mapping[str, Attack],
    networks: Mapping[str, nn.Module],
    x: Tensor,
    y: Tensor,
    eps: Sequence[float],
    steps: Sequence[int],
) -> Trials:
    """Try every attack on every network, with each number of steps, at all eps at once.

    Args:
        attacks: {name: a function of network, images, labels, eps (one for each image) and steps}.
        networks: {name: images (n, ...) -> logits}.
        x, y: images (n, ...) in [0, 1] and their labels (n,).
        eps, steps: radii in pixels of [0, 1], and numbers of steps.
    """
    many_x, many_y = x.repeat(len(eps), *[1] * (x.dim() - 1)), y.repeat(len(eps))
    radii = torch.tensor(eps).repeat_interleave(len(x))
    images, answers, clean = {}, {}, {}
    for network, net in networks.items():
        clean[network] = int((classes(net, x) == y).sum())
        for attack, run in attacks.items():
            for k in steps:
                x_adv = run(net, many_x, many_y, radii, k)
                images[network, attack, k] = x_adv.view(len(eps), *x.shape)
                answers[network, attack, k] = classes(net, x_adv).view(len(eps), len(x))
    return Trials(tuple(networks), tuple(attacks), tuple(eps), tuple(steps), x, y, images, answers, clean)


def in_words(steps: int) -> str:
    """ "1 step", "10 steps"."""
    return f"{steps} step{'s' * (steps != 1)}"


@torch.no_grad()
def classes(net: nn.Module, x: Tensor) -> Tensor:
    """The class that a network gives each image, (n,)."""
    return net(x).argmax(1)
