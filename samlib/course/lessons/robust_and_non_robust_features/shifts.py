"""The scene of section 2: the valley of the error, its worst case within rho, and where SAM's optimum goes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.lessons.robust_and_non_robust_features.valley import ETA, level_chord, optimum_or_nan, worst_error
from samlib.course.pictures import Label

WEIGHTS, EXAMPLES = ("only w_1", "all"), ("for all examples", "for each example")
DEFINITIONS = {  # by the two switches
    (WEIGHTS[0], EXAMPLES[0]): "A",
    (WEIGHTS[1], EXAMPLES[0]): "B",
    (WEIGHTS[0], EXAMPLES[1]): "F1",
    (WEIGHTS[1], EXAMPLES[1]): "F2",
}
P = 0.95
RHOS = (0.5, 1.0, 2.0, 3.0, 4.0)
DS = (20, 50, 100, 200, 500)
W_1 = np.linspace(0.02, 22, 200)

Array = NDArray[np.float64]


def signed_percent(change: float) -> str:
    """A change in two digits or so and with its sign: "+10.6", "−0.007", "0"."""
    size = abs(change)
    digits = 0 if size >= 99.5 else 1 if size >= 1 else 2 if size >= 0.095 else 3
    return f"{change:+.{digits}f}".replace("-", "−") if size else "0"


def optimum_shift() -> widgets.Live:
    """The valley of the error, its worst case within rho by two switches, and where SAM puts the optimum."""
    optima = {
        (name, d): np.array([optimum_or_nan(name, P, d, rho) for rho in RHOS])
        for name in DEFINITIONS.values()
        for d in DS
    }
    standard = toy.standard_optimum(P, ETA)
    with style.look():
        picture = ValleyAndShifts(style.figure(4.0))

    def draw(weights: str, examples: str, rho: float, d: int) -> str:
        name, at = DEFINITIONS[weights, examples], RHOS.index(rho)
        optimum = float(optima[name, d][at])
        chord = level_chord(name, optimum, P, d, rho) if np.isfinite(optimum) else None
        level = 100 * float(worst_error(name, optimum, P, d, rho)) if np.isfinite(optimum) else np.nan
        lowest = 100 * float(toy.clean_error(standard, P, ETA, d))
        clean, worst = 100 * np.asarray(toy.clean_error(W_1, P, ETA, d)), 100 * worst_error(name, W_1, P, d, rho)
        changes = {other: 100 * (optima[other, d] / standard - 1) for other in DEFINITIONS.values()}
        picture.show_valley(clean, worst, (standard, lowest), (optimum, level), chord)
        picture.show_changes(changes, name, at)
        said = f"w* = {standard:.2f}, SAM {optimum:.2f}" if np.isfinite(optimum) else "no finite optimum"
        shifts = ", ".join(
            f"{other} {signed_percent(change[at])} %" if np.isfinite(change[at]) else f"{other} without bound"
            for other, change in changes.items()
        )
        return f"{weights}, {examples} (definition {name}): {said}. Change of w_1: {shifts}"

    controls = {
        "weights": widgets.toggle("which weights are perturbed", WEIGHTS, WEIGHTS[0]),
        "examples": widgets.toggle("one perturbation …", EXAMPLES, EXAMPLES[0]),
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 4.0),
        "d": widgets.choice_slider("d: number of weak features", DS, 50),
    }
    return widgets.live(picture.fig, draw, controls)


class ValleyAndShifts:
    """The error and its worst case over w_1, and beside them how far each definition moves the optimum."""

    LOW, HIGH = -20.0, 60.0  # percent, of the right-hand axes

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.valley_ax = pictures.axes(fig, 60, 44, 428, 306)
        self.heading = pictures.Heading(fig, style.MARGIN, 22, "SAM", axis=self.valley_ax.yaxis)
        self._valley(self.valley_ax)
        self.change_ax = ax = pictures.axes(fig, 574, 44, 252, 306)
        self.change_heading = pictures.Heading(fig, 528, 22, "Change of $w_1$", axis=ax.yaxis)
        self._changes(ax)

    def _valley(self, ax: Axes) -> None:
        ax.set(
            yscale="log",
            xlim=(0, 22),
            xticks=range(0, 21, 5),
            xlabel="$w_1$: how many votes the robust feature is worth",
        )
        pictures.plain_decades(ax.yaxis)
        ax.grid(axis="y")
        (self.clean,) = ax.plot([], [], **style.SGD.line())
        (self.worst,) = ax.plot([], [], **style.SAM.line())
        (self.chord,) = ax.plot([], [], color=style.INK, marker="|", markersize=12, markeredgewidth=1.8)
        self.bottoms = {
            name: ax.plot([], [], **look.marks(markersize=8))[0]
            for name, look in (("standard", style.SGD), ("optimum", style.SAM))
        }
        self.valley_labels = pictures.Labels(ax, paper=True)

    def _changes(self, ax: Axes) -> None:
        ax.set(xlim=(0, 1.05 * RHOS[-1]), ylim=(self.LOW, self.HIGH), xlabel="rho: radius in weight space")
        ax.set_yticks(range(-20, 61, 20), ["−20", "0", "+20", "+40", "+60"])
        ax.grid(axis="y")
        ax.axhline(0, color=style.EDGE, linewidth=0.8)
        self.changes = {name: ax.plot([], [])[0] for name in DEFINITIONS.values()}
        (self.here,) = ax.plot([], [], linestyle="none", marker="o", markersize=12, markerfacecolor="none",
                               markeredgecolor=style.INK, clip_on=False)  # fmt: skip
        self.change_labels = pictures.Labels(ax, paper=True)

    def show_valley(
        self,
        clean: Array,
        worst: Array,
        standard: tuple[float, float],
        optimum: tuple[float, float],
        chord: tuple[float, float] | None,
    ) -> None:
        """Errors in percent over W_1; the two optima as (w_1, error), nan where there is none; the chord's ends."""
        self.clean.set_data(W_1, clean)
        self.worst.set_data(W_1, worst)
        for name, (w, error) in (("standard", standard), ("optimum", optimum)):
            self.bottoms[name].set_data([w], [error])
        self.chord.set_data(chord or (np.nan, np.nan), [optimum[1]] * 2)
        low, high = 0.4 * clean.min(), min(1.6 * worst[0], 130)
        self.valley_ax.set_ylim(low, high)
        between = (1, 3) if high < 1e4 * low else (1,)  # of a decade
        ticks = [factor * 10.0**decade for decade in range(-5, 3) for factor in between]
        self.valley_ax.yaxis.set_major_locator(FixedLocator(ticks))
        self._title(standard[0], optimum[0])
        curves = [np.column_stack([W_1, curve]) for curve in (clean, worst)]
        place, said = np.array([optimum]), f"{optimum[0]:.2f}"
        if not np.isfinite(optimum[0]):
            place, said = np.array([[W_1[-1], worst[-1]]]), "the more, the better"
        elif optimum[0] > W_1[-1]:
            place, said = np.array([[W_1[-1], worst[-1]]]), f"{optimum[0]:.1f}, to the right"
        ends = np.array([[end, optimum[1]] for end in chord]) if chord else np.empty((0, 2))
        labels = [
            Label("ST", np.array([standard]), style.SGD, f"$w^*$ = {standard[0]:.2f}"),
            Label("SAM", place, style.SAM, said),
            Label("error", curves[0][::10], style.SGD, bold=False),
            Label("worst error within rho", curves[1][::10], style.SAM, bold=False),
            Label("level chord" if chord else "", ends, bold=False),
        ]
        marks = [pictures.around(self.valley_ax, point, 5) for point in (standard, optimum)]
        self.valley_labels.show(labels, [*curves, ends, *marks])

    def _title(self, standard: float, optimum: float) -> None:
        if not np.isfinite(optimum):
            self.heading.show("SAM has no finite optimum", "error, percent")
        else:
            way = "more" if optimum > standard else "less"
            self.heading.show(f"SAM gives the robust feature {way} weight", "error, percent")

    def show_changes(self, changes: Mapping[str, Array], name: str, at: int) -> None:
        """Changes in percent over RHOS for each definition; the chosen one stands out, with a ring at number `at`."""
        self.change_heading.show("Change of $w_1$", f"percent, definition {name}")
        labels, curves = [], []
        for other, line in self.changes.items():
            chosen = other == name
            curve = np.column_stack([[0, *RHOS], [0, *changes[other]]])
            look = style.SAM if chosen else style.SGD
            line.set_data(*curve.T)
            line.set(color=look.color if chosen else style.EDGE, linestyle=look.linestyle, zorder=3 if chosen else 2)
            line.set(linewidth=1.8 if chosen else 1.2, marker=look.marker if chosen else "none")
            curves.append(curve[np.isfinite(curve[:, 1])])
            inside = curves[-1][curves[-1][:, 1] < self.HIGH]
            labels.append(Label(other, inside[-2:], look, bold=chosen))
        value = float(changes[name][at])
        ring = np.array([[RHOS[at], np.clip(value, self.LOW, self.HIGH)]])
        self.here.set_data(*ring.T)
        self.here.set_visible(bool(np.isfinite(value)))
        said = f"{signed_percent(value)} %" if np.isfinite(value) else "no finite optimum"
        place = ring if np.isfinite(value) else np.array([[RHOS[at], self.HIGH]])
        marks = [pictures.around(self.change_ax, ring[0], 8)]
        self.change_labels.show([Label(said, place, style.SAM), *labels], [*curves, *marks])
