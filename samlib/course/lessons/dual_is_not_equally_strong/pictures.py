"""Pictures of the family and of the networks trained with it: nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, Mosaic, RunMarks, axes, grey, percent_axis, signed
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


class DirectionAndBall:
    """Two directions in two balls: robust accuracy on the left, clean accuracy on the right, every run a mark.

    Lines join a direction's means in the two balls: where they are parallel, direction and ball add up.

    Args:
        fig: an empty figure, 840 x 360.
        directions: {what a direction is called: its look}.
        balls: what each ball is called.
    """

    BESIDE = (-0.13, 0.13)  # of a ball's place: where the directions' runs stand
    APART = 0.075  # of the axis: how far the names at the right stand apart at least

    def __init__(self, fig: Canvas, directions: Mapping[str, style.Look], balls: Sequence[str]) -> None:
        self.fig, self.directions = fig, directions
        self.panels = [axes(fig, left, 54, 350, 246) for left in (48, 474)]
        percent_axis(self.panels[0])
        self.panels[1].set(ylim=(90, 100), yticks=range(90, 101, 2))
        self.panels[1].grid(axis="y")
        self.headings = [
            Heading(fig, left, 24, axis=ax.yaxis) for left, ax in zip((style.MARGIN, 440), self.panels, strict=True)
        ]
        self.lines, self.rungs, self.names = [], [], []
        paper = {"facecolor": style.PAPER, "linewidth": 0, "pad": 1}  # no grid line runs through words
        for ax in self.panels:
            ax.set(xlim=(-0.45, 2.2), xlabel="training moves the pixels within a ball of this norm")
            ax.set_xticks(range(len(balls)), balls)
            ax.tick_params(axis="x", length=0)
            looks = list(zip(directions.values(), self.BESIDE, strict=True))
            self.lines.append([ax.plot([], [], **look.line(linewidth=1.2))[0] for look, _ in looks])
            self.rungs.append(
                [[RunMarks(ax, i + beside, look, width=0.22) for i in range(len(balls))] for look, beside in looks]
            )
            self.names.append(
                [
                    ax.text(len(balls) - 0.66, 0, name, color=look.dark, fontweight="bold", va="center", bbox=paper)
                    for name, look in directions.items()
                ]
            )

    def show(self, panel: int, runs: Mapping[str, Sequence[Sequence[float]]], title: str, said: str) -> None:
        """{direction: runs in each ball}, in per cent."""
        self.headings[panel].show(title, said)
        ends = []
        order = np.argsort([float(np.mean(in_balls)) for in_balls in runs.values()])
        for i, (line, rungs, in_balls, beside) in enumerate(
            zip(self.lines[panel], self.rungs[panel], runs.values(), self.BESIDE, strict=True)
        ):
            means = [float(np.mean(values)) for values in in_balls]
            line.set_data([i + beside for i in range(len(means))], means)
            for rung, values, mean in zip(rungs, in_balls, means, strict=True):
                rung.show(values, f"{mean:.1f}")
                rung.text.set_bbox({"facecolor": style.PAPER, "linewidth": 0, "pad": 1})
                if i == order[0]:  # the lower direction's numbers stand below its marks, off the other one's line
                    rung.text.xy = (rung.position, min(values))
                    rung.text.set(position=(0, -9), va="top")
                else:
                    rung.text.set(position=(0, 9), va="baseline")
            ends.append(means[-1])
        low, high = self.panels[panel].get_ylim()
        gap = self.APART * (high - low)
        push = max(0.0, gap - abs(ends[0] - ends[1])) / 2 * (1 if ends[0] >= ends[1] else -1)
        for name, height in zip(self.names[panel], (ends[0] + push, ends[1] - push), strict=True):
            name.set_y(height)
