"""Ball and ellipse: what weights and pixels reach, in the plane of two pixels and in that of two features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from samlib.course import style, widgets
from samlib.course.lessons.one_layer_two_spaces.exercises import GRADIENT, angle_between
from samlib.course.lessons.one_layer_two_spaces.planes import SpacesPicture
from samlib.duality import dz_by_input, dz_by_weights, singular_range

X = torch.tensor([1.0, 0.0], dtype=torch.float64)  # of length 1, so that the ball's radius is rho
LOSSES = np.geomspace(0.02, 0.45, 6)  # of the level lines, all below log 2, where the class changes

KAPPAS, ANGLES, RHO = (1, 2, 4), range(0, 91, 15), 0.4
SIZES = ("same area", "inside", "around")


@dataclass(frozen=True)
class View:
    """One plane, as arrays (n, 2) of its coordinates.

    Args:
        sets: {"weights" or "pixels": edge of what they reach}.
        steps: {"weights": SAM's step, "pixels": the attack's}, (2,) each.
        levels: lines of equal loss.
        boundary: where the class changes.
        wrong: an outline of where it is another one.
    """

    sets: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    levels: list[np.ndarray]
    boundary: np.ndarray
    wrong: np.ndarray

    @property
    def apart(self) -> float:
        """The angle between the two steps, in degrees."""
        return angle_between(*map(torch.from_numpy, self.steps.values()))


def layer(kappa: float, angle: float) -> Tensor:
    """A layer (2, 2) that keeps areas; its long axis stands at `angle` degrees to the loss's gradient."""
    turn = torch.atan2(GRADIENT[1], GRADIENT[0]) + math.radians(angle)
    long = torch.stack([turn.cos(), turn.sin()])
    across = torch.stack([-turn.sin(), turn.cos()])
    return torch.stack([long * kappa**0.5, across / kappa**0.5], dim=1)


def decision(z: Tensor) -> Tensor:
    """A curved decision on features (..., 2), positive where they are misclassified; its gradient at 0 is GRADIENT."""
    return 2 * z[..., 0] + z[..., 1] + 0.4 * z[..., 1] ** 2 - 1.3


def toy_loss(z: Tensor) -> Tensor:
    """The loss of features (..., 2)."""
    return F.softplus(decision(z))


def level_line(value: float) -> Tensor:
    """Where `decision` has this value: a parabola, (141, 2)."""
    second = torch.linspace(-7, 7, 141, dtype=torch.float64)
    return torch.stack([(value + 1.3 - second - 0.4 * second**2) / 2, second], dim=1)


def radius_of_pixels(weight: Tensor, rho: float, size: str) -> float:
    """The eps for which the pixels' ellipse has the area of the ball of radius rho, is just "inside" or "around" it."""
    low, high = singular_range(weight)
    return rho / {"same area": (low * high) ** 0.5, "inside": high, "around": low}[size]


def two_views(weight: Tensor, rho: float, eps: float) -> dict[str, View]:
    """What weights within rho and pixels within eps reach, in the planes of the "pixels" and of the "features"."""
    angle = torch.linspace(0, 2 * math.pi, 121, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    sets = {"weights": rho * circle, "pixels": eps * circle @ weight.T}
    steps = {"weights": dz_by_weights(GRADIENT, X, rho), "pixels": dz_by_input(weight, GRADIENT, eps)}
    levels = [level_line(math.log(math.expm1(loss))) for loss in LOSSES]
    boundary = level_line(0.0)
    far = torch.tensor([[60.0, 7.0], [60.0, -7.0]], dtype=torch.float64)

    def seen(change: Tensor) -> View:
        """The features' plane, after a change of coordinates."""
        maps = lambda points: (points @ change.T).numpy()  # noqa: E731
        return View(
            {who: maps(points) for who, points in sets.items()},
            {who: maps(step) for who, step in steps.items()},
            [maps(line) for line in levels],
            maps(boundary),
            maps(torch.cat([boundary, far])),
        )

    return {"pixels": seen(torch.linalg.inv(weight)), "features": seen(torch.eye(2, dtype=torch.float64))}


@style.look()
def ball_and_ellipse() -> widgets.Live:
    """Turn a layer of two pixels and two features, and see what its weights and what the pixels reach."""
    start = float(toy_loss(torch.zeros(2, dtype=torch.float64)))
    picture = SpacesPicture(style.figure(5.08), start=start, flips=math.log(2))

    def draw(kappa: float, angle: float, size: str) -> str:
        weight = layer(kappa, angle)
        eps = radius_of_pixels(weight, RHO, size)
        views = two_views(weight, RHO, eps)
        loss = {who: float(toy_loss(torch.from_numpy(dz))) for who, dz in views["features"].steps.items()}
        picture.show(views, kappa, {"weights": RHO, "pixels": eps}, loss)
        return (
            f"kappa {kappa:g}, angle {angle}, rho {RHO:g}, eps {eps:.2f}: steps {views['features'].apart:.0f} degrees "
            f"apart, loss {loss['weights']:.2f} by weights, {loss['pixels']:.2f} by pixels."
        )

    controls = {
        "kappa": widgets.choice_slider("kappa: condition number of W", KAPPAS, 1),
        "angle": widgets.choice_slider("angle: long axis to g (°)", ANGLES, 0),
        "size": widgets.toggle("eps: radius of the pixels", SIZES, "same area"),
    }
    return widgets.live(picture.fig, draw, controls)
