"""Section 3: one method beside another, under weaker and stronger attacks, and their difference on every data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from samlib.course import pictures, style, widgets
from samlib.course.lessons.at_the_papers_scale.evidence import (
    ATTACKS,
    CLEAN,
    DATA,
    DIGITS,
    LEVELS,
    PAIRS,
    RADII,
    SMALL,
    USUAL,
    Evidence,
    Found,
    on_cpu,
    radius,
)
from samlib.course.lessons.at_the_papers_scale.grids import command

NOT_MEASURED = "not measured"
NEEDS = {  # what is said in place of a figure that there is not
    data: NOT_MEASURED if data == DIGITS else f"{NOT_MEASURED} yet" if on_cpu(data) else f"{NOT_MEASURED}: needs a GPU"
    for data in DATA
}


def audit(evidence: Evidence) -> widgets.Live:
    """Two methods on one data set, and the difference of the two on all, with every seed and 95 % intervals."""
    with style.look():
        picture = AuditPicture(style.figure(4.0))

    def draw(data: str, pair: str, attack: str, level: str) -> str:
        look = style.of(pair.replace("input noise", "noise"))
        by_attack = {name: evidence.find(data, pair, name, level) for name in ATTACKS}
        eps = radius(data, level)
        picture.show_levels(by_attack, attack, look, f"{data}, l_inf {eps}", in_full(data))
        found = {name: evidence.find(name, pair, attack, level) for name in DATA}
        every = [evidence.find(name, pair, a, one) for name in DATA for a in ATTACKS for one in LEVELS]
        said = "without attack" if attack == CLEAN else f"under {attack}"
        picture.show_gains(found, data, look, pair, said, limits([one.drawn for one in every if one]))
        words = [f"{name} {NEEDS[name] if one is None else one}" for name, one in found.items()]
        return f"{pair}, {said}, eps {eps} on {data}, in points: {'; '.join(words)}."

    eps_words = [
        (f"{small} ({RADII[DIGITS][i]})", level) for i, (small, level) in enumerate(zip(SMALL, LEVELS, strict=True))
    ]
    controls = {
        "data": widgets.dropdown("data set", list(DATA), DIGITS),
        "pair": widgets.dropdown("method minus method", list(PAIRS), USUAL),
        "attack": widgets.choice_slider("attack, weak to strong", ATTACKS, ATTACKS[1]),
        "level": widgets.toggle("eps: l_inf, pixels (digits)", eps_words, LEVELS[1]),
    }
    return widgets.live(picture.fig, draw, controls)


def in_full(data: str) -> str:
    """What is said in place of all figures of a data set: that there are none, and how to make them."""
    if data == DIGITS:
        return NOT_MEASURED
    run, _, place = command(DATA[data]).partition(" --out ")
    return f"{NEEDS[data]}\n{run}\n--out {place}"


def limits(gains: Sequence[np.ndarray]) -> tuple[float, float]:
    """Ends of an axis that holds all of these, and zero, with room for a mark."""
    low, high = min(0.0, *map(np.min, gains)), max(0.0, *map(np.max, gains))
    room = 0.08 * (high - low)
    return float(low - room), float(high + room)


class AuditPicture:
    """On the left every run of two methods under each attack, on the right their difference on each data set."""

    BESIDE = 0.19  # of the two methods in a column

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.levels, self.gains = pictures.axes(fig, 46, 46, 330, 304), pictures.axes(fig, 430, 46, 300, 304)
        pictures.percent_axis(self.levels)
        self.levels.set(xlim=(-0.5, len(ATTACKS) - 0.5))
        self.levels.set_xticks(range(len(ATTACKS)), ["no attack", *ATTACKS[1:]])
        self.levels.tick_params(axis="x", length=0)
        self.said_of_levels = pictures.Heading(fig, style.MARGIN, 24, axis=self.levels.yaxis)
        self.said_of_gains = pictures.Heading(fig, 430, 24)
        self.bands = [pictures.shaded_place(self.levels)]
        looks = (style.SGD, style.SAM)
        self.marks = [
            [
                pictures.RunMarks(self.levels, i + side * self.BESIDE, look, width=0.3)
                for side, look in zip((-1, 1), looks, strict=True)
            ]
            for i in range(len(ATTACKS))
        ]
        self.labels = pictures.Labels(self.levels)
        self.missing = [
            self.levels.text(i, 50, "", color=style.QUIET, ha="center", va="center", rotation=90)
            for i in range(len(ATTACKS))
        ]
        self.nothing = self.levels.text(1, 50, "", color=style.QUIET, ha="center", va="center", linespacing=1.8)
        self.nothing.set_bbox({"facecolor": style.PAPER, "linewidth": 0, "pad": 3})
        self._forest()

    def _forest(self) -> None:
        rows = len(DATA)
        self.gains.set(ylim=(rows - 0.4, -0.65), yticks=[], xlabel="points")
        self.gains.xaxis.set_major_formatter("{x:g}")
        for i in range(rows):
            self.gains.plot([0, 0], [i - 0.18, i + 0.36], color=style.INK, linewidth=1)
        self.here = pictures.shaded_place(self.gains)
        self.here.set_transform(self.gains.get_yaxis_transform())
        self.here.set(x=0, width=1, height=1)
        within = self.gains.get_yaxis_transform()
        self.names = [self.gains.text(0.01, i - 0.34, name, transform=within) for i, name in enumerate(DATA)]
        self.found = [self.gains.text(1.03, i + 0.06, "", transform=within, fontweight="bold") for i in range(rows)]
        self.dots = [self.gains.plot([], [], linestyle="none", markersize=4, alpha=0.5)[0] for _ in DATA]
        self.bars = [self.gains.plot([], [], linewidth=2.2, solid_capstyle="butt")[0] for _ in DATA]
        self.means = [self.gains.plot([], [], "|", markersize=13, markeredgewidth=2.2)[0] for _ in DATA]

    def show_levels(
        self, found: Mapping[str, Found | None], attack: str, look: style.Look, said: str, needs: str
    ) -> None:
        """Every run of the two under each attack; the attack chosen is shaded."""
        self.said_of_levels.show("Robust accuracy (%)", said)
        self.bands[0].set_x(list(found).index(attack) - 0.5)
        points: list[list[tuple[float, float]]] = [[], []]
        names = ("", "")
        lines = []
        some = any(found.values())
        self.nothing.set_text("" if some else needs)
        for i, one in enumerate(found.values()):
            self.missing[i].set_text("" if one or not some else needs.splitlines()[0])
            for side, marks in enumerate(self.marks[i]):
                for artist in marks.artists:
                    artist.set_visible(one is not None)
                if one is None:
                    continue
                names, runs = one.names, (one.one, one.other)[side]
                marks.restyle(look if side else style.SGD)
                marks.show(runs)
                points[side].append((marks.position, float(runs.mean())))
                at = np.column_stack(marks.marks.get_data())
                lines += [at + np.array([0.0, up]) for up in (-1.5, 0.0, 1.5)]
                lines.append(np.column_stack(marks.bar.get_data()))
        words = [
            pictures.Label(_short(name), np.array(where), (style.SGD, look)[side])
            for side, (name, where) in enumerate(zip(names, points, strict=True))
            if where
        ]
        grid = [(np.array([[-0.5, y], [len(ATTACKS), y]]), 0.2) for y in range(0, 101, 25)]
        columns = [(np.array([[i, 25.0], [i, 75.0]]), 3.0) for i, one in enumerate(found.values()) if one is None]
        self.labels.show(words, lines, grid + columns)

    def show_gains(
        self,
        found: Mapping[str, Found | None],
        data: str,
        look: style.Look,
        pair: str,
        said: str,
        ends: tuple[float, float],
    ) -> None:
        """The difference on each data set: every seed, the mean and its interval; the one chosen is shaded."""
        self.said_of_gains.show(pair, said)
        self.gains.set_xlim(*ends)
        self.here.set_y(list(found).index(data) - 0.6)
        parts = zip(found.items(), self.names, self.found, self.dots, self.bars, self.means, strict=True)
        for i, ((name, one), title, words, dots, bar, mean) in enumerate(parts):
            for artist in (dots, bar, mean):
                artist.set_color(look.color)
                artist.set_visible(one is not None)
            title.set_fontweight("bold" if name == data else "normal")
            if one is None:
                title.set_text(f"{name}: {NEEDS[name]}")
                title.set_color(style.QUIET)
                words.set_text("")
                continue
            title.set(text=f"{name}, {one.number}", color=style.INK)
            words.set(text=str(one), color=look.dark)
            gains = np.sort(one.gains)
            dots.set_marker(look.marker)
            dots.set_data(gains, i + 0.18 + np.resize([0.0, 0.06], len(gains)))
            half = one.half or 0.0
            bar.set_data([one.mean - half, one.mean + half], [i, i])
            mean.set_data([one.mean], [i])


def _short(name: str) -> str:
    """A row's name without what all of its kind share."""
    return name.replace(" (robust)", "").replace("linf ", "")
