"""The planes of two pixels and of two features: what is reached, the steps, the loss, and where the class changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, axes, size
from samlib.course.style import Canvas

if TYPE_CHECKING:
    from samlib.course.lessons.one_layer_two_spaces.spaces import View

LOOKS = {"weights": style.SAM, "pixels": style.AT}
STEPS = {"weights": "SAM's ascent step", "pixels": "the attack's step"}


class Plane:
    """One plane with all that lies in it, and words at it that find their place.

    Args:
        ax: square axes.
        name: what the plane's two coordinates are, "pixel" or "feature".
        half: they go from -half to half.
    """

    def __init__(self, ax: Axes, name: str, half: float) -> None:
        self.ax, self.half = ax, half
        ax.set(xlim=(-half, half), ylim=(-half, half), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0, pad=4)
        ax.set_xlabel(f"change of the first {name}", labelpad=2)
        ax.set_ylabel(f"change of the second {name}", labelpad=0)
        (self.wrong,) = ax.fill([0, 0, 0], [0, 0, 0], color=style.SHADE, linewidth=0, zorder=1.2)  # over the levels
        self.levels = LineCollection([], colors=style.RULE, linewidths=0.8, zorder=1)
        ax.add_collection(self.levels, autolim=False)
        (self.boundary,) = ax.plot([], [], color=style.INK, linewidth=2.0, zorder=2)
        self.sets, self.edges, self.steps = {}, {}, {}
        for who, look in LOOKS.items():
            (self.sets[who],) = ax.fill([0, 0, 0], [0, 0, 0], color=look.color, alpha=0.1, linewidth=0, zorder=1.5)
            (self.edges[who],) = ax.plot([], [], **look.line(linewidth=2.2), zorder=3)
            self.steps[who] = FancyArrowPatch(
                (0, 0), (1, 0), arrowstyle="-|>,head_length=1.6,head_width=0.9", shrinkA=0, shrinkB=0,
                color=look.color, capstyle="butt", joinstyle="miter", zorder=4 + list(LOOKS).index(who),
            )  # fmt: skip
            ax.add_patch(self.steps[who])
        (self.arc,) = ax.plot([], [], color=style.INK, linewidth=1.2, zorder=3.5)
        (self.origin,) = ax.plot(0, 0, "o", color=style.INK, markersize=5, zorder=6)
        self.beyond, self.reached = Labels(ax), Labels(ax, paper=True)

    def show(self, view: View, said: Mapping[str, str]) -> None:
        """What a view holds; {who: a second line for what is reached}, one for both where they reach the same."""
        self.levels.set_segments(view.levels)
        self.boundary.set_data(*view.boundary.T)
        self.wrong.set_xy(view.wrong)
        for who, edge in view.sets.items():
            self.sets[who].set_xy(edge)
            self.edges[who].set_data(*edge.T)
            self._show_step(who, view.steps[who])
        self._show_arc(view)
        self._show_labels(view, said)

    def _show_step(self, who: str, step: np.ndarray) -> None:
        """An arrow from the middle; where both coincide, the narrow one lies on the broad one."""
        frame = self.ax.get_window_extent().width * style.SHOWN / style.DPI
        pixels = np.hypot(*step) / (2 * self.half) * frame
        width = {"weights": 5.0, "pixels": 2.6}[who] * min(1.0, float(pixels) / 55)
        self.steps[who].set_positions((0, 0), tuple(step))
        self.steps[who].set(linewidth=width, mutation_scale=width)

    def _show_arc(self, view: View) -> None:
        """An arc between the two steps, where there is room for it."""
        ours, theirs = (view.steps[who] for who in LOOKS)
        start, end = (np.arctan2(step[1], step[0]) for step in (ours, theirs))
        turn = (end - start + np.pi) % (2 * np.pi) - np.pi
        angles = start + np.linspace(0, turn, 31) if view.apart > 12 else np.zeros(0)
        length = 0.5 * min(np.hypot(*ours), np.hypot(*theirs))
        self.arc.set_data(length * np.cos(angles), length * np.sin(angles))

    def _show_labels(self, view: View, said: Mapping[str, str]) -> None:
        rays = [np.stack([np.zeros(2), 0.9 * step]) for step in view.steps.values()]
        sets = [share * edge[::3] for edge in view.sets.values() for share in np.linspace(0.2, 1.06, 5)]
        near = view.boundary[np.abs(view.boundary).max(1) < 1.5 * self.half][::3]
        deep = np.concatenate([view.boundary + depth * _normals(view.boundary) for depth in (0.3, 0.6, 0.9)])
        deep = deep[np.abs(deep).max(1) < self.half - 0.1]
        self.beyond.show([Label("misclassified", deep, bold=False)], [near, *sets], borders=[near])
        lengths = np.concatenate([np.linalg.norm(edge, axis=1) for edge in view.sets.values()])
        if np.ptp(lengths) < 1e-9:  # one circle
            labels = [Label("both reach", view.sets["weights"][::6], said=said["both"])]
        else:
            labels = [Label(f"{who} reach", view.sets[who][::6], LOOKS[who], said[who]) for who in LOOKS]
        borders = [near, *rays, *(0.97 * edge[::6] for edge in view.sets.values())]
        self.reached.show(labels, [near, *rays, *sets, *self._rows_beyond(view)], borders=borders)

    def _rows_beyond(self, view: View) -> list[np.ndarray]:
        """The grey region as short horizontal lines, for words to stay out of it."""
        across = np.linspace(-self.half, self.half, 36)
        grid = np.stack(np.meshgrid(across, across), axis=-1)
        grey = Path(view.wrong).contains_points(grid.reshape(-1, 2)).reshape(grid.shape[:2])
        runs = [np.split(row, np.flatnonzero(np.diff(inside)) + 1) for row, inside in zip(grid, grey, strict=True)]
        kept = [np.split(inside, np.flatnonzero(np.diff(inside)) + 1) for inside in grey]
        return [r for row, marks in zip(runs, kept, strict=True) for r, m in zip(row, marks, strict=True) if m[0]]

    @property
    def artists(self) -> list[Artist]:
        """Everything that moves, once it has been shown, from the back to the front."""
        back = [self.levels, self.wrong, self.boundary, *self.sets.values(), *self.edges.values()]
        front = [self.arc, *self.steps.values(), self.origin]
        return [*back, *front, *self.beyond.artists, *self.reached.artists]


def _normals(line: np.ndarray) -> np.ndarray:
    """Unit vectors across a line (n, 2), on the side where the loss is higher."""
    along = np.gradient(line, axis=0)
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return across / np.linalg.norm(across, axis=1, keepdims=True)


class LossBars:
    """The loss after each of the two steps, as bars from the left, and the loss from which the class is another one."""

    def __init__(self, fig: Canvas, left: float, top: float, width: float, *, start: float, flips: float) -> None:
        self.ax = ax = axes(fig, left, top, width, 44)
        ax.set(xlim=(0, 2.7), ylim=(1.6, -0.6))
        ax.set_axis_off()
        self.bars = dict(
            zip(LOOKS, ax.barh([0, 1], [0, 0], 0.62, color=[k.color for k in LOOKS.values()]), strict=True)
        )
        for row, who in enumerate(LOOKS):
            ax.text(-0.47, row, STEPS[who], ha="right", va="center", color=LOOKS[who].dark, fontweight="bold")
        self.values = {who: ax.text(-0.04, row, "", ha="right", va="center") for row, who in enumerate(LOOKS)}
        for x, words, ha in ((start, "before", "right"), (flips, "misclassified from here on", "left")):
            ax.plot([x, x], [-0.55, 1.5], color=style.INK, linewidth=1.0, zorder=3)
            ax.text(x, -0.75, f" {words} ", ha=ha, va="bottom", color=style.QUIET)

    def show(self, losses: Mapping[str, float]) -> None:
        """{who: loss}."""
        for who, loss in losses.items():
            self.bars[who].set_width(loss)
            self.values[who].set_text(f"loss {loss:.2f}")

    @property
    def artists(self) -> list[Artist]:
        """Everything that moves."""
        return [*self.bars.values(), *self.values.values()]


class SpacesPicture:
    """The two planes beside each other, the layer between them, and below what the two steps do to the loss."""

    SIDE, TOP, HALF = 330, 52, 1.65

    def __init__(self, fig: Canvas, start: float, flips: float) -> None:
        self.fig = fig
        lefts = {"pixels": 58, "features": 840 - style.MARGIN - self.SIDE}
        self.planes = {
            name: Plane(axes(fig, left, self.TOP, self.SIDE, self.SIDE), name[:-1], self.HALF)
            for name, left in lefts.items()
        }
        across, down = size(fig)
        words = {
            "pixels": ("Pixel space", "pixels reach a ball; the attack goes straight uphill"),
            "features": ("Feature space", "weights reach a ball; SAM goes straight uphill"),
        }
        self.apart = {}
        for name, left in lefts.items():
            Heading(fig, left, 20, words[name][0])
            fig.text(left / across, 1 - 40 / down, words[name][1], color=style.QUIET)
            self.apart[name] = fig.text((left + self.SIDE) / across, 1 - 20 / down, "", ha="right")
        between = (lefts["pixels"] + self.SIDE + lefts["features"] - 36) / 2
        middle = self.TOP + self.SIDE / 2
        fig.text(between / across, 1 - (middle - 10) / down, "$W$", ha="center", fontsize=style.CAPTION * 1.3)
        fig.add_artist(
            FancyArrowPatch(
                ((between - 16) / across, 1 - middle / down), ((between + 18) / across, 1 - middle / down),
                arrowstyle="-|>,head_length=6,head_width=3", mutation_scale=1, shrinkA=0, shrinkB=0,
                transform=fig.transFigure, color=style.INK, linewidth=1.6,
            )
        )  # fmt: skip
        place = between / across, 1 - (middle + 22) / down
        self.kappa = fig.text(*place, "", ha="center", color=style.QUIET, fontsize=style.CAPTION)
        self.bars = LossBars(fig, 240, 450, 586, start=start, flips=flips)

    def show(
        self, views: Mapping[str, View], kappa: float, radii: Mapping[str, float], loss: Mapping[str, float]
    ) -> None:
        """Two views, {"pixels": ..., "features": ...}; {who: radius} and {who: loss after the step}."""
        said = {"weights": f"rho = {radii['weights']:g}", "pixels": f"eps = {radii['pixels']:.2f}"}
        said["both"] = f"{said['weights']}, {said['pixels']}"
        for name, plane in self.planes.items():
            plane.show(views[name], said)
            self.apart[name].set_text(f"steps {views[name].apart:.0f}° apart")
        self.kappa.set_text(f"$\\kappa = {kappa:g}$")
        self.bars.show(loss)
        moving = [artist for plane in self.planes.values() for artist in plane.artists]
        self.fig.moving = [*moving, *self.apart.values(), self.kappa, *self.bars.artists]
