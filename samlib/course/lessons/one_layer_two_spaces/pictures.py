"""Pictures of the sandwich and of a batch: nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, axes, plain_decades, size
from samlib.course.style import Canvas

BOUNDS = ("lower bound", "weights", "upper bound")
DOWN = style.OTHER  # of an example whose loss falls


class SandwichCurves:
    """Three losses in order, from the real layer at the right to the one that is looked at.

    Args:
        fig: an empty figure.
        x: the places, on a logarithmic scale, rising.
        low, high: range of the losses, on a logarithmic scale.
    """

    WORDS = 600  # left edge of the words, in pixels of the page

    def __init__(self, fig: Canvas, x: Sequence[float], low: float, high: float) -> None:
        self.fig, self.x, self.low = fig, np.array(x), low
        looks = (style.AT, style.SAM, replace(style.AT, linestyle=style.NOISE.linestyle, marker="v"))
        self.heading = Heading(fig, style.MARGIN, 20)
        self.ax = axes(fig, 66, 38, 500, 280)
        self.ax.set(xscale="log", yscale="log", xlim=(0.93, 1.07 * x[-1]), ylim=(low, high))
        plain_decades(self.ax.yaxis)
        self.ax.set_xticks(x, [f"{value:.3g}" for value in x])
        self.ax.minorticks_off()
        self.ax.grid(axis="y")
        self.ax.set(xlabel="kappa, condition number of the first layer", ylabel="worst loss found")
        self.between = self.ax.fill_between(x, low, low, color=style.SHADE, zorder=0)
        self.here = self.ax.axvline(1, color=style.EDGE, linewidth=1)
        self.curves = [self.ax.plot([], [], **look.line(marker=look.marker))[0] for look in looks]
        self.dots = [
            self.ax.plot([], [], **look.marks(markersize=10, markeredgecolor=style.PAPER))[0] for look in looks
        ]
        words: dict[str, Any] = {"transform": None, "va": "center"}
        self.names = [
            self.ax.text(0, 0, name, color=look.dark, fontweight="bold", **words)
            for name, look in zip(BOUNDS, looks, strict=True)
        ]
        self.values = [self.ax.text(0, 0, "", color=style.QUIET, **words) for _ in BOUNDS]
        self.leaders = [
            self.ax.plot([], [], transform=None, color=look.color, linewidth=0.8, clip_on=False)[0] for look in looks
        ]
        fig.moving = [self.between, self.here, *self.curves, *self.leaders, *self.dots, *self.names, *self.values]
        fig.moving += self.heading.artists

    def show(self, curves: np.ndarray, at: int, said: str, values: Sequence[str]) -> None:
        """Curves (3, places), lowest first, from place number `at` on; the words say what the three are there."""
        x, shown = self.x[at:], np.maximum(curves[:, at:], self.low)
        edge = [np.column_stack([x, shown[0]]), np.column_stack([x, shown[2]])[::-1]]
        self.between.set_verts([np.concatenate(edge)])
        self.here.set_xdata([x[0]] * 2)
        apart = curves[2, at] / curves[0, at]
        title = f"The bounds are {apart:,.0f} times apart" if apart > 1.5 else "The bounds meet"
        self.heading.show(title, said)
        fine, last = style.DPI / style.SHOWN, -np.inf
        for i in range(len(BOUNDS)):
            self.curves[i].set_data(x, shown[i])
            self.dots[i].set_data(x[:1], shown[i, :1])
            end = self.ax.transData.transform((x[-1], shown[i, -1])) / fine
            last = max(end[1], last + 44)  # words that would overlap stand above one another
            way = np.array([(end[0] + 9, end[1]), (self.WORDS - 6, last)])
            self.leaders[i].set_data(*(fine * way.T))
            self.names[i].set_position((self.WORDS * fine, (last + 8) * fine))
            self.values[i].set_position((self.WORDS * fine, (last - 8) * fine))
            self.values[i].set_text(values[i])


class GradientBounds:
    """One dot for each digit, and two lines through the origin, for several networks.

    Args:
        fig: an empty figure.
        networks: their names, at most two.
        ends: range of the horizontal axis; `heights` that of the vertical one. Both are logarithmic.
    """

    def __init__(
        self, fig: Canvas, networks: Sequence[str], ends: tuple[float, float], heights: tuple[float, float]
    ) -> None:
        self.fig, self.ends, self.axes = fig, np.array(ends), dict[str, Axes]()
        self.headings, self.dots = dict[str, Heading](), dict[str, Line2D]()
        for i, name in enumerate(networks):
            left = 62 + 398 * i
            self.headings[name] = Heading(fig, left, 20, name)
            ax = self.axes[name] = axes(fig, left, 34, 364, 270)
            ax.set(xscale="log", yscale="log", xlim=ends, ylim=heights, facecolor=style.SHADE)
            ax.set_xlabel("length of the gradient of the weights")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(FixedLocator([10.0**k for k in range(-7, 4, 2)]))
                axis.set_minor_locator(NullLocator())
            ax.tick_params(labelleft=not i)
            if not i:
                ax.set_ylabel("‖x‖ times rise of the loss per length of dx")
            (self.dots[name],) = ax.plot([], [], ".", color=style.of(name).color, markersize=3, alpha=0.6)
        self.fig.moving = [*self.dots.values(), *(one for heading in self.headings.values() for one in heading.artists)]

    def show_lines(self, name: str, low: float, high: float) -> None:
        """The two lines of a network, by their factors, and white paper between them."""
        ax, ends = self.axes[name], self.ends
        ax.fill_between(ends, low * ends, high * ends, color=style.PAPER, zorder=0)
        for factor in (low, high):
            ax.plot(ends, factor * ends, color=style.INK, linewidth=1.2)
        for words, factor, place, ha, va in (
            (r"upper line: $\sigma_{\max}$ =", high, 0.02, "left", "top"),
            (r"lower line: $\sigma_{\min}$ =", low, 0.98, "right", "bottom"),
        ):
            ax.text(
                place,
                0.98 - 0.95 * (va == "bottom"),
                f"{words} {factor:.2f}",
                ha=ha,
                va=va,
                transform=ax.transAxes,
            )

    def show(self, name: str, x: np.ndarray, y: np.ndarray, said: str) -> None:
        """Dots (n,), (n,) of a network, and words beside its name."""
        self.dots[name].set_data(x, y)
        self.headings[name].show(name, said)


class BatchArrows:
    """What one ascent step for all does to each example of a batch, beside what it would get alone.

    Args:
        ax: the axes.
        rows: how many rows, and as many columns, of examples there are at most. What one gets alone is 1 long.
    """

    APART = 2.1

    def __init__(self, ax: Axes, rows: int) -> None:
        half = self.APART * rows / 2 + 0.15
        self.ax, self.most = ax, rows**2
        ax.set_axis_off()
        ax.set(xlim=(-half, half), ylim=(-half, half))
        look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "xy"}
        look |= {"headwidth": 3.5, "headlength": 3.5, "headaxislength": 3.5, "minlength": 0}
        nothing = np.zeros(self.most)
        colors = {"alone": style.EDGE, "up": style.SAM.color, "down": DOWN.color}
        self.arrows = {
            name: ax.quiver(
                nothing, nothing, nothing, nothing, color=color, width=0.05 if name == "alone" else 0.08, **look
            )
            for name, color in colors.items()
        }
        (self.crosses,) = ax.plot([], [], "x", color=DOWN.color, markersize=9, markeredgewidth=2)
        (self.dots,) = ax.plot([], [], "o", color=style.INK, markersize=4)

    @property
    def artists(self) -> list[Artist]:
        """Everything that moves."""
        return [*self.arrows.values(), self.crosses, self.dots]

    def places(self, b: int) -> np.ndarray:
        """Where b examples stand, in the middle of the picture and in rows: (b, 2)."""
        columns = int(np.ceil(np.sqrt(b)))
        down, across = np.divmod(np.arange(b), columns)
        places = self.APART * np.stack([across, -down], axis=1)
        return places - (places.max(0) + places.min(0)) / 2

    def show(self, alone: np.ndarray, gets: np.ndarray, falls: np.ndarray) -> None:
        """Arrows (b, 2) for b examples, and which of them go downhill, (b,): those stand on a cross."""
        b = len(alone)
        places = np.zeros((self.most, 2))
        places[:b] = self.places(b)
        for name, arrows, chosen in (("alone", alone, falls | True), ("up", gets, ~falls), ("down", gets, falls)):
            shown = np.full((self.most, 2), np.nan)
            shown[:b][chosen] = arrows[chosen]
            self.arrows[name].XY = places  # where it starts, and where its angle is measured
            self.arrows[name].set_offsets(places)
            self.arrows[name].set_UVC(*shown.T)
        self.dots.set_data(*places[:b].T)
        self.crosses.set_data(*places[:b][falls].T)


def size_axis(ax: Axes, sizes: Sequence[int]) -> None:
    """A horizontal axis of batch sizes, and a vertical one of percent."""
    ax.set(xscale="log", xlim=(0.9 * sizes[0], 1.12 * sizes[-1]), ylim=(-3, 106), yticks=range(0, 101, 25))
    ax.set_xticks(sizes, map(str, sizes))
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.set_xlabel("m, examples that share the step")


class BatchPicture:
    """One batch on the left; on the right, over the batch size, how long the perturbations are and how many go down."""

    def __init__(self, fig: Canvas, sizes: Sequence[int]) -> None:
        self.fig, self.sizes = fig, sizes
        across, down = size(fig)
        self.left, self.right = Heading(fig, style.MARGIN, 20), Heading(fig, 450, 20)
        self.arrows = BatchArrows(axes(fig, 20, 30, 340, 340), 4)
        words = (
            ("what it would get alone", style.QUIET),
            ("its loss rises", style.SAM.dark),
            ("its loss falls", DOWN.dark),
        )
        for left, (text, color) in zip((24, 194, 288), words, strict=True):
            fig.text(left / across, 1 - 392 / down, text, color=color)
        self.ax = axes(fig, 470, 44, 350, 306)
        size_axis(self.ax, sizes)
        self.ax.set_ylabel("percent")
        self.here = self.ax.axvline(1, color=style.EDGE, linewidth=1)
        self.looks = {"length": (style.SAM, "of what it would get alone"), "downhill": (DOWN, "share of the examples")}
        self.lines = {
            name: self.ax.plot([], [], **look.line(marker=look.marker))[0] for name, (look, _) in self.looks.items()
        }
        self.labels = Labels(self.ax)

    def show_batch(self, alone: np.ndarray, gets: np.ndarray, falls: np.ndarray, title: str, said: str) -> None:
        """At most 16 examples, as `BatchArrows` wants them."""
        self.arrows.show(alone, gets, falls)
        self.left.show(title, said)

    def show_curves(self, values: Mapping[str, np.ndarray], at: int, title: str, said: str) -> None:
        """{"length" and "downhill": (sizes,), in percent}; the line stands at batch size number `at`."""
        self.right.show(title, said)
        self.here.set_xdata([self.sizes[at]] * 2)
        points = {name: np.column_stack([self.sizes, found]) for name, found in values.items()}
        for name, line in points.items():
            self.lines[name].set_data(*line.T)
        upright = np.array([[self.sizes[at], -3], [self.sizes[at], 106]])
        labels = [Label(name, points[name], look, words) for name, (look, words) in self.looks.items()]
        self.labels.show(labels, [*points.values(), upright])
        moving = [*self.arrows.artists, *self.left.artists, *self.right.artists]
        self.fig.moving = [*moving, self.here, *self.lines.values(), *self.labels.artists]
