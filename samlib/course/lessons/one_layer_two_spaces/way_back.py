"""The way back: SAM's ascent step in the first layer's weights, as a change of one digit's pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.pictures import Sheet, axes, grey, signed
from samlib.duality import Layer, at_layer, input_equivalent, sam_step

RHOS, SHARED, DIGITS = (0.1, 0.2, 0.4), (1, 8, 128), (2, 3, 5, 8)


@dataclass(frozen=True)
class Way:
    """One perturbation of one digit, and what the network makes of it.

    Args:
        dx: the change of the pixels, (64,).
        outside: the share of the changed pixels that are no pixels any more, below 0 or above 1.
        loss: after the change.
        logits: {how it was done: (10,)}; "weights" and "pixels" for SAM's step, "pixels" alone for the attack's.
    """

    dx: Tensor
    outside: float
    loss: float
    logits: dict[str, Tensor]

    @property
    def says(self) -> int:
        """The class that the network gives."""
        return int(self.logits["pixels"].argmax())


@torch.no_grad()
def two_ways(net: nn.Sequential, batch: Layer, digit: int, rho: float) -> tuple[Way, Way]:
    """SAM's ascent step in the first layer, shared by a batch, as its first example feels it; an attack as long.

    Args:
        net: as `samlib.mlp` makes it, with at most as many units in the first layer as pixels.
        batch: `at_layer` of the examples that share the step; the first is the one looked at.
        digit: its label.
        rho: length of the step in weights and bias together.
    """
    weight, x = batch.weight, batch.x[0]
    d_weight, d_bias = sam_step(batch.g, batch.x, rho, bias=True)
    dx = input_equivalent(weight, d_weight, x, d_bias)
    uphill = weight.T @ batch.g[0]

    def way(dx: Tensor, **logits: Tensor) -> Way:
        logits["pixels"] = net((x + dx).view(1, 1, 8, 8))[0]
        outside = ((x + dx < -1e-9) | (x + dx > 1 + 1e-9)).double().mean().item()
        return Way(dx, outside, float(F.cross_entropy(logits["pixels"], torch.tensor(digit))), logits)

    assert d_bias is not None  # asked for
    by_weights = net[3:](batch.z[0] + d_weight @ x + d_bias)
    return way(dx, weights=by_weights), way(dx.norm() * uphill / uphill.norm())


def shared_with(x: Tensor, y: Tensor, digit: Tensor, label: int, m: int) -> tuple[Tensor, Tensor]:
    """A digit (1, 1, 8, 8), and m - 1 others drawn from x, y (the same for every digit): (m, 1, 8, 8) and (m,)."""
    others = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: m - 1]
    return torch.cat([digit, x[others]]), torch.cat([torch.tensor([label]), y[others]])


def way_back(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor, ten: Tensor) -> widgets.Live:
    """SAM's ascent step as a change of a digit's pixels, and an attack that changes the pixels by the same length.

    Args:
        nets: networks by name, as `samlib.mlp` makes them, in double precision.
        x, y: training digits, some of which share the step.
        ten: a digit of each class, (10, 1, 8, 8), from 0 to 9.
    """
    found, before = {}, {}
    for name, net in nets.items():
        for digit in DIGITS:
            for m in SHARED:
                batch = at_layer(net, *shared_with(x, y, ten[digit : digit + 1], digit, m))
                for rho in RHOS:
                    found[digit, rho, name, m] = two_ways(net, batch, digit, rho)
            with torch.no_grad():
                before[digit, name] = net(ten[digit : digit + 1])[0]
    with style.look():
        picture = WayBackPicture(style.figure(3.76))

    def draw(digit: int, rho: float, network: str, m: int) -> str:
        image, logits = ten[digit].flatten(), before[digit, network]
        ours, theirs = found[digit, rho, network, m]
        loss = float(F.cross_entropy(logits, torch.tensor(digit)))
        seen = [w.logits["pixels"] for m in SHARED for w in found[digit, rho, network, m]]
        highest = 1.2 * float(torch.stack([logits, *seen]).abs().max())  # one scale, however many share the step
        picture.show(image.numpy(), digit, (logits.numpy(), loss), (ours, theirs), highest)
        differ = float((ours.logits["weights"] - ours.logits["pixels"]).abs().max())
        return (
            f"Digit {digit}, {network} network, rho {rho:g}, step shared by {m}: loss {loss:.3f} before, "
            f"{ours.loss:.3f} after SAM's step, classified as {ours.says}; {theirs.loss:.3f} after an attack as long, "
            f"classified as {theirs.says}. {100 * ours.outside:.0f} % of the pixels lie outside 0 to 1. "
            f"Weights and pixels give the same logits to {differ:.0e}."
        )

    controls = {
        "digit": widgets.toggle("digit", DIGITS, 3),
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.2),
        "network": widgets.toggle("network trained with", list(nets), "SGD"),
        "m": widgets.choice_slider("m: digits that share the step", SHARED, 1),
    }
    return widgets.live(picture.fig, draw, controls)


def in_words(loss: float) -> str:
    """A loss, short."""
    return f"loss {loss:.2g}" if loss >= 0.001 else "loss below 0.001"


class WayBackPicture:
    """The digit; above SAM's ascent step as a change of it, below an attack's as long; at the right the logits."""

    TOPS: ClassVar = {"weights": 50, "pixels": 218}  # of the tiles
    CELL, CHANGE, SHIFTED, BARS = 12, 146, 290, 440
    SIDE, MIDDLE = 8 * CELL, 134  # of a tile; top of the digit itself

    def __init__(self, fig: style.Canvas) -> None:
        self.fig, self.sheet, self.looks = fig, Sheet(fig), {"weights": style.SAM, "pixels": style.AT}
        self.axes = {}
        text = self.sheet.text
        bold: dict[str, Any] = {"bold": True, "fontsize": style.CAPTION}
        text(14, self.MIDDLE - 10, "the digit", **bold)
        self.clean = text(14, self.MIDDLE + self.SIDE + 18, quiet=True)
        titles = {"weights": "SAM's ascent step, in pixels", "pixels": "An attack as long"}
        logits = {
            "weights": "the ten logits: bars with W + dW, rings with x + dx",
            "pixels": "the ten logits (pale: before)",
        }
        self.length, self.results, self.outside, self.was, self.bars = {}, {}, {}, {}, {}
        for who, top in self.TOPS.items():
            look = self.looks[who]
            text(self.CHANGE, top - 27, titles[who], color=look.dark, **bold)
            self.length[who] = text(self.CHANGE, top - 9, quiet=True)
            self.outside[who] = text(self.SHIFTED, top - 9, quiet=True)
            self.results[who] = text(self.BARS, top - 27, **bold)
            text(self.BARS, top - 9, logits[who], quiet=True)
            self.sheet.arrow((self.CHANGE + self.SIDE + 10, top + 48), (self.SHIFTED - 10, top + 48), look.color)
            ax = self.axes[who] = axes(fig, self.BARS, top, 386, self.SIDE + 10)
            ax.set(xlim=(-0.6, 9.6), ylim=(-1, 1), xticks=range(10), yticks=[])
            ax.tick_params(length=0, pad=3)
            ax.set_xlabel("class", ha="right")
            ax.xaxis.set_label_coords(-0.01, -0.03)
            ax.spines["bottom"].set_visible(False)
            ax.axhline(0, color=style.AXIS, linewidth=0.8, zorder=0.5)  # under the bars, which move
            self.was[who] = ax.bar(range(10), [0] * 10, 0.84, color=style.PALE)
            self.bars[who] = ax.bar(range(10), [0] * 10, 0.46, color=look.color)
            if who == "weights":
                (self.rings,) = ax.plot([], [], "o", color=style.INK, markersize=6, markerfacecolor="none")
        text(self.CHANGE, 346, "green adds ink, purple takes it away", quiet=True)
        text(self.CHANGE, 364, "no pixel any more:", quiet=True)
        text(self.CHANGE + 122, 364, "orange, above 1", color=style.AT.dark)
        text(self.CHANGE + 236, 364, "blue, below 0", color=style.SAM.dark)
        fig.moving = [self.sheet.painting, self.clean]
        for who in self.TOPS:
            fig.moving += [self.length[who], self.results[who], self.outside[who], *self.was[who], *self.bars[who]]
        fig.moving.append(self.rings)

    def show(
        self, image: np.ndarray, digit: int, before: tuple[np.ndarray, float], ways: tuple[Way, Way], highest: float
    ) -> None:
        """A digit (64,) with its label, its logits and loss before, and SAM's way and the attack's.

        `highest` is the longest bar there can be.
        """
        self.sheet.tile(14, self.MIDDLE, grey(image.reshape(8, 8)), self.CELL)
        self.clean.set_text(in_words(before[1]))
        for (who, top), way in zip(self.TOPS.items(), ways, strict=True):
            dx, wrong = way.dx.numpy(), way.says != digit
            mark = self.looks[who].color if wrong else ""
            self.sheet.tile(self.CHANGE, top, signed(dx.reshape(8, 8), 0.4), self.CELL)
            self.sheet.tile(self.SHIFTED, top, grey((image + dx).reshape(8, 8)), self.CELL, mark)
            self.length[who].set_text(f"{np.linalg.norm(dx) / np.linalg.norm(image):.2f} ‖x‖ long")
            self.outside[who].set_text(f"{100 * way.outside:.0f} % outside [0, 1]")
            result = f"misclassified as {way.says}" if wrong else f"still a {digit}"
            self.results[who].set(
                text=f"{in_words(way.loss).capitalize()}, {result}", color=self.looks[who].dark if wrong else style.INK
            )
            self.axes[who].set_ylim(-highest, highest)
            for bars, heights in ((self.was[who], before[0]), (self.bars[who], way.logits[who].numpy())):
                for bar, height in zip(bars, heights, strict=True):
                    bar.set_height(height)
        self.rings.set_data(np.arange(10), ways[0].logits["pixels"].numpy())
