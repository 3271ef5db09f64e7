"""A loss of two weights, L(u, v) = c(u) v² / 2: a valley whose floor is a line, and the paths of SGD and SAM in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from IPython.display import HTML

from samlib.course import widgets
from samlib.course.lessons.perturbing_the_parameters import pictures

U, V = np.linspace(-1.3, 1.5, 90), np.linspace(-0.7, 1.0, 60)
STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200)

# rho -> the weights before each step, (steps + 2, 2), and where the ascent step from each leads, (steps + 1, 2)
Paths = Mapping[float, tuple[np.ndarray, np.ndarray]]
Steepness = Callable[[np.ndarray], np.ndarray]


def height(steepness: Steepness) -> np.ndarray:
    """The loss on the grid, (60, 90)."""
    return 0.5 * steepness(U) * V[:, None] ** 2


def method(rho: float) -> str:
    """SAM with its rho, or SGD where that is 0."""
    return f"SAM, rho = {rho:g}" if rho else "SGD"


def training_in_the_valley(paths: Paths, steepness: Steepness) -> widgets.Live:
    """The path of training up to any step, for any rho.

    Args:
        paths: of 200 steps at least, for rho = 0 (SGD) and others.
        steepness: c(u), of the valley's walls.
    """
    fig = widgets.figure(8.4, 4.0)
    picture = pictures.PathInValley(fig.add_axes([0.08, 0.13, 0.9, 0.79]), U, V, height(steepness))

    def draw(rho: float, steps: int) -> str:
        path, tops = paths[rho]
        (u, v), steep = path[steps], steepness(path[steps][0])
        picture.show(path[: steps + 1], tops[steps], f"{method(rho)}, {steps} steps: walls of steepness {steep:.1f}")
        return (
            f"{method(rho)} after {steps} steps is at u = {u:.2f}, v = {v:.2f}, "
            f"where the valley's walls have steepness {steep:.1f}."
        )

    controls = {
        "rho": widgets.choice_slider("rho: climb in weight space", [("0 (SGD)", 0.0), *list(paths)[1:]], 0.0),
        "steps": widgets.choice_slider("steps of training", STEPS, 20),
    }
    return widgets.live(fig, draw, controls)


def sgd_and_sam_in_the_valley(paths: Paths, steepness: Steepness) -> HTML:
    """SGD and SAM with rho = 0.2 side by side after 100 steps, as a still figure."""
    still = widgets.figure(8.4, 3.4)
    for panel, rho in zip(still.subplots(1, 2), (0.0, 0.2), strict=True):
        path, tops = paths[rho]
        pictures.PathInValley(panel, U, V, height(steepness)).show(
            path[:101], tops[100], f"{method(rho)}: walls of steepness {steepness(path[100][0]):.1f}"
        )
    still.subplots_adjust(left=0.08, right=0.975, top=0.92, bottom=0.15, wspace=0.25)
    return widgets.still(
        still,
        "SGD went straight down to the floor and stopped at the left. SAM zigzags along the floor and has come further "
        "right; its climb points up the wall.",
    )
