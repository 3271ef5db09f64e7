"""How far the loss rises within rho of the weights: in a random direction, after one step uphill, after twenty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.pictures import Heading, Label, Labels, axes, plain_decades, shaded_place
from samlib.sharpness import Direction, along, find_worst_case

RHOS = (0.01, 0.05, 0.1, 0.2, 0.4, 0.8)
DIRECTIONS = ("random", "1 step", "20 steps")
SHARES = np.linspace(0, 1, 17)  # of the way to the farthest place
CHOSEN_AT = 0.4  # the rho at which the worst of the random directions is chosen

Losses = Mapping[
    tuple[str, str, float], np.ndarray
]  # (network, direction, rho) -> losses at the distances rho * SHARES


def losses_on_the_way(nets: Mapping[str, nn.Module], x: Tensor, y: Tensor) -> dict[tuple[str, str, float], np.ndarray]:
    """The mean loss on the straight way to the place that each direction leads to, at 17 distances from 0 to rho.

    Args:
        nets: by name; images (n, ...) -> logits.
        x, y: images (n, ...) of the networks' dtype, and labels, int64 (n,).

    Returns:
        (network, direction, rho) -> losses (17,), for every direction of DIRECTIONS and rho of RHOS. "random" is the
        worst of twenty random directions at rho = 0.4; "1 step" and "20 steps" go to the highest place that so many
        steps of projected gradient ascent find.
    """
    losses = {}
    for name, net in nets.items():
        worst = worst_of(random_directions(net, 20), net, x, y)
        for rho in RHOS:
            losses[name, "random", rho] = along(net, x, y, worst, list(rho * SHARES)).numpy()
            for direction, steps in (("1 step", 1), ("20 steps", 20)):
                delta = find_worst_case(net, x, y, rho, steps).delta
                losses[name, direction, rho] = along(net, x, y, delta, list(SHARES)).numpy()
    return losses


def random_directions(net: nn.Module, count: int) -> Iterator[dict[str, Tensor]]:
    """Directions of length 1, uniform on the sphere, each as a change of every parameter by name."""
    generator, parameters = torch.Generator().manual_seed(0), dict(net.named_parameters())
    for _ in range(count):
        drawn = {n: torch.randn(p.shape, generator=generator).to(p.dtype) for n, p in parameters.items()}
        length = torch.cat([d.flatten() for d in drawn.values()]).norm()
        yield {n: d / length for n, d in drawn.items()}


def worst_of(directions: Iterator[Direction], net: nn.Module, x: Tensor, y: Tensor) -> Direction:
    """The direction along which the loss is highest at distance CHOSEN_AT."""
    return max(directions, key=lambda direction: float(along(net, x, y, direction, [CHOSEN_AT])))


def rise(losses: np.ndarray) -> float:
    """How far the highest of the losses lies above the first."""
    return float(losses.max() - losses[0])


class LossCurves:
    """The mean loss of each network over the distance from its weights, a mark at the far end, on a logarithmic axis.

    Args:
        ax: where.
        names: of the networks; a name gives its look.
    """

    def __init__(self, ax: Axes, names: Sequence[str]) -> None:
        self.ax, self.labels = ax, Labels(ax, paper=True)
        self.lines = {name: ax.plot([], [], **style.of(name).line(markevery=[-1]))[0] for name in names}
        for name, line in self.lines.items():
            line.set_marker(style.of(name).marker)
        ax.set(yscale="log", ylim=(4e-3, 12), xlabel="distance from the weights", ylabel="mean training loss")
        ax.grid(axis="y")
        plain_decades(ax.yaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.ax.xaxis, *self.lines.values(), *self.labels.artists]

    def show(self, distances: np.ndarray, losses: Mapping[str, np.ndarray]) -> None:
        """Losses of each network at the distances, from 0 to rho."""
        for name, line in self.lines.items():
            line.set_data(distances, losses[name])
        rho = distances[-1]
        self.ax.set_xlim(0, 1.03 * rho)
        self.ax.set_xticks([0, rho / 2, rho], ["0", f"{rho / 2:g}", f"{rho:g}"])  # few: labels take time to draw
        curves = {name: np.column_stack([distances, losses[name]]) for name in self.lines}
        self.labels.show(
            [Label(name, points, style.of(name)) for name, points in far_apart(curves).items()], list(curves.values())
        )


def far_apart(curves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inner points of two curves (n, 2), at the same places, where one is the most times as high as the other."""
    one, other = (np.log(points[1:-1, 1]) for points in curves.values())
    apart = np.abs(one - other)
    return {name: points[1:-1][apart >= 0.8 * apart.max()] for name, points in curves.items()}


