"""Pictures: pure functions from data to matplotlib axes. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
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


def curve_with_spread(
    ax: Axes, x: Sequence[float], runs: np.ndarray, style: str, label: str, *, dots: bool = True
) -> tuple:
    """The mean of several runs, shape (runs, points), over x, in a band of one standard deviation to each side.

    Returns the line and the band, for `move_curve`.
    """
    look = STYLES[style] if dots else {**STYLES[style], "marker": None}
    (line,) = ax.plot(x, runs.mean(0), label=label, markersize=4, linewidth=1.8, **look)
    band = ax.fill_between(x, *_band(runs), color=look["color"], alpha=0.18, linewidth=0)
    return line, band


def move_curve(curve: tuple, x: Sequence[float], runs: np.ndarray, label: str) -> None:
    """Give a curve of `curve_with_spread` other data."""
    line, band = curve
    line.set_data(x, runs.mean(0))
    line.set_label(label)
    low, high = _band(runs)
    band.set_verts([np.concatenate([np.column_stack([x, low]), np.column_stack([x, high])[::-1]])])


def _band(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = runs.std(0, ddof=1)
    return runs.mean(0) - spread, runs.mean(0) + spread


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


class Comparison:
    """Groups of runs beside each other: mean curves in their bands, and every run at one point of the curves.

    Args:
        figure: an empty one; two axes are put into it.
        styles: one for each group, names of STYLES.
        ylabel: of both axes; the values are shares, drawn in percent.
    """

    def __init__(self, figure: Figure, styles: Sequence[str], ylabel: str) -> None:
        self.curves_ax, self.runs_ax = figure.subplots(1, 2, width_ratios=[3, 2])
        figure.subplots_adjust(left=0.075, right=0.99, top=0.9, bottom=0.16, wspace=0.26)
        start, runs = [0.0, 1.0], np.zeros((2, 2))
        self.curves = [curve_with_spread(self.curves_ax, start, runs, style, style) for style in styles]
        self.strips = [strip(self.runs_ax, i, [0.0], style) for i, style in enumerate(styles)]
        self.here = self.curves_ax.axvline(0, color="#999999", linewidth=1)
        percent_axis(self.curves_ax, ylabel)
        percent_axis(self.runs_ax, ylabel)
        self.runs_ax.set_xlim(-0.6, len(styles) - 0.4)

    def show(self, x: Sequence[float], groups: dict[str, np.ndarray], at: int, xlabel: str) -> dict[str, np.ndarray]:
        """Show groups {label: runs (n, points) in [0, 1]} over x, and point number `at` of every run; returns these."""
        for (label, runs), curve, strip_ in zip(groups.items(), self.curves, self.strips, strict=True):
            move_curve(curve, x, 100 * np.asarray(runs), label)
            move_strip(strip_, 100 * np.asarray(runs)[:, at])
        self.here.set_xdata([x[at]] * 2)
        self.curves_ax.set_xlim(0, x[-1])
        self.curves_ax.set_xlabel(xlabel)
        self.curves_ax.legend(loc="upper right", fontsize=9, frameon=False)
        self.runs_ax.set_xticks(range(len(groups)), list(groups), fontsize=9)
        self.runs_ax.set_title(f"every run at eps = {x[at]:g}, and the mean", fontsize=9)
        return {label: np.asarray(runs)[:, at] for label, runs in groups.items()}


def tradeoff(
    ax: Axes,
    points: dict[str, tuple[np.ndarray, np.ndarray]],
    styles: dict[str, str],
    ylabel: str,
    below: Sequence[str] = (),
    left: Sequence[str] = (),
) -> None:
    """Clean against robust accuracy, {label: (clean, robust)} with one value for each run: mean and spread of both.

    The labels in `below` and in `left` stand under and before their points, to leave room for a neighbour's.
    """
    for label, (clean, robust) in points.items():
        look = STYLES[styles[label]]
        x, y = 100 * np.mean(clean), 100 * np.mean(robust)
        ax.errorbar(
            x,
            y,
            100 * np.std(robust, ddof=1),
            100 * np.std(clean, ddof=1),
            fmt=look["marker"],
            color=look["color"],
            capsize=2,
            markersize=6,
        )
        offset = (7, -12) if label in below else (7, 4)
        side = "left"
        if label in left:
            side, offset = "right", (-7, 4)
        ax.annotate(label, (x, y), xytext=offset, textcoords="offset points", fontsize=8.5, ha=side)
    ax.set_xlabel("clean accuracy (%)")
    ax.set_ylabel(ylabel)
    ax.grid(color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)


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
    """

    def __init__(self, ax: Axes, rows: int, columns: int, size: int = 8) -> None:
        self.size, self.across, self.down = size, size + 3, size + 6
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

    def show(self, tiles: dict[tuple[int, int], tuple[np.ndarray, str, str]]) -> None:
        """Show {(row, column): (RGB image, caption, colour of the caption)}; places not named stay as they are."""
        for (r, c), (tile, caption, colour) in tiles.items():
            top, left = r * self.down + 6, c * self.across + 1
            self.canvas[top - 1 : top + self.size + 1, left - 1 : left + self.size + 1] = 0.88  # a frame
            self.canvas[top : top + self.size, left : left + self.size] = tile
            self.captions[r, c].set_text(caption)
            self.captions[r, c].set_color(colour)
        self.image.set_data(self.canvas)


