"""Sharpness of one function written down in many ways: a ReLU network whose first two layers are rescaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from torch import nn

from samlib.course import style, widgets
from samlib.course.pictures import Heading, Label, Labels, axes, plain_decades

FACTORS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
# (units of rho, size) -> rho; "relative" is in units of the length of each weight matrix and each bias
RADII = {
    ("absolute", "large"): 0.4,
    ("absolute", "small"): 0.01,
    ("relative", "large"): 0.05,
    ("relative", "small"): 0.002,
}
LAYERS = ("layer 1", "layer 2", "layer 3")

HEIGHTS = {"large": (0.01, 120), "small": (2e-5, 0.02)}  # of the axis of sharpness

# (network, units, size) -> for "SGD" its sharpness, for "SAM" that of the network rescaled by each of FACTORS
Sharpness = Mapping[tuple[str, str, str], Any]


def weight_lengths(net: nn.Sequential) -> list[float]:
    """The Euclidean length of each layer's weight matrix, from the first layer to the last."""
    return [layer.weight.detach().norm().item() for layer in net if isinstance(layer, nn.Linear)]


def reach(lengths: Sequence[float], units: str, rho: float) -> list[float]:
    """The most that each weight matrix can move within rho: rho itself, or rho times its own length."""
    return [rho * length if units == "relative" else rho for length in lengths]


class RescaledSharpness:
    """The sharpness of the SAM network over the factor of its rescaling, and the SGD network's as a line across.

    Args:
        ax: where.
    """

    def __init__(self, ax: Axes) -> None:
        self.ax, self.labels = ax, Labels(ax, paper=True)
        ones = [1.0] * len(FACTORS)
        (self.fixed,) = ax.plot(FACTORS, ones, **style.SGD.line())
        (self.curve,) = ax.plot(FACTORS, ones, **style.SAM.line(marker=style.SAM.marker))
        (self.here,) = ax.plot([1], [1], "o", color=style.INK, markersize=12, fillstyle="none", markeredgewidth=1.8)
        ax.set(xscale="log", yscale="log", xlim=(0.09, 11.2), xlabel="factor $a$ of the rescaling", ylabel="sharpness")
        ax.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
        ax.minorticks_off()
        ax.grid(axis="y")
        plain_decades(ax.yaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.ax.yaxis, self.fixed, self.curve, self.here, *self.labels.artists]

    def show(self, a: float, curve: Sequence[float], fixed: float, size: str) -> None:
        """The sharpness for every factor, that of the other network, a ring at factor a; the axis is for this size."""
        self.curve.set_ydata(curve)
        self.fixed.set_ydata([fixed] * len(FACTORS))
        self.here.set_data([a], [curve[FACTORS.index(a)]])
        self.ax.set_ylim(*HEIGHTS[size])
        rescaled, level = (np.column_stack([FACTORS, values]) for values in (curve, [fixed] * len(FACTORS)))
        ring = a * np.array([0.88, 1, 1.14, 1]), curve[FACTORS.index(a)] * np.array([1, 1.5, 1, 0.66])
        names = [
            Label("SAM, rescaled by $a$", rescaled[1:-1], style.SAM, "one function"),
            Label("SGD, left alone", level[1:-1], style.SGD),
        ]
        self.labels.show(names, [rescaled, level, np.column_stack(ring)])


class LayerLengths:
    """The length of each layer's weight matrix as a bar, and how far it can move within rho as a mark.

    Args:
        ax: where.
    """

    def __init__(self, ax: Axes) -> None:
        places = range(len(LAYERS))
        self.bars = ax.bar(places, [1.0] * len(LAYERS), width=0.62, color=style.PALE)
        self.numbers = [ax.text(i, 1, "", ha="center", va="bottom") for i in places]
        marks = style.SAM.line(linestyle="-", linewidth=2.4)
        self.reaches = [ax.plot([i - 0.36, i + 0.36], [1, 1], **marks)[0] for i in places]
        ax.set(yscale="log", ylim=(8e-4, 600), ylabel="length of the weight matrix")
        ax.set_xticks(places, LAYERS)
        ax.set_yticks([0.001, 0.1, 10])
        ax.grid(axis="y")
        plain_decades(ax.yaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [*self.bars, *self.numbers, *self.reaches]

    def show(self, lengths: Sequence[float], reaches: Sequence[float]) -> None:
        """One length and one reach for each layer."""
        parts = zip(self.bars, self.numbers, self.reaches, lengths, reaches, strict=True)
        for bar, number, mark, length, most in parts:
            bar.set_height(length)
            number.set_y(1.1 * length)
            number.set_text(f"{length:.3g}")
            mark.set_ydata([most, most])


def sharpness_of_one_function(twins: Mapping[float, nn.Sequential], sharpness: Sharpness) -> widgets.Live:
    """The sharpness of the SAM network under every rescaling, beside the SGD network's, and the length of each layer.

    Args:
        twins: factor of FACTORS -> the SAM network rescaled by it.
        sharpness: for every pair of RADII.
    """
    with style.look():
        fig = style.figure(3.7)
        who_is_sharper = Heading(fig, 14, 24)
        Heading(fig, 572, 24, "Layers", "blue: how far each can move").said.set_color(style.SAM.dark)
        curves = RescaledSharpness(axes(fig, 84, 44, 436, 270))
        layers = LayerLengths(axes(fig, 636, 44, 190, 270))
    lengths = {a: weight_lengths(twin) for a, twin in twins.items()}

    def draw(a: float, units: str, size: str) -> str:
        curve, fixed, rho = sharpness["SAM", units, size], sharpness["SGD", units, size], RADII[units, size]
        now = curve[FACTORS.index(a)]
        who = "SAM's" if now > fixed else "SGD's"
        who_is_sharper.show(f"{who} network looks sharper", f"within rho = {rho:g}, {units} units")
        curves.show(a, curve, fixed, size)
        layers.show(lengths[a], reach(lengths[a], units, rho))
        fig.moving = [who_is_sharper.title, who_is_sharper.said, *curves.moving, *layers.moving]
        return f"{units}, rho {rho:g}, a {a:g}: SAM {now:.4f}, SGD {fixed:.4f}; {who} looks sharper."

    controls = {
        "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
        "units": widgets.toggle("units of rho", ["absolute", "relative"], "absolute"),
        "size": widgets.toggle("radius", ["large", "small"], "large"),
    }
    return widgets.live(fig, draw, controls)
