"""The second scene: PGD among all images of two pixels, on a network whose loss bends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from samlib.balls import make_ball
from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_input.paths import pgd_path
from samlib.course.lessons.perturbing_the_input.shared import NORMS, Ball, parts
from samlib.course.pictures import Heading, Label, Labels, axes, ball_outline, signed


def path_in_the_plane(net: nn.Module, start: Sequence[float]) -> widgets.Live:
    """The path of PGD from an image of two pixels, and how far it gets, at every eps, number and length of steps.

    Args:
        net: images (n, 1, 1, 2) -> logits (n, 2), float32.
        start: the image where the attack begins, two pixels, of class A, which has the number 1.
    """
    x, y = torch.tensor(start).view(1, 1, 1, 2), torch.tensor([1])
    with style.look():
        picture = PathPicture(style.figure(4.4), plane_of_leads(net, 201), x.flatten().numpy())

    def draw(eps: float, steps: int, step_size: float, norm: str) -> str:
        path = pgd_path(net, x, y, make_ball(norm, eps), steps, step_size)
        lead = leads(net, path[:, 0]).numpy()
        picture.show(path.view(-1, 2).numpy(), lead, eps, norm)
        return (
            f"PGD, {norm} eps {eps:g}, {steps} steps of {step_size:g}: from logit difference {lead[0]:.1f} to "
            f"{lead[-1]:.1f}, {'misclassified' if lead[-1] > 0 else 'still classified correctly'}."
        )

    controls = {
        "eps": widgets.choice_slider("eps: radius, in pixels", [0.08, 0.12, 0.25], 0.25),
        "steps": widgets.choice_slider("steps", [1, 2, 5, 10, 20], 1),
        "step_size": widgets.choice_slider("step size, in pixels", [0.02, 0.05, 0.1, 0.25], 0.25),
        "norm": widgets.toggle("norm", NORMS, "linf"),
    }
    return widgets.live(picture.fig, draw, controls)


@torch.no_grad()
def leads(net: nn.Module, images: Tensor) -> Tensor:
    """The logit of class B, number 0, minus that of class A, number 1: (n, 1, 1, 2) -> (n,)."""
    logits = net.eval()(images)
    return logits[:, 0] - logits[:, 1]


def plane_of_leads(net: nn.Module, points: int) -> np.ndarray:
    """`leads` on a grid over the box [0, 1]², (points, points): the first pixel goes along the columns."""
    side = torch.linspace(0, 1, points)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1)
    return leads(net, grid.view(-1, 1, 1, 2)).view(points, points).numpy()


class PathPicture:
    """Left how the network divides the box and the path of an attack in it, right the lead of the wrong class.

    Args:
        fig: an empty figure.
        plane: the wrong logit minus the right one on a grid over the box, (k, k).
        x: where the attack begins, (2,).
    """

    LIMIT, STEPS = 13, 20

    def __init__(self, fig: style.Canvas, plane: np.ndarray, x: np.ndarray) -> None:
        self.fig, self.x = fig, x
        self.heading = Heading(fig, style.MARGIN, 24)
        self._plane(axes(fig, 58, 42, 390, 350), plane)
        Heading(fig, 508, 24, "Logit of B − logit of A", "after each step")
        self._track(axes(fig, 546, 72, 274, 290))

    def _plane(self, ax: Axes, plane: np.ndarray) -> None:
        ax.set(xlim=(0, 1.24), ylim=(-0.01, 1.103), xlabel="first pixel", ylabel="second pixel")
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_facecolor(style.SHADE)
        ax.imshow(signed(plane, 40), extent=(0, 1, 0, 1), origin="lower", aspect="auto", interpolation="bilinear")
        side = np.linspace(0, 1, len(plane))
        ax.contour(side, side, plane, levels=[0], colors=style.INK, linewidths=2)
        ax.text(0.1, 0.9, "class A", fontweight="bold", va="center")
        ax.text(0.5, 0.09, "class B", fontweight="bold", va="center")
        ax.text(1.02, 0.02, "no image", color=style.QUIET)
        self.ball = Ball(ax)
        (self.path,) = ax.plot([], [], "o-", color=style.INK, linewidth=1.2, markersize=3.5)
        (self.start,) = ax.plot(*self.x, "o", color=style.PAPER, markeredgecolor=style.INK, markersize=9)
        (self.end,) = ax.plot([], [], **style.AT.marks(marker="D", markersize=9))
        self.labels = Labels(ax)

    def _track(self, ax: Axes) -> None:
        ax.set(xlim=(-0.6, self.STEPS + 0.6), ylim=(-self.LIMIT, self.LIMIT), xlabel="step")
        ax.set_xticks([0, 5, 10, 15, 20])
        ax.set_yticks([-10, -5, 0, 5, 10], ["−10", "−5", "0", "+5", "+10"])
        ax.set_ylabel("the higher, the higher is the loss")
        ax.axhspan(0, self.LIMIT, facecolor=style.SHADE)
        ax.axhline(0, color=style.INK, linewidth=2)
        ax.text(self.STEPS, self.LIMIT - 1.6, "misclassified", ha="right", fontweight="bold")
        ax.text(self.STEPS, 1.6 - self.LIMIT, "classified correctly", ha="right", fontweight="bold", va="top")
        rows = [sign * (self.LIMIT - down) for sign in (1, -1) for down in (0.3, 1.2, 2.1)]
        self.words = [np.array([[8, row], [self.STEPS, row]]) for row in rows]  # for the label to stay off them
        (self.line,) = ax.plot([], [], "o-", color=style.INK, linewidth=1.2, markersize=3.5)
        (self.mark,) = ax.plot([], [], **style.AT.marks(marker="D", markersize=9))
        self.value = Labels(ax)

    def show(self, path: np.ndarray, lead: np.ndarray, eps: float, norm: str) -> None:
        """The path (steps + 1, 2) of an attack in a ball, and the lead of the wrong class at each of its points."""
        steps, wrong = len(path) - 1, bool(lead[-1] > 0)
        taken = f"{steps} steps" if steps > 1 else "one step"
        self.heading.show("Misclassified" if wrong else "Still classified correctly", f"after {taken} of PGD")
        outline = self.ball.show(self.x, eps, norm)
        self.path.set_data(*path.T)
        self.end.set_data(*path[-1:].T)
        self.line.set_data(range(steps + 1), lead)
        self.mark.set_data([steps], lead[-1:])
        for end in (self.end, self.mark):
            end.set_markerfacecolor(style.AT.color if wrong else style.PAPER)
        marks = [ball_outline(point, 0.025, "linf") for point in (self.x, path[-1])]
        self.labels.show([Label("x", self.x[None]), Label("end", path[-1:], style.AT)], [outline, path, *marks])
        track = np.column_stack([np.arange(steps + 1), lead])
        zero = np.array([[0, 0], [self.STEPS, 0]])
        said = f"{lead[-1]:+.1f}".replace("-", "−")
        mark = ball_outline(track[-1], 0.6, "linf")
        self.value.show([Label(said, track[-1:], style.AT)], [track, zero, mark, *self.words])
        self.fig.moving = [self.heading.title, self.heading.said, self.ball.area, self.ball.edge, self.path]
        self.fig.moving += [self.start, self.end, self.line, self.mark, *parts(self.labels), *parts(self.value)]
