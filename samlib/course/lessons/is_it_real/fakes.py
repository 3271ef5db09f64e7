"""Section 3: four networks and their claims under four attacks; the checks' verdicts side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from IPython.display import HTML

from samlib.course import pictures, style, widgets
from samlib.course.lessons.is_it_real.exercises import EPS
from samlib.course.lessons.is_it_real.trials import Trials, in_words
from samlib.diagnosis import Diagnosis

ATTACKED = "B"  # the network whose attacked digit is shown


def curve(trials: Trials, network: str, attack: str, steps: int) -> list[int]:
    """How many digits of a network an attack leaves, at eps 0 and at every other."""
    return [trials.clean[network], *(trials.robust(network, attack, steps, eps) for eps in trials.eps)]


def claims(trials: Trials, claimed: Mapping[str, int]) -> widgets.Live:
    """What an attack leaves of four networks over eps, and at one eps beside what their authors claim."""
    with style.look():
        picture = ClaimPicture(style.figure(4.08), trials.eps, claimed)

    def draw(attack: str, steps: int, eps: float) -> str:
        curves = {name: curve(trials, name, attack, steps) for name in trials.networks}
        picture.show_curves(curves, eps, f"{attack}, {in_words(steps)}")
        counts = [trials.robust(name, attack, steps, eps) for name in trials.networks]
        picture.show_counts(counts, eps)
        images, wrong = [trials.x[0, 0]], [False]
        for at in trials.eps:
            attacked, answers = trials.attacked(ATTACKED, attack, steps, at)
            images.append(attacked[0, 0])
            wrong.append(bool(answers[0] != trials.y[0]))
        picture.show_digits(torch.stack(images).numpy(), wrong)
        found = ", ".join(f"{name} {count}" for name, count in zip(trials.networks, counts, strict=True))
        return f"{attack}, {in_words(steps)}, l_inf eps {eps:g}. Robust digits of 100: {found}."

    controls = {
        "attack": widgets.dropdown("attack", trials.attacks, "PGD ce"),
        "steps": widgets.choice_slider("steps (10 queries each)", trials.steps, 10),
        "eps": widgets.choice_slider("eps: l_inf radius, in pixels", [(f"{e:g}", e) for e in trials.eps], 0.125),
    }
    return widgets.live(picture.fig, draw, controls)


def suspects() -> dict[str, style.Look]:
    """How each network is drawn: told apart, and none in the look of what it may turn out to be."""
    return dict(zip("ABCD", (style.NOISE, style.SAM, style.OTHER, style.AT), strict=True))


class ClaimPicture:
    """A curve for each network over eps, a digit at each eps below them, and bars beside the claims at one eps."""

    def __init__(self, fig: style.Canvas, eps: Sequence[float], claimed: Mapping[str, int]) -> None:
        self.fig, self.eps, self.looks = fig, [0.0, *eps], suspects()
        self.right = pictures.Heading(fig, 548, 22)
        ax = self.ax = pictures.axes(fig, 46, 40, 466, 270)
        pictures.percent_axis(ax)
        self.left = pictures.Heading(fig, style.MARGIN, 22, axis=ax.yaxis)
        ax.set(xlim=(-0.015, 0.515))
        ax.set_xticks(self.eps, [f"{e:g}" for e in self.eps])
        self.here = ax.axvline(0, color=style.EDGE, linewidth=1, zorder=0)
        self.curves = {name: pictures.RunCurve(ax, look) for name, look in self.looks.items()}
        self.labels = pictures.Labels(ax)
        self.sheet = pictures.Sheet(fig)
        self.places = [round(46 + 466 * (e + 0.015) / 0.53) for e in self.eps]
        ax.set_xlabel(
            f"eps: largest change of any pixel, and a digit so attacked on {ATTACKED} (framed: misclassified)"
        )
        ax.xaxis.set_label_coords(0.5, -0.3)
        self._bars(claimed)
        self.moving = [self.sheet.painting, self.here, *self.bars, *self.ticks, *self.numbers]
        self.moving += [*self.left.artists, *self.right.artists]
        self.moving += [artist for curve in self.curves.values() for artist in curve.artists]

    def _bars(self, claimed: Mapping[str, int]) -> None:
        ax = pictures.axes(self.fig, 548, 40, 278, 270)
        pictures.percent_axis(ax)
        ax.set_yticklabels([])  # as on the left
        ax.set(xlim=(-0.55, len(claimed) - 0.45))
        ax.set_xticks(range(len(claimed)), list(claimed))
        self.bars = [ax.bar(i, 0.0, width=0.6, color=self.looks[name].color)[0] for i, name in enumerate(claimed)]
        self.numbers = [ax.text(i, 0, "", ha="center", va="bottom") for i in range(len(claimed))]
        self.ticks = []
        for i, claim in enumerate(claimed.values()):
            self.ticks += ax.plot([i - 0.4, i + 0.4], [claim, claim], color=style.INK, linewidth=2)

    def show_curves(self, curves: Mapping[str, Sequence[int]], here: float, said: str) -> None:
        """{network: robust digits at each eps}, and where the learner is."""
        self.left.show("Robust digits (%)", said)
        self.here.set_xdata([here] * 2)
        for name, values in curves.items():
            self.curves[name].show(self.eps, np.array(values))
        labels = [pictures.Label(name, curve.points, curve.look) for name, curve in self.curves.items()]
        self.labels.show(labels, [curve.points for curve in self.curves.values()])
        self.fig.moving = sorted(self.moving + self.labels.artists, key=lambda artist: artist.get_zorder())

    def show_counts(self, counts: Sequence[int], eps: float) -> None:
        """The height of each bar at this eps, and the claims where they are for the same one."""
        claimed = eps == EPS
        self.right.show(f"eps {eps:g}", "black: claimed" if claimed else f"(the claims are for {EPS:g})")
        for tick in self.ticks:
            tick.set_visible(claimed)
        for bar, number, count in zip(self.bars, self.numbers, counts, strict=True):
            bar.set_height(count)
            number.set_text(str(count))
            number.set_y(2 if count >= 10 else count + 1)  # inside, or on top of a bar too low for it
            number.set_color(style.PAPER if count >= 10 else style.INK)

    def show_digits(self, images: np.ndarray, wrong: Sequence[bool]) -> None:
        """A digit without attack and at each eps, (1 + eps, 8, 8), and where it is misclassified."""
        for left, image, no in zip(self.places, images, wrong, strict=True):
            self.sheet.tile(left - 20, 338, pictures.grey(image), 5, style.AT.color if no else "")


def verdicts(reports: Mapping[str, Diagnosis]) -> HTML:
    """A row for each check, a column for each network, folded: ✘ suspicious, · not, ? not checked."""
    marks = {"ok": "·", "suspicious": "<b>✘</b>", "not checked": "?"}
    lines = [["check", *reports]]
    for rows in zip(*(report.checks for report in reports.values()), strict=True):
        lines.append([rows[0].name, *(marks[row.verdict] for row in rows)])
    table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines)
    said = "What diagnose says of the four (it gives the exercise away)"
    return HTML(f"<details><summary>{said}</summary><table>{table}</table></details>")
