"""The first scene: one steepest step from an image of two pixels, and the way back into ball and box."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from samlib.balls import make_ball
from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_input.shared import NORMS, Arrow, Ball, parts
from samlib.course.pictures import Heading, Label, Labels, axes, ball_outline

X, EPS = np.array([0.84, 0.35]), 0.25
AROUND = np.radians(np.arange(0, 361, 1.5))


def one_step() -> widgets.Live:
    """One steepest step from an image of two pixels, at every angle of the gradient, in both norms."""
    with style.look():
        picture = StepPicture(style.figure(4.4))

    def draw(angle: int, norm: str, step_size: float) -> str:
        gradient = unit_gradient(angle)
        steepest, *way = step_and_back(X, gradient, norm, EPS, step_size)
        picture.show_step(gradient, norm, EPS, *way)
        picture.show_rise(rise_at_the_edge(gradient, norm, EPS), angle, steepest, EPS * gradient @ steepest)
        stepped, projected, clamped = (tuple(point.round(2).tolist()) for point in way)
        return (
            f"Gradient at {angle} degrees, {norm}: a steepest step of {step_size:g} leads to {stepped}; "
            f"projected onto the ball of radius {EPS:g} {projected}, clamped {clamped}."
        )

    controls = {
        "angle": widgets.choice_slider("gradient: its angle, degrees", range(0, 180, 15), 30),
        "norm": widgets.toggle("norm", NORMS, "l2"),
        "step_size": widgets.choice_slider("step size, in pixels", [0.1, 0.25, 0.4], 0.25),
    }
    return widgets.live(picture.fig, draw, controls)


def unit_gradient(angle: float) -> np.ndarray:
    """A gradient of length 1 at an angle in degrees, (2,). On an axis one slope is exactly 0."""
    return np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]).round(12)


def step_and_back(
    x: np.ndarray, gradient: np.ndarray, norm: str, eps: float, step_size: float
) -> tuple[np.ndarray, ...]:
    """The steepest step of norm 1, and the points after the step, the projection and the clamp, each (2,)."""
    ball = make_ball(norm, eps)
    steepest = ball.steepest(torch.tensor(gradient)[None])[0].numpy()
    stepped = x + step_size * steepest
    projected = x + ball.project(torch.tensor(stepped - x)[None])[0].numpy()
    return steepest, stepped, projected, projected.clip(0, 1)


def rise_at_the_edge(gradient: np.ndarray, norm: str, eps: float) -> np.ndarray:
    """How much a loss with this gradient, (2,), rises at the edge of a ball, once around: at the angles AROUND."""
    directions = np.stack([np.cos(AROUND), np.sin(AROUND)])
    return gradient @ (eps * directions / (np.abs(directions).max(0) if norm == "linf" else 1))


class StepPicture:
    """Left the plane of all images of two pixels, right the rise of the loss once around the ball."""

    TITLES: ClassVar = {
        "linf": ("Into a corner", "each pixel spends its whole budget"),
        "axis": ("To a side", "where a slope is 0, the pixel stays"),
        "l2": ("Along the gradient", "all pixels share one budget"),
    }

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.heading = Heading(fig, style.MARGIN, 24)
        self._plane(axes(fig, 58, 42, 390, 350))
        Heading(fig, 508, 24, "Rise of the loss", "once around the ball")
        self._curve(axes(fig, 546, 72, 274, 290))

    def _plane(self, ax: Axes) -> None:
        ax.set(xlim=(0.32, 1.48), ylim=(-0.08, 0.96), xlabel="first pixel", ylabel="second pixel")
        ax.set_xticks([0.5, 1], ["0.5", "1"])
        ax.set_yticks([0, 0.5], ["0", "0.5"])
        ax.set_facecolor(style.SHADE)
        ax.add_patch(Rectangle((0, 0), 1, 1, facecolor=style.PAPER))
        ax.plot([0, 1, 1], [0, 0, 1], color=style.EDGE, linewidth=1)
        ax.text(0.36, -0.055, "no image: a pixel outside [0, 1]", color=style.QUIET)
        self.ball = Ball(ax)
        (self.gradient,) = ax.plot([], [], color=style.QUIET, linewidth=1.2)
        self.step = Arrow(ax, style.AT.color, 3.2)
        self.back = [Arrow(ax, style.INK, 1.4) for _ in range(2)]
        self.x = ax.plot(*X, "o", color=style.INK, markersize=7)[0]
        self.labels = Labels(ax)

    def _curve(self, ax: Axes) -> None:
        ax.set(xlim=(-8, 368), ylim=(-0.42, 0.42), xlabel="direction of the change, degrees")
        ax.set_xticks([0, 90, 180, 270, 360])
        ax.set_yticks([-0.25, 0, 0.25], ["−0.25", "0", "+0.25"])
        ax.set_ylabel("rise, for a gradient of length 1")
        ax.grid(axis="y")
        self.here = ax.axvline(0, color=style.QUIET, linewidth=1.2)
        (self.rise,) = ax.plot([], [], color=style.INK)
        (self.best,) = ax.plot([], [], **style.AT.marks(markersize=9))
        self.said = Labels(ax)

    def show_step(
        self,
        gradient: np.ndarray,
        norm: str,
        eps: float,
        stepped: np.ndarray,
        projected: np.ndarray,
        clamped: np.ndarray,
    ) -> None:
        """The gradient's direction, the ball, and the points after step, projection and clamp, each (2,)."""
        self.heading.show(*self.TITLES["axis" if norm == "linf" and 0 in gradient else norm])
        outline = self.ball.show(X, eps, norm)
        ray = np.stack([X, X + 0.5 * gradient])
        self.gradient.set_data(*ray.T)
        self.step.show(X, stepped)
        ends = {"steepest step": stepped}
        for part, words, start, end in (
            (self.back[0], "projected", stepped, projected),
            (self.back[1], "clamped", projected, clamped),
        ):
            part.show(start, end)
            if part.patch.get_visible():
                ends[words] = end
        labels = [Label(words, end[None], style.AT if end is stepped else None) for words, end in ends.items()]
        labels += [Label("x", X[None]), Label("gradient", ray[1:], bold=False)]
        edge = np.array([[1.0, -0.1], [1.0, 1.0]])
        dot = ball_outline(X, 0.025, "l2")
        self.labels.show(labels, [outline, ray, edge, dot, *(np.stack([X, end]) for end in ends.values())])

    def show_rise(self, rise: np.ndarray, angle: float, steepest: np.ndarray, most: float) -> None:
        """The rise at the angles AROUND, the gradient's angle in degrees, and where the steepest step ends."""
        degrees = np.degrees(AROUND)
        self.rise.set_data(degrees, rise)
        self.here.set_xdata([angle, angle])
        place = np.degrees(np.arctan2(steepest[1], steepest[0])) % 360
        self.best.set_data([place], [most])
        curve = np.column_stack([degrees, rise])
        upright = np.array([[angle, -0.42], [angle, 0.42]])
        labels = [
            Label("steepest step", np.array([[place, most]]), style.AT, f"+{most:.2f}"),
            Label("gradient", np.array([[angle, -0.3], [angle, -0.36]]), bold=False),
        ]
        self.said.show(labels, [curve, upright, np.array([[0, 0.25], [360, 0.25]])])
        self.fig.moving = [self.ball.area, self.ball.edge, self.gradient, self.step.patch]
        self.fig.moving += [*(part.patch for part in self.back), self.x]
        self.fig.moving += [self.heading.title, self.heading.said, self.rise, self.here, self.best]
        self.fig.moving += [*parts(self.labels), *parts(self.said)]
