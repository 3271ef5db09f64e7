"""Networks trained with every member of the family, and with two directions in two balls, from measured runs."""

from __future__ import annotations

import functools

import numpy as np

from samlib.course import results, style, widgets
from samlib.course.lessons.dual_is_not_equally_strong.pictures import DirectionAndBall, Ladder

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


def table() -> str:
    """Mean accuracies of every setting, and its lead over alpha = 0 at l_inf 0.125 with the interval over splits."""
    lines = ["setting           clean   l_inf 0.125   l_2 0.5   over alpha 0, l_inf 0.125"]
    for name in SETTINGS:
        means = [100 * float(np.mean(runs_of(name, measure))) for measure in ("clean", "linf 0.125", "l2 0.5")]
        line = "{:16}{:7.1f}{:14.1f}{:10.1f}".format(name, *means)
        if name != "alpha 0":
            line += "{:+16.1f} ± {:.1f}".format(*lead(name, "alpha 0", "linf 0.125"))
        lines.append(line)
    return "\n".join(lines)


def lead(setting: str, baseline: str, measure: str, table: str = "alpha") -> tuple[float, float]:
    """How many points a tuned setting is above another, and half the 95 % interval over splits."""
    gain, half = results.lead(results.load(table), f"{setting}, tuned (robust)", f"{baseline}, tuned (robust)", measure)
    return 100 * gain, 100 * half


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


DIRECTIONS = {"sam": ("SAM's direction", style.SAM), "attack": ("the attack's", style.AT)}
BALLS = {"l2": "l_2", "linf": "l_inf"}


def runs_in_ball(direction: str, ball: str, measure: str) -> list[float]:
    """Accuracies of all runs that were trained on one step in the pixels, in a direction and a ball."""
    return results.values(results.load("directions"), f"{direction}, {ball}, tuned (robust)", measure)


@style.look()
def direction_and_ball() -> widgets.Live:
    """SAM's direction and the attack's, in the l_2 ball and in the l_inf ball: robust and clean accuracy."""
    picture = DirectionAndBall(style.figure(3.6), dict(DIRECTIONS.values()), list(BALLS.values()))

    def all_runs(measure: str) -> dict[str, list[list[float]]]:
        return {
            name: [[100 * v for v in runs_in_ball(direction, ball, measure)] for ball in BALLS]
            for direction, (name, _) in DIRECTIONS.items()
        }

    picture.show(1, all_runs("clean"), "Clean accuracy (%)", "of the same networks")

    def draw(measure: str) -> str:
        runs = all_runs(measure)
        picture.show(0, runs, "Robust accuracy (%)", f"attack: {MEASURES[measure]}")
        means = [
            f"{name} in {ball} {np.mean(values):.0f} %"
            for name, in_balls in runs.items()
            for ball, values in zip(BALLS.values(), in_balls, strict=True)
        ]
        return f"Robust accuracy, {MEASURES[measure]}: {'; '.join(means)}."

    attacks = [(words, measure) for measure, words in MEASURES.items() if measure != "clean"]
    return widgets.live(
        picture.fig, draw, {"measure": widgets.toggle("attack: norm, eps in pixels", attacks, "linf 0.125")}
    )
