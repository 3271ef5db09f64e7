"""What the scenes of this lesson are drawn with. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from samlib.course.plots import (
    BLACK,
    BLUE,
    DIVERGING,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    STYLES,
    ball_outline,
    percent_axis,
)


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
        (self.step,) = ax.plot([], [], color=ORANGE, linewidth=5, solid_capstyle="butt", label="steepest step")
        (self.back,) = ax.plot([], [], color=PURPLE, linestyle="--", linewidth=1.8, label="the way back")
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


def draw_projections(ax: Axes, eps: float, norm: str, outside: np.ndarray, nearest: np.ndarray) -> None:
    """A ball of changes of two pixels, changes outside of it, (n, 2), and arrows to the nearest change inside, (n, 2)."""
    ax.set_aspect("equal")
    ax.set(xlabel="change of first pixel", ylabel="change of second pixel")
    ax.plot(*ball_outline((0, 0), eps, norm).T, color=BLUE, linewidth=1.8)
    ax.plot(*outside.T, "^", color=RED, markersize=6)
    look = {"arrowstyle": "->", "color": PURPLE, "linestyle": "--", "linewidth": 1.4, "shrinkA": 3, "shrinkB": 0}
    for point, goal in zip(outside, nearest, strict=True):
        ax.annotate("", goal, point, arrowprops=look)
    ax.plot(*nearest.T, "s", markersize=7, markerfacecolor="none", color=PURPLE)
    ax.plot(0, 0, "o", color=BLACK, markersize=6)


class Landscape:
    """How a classifier of two pixels divides the box [0, 1]², and the path of an attack in it; room for the ball outside.

    Args:
        ax: the axes.
        margins: what the attack makes large, on a grid (k, k) over the box; it is zero where the classifier changes its mind.
        x: where the attack begins, (2,).
        largest: the value of the darkest colour.
    """

    def __init__(self, ax: Axes, margins: np.ndarray, x: np.ndarray, largest: float) -> None:
        self.x, grid = np.asarray(x, dtype=float), np.linspace(0, 1, len(margins))
        ax.set_aspect("equal")
        ax.set(xlim=(-0.02, 1.22), ylim=(-0.02, 1.12), xlabel="first pixel", ylabel="second pixel")
        ax.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="#666666", linewidth=1.2))
        ax.text(0.01, 1.03, "box [0, 1]", fontsize=9, color="#666666")
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
        last = max(len(values) - 1, 1)
        self.ax.set_xlim(-0.2 - 0.03 * last, last + 0.2 + 0.03 * last)  # room for the mark at either end


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


class BoundPicture:
    """Robust accuracy over the steps of an attack, and which of a hundred images are still robust.

    Args:
        fig: an empty one.
        together: percent that all attacks leave when they work together.
    """

    TINTS = np.array([[0.6, 0.6, 0.6], [0.84, 0.37, 0.0], [0.0, 0.45, 0.70]])

    def __init__(self, fig: Figure, together: float) -> None:
        self.fig = fig
        ax = fig.add_axes([0.08, 0.14, 0.5, 0.82])
        percent_axis(ax, "robust accuracy (%): an upper bound")
        ax.set(xlim=(-0.5, 40.5), xlabel="steps")
        ax.axhline(together, color="#666666", linestyle="--", linewidth=1.2)
        ax.text(40, together - 2.5, "all of them together", ha="right", va="top", fontsize=9, color="#666666")
        self.one, self.several = (
            ax.plot([], [], label=text, **{**STYLES[style], "marker": None})[0]
            for text, style in (("one run", "grey"), ("with restarts", "blue"))
        )
        (self.here,) = ax.plot([], [], "s", color=BLUE, markersize=8, markeredgecolor="white")
        ax.legend(frameon=False, loc="lower left")
        self.squares_ax = ax = fig.add_axes([0.62, 0.08, 0.37, 0.82])
        ax.set_axis_off()
        self.squares = ax.imshow(np.ones((10, 10, 3)), interpolation="nearest")
        (self.crosses,) = ax.plot([], [], "x", color="white", markersize=7)
        ax.set(xlim=(-0.5, 9.5), ylim=(9.5, -0.5))
        for k in range(11):
            ax.axvline(k - 0.5, color="white", linewidth=1.5)
            ax.axhline(k - 0.5, color="white", linewidth=1.5)

    def show(self, one: np.ndarray, several: np.ndarray, steps: int, state: np.ndarray) -> None:
        """Percent over the steps, for one run and for several; each image's state, 0 misread, 1 broken, 2 robust, (100,)."""
        self.one.set_data(range(len(one)), one)
        self.several.set_data(range(len(several)), several)
        self.here.set_data([steps], [several[steps]])
        self.squares.set_data(self.TINTS[state].reshape(10, 10, 3))
        rows, columns = (state.reshape(10, 10) == 1).nonzero()
        self.crosses.set_data(columns, rows)
        self.squares_ax.set_title(f"{(state == 2).sum()} of 100 stand", fontsize=10)


def draw_faults(ax: Axes, reported: Mapping[str, float]) -> None:
    """Bars of robust accuracy in percent: the first without a fault, the others with one."""
    colours = [SKY, *[ORANGE] * 4]
    bars = ax.barh(range(5), list(reported.values()), color=colours, hatch=["", *["//"] * 4], edgecolor="white")
    ax.bar_label(bars, fmt="%.0f", padding=4)
    ax.axvline(reported["none"], color="#666666", linestyle="--", linewidth=1.2)
    ax.set_yticks(range(5), ["no fault", *list(reported)[1:]])
    ax.invert_yaxis()
    ax.set(xlim=(0, 100), xlabel="robust accuracy reported (%)")
