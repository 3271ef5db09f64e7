"""What each policy for BatchNorm in SAM's second pass does to training, to the running statistics, to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_parameters.batchnorm import POLICIES, RHOS, rows_of
from samlib.course.lessons.perturbing_the_parameters.batchnorm import load as recorded
from samlib.course.pictures import Heading, Label, Labels, RunCurve, RunMarks, axes, percent_axis, plain_decades

EVALUATION = POLICIES[2]
Rows = Sequence[dict[str, Any]]


def look_of(policy: str) -> style.Look:
    """Purple for evaluation mode, SAM's blue for both kinds of training mode."""
    return style.OTHER if policy == EVALUATION else style.SAM


class LossByMode:
    """The training loss with the second pass in training mode, and in evaluation mode; every run as a thin line.

    What the running statistics count makes no difference here: training mode does not use them.
    """

    def __init__(self, ax: Axes, epochs: int) -> None:
        self.ax, self.labels, self.epochs = ax, Labels(ax, paper=True), range(1, epochs + 1)
        self.curves = {policy: RunCurve(ax, look_of(policy), marks=False) for policy in (POLICIES[0], EVALUATION)}
        ax.set(yscale="log", ylim=(3e-3, 4), xlim=(0.5, epochs + 0.5), xlabel="epoch", ylabel="training loss")
        ax.set_xticks([1, 5, 10, epochs])
        ax.grid(axis="y")
        plain_decades(ax.yaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [part for curve in self.curves.values() for part in curve.artists] + self.labels.artists

    def show(self, training: Rows, evaluation: Rows, policy: str) -> None:
        """The runs in each mode; the curve of the policy's mode is named by it."""
        for curve, rows in zip(self.curves.values(), (training, evaluation), strict=True):
            curve.show(self.epochs, np.array([row["loss"] for row in rows]))
        usual, broken = (curve.points for curve in self.curves.values())
        name = {"first pass only": "first pass only", "both passes": "both passes", EVALUATION: "training mode"}[policy]
        other = {"first pass only": "both passes: the same", "both passes": "first pass only: the same"}
        self.labels.show(
            [
                Label(name, usual[2:], style.SAM, other.get(policy, ""), bold=policy != EVALUATION),
                Label(EVALUATION, broken[2:], style.OTHER, bold=policy == EVALUATION),
            ],
            [usual, broken],
        )


class VarianceRatios:
    """The running variance of each channel over the true one, a column of marks for each run, and a line at 1."""

    def __init__(self, ax: Axes) -> None:
        (self.marks,) = ax.plot([], [])
        ax.axhline(1, color=style.AXIS, linewidth=0.8)
        ax.set(xlim=(-0.6, 2.6), ylim=(0.9, 1.1), ylabel="running variance ÷ true one", xlabel="run")
        ax.set_xticks(range(3), ["1", "2", "3"])
        ax.set_yticks([0.9, 0.95, 1, 1.05, 1.1], ["0.9", "0.95", "1", "1.05", "1.1"])
        ax.grid(axis="y")

    def show(self, rows: Rows, look: style.Look) -> None:
        """The ratios of every run, side by side."""
        ratios = [row["variance ratios"] for row in rows]
        x = [run + offset for run, found in enumerate(ratios) for offset in np.linspace(-0.25, 0.25, len(found))]
        self.marks.set(**look.marks(alpha=0.6))
        self.marks.set_data(x, np.concatenate(ratios))


class Accuracies:
    """Clean and robust accuracy of every run, before bars that say what counting the first pass only gives."""

    def __init__(self, ax: Axes) -> None:
        self.ax, self.bars = ax, ax.bar([0, 1], [50, 50], width=0.7, color=style.PALE)
        self.runs = [RunMarks(ax, place, style.SAM) for place in (0, 1)]
        percent_axis(ax, "of the test images (%)")
        ax.set(xlim=(-0.55, 1.55), ylim=(0, 102))

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.ax.xaxis, *self.bars, *(part for runs in self.runs for part in runs.artists)]

    def show(self, rows: Rows, usual: Rows, look: style.Look) -> None:
        """The runs of a policy, and those of the first pass only."""
        means = np.mean(clean(rows)), np.mean(robust(rows))
        self.ax.set_xticks(
            [0, 1], [f"{name} {mean:.0f}" for name, mean in zip(("clean", "robust"), means, strict=True)]
        )
        for bar, runs, which in zip(self.bars, self.runs, (clean, robust), strict=True):
            bar.set_height(np.mean(which(usual)))
            runs.restyle(look)
            runs.show(which(rows))


def clean(rows: Rows) -> list[float]:
    """Accuracy on the test images after the last epoch, in percent."""
    return [100 * row["clean"][-1] for row in rows]


def robust(rows: Rows) -> list[float]:
    """Robust accuracy after the last epoch, in percent."""
    return [100 * row["robust"] for row in rows]


def farthest(rows: Rows) -> float:
    """How far the running variance that is farthest off lies from the true one, in percent of it."""
    return 100 * max(abs(ratio - 1) for row in rows for ratio in row["variance ratios"])


def batchnorm_in_the_second_pass() -> widgets.Live:
    """The recorded runs of each policy at each rho: training loss, running variances, clean and robust accuracy."""
    rows = recorded()
    with style.look():
        fig = style.figure(3.6)
        heading, spread = Heading(fig, 14, 24), Heading(fig, 396, 24)
        Heading(fig, 622, 24, "Accuracy", "bars: first pass only")
        losses = LossByMode(axes(fig, 66, 44, 296, 260), len(rows[0]["loss"]))
        ratios = VarianceRatios(axes(fig, 452, 44, 142, 260))
        accuracies = Accuracies(axes(fig, 668, 44, 158, 260))

    def draw(policy: str, rho: float) -> str:
        chosen, look = rows_of(rows, policy, rho), look_of(policy)
        usual, broken = (rows_of(rows, which, rho) for which in (POLICIES[0], EVALUATION))
        heading.show("Training breaks" if policy == EVALUATION else "Training goes well", f"rho = {rho:g}")
        spread.show(f"Variances up to {farthest(chosen):.0f} % off")
        losses.show(usual, broken, policy)
        ratios.show(chosen, look)
        accuracies.show(chosen, usual, look)
        fig.moving = [*heading.artists, spread.title, *losses.moving, ratios.marks, *accuracies.moving]
        return (
            f"{policy}, rho {rho:g}: training loss {np.mean([row['loss'][-1] for row in chosen]):.3f} at the end, "
            f"clean {np.mean(clean(chosen)):.1f} %, robust {np.mean(robust(chosen)):.1f} %."
        )

    controls = {
        "policy": widgets.toggle("running statistics, or mode", list(POLICIES), POLICIES[0]),
        "rho": widgets.choice_slider("rho: SAM's radius in weight space", [("0 (no ascent)", 0.0), *RHOS[1:]], 0.1),
    }
    return widgets.live(fig, draw, controls)
