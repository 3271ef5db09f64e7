"""The scene of section 1: examples of the simplified model under attack, and the error of every classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label

PS = (0.8, 0.95, 0.99)
ETAS = (0.1, 0.2, 0.4)
DS = (10, 50, 200)
EPS = (0.0, 0.05, 0.1, 0.15, 0.19, 0.2, 0.25)
W_1 = np.linspace(-2, 30, 161)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A classifier: w_1 (infinite where no finite one is the best), its error in percent without and under attack."""

    w_1: float
    clean: float
    attacked: float


def choices(p: float, eta: float, d: int, eps: float) -> tuple[Choice, Choice]:
    """What standard training and adversarial training choose."""
    weights = toy.standard_optimum(p, eta), toy.adversarial_optimum(p, eta, eps) if eps < eta else float("inf")
    standard, adversarial = (
        Choice(w, *(100 * float(toy.attacked_error(w, p, eta, d, e)) for e in (0.0, eps))) for w in weights
    )
    return standard, adversarial


def attacked_examples(n: int, p: float, eta: float, d: int, eps: float) -> tuple[Array, Array, Array]:
    """n examples, always the same ones: robust feature, vote of the weak ones after the attack, label; each (n,)."""
    x, y = (v.double().numpy() for v in toy.sample(n, p, eta, d, torch.Generator().manual_seed(1)))
    return x[:, 0], x[:, 1:].sum(1) - eps * d * y, y


def attacked_votes() -> widgets.Live:
    """Examples after the attack; the errors of every classifier, and what standard training and AT choose."""
    with style.look():
        picture = VotesAndErrors(style.figure(4.0))

    def draw(p: float, eta: float, d: int, eps: float) -> str:
        standard, adversarial = choices(p, eta, d, eps)
        clean, attacked = (100 * np.asarray(toy.attacked_error(W_1, p, eta, d, e)) for e in (0.0, eps))
        picture.show_examples(*attacked_examples(150, p, eta, d, eps), standard, adversarial, eps)
        picture.show_errors(clean, attacked, standard, adversarial, eps)
        turned = f"{adversarial.w_1:.3g}" if np.isfinite(adversarial.w_1) else "infinite"
        return (
            f"w_1 is {standard.w_1:.3g} for ST, {turned} for AT; "
            f"ST misclassifies {standard.clean:.2g} %, under attack {standard.attacked:.2g} %."
        )

    controls = {
        "p": widgets.choice_slider("p: how often x_1 is right", PS, 0.95),
        "eta": widgets.choice_slider("η: mean of a weak feature", ETAS, 0.2),
        "d": widgets.choice_slider("d: number of weak features", DS, 50),
        "eps": widgets.choice_slider("eps: shift of each weak feature (l_inf)", EPS, 0.1),
    }
    return widgets.live(picture.fig, draw, controls)


