"""Section 4: how the lead of one method over another depends on the attack that measures it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from IPython.display import HTML
from matplotlib.collections import LineCollection

from samlib.course import pictures, results, style, widgets

PAIRS = {
    "SAM 0.4 over SGD": ("SGD", "SAM 0.4"),
    "SAM over SGD, both tuned": ("SGD, tuned (robust)", "SAM, tuned (robust)"),
    "input noise 0.2 over SGD": ("SGD", "input noise 0.2"),
    "AT linf 0.125 over SGD": ("SGD", "AT linf 0.125"),
}
Levels = Mapping[str, Mapping[str, np.ndarray]]  # {setting: {attack: robust accuracy of every run, percent}}


def protocol(table: results.Result) -> str:
    """What each attack of the table consists of, in lines that fit on a page."""
    lines = []
    for name, union in table["protocol"]["attacks"].items():
        parts = []
        for a in union:
            targets = f" × {a['targets']} targets" if a["targets"] else ""
            parts.append(f"{a['kind']} {a['loss']} {a['steps'] or a['queries']}{targets}".replace(" ", "_"))
        lines += textwrap.wrap(", ".join(parts), 88, initial_indent=f"{name:15}", subsequent_indent=15 * " ")
    return "\n".join(lines).replace("_", " ")


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
    stills = []
    for pair in list(PAIRS)[:2]:
        with style.look():
            alt = draw(pair, "standard")
        stills.append(widgets.still(fig, alt).data)
    return HTML("".join(stills))


def _scene(level: Levels) -> tuple[style.Canvas, Callable[..., str]]:
    """The picture, and what draws it at given values."""
    attacks = list(level["SGD"])
    with style.look():
        picture = LeadPicture(style.figure(4.6), attacks)

    def draw(pair: str, attack: str) -> str:
        at, found = attacks.index(attack), np.array([lead(level, pair, a) for a in attacks])
        one, other = PAIRS[pair]
        picture.show_levels({name: np.array(list(level[name].values())).T for name in (one, other)}, at)
        picture.show_leads(found[:, 0], found[:, 1], at, pair, style.of(other))
        means = ", ".join(f"{name} {level[name][attack].mean():.1f} %" for name in (one, other))
        return f"{attack}: {means}; lead {found[at, 0]:.1f} ± {found[at, 1]:.1f} points."

    return picture.fig, draw


class LeadPicture:
    """Every run of two methods under each attack, and below it the lead of the one over the other."""

    def __init__(self, fig: style.Canvas, attacks: Sequence[str]) -> None:
        self.fig, self.places = fig, list(range(len(attacks)))
        self.levels, self.leads = pictures.axes(fig, 46, 36, 780, 210), pictures.axes(fig, 46, 286, 780, 124)
        pictures.percent_axis(self.levels)
        said = "under weaker and stronger attacks; each thin line is a run"
        pictures.Heading(fig, style.MARGIN, 22, "Robust digits (%)", said, axis=self.levels.yaxis)
        self.heading = pictures.Heading(fig, style.MARGIN, 274, axis=self.leads.yaxis)
        for ax in (self.levels, self.leads):
            ax.set(xlim=(-0.5, len(attacks) - 0.5), xticks=[])
            ax.spines["bottom"].set_visible(False)
        self.leads.set_xticks(self.places, [name.replace(" ", "\n") for name in attacks])
        self.leads.tick_params(length=0)
        self.leads.grid(axis="y")
        self.leads.axhline(0, color=style.INK, linewidth=1)
        looks = (style.SGD, style.SAM, style.NOISE, style.AT)
        self.curves = {look.color: pictures.RunCurve(self.levels, look) for look in looks}
        self.labels = pictures.Labels(self.levels)
        self.gap = pictures.Gap(self.levels)
        self.bands = [pictures.shaded_place(ax) for ax in (self.levels, self.leads)]
        self.bars = LineCollection([], linewidths=2.2)
        self.leads.add_collection(self.bars)
        (self.dots,) = self.leads.plot([], [], linestyle="none", markersize=3.5)
        self.note = self.leads.annotate("", (0, 0), (0, 4), textcoords="offset points", ha="center", fontweight="bold")

    def show_levels(self, groups: Mapping[str, np.ndarray], at: int) -> None:
        """{method: runs (n, attacks) in percent}, the gap between two of them marked at one attack."""
        for curve in self.curves.values():
            curve.hide()
        labels = []
        for name, runs in groups.items():
            look = style.of(name)
            self.curves[look.color].show(self.places, runs)
            labels.append(pictures.Label(name, np.delete(self.curves[look.color].points, at, axis=0), look))
        means = [runs.mean(0) for runs in groups.values()]
        low, high = sorted(float(mean[at]) for mean in means)
        self.gap.show(at, low, high)
        lines = [np.column_stack([self.places, run]) for runs in groups.values() for run in (runs.min(0), runs.max(0))]
        self.labels.show(labels, [*lines, np.array([[at, low], [at, high]])])
        for band in self.bands:
            band.set_x(at - 0.5)

    def show_leads(self, lead: np.ndarray, error: np.ndarray, at: int, title: str, look: style.Look) -> None:
        """The lead under each attack with its interval, (attacks,), in points."""
        self.heading.show(f"Lead of {title} (points)", "± two standard errors")
        ends = np.stack([lead - error, lead + error], axis=1)
        self.bars.set_segments([np.column_stack([[i, i], pair]) for i, pair in zip(self.places, ends, strict=True)])
        self.bars.set_color(look.color)
        self.dots.set_data(self.places, lead)
        self.dots.set(color=look.color, marker=look.marker)
        self.leads.set_ylim(min(0, float(ends.min()) - 1), 1.25 * float(ends.max()))
        self.note.xy = (at, lead[at] + error[at])
        self.note.set_text(f"+{lead[at]:.1f} ± {error[at]:.1f}")
        self.note.set_color(look.dark)
