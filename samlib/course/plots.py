"""Pictures: pure functions from data to matplotlib axes. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

# Okabe and Ito's colours, told apart by colour-blind readers too; each goes with a line style and a marker of its own.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#AA4499",
)
STYLES = {
    "grey": {"color": "#666666", "linestyle": "-", "marker": "o"},
    "blue": {"color": BLUE, "linestyle": "--", "marker": "s"},
    "orange": {"color": RED, "linestyle": "-.", "marker": "^"},
    "green": {"color": GREEN, "linestyle": ":", "marker": "D"},
}
DIVERGING = LinearSegmentedColormap.from_list("purple-white-orange", ["#542788", "#f7f7f7", "#b35806"])


def percent_axis(ax: Axes, label: str) -> None:
    """A vertical axis from 0 to 100 %."""
    ax.set_ylim(-3, 103)
    ax.set_ylabel(label)
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)


def strip(ax: Axes, position: float, values: Sequence[float], style: str, *, label: str | None = None) -> tuple:
    """One dot for each run, side by side around a position, and a bar at their mean.

    Returns the dots and the bar, for `move_strip`.
    """
    look = STYLES[style]
    places = position + np.linspace(-0.22, 0.22, len(values))
    (dots,) = ax.plot(
        places, sorted(values), look["marker"], color=look["color"], markersize=4, alpha=0.75, label=label
    )
    (bar,) = ax.plot([position - 0.32, position + 0.32], [np.mean(values)] * 2, color=look["color"], linewidth=2.5)
    return dots, bar


def move_strip(strip_: tuple, values: Sequence[float]) -> None:
    """Give a strip of `strip` other values, as many as before or not."""
    dots, bar = strip_
    position = np.mean(bar.get_xdata())
    dots.set_data(position + np.linspace(-0.22, 0.22, len(values)), sorted(values))
    bar.set_ydata([np.mean(values)] * 2)


def image(ax: Axes, pixels: np.ndarray, title: str = "", *, signed: float | None = None):
    """One grey image (ink is dark, 0 to 1), or with `signed` = v one of signed values in [-v, v]. Returns the artist."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, fontsize=9)
    if signed is not None:
        return ax.imshow(pixels, cmap=DIVERGING, vmin=-signed, vmax=signed)
    return ax.imshow(pixels, cmap="gray_r", vmin=0, vmax=1)


def grey(pixels: np.ndarray) -> np.ndarray:
    """An image of ink, 0 to 1, as RGB: ink is dark. What lies outside [0, 1] and is no image any more is marked in red or blue."""
    shown = np.repeat(1 - np.clip(pixels, 0, 1)[..., None], 3, axis=-1)
    shown[pixels > 1 + 1e-6] = (0.84, 0.37, 0.0)
    shown[pixels < -1e-6] = (0.34, 0.71, 0.91)
    return shown


def signed(values: np.ndarray, largest: float) -> np.ndarray:
    """Signed values in [-largest, largest] as RGB: purple below zero, white at zero, orange above."""
    return DIVERGING(0.5 + 0.5 * np.clip(values / largest, -1, 1))[..., :3]


class Mosaic:
    """Small square RGB images with a caption above each, drawn as one: many axes would be slow.

    Args:
        ax: the axes to fill.
        rows, columns: of tiles.
        size: pixels along the side of a tile.
        outlined: a thin line around each tile instead of a grey frame, where the tiles hold light grey themselves.
    """

    def __init__(self, ax: Axes, rows: int, columns: int, size: int = 8, *, outlined: bool = False) -> None:
        self.size, self.across, self.down, self.outlined = size, size + 3, size + 6, outlined
        self.canvas = np.ones((rows * self.down + 1, columns * self.across, 3))
        self.image = ax.imshow(self.canvas, interpolation="nearest", aspect="equal")
        ax.set_axis_off()
        self.captions = {
            (r, c): ax.text(
                c * self.across + size / 2 + 0.5, r * self.down + 4.6, "", ha="center", va="bottom", fontsize=8.5
            )
            for r in range(rows)
            for c in range(columns)
        }
        for r, c in self.captions if outlined else ():
            corner = (c * self.across + 0.5, r * self.down + 5.5)
            ax.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=BLACK, linewidth=1))

    def show(self, tiles: dict[tuple[int, int], tuple[np.ndarray, str, str]]) -> None:
        """Show {(row, column): (RGB image, caption, colour of the caption)}; places not named stay as they are."""
        for (r, c), (tile, caption, colour) in tiles.items():
            top, left = r * self.down + 6, c * self.across + 1
            if not self.outlined:
                self.canvas[top - 1 : top + self.size + 1, left - 1 : left + self.size + 1] = 0.88  # a frame
            self.canvas[top : top + self.size, left : left + self.size] = tile
            self.captions[r, c].set_text(caption)
            self.captions[r, c].set_color(colour)
        self.image.set_data(self.canvas)