class RiseByDirection:
    """How far each network's loss rises in each kind of direction, with the numbers of the chosen one.

    Args:
        ax: where.
        names: of two networks; a name gives its look.
        directions: from left to right.
    """

    def __init__(self, ax: Axes, names: Sequence[str], directions: Sequence[str]) -> None:
        self.directions, places = list(directions), range(len(directions))
        self.chosen = shaded_place(ax)
        self.marks, self.numbers = {}, {}
        for name in names:
            look = style.of(name)
            (self.marks[name],) = ax.plot(places, [1.0] * len(places), **look.marks(markersize=6))
            self.numbers[name] = ax.annotate(
                "", (0, 1), xytext=(0, 0), textcoords="offset points", ha="center", color=look.dark
            )
        ax.set(yscale="log", xlim=(-0.5, len(places) - 0.5), ylim=(4e-7, 40), ylabel="rise of the loss")
        ax.set_xticks(places, self.directions)
        ax.set_yticks([1e-5, 1e-3, 0.1, 10])
        ax.grid(axis="y")
        plain_decades(ax.yaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.chosen, *self.marks.values(), *self.numbers.values()]

    def show(self, direction: str, rises: Mapping[str, Sequence[float]]) -> None:
        """Rises of each network, one for each direction."""
        at = self.directions.index(direction)
        self.chosen.set_x(at - 0.5)
        upper = max(rises, key=lambda name: rises[name][at])
        for name, values in rises.items():
            self.marks[name].set_ydata(values)
            number = self.numbers[name]
            number.xy = (at, values[at])
            number.set_text(f"{values[at]:.2g}" if values[at] >= 1e-4 else f"{values[at]:.6f}")
            number.set(position=(0, 7 if name == upper else -7), va="bottom" if name == upper else "top")


NETWORKS = ("SGD", "SAM")
SAID = {
    "random": "in the worst of 20 random directions",
    "1 step": "to where one step along the gradient leads",
    "20 steps": "to the highest place that 20 steps find",
}


def compared(rises: Mapping[str, float]) -> str:
    """Whose loss rises further, and how many times as far, in words."""
    higher, lower = sorted(rises, key=rises.__getitem__, reverse=True)
    times = rises[higher] / max(rises[lower], 1e-12)
    return f"{higher}'s loss rises {times:.2g} times as far" if times >= 1.2 else "Both rise about as far"


def loss_within_rho(losses: Losses) -> widgets.Live:
    """The loss on the way in one direction, and how far it rises within rho in all three.

    Args:
        losses: of `losses_on_the_way`, for networks called SGD and SAM.
    """
    with style.look():
        fig = style.figure(3.6)
        way, highest = Heading(fig, 14, 24), Heading(fig, 596, 24)
        curves = LossCurves(axes(fig, 66, 44, 454, 262), NETWORKS)
        by_direction = RiseByDirection(axes(fig, 640, 44, 188, 262), NETWORKS, DIRECTIONS)

    def draw(rho: float, direction: str) -> str:
        rises = {name: [rise(losses[name, d, rho]) for d in DIRECTIONS] for name in NETWORKS}
        curves.show(rho * SHARES, {name: losses[name, direction, rho] for name in NETWORKS})
        by_direction.show(direction, rises)
        way.show(compared({name: found[DIRECTIONS.index(direction)] for name, found in rises.items()}), SAID[direction])
        highest.show(f"Rise within rho = {rho:g}")
        fig.moving = [way.title, way.said, highest.title, *curves.moving, *by_direction.moving]
        said = ", ".join(f"{name} by {values[DIRECTIONS.index(direction)]:.5f}" for name, values in rises.items())
        return f"Within rho {rho:g}, direction {direction}, the loss rises: {said}."

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.1),
        "direction": widgets.toggle("direction", DIRECTIONS, "random"),
    }
    return widgets.live(fig, draw, controls)
