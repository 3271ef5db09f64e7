"""The fourth scene: the stronger the attack, the lower the robust accuracy that it measures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_input.paths import STEP_SIZES, STEPS
from samlib.course.lessons.perturbing_the_input.shared import parts
from samlib.course.pictures import Heading, Label, Labels, Sheet, around, axes, grey, percent_axis, rgb

Robust = Mapping[tuple[str, float], Tensor]  # of `robust_on_the_way`
MISCLASSIFIED, BROKEN, ROBUST = range(3)


def upper_bound(robust: Robust, x: Tensor) -> widgets.Live:
    """Robust accuracy over the steps of PGD, and which of 100 digits are robust to it.

    Args:
        robust: what `robust_on_the_way` returns for these digits.
        x: the digits, (100, 1, 8, 8).
    """
    with style.look():
        picture = BoundPicture(style.figure(4.3), x[:, 0].numpy(), robust_to_all(robust))

    def draw(steps: int, size: float, runs: int, loss: str) -> str:
        shares = shares_robust(robust[loss, size], runs)
        picture.show_curves(shares_robust(robust[loss, size], 1)[: steps + 1], shares[: steps + 1], runs)
        picture.show_digits(states(robust[loss, size], steps, runs))
        low, high = interval(shares[steps], len(x))
        return (
            f"PGD on {loss}, {steps} steps of {size:g} eps, {runs} run(s): {shares[steps]:.1f} % of digits are robust, "
            f"95 % interval {low:.0f} to {high:.0f} %."
        )

    controls = {
        "steps": widgets.choice_slider("steps", [1, 3, 5, 10, 40], 3),
        "size": widgets.choice_slider("step size, as a share of eps", STEP_SIZES, 0.1),
        "runs": widgets.choice_slider("runs: 1 + restarts", [1, 4], 1),
        "loss": widgets.toggle("loss to maximise", [("cross-entropy", "ce"), ("margin loss", "margin")], "ce"),
    }
    return widgets.live(picture.fig, draw, controls)


def shares_robust(mask: Tensor, runs: int) -> np.ndarray:
    """Percent of the images that are robust to the first `runs` runs, after each step.

    (steps + 1, runs, n) -> (steps + 1,).
    """
    return 100 * mask[:, :runs].all(1).double().mean(1).numpy()


def states(mask: Tensor, steps: int, runs: int) -> np.ndarray:
    """MISCLASSIFIED without an attack, BROKEN by `runs` runs of so many steps, or ROBUST to them, (n,)."""
    return (mask[0, 0].int() + mask[steps, :runs].all(0).int()).numpy()


def robust_to_all(robust: Robust) -> float:
    """Percent of the images that none of these attacks has broken after all its steps and runs."""
    return 100 * torch.stack([mask[-1].all(0) for mask in robust.values()]).all(0).double().mean().item()


def interval(percent: float, n: int) -> tuple[float, float]:
    """The 95 % interval (Wilson's) of a share of n images, as if they were drawn anew; all in percent."""
    share, z = percent / 100, 1.96
    middle, half = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return 100 * (middle - half) / (1 + z**2 / n), 100 * (middle + half) / (1 + z**2 / n)


class BoundPicture:
    """Left robust accuracy over the steps, right the digits themselves.

    Args:
        fig: an empty figure.
        images: digits, (100, 8, 8), ink 0 to 1.
        together: percent that are robust to all attacks together.
    """

    LEFT, TOP, CELL, ACROSS = 512, 46, 3, 31  # the digits' place, pixels for each of theirs, from one to the next

    def __init__(self, fig: style.Canvas, images: np.ndarray, together: float) -> None:
        self.fig, self.sheet = fig, Sheet(fig)
        self.together, self.n = together, len(images)
        Heading(fig, style.MARGIN, 24, "An upper bound", "what this attack has not broken")
        self._curves(axes(fig, 62, 46, 400, 326))
        self.heading = Heading(fig, self.LEFT, 24)
        self.tiles = _tinted(images)
        self.counts = [
            self.sheet.text(self.LEFT + place, 386, color=color, bold=True)
            for place, color in ((0, style.INK), (92, style.AT.dark), (180, style.QUIET))
        ]
        self.sheet.text(self.LEFT + 180, 402, "without an attack", quiet=True)

    def _curves(self, ax: Axes) -> None:
        self.ax = ax
        percent_axis(ax, "robust accuracy (%)")
        ax.set(xlim=(-0.5, STEPS + 0.5), xlabel="steps")
        self.bound = ax.axhline(self.together, color=style.INK, linewidth=1.2)
        (self.one,) = ax.plot([], [], color=style.QUIET, linewidth=1.2)
        (self.several,) = ax.plot([], [], **style.AT.line())
        (self.here,) = ax.plot([], [], **style.AT.marks(markersize=9), clip_on=False)
        (self.sure,) = ax.plot([], [], color=style.AT.color, linewidth=1.8, marker="_", markersize=9, clip_on=False)
        self.labels = Labels(ax)

    def show_curves(self, one: np.ndarray, several: np.ndarray, runs: int) -> None:
        """Percent robust after each step so far, to one run and to several; at the end what all attacks leave."""
        at, steps = np.arange(len(one)), len(one) - 1
        self.one.set_data(at, one)
        self.one.set_visible(runs > 1)
        self.several.set_data(at, several)
        self.here.set_data([steps], [several[steps]])
        low, high = interval(several[steps], self.n)
        self.sure.set_data([steps, steps], [low, high])
        said = f"interval: {low:.0f} to {high:.0f}"
        labels = [
            Label(
                f"{several[steps]:.0f} %", np.array([[steps, y] for y in (several[steps], low, high)]), style.AT, said
            )
        ]
        avoid = [np.column_stack([at, one]), np.column_stack([at, several]), np.array([[steps, low], [steps, high]])]
        self.bound.set_visible(steps == STEPS)  # not before: it would give away what more steps do
        if steps == STEPS:
            avoid.append(np.array([[0, self.together], [STEPS, self.together]]))
            labels.append(Label("all these attacks together", avoid[-1][1:] - [[12, 0]], said=f"{self.together:.0f} %"))
        if runs > 1 and steps > 2:
            labels.append(Label("one run", avoid[0][2:], bold=False))
        avoid.append(around(self.ax, (steps, several[steps]), 7))
        grid = [(np.array([[0, share], [STEPS, share]]), 0.7) for share in range(0, 101, 25)]
        self.labels.show(labels, avoid, grid)
        self.fig.moving = [self.heading.title, self.heading.said, self.sheet.painting, *self.counts]
        self.fig.moving += [self.bound, self.one, self.several, self.sure, self.here, *parts(self.labels)]

    def show_digits(self, state: np.ndarray) -> None:
        """Each digit on the paper of its state, (100,)."""
        robust, broken, wrong = ((state == kind).sum() for kind in (ROBUST, BROKEN, MISCLASSIFIED))
        self.heading.show(f"{robust} of {len(state)}", "digits are robust to this attack")
        for i, kind in enumerate(state):
            row, column = divmod(i, 10)
            place = self.LEFT + self.ACROSS * column, self.TOP + self.ACROSS * row
            self.sheet.painting.fill(*place, 8 * self.CELL, 8 * self.CELL, self.tiles[kind][i])
        for text, words in zip(
            self.counts, (f"{robust} robust", f"{broken} broken", f"{wrong} misclassified"), strict=True
        ):
            text.set_text(words)


def _tinted(images: np.ndarray) -> dict[int, np.ndarray]:
    """The images (n, 8, 8) for each state, on white, orange or grey paper, RGB in fine pixels: (n, h, w, 3)."""
    fine = BoundPicture.CELL * style.DPI // style.SHOWN
    large = grey(images).repeat(fine, axis=1).repeat(fine, axis=2)
    grey_ = 1 - 0.45 * (1 - large)
    return {ROBUST: large, BROKEN: large * rgb(style.AT.color), MISCLASSIFIED: grey_ * rgb(style.EDGE)}