class Probabilities:
    """Ten bars that can be moved, with the first values they had kept as ticks."""

    def __init__(self, ax: Axes, classes: int = 10) -> None:
        self.bars = ax.bar(range(classes), np.zeros(classes), color=SKY)
        (self.ticks,) = ax.plot(range(classes), np.zeros(classes), "_", color=BLACK, markersize=14, markeredgewidth=1.6)
        ax.set_ylim(0, 1.04)
        ax.set_xticks(range(classes))
        ax.set_xlabel("digit that the network says")
        ax.set_ylabel("probability")

    def show(self, now: np.ndarray, clean: np.ndarray, highlight: int) -> None:
        """Bars at `now`, the one of `highlight` in orange; ticks at `clean`."""
        for i, (bar, height) in enumerate(zip(self.bars, now, strict=True)):
            bar.set_height(height)
            bar.set_color(ORANGE if i == highlight else SKY)
        self.ticks.set_ydata(clean)


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


class Climbs:
    """The loss of two networks on the way into one kind of direction, and beside it how far it rises in each kind.

    Args:
        figure: an empty one; two axes are put into it.
        styles: {network: name of STYLES}.
        kinds: the kinds of direction, in the order in which they are shown.
    """

    def __init__(self, figure: Figure, styles: dict[str, str], kinds: Sequence[str]) -> None:
        self.slices_ax, self.rises_ax = figure.subplots(1, 2, width_ratios=[3, 2])
        figure.subplots_adjust(left=0.08, right=0.99, top=0.92, bottom=0.15, wspace=0.32)
        self.kinds, self.rho_line = list(kinds), self.slices_ax.axvline(0, color="#999999", linewidth=1)
        self.lines, self.dots = {}, {}
        for name, style in styles.items():
            look = STYLES[style]
            plain = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.8}
            (self.lines[name],) = self.slices_ax.plot([], [], label=name, **plain)
            (self.dots[name],) = self.rises_ax.plot(
                range(len(kinds)), [1.0] * len(kinds), look["marker"], color=look["color"], label=name, markersize=7
            )
        self.slices_ax.set(yscale="log", ylim=(4e-3, 12), xlabel="distance from the weights; the line is at rho")
        self.slices_ax.set_ylabel("mean training loss")
        self.slices_ax.legend(loc="upper left", frameon=False)
        self.rises_ax.set(yscale="log", xlim=(-0.5, len(kinds) - 0.5), ylim=(5e-6, 20))
        self.rises_ax.set_xticks(range(len(kinds)), self.kinds)
        self.rises_ax.set_ylabel("rise of the loss")
        self.rises_ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        self.chosen = self.rises_ax.axvline(0, color="#eeeeee", linewidth=60, zorder=0)
        for ax in (self.slices_ax, self.rises_ax):
            plain_decades(ax.yaxis)

    def show(
        self, rho: float, kind: str, slices: dict[str, tuple[np.ndarray, np.ndarray]], rises: dict[str, Sequence[float]]
    ) -> None:
        """Slices {network: (distances, losses)} of the chosen kind; rises {network: one for each kind} at radius rho."""
        for name, (distances, losses) in slices.items():
            self.lines[name].set_data(distances, losses)
            self.dots[name].set_ydata(np.maximum(rises[name], 1e-5))
        self.rho_line.set_xdata([rho] * 2)
        self.slices_ax.set_xlim(0, 1.12 * rho)
        self.chosen.set_xdata([self.kinds.index(kind)] * 2)
        self.slices_ax.set_title(f"on the way: {kind}", fontsize=10)
        self.rises_ax.set_title(f"at the end, rho = {rho:g}", fontsize=10)


