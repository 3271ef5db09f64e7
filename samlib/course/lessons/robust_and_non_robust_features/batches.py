"""The scene of section 4: how far SAM moves the optimum, trained in batches of one example to thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from IPython.display import HTML
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label

P, ETA, D, RHO = 0.95, 0.2, 50, 0.3
SIZES = (1, 4, 16, 64, 256, 1024, 4096)
KEPT, LEARNED = "others kept", "all learned"
LOOKS = {KEPT: style.SAM, LEARNED: style.OTHER}
SEEDS = 3

Array = NDArray[np.float64]
Runs = Mapping[int, ArrayLike]  # {batch size: the change in percent of each run}


def mean_and_interval(runs: ArrayLike) -> tuple[float, float]:
    """The mean of several runs and the half width of its 95 % interval (Student's t).

    Raises:
        ValueError: fewer than two runs.
    """
    values = np.asarray(runs, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"runs has shape {values.shape}; it must hold the values of at least two runs.")
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(stdtrit(len(values) - 1, 0.975) * error)


def exact_changes() -> dict[str, float]:
    """The change of w_1 / w_j in percent with a perturbation for each example, as definitions J and I give it."""
    star = toy.standard_optimum(P, ETA)
    names = {KEPT: "J", LEARNED: "I"}
    return {which: 100 * (toy.sam_optimum(P, ETA, D, RHO, name) / star - 1) for which, name in names.items()}


def train_by_batch_size(changes_of: Callable[..., Sequence[Array]]) -> widgets.Work:
    """A button that trains with SAM and with SGD, and adds the change of w_1 / w_j to a picture over the batch size.

    Args:
        changes_of: (batch size, [rho], whether all weights are learned, [seed]) -> the changes in percent, [(1,)].
    """
    with style.look():
        picture = ShiftByBatchSize(style.figure(3.7), exact_changes(), "How far SAM moves $w_1/w_j$")

    def train(report: Callable[[str], None], m: int, which: str) -> str:
        runs: list[float] = []
        for seed in range(SEEDS):
            runs.append(float(changes_of(m, [RHO], which == LEARNED, [seed])[0][0]))
            with style.look():
                picture.show(which, m, runs)
            report(f"m = {m}: the change is {runs[-1]:.1f} % with seed {seed}.")
        mean, interval = mean_and_interval(runs)
        return f"m = {m}, {which}: w_1 / w_j changes by {mean:.1f} ± {interval:.1f} %."

    controls = {
        "m": widgets.choice_slider("m: examples in a batch", SIZES, 16),
        "which": widgets.toggle("weak features' weights", [KEPT, LEARNED], KEPT),
    }
    return widgets.Work("Train with SAM and with SGD", SEEDS, train, picture.fig, controls)


def shift_by_batch_size(kept: Runs, learned: Runs) -> HTML:
    """The same as a still picture: the runs with the weak features' weights kept, and with all learned."""
    with style.look():
        picture = ShiftByBatchSize(
            style.figure(3.7), exact_changes(), "The larger the batch, the less SAM moves $w_1/w_j$"
        )
        for which, series in ((KEPT, kept), (LEARNED, learned)):
            for m, runs in series.items():
                picture.show(which, m, runs)
    said = [
        f"{which}: " + ", ".join(f"{np.mean(np.asarray(runs)):.1f} % at m = {m}" for m, runs in sorted(series.items()))
        for which, series in ((KEPT, kept), (LEARNED, learned))
    ]
    return widgets.still(picture.fig, f"Change of w_1 / w_j. {'; '.join(said)}.")


class ShiftByBatchSize:
    """Every run as a mark over its batch size, the mean of each size as a bar, and two exact values as lines.

    Args:
        fig: an empty figure.
        exact: {series: its change in percent with a perturbation for each example}.
        title: what to see.
    """

    def __init__(self, fig: style.Canvas, exact: Mapping[str, float], title: str) -> None:
        self.fig = fig
        pictures.Heading(fig, style.MARGIN, 22, title)
        self.ax = ax = pictures.axes(fig, 62, 40, 764, 280)
        ax.set(xscale="log", xlim=(0.7, 8000), ylim=(-8, 52), xlabel="$m$: examples in a batch")
        ax.set_ylabel("change of $w_1/w_j$ (%)")
        ax.set_xticks(SIZES, [str(m) for m in SIZES])
        ax.set_yticks(range(0, 51, 10))
        ax.minorticks_off()
        ax.grid(axis="y")
        ax.axhline(0, color=style.EDGE, linewidth=0.8)
        words = {KEPT: "others kept, a perturbation for each example (J)", LEARNED: "all learned, the same (I)"}
        for which, level in exact.items():
            ax.axhline(level, color=LOOKS[which].color, linestyle=LOOKS[which].linestyle, linewidth=1.0)
            said = f"exact: {words[which]}, {level:+.1f} %"
            words_on = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 1}
            ax.text(7800, level + 1.2, said, color=LOOKS[which].dark, ha="right", va="bottom", bbox=words_on)
        self.exact = dict(exact)
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
        marks.set_data(m * 1.13 ** (np.arange(len(values)) - (len(values) - 1) / 2), values)
        bar.set_data([m / 1.3, m * 1.3], [values.mean()] * 2)
        self._name_series()

    def _name_series(self) -> None:
        """The mean at each batch size, and the series' name at its smallest one."""
        labels, taken = [], [np.array([[0.7, level], [8000, level]]) for level in self.exact.values()]
        for which, m in sorted(self.runs, key=lambda key: (key[0], key[1])):
            values = self.runs[which, m]
            middle = float(values.mean())
            taken.append(np.array([[m / 1.3, values.min() - 1], [m * 1.3, values.max() + 1]]))
            taken.append(np.array([[m / 1.3, values.max() + 1], [m * 1.3, values.min() - 1]]))
            first = m == min(size for series, size in self.runs if series == which)
            place = np.array([[m, middle], [m / 1.3, middle], [m * 1.3, middle]])
            labels.append(Label(f"{middle:+.1f}", place, LOOKS[which], which if first else "", bold=first))
        self.labels.show(labels, taken)
