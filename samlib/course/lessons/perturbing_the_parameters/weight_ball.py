"""How far the loss rises within rho of the weights: in a random direction, after one step uphill, after twenty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from IPython.display import HTML
from torch import Tensor, nn

from samlib.course import plots, widgets
from samlib.course.lessons.perturbing_the_parameters import pictures
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
            losses[name, "random", rho] = along(net, x, y, worst, rho * SHARES).numpy()
            for direction, steps in (("1 step", 1), ("20 steps", 20)):
                delta = find_worst_case(net, x, y, rho, steps).delta
                losses[name, direction, rho] = along(net, x, y, delta, SHARES).numpy()
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


def loss_within_rho(losses: Losses) -> widgets.Live:
    """The loss on the way in one direction, and how far it rises within rho in all three.

    Args:
        losses: of `losses_on_the_way`, for networks called SGD and SAM.
    """
    fig = widgets.figure(8.4, 3.6)
    picture = pictures.LossOnTheWay(fig, pictures.LOOKS, DIRECTIONS)

    def draw(rho: float, direction: str) -> str:
        rises = {name: [rise(losses[name, d, rho]) for d in DIRECTIONS] for name in pictures.LOOKS}
        picture.show(rho, direction, {n: (rho * SHARES, losses[n, direction, rho]) for n in rises}, rises)
        said = ", ".join(f"{n} by {values[DIRECTIONS.index(direction)]:.5f}" for n, values in rises.items())
        return f"Within rho {rho:g}, direction {direction}, the loss rises: {said}."

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.1),
        "direction": widgets.toggle("direction", DIRECTIONS, "random"),
    }
    return widgets.live(fig, draw, controls)


def three_directions(losses: Losses) -> HTML:
    """The three directions side by side at rho = 0.4, as a still figure."""
    still = widgets.figure(8.4, 3.0)
    for panel, kind in zip(still.subplots(1, 3, sharey=True), DIRECTIONS, strict=True):
        for name, style in pictures.LOOKS.items():
            look_ = {**plots.STYLES[style], "marker": None}
            panel.semilogy(0.4 * SHARES, losses[name, kind, 0.4], label=name, **look_)
        panel.set(xlabel="distance from the weights", title=kind)
        panel.title.set_fontsize(10)
    still.axes[0].set_ylabel("mean training loss")
    still.axes[0].legend(frameon=False, loc="upper left")
    plots.plain_decades(still.axes[0].yaxis)
    still.subplots_adjust(left=0.08, right=0.99, top=0.9, bottom=0.18, wspace=0.08)
    return widgets.still(
        still,
        "Loss of two networks up to distance 0.4. Random: both level, SAM's higher. One step: both rise a little. Twenty "
        "steps: SGD's rises far above SAM's.",
    )


def loss_after_each_step(losses: Mapping[str, Sequence[float]]) -> HTML:
    """The loss before the first step and after each of 20 steps of ascent, by network, as a still figure."""
    still = widgets.figure(8.4, 2.9)
    panel = still.subplots()
    for name, style in pictures.LOOKS.items():
        panel.semilogy(losses[name], label=name, markersize=4, **plots.STYLES[style])
    panel.set(xlabel="steps of the climb, rho = 0.4", ylabel="mean training loss", xticks=range(0, 21, 2))
    panel.legend(frameon=False)
    plots.plain_decades(panel.yaxis)
    still.subplots_adjust(left=0.08, right=0.99, top=0.97, bottom=0.17)
    return widgets.still(
        still,
        "Loss over 20 steps of a climb: SGD's rises steeply over the first five, SAM's slowly and stays far below.",
    )
