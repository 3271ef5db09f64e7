"""The scene of section 2: the valley of the error, its worst case within rho, and where SAM's optimum moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.lessons.robust_and_non_robust_features.maps import signed_percent
from samlib.course.lessons.robust_and_non_robust_features.valley import ETA, level_chord, optimum_or_nan, worst_error
from samlib.course.pictures import Label

DEFINITIONS = ("A", "B", "F1")
RHOS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
PS = (0.9, 0.95, 0.99)
DS = (20, 50, 100)
W_1 = np.linspace(0.02, 22, 200)

Array = NDArray[np.float64]


def optimum_shift() -> widgets.Live:
    """The valley of the error, its worst case within rho by three definitions, and where each puts the optimum."""
    optima = {
        (name, p, d): np.array([optimum_or_nan(name, p, d, rho) for rho in RHOS])
        for name in DEFINITIONS
        for p in PS
        for d in DS
    }
    with style.look():
        picture = ValleyAndShifts(style.figure(3.9))

    def draw(name: str, rho: float, p: float, d: int) -> str:
        at = RHOS.index(rho)
        standard, optimum = toy.standard_optimum(p, ETA), float(optima[name, p, d][at])
        chord = level_chord(name, optimum, p, d, rho) if np.isfinite(optimum) else None
        level = 100 * float(worst_error(name, optimum, p, d, rho)) if np.isfinite(optimum) else np.nan
        lowest = 100 * float(toy.clean_error(standard, p, ETA, d))
        clean, worst = 100 * np.asarray(toy.clean_error(W_1, p, ETA, d)), 100 * worst_error(name, W_1, p, d, rho)
        changes = {other: 100 * (optima[other, p, d] / standard - 1) for other in DEFINITIONS}
        picture.show_valley(clean, worst, (standard, lowest), (optimum, level), chord, rho)
        picture.show_changes(changes, name, at)
        said = f"w* = {standard:.2f}, SAM {optimum:.2f}" if np.isfinite(optimum) else "no optimum"
        shifts = ", ".join(
            f"{other} {change[at]:+.1f} %" if np.isfinite(change[at]) else f"{other} without bound"
            for other, change in changes.items()
        )
        return f"definition {name}: {said}. Change of w_1: {shifts}"

    controls = {
        "name": widgets.toggle("definition of SAM's perturbation", DEFINITIONS, "A"),
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 4.0),
        "p": widgets.choice_slider("p: how often x_1 is right", PS, 0.95),
        "d": widgets.choice_slider("d: number of weak features", DS, 50),
    }
    return widgets.live(picture.fig, draw, controls)


class ValleyAndShifts:
    """The error and its worst case over w_1, and beside them how far each definition moves the optimum."""

    LOW, HIGH = -20.0, 60.0  # percent, of the right-hand axes

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.heading = pictures.Heading(fig, style.MARGIN, 22)
        self._valley(pictures.axes(fig, 62, 40, 406, 300))
        pictures.Heading(fig, 520, 22, "Three definitions")
        self._changes(pictures.axes(fig, 580, 40, 246, 300))

    def _valley(self, ax: Axes) -> None:
        self.valley_ax = ax
        ax.set(
            yscale="log",
            xlim=(0, 22),
            xticks=range(0, 21, 5),
            xlabel="$w_1$: how many votes the robust feature is worth",
            ylabel="error (%)",
        )
        pictures.plain_decades(ax.yaxis)
        ax.yaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]))
        ax.grid(axis="y")
        (self.clean,) = ax.plot([], [], **style.SGD.line())
        (self.worst,) = ax.plot([], [], **style.SAM.line())
        (self.chord,) = ax.plot([], [], color=style.INK, marker="|", markersize=12, markeredgewidth=1.8)
        self.bottoms = {
            name: ax.plot([], [], **look.marks(markersize=8))[0]
            for name, look in (("standard", style.SGD), ("optimum", style.SAM))
        }
        self.valley_labels = pictures.Labels(ax)

    def _changes(self, ax: Axes) -> None:
        self.change_ax = ax
        ax.set(xlim=(0, 1.05 * RHOS[-1]), ylim=(self.LOW, self.HIGH), xlabel="rho: radius in weight space")
        ax.set_ylabel("change of $w_1$ (%)", labelpad=2)
        ax.set_yticks(range(-20, 61, 20), ["−20", "0", "+20", "+40", "+60"])
        ax.grid(axis="y")
        ax.axhline(0, color=style.EDGE, linewidth=0.8)
        self.changes = {name: ax.plot([], [])[0] for name in DEFINITIONS}
        (self.here,) = ax.plot([], [], linestyle="none", marker="o", markersize=12, markerfacecolor="none",
                               markeredgecolor=style.INK, clip_on=False)  # fmt: skip
        self.change_labels = pictures.Labels(ax)

    def show_valley(
        self,
        clean: Array,
        worst: Array,
        standard: tuple[float, float],
        optimum: tuple[float, float],
        chord: tuple[float, float] | None,
        rho: float,
    ) -> None:
        """Errors in percent over W_1; the two optima as (w_1, error), nan where there is none; the chord's ends."""
        self.clean.set_data(W_1, clean)
        self.worst.set_data(W_1, worst)
        for name, (w, error) in (("standard", standard), ("optimum", optimum)):
            self.bottoms[name].set_data([w], [error])
        self.chord.set_data(chord or (np.nan, np.nan), [optimum[1]] * 2)
        self.valley_ax.set_ylim(0.4 * clean.min(), max(12 * clean[-1], 1.3 * worst[-1]))
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
            Label(f"worst error within rho = {rho:g}", curves[1][::10], style.SAM, bold=False),
            Label("level chord" if chord else "", ends, bold=False),
        ]
        marks = [pictures.around(self.valley_ax, point, 5) for point in (standard, optimum)]
        self.valley_labels.show(labels, [*curves, ends, *marks])

    def _title(self, standard: float, optimum: float) -> None:
        if not np.isfinite(optimum):
            self.heading.show("SAM has no finite optimum")
            return
        way = "to the robust feature" if optimum > standard else "away from the robust feature"
        self.heading.show(f"SAM moves {way}")

    def show_changes(self, changes: Mapping[str, Sequence[float] | Array], name: str, at: int) -> None:
        """Changes in percent over RHOS for each definition; the chosen one stands out, with a ring at number `at`."""
        labels, curves = [], []
        for other, line in self.changes.items():
            chosen = other == name
            line.set_data(RHOS, changes[other])
            line.set(
                color=style.SAM.color if chosen else style.EDGE,
                linewidth=1.8 if chosen else 1.2,
                zorder=3 if chosen else 2,
            )
            line.set(linestyle=style.SAM.linestyle if chosen else "-", marker=style.SAM.marker if chosen else "none")
            curve = np.column_stack([RHOS, changes[other]])
            curves.append(curve)
            inside = curve[np.isfinite(curve[:, 1]) & (curve[:, 1] < self.HIGH)]
            labels.append(Label(other, inside[-2:], style.SAM if chosen else style.SGD, bold=chosen))
        value = float(changes[name][at])
        ring = np.array([[RHOS[at], np.clip(value, self.LOW, self.HIGH)]])
        self.here.set_data(*ring.T)
        self.here.set_visible(bool(np.isfinite(value)))
        said = f"{signed_percent(value)} %" if np.isfinite(value) else "no finite optimum"
        place = ring if np.isfinite(value) else np.array([[RHOS[at], self.HIGH]])
        marks = [
            pictures.around(self.change_ax, ring[0], 8),
            pictures.around(self.change_ax, (RHOS[0], changes[name][0]), 4),
        ]
        self.change_labels.show([Label(said, place, style.SAM), *labels], [*curves, *marks])
