"""The second scene: PGD among all images of two pixels, on a network whose loss bends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from samlib.balls import make_ball
from samlib.course import widgets
from samlib.course.lessons.perturbing_the_input.one_step import NORMS
from samlib.course.lessons.perturbing_the_input.paths import pgd_path
from samlib.course.lessons.perturbing_the_input.pictures import Landscape, Track


def path_in_the_plane(net: nn.Module, start: Sequence[float]) -> widgets.Live:
    """The path of PGD from an image of two pixels, and how far it gets, for every eps, number and length of steps.

    Args:
        net: images (n, 1, 1, 2) -> logits (n, 2), float32.
        start: the image where the attack begins, two pixels, of class number 1.
    """
    fig = widgets.figure(8.4, 4.1)
    land = Landscape(fig.add_axes([0.06, 0.12, 0.46, 0.86]), plane_of_leads(net, 101), start, 15)
    track = Track(fig.add_axes([0.62, 0.12, 0.36, 0.86]), "logit of B − logit of A", -13, 13, 0, "above: errs")
    x, y = torch.tensor(start).view(1, 1, 1, 2), torch.tensor([1])

    def draw(eps: float, steps: int, step_size: float, norm: str) -> str:
        path = pgd_path(net, x, y, make_ball(norm, eps), steps, step_size)
        lead = leads(net, path[:, 0]).numpy()
        land.show(path.view(-1, 2).numpy(), eps, norm, lead[-1] > 0)
        track.show(lead, steps)
        return (
            f"PGD, {norm} eps {eps:g}, {steps} steps of {step_size:g}: from logit difference {lead[0]:.1f} to {lead[-1]:.1f}, "
            f"{'the network errs' if lead[-1] > 0 else 'the network is still right'}."
        )

    controls = {
        "eps": widgets.choice_slider("eps: radius, in pixels", [0.05, 0.08, 0.12, 0.15, 0.2, 0.25, 0.3], 0.25),
        "steps": widgets.choice_slider("steps", [1, 2, 3, 5, 10, 20], 1),
        "step_size": widgets.choice_slider("step size, in pixels", [0.01, 0.02, 0.05, 0.1, 0.25], 0.25),
        "norm": widgets.toggle("norm", NORMS, "linf"),
    }
    return widgets.live(fig, draw, controls)


@torch.no_grad()
def leads(net: nn.Module, images: Tensor) -> Tensor:
    """The logit of class 0 minus that of class 1: (n, 1, 1, 2) -> (n,)."""
    logits = net.eval()(images)
    return logits[:, 0] - logits[:, 1]


def plane_of_leads(net: nn.Module, points: int) -> np.ndarray:
    """`leads` on a grid over the box [0, 1]², (points, points): the first pixel goes along the columns."""
    side = torch.linspace(0, 1, points)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
    return leads(net, grid.view(-1, 1, 1, 2)).view(points, points).numpy()
