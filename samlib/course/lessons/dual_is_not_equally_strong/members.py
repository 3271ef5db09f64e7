"""The family between SAM's perturbation and the attack's: equally long in features, or equally long in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.lessons.dual_is_not_equally_strong.pictures import FamilyPicture
from samlib.duality import at_layer, dz_between

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
LENGTH = 0.2  # of dz, as a share of ||x||
DIGITS = (0, 2, 3, 5, 6, 8)  # of ten: the pages hold a picture of every state
UNITS = ("same length in features", "same length in pixels")


@dataclass(frozen=True)
class Member:
    """One member of the family on one network: dx (n, 64), the predicted classes (n,) and the mean loss."""

    dx: Tensor
    classes: Tensor
    loss: float


@torch.no_grad()
def members(net: nn.Sequential, x: Tensor, y: Tensor) -> dict[tuple[float, str], Member]:
    """{(alpha, unit): member} for digits x (n, 1, 8, 8), y (n,); a unit says in which space all dx are equally long."""
    seen, flat, found = at_layer(net, x, y), x.flatten(1), {}
    pixels = {
        alpha: dz_between(seen.weight, seen.g, seen.x, LENGTH, alpha) @ torch.linalg.pinv(seen.weight).T
        for alpha in ALPHAS
    }
    length = pixels[1.0].norm(dim=1, keepdim=True)
    for alpha, dx in pixels.items():
        for unit, change in zip(UNITS, (dx, length * F.normalize(dx, dim=1)), strict=True):
            logits = net[2:](flat + change)  # all but normalize and flatten
            found[alpha, unit] = Member(change, logits.argmax(1), float(F.cross_entropy(logits, y)))
    return found


@style.look()
def family(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> widgets.Live:
    """From SAM's perturbation of the features to the attack's, on one digit of each class, and on all digits."""
    chosen = [int((y == digit).nonzero()[3]) for digit in range(10)]
    found = {name: members(net, x, y) for name, net in nets.items()}
    digits = x.flatten(1)[chosen]
    highest = max(member.loss for of_net in found.values() for member in of_net.values())
    picture = FamilyPicture(style.figure(3.44), ALPHAS, UNITS, highest)

    def draw(alpha: float, digit: int, network: str) -> str:
        said = []
        for unit in UNITS:
            member = found[network][alpha, unit]
            dx, predicted = member.dx[chosen[digit]], int(member.classes[chosen[digit]])
            wrong = predicted != digit
            clean, change = (values.view(8, 8).numpy() for values in (digits[digit], dx))
            words = f"digit {digit}", f"{dx.norm():.2f} in pixels", f"says {predicted} {'✗' if wrong else '✓'}"
            picture.show_digit(unit, clean, change, *words, wrong=wrong)
            verdict = f"classified as {predicted} {'✗' if wrong else '✓'}"
            said.append(f"{unit}: {dx.norm():.2f} long in pixels, {verdict}, mean loss {member.loss:.2f}")
        losses = {unit: [found[network][a, unit].loss for a in ALPHAS] for unit in UNITS}
        picture.show_losses(losses, alpha, "Each is the best in its own unit", f"{network} network, all digits")
        return f"alpha {alpha:g}, digit {digit}, {network}: {'; '.join(said)}."

    controls = {
        "alpha": widgets.choice_slider("alpha: 0 SAM, 1 the attack", ALPHAS, 0.0),
        "digit": widgets.choice_slider("digit", DIGITS, 8),
        "network": widgets.toggle("network trained with", list(nets), "SGD"),
    }
    return widgets.live(picture.fig, draw, controls)
