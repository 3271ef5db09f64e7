"""Section 4: how the lead of one method over another depends on the attack that measures it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.collections import LineCollection
from torch import Tensor, nn

from samlib.course import pictures, results, style, widgets
from samlib.evaluation import accuracy

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
            how = " by a wider ball" * bool(a.get("detour")) + f" up to {a['restarts']} runs" * (a["restarts"] > 1)
            parts.append(f"{a['kind']} {a['loss']} {a['steps'] or a['queries']}{targets}{how}".replace(" ", "_"))
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


def differences(level: Levels, pair: str, attack: str) -> np.ndarray:
    """How far the second setting of a pair is above the first under an attack, seed by seed, in points, (runs,)."""
    one, other = (level[setting][attack] for setting in PAIRS[pair])
    return other - one


def lead(level: Levels, pair: str, attack: str) -> tuple[float, float]:
    """The mean of the differences, and the half width of its 95 % interval, in points."""
    return results.interval(differences(level, pair, attack).tolist())


def table_of_leads(level: Levels, attacks: Sequence[str]) -> str:
    """Each pair's lead under some attacks, with its interval, in points."""
    lines = [" ".join([" " * 27, *(f"{attack:>13}" for attack in attacks)])]
    for pair in PAIRS:
        found = [lead(level, pair, attack) for attack in attacks]
        lines.append(" ".join([f"{pair:27}", *(f"{gain:7.1f} ± {half:3.1f}" for gain, half in found)]))
    return "\n".join(lines)


def doubts(level: Levels, digits: int) -> dict[str, float]:
    """By how many points SAM 0.4's robust accuracy, or its lead, could be otherwise, for reasons beside each other.

    `digits`: how many test images it was measured on. "digits": half the 95 % interval of a share of so many; "attack":
    the most that another attack here leaves; "tuning": the lead of the tuned pair over that of the untuned one.
    """
    runs = level["SAM 0.4"]["standard"]
    share = runs.mean() / 100
    before, after = (lead(level, pair, "standard")[0] for pair in list(PAIRS)[:2])
    return {
        "mean": float(runs.mean()),
        "seeds": results.interval(runs.tolist())[1],
        "digits": float(196 * (share * (1 - share) / digits) ** 0.5),
        "attack": float(max(one.mean() for one in level["SAM 0.4"].values()) - runs.mean()),
        "tuning": after - before,
    }


def doubts_in_words(found: Mapping[str, float]) -> str:
    """What `doubts` found, in four lines."""
    return (
        "SAM 0.4 keeps {mean:.1f} ± {seeds:.1f} %, over seeds\n"
        "  as many other test digits could move it by {digits:.1f} (95 %)\n"
        "  another attack moves it by up to {attack:.0f}\n"
        "  and its lead changes by {tuning:+.1f} once both sides are tuned"
    ).format(**found)


def leads(level: Levels) -> widgets.Live:
    """Two methods under attacks of growing strength, and the lead of the one over the other."""
    attacks = list(level["SGD"])
    with style.look():
        picture = LeadPicture(style.figure(4.5), attacks, len(level["SGD"][attacks[0]]))

    def draw(pair: str, attack: str) -> str:
        at, (one, other) = attacks.index(attack), PAIRS[pair]
        picture.show_levels({name: np.array(list(level[name].values())) for name in (one, other)}, at)
        gain, half = lead(level, pair, attack)
        gains = np.array([differences(level, pair, name) for name in attacks])
        picture.show_leads(gains, [lead(level, pair, name) for name in attacks], at, pair, style.of(other))
        means = ", ".join(f"{name} {level[name][attack].mean():.1f} %" for name in (one, other))
        return f"{attack}: {means}; lead {gain:.1f} ± {half:.1f} points."

    controls = {
        "pair": widgets.dropdown("pair of methods", list(PAIRS), "SAM 0.4 over SGD"),
        "attack": widgets.choice_slider("attack, weak to strong", attacks, attacks[0]),
    }
    return widgets.live(picture.fig, draw, controls)


