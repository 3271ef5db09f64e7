"""Pictures of the family, of the networks trained with it, and of proofs: nothing here computes what it shows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, Mosaic, RunMarks, axes, grey, percent_axis, signed, size
from samlib.course.style import Canvas


class FamilyPicture:
    """One digit perturbed at equal length in features, and in pixels; beside it the mean loss over alpha.

    Args:
        fig: an empty figure.
        alphas: the family's members.
        units: the two ways to be equally long, features first.
        highest: the largest loss.
    """

    def __init__(self, fig: Canvas, alphas: Sequence[float], units: Sequence[str], highest: float) -> None:
        self.fig, self.alphas = fig, alphas
        self.looks = dict(zip(units, (style.SAM, style.AT), strict=True))
        self.tiles = Mosaic(fig, 32, 50, 2, 3, across=112, down=152)
        for row, (unit, look) in enumerate(self.looks.items()):
            top = 20 + 152 * row
            self.tiles.sheet.text(
                style.MARGIN, top, unit.capitalize(), bold=True, fontsize=style.CAPTION, color=look.dark
            )
            for x, sign in ((124, "+"), (236, "=")):
                self.tiles.sheet.text(x, top + 89, sign, ha="center", fontsize=style.CAPTION)
        self.heading = Heading(fig, 400, 20)
        self.ax = axes(fig, 424, 44, 400, 238)
        self.ax.set(xlim=(-0.08, 2.08), ylim=(0, 1.1 * highest), ylabel="mean loss")
        self.ax.set_xticks([0, 0.5, 1, 1.5, 2], ["0\nSAM's", "0.5", "1\nthe attack's", "1.5", "2"])
        self.ax.set_xlabel("alpha: the direction of the perturbation", labelpad=2)
        self.ax.grid(axis="y")
        self.here = self.ax.axvline(0, color=style.EDGE, linewidth=1)
        self.lines = {
            unit: self.ax.plot([], [], **look.line(marker=look.marker))[0] for unit, look in self.looks.items()
        }
        self.labels = Labels(self.ax)

    def show_digit(
        self, unit: str, digit: np.ndarray, dx: np.ndarray, name: str, length: str, said: str, wrong: bool
    ) -> None:
        """A digit (8, 8), its perturbation, both together, and the words above the three."""
        row, color = list(self.looks).index(unit), self.looks[unit].color if wrong else ""
        self.tiles.show(
            {
                (row, 0): (grey(digit), name, ""),
                (row, 1): (signed(dx, 0.3), length, ""),
                (row, 2): (grey(digit + dx), said, color),
            }
        )

    def show_losses(self, losses: Mapping[str, Sequence[float]], alpha: float, title: str, said: str) -> None:
        """{unit: loss for each alpha}; the upright line stands at `alpha`."""
        self.heading.show(title, said)
        self.here.set_xdata([alpha, alpha])
        points = {unit: np.column_stack([self.alphas, found]) for unit, found in losses.items()}
        for unit, line in points.items():
            self.lines[unit].set_data(*line.T)
        upright = np.array([[alpha, 0], [alpha, self.ax.get_ylim()[1]]])
        labels = [Label(unit, points[unit], look) for unit, look in self.looks.items()]
        self.labels.show(labels, [*points.values(), upright])


class Ladder:
    """Every run of several settings side by side, in groups of one look each.

    Args:
        fig: an empty figure.
        groups: {what stands under a group: (its look, the names of its settings)}, from left to right.
    """

    def __init__(self, fig: Canvas, groups: Mapping[str, tuple[style.Look, Sequence[str]]]) -> None:
        self.fig, self.ax = fig, axes(fig, 48, 52, 778, 240)
        percent_axis(self.ax)
        self.heading = Heading(fig, style.MARGIN, 20, axis=self.ax.yaxis)
        self.rungs, names = list[RunMarks](), list[str]()
        for words, (look, settings) in groups.items():
            first = len(names)
            for name in settings:
                self.rungs.append(RunMarks(self.ax, len(names), look))
                names.append(name)
            middle = (first + len(names) - 1) / 2
            self.ax.annotate(
                words, (middle, 0), (0, -44), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", color=look.dark, fontweight="bold",
            )  # fmt: skip
        self.ax.set_xticks(range(len(names)), names)
        self.ax.tick_params(axis="x", length=0)
        self.ax.set_xlim(-0.6, len(names) - 0.4)

    def show(self, runs: Sequence[Sequence[float]], title: str, said: str) -> None:
        """One list of percentages for each setting; the mean stands above its marks."""
        self.heading.show(title, said)
        for rung, values in zip(self.rungs, runs, strict=True):
            rung.show(values, f"{np.mean(values):.0f}")


class Undecided:
    """Proved share below, attacked share above, over eps; between them lies what neither decides.

    Args:
        fig: an empty figure.
        eps: the radii, (k,).
    """

    WORDS = 652  # left edge of the words, in pixels of the page

    def __init__(self, fig: Canvas, eps: Sequence[float]) -> None:
        self.fig, self.eps = fig, np.asarray(eps)
        self.heading = Heading(fig, style.MARGIN, 20)
        self.ax = axes(fig, 62, 40, 540, 260)
        percent_axis(self.ax, "share of test digits (%)")
        self.ax.set(xlim=(eps[0], eps[-1]), ylim=(0, 100), xlabel="eps, length of the change in pixels (l_2)")
        zero = np.zeros(len(eps))
        look: dict[str, Any] = {"linewidth": 0, "zorder": 0.5}
        self.gap = self.ax.fill_between(eps, zero, zero, facecolor=style.PALE, **look)
        self.broken = self.ax.fill_between(eps, zero, zero, facecolor=style.AT.color, alpha=0.12, **look)
        (self.robust,) = self.ax.plot(eps, zero, **style.AT.line(marker=style.AT.marker), clip_on=False)
        (self.proved,) = self.ax.plot(eps, zero, color=style.INK, marker="o", clip_on=False)
        self.here = self.ax.axvline(0, color=style.QUIET, linewidth=1)
        self.bar = [
            self.ax.fill([0] * 4, [0] * 4, transform=None, clip_on=False, linewidth=0, **part)[0]
            for part in ({"color": style.INK}, {"color": style.PALE}, {"color": style.AT.color, "alpha": 0.4})
        ]
        self.at = fig.text((self.WORDS - 32) / size(fig)[0], 1 - 30 / size(fig)[1], "", color=style.QUIET)
        names = (("proved", style.INK), ("undecided", style.QUIET), ("misclassified or broken", style.AT.dark))
        self.names = [name for name, _ in names]
        self.words = [self.ax.text(0, 0, "", transform=None, va="center", color=color) for _, color in names]

    def show(self, proved: np.ndarray, robust: np.ndarray, at: int, title: str, said: str) -> None:
        """Shares in percent at every eps, (k,) each; the bar and the words are for number `at`."""
        self.heading.show(title, said)
        self.proved.set_ydata(proved)
        self.robust.set_ydata(robust)
        for region, low, high in ((self.gap, proved, robust), (self.broken, robust, np.full(len(proved), 100.0))):
            edges = [np.column_stack([self.eps, low]), np.column_stack([self.eps, high])[::-1]]
            region.set_verts([np.concatenate(edges)])
        self.here.set_xdata([self.eps[at]] * 2)
        self.at.set_text(f"at eps = {self.eps[at]:g}")
        heights = np.cumsum([0.0, proved[at], robust[at] - proved[at], 100 - robust[at]])
        fine = style.DPI / style.SHOWN
        places = self.ax.transData.transform(np.column_stack([np.zeros(4), heights]))[:, 1] / fine
        left, right = self.WORDS - 32, self.WORDS - 14
        for i, (low, high) in enumerate(itertools.pairwise(places)):
            self.bar[i].set_xy(fine * np.array([(left, low), (right, low), (right, high), (left, high)]))
            self.words[i].set_text(f"{heights[i + 1] - heights[i]:.0f} % {self.names[i]}")
        for word, height in zip(self.words, spread((places[:-1] + places[1:]) / 2, 17, places[-1]), strict=True):
            word.set_position((fine * self.WORDS, fine * height))


def spread(heights: np.ndarray, gap: float, top: float) -> np.ndarray:
    """Rising heights, moved as little as need be until they are `gap` apart and below `top`."""
    found = np.minimum(heights, top - gap / 2 - gap * np.arange(len(heights))[::-1])
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + gap)
    return found
