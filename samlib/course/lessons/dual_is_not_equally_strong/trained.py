"""Networks trained with every member of the family, and what stands beside them, from measured runs."""

from __future__ import annotations

import functools

import numpy as np

from samlib.course import results, style, widgets
from samlib.course.lessons.dual_is_not_equally_strong.pictures import Ladder

# {group: {setting: how it is named under the axis}}
RUNGS = {
    "": {"SGD": "SGD"},
    "SAM's ascent step in the first layer": {"batches of 128": "m = 128", "batches of 8": "m = 8", "alpha 0": "α = 0"},
    "the family": {"alpha 0.25": "α = 0.25", "alpha 0.5": "α = 0.5", "alpha 0.75": "α = 0.75", "alpha 1": "α = 1"},
    "adversarial training": {
        "AT l2, 1 step": "l_2\n1 step",
        "AT l2": "l_2\n7 steps",
        "AT linf, 1 step": "l_inf\n1 step",
        "AT linf": "l_inf\n7 steps",
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
    """Accuracies of all runs; the family's with their own length r ("chosen") or with 0.2 for all ("0.2")."""
    own = length != "0.2" or not setting.startswith("alpha")
    return results.values(measured(), f"{setting}, tuned (robust)" if own else f"{setting}, r 0.2", measure)


@style.look()
def ladder() -> widgets.Live:
    """Every run of every setting, under five attacks, with r = 0.2 for all or each with its own."""
    looks = (style.SGD, style.SAM, style.OTHER, style.AT)
    groups = {words: (look, list(names.values())) for look, (words, names) in zip(looks, RUNGS.items(), strict=True)}
    picture = Ladder(style.figure(3.7), groups)
    runs = {
        (m, k): [[100 * v for v in runs_of(name, m, k)] for name in SETTINGS]
        for m in MEASURES
        for k in ("chosen", "0.2")
    }

    def draw(measure: str, length: str) -> str:
        of_family = "its own for each alpha" if length == "chosen" else "0.2 for every alpha"
        title = "Accuracy (%)" if measure == "clean" else f"Robust accuracy (%), {MEASURES[measure]}"
        picture.show(runs[measure, length], title, f"length r of the family: {of_family}")
        found = zip(SETTINGS, runs[measure, length], strict=True)
        means = [f"{name} {np.mean(values):.0f} %" for name, values in found]
        return f"Accuracy, {MEASURES[measure]}, r {of_family}, means of all runs: {'; '.join(means)}."

    controls = {
        "measure": widgets.dropdown("attack: norm, eps in pixels", [(w, m) for m, w in MEASURES.items()], "linf 0.125"),
        "length": widgets.toggle("r: length in features", [("its own", "chosen"), ("0.2 for all", "0.2")], "0.2"),
    }
    return widgets.live(picture.fig, draw, controls)
