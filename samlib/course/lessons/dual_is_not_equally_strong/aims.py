"""The family between SAM's perturbation and the attack's: equally long in features, or equally long in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course import plots, style, widgets
from samlib.duality import at_layer, dz_between

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
LENGTH = 0.2  # of dz, as a share of ||x||
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
            logits = net[3:](net.fc1(flat + change))
            found[alpha, unit] = Member(change, logits.argmax(1), float(F.cross_entropy(logits, y)))
    return found


@style.look()
def family(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> widgets.Live:
    """From SAM's perturbation of the features to the attack's, on one digit of each class, and on all digits."""
    chosen = [int((y == digit).nonzero()[3]) for digit in range(10)]
    found = {name: members(net, x, y) for name, net in nets.items()}
    digits = x.flatten(1)[chosen]
    figure = widgets.figure(8.4, 3.9)
    tiles = plots.Mosaic(figure.add_axes((0.025, 0.0, 0.45, 0.98)), 2, 3)
    looks = dict(zip(UNITS, ("blue", "orange"), strict=True))
    for row, (unit, look) in enumerate(looks.items()):
        colour = plots.STYLES[look]["color"]
        tiles.image.axes.text(
            -1, 14 * row + 10, unit, rotation=90, ha="center", va="center", fontsize=8.5, color=colour
        )
    curves = plots.Curves(
        figure.add_axes((0.54, 0.13, 0.45, 0.79)), looks, "alpha: 0 is SAM's kick, 1 the attack's", "mean loss"
    )
    highest = max(member.loss for of_net in found.values() for member in of_net.values())
    curves.ax.set(ylim=(0, 1.2 * highest), xlim=(-0.08, 2.08))
    curves.ax.legend(loc="upper right", frameon=False, fontsize=9)

    def draw(alpha: float, digit: int, network: str) -> str:
        picture, said = lambda v: v.view(8, 8).numpy(), []
        for row, unit in enumerate(UNITS):
            member = found[network][alpha, unit]
            dx, read = member.dx[chosen[digit]], int(member.classes[chosen[digit]])
            verdict = f"read as {read} {'✓' if read == digit else '✗'}"
            tiles.show(
                {
                    (row, 0): (plots.grey(picture(digits[digit])), f"digit {digit}", "black"),
                    (row, 1): (plots.signed(picture(dx), 0.3), f"kick, {dx.norm():.2f} long", "black"),
                    (row, 2): (
                        plots.grey(picture(digits[digit] + dx)),
                        verdict,
                        "#00664b" if read == digit else plots.RED,
                    ),
                }
            )
            said.append(f"{unit}: {dx.norm():.2f} long in pixels, {verdict}, mean loss {member.loss:.2f}")
        losses = {unit: [found[network][a, unit].loss for a in ALPHAS] for unit in UNITS}
        curves.show(ALPHAS, losses, alpha, f"{network} network")
        return f"alpha {alpha:g}, digit {digit}, {network}: {'; '.join(said)}."

    controls = {
        "alpha": widgets.choice_slider("alpha: 0 SAM, 1 the attack", ALPHAS, 0.0),
        "digit": widgets.choice_slider("digit", range(10), 8),
        "network": widgets.toggle("network trained with", list(nets), "SGD"),
    }
    return widgets.live(figure, draw, controls)
