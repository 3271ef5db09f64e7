"""What lesson 03's scenes draw with. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from samlib.course import results, style
from samlib.course.pictures import (
    Gap,
    Heading,
    Label,
    Labels,
    RunCurve,
    RunMarks,
    Sheet,
    axes,
    grey,
    percent_axis,
    plain_decades,
)
from samlib.course.style import Canvas, Look


@dataclass(frozen=True)
class Group:
    """The runs of one method.

    Args:
        name: one or two words.
        said: what it does, a few words; lines end with a line feed.
        look: of its curve.
        runs: robust accuracy in per cent, (runs, points).
        shown: what stands above its marks, such as "41.6 ± 1.0", and `clean` what stands below them.
    """

    name: str
    said: str
    look: Look
    runs: np.ndarray
    shown: str = ""
    clean: str = ""


class RobustCurves:
    """SGD, SAM and another method over eps, the gap of the first two, digits attacked, and every run at one eps.

    Args:
        fig: an empty one, 840 x 446.
        levels: which points of the curves have a tick and a digit.
    """

    LEFT, TOP, WIDTH, HEIGHT = 50, 52, 496, 262  # of the curves
    RIGHT, ACROSS = 600, 226  # of the runs
    CELL = 7

    def __init__(self, fig: Canvas, levels: Sequence[int]) -> None:
        self.fig, self.levels, self.sheet = fig, list(levels), Sheet(fig)
        self.ax = axes(fig, self.LEFT, self.TOP, self.WIDTH, self.HEIGHT)
        self.runs_ax = axes(fig, self.RIGHT, self.TOP, self.ACROSS, self.HEIGHT)
        self.heading = Heading(fig, self.RIGHT, 28)
        looks = (style.SGD, style.SAM, style.AT)
        percent_axis(self.ax, "Robust accuracy (%)")
        said = "test digits that no attack within eps gets misclassified"
        Heading(fig, style.MARGIN, 28, "Robust accuracy (%)", said, axis=self.ax.yaxis)
        self.ax.tick_params(axis="y", pad=8)
        self.ax.set_xticks([])
        self.here = self.ax.plot([], [], color=style.EDGE, linewidth=1.0)[0]
        self.curves = [RunCurve(self.ax, look) for look in looks]
        self.gap, self.labels = Gap(self.ax), Labels(self.ax, paper=True)
        for curve in self.curves:
            curve.line.set_clip_on(False)
            curve.paper.set_clip_on(False)
        percent_axis(self.runs_ax)
        self.runs_ax.set(xlim=(-0.5, 2.5), xticks=[], yticklabels=[])
        self.marks = [RunMarks(self.runs_ax, i, look) for i, look in enumerate(looks)]
        self._words()

    def _words(self) -> None:
        text, bottom = self.sheet.text, self.TOP + self.HEIGHT
        step = self.WIDTH / (len(self.levels) - 1)
        self.places = [round(self.LEFT + i * step) for i in range(len(self.levels))]
        self.ticks = [text(x, bottom + 17, ha="center", quiet=True) for x in self.places]
        self.said = [text(x, bottom + 100, ha="center") for x in self.places]
        self.caption = text(self.LEFT + self.WIDTH / 2, bottom + 122, ha="center", quiet=True)
        columns = [self.RIGHT + self.ACROSS * (i + 0.5) / 3 for i in range(3)]
        self.names = [text(x, bottom + 17, ha="center") for x in columns]
        self.clean = [text(x, bottom + 62, ha="center") for x in columns]
        middle = self.RIGHT + self.ACROSS / 2
        text(middle, bottom + 44, "and without attack", ha="center", quiet=True)
        text(middle, bottom + 100, "each mark one training run,", ha="center", quiet=True)
        text(middle, bottom + 116, "bar: mean, ±: its 95 % interval", ha="center", quiet=True)

    def show_digits(self, eps: Sequence[float], images: np.ndarray, answers: Sequence[int], caption: str) -> None:
        """The digit attacked at each level's eps, (levels, 8, 8), and the class it gets; the first is clean."""
        if caption == self.caption.get_text():
            return  # one set of digits for each caption: they stand still until another norm is chosen
        self.fig.settle()
        for i, (x, value, image, answer) in enumerate(zip(self.places, eps, images, answers, strict=True)):
            wrong = answer != answers[0]
            left = x - 4 * self.CELL
            self.sheet.tile(left, self.TOP + self.HEIGHT + 28, grey(image), self.CELL, style.AT.color if wrong else "")
            self.ticks[i].set_text(f"{value:g}")
            self.said[i].set(text=f"says {answer}", color=style.AT.dark if wrong else style.QUIET)
        self.caption.set_text(caption)

    def show(self, eps: Sequence[float], groups: Sequence[Group], at: int, gaps: Sequence[str]) -> None:
        """The groups over eps, SGD first and SAM second, and every run at point number `at`.

        gaps: what the gap of the two is at each level, in words.
        """
        self.ax.set_xlim(0, eps[-1])
        for curve, marks, name, clean, group in zip(
            self.curves, self.marks, self.names, self.clean, groups, strict=True
        ):
            curve.restyle(group.look)
            marks.restyle(group.look)
            curve.show(eps, group.runs)
            marks.show(group.runs[:, at], group.shown)
            name.set(text=group.name, color=group.look.dark)
            clean.set(text=group.clean, color=group.look.dark)
        self.heading.show(f"{len(groups[0].runs)} runs at eps {eps[at]:g}")
        sgd, sam = (curve.points[:, 1] for curve in self.curves[:2])
        self.gap.show(eps[at], sgd[at], sam[at])
        self.here.set_data([eps[at]] * 2, [-2, min(sgd[at], sam[at])])
        for tick, level in zip(self.ticks, self.levels, strict=True):
            here = level == at
            tick.set(color=style.INK if here else style.QUIET, fontweight="bold" if here else "normal")
        self._label(np.asarray(eps), groups, at, gaps)
        self.fig.moving = self._moving()

    def _label(self, eps: np.ndarray, groups: Sequence[Group], at: int, gaps: Sequence[str]) -> None:
        """Words at each curve, which keep their places while eps moves, and at the gap."""
        sgd, sam = (curve.points[:, 1] for curve in self.curves[:2])
        brackets = [np.array([[eps[i], sgd[i]], [eps[i], sam[i]]]) for i in self.levels]
        means = [curve.points for curve in self.curves]
        labels = [Label(g.name, _fine(mean), g.look, g.said) for g, mean in zip(groups, means, strict=True)]
        words = [
            Label(gap, np.linspace(bracket[0], bracket[1], 5), size=style.CAPTION, shown=level == at)
            for gap, bracket, level in zip(gaps, brackets, self.levels, strict=True)
        ]
        lightly = [(np.column_stack([eps, run]), 0.03) for g in groups for run in g.runs]
        lightly += [(np.array([[eps[i], -2], [eps[i], min(sgd[i], sam[i])]]), 0.3) for i in self.levels]
        self.labels.show([*words, *labels], means + brackets, lightly)

    def _moving(self) -> list:
        parts = [self.here, *self.heading.artists, *self.ticks, *self.names, *self.clean]
        for layer in zip(*(curve.artists for curve in self.curves), strict=True):  # runs of all, then means of all
            parts += layer
        for marks in self.marks:
            parts += marks.artists
        return [*parts, self.gap.line, *self.labels.artists]