class Valley:
    """A loss of two weights as contours, and the path of training on it.

    Args:
        ax: the axes.
        u, v: the grid, (m,) and (n,).
        loss: on the grid, (n, m).
    """

    def __init__(self, ax: Axes, u: np.ndarray, v: np.ndarray, loss: np.ndarray) -> None:
        self.ax = ax
        ax.contour(u, v, loss, levels=[0.02, 0.1, 0.3, 0.7, 1.3, 2.2, 3.5], colors="#aaaaaa", linewidths=0.9)
        ax.axhline(0, color=GREEN, linestyle=":", linewidth=2.2, label="loss 0")
        (self.path,) = ax.plot([], [], "-", color=BLUE, marker=".", markersize=4, linewidth=0.8, label="path of w")
        (self.climb,) = ax.plot([], [], "-", color=RED, linewidth=2, label="the climb, rho long")
        (self.top,) = ax.plot([], [], "^", color=RED, markersize=8)
        (self.here,) = ax.plot([], [], "o", color=BLACK, markersize=7, label="w now")
        ax.set(xlim=(u[0], u[-1]), ylim=(v[0], v[-1]), xlabel="first weight, u", ylabel="second weight, v")
        ax.legend(loc="lower right", fontsize=8.5, ncols=2)

    def show(self, path: np.ndarray, top: np.ndarray, title: str) -> None:
        """The path so far, (steps + 1, 2), and where the climb from its end leads, (2,)."""
        self.path.set_data(*path.T)
        self.here.set_data(*path[-1:].T)
        self.climb.set_data(*np.stack([path[-1], top]).T)
        self.top.set_data(*top[None].T)
        self.ax.set_title(title, fontsize=10)


class Meter:
    """The sharpness of one network under a rescaling beside that of another left alone, and the size of its layers.

    Args:
        figure: an empty one; two axes are put into it.
        factors: the factors of the rescaling, increasing.
        moved, fixed: names of the network that is rescaled and of the other.
        layers: names of the layers.
    """

    def __init__(self, figure: Figure, factors: Sequence[float], moved: str, fixed: str, layers: Sequence[str]) -> None:
        self.curve_ax, self.size_ax = figure.subplots(1, 2, width_ratios=[3, 2])
        figure.subplots_adjust(left=0.115, right=0.99, top=0.91, bottom=0.15, wspace=0.26)
        self.factors, ones = list(factors), [1.0] * len(factors)
        blue = {"color": BLUE, "linestyle": "--", "marker": "s", "markersize": 4, "linewidth": 1.6}
        (self.curve,) = self.curve_ax.plot(factors, ones, label=f"{moved}, rescaled by a", **blue)
        (self.fixed,) = self.curve_ax.plot(factors, ones, color="#666666", linewidth=1.8, label=f"{fixed}, left alone")
        (self.here,) = self.curve_ax.plot([1], [1], "o", color=RED, markersize=10, label="now")
        self.curve_ax.set(xscale="log", yscale="log", xlabel="factor a of the rescaling", ylabel="sharpness")
        self.curve_ax.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
        self.curve_ax.legend(loc="upper center", frameon=False, fontsize=8.5)
        self.curve_ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        self.bars = self.size_ax.bar(layers, np.ones(len(layers)), color=SKY)
        self.size_ax.set(yscale="log", ylim=(0.3, 300), ylabel="length of the weight matrix")
        self.curve_ax.minorticks_off()
        for ax in (self.curve_ax, self.size_ax):
            plain_decades(ax.yaxis)

    def show(self, a: float, curve: Sequence[float], fixed: float, sizes: Sequence[float], title: str) -> None:
        """The sharpness for every factor, the other network's, and the layers' sizes at factor a."""
        self.curve.set_ydata(curve)
        self.fixed.set_ydata([fixed] * len(self.factors))
        self.here.set_data([a], [curve[self.factors.index(a)]])
        every = [*curve, fixed]
        self.curve_ax.set_ylim(min(every) / 3, max(every) * 12)
        self.curve_ax.set_title(title, fontsize=10)
        self.size_ax.set_title(f"a = {a:g}", fontsize=10)
        for bar, size in zip(self.bars, sizes, strict=True):
            bar.set_height(size)


