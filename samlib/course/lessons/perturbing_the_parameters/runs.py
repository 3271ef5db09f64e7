"""Measured training runs at every rho: how well each fits its training images, and how robust it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes

from samlib.course import results, style, widgets
from samlib.course.pictures import Heading, Label, Labels, RunMarks, axes, percent_axis

SETTINGS = ("SGD", "SAM 0.05", "SAM 0.1", "SAM 0.2", "SAM 0.4", "SAM 0.8")
FITS = 0.9  # a run with a lower training accuracy has collapsed


def collapsed(methods: results.Result, setting: str) -> list[bool]:
    """Whether each run of a setting failed to fit its training images."""
    return [value < FITS for value in results.values(methods, setting, "training accuracy")]


def show_runs(ax: Axes, runs: Sequence[Sequence[float]], lost: Sequence[Sequence[bool]]) -> None:
    """One mark for each run of SETTINGS, in percent, hollow where it is lost, and a bar at each mean."""
    ax.set_xticks(range(len(SETTINGS)), ["0 (SGD)", *(setting.split()[1] for setting in SETTINGS[1:])])
    ax.set(xlim=(-0.5, len(SETTINGS) - 0.5), xlabel="rho in training")
    for i, (setting, values, collapsed_) in enumerate(zip(SETTINGS, runs, lost, strict=True)):
        look, hollow = style.of(setting), np.array(collapsed_)[np.argsort(values)]
        picture = RunMarks(ax, i, look)
        picture.show([100 * value for value in values])
        points = np.column_stack(picture.marks.get_data())[hollow]
        ax.plot(*points.T, **look.marks(markerfacecolor=style.PAPER))
        Labels(ax).show([Label("collapsed", points, look, bold=False)], [points])


@style.look()
def runs_at_each_rho(methods: results.Result) -> HTML:
    """Training accuracy and robust accuracy of every run, as a still figure; `methods` is the table of that name."""
    fig = style.figure(3.4)
    lost = [collapsed(methods, setting) for setting in SETTINGS]
    titles = f"At rho = 0.8, {sum(lost[-1])} of {len(lost[-1])} runs collapse", "The others are the most robust"
    measures = ("training accuracy", "linf 0.125"), ("training accuracy (%)", "robust accuracy, l_inf 0.125 (%)")
    for left, title, measure, label in zip((62, 482), titles, *measures, strict=True):
        Heading(fig, left - 48, 24, title)
        ax = axes(fig, left, 44, 344, 244)
        percent_axis(ax, label)
        show_runs(ax, [results.values(methods, setting, measure) for setting in SETTINGS], lost)
    return widgets.still(
        fig,
        "Up to rho 0.4 all runs fit and robustness rises; at rho 0.8 about half of the runs collapse, the "
        "others are best.",
    )
