"""Section 2: what each planted fault does to the levels of SGD and SAM, and to their difference."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.collections import LineCollection

from samlib.course import pictures, results, style, widgets
from samlib.course.lessons.at_the_papers_scale.audit_scene import limits
from samlib.course.lessons.at_the_papers_scale.planted import (
    EPS,
    FAULTS,
    KINDS,
    NORMALISATION,
    ONE_SEED,
    Planted,
    single_runs,
)

CAREFUL = {  # what stands beside each fault
    NORMALISATION: "scored alike",
    ONE_SEED: "five seeds, paired",
    "the last epoch is kept": "the epoch is chosen",
    "APGD-T of 5 steps for AutoAttack": "a union of attacks",
    "SGD is not tuned": "both are tuned",
}


def faults(planted: Mapping[str, Planted]) -> widgets.Live:
    """The careful protocol beside the faulty one: both methods, and the difference, seed by seed."""
    every = [gains for one in planted.values() for at in range(len(EPS)) for gains in one.gains(at)]
    with style.look():
        picture = FaultPicture(style.figure(3.7), limits(every))

    def draw(fault: str, eps: float) -> str:
        at, found = EPS.index(eps), planted[fault]
        gains = list(found.gains(at))
        if fault == ONE_SEED:
            gains[1] = single_runs(found, at)
        levels = [side[kind][:, at] for side in (found.careful, found.faulty) for kind in KINDS]
        paired = found.paired and fault != ONE_SEED
        moved = in_words(gains[1] - gains[0]) if paired else f"{shift(found, at):+.1f}".replace("-", "−")
        picture.show(levels, gains, (CAREFUL[fault], fault), paired, "" if fault == ONE_SEED else f"moved by {moved}")
        picture.at.show("Robust accuracy (%)", f"at l_inf {eps:g}; each mark a network")
        careful = in_words(gains[0])
        if fault == ONE_SEED:
            picture.note(f"{gains[1].min():+.1f} to {gains[1].max():+.1f}")
            return (
                f"SAM minus SGD at l_inf {eps:g}: {careful} points over the seeds; one run of each says anything from "
                f"{gains[1].min():+.1f} to {gains[1].max():+.1f}."
            )
        return (
            f"SAM minus SGD at l_inf {eps:g}: {careful} points ({CAREFUL[fault]}), {in_words(gains[1])} with the fault "
            f"({fault}): it is moved by {moved}."
        )

    controls = {
        "fault": widgets.dropdown("fault planted in our code", list(FAULTS), FAULTS[0]),
        "eps": widgets.choice_slider("eps: radius (l_inf, pixels)", EPS, EPS[1]),
    }
    return widgets.live(picture.fig, draw, controls)


def shift(found: Planted, at: int) -> float:
    """By how much a fault moves the mean of SAM minus SGD at one of EPS, in points."""
    careful, faulty = found.gains(at)
    return float(faulty.mean() - careful.mean())


def in_words(gains: np.ndarray) -> str:
    """Mean and half of the 95 % interval."""
    mean, half = results.interval(gains.tolist())
    return f"{mean:+.1f} ± {half:.1f}".replace("-", "−")


class FaultPicture:
    """Two columns of levels for the careful protocol, two for the faulty one; then the two differences."""

    PLACES = (0.0, 0.8, 2.0, 2.8)

    def __init__(self, fig: style.Canvas, ends: tuple[float, float]) -> None:
        self.fig = fig
        self.levels, self.gains = pictures.axes(fig, 46, 46, 380, 250), pictures.axes(fig, 490, 46, 336, 250)
        pictures.percent_axis(self.levels)
        self.at = pictures.Heading(fig, style.MARGIN, 24, axis=self.levels.yaxis)
        self.heading = pictures.Heading(fig, 446, 24, axis=self.gains.yaxis)
        self.levels.set(xlim=(-0.5, 3.3), xticks=[])
        looks = (style.SGD, style.SAM) * 2
        self.marks = [
            pictures.RunMarks(self.levels, x, look, width=0.5) for x, look in zip(self.PLACES, looks, strict=True)
        ]
        for x, (name, look) in zip(self.PLACES, zip(("SGD", "SAM") * 2, looks, strict=True), strict=True):
            self.levels.text(x, -10, name, color=look.dark, fontweight="bold", ha="center", va="center")
        self.under = [self.levels.text(x, -21, "", ha="center", va="center") for x in (0.4, 2.4)]
        self.gains.set(xlim=(-0.6, 1.6), ylim=ends, xticks=[])
        self.gains.grid(axis="y")
        self.gains.yaxis.set_major_formatter("{x:g}")
        self.gains.axhline(0, color=style.INK, linewidth=1)
        self.pairs = LineCollection([], linewidths=0.7, alpha=0.5, colors=style.SAM.color)
        self.gains.add_collection(self.pairs, autolim=False)
        self.dots = [self.gains.plot([], [], **style.SAM.marks(alpha=0.5, markersize=4))[0] for _ in range(2)]
        self.bars = [self.gains.plot([], [], color=style.SAM.color, linewidth=2.2)[0] for _ in range(2)]
        self.means = [
            self.gains.plot([], [], "_", color=style.SAM.color, markersize=13, markeredgewidth=2.2)[0] for _ in range(2)
        ]
        self.words = [
            self.gains.annotate(
                "", (i, 0), (0, 7), textcoords="offset points", ha="center", color=style.SAM.dark, fontweight="bold"
            )
            for i in range(2)
        ]
        within = self.gains.get_xaxis_transform()
        self.below = [self.gains.text(i, -0.155, "", transform=within, ha="center", va="center") for i in range(2)]

    def show(
        self,
        levels: Sequence[np.ndarray],
        gains: Sequence[np.ndarray],
        said: tuple[str, str],
        paired: bool,
        remark: str,
    ) -> None:
        """Levels of SGD, SAM, SGD, SAM; the differences of each two; what is said of both protocols."""
        self.heading.show("SAM − SGD (points)", remark)
        for marks, runs in zip(self.marks, levels, strict=True):
            marks.show(runs, f"{runs.mean():.1f}")
        shown = said[0], "one run of each" if said[1] == ONE_SEED else _broken(said[1])
        for texts in (self.under, self.below):
            for text, words in zip(texts, (said[0], _broken(said[1])), strict=True):
                text.set_text(words)
        self.below[1].set_text(shown[1])
        ordered = [np.argsort(gains[0], kind="stable"), np.argsort(gains[0 if paired else 1], kind="stable")]
        places = []
        for i, (one, order) in enumerate(zip(gains, ordered, strict=True)):
            x = i + 0.12 + np.linspace(0.0, 0.2, len(one)) * (1 if i else -1) - (0.24 if not i else 0.0)
            places.append(np.column_stack([x, one[order]]))
            self.dots[i].set_data(*places[-1].T)
            mean, half = results.interval(one.tolist())
            alone = said[1] == ONE_SEED and i == 1
            for artist in (self.bars[i], self.means[i]):
                artist.set_visible(not alone)
            self.bars[i].set_data([i, i], [mean - half, mean + half])
            self.means[i].set_data([i], [mean])
            self.words[i].xy = (i, max(float(one.max()), mean + half))
            self.words[i].set_text(in_words(one))
        ends = zip(places[0], places[1], strict=False)
        self.pairs.set_segments([np.array(pair) for pair in ends] if paired else [])

    def note(self, text: str) -> None:
        """Other words above the faulty protocol's difference."""
        self.words[1].set_text(text)


def _broken(text: str) -> str:
    """A long name on two lines."""
    if len(text) < 24:
        return text
    words = text.split()
    cuts = itertools.accumulate(len(word) + 1 for word in words)
    half = min(enumerate(cuts), key=lambda cut: abs(cut[1] - len(text) / 2))[0] + 1
    return f"{' '.join(words[:half])}\n{' '.join(words[half:])}"