class Plane:
    """Points of two classes and the line between them, which can move both.

    Args:
        ax: the axes.
        points: (n, 2).
        labels: +1 or -1, (n,).
        w: the normal of the line w . x = 0, (2,).
    """

    def __init__(self, ax: Axes, points: np.ndarray, labels: np.ndarray, w: np.ndarray) -> None:
        self.ax, self.labels = ax, labels
        ax.set_aspect("equal")
        ax.set(xlim=(-2.6, 2.6), ylim=(-2.0, 2.0), xlabel="first feature", ylabel="second feature")
        self._line(w, color="#bbbbbb", linewidth=1.5, linestyle="--")
        ax.scatter(*points.T, s=28, facecolors="none", edgecolors="#bbbbbb", label="before")
        self.line = self._line(w, color=BLACK, linewidth=2)
        self.dots = [
            ax.plot(*points[labels == side].T, marker, color=colour, markersize=7, linestyle="none", label=label)[0]
            for side, marker, colour, label in ((1, "s", BLUE, "class A"), (-1, "o", RED, "class B"))
        ]
        (self.wrong,) = ax.plot([], [], "x", color=BLACK, markersize=11, linestyle="none", label="misread")
        self.numbers = [ax.annotate(str(i), point, xytext=(6, 5), textcoords="offset points", fontsize=8)
                        for i, point in enumerate(points, start=1)]  # fmt: skip
        ax.legend(loc="lower left", fontsize=8, frameon=False, ncols=2)

    def _line(self, w: np.ndarray, **look):
        return self.ax.plot(*self._ends(w), **look)[0]

    @staticmethod
    def _ends(w: np.ndarray) -> np.ndarray:
        along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
        return np.stack([-4 * along, 4 * along], axis=1)

    def show(self, points: np.ndarray, w: np.ndarray) -> None:
        """Points and line where they now are; a cross marks each point on the wrong side."""
        self.line.set_data(*self._ends(w))
        for dots, side in zip(self.dots, (1, -1), strict=True):
            dots.set_data(*points[self.labels == side].T)
        self.wrong.set_data(*points[self.labels * (points @ w) < 0].T)
        for number, point in zip(self.numbers, points, strict=True):
            number.xy = point


class Gauge:
    """One bar for each margin, with what it was before as a tick; below zero is the wrong side."""

    def __init__(self, ax: Axes, margins: np.ndarray, label: str) -> None:
        self.bars = ax.barh(range(len(margins)), margins, color=SKY)
        ax.plot(margins, range(len(margins)), "|", color=BLACK, markersize=14, markeredgewidth=1.6)
        ax.axvline(0, color=BLACK, linewidth=1)
        ax.set_xlim(-0.6 * margins.max(), 1.1 * margins.max())
        ax.set_yticks(range(len(margins)), [str(i + 1) for i in range(len(margins))])
        ax.set_ylabel("point")
        ax.set_xlabel(label)

    def show(self, margins: np.ndarray) -> None:
        """Move the bars; those below zero turn orange."""
        for bar, margin in zip(self.bars, margins, strict=True):
            bar.set_width(margin)
            bar.set_color(ORANGE if margin < 0 else SKY)


def plain_decades(axis: Axis) -> None:
    """Label a logarithmic axis 0.01, 0.1, 1, ... Powers of ten in TeX, and minor ticks, take most of the time of drawing."""
    axis.set_major_formatter(lambda value, _: f"{value:g}" if value > 2e-5 else f"{value:.5f}")
    axis.set_minor_locator(NullLocator())


def ball_outline(centre: Sequence[float], eps: float, norm: str) -> np.ndarray:
    """The edge of a ball in the plane, "linf" (a square) or "l2" (a circle), as a closed line (n, 2)."""
    if norm == "linf":
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=float)
    else:
        angles = np.linspace(0, 2 * np.pi, 121)
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(centre) + eps * unit


class Curves:
    """A few curves in percent or not over one axis, with a vertical line where the learner stands.

    Args:
        ax: the axes.
        styles: {label: name of STYLES}.
        xlabel, ylabel: of the axes.
    """

    def __init__(self, ax: Axes, styles: dict[str, str], xlabel: str, ylabel: str) -> None:
        self.ax = ax
        self.lines = {
            label: ax.plot([], [], label=label, markersize=5, linewidth=1.8, **STYLES[style])[0]
            for label, style in styles.items()
        }
        self.here = ax.axvline(1, color="#999999", linewidth=1, zorder=0)  # 1 has a place on a logarithmic axis, too
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        ax.set_axisbelow(True)

    def show(self, x: Sequence[float], values: dict[str, Sequence[float]], here: float, title: str = "") -> None:
        """{label: one value for each x}; the line stands at `here`."""
        for label, found in values.items():
            self.lines[label].set_data(x, found)
        self.here.set_xdata([here] * 2)
        self.ax.set_title(title, fontsize=10)