class Race:
    """The training loss of SGD and SAM on the left, their robust accuracy on the right, earlier presses as thin lines.

    Args:
        fig: an empty one, 840 x 310.
        eps: the radii of the attacks.
        epochs: of a training.
    """

    LOOKS: ClassVar[dict[str, Look]] = {"SGD": style.SGD, "SAM": style.SAM}

    def __init__(self, fig: Canvas, eps: Sequence[float], epochs: int) -> None:
        self.fig, self.eps = fig, np.asarray(eps)
        self.loss_ax, self.robust_ax = axes(fig, 58, 46, 350, 212), axes(fig, 476, 46, 336, 212)
        self.loss_ax.set(xlim=(0, epochs), yscale="log", ylim=(1e-3, 3), xlabel="epoch", ylabel="Training loss")
        plain_decades(self.loss_ax.yaxis)
        self.loss_ax.grid(axis="y")
        percent_axis(self.robust_ax, "Robust accuracy (%)")
        self.robust_ax.set(xlim=(0, eps[-1]), xlabel="eps: largest change of any pixel (l_inf)")
        self.robust_ax.set_xticks(eps, [f"{value:g}" for value in eps])
        Heading(fig, style.MARGIN, 24, "Training loss", "mean over each epoch", axis=self.loss_ax.yaxis)
        self.heading = Heading(fig, 436, 24, "Robust accuracy (%)", axis=self.robust_ax.yaxis)
        self.losses = {name: self.loss_ax.plot([], [], **look.line())[0] for name, look in self.LOOKS.items()}
        self.curves = {name: RunCurve(self.robust_ax, look) for name, look in self.LOOKS.items()}
        for curve in self.curves.values():
            curve.line.set_clip_on(False)
        self.gap = Gap(self.robust_ax)
        self.loss_labels, self.labels = Labels(self.loss_ax), Labels(self.robust_ax, paper=True)
        self.found: dict[str, list[np.ndarray]] = {name: [] for name in self.LOOKS}

    def start(self, said: str) -> None:
        """A new press: what the last one showed becomes thin lines."""
        for name, curve in self.curves.items():
            self.losses[name].set_data([], [])
            curve.hide()
            curve.runs.set_segments([np.column_stack([self.eps, run]) for run in self.found[name]])
        self.gap.line.set_data([], [])
        self.loss_labels.show([])
        self.labels.show([])
        earlier = " (thin: earlier)" if self.found["SAM"] else ""
        self.heading.show("Robust accuracy (%)", said + earlier)

    def show_loss(self, name: str, losses: Sequence[float]) -> None:
        """The mean loss of each epoch so far."""
        self.losses[name].set_data(np.arange(1, len(losses) + 1), losses)
        lines = {name: np.column_stack(line.get_data()) for name, line in self.losses.items()}
        there = {name: line for name, line in lines.items() if len(line)}
        self.loss_labels.show([Label(n, line, self.LOOKS[n]) for n, line in there.items()], list(there.values()))

    def show_robust(self, name: str, robust: Sequence[float]) -> None:
        """Robust accuracy in per cent at each eps."""
        self.curves[name].line.set_data(self.eps, robust)
        self.found[name].append(np.asarray(robust))
        self._label([])

    def show_gap(self, at: int, gap: str) -> None:
        """The gap of the two at point number `at`, with its length in words."""
        ends = [self.curves[name].points[at, 1] for name in self.LOOKS]
        self.gap.show(self.eps[at], *ends)
        bracket = np.column_stack([np.full(5, self.eps[at]), np.linspace(ends[0], ends[1], 5)])
        self._label([Label(gap, bracket, size=style.CAPTION)], [bracket])

    def _label(self, words: list[Label], avoid: Sequence[np.ndarray] = ()) -> None:
        lines = {name: curve.points for name, curve in self.curves.items() if len(curve.points)}
        words = words + [Label(name, _fine(line), self.LOOKS[name]) for name, line in lines.items()]
        self.labels.show(words, [*lines.values(), *avoid])


