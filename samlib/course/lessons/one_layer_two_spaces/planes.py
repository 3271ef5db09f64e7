"""The planes of two pixels and of two features: what is reached, the steps, the loss, and where the class changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, axes, size
from samlib.course.style import Canvas

if TYPE_CHECKING:
    from samlib.course.lessons.one_layer_two_spaces.spaces import View

LOOKS = {"weights": style.SAM, "pixels": style.AT}
STEPS = {"weights": "SAM's step", "pixels": "the attack's step"}


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
        (self.wrong,) = ax.fill([0, 0, 0], [0, 0, 0], color=style.SHADE, linewidth=0, zorder=0)
        self.levels = LineCollection([], colors=style.RULE, linewidths=0.8, zorder=1)
        ax.add_collection(self.levels, autolim=False)
        self.cross = [line(0, color=style.RULE, linewidth=0.8, zorder=1) for line in (ax.axhline, ax.axvline)]
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
        self.labels = Labels(ax)

    def show(self, view: View, reached: Mapping[str, str], said: Mapping[str, str], beyond: str) -> None:
        """What a view holds; words for what is reached, {who: second line}, for the steps, and for the grey region."""
        self.levels.set_segments(view.levels)
        self.boundary.set_data(*view.boundary.T)
        self.wrong.set_xy(view.wrong)
        for who, edge in view.sets.items():
            self.sets[who].set_xy(edge)
            self.edges[who].set_data(*edge.T)
            self._show_step(who, view.steps[who])
        self._show_arc(view)
        self._show_labels(view, reached, said, beyond)

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

    def _show_labels(self, view: View, reached: Mapping[str, str], said: Mapping[str, str], beyond: str) -> None:
        deep = np.concatenate([view.boundary + depth * _normals(view.boundary) for depth in (0.25, 0.5, 0.75, 1.0)])
        deep = deep[np.abs(deep).max(1) < self.half - 0.1]
        labels = [Label(STEPS[who], view.steps[who][None], LOOKS[who], said[who]) for who in LOOKS]
        labels += [
            Label(f"what {who} reach", view.sets[who][::6], LOOKS[who], words, bold=False)
            for who, words in reached.items()
        ]
        labels += [Label(beyond, deep, None, "beyond this line", bold=False)]
        rays = [np.stack([np.zeros(2), 0.9 * step]) for step in view.steps.values()]
        inside = [share * edge[::3] for edge in view.sets.values() for share in np.linspace(0.2, 1.06, 5)]
        near = view.boundary[np.abs(view.boundary).max(1) < 1.5 * self.half][::3]
        borders = [near, *rays, *(0.97 * edge[::6] for edge in view.sets.values())]
        self.labels.show(labels, [near, *rays, *inside], borders=borders)

    @property
    def artists(self) -> list[Artist]:
        """Everything that moves, once it has been shown, from the back to the front."""
        back = [self.wrong, self.levels, *self.cross, self.boundary, *self.sets.values(), *self.edges.values()]
        return [*back, self.arc, *self.steps.values(), self.origin, *self.labels.artists]


def _normals(line: np.ndarray) -> np.ndarray:
    """Unit vectors across a line (n, 2), on the side where the loss is higher."""
    along = np.gradient(line, axis=0)
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return across / np.linalg.norm(across, axis=1, keepdims=True)


class SpacesPicture:
    """The two planes beside each other, and the layer between them."""

    SIDE, TOP, HALF = 345, 52, 1.65

    def __init__(self, fig: Canvas) -> None:
        self.fig = fig
        lefts = {"pixels": 50, "features": 840 - style.MARGIN - self.SIDE}
        self.planes = {
            name: Plane(axes(fig, left, self.TOP, self.SIDE, self.SIDE), name[:-1], self.HALF)
            for name, left in lefts.items()
        }
        across, down = size(fig)
        words = {
            "pixels": ("Pixel space", "pixels reach a ball, and the attack goes straight uphill"),
            "features": ("Feature space", "weights reach a ball, and SAM goes straight uphill"),
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
        self.kappa = fig.text(between / across, 1 - (middle + 20) / down, "", ha="center", color=style.QUIET)

    def show(
        self, views: Mapping[str, View], kappa: float, radii: Mapping[str, float], loss: Mapping[str, float]
    ) -> None:
        """Both views; the condition number; {who: rho or eps} and {who: loss at their step}."""
        within = {"weights": f"within rho = {radii['weights']:g}", "pixels": f"within eps = {radii['pixels']:.2f}"}
        for name, plane in self.planes.items():
            losses = {who: f"loss {loss[who]:.2f}" if name == "features" else "" for who in LOOKS}
            plane.show(views[name], within, losses, "misclassified")
            self.apart[name].set_text(f"steps {views[name].apart:.0f}° apart")
        self.kappa.set_text(f"$\\kappa = {kappa:g}$")
        moving = [artist for plane in self.planes.values() for artist in plane.artists]
        self.fig.moving = [*moving, *self.apart.values(), self.kappa]


class LayersPicture:
    """The features' plane for several layers."""

    SIDE, TOP, HALF = 236, 34, 1.3

    def __init__(self, fig: Canvas, layers: int) -> None:
        self.fig = fig
        across = (840 - style.MARGIN - 50 - self.SIDE) // (layers - 1)
        self.lefts = [50 + across * i for i in range(layers)]
        frames = [axes(fig, left, self.TOP, self.SIDE, self.SIDE) for left in self.lefts]
        self.planes = [Plane(ax, "feature", self.HALF) for ax in frames]
        for ax in frames[1:]:
            ax.set(ylabel="", yticklabels=[])

    def show(self, i: int, view: View, title: str) -> None:
        """The view of one layer, and its caption."""
        Heading(self.fig, self.lefts[i], 20, title)
        self.planes[i].show(view, {}, dict.fromkeys(LOOKS, ""), "" if i else "misclassified")
