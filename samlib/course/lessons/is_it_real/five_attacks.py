"""Section 1: how many digits each of five attacks leaves, and what its digits look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes

from samlib.course import pictures, style, widgets
from samlib.course.lessons.is_it_real.trials import Trials, in_words

ROWS, COLUMNS = 3, 4  # of digits
FOLLOWS = {
    "FGSM": "one step",
    "PGD ce": "cross-entropy",
    "PGD margin": "margin loss",
    "APGD ce": "finds its step size",
    "random search": "no gradient",
}


def five_attacks(trials: Trials) -> widgets.Live:
    """How many digits each attack leaves, beside some of its digits."""
    with style.look():
        picture = AttackBars(style.figure(3.7), trials.attacks)

    def draw(network: str, attack: str, steps: int, eps: float) -> str:
        counts = [trials.robust(network, a, steps, eps) for a in trials.attacks]
        together = trials.robust_to_all(network, eps)
        picture.show_counts(counts, together, attack, f"{network}, eps {eps:g}, {in_words(steps)}")
        images, answers = trials.attacked(network, attack, steps, eps)
        shown = slice(ROWS * COLUMNS)
        wrong = answers[shown] != trials.y[shown]
        picture.show_digits(images[shown, 0].numpy(), answers[shown].tolist(), wrong.tolist(), attack)
        found = ", ".join(f"{a} {n}" for a, n in zip(trials.attacks, counts, strict=True))
        return (
            f"{network}, l_inf eps {eps:g}, {in_words(steps)}, robust digits of 100: {found}; all together {together}."
        )

    controls = {
        "network": widgets.toggle("network", trials.networks, "SGD"),
        "attack": widgets.dropdown("attack: its digits on the right", trials.attacks, "PGD ce"),
        "steps": widgets.choice_slider("steps (10 queries each)", trials.steps, 10),
        "eps": widgets.choice_slider("eps: l_inf radius, in pixels", [(f"{e:g}", e) for e in trials.eps], 0.125),
    }
    return widgets.live(picture.fig, draw, controls)


class AttackBars:
    """A bar for each attack, one for all of them together, and digits of the attack that is chosen."""

    TOP, DOWN = 46, 50  # of the first bar, and from one to the next
    LEFT, FULL, HIGH = 152, 236, 22  # left edge of the bars, length of a hundred digits, height

    def __init__(self, fig: style.Canvas, attacks: Sequence[str]) -> None:
        self.fig, self.attacks = fig, list(attacks)
        self.count_heading = pictures.Heading(fig, style.MARGIN, 22)
        self.digit_heading = pictures.Heading(fig, 450, 22)
        self.mosaic = pictures.Mosaic(fig, 450, 38, ROWS, COLUMNS, across=98, down=108)
        self.sheet = self.mosaic.sheet
        self.names, self.numbers = [], []
        for i, attack in enumerate(self.attacks):
            self.names.append(self.sheet.text(style.MARGIN, self._top(i) + 10, attack))
            self.sheet.text(style.MARGIN, self._top(i) + 25, FOLLOWS.get(attack, ""), quiet=True)
        last = self._top(len(self.attacks)) + 16
        self.sheet.text(style.MARGIN, last + 10, "all together", bold=True)
        self.sheet.text(style.MARGIN, last + 25, "any number of steps", quiet=True)
        self.tops = [self._top(i) for i in range(len(self.attacks))] + [last]
        self.numbers = [self.sheet.text(0, top + 15, bold=top == last) for top in self.tops]
        fig.moving = [self.sheet.painting, *self.names, *self.numbers, *self.mosaic.captions.values()]
        fig.moving += [self.count_heading.said, self.digit_heading.title, self.digit_heading.said]

    def _top(self, i: int) -> int:
        return self.TOP + self.DOWN * i

    def show_counts(self, counts: Sequence[int], together: int, chosen: str, said: str) -> None:
        """How many of a hundred digits are robust to each attack and to all of them."""
        self.count_heading.show("Robust digits, of 100", said)
        above, high = self.TOP - 8, self.tops[-1] - self.TOP + self.HIGH + 16
        self.sheet.clear(self.LEFT, above, self.FULL + 1, high)
        colors = [style.AT.color if attack == chosen else style.EDGE for attack in self.attacks] + [style.INK]
        for top, count, color, number in zip(self.tops, [*counts, together], colors, self.numbers, strict=True):
            length = round(self.FULL * count / 100)
            self.sheet.bar(self.LEFT, top, self.FULL, self.HIGH, style.PALE)
            self.sheet.bar(self.LEFT, top, length, self.HIGH, color)
            number.set_text(str(count))
            number.set_x(self.LEFT + length + 6)
        self.sheet.bar(self.LEFT + round(self.FULL * together / 100), above, 1, high, style.INK)
        for name in self.names:
            name.set_color(style.AT.dark if name.get_text() == chosen else style.INK)
            name.set_fontweight("bold" if name.get_text() == chosen else "normal")

    def show_digits(self, images: np.ndarray, answers: Sequence[int], wrong: Sequence[bool], attack: str) -> None:
        """Twelve attacked digits (12, 8, 8), what the network says, and whether that is wrong."""
        self.digit_heading.show(f"Digits of {attack}", "framed: misclassified")
        self.mosaic.show(
            {
                divmod(i, COLUMNS): (pictures.grey(image), f"says {said}", style.AT.color if no else "")
                for i, (image, said, no) in enumerate(zip(images, answers, wrong, strict=True))
            }
        )


def over_steps(trials: Trials, eps: float) -> HTML:
    """What each attack leaves with few steps and with many, a panel for each network."""
    most = trials.steps[-1]
    with style.look():
        picture = StepCurves(style.figure(3.5), trials.networks, trials.steps, f"at eps {eps:g}")
        for name in trials.networks:
            curves = {a: [trials.robust(name, a, k, eps) for k in trials.steps] for a in trials.attacks}
            picture.show(name, curves, trials.robust_to_all(name, eps))
    found = {
        name: ", ".join(f"{a} {trials.robust(name, a, most, eps)}" for a in trials.attacks) for name in trials.networks
    }
    said = "; ".join(f"{name}: {counts}, all {trials.robust_to_all(name, eps)}" for name, counts in found.items())
    return widgets.still(picture.fig, f"{said}. Robust digits of 100, l_inf {eps:g}, after {most} steps.")


class StepCurves:
    """A panel for each network: a curve for each attack over its steps, named at its end."""

    WIDTH, WORDS = 124, 138  # of a panel, and of the names beside it
    TOP, HIGH = 58, 236

    def __init__(self, fig: style.Canvas, networks: Sequence[str], steps: Sequence[int], said: str) -> None:
        self.fig, self.steps, self.panels = fig, list(steps), {}
        self.looks = _attack_looks()
        pictures.Heading(fig, style.MARGIN, 22, "Robust digits, of 100", said)
        for i, name in enumerate(networks):
            left = 42 + i * (self.WIDTH + self.WORDS)
            ax = self.panels[name] = pictures.axes(fig, left, self.TOP, self.WIDTH, self.HIGH)
            ax.set_title(name, loc="left", color=style.of(name).dark, fontweight="bold")
            pictures.percent_axis(ax)
            ax.tick_params(labelleft=i == 0)
            ax.set(xscale="log", xlim=(0.9, self.steps[-1]))
            ax.set_xticks(self.steps, [str(k) for k in self.steps])
            ax.minorticks_off()
            ax.set_xlabel("steps (10 queries each)")

    def show(self, network: str, curves: Mapping[str, Sequence[int]], together: int) -> None:
        """{attack: robust digits for each number of steps}, and the digits robust to all of it. To be called once."""
        ax = self.panels[network]
        ax.axhline(together, color=style.INK, linewidth=1.0)
        ends = {"all together": (together, style.INK)}
        for attack, values in curves.items():
            look, shown = self.looks[attack], slice(1 if attack == "FGSM" else None)
            ax.plot(self.steps[shown], values[shown], **look.line(marker=look.marker), clip_on=False)
            if attack == "FGSM":
                ends["FGSM ★"] = values[0], look.dark
            else:
                ends[attack] = values[-1], look.dark
        self._name_ends(ax, ends)

    def _name_ends(self, ax: Axes, ends: Mapping[str, tuple[int, str]]) -> None:
        """The name of each curve beside its end, with its value, apart from each other. FGSM has no end, but a star."""
        order = sorted(ends, key=lambda name: ends[name][0])
        heights = spread([ends[name][0] for name in order], 100 * 14.5 / self.HIGH)
        leader = {"arrowstyle": "-", "color": style.EDGE, "linewidth": 0.8, "relpos": (0, 0.5), "shrinkA": 1}
        for name, height in zip(order, heights, strict=True):
            value, color = ends[name]
            ax.annotate(
                f"{value} {name}",
                (1, value),
                (1 + 22 / self.WIDTH, height),
                xycoords=ax.get_yaxis_transform(),
                textcoords=ax.get_yaxis_transform(),
                va="center",
                color=color,
                annotation_clip=False,
                arrowprops=None if "FGSM" in name else leader,
            )


def _attack_looks() -> dict[str, style.Look]:
    """Attacks that follow gradients are told apart by line and marker, the search by its colour as well."""
    return {
        "FGSM": replace(style.AT, marker="*", linestyle="none"),
        "PGD ce": style.AT,
        "PGD margin": replace(style.AT, linestyle="-", marker="v"),
        "APGD ce": replace(style.AT, linestyle=(0, (1.2, 1.6)), marker="o"),
        "random search": style.NOISE,
    }


def spread(heights: Sequence[float], apart: float) -> np.ndarray:
    """Rising heights moved as little as need be to stand `apart` from each other.

    Least squares under that constraint: groups that would meet are put around their common mean.
    """
    groups: list[list[float]] = []  # sums and sizes of what is left of each height by its place in its group
    for i, height in enumerate(heights):
        groups.append([height - i * apart, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, size = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += size
    means = np.concatenate([np.full(int(size), total / size) for total, size in groups])
    return means + apart * np.arange(len(means))