class Shares:
    """One bar for each layer and network: the layer's share of something, in percent."""

    def __init__(self, ax: Axes, layers: Sequence[str], styles: dict[str, str], ylabel: str) -> None:
        self.ax, width = ax, 0.8 / len(styles)
        percent_axis(ax, ylabel)
        ax.set_xticks(range(len(layers)), layers)
        self.bars, hatches = {}, ("", "//", "..")
        for i, (name, style) in enumerate(styles.items()):
            places = np.arange(len(layers)) + (i - (len(styles) - 1) / 2) * width
            look = {"color": STYLES[style]["color"], "hatch": hatches[i % 3], "edgecolor": "white"}
            self.bars[name] = ax.bar(places, np.zeros(len(layers)), 0.92 * width, label=name, **look)
        ax.legend(frameon=False, loc="upper right")

    def show(self, shares: dict[str, Sequence[float]], title: str) -> None:
        """{name: one share in [0, 1] for each layer}."""
        for name, bars in self.bars.items():
            for bar, share in zip(bars, shares[name], strict=True):
                bar.set_height(100 * share)
        self.ax.set_title(title, fontsize=10)


def ball_outline(centre: Sequence[float], eps: float, norm: str) -> np.ndarray:
    """The edge of a ball in the plane, "linf" (a square) or "l2" (a circle), as a closed line (n, 2)."""
    if norm == "linf":
        unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=float)
    else:
        angles = np.linspace(0, 2 * np.pi, 121)
        unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(centre) + eps * unit


class BallScene:
    """An image of two pixels, the ball around it, the box [0, 1], one step and the way back.

    Args:
        ax: the axes.
        x: the image, (2,).
    """

    def __init__(self, ax: Axes, x: np.ndarray) -> None:
        self.ax, self.x = ax, np.asarray(x, dtype=float)
        ax.set_aspect("equal")
        ax.set(xlim=(0.15, 1.35), ylim=(-0.25, 0.95), xlabel="first pixel", ylabel="second pixel")
        ax.fill([0, 1, 1, 0], [0, 0, 1, 1], facecolor="#f2f2f2", edgecolor="#666666", linewidth=1.2)
        ax.text(0.985, 0.93, "box [0, 1]", ha="right", va="top", fontsize=9, color="#666666")
        (self.outline,) = ax.plot([], [], color=BLUE, linewidth=1.8, label="ball of radius eps")
        (self.gradient,) = ax.plot([], [], color="#666666", linestyle=":", linewidth=2, label="gradient (direction)")
        (self.step,) = ax.plot([], [], color=RED, linewidth=2, label="steepest step")
        (self.back,) = ax.plot([], [], color=PURPLE, linestyle="--", linewidth=1.6, label="the way back")
        ax.plot(*self.x, "o", color=BLACK, markersize=7, label="x")
        self.marks = [
            ax.plot([], [], marker, markersize=size, linestyle="none", label=label, **look)[0]
            for marker, size, label, look in (
                ("^", 8, "after the step", {"color": RED}),
                ("s", 10, "projected onto the ball", {"markerfacecolor": "none", "color": PURPLE}),
                ("D", 5, "cut to [0, 1]", {"color": GREEN}),
            )
        ]
        ax.legend(loc="upper left", bbox_to_anchor=(1.03, 1.02), frameon=False, fontsize=9)

    def show(
        self,
        gradient: np.ndarray,
        eps: float,
        norm: str,
        stepped: np.ndarray,
        projected: np.ndarray,
        cut: np.ndarray,
    ) -> None:
        """The gradient's direction, (2,), the ball, and the points after step, projection and cut, each (2,)."""
        self.outline.set_data(*ball_outline(self.x, eps, norm).T)
        end = self.x + 0.45 * gradient / np.linalg.norm(gradient)
        self.gradient.set_data(*np.stack([self.x, end], axis=1))
        self.step.set_data(*np.stack([self.x, stepped], axis=1))
        self.back.set_data(*np.stack([stepped, projected, cut], axis=1))
        for mark, point in zip(self.marks, (stepped, projected, cut), strict=True):
            mark.set_data([point[0]], [point[1]])


