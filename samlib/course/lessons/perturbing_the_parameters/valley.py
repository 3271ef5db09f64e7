"""A loss of two weights, L(u, v) = c(u) v² / 2: a valley whose floor is a line, and the paths of SGD and SAM in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from samlib.course import style, widgets
from samlib.course.pictures import Heading, Label, Labels, axes, ball_outline

U, V = np.linspace(-1.3, 1.5, 90), np.linspace(-0.7, 1.25, 66)  # the grid
LEVELS = (0.02, 0.1, 0.3, 0.7, 1.3, 2.2, 3.5, 5.2, 7.5, 10.5)  # of the loss along the lines
STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200)

# rho -> the weights before each step, (steps + 2, 2), and where the ascent step from each leads, (steps + 1, 2)
Paths = Mapping[float, tuple[np.ndarray, np.ndarray]]
Steepness = Callable[[np.ndarray], np.ndarray]


def height(steepness: Steepness) -> np.ndarray:
    """The loss on the grid, (66, 90)."""
    return 0.5 * steepness(U) * V[:, None] ** 2


def method(rho: float) -> str:
    """SAM with its rho, or SGD where that is 0."""
    return f"SAM, rho = {rho:g}" if rho else "SGD"


class PathInValley:
    """The valley from above, as lines of equal loss, and the path of training on it with SAM's ascent step at its end.

    Args:
        ax: where.
        loss: on the grid, (66, 90).
    """

    def __init__(self, ax: Axes, loss: np.ndarray) -> None:
        self.ax, self.labels = ax, Labels(ax, paper=True)
        ax.contour(U, V, loss, levels=LEVELS, colors=style.RULE, linewidths=1.0)
        ax.axhline(0, color=style.INK, linewidth=0.8)
        beneath = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.5}
        ax.text(1.49, 0.03, "floor: loss 0", ha="right", va="bottom", bbox=beneath)
        (self.path,) = ax.plot([], [], linewidth=1.0)
        (self.step,) = ax.plot([], [], **style.SAM.line(linestyle="-", linewidth=2.6))
        (self.top,) = ax.plot([], [], **style.SAM.marks(markersize=7))
        (self.here,) = ax.plot([], [], "o", color=style.INK, markersize=7)
        ax.set(xlim=(U[0], U[-1]), ylim=(V[0], V[-1]), xlabel="first weight, $u$", ylabel="second weight, $v$")
        ax.set_yticks([-0.5, 0, 0.5, 1])
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.path, self.step, self.top, self.here, *self.labels.artists]

    def show(self, path: np.ndarray, top: np.ndarray) -> None:
        """The path so far, (steps + 1, 2), and where the ascent step from its end leads, (2,); SGD's leads nowhere."""
        moves = not np.array_equal(path[-1], top)
        look, step = style.SAM if moves else style.SGD, np.stack([path[-1], top])
        self.path.set_data(*path.T)
        self.path.set(color=look.color, marker=look.marker, markersize=2.6)
        self.here.set_data(*path[-1:].T)
        self.step.set_data(*step.T)
        self.top.set_data(*step[1:].T)
        self.step.set_visible(moves)
        self.top.set_visible(moves)
        now = Label("weights now", path[-1:])
        there = Label("SAM's ascent step" if moves else "", step[1:], style.SAM)
        marks = [ball_outline(end, 0.05, "l2") for end in step]
        self.labels.show([there, now], [path, step, np.array([[U[0], 0], [U[-1], 0]]), *marks])


class CrossSection:
    """The walls where training is, and, pale, where it began."""

    def __init__(self, ax: Axes, start: float) -> None:
        self.v = np.linspace(-1, 1, 81)
        ax.plot(self.v, 0.5 * start * self.v**2, color=style.PALE, linewidth=2.4)
        (self.wall,) = ax.plot([], [], color=style.INK, linewidth=1.8)
        (self.here,) = ax.plot([], [], "o", color=style.INK, markersize=7)
        ax.text(0, 5.5, "at the start", ha="center", color=style.QUIET)
        ax.set(xlim=(-1, 1), ylim=(-0.2, 6))
        ax.set_axis_off()

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.wall, self.here]

    def show(self, steepness: float, v: float) -> None:
        """Walls of this steepness, and the weights on one of them."""
        self.wall.set_data(self.v, 0.5 * steepness * self.v**2)
        self.here.set_data([v], [0.5 * steepness * v**2])


def training_in_the_valley(paths: Paths, steepness: Steepness) -> widgets.Live:
    """The path of training up to any step, for any rho.

    Args:
        paths: of 200 steps at least, for rho = 0 (SGD) and others, all from one place.
        steepness: c(u), of the valley's walls.
    """
    with style.look():
        fig = style.figure(3.9)
        heading, walls = Heading(fig, 14, 24), Heading(fig, 622, 24)
        from_above = PathInValley(axes(fig, 62, 40, 530, 300), height(steepness))
        across = CrossSection(axes(fig, 622, 60, 200, 230), float(steepness(paths[0.0][0][0, 0])))

    def draw(rho: float, steps: int) -> str:
        path, tops = paths[rho]
        (u, v), steep = path[steps], float(steepness(path[steps][0]))
        heading.show(method(rho), f"{steps} steps")
        walls.show("Walls here", f"steepness {steep:.1f}")
        from_above.show(path[: steps + 1], tops[steps])
        across.show(steep, v)
        fig.moving = [heading.title, heading.said, walls.said, *from_above.moving, *across.moving]
        return (
            f"{method(rho)} after {steps} steps is at u = {u:.2f}, v = {v:.2f}, "
            f"where the valley's walls have steepness {steep:.1f}."
        )

    controls = {
        "rho": widgets.choice_slider("rho: SAM's radius in weight space", [("0 (SGD)", 0.0), *list(paths)[1:]], 0.0),
        "steps": widgets.choice_slider("steps of training", STEPS, 20),
    }
    return widgets.live(fig, draw, controls)
