"""What the pictures of this lesson draw; nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from samlib.course.plots import BLACK, BLUE, GREEN, RED, SKY, STYLES, percent_axis, plain_decades

LOOKS = {"SGD": "grey", "SAM": "blue"}


class LossOnTheWay:
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
            (self.lines[name],) = self.slices_ax.plot([], [], label=name, linewidth=1.8, markevery=[-1], **look)
            (self.dots[name],) = self.rises_ax.plot(
                range(len(kinds)), [1.0] * len(kinds), look["marker"], color=look["color"], markersize=7
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
        self.slices_ax.set_xticks([0, rho / 2, rho], ["0", f"{rho / 2:g}", f"{rho:g}"])  # few: labels take time to draw
        self.chosen.set_xdata([self.kinds.index(kind)] * 2)
        self.slices_ax.set_title(f"on the way: {kind}", fontsize=10)
        self.rises_ax.set_title(f"largest rise within rho = {rho:g}", fontsize=10)


class PathInValley:
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
        ends = {"marker": "D", "markersize": 6, "markevery": (1, 2)}  # a mark at the top only
        (self.climb,) = ax.plot([], [], "-", color=RED, linewidth=2, label="the climb, rho long", **ends)
        (self.here,) = ax.plot([], [], "o", color=BLACK, markersize=7, label="w now")
        ax.set(xlim=(u[0], u[-1]), ylim=(v[0], v[-1]), xlabel="first weight, u", ylabel="second weight, v")
        ax.legend(loc="lower right", fontsize=8.5, ncols=2)

    def show(self, path: np.ndarray, top: np.ndarray, title: str) -> None:
        """The path so far, (steps + 1, 2), and where the climb from its end leads, (2,)."""
        self.path.set_data(*path.T)
        self.here.set_data(*path[-1:].T)
        self.climb.set_data(*np.stack([path[-1], top]).T)
        self.climb.set_visible(not np.array_equal(path[-1], top))  # SGD has none
        self.ax.set_title(title, fontsize=10)


class RescaledSharpness:
    """The sharpness of one network under a rescaling, over its factor, beside that of another network left alone.

    Args:
        ax: the axes.
        factors: the factors of the rescaling, increasing.
        moved, fixed: names of the network that is rescaled and of the other.
    """

    def __init__(self, ax: Axes, factors: Sequence[float], moved: str, fixed: str) -> None:
        self.ax, self.factors, ones = ax, list(factors), [1.0] * len(factors)
        blue = {"color": BLUE, "linestyle": "--", "marker": "s", "markersize": 4, "linewidth": 1.6}
        (self.curve,) = ax.plot(factors, ones, label=f"{moved}, rescaled by a", **blue)
        (self.fixed,) = ax.plot(factors, ones, color="#666666", linewidth=1.8, label=f"{fixed}, left alone")
        (self.here,) = ax.plot([1], [1], "o", color=RED, markersize=10, label="now")
        ax.set(xscale="log", yscale="log", xlabel="factor a of the rescaling", ylabel="sharpness")
        ax.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
        ax.legend(loc="upper center", frameon=False, fontsize=8.5)
        ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        ax.minorticks_off()
        plain_decades(ax.yaxis)

    def show(self, a: float, curve: Sequence[float], fixed: float, title: str) -> None:
        """The sharpness for every factor, that of the other network, and a mark at factor a."""
        self.curve.set_ydata(curve)
        self.fixed.set_ydata([fixed] * len(self.factors))
        self.here.set_data([a], [curve[self.factors.index(a)]])
        every = [*curve, fixed]
        self.ax.set_ylim(min(every) / 3, max(every) * 12)
        self.ax.set_title(title, fontsize=10)


class RescaledNetwork:
    """`RescaledSharpness`, and beside it the size of each layer.

    Args:
        figure: an empty one; two axes are put into it.
        factors, moved, fixed: as for `RescaledSharpness`.
        layers: names of the layers.
    """

    def __init__(self, figure: Figure, factors: Sequence[float], moved: str, fixed: str, layers: Sequence[str]) -> None:
        curve_ax, self.size_ax = figure.subplots(1, 2, width_ratios=[3, 2])
        figure.subplots_adjust(left=0.115, right=0.99, top=0.91, bottom=0.15, wspace=0.26)
        self.curve = RescaledSharpness(curve_ax, factors, moved, fixed)
        self.bars = self.size_ax.bar(layers, np.ones(len(layers)), color=SKY)
        self.size_ax.set(yscale="log", ylim=(0.3, 300), ylabel="length of the weight matrix")
        plain_decades(self.size_ax.yaxis)

    def show(self, a: float, curve: Sequence[float], fixed: float, sizes: Sequence[float], title: str) -> None:
        """As for `RescaledSharpness`, and the layers' sizes at factor a."""
        self.curve.show(a, curve, fixed, title)
        self.size_ax.set_title(f"a = {a:g}", fontsize=10)
        for bar, size in zip(self.bars, sizes, strict=True):
            bar.set_height(size)


class LayerShares:
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
