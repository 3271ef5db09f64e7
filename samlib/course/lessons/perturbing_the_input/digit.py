"""The third scene: a digit of 64 pixels under attack, step by step."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.balls import make_ball
from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_input.paths import pgd_path
from samlib.course.lessons.perturbing_the_input.shared import NAMES, NORMS, parts
from samlib.course.pictures import Heading, Label, Labels, Sheet, axes, grey, signed

DIGITS = (1, 3, 4, 8)
RADII = {"linf": (0.0625, 0.125, 0.25), "l2": (0.25, 0.5, 1.0)}
STEPS = 20
SHOWN = (0, 1, 2, 4, 10, 20)  # of the steps


def chosen_digits(net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """One digit of each class that the network classifies correctly with a little to spare: it withstands l_inf 0.02.

    Args:
        net: images -> logits, in the precision of x.
        x, y: digits (n, 1, 8, 8) and labels, int64 (n,).

    Returns:
        Digits (10, 1, 8, 8), and their labels, 0 to 9.
    """
    with torch.no_grad():
        spared = net(pgd(net, x, y, 0.02, steps=5)).argmax(1) == y
        spared &= net(x).argmax(1) == y
    chosen = torch.stack([(spared & (y == k)).nonzero()[2, 0] for k in range(10)])
    return x[chosen], y[chosen]


def digit_under_attack(net: nn.Module, digits: Tensor, labels: Tensor) -> widgets.Live:
    """A digit, its change and its logits after each step of PGD on the cross-entropy, steps of eps / 8 from the digit.

    Args:
        net: images -> logits (n, 10), in the precision of the digits.
        digits, labels: one of each class in their order, of `chosen_digits`.
    """
    paths, logits = attacked_digits(net, digits, labels)
    with style.look():
        picture = DigitPicture(style.figure(4.4))

    def draw(digit: int, norm: str, level: int, step: int) -> str:
        clean, now = digits[digit, 0], paths[norm, level][step, digit, 0]
        scores = logits[norm, level][:, digit]
        loss = (scores.logsumexp(1) - scores[:, digit]).clamp(min=2e-7).numpy()
        eps, name, said = RADII[norm][level], NAMES[norm], int(scores[step].argmax())
        picture.show_digit(clean.numpy(), now.numpy(), said != digit)
        picture.show_said(said, digit, f"after {step} steps of PGD, {name} eps {eps:g}")
        picture.show_logits(scores[0].numpy(), scores[step].numpy(), digit)
        picture.show_loss(loss, step)
        return (
            f"A {digit} after {step} steps of PGD, {name} eps {eps:g}: loss {loss[step]:.2g}, the network says {said}."
        )

    levels = [(f"{a:g} or {b:g}", i) for i, (a, b) in enumerate(zip(*RADII.values(), strict=True))]
    controls = {
        "digit": widgets.choice_slider("digit", DIGITS, 8),
        "norm": widgets.toggle("norm", NORMS, "linf"),
        "level": widgets.choice_slider("eps: radius, in pixels (l_inf or l_2)", levels, 1),
        "step": widgets.choice_slider("step", SHOWN, STEPS),
    }
    return widgets.live(picture.fig, draw, controls)


Tracks = dict[tuple[str, int], Tensor]


def attacked_digits(net: nn.Module, digits: Tensor, labels: Tensor) -> tuple[Tracks, Tracks]:
    """Images (21, n, 1, 8, 8) and logits (21, n, 10) after each step, for each (norm, number of its radius)."""
    paths, logits = {}, {}
    for norm, radii in RADII.items():
        for level, eps in enumerate(radii):
            path = pgd_path(net, digits, labels, make_ball(norm, eps), STEPS, eps / 8)
            with torch.no_grad():
                scores = net(path.flatten(0, 1)).view(STEPS + 1, len(digits), -1)
            paths[norm, level], logits[norm, level] = path, scores
    return paths, logits


class DigitPicture:
    """Above the digit and its change, below the loss after each step, right the logits of all classes."""

    TILES, TOP = (14, 158, 302), 46
    FIRST, ROW = 44, 35  # the top of the first bar, and from one to the next
    ZERO, UNIT = 636, 9  # where a logit of 0 is, and the length of 1

    def __init__(self, fig: style.Canvas) -> None:
        self.fig, self.sheet = fig, Sheet(fig)
        self.heading = Heading(fig, style.MARGIN, 24)
        self._words()
        self._loss(axes(fig, 76, 244, 330, 150))
        text = self.sheet.text
        self.names = [text(0, 0, bold=True), text(0, 0, color=style.AT.dark, bold=True)]

    def _words(self) -> None:
        text = self.sheet.text
        for left, words in zip(self.TILES, ("digit $x$", "change $\\delta$", "$x + \\delta$"), strict=True):
            text(left + 52, self.TOP + 121, words, ha="center")
        for left, words in ((138, "+"), (282, "=")):
            text(left, self.TOP + 57, words, ha="center", fontsize=style.CAPTION)
        text(210, self.TOP + 137, "green: more ink", ha="center", quiet=True)
        text(210, self.TOP + 151, "purple: less ink", ha="center", quiet=True)
        Heading(self.fig, 478, 24, "Logits", "bars: now, ticks: before the attack")
        for k in range(10):
            text(492, self.FIRST + self.ROW * k + 17, str(k), ha="center", quiet=True)
        for value in (-10, 0, 10, 20):
            label = f"{value:+d}".replace("-", "−") if value else "0"
            text(self.ZERO + self.UNIT * value, self.FIRST + 10 * self.ROW + 8, label, ha="center", quiet=True)

    def _loss(self, ax: Axes) -> None:
        Heading(self.fig, style.MARGIN, 234, "Loss", "cross-entropy after each step")
        ax.set(xlim=(-0.4, STEPS + 0.4), yscale="log", ylim=(1e-5, 60), xlabel="step", ylabel="loss (log scale)")
        ax.set_yticks([1e-4, 1e-2, 1], ["0.0001", "0.01", "1"])
        ax.set_xticks([0, 5, 10, 15, 20])
        ax.minorticks_off()
        ax.axhline(math.log(2), color=style.QUIET, linewidth=1.2)
        self.half = Labels(ax)
        (self.line,) = ax.plot([], [], "o-", color=style.INK, linewidth=1.2, markersize=3.5)
        (self.mark,) = ax.plot([], [], **style.AT.marks(marker="D", markersize=9), clip_on=False)

    def show_digit(self, clean: np.ndarray, now: np.ndarray, wrong: bool) -> None:
        """The digit, its change and both together, each (8, 8), and whether the network gets it wrong."""
        images = grey(clean), signed(now - clean, 0.3), grey(now)
        frames = "", style.AT.color, style.AT.color if wrong else ""
        for left, image, frame in zip(self.TILES, images, frames, strict=True):
            self.sheet.tile(left, self.TOP, image, 13, frame)

    def show_said(self, said: int, right: int, after: str) -> None:
        """What the network says."""
        self.heading.show(f"Classified as {said}" if said != right else f"Still a {right}", after)

    def show_logits(self, before: np.ndarray, now: np.ndarray, right: int) -> None:
        """Logits (10,) before the attack and now: the right class in ink, the largest wrong one in colour."""
        sheet, rival = self.sheet, int(np.where(np.arange(10) == right, -np.inf, now).argmax())
        sheet.clear(506, self.FIRST - 4, 334, 10 * self.ROW)
        sheet.bar(self.ZERO - 1, self.FIRST - 4, 1, 10 * self.ROW - 4, style.QUIET)
        for k in range(10):
            top, color = self.FIRST + self.ROW * k, {right: style.INK, rival: style.AT.color}.get(k, style.EDGE)
            length = round(self.UNIT * float(now[k]))
            sheet.bar(self.ZERO + min(length, 0), top, abs(length), 24, color)
            sheet.bar(self._place(before[k]) - 1, top - 3, 3, 30, style.INK)
        for name, k, words in zip(self.names, (right, rival), ("right class", "largest wrong"), strict=True):
            to_the_left = now[k] > 0  # the side that its bar leaves free
            places = [self.ZERO, self._place(before[k])]
            name.set(text=words, ha="right" if to_the_left else "left")
            x = min(places) - 8 if to_the_left else max(places) + 8
            name.set_position((x, self.FIRST + self.ROW * k + 17))

    def _place(self, logit: float) -> int:
        return self.ZERO + round(self.UNIT * float(logit))

    def show_loss(self, loss: np.ndarray, step: int) -> None:
        """The loss after each step, (21,), and a mark at one of them."""
        self.line.set_data(range(len(loss)), loss)
        self.mark.set_data([step], [loss[step]])
        half = np.column_stack([range(len(loss)), np.full(len(loss), math.log(2))])
        curve = np.column_stack([range(len(loss)), loss])
        self.half.show([Label("right class at probability ½", half, bold=False)], [half, curve, curve * [1, 1.3]])
        self.fig.moving = [self.heading.title, self.heading.said, self.sheet.painting, self.line, self.mark]
        self.fig.moving += [*self.names, *parts(self.half)]
