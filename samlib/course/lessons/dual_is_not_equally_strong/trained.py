"""The ladder: networks trained with every member of the family, and what stands beside it, from measured runs."""

from __future__ import annotations

import functools

import numpy as np

from samlib.course import plots, results, style, widgets

RUNGS = {
    "grey": {"SGD": "SGD"},
    "blue": {"batches of 128": "m=128", "batches of 8": "m=8", "alpha 0": "α=0"},
    "green": {"alpha 0.25": "α=0.25", "alpha 0.5": "α=0.5", "alpha 0.75": "α=0.75", "alpha 1": "α=1"},
    "orange": {
        "AT l2, 1 step": "AT l_2\n1 step",
        "AT l2": "AT l_2\n7 steps",
        "AT linf, 1 step": "AT l_inf\n1 step",
        "AT linf": "AT l_inf\n7 steps",
    },
}
SETTINGS = tuple(name for names in RUNGS.values() for name in names)
MEASURES = {
    "linf 0.125": "l_inf 0.125",
    "linf 0.0625": "l_inf 0.0625",
    "l2 0.5": "l_2 0.5",
    "l2 0.25": "l_2 0.25",
    "clean": "no attack",
}


@functools.cache
def measured() -> results.Result:
    """The measured table."""
    return results.load("alpha")


def runs_of(setting: str, measure: str, length: str = "chosen") -> list[float]:
    """Accuracies of ten runs; the family's with their own length r ("chosen") or with 0.2 for all ("0.2")."""
    own = length != "0.2" or not setting.startswith("alpha")
    return results.values(measured(), f"{setting}, tuned (robust)" if own else f"{setting}, r 0.2", measure)


@style.look()
def ladder() -> widgets.Live:
    """Every run of every setting, under five attacks, with r = 0.2 for all or each with its own."""
    figure = widgets.figure(8.4, 3.6)
    axes = figure.add_axes((0.07, 0.17, 0.92, 0.75))
    rungs = plots.Ladder(axes, {look: list(names.values()) for look, names in RUNGS.items()}, "accuracy (%)")
    axes.set_xlabel(
        "SAM's climb in the first layer, in batches of m   ·   the family   ·   adversarial training", fontsize=9
    )
    runs = {(m, k): [runs_of(name, m, k) for name in SETTINGS] for m in MEASURES for k in ("chosen", "0.2")}

    def draw(measure: str, length: str) -> str:
        of_family = "its own for each alpha" if length == "chosen" else "0.2 for every alpha"
        rungs.show(runs[measure, length], f"{MEASURES[measure]}; length r: {of_family}")
        found = zip(SETTINGS, runs[measure, length], strict=True)
        means = [f"{name} {100 * np.mean(values):.0f} %" for name, values in found]
        return f"Accuracy, {MEASURES[measure]}, r {of_family}, means of ten runs: {'; '.join(means)}."

    controls = {
        "measure": widgets.dropdown("attack: norm, eps in pixels", [(w, m) for m, w in MEASURES.items()], "linf 0.125"),
        "length": widgets.toggle("r: length of the kick", [("its own", "chosen"), ("0.2 for all", "0.2")], "0.2"),
    }
    return widgets.live(figure, draw, controls)
