"""The scene of section 3: how far SAM moves the optimum, trained in batches of one example to thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label
from samlib.course.results import interval

P, ETA, D, RHO = 0.95, 0.2, 50, 0.3
SIZES = (1, 4, 16, 64, 256, 1024, 4096)
KEPT, LEARNED = "others kept", "all learned"
LOOKS = {KEPT: style.SAM, LEARNED: style.OTHER}
BESIDE = {KEPT: 1 / 1.25, LEARNED: 1.25}  # so that the two series do not cover each other
SEEDS = 3

Array = NDArray[np.float64]
Runs = Mapping[int, ArrayLike]  # {batch size: the change in percent of each run}


def exact_changes() -> dict[str, float]:
    """The change of w_1 / w_j in percent with a perturbation for each example, as definitions J and I give it."""
    star = toy.standard_optimum(P, ETA)
    names = {KEPT: "J", LEARNED: "I"}
    return {which: 100 * (toy.sam_optimum(P, ETA, D, RHO, name) / star - 1) for which, name in names.items()}


def train_by_batch_size(changes_of: Callable[..., ArrayLike], kept: Runs) -> widgets.Work:
    """A button that trains with SAM and with SGD, and adds the change of w_1 / w_j to a picture over the batch size.

    Args:
        changes_of: (batch size, whether all weights are learned, [seed]) -> the change in percent, (1,).
        kept: runs that the picture shows from the beginning, the weak features' weights kept.
    """
    with style.look():
        picture = ShiftByBatchSize(style.figure(3.7), exact_changes())
        for m, runs in kept.items():
            picture.show(KEPT, m, runs)

    def train(report: Callable[[str], None], m: int, which: str) -> str:
        runs: list[float] = []
        for seed in range(SEEDS):
            runs.append(float(np.asarray(changes_of(m, which == LEARNED, [seed]))[0]))
            with style.look():
                picture.show(which, m, runs)
            report(f"m = {m}: the change is {runs[-1]:.1f} % with seed {seed}.")
        mean, half = interval(runs)
        return f"m = {m}, {which}: w_1 / w_j changes by {mean:.1f} ± {half:.1f} %."

    controls = {
        "m": widgets.choice_slider("m: examples in a batch", SIZES, 4),
        "which": widgets.toggle("weak features' weights", [KEPT, LEARNED], KEPT),
    }
    recorded: dict[str, list[Any]] = {"m": [1, 4, 64], "which": [KEPT, LEARNED]}
    return widgets.Work("Train with SAM and with SGD", SEEDS, train, picture.fig, controls, recorded)


class ShiftByBatchSize:
    """Every run as a mark over its batch size, the mean of each size as a bar, and two exact values as lines.

    Args:
        fig: an empty figure.
        exact: {series: its change in percent with a perturbation for each example}.
    """

    def __init__(self, fig: style.Canvas, exact: Mapping[str, float]) -> None:
        self.fig, self.exact = fig, dict(exact)
        self.ax = ax = pictures.axes(fig, 48, 44, 778, 276)
        said = "percent; each mark is a run, a bar their mean"
        pictures.Heading(fig, style.MARGIN, 22, "How far SAM moves $w_1/w_j$", said, axis=ax.yaxis)
        ax.set(xscale="log", xlim=(0.5, 8000), ylim=(-8, 52), xlabel="$m$: examples in a batch")
        ax.set_xticks(SIZES, [str(m) for m in SIZES])
        ax.set_yticks(range(0, 51, 10))
        ax.minorticks_off()
        ax.axhline(0, color=style.EDGE, linewidth=0.8)
        for which, level in exact.items():
            ax.axhline(level, color=LOOKS[which].color, linestyle=LOOKS[which].linestyle, linewidth=1.0)
            said = f"{which}, exact for m = 1: {level:+.1f}"
            ax.text(7800, level + 1.2, said, color=LOOKS[which].dark, ha="right", va="bottom")
        self.marks: dict[tuple[str, int], tuple[pictures.Line2D, pictures.Line2D]] = {}
        self.runs: dict[tuple[str, int], Array] = {}
        self.labels = pictures.Labels(ax)

    def show(self, which: str, m: int, runs: ArrayLike) -> None:
        """The runs of one batch size, in the place of those that it had before."""
        values = np.sort(np.asarray(runs, dtype=float))
        if (which, m) not in self.marks:
            (marks,) = self.ax.plot([], [], **LOOKS[which].marks(alpha=0.6, markersize=5))
            (bar,) = self.ax.plot([], [], color=LOOKS[which].color, linewidth=2.2)
            self.marks[which, m] = marks, bar
        marks, bar = self.marks[which, m]
        self.runs[which, m] = values
        at = m * BESIDE[which]
        marks.set_data(at * 1.1 ** (np.arange(len(values)) - (len(values) - 1) / 2), values)
        bar.set_data([at / 1.2, at * 1.2], [values.mean()] * 2)
        self._name_series()

    def _name_series(self) -> None:
        """The mean at each batch size, and the series' name at its smallest one."""
        labels, taken = [], [np.array([[0.5, level], [8000, level]]) for level in (0.0, *self.exact.values())]
        taken += [np.array([[300, level + 2.5], [8000, level + 2.5]]) for level in self.exact.values()]  # their words
        for which, m in sorted(self.runs, key=lambda key: (key[0], key[1])):
            values, at = self.runs[which, m], m * BESIDE[which]
            middle = float(values.mean())
            low, high = values.min() - 1, values.max() + 1
            taken += [np.array([[at / 1.2, a], [at * 1.2, b]]) for a, b in ((low, high), (high, low))]
            first = m == min(size for series, size in self.runs if series == which)
            place = np.array([[at, middle], [at / 1.2, middle], [at * 1.2, middle]])
            labels.append(Label(f"{middle:+.1f}", place, LOOKS[which], which if first else "", bold=first))
        self.labels.show(labels, taken)
