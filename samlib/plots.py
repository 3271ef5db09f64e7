"""Pictures: pure functions from data to matplotlib axes. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers too; each goes with a line style and a marker of its own.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#AA4499"
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
    band.set_data(x, *_band(runs))


def _band(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = runs.std(0, ddof=1)
    return runs.mean(0) - spread, runs.mean(0) + spread


def strip(ax: Axes, position: float, values: Sequence[float], style: str, *, label: str | None = None) -> tuple:
    """One dot for each run, side by side around a position, and a bar at their mean.

    Returns the dots and the bar, for `move_strip`.
    """
    look = STYLES[style]
    places = position + np.linspace(-0.22, 0.22, len(values))
    (dots,) = ax.plot(places, sorted(values), look["marker"], color=look["color"], markersize=4, alpha=0.75, label=label)
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
        figure.subplots_adjust(left=0.075, right=0.99, top=0.9, bottom=0.16, wspace=0.18)
        start, runs = [0.0, 1.0], np.zeros((2, 2))
        self.curves = [curve_with_spread(self.curves_ax, start, runs, style, style) for style in styles]
        self.strips = [strip(self.runs_ax, i, [0.0], style) for i, style in enumerate(styles)]
        self.here = self.curves_ax.axvline(0, color="#999999", linewidth=1)
        percent_axis(self.curves_ax, ylabel)
        percent_axis(self.runs_ax, "")
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


def tradeoff(ax: Axes, points: dict[str, tuple[np.ndarray, np.ndarray]], styles: dict[str, str], ylabel: str) -> None:
    """Clean against robust accuracy, {label: (clean, robust)} with one value for each run: mean and spread of both."""
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
        ax.annotate(label, (x, y), xytext=(7, 4), textcoords="offset points", fontsize=8.5)
    ax.set_xlabel("clean accuracy (%)")
    ax.set_ylabel(ylabel)
    ax.grid(color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)
