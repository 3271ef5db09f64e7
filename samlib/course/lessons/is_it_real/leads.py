"""Section 4: how the lead of one method over another depends on the attack that measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from IPython.display import HTML

from samlib.course import results, style, widgets
from samlib.course.lessons.is_it_real.pictures import Leads

PAIRS = {
    "SAM 0.4 over SGD": ("SGD", "SAM 0.4"),
    "SAM over SGD, both tuned": ("SGD, tuned (robust)", "SAM, tuned (robust)"),
    "input noise 0.2 over SGD": ("SGD", "input noise 0.2"),
    "AT linf 0.125 over SGD": ("SGD", "AT linf 0.125"),
}
Levels = Mapping[str, Mapping[str, np.ndarray]]  # {setting: {attack: robust accuracy of every run, percent}}


def protocol(table: results.Result) -> str:
    """What each attack of the table consists of, one a line."""
    lines = []
    for name, union in table["protocol"]["attacks"].items():
        parts = []
        for a in union:
            targets = f" × {a['targets']} targets" if a["targets"] else ""
            parts.append(f"{a['kind']} {a['loss']} {a['steps']}{targets}")
        lines.append(f"{name:14} {', '.join(parts)}")
    return "\n".join(lines)


def by_strength(table: results.Result) -> Levels:
    """{setting: {attack: robust accuracy of every run, in percent, (runs,)}}, the weakest attack first.

    Weak is what leaves much of SGD and of SAM 0.4 taken together.
    """
    settings = dict.fromkeys(run["setting"] for run in table["runs"])
    attacks = ["FGSM", *table["protocol"]["attacks"]]
    level = {s: {a: 100 * np.array(results.values(table, s, a)) for a in attacks} for s in settings}
    attacks.sort(key=lambda attack: -(level["SGD"][attack].mean() + level["SAM 0.4"][attack].mean()))
    return {setting: {attack: runs[attack] for attack in attacks} for setting, runs in level.items()}


def lead(level: Levels, pair: str, attack: str) -> tuple[float, float]:
    """How far the second setting of a pair is above the first under an attack, and two standard errors, in points."""
    one, other = (level[setting][attack] for setting in PAIRS[pair])
    error = (one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)) ** 0.5
    return float(other.mean() - one.mean()), float(2 * error)


def _scene(level: Levels) -> tuple[style.Canvas, Callable[..., str]]:
    """The picture, and what draws it at given values."""
    attacks = list(level["SGD"])
    fig = widgets.figure(8.4, 4.4)
    view = Leads(fig, attacks)

    def draw(pair: str, attack: str) -> str:
        """Both methods and the lead under all attacks, one of them pointed at."""
        found = np.array([lead(level, pair, a) for a in attacks])
        groups = {name: np.array(list(level[name].values())).T for name in PAIRS[pair]}
        view.show(groups, *found.T, attacks.index(attack), float(found.sum(1).max()))
        means = ", ".join(f"{name} {level[name][attack].mean():.1f} %" for name in PAIRS[pair])
        gain, error = found[attacks.index(attack)]
        return f"{attack}: {means}; lead {gain:.1f} ± {error:.1f} points."

    return fig, draw


def leads(level: Levels) -> widgets.Live:
    """Two methods under attacks of growing strength, and the lead of the one over the other."""
    attacks = list(level["SGD"])
    controls = {
        "pair": widgets.dropdown("pair of methods", list(PAIRS), "SAM 0.4 over SGD"),
        "attack": widgets.choice_slider("attack, weak to strong", attacks, attacks[0]),
    }
    return widgets.live(*_scene(level), controls)


def two_leads(level: Levels) -> HTML:
    """SAM's lead over SGD under the strongest attack, as usual and tuned, as still figures."""
    fig, draw = _scene(level)
    return HTML("".join(widgets.still(fig, draw(pair, "standard")).data for pair in list(PAIRS)[:2]))
