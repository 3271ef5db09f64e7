"""The first scene: one steepest step from an image of two pixels, and the way back into ball and box."""

from __future__ import annotations

import numpy as np
import torch
from IPython.display import HTML

from samlib.balls import make_ball
from samlib.course import widgets
from samlib.course.lessons.perturbing_the_input.pictures import BLUE, RED, BallScene, draw_projections

NORMS = (("l_inf", "linf"), ("l_2", "l2"))  # what a control shows, and what the code takes
X = np.array([0.84, 0.35])
AROUND = np.radians(np.arange(0, 361, 1.5))


def one_step() -> widgets.Live:
    """One steepest step from an image of two pixels, for every angle of the gradient, both norms, and several lengths."""
    fig = widgets.figure(8.4, 4.0)
    view = BallScene(fig.add_axes([0.09, 0.13, 0.40, 0.84]), X)
    rise_ax = fig.add_axes([0.61, 0.13, 0.37, 0.38])
    (rise,) = rise_ax.plot([], [], color=BLUE, linewidth=1.8)
    (best,) = rise_ax.plot([], [], "*", color=RED, markersize=11, label="steepest step, norm eps")
    rise_ax.set(xlim=(0, 360), ylim=(-0.5, 0.7), xlabel="direction of the change, degrees", ylabel="rise of the loss")
    rise_ax.set_xticks([0, 90, 180, 270, 360])
    rise_ax.set_yticks([-0.4, 0, 0.4])
    rise_ax.legend(loc="upper right", frameon=False, fontsize=9)
    rise_ax.axhline(0, color="#999999", linewidth=0.8)

    def draw(angle: int, norm: str, eps: float, step_size: float) -> str:
        gradient = unit_gradient(angle)
        steepest, stepped, projected, cut = step_and_back(X, gradient, norm, eps, step_size)
        view.show(gradient, eps, norm, stepped, projected, cut)
        rise.set_data(np.degrees(AROUND), rise_at_the_edge(gradient, norm, eps))
        best.set_data([np.degrees(np.arctan2(steepest[1], steepest[0])) % 360], [gradient @ steepest * eps])
        return (
            f"Gradient at {angle} degrees, {norm}: a steepest step of {step_size:g} leads to {_point(stepped)}; "
            f"projected onto the ball of radius {eps:g} {_point(projected)}, cut {_point(cut)}."
        )

    controls = {
        "angle": widgets.choice_slider("gradient: its angle, degrees", range(0, 360, 15), 30),
        "norm": widgets.toggle("norm", NORMS, "linf"),
        "eps": widgets.choice_slider("eps: radius, in pixels", [0.1, 0.15, 0.2, 0.25, 0.3], 0.2),
        "step_size": widgets.choice_slider("step size, in pixels", [0.1, 0.15, 0.2, 0.25, 0.3, 0.4], 0.2),
    }
    return widgets.live(fig, draw, controls)


def _point(x: np.ndarray) -> str:
    return str(tuple(x.round(2).tolist()))


def unit_gradient(angle: float) -> np.ndarray:
    """A gradient of length 1 at an angle in degrees, (2,). On an axis one slope is exactly 0."""
    return np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]).round(12)


def step_and_back(
    x: np.ndarray, gradient: np.ndarray, norm: str, eps: float, step_size: float
) -> tuple[np.ndarray, ...]:
    """The steepest step of norm 1, and the points after the step, after the projection and after the clamp, each (2,)."""
    ball = make_ball(norm, eps)
    steepest = ball.steepest(torch.tensor(gradient)[None])[0].numpy()
    stepped = x + step_size * steepest
    projected = x + ball.project(torch.tensor(stepped - x)[None])[0].numpy()
    return steepest, stepped, projected, projected.clip(0, 1)


def rise_at_the_edge(gradient: np.ndarray, norm: str, eps: float) -> np.ndarray:
    """How much a loss with this gradient, (2,), rises at the edge of a ball, once around: at the angles AROUND."""
    directions = np.stack([np.cos(AROUND), np.sin(AROUND)])
    return gradient @ (eps * directions / (np.abs(directions).max(0) if norm == "linf" else 1))


def projections() -> HTML:
    """Twelve changes outside of a ball, and where they are projected to, for both norms."""
    around = np.radians(np.arange(15, 375, 30))
    outside = 0.42 * np.stack([np.cos(around), np.sin(around)], axis=1)
    fig = widgets.figure(8.4, 3.6)
    for place, (name, norm) in enumerate(NORMS):
        ax = fig.add_axes([0.1 + 0.48 * place, 0.15, 0.38, 0.76])
        draw_projections(ax, 0.25, norm, outside, make_ball(norm, 0.25).project(torch.tensor(outside)).numpy())
        ax.set_title(f"{name} ball, eps = 0.25", fontsize=10)
    alt = "l_inf: changes go to the nearest side or corner of a square. l_2: all go towards the centre of a disc."
    return widgets.still(fig, alt)
