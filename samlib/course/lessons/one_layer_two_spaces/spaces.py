"""Ball and ellipse: what weights and pixels reach, in the plane of two pixels and in that of two features."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML
from torch import Tensor

from samlib.course import plots, style, widgets
from samlib.course.lessons.one_layer_two_spaces.exercises import GRADIENT, angle_between
from samlib.duality import dz_by_input, dz_by_weights, singular_range

GRID = np.linspace(-1.7, 1.7, 81)
X = torch.tensor([1.0, 0.0], dtype=torch.float64)  # of length 1, so that the ball's radius is rho
CIRCLE = torch.from_numpy(plots.ball_outline((0.0, 0.0), 1.0, "l2")).T  # (2, 121)


def layer(kappa: float, angle: float) -> Tensor:
    """A layer (2, 2) that keeps areas; its long axis stands at `angle` degrees to the loss's gradient."""
    turn = torch.atan2(GRADIENT[1], GRADIENT[0]) + math.radians(angle)
    long = torch.stack([turn.cos(), turn.sin()])
    across = torch.stack([-turn.sin(), turn.cos()])
    return torch.stack([long * kappa**0.5, across / kappa**0.5], dim=1)


def decision(z: Tensor) -> Tensor:
    """A curved decision on features (..., 2): positive where the rest of the network errs; its gradient at 0 is g."""
    return 2 * z[..., 0] + z[..., 1] + 0.4 * z[..., 1] ** 2 - 1.3


def toy_loss(z: Tensor) -> Tensor:
    """The loss of features (..., 2)."""
    return F.softplus(decision(z))


def reached(kappa: float, angle: float, rho: float, size: str) -> tuple[dict[str, tuple], float]:
    """What weights and pixels reach, and their perturbations, in both planes; and eps.

    `size`: eps is such that the pixels' ellipse has the area of the weights' ball ("same area"), lies just "inside" it, or
    goes just "around" it.
    """
    weight = layer(kappa, angle)
    low, high = singular_range(weight)
    eps = rho / {"same area": (low * high) ** 0.5, "inside": high, "around": low}[size]
    inverse = torch.linalg.inv(weight)
    steps = {"weights": dz_by_weights(GRADIENT, X, rho), "pixels": dz_by_input(weight, GRADIENT, eps)}
    features = {"weights": rho * CIRCLE, "pixels": eps * weight @ CIRCLE}, steps
    pixels = tuple({who: inverse @ t for who, t in part.items()} for part in features)
    return {"features": features, "pixels": pixels}, eps


def _backdrop() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    plane = torch.from_numpy(np.stack(np.meshgrid(GRID, GRID), axis=-1))
    return GRID, toy_loss(plane).numpy(), decision(plane).numpy()


def _show(spaces: plots.TwoSpaces, plane: str, parts: tuple, title: str) -> None:
    sets, arrows = ({who: t.numpy() for who, t in part.items()} for part in parts)
    spaces.show(plane, sets, arrows, title)


@style.look()
def ball_and_ellipse() -> widgets.Live:
    """Turn a layer of two pixels and two features, and see what its weights and what the pixels reach."""
    figure = widgets.figure(8.4, 4.5)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.08, right=0.985, top=0.93, bottom=0.24, wspace=0.22)
    spaces = plots.TwoSpaces(left, right, *_backdrop())
    figure.legend(*right.get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False, fontsize=9)

    def draw(kappa: float, angle: float, rho: float, size: str) -> str:
        planes, eps = reached(kappa, angle, rho, size)
        kicks = planes["features"][1]
        rise = {who: float(toy_loss(kick)) for who, kick in kicks.items()}
        apart = angle_between(*kicks.values())
        titles = {
            "pixels": f"pixels: a ball of eps = {eps:.2f}",
            "features": f"features: kicks {apart:.0f}° apart; loss {rise['weights']:.2f} (W), {rise['pixels']:.2f} (x)",
        }
        for plane, parts in planes.items():
            _show(spaces, plane, parts, titles[plane])
        return (
            f"kappa {kappa:g}, angle {angle}, rho {rho:g}, eps {eps:.2f}: kicks {apart:.0f} degrees apart, "
            f"loss {rise['weights']:.2f} by weights, {rise['pixels']:.2f} by pixels."
        )

    controls = {
        "kappa": widgets.choice_slider("kappa: condition number", [1, 1.5, 2, 3, 4], 1),
        "angle": widgets.choice_slider("angle: long axis to g (°)", range(0, 91, 15), 0),
        "rho": widgets.choice_slider("rho: radius in weight space", [0.2, 0.3, 0.4, 0.5], 0.4),
        "size": widgets.toggle("eps: radius of the pixels", ["same area", "inside", "around"], "same area"),
    }
    return widgets.live(figure, draw, controls)


@style.look()
def three_layers() -> HTML:
    """The features' plane for three layers, as a still picture."""
    still = widgets.figure(8.4, 3.5)
    for panel, (kappa, angle) in zip(still.subplots(1, 3), [(1, 0), (4, 0), (4, 75)], strict=True):
        one = plots.TwoSpaces(None, panel, *_backdrop())
        _show(
            one, "features", reached(kappa, angle, 0.4, "same area")[0]["features"], f"kappa = {kappa}, angle {angle}"
        )
    still.legend(*panel.get_legend_handles_labels(), loc="lower center", ncols=4, frameon=False, fontsize=9)
    still.subplots_adjust(left=0.075, right=0.99, top=0.95, bottom=0.22, wspace=0.3)
    return widgets.still(
        still,
        "Equal circles at kappa 1; an ellipse that reaches further along g at angle 0; kicks far apart at angle 75.",
    )
