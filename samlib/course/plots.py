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


# ---- one layer, two spaces -------------------------------------------------------------------------------------------

WHOSE = {
    "weights": {"color": BLUE, "linestyle": "--", "marker": "s"},
    "pixels": {"color": RED, "linestyle": "-.", "marker": "^"},
}


class TwoSpaces:
    """What weights and pixels reach, with the kick of each: once in the plane of two pixels, once in that of two features.

    Args:
        pixel_ax: the axes of the pixels' plane, or None to leave it out.
        feature_ax: the axes of the features' plane.
        grid: coordinates of the loss along both axes of the features' plane, (k,).
        loss: on the grid, (k, k).
        boundary: on the grid, zero where the class changes.
    """

    def __init__(
        self, pixel_ax: Axes | None, feature_ax: Axes, grid: np.ndarray, loss: np.ndarray, boundary: np.ndarray
    ) -> None:
        self.axes = {"pixels": pixel_ax, "features": feature_ax}
        feature_ax.contour(grid, grid, loss, levels=np.geomspace(0.02, 8, 10), colors="#bbbbbb", linewidths=0.8)
        feature_ax.contour(grid, grid, boundary, levels=[0], colors=BLACK, linewidths=1.8)
        names = {"pixels": "pixel", "features": "feature"}
        self.sets, self.kicks = {}, {}
        for plane, ax in self.axes.items():
            if ax is None:
                continue
            ax.set_aspect("equal")
            ax.set(xlim=(grid[0], grid[-1]), ylim=(grid[0], grid[-1]), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
            ax.set(xlabel=f"change of the first {names[plane]}", ylabel=f"change of the second {names[plane]}")
            for who, look in WHOSE.items():
                plain = {"color": look["color"], "linestyle": look["linestyle"]}
                self.sets[plane, who] = ax.plot([], [], linewidth=1.8, label=f"{who} reach", **plain)[0]
                self.kicks[plane, who] = ax.plot(
                    [], [], "-", color=look["color"], linewidth=2.6, marker=look["marker"], markevery=[1], markersize=8,
                    label=f"kick by {who}",
                )[0]  # fmt: skip
            ax.plot(0, 0, "o", color=BLACK, markersize=5)

    def show(self, plane: str, sets: dict[str, np.ndarray], kicks: dict[str, np.ndarray], title: str) -> None:
        """In one plane, {who: edge of what they reach, (2, n)} and {who: kick, (2,)}."""
        for who in WHOSE:
            self.sets[plane, who].set_data(*sets[who])
            self.kicks[plane, who].set_data(*np.stack([np.zeros(2), kicks[who]], axis=1))
        self.axes[plane].set_title(title, fontsize=10)


class Closing:
    """Three numbers in order, over something that makes them close up; and the three that belong to one place of it.

    Args:
        figure: an empty one; two axes are put into it.
        names: of the three, from the lowest to the highest.
        xlabel, ylabel: of the curves.
        low, high: range of the numbers, on a logarithmic scale.
    """

    LOOKS = (
        {"color": RED, "linestyle": "-.", "marker": "^"},
        {"color": BLUE, "linestyle": "--", "marker": "s"},
        {"color": RED, "linestyle": ":", "marker": "v"},
    )

    def __init__(self, figure: Figure, names: Sequence[str], xlabel: str, ylabel: str, low: float, high: float) -> None:
        self.ax, self.line_ax = figure.subplots(1, 2, width_ratios=[5, 3])
        figure.subplots_adjust(left=0.1, right=0.985, top=0.91, bottom=0.15, wspace=0.3)
        self.low = low
        for ax in (self.ax, self.line_ax):
            ax.set(yscale="log", ylim=(low, high), ylabel=ylabel)
            plain_decades(ax.yaxis)
        self.ax.set(xscale="log", xlabel=xlabel)
        self.curves = [
            self.ax.plot([], [], label=name, markersize=5, linewidth=1.8, **look)[0]
            for name, look in zip(names, self.LOOKS, strict=True)
        ]
        self.here = self.ax.axvline(1, color="#999999", linewidth=1)
        self.ax.legend(loc="upper left", fontsize=8.5, frameon=False)
        self.line_ax.axvline(0, color="#999999", linewidth=1)
        self.line_ax.set(xlim=(-0.15, 1), xticks=[])
        self.marks, self.words = [], []
        for look in self.LOOKS:
            self.marks += self.line_ax.plot([0], [1], look["marker"], color=look["color"], markersize=10)
            self.words.append(self.line_ax.text(0.1, 1, "", va="center", fontsize=9))

    def show(self, x: Sequence[float], curves: np.ndarray, at: int, title: str, labels: Sequence[str]) -> None:
        """Curves (3, points) over x; the three numbers at point `at`, each with a label; those that touch move apart."""
        for line, values in zip(self.curves, curves, strict=True):
            line.set_data(x, np.maximum(values, self.low))
        self.ax.set_xlim(0.9 * x[0], 1.15 * x[-1])
        self.ax.set_xticks(x, [f"{v:.3g}" for v in x])
        self.ax.minorticks_off()
        self.here.set_xdata([x[at]] * 2)
        decades = np.log10(self.line_ax.get_ylim())
        gap, last = 0.075 * (decades[1] - decades[0]), -np.inf
        for mark, word, value, label in zip(self.marks, self.words, curves[:, at], labels, strict=True):
            shown = max(value, self.low)
            mark.set_ydata([shown])
            last = max(np.log10(shown), last + gap)  # words that would overlap stand above one another
            word.set_y(10**last)
            word.set_text(f"{label} = {value:.3g}")
        self.line_ax.set_title(title, fontsize=10)


class BatchPerturbations:
    """What a shared climb does to each example of a batch: an arrow for each, beside the arrow that it would like.

    Args:
        ax: the axes.
        places: (k, 2), where the arrows of up to k examples start; a kick of full length is 1 long.
    """

    def __init__(self, ax: Axes, places: np.ndarray) -> None:
        self.ax, self.places = ax, places
        ax.set_aspect("equal")
        ax.set_axis_off()
        low, high = places.min(0) - [1.15, 1.4], places.max(0) + 1.15
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        look = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "xy"}
        look |= {"headwidth": 3.5, "headlength": 3.5, "headaxislength": 3.5, "minlength": 0}
        nothing = np.full(len(places), np.nan)
        self.arrows = {
            name: ax.quiver(*places.T, nothing, nothing, color=colour, width=width, label=label, zorder=order, **look)
            for name, colour, width, label, order in (
                ("alone", "#bbbbbb", 0.05, "what it would get alone", 1),
                ("up", BLUE, 0.075, "what it gets: its loss rises", 2),
                ("down", RED, 0.075, "what it gets: its loss falls", 2),
            )
        }
        (self.crosses,) = ax.plot([], [], "x", color=RED, markersize=9, markeredgewidth=2)
        (self.dots,) = ax.plot([], [], "o", color=BLACK, markersize=4)

    def show(self, alone: np.ndarray, gets: np.ndarray, falls: np.ndarray, title: str) -> None:
        """Arrows (b, 2) for b examples, and which of them go downhill, (b,): those stand on a cross."""
        b, nothing = len(alone), np.full((len(self.places), 2), np.nan)
        for name, arrows, chosen in (("alone", alone, falls | True), ("up", gets, ~falls), ("down", gets, falls)):
            shown = nothing.copy()
            shown[:b][chosen] = arrows[chosen]
            self.arrows[name].set_UVC(*shown.T)
        self.dots.set_data(*self.places[:b].T)
        self.crosses.set_data(*self.places[:b][falls].T)
        self.ax.set_title(title, fontsize=10)


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