def _fine(line: np.ndarray) -> np.ndarray:
    """More points of a curve that is drawn from left to right."""
    x = np.linspace(line[0, 0], line[-1, 0], 40)
    return np.column_stack([x, np.interp(x, *line.T)])


@dataclass(frozen=True)
class Method:
    """The runs of one setting as points: `runs` (n, 2), clean and robust accuracy in per cent; `name` may be ""."""

    name: str
    look: Look
    runs: np.ndarray


class TradeOff:
    """Clean against robust accuracy: every run a faint mark, every mean a full one, SAM and AT as paths."""

    def __init__(self, fig: Canvas) -> None:
        self.fig, self.ax = fig, axes(fig, 58, 46, 766, 330)
        self.ax.set(xlabel="clean accuracy (%)", ylabel="Robust accuracy at l_inf 0.125 (%)")
        self.ax.grid()
        self.ax.set(xticks=range(90, 101), yticks=range(0, 101, 20))
        said = "up: better under attack; right: better without; each faint mark one run"
        Heading(fig, style.MARGIN, 24, "Robust accuracy at l_inf 0.125 (%)", said, axis=self.ax.yaxis)
        self.labels = Labels(self.ax)

    def show(self, start: Method, paths: Sequence[Sequence[Method]]) -> None:
        """SGD, and what each method makes of it; a line joins those that get stronger step by step."""
        lines = []
        for path in paths:
            if len(path) > 1:
                lines.append(np.array([method.runs.mean(0) for method in (start, *path)]))
                self.ax.plot(*lines[-1].T, **path[0].look.line(linewidth=1.2))
        every = [start, *(method for path in paths for method in path)]
        for method in every:
            self.ax.plot(*method.runs.T, **method.look.marks(alpha=0.3, markersize=3.5, markeredgewidth=0))
            self.ax.plot(*method.runs.mean(0), **method.look.marks(markersize=7.5, markeredgecolor=style.PAPER))
        x, y = np.concatenate([method.runs for method in every]).T
        self.ax.set(xlim=(x.min() - 0.15, x.max() + 0.25), ylim=(y.min() - 5, y.max() + 8))
        words = [Label(method.name, method.runs.mean(0)[None], method.look) for method in every]
        marks = [method.runs.mean(0) + np.array([[-0.04, 0.0], [0.04, 0.0]]) for method in every]
        self.labels.show(words, lines + marks, [(method.runs, 0.3) for method in every])