class Landscape:
    """How a classifier of two pixels divides the box [0, 1]², and the path of an attack in it.

    Args:
        ax: the axes.
        margins: what the attack makes large, on a grid (k, k) over the box; it is zero where the classifier changes its mind.
        x: where the attack begins, (2,).
        largest: the value of the darkest colour.
    """

    def __init__(self, ax: Axes, margins: np.ndarray, x: np.ndarray, largest: float) -> None:
        self.x, grid = np.asarray(x, dtype=float), np.linspace(0, 1, len(margins))
        ax.set_aspect("equal")
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="first pixel", ylabel="second pixel")
        levels = np.linspace(-largest, largest, 21)
        ax.contourf(grid, grid, margins, levels=levels, cmap=DIVERGING, extend="both")
        ax.contour(grid, grid, margins, levels=[0], colors=BLACK, linewidths=2)
        (self.outline,) = ax.plot([], [], color=BLUE, linewidth=2)
        (self.path,) = ax.plot([], [], "-", color=BLACK, linewidth=1.2, marker="o", markersize=3.5)
        ax.plot(*self.x, "o", color="white", markeredgecolor=BLACK, markersize=9)
        (self.end,) = ax.plot([], [], "D", markersize=9, markeredgecolor="white")

    def show(self, path: np.ndarray, eps: float, norm: str, succeeds: bool) -> None:
        """The path (steps + 1, 2) of an attack in a ball; its end is orange where the attack succeeds, else blue."""
        self.outline.set_data(*ball_outline(self.x, eps, norm).T)
        self.path.set_data(*path.T)
        self.end.set_data(*path[-1:].T)
        self.end.set_color(RED if succeeds else BLUE)
        self.end.set_markeredgecolor("white")


class Track:
    """One quantity along a path, with a mark at one of its points, orange above a level and blue below.

    Args:
        ax: the axes.
        label: of the vertical axis.
        low, high: its range.
        level: where a dashed line is drawn, and `level_label` what it means.
    """

    def __init__(self, ax: Axes, label: str, low: float, high: float, level: float, level_label: str) -> None:
        self.ax, self.level = ax, level
        ax.set(xlabel="step", ylabel=label, ylim=(low, high))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.axhline(level, color="#666666", linestyle="--", linewidth=1.2)
        ax.annotate(
            level_label, (1, level), (-4, -11), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", fontsize=9, color="#666666",
        )  # fmt: skip
        (self.line,) = ax.plot([], [], color=BLACK, linewidth=1.4, marker="o", markersize=3.5)
        (self.mark,) = ax.plot([], [], "D", markersize=9, markeredgecolor="white")

    def show(self, values: np.ndarray, at: int) -> None:
        """The values, one for each point of the path, and a mark at number `at`."""
        self.line.set_data(range(len(values)), values)
        self.mark.set_data([at], [values[at]])
        self.mark.set_color(RED if values[at] > self.level else BLUE)
        self.mark.set_markeredgecolor("white")
        self.ax.set_xlim(-0.3, max(len(values) - 1, 1) + 0.3)