class Certified:
    """Certified share below, attacked share above, over eps; between them lies what neither decides. Beside it one eps as a bar.

    Args:
        figure: an empty one; two axes are put into it.
        eps: the radii, (k,).
    """

    PARTS = (("proved safe", BLUE, ""), ("undecided", "#dddddd", "//"), ("misread or broken", ORANGE, ".."))

    def __init__(self, figure: Figure, eps: np.ndarray) -> None:
        self.ax, self.bar_ax = figure.subplots(1, 2, width_ratios=[3, 1])
        figure.subplots_adjust(left=0.075, right=0.83, top=0.91, bottom=0.15, wspace=0.26)
        self.eps, zero = np.asarray(eps), np.zeros(len(eps))
        self.gap = self.ax.fill_between(eps, zero, zero, color="#e4e4e4", hatch="//", edgecolor="#bbbbbb", linewidth=0)
        (self.attacked,) = self.ax.plot(eps, zero, label="not broken by the attack", markersize=5, **STYLES["orange"])
        (self.proved,) = self.ax.plot(eps, zero, label="proved by the certificate", markersize=5, **STYLES["blue"])
        self.here = self.ax.axvline(0, color="#666666", linewidth=1)
        self.ax.set_xlabel("eps, length of the change in pixels (l_2)")
        percent_axis(self.ax, "share of test digits (%)")
        self.ax.set_xlim(eps[0], eps[-1])
        self.ax.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="white", fontsize=9)
        percent_axis(self.bar_ax, "share of test digits (%)")
        self.bar_ax.set(xticks=[], xlim=(-0.5, 0.5))
        self.bars = [
            self.bar_ax.bar([0], [0], color=colour, hatch=hatch, edgecolor="white", width=0.7)[0]
            for _, colour, hatch in self.PARTS
        ]
        self.words = [self.bar_ax.text(0.56, 0, name, va="center", fontsize=9) for name, _, _ in self.PARTS]

    def show(self, proved: np.ndarray, attacked: np.ndarray, at: int, title: str) -> None:
        """Shares in percent at every eps, (k,) each; the bar shows number `at`."""
        self.proved.set_ydata(proved)
        self.attacked.set_ydata(attacked)
        edge = np.concatenate([np.column_stack([self.eps, proved]), np.column_stack([self.eps, attacked])[::-1]])
        self.gap.set_verts([edge])
        self.here.set_xdata([self.eps[at]] * 2)
        self.ax.set_title(title, fontsize=10)
        heights, bottom, last = (proved[at], attacked[at] - proved[at], 100 - attacked[at]), 0.0, -8.0
        for bar, word, height in zip(self.bars, self.words, heights, strict=True):
            bar.set_y(bottom)
            bar.set_height(height)
            last = max(bottom + height / 2, last + 8)  # words of thin parts stand above one another
            word.set_y(last)
            bottom += height
        self.bar_ax.set_title(f"eps = {self.eps[at]:g}", fontsize=10)


# ---- the simplified model ---------------------------------------------------------------------------------------------


class Ladder:
    """Every run of several settings side by side, in groups that are told apart by style.

    Args:
        ax: the axes; values are shares, drawn in percent.
        groups: {name of STYLES: labels of its settings}, from left to right.
        ylabel: of the axis.
    """

    def __init__(self, ax: Axes, groups: dict[str, Sequence[str]], ylabel: str) -> None:
        self.ax = ax
        rungs = [(label, style) for style, labels in groups.items() for label in labels]
        self.strips = [strip(ax, i, [0.0], style) for i, (_, style) in enumerate(rungs)]
        ax.set_xticks(range(len(rungs)), [label for label, _ in rungs], fontsize=8.5)
        ax.set_xlim(-0.6, len(rungs) - 0.4)
        percent_axis(ax, ylabel)

    def show(self, runs: Sequence[Sequence[float]], title: str) -> None:
        """One list of shares in [0, 1] for each setting."""
        for strip_, values in zip(self.strips, runs, strict=True):
            move_strip(strip_, [100 * value for value in values])
        self.ax.set_title(title, fontsize=10)
