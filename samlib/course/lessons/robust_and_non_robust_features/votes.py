"""The scene of section 1: the two kinds of examples, with and without attack, and the error of every classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label

PS = (0.8, 0.95, 0.99)
ETAS = (0.1, 0.2, 0.3)
DS = (10, 50, 200)
EPS = (0.0, 0.1, 0.19, 0.2, 0.25)
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


def bells(votes: Array, p: float, eta: float, d: int, eps: float = 0.0) -> dict[int, Array]:
    """{y: how many examples with x_1 = +1 have that label and those votes}, after the attack; each like `votes`.

    In units of the peak that all of them together would have. The bells cross where both labels are equally likely.
    """
    shares = {1: p, -1: 1 - p}
    return {y: share * np.exp(-((votes - y * (eta - eps) * d) ** 2) / (2 * d)) for y, share in shares.items()}


def reach(p: float, eta: float, d: int) -> float:
    """How far the axis of the votes must go: both bells, and ST's threshold."""
    return max(eta * d + 3.2 * np.sqrt(d), 1.2 * toy.standard_optimum(p, eta))


def attacked_votes() -> widgets.Live:
    """Two kinds of examples and where they cross; the errors of every classifier, and what ST and AT choose."""
    with style.look():
        picture = BellsAndErrors(style.figure(4.0))

    def draw(p: float, eta: float, d: int, eps: float) -> str:
        standard, adversarial = choices(p, eta, d, eps)
        clean, attacked = (100 * np.asarray(toy.attacked_error(W_1, p, eta, d, e)) for e in (0.0, eps))
        far = reach(p, eta, d)
        votes = np.linspace(-far, far, 301)
        before, after = (bells(votes, p, eta, d, e) for e in (0.0, eps))
        picture.show_bells(votes, before, after, standard.w_1, adversarial.w_1)
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
        "eps": widgets.choice_slider("eps: shift of each weak feature (l_inf)", EPS, 0.0),
    }
    return widgets.live(picture.fig, draw, controls)


class BellsAndErrors:
    """How the votes of both labels are spread where x_1 = +1, and beside them the error over w_1."""

    LOWEST = 0.001  # percent, the bottom of the right-hand axes

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.bells_ax = ax = pictures.axes(fig, style.MARGIN, 44, 356, 306)
        self.heading = pictures.Heading(fig, style.MARGIN, 22, "Examples with $x_1 = +1$", axis=ax.yaxis)
        ax.set(ylim=(0, 1.36), xlabel="vote of the weak features", yticks=[])
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        colours = {y: pictures.signed(np.array([0.5 * y]), 1.0)[0] for y in (1, -1)}
        nowhere = np.zeros((1, 2))
        self.fills = {y: Polygon(nowhere, color=c, alpha=0.25, linewidth=0) for y, c in colours.items()}
        self.wrong = {y: Polygon(nowhere, color=c, linewidth=0) for y, c in colours.items()}
        for area in (*self.fills.values(), *self.wrong.values()):
            ax.add_patch(area)
        self.before = {y: ax.plot([], [], color=style.EDGE, linewidth=1.0)[0] for y in colours}
        self.after = {y: ax.plot([], [], color=c, linewidth=1.8)[0] for y, c in colours.items()}
        looks = {"ST": style.SGD, "AT": style.AT}
        self.thresholds = {name: ax.plot([], [], **look.line(zorder=3))[0] for name, look in looks.items()}
        self.crossings = {name: ax.plot([], [], **look.marks(markersize=8))[0] for name, look in looks.items()}
        self.names = {name: ax.text(0, 0, "", color=look.dark, va="top") for name, look in looks.items()}
        self.bell_labels = pictures.Labels(ax, paper=True)
        self._errors(pictures.axes(fig, 440, 44, 386, 306))
        pictures.Heading(fig, 404, 22, "Error of every classifier", "percent", axis=self.error_ax.yaxis)

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
        self.labels = pictures.Labels(ax, paper=True)

    def show_bells(
        self, votes: Array, before: dict[int, Array], after: dict[int, Array], standard: float, adversarial: float
    ) -> None:
        """Bells over votes, {label: (n,)}, without and after the attack; the two trainings' w_1.

        Drawn on a square-root scale, on which the rare kind can be seen. What ST gets wrong is filled.
        """
        ax, attacked = self.bells_ax, not np.array_equal(before[1], after[1])
        ax.set_xlim(votes[0], votes[-1])
        self.heading.show(
            "Examples with $x_1 = +1$", "after the attack; grey: before" if attacked else "square-root scale"
        )
        curves = {y: np.column_stack([votes, np.sqrt(bell)]) for y, bell in after.items()}
        for y, curve in curves.items():
            self.after[y].set_data(*curve.T)
            self.before[y].set_data(votes, np.sqrt(before[y]) if attacked else np.full_like(votes, np.nan))
            beyond = curve[curve[:, 0] < -standard] if y == 1 else curve[curve[:, 0] > -standard]
            self.fills[y].set_xy(_down_to_zero(curve))
            self.wrong[y].set_xy(_down_to_zero(beyond))
        lines = list(curves.values())
        for name, w, bell, top in (("ST", standard, before, 1.2), ("AT", adversarial, after, 1.34)):
            shown = (name == "ST" or attacked) and w < votes[-1]
            for artist in (self.thresholds[name], self.crossings[name], self.names[name]):
                artist.set_visible(shown)
            if shown:
                at = np.array([-w, np.sqrt(np.interp(-w, votes, bell[1]))])
                self.thresholds[name].set_data([-w, -w], [0, top])
                self.crossings[name].set_data(*at[:, None])
                self.names[name].set_position((-w + 0.02 * votes[-1], top))
                self.names[name].set_text(f"{name}: $+1$ above {-w:.3g}".replace("-", "−"))
                lines += [np.array([[-w, 0], [-w, top]]), pictures.around(ax, at, 6)]
        labels = [Label(f"$y = {y:+d}$", curve[curve[:, 1].argmax()][None]) for y, curve in curves.items()]
        self.bell_labels.show(labels, lines)

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


def _down_to_zero(curve: Array) -> Array:
    """The area under a curve (n, 2), as a polygon."""
    if len(curve) < 2:
        return np.zeros((1, 2))
    return np.vstack([[curve[0, 0], 0.0], curve, [curve[-1, 0], 0.0]])