class VotesAndErrors:
    """Votes in two columns, one for each value of the robust feature, and beside them the error over w_1."""

    LOWEST = 0.01  # percent, the bottom of the right-hand axes

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.places = np.random.default_rng(0).uniform(
            -0.33, 0.33, 1000
        )  # side by side, so that marks can be told apart
        self._votes(pictures.axes(fig, 48, 64, 270, 286))
        self.heading = pictures.Heading(fig, style.MARGIN, 22, axis=self.votes_ax.yaxis)
        self._errors(pictures.axes(fig, 424, 40, 402, 310))
        said = "percent misclassified"
        pictures.Heading(fig, 388, 22, "Error of every classifier", said, axis=self.error_ax.yaxis)

    def _votes(self, ax: Axes) -> None:
        self.votes_ax = ax
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        ax.axhline(0, color=style.RULE, linewidth=0.8)
        ax.set(xlim=(-1.6, 1.75), xlabel="robust feature $x_1$")
        ax.set_xticks([-1, 1], ["−1", "+1"])
        mark: dict[str, Any] = {
            "linestyle": "none",
            "markersize": 4.5,
            "markeredgecolor": style.INK,
            "markeredgewidth": 0.7,
        }
        self.marks = {
            side: ax.plot([], [], marker=marker, markerfacecolor=face, **mark)[0]
            for side, marker, face in ((1, "o", style.INK), (-1, "s", style.PAPER))
        }
        (self.wrong,) = ax.plot([], [], "x", color=style.AT.color, markersize=7, markeredgewidth=1.8)
        self.thresholds, self.names = {}, {}
        for name, look in (("ST", style.SGD), ("AT", style.AT)):
            (self.thresholds[name],) = ax.plot([], [], **look.line(zorder=1.5))
            self.names[name] = ax.text(0, 0, name, color=look.dark, fontweight="bold", va="center")
        key: dict[str, Any] = {"transform": ax.transAxes, "va": "bottom"}
        ax.text(0.0, 1.02, "●  $y = +1$", color=style.INK, **key)
        ax.text(0.28, 1.02, "□  $y = -1$", color=style.INK, **key)
        ax.text(0.56, 1.02, "✕  misclassified by ST", color=style.AT.dark, **key)

    def _errors(self, ax: Axes) -> None:
        self.error_ax = ax
        ax.set(yscale="log", xlim=(W_1[0], W_1[-1]), ylim=(self.LOWEST, 130))
        ax.set_xlabel("$w_1$: how many votes the robust feature is worth")
        pictures.plain_decades(ax.yaxis)
        ax.grid(axis="y")
        (self.clean,) = ax.plot([], [], **style.SGD.line())
        (self.attacked,) = ax.plot([], [], **style.AT.line())
        self.gap = pictures.Gap(ax)
        self.bottoms = {
            name: ax.plot([], [], **look.marks(markersize=8))[0] for name, look in (("ST", style.SGD), ("AT", style.AT))
        }
        self.labels = pictures.Labels(ax)

    def show_examples(
        self, robust: Array, votes: Array, y: Array, standard: Choice, adversarial: Choice, eps: float
    ) -> None:
        """Examples, each (n,), and the two classifiers' thresholds."""
        at = robust + self.places[: len(robust)]
        for side, marks in self.marks.items():
            marks.set_data(at[y == side], votes[y == side])
        wrong = y * (standard.w_1 * robust + votes) < 0
        self.wrong.set_data(at[wrong], votes[wrong])
        reach = 1.05 * float(np.abs(votes).max())
        self.votes_ax.set_ylim(-reach, reach)
        self.heading.show("Votes of the weak features", "after the attack" if eps else "no attack")
        heights = {"ST": -standard.w_1, "AT": -adversarial.w_1}
        for name, height in heights.items():
            self.thresholds[name].set_data(
                [-1.45, -0.55, np.nan, 0.55, 1.45], [-height, -height, np.nan, height, height]
            )
            self.names[name].set_visible(abs(height) < reach and (name == "ST" or eps > 0))
        self.thresholds["AT"].set_visible(eps > 0)
        apart = 0.085 * reach  # two names on one height would cover each other
        near = max(0.0, apart - (heights["ST"] - heights["AT"]) / 2) if eps and abs(heights["AT"]) < reach else 0.0
        self.names["ST"].set_position((1.5, heights["ST"] + near))
        self.names["AT"].set_position((1.5, max(heights["AT"], -reach) - near))

    def show_errors(self, clean: Array, attacked: Array, standard: Choice, adversarial: Choice, eps: float) -> None:
        """The errors over W_1 in percent, and the two classifiers where their curves are lowest."""
        self.clean.set_data(W_1, clean)
        self.attacked.set_data(W_1, attacked)
        self.attacked.set_visible(eps > 0)
        low, high = (max(error, 1.15 * self.LOWEST) for error in (standard.clean, standard.attacked))
        self.bottoms["ST"].set_data([standard.w_1], [low])
        self.gap.line.set_visible(high > 1.25 * low)
        self.gap.show(standard.w_1, low, high)
        self.bottoms["AT"].set_data([adversarial.w_1], [max(adversarial.attacked, 1.15 * self.LOWEST)])
        self.bottoms["AT"].set_visible(eps > 0)
        curves = [np.column_stack([W_1, np.maximum(curve, self.LOWEST)]) for curve in (clean, attacked)]
        shown = [curve[curve[:, 1] > self.LOWEST][::8] for curve in curves]
        below = f"below {self.LOWEST:g} %" if standard.clean < self.LOWEST else f"{standard.clean:.2g} %"
        labels = [
            Label(
                "ST" if eps else "ST and AT",
                np.array([[standard.w_1, low]]),
                style.SGD,
                f"$w_1$ = {standard.w_1:.3g}: {below}",
            ),
            Label("AT" if eps else "", self._place(adversarial, attacked), style.AT, self._said(adversarial)),
            Label("under attack" if eps else "", shown[1], style.AT, bold=False),
            Label("without attack", shown[0], style.SGD, bold=False),
        ]
        if high > 1.25 * low:
            heights = np.geomspace(low, high, 7)[2:]
            along = np.column_stack([np.full(len(heights), standard.w_1), heights])
            labels.insert(1, Label(f"{standard.attacked:.2g} %", along, said="under attack"))
        gap = np.array([[standard.w_1, low], [standard.w_1, high]])
        marks = [
            pictures.around(self.error_ax, place, 5)
            for place in ((standard.w_1, low), self._place(adversarial, attacked)[0])
        ]
        self.labels.show(labels, [*curves[: 2 if eps else 1], gap, *marks])

    def _place(self, adversarial: Choice, attacked: Array) -> Array:
        """Where AT is named: at its classifier, or at the edge behind which that lies."""
        w = min(adversarial.w_1, float(W_1[-1]))
        return np.array([[w, max(float(np.interp(w, W_1, attacked)), 1.15 * self.LOWEST)]])

    def _said(self, adversarial: Choice) -> str:
        if not np.isfinite(adversarial.w_1):
            return "the more, the better"
        if adversarial.w_1 > W_1[-1]:
            return f"$w_1$ = {adversarial.w_1:.3g}, to the right"
        shown = f"{adversarial.attacked:.2g} %" if adversarial.attacked > self.LOWEST else f"below {self.LOWEST:g} %"
        return f"$w_1$ = {adversarial.w_1:.3g}: {shown}"