def other_threats(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy of AT (l_inf 0.125) in its ball, in the l_2 ball around it, and of `net` on digits moved by a pixel."""
    methods, shifted = results.load("methods"), torch.nn.functional.pad(x, (1, 0))[..., : x.shape[-1]]
    return {
        "in its l_inf ball": 100 * results.mean_and_spread(methods, "AT linf 0.125", "linf 0.125")[0],
        "in the l_2 ball of 1": 100 * results.mean_and_spread(methods, "AT linf 0.125", "l2 1")[0],
        "of shifted digits": 100 * accuracy(net, shifted, y),
    }


class LeadPicture:
    """Every run of two methods under each attack, and below it the lead of the one over the other, seed by seed."""

    def __init__(self, fig: style.Canvas, attacks: Sequence[str], runs: int) -> None:
        self.fig, self.places = fig, list(range(len(attacks)))
        self.beside = np.array(self.places)[:, None] + np.linspace(
            -0.22, 0.22, runs
        )  # where the runs of an attack stand
        self.levels, self.leads = pictures.axes(fig, 46, 36, 780, 190), pictures.axes(fig, 46, 266, 780, 134)
        pictures.percent_axis(self.levels)
        said = "under weaker and stronger attacks; each dot a network"
        pictures.Heading(fig, style.MARGIN, 22, "Robust digits (%)", said, axis=self.levels.yaxis)
        self.heading = pictures.Heading(fig, style.MARGIN, 254, axis=self.leads.yaxis)
        for ax in (self.levels, self.leads):
            ax.set(xlim=(-0.5, len(attacks) - 0.5), xticks=[])
            ax.spines["bottom"].set_visible(False)
        self.leads.set_xticks(self.places, [name.replace(" ", "\n") for name in attacks])
        self.leads.tick_params(length=0)
        self.leads.grid(axis="y")
        self.leads.axhline(0, color=style.INK, linewidth=1)
        looks = (style.SGD, style.SAM, style.NOISE, style.AT)
        self.curves = {look.color: pictures.RunCurve(self.levels, look, marks=False) for look in looks}
        self.dots = {look.color: self.levels.plot([], [], **look.marks(markersize=3, alpha=0.5))[0] for look in looks}
        self.labels = pictures.Labels(self.levels)
        self.gap = pictures.Gap(self.levels)
        self.bands = [pictures.shaded_place(ax) for ax in (self.levels, self.leads)]
        self.bars = LineCollection([], linewidths=2.2)
        self.leads.add_collection(self.bars)
        (self.means,) = self.leads.plot([], [], linestyle="none", marker="_", markersize=14, markeredgewidth=2.2)
        (self.seeds,) = self.leads.plot([], [], linestyle="none", markersize=3, alpha=0.5)
        self.note = self.leads.annotate("", (0, 0), (0, 5), textcoords="offset points", ha="center", fontweight="bold")

    def show_levels(self, groups: Mapping[str, np.ndarray], at: int) -> None:
        """{method: its runs (attacks, n) in percent}, the gap between the two marked at one attack."""
        for color, curve in self.curves.items():
            curve.hide()
            self.dots[color].set_data([], [])
        labels, marks = [], []
        for name, runs in groups.items():
            look = style.of(name)
            self.curves[look.color].show(self.places, runs.mean(1))
            self.dots[look.color].set_data(self.beside.ravel(), np.sort(runs, axis=1).ravel())
            labels.append(pictures.Label(name, self.curves[look.color].points[1:-1], look))
            marks.append(self.curves[look.color].points)
            marks += [np.column_stack(dots) for dots in zip(self.beside, np.sort(runs, axis=1), strict=True)]
        low, high = sorted(float(runs[at].mean()) for runs in groups.values())
        self.gap.show(at, low, high)
        grid = [(np.array([[-0.5, height], [len(self.places), height]]), 0.4) for height in range(0, 101, 25)]
        self.labels.show(labels, [*marks, np.array([[at, low], [at, high]])], grid)
        for band in self.bands:
            band.set_x(at - 0.5)

    def show_leads(
        self, gains: np.ndarray, leads: Sequence[tuple[float, float]], at: int, title: str, look: style.Look
    ) -> None:
        """The lead under each attack seed by seed, (attacks, n), and its mean with half its interval, in points."""
        self.heading.show(f"Lead of {title} (points)", "each dot a seed; mean and 95 % interval")
        mean, half = np.array(leads).T
        ends = np.stack([mean - half, mean + half], axis=1)
        x = np.array(self.places) - 0.36  # beside the dots
        self.bars.set_segments([np.column_stack([[left] * 2, pair]) for left, pair in zip(x, ends, strict=True)])
        self.means.set_data(x, mean)
        self.seeds.set_data(self.beside.ravel(), np.sort(gains, axis=1).ravel())
        for artist in (self.bars, self.means, self.seeds):
            artist.set_color(look.color)
        self.seeds.set_marker(look.marker)
        top = float(gains.max())
        self.leads.set_ylim(min(0.0, 1.1 * float(gains.min())), 1.35 * top)
        self.note.xy = (at, float(gains[at].max()))
        self.note.set_text(f"+{mean[at]:.1f} ± {half[at]:.1f}")
        self.note.set_color(look.dark)