class LayerGains:
    """The runs of SGD and of SAM with its ascent step in some layers; the gain of each over SGD, drawn and named."""

    def __init__(self, fig: Canvas) -> None:
        self.fig, self.panels = fig, [axes(fig, left, 50, width, 230) for left, width in ((50, 330), (434, 392))]
        for ax in self.panels:
            percent_axis(ax, "robust accuracy (%)")
            ax.tick_params(axis="x", length=0)

    def show(
        self,
        panel: int,
        title: str,
        said: str,
        runs: Mapping[str, np.ndarray],
        gains: Mapping[str, tuple[float, ...]],
    ) -> None:
        """One network: {what stands under a column: its runs in per cent}, SGD first; the others' gains, with ±."""
        ax, (first, *_) = self.panels[panel], runs.values()
        base = float(first.mean())
        ax.set(xlim=(-0.5, len(runs) - 0.4))
        ax.set_xticks(range(len(runs)), list(runs))
        Heading(self.fig, style.MARGIN + 384 * panel, 26, f"{title}: robust accuracy (%)", said, axis=ax.yaxis)
        ax.plot([0, len(runs) - 0.5], [base, base], color=style.SGD.color, linewidth=0.8)
        for i, (name, values) in enumerate(runs.items()):
            mean, look = float(values.mean()), style.SAM if i else style.SGD
            marks = RunMarks(ax, i, look, width=0.5)
            marks.show(values, "{:+.0f} ± {:.0f}".format(*gains[name]).replace("-", "−") if i else "")
            marks.text.set_bbox({"facecolor": style.PAPER, "linewidth": 0, "pad": 1})
            if i and abs(mean - base) > 2:  # a shorter arrow is all head
                tip = {"arrowstyle": "-|>", "color": look.color, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
                ax.annotate("", (i + 0.36, mean), (i + 0.36, base), arrowprops=tip)


class Costs:
    """A row for each method, the cheapest first: its passes, and its robust and clean accuracy on every split."""

    TOP, ROW = 62, 48

    def __init__(self, fig: Canvas, rows: int) -> None:
        self.fig, self.sheet = fig, Sheet(fig)
        high = self.ROW * rows
        self.robust = axes(fig, 210, self.TOP, 380, high)
        self.clean = axes(fig, 640, self.TOP, 186, high)
        self.robust.set(xlim=(20, 92), xlabel="robust accuracy at l_inf 0.125 (%)")
        self.clean.set(xlim=(94.5, 99.9), xlabel="clean accuracy (%)")
        for ax in (self.robust, self.clean):
            ax.set(ylim=(rows - 0.5, -0.5), yticks=[])
            ax.grid(axis="x")
        self.heading = Heading(fig, style.MARGIN, 26, "What each costs, and gives")
        self.sheet.text(196, self.TOP - 10, "passes", ha="right", quiet=True)
        middles = [self.TOP + self.ROW * (i + 0.5) for i in range(rows)]
        self.names = [self.sheet.text(style.MARGIN, y + 4, bold=True) for y in middles]
        self.passes = [self.sheet.text(196, y + 4, ha="right") for y in middles]
        self.marks = [[ax.plot([], [])[0] for ax in (self.robust, self.clean)] for _ in middles]
        self.bars = [[ax.plot([], [], linewidth=2.2)[0] for ax in (self.robust, self.clean)] for _ in middles]
        beneath = {"facecolor": style.PAPER, "linewidth": 0, "pad": 1}
        self.shown = [
            [ax.text(0, i - 0.2, "", ha="center", va="bottom", bbox=beneath) for ax in (self.robust, self.clean)]
            for i in range(rows)
        ]

    def show(self, rows: Sequence[tuple[str, float, list[float], list[float]]], said: str) -> None:
        """Of each method its name, its passes, and robust and clean accuracy on each split, in per cent."""
        self.heading.show("What each costs, and gives", said)
        for i, (name, passes, robust, clean) in enumerate(rows):
            look = style.of(name)
            self.names[i].set(text=name, color=look.dark)
            self.passes[i].set_text(f"{passes:g}")
            for mark, bar, text, values in zip(
                self.marks[i], self.bars[i], self.shown[i], (robust, clean), strict=True
            ):
                mean, half = results.interval(values)
                mark.set(**look.marks(alpha=0.6))
                mark.set_data(values, np.full(len(values), i + 0.12))
                bar.set_data([mean, mean], [i - 0.1, i + 0.34])
                bar.set_color(look.color)
                text.set(text=f"{mean:.1f} ± {half:.1f}", color=look.dark, x=mean)
        drawn: list[list[Any]] = [*self.marks, *self.bars, *self.shown]
        self.fig.moving = [*self.heading.artists, *self.names, *self.passes, *(part for row in drawn for part in row)]
