"""Section 4: the loss, and how flat it is, from a digit over its adversarial image and beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label

FURTHER = tuple(t / 8 for t in range(17))  # how far along, in lengths of the attack's change: 0 to 2


@dataclass(frozen=True)
class Path:
    """What a network makes of images on straight lines from digits through their adversarial images, pixels in [0, 1].

    Args:
        images: (points, n, ...), at `FURTHER` times the attack's change.
        labels: of the digits, (n,).
        answers: the network's classes, (points, n).
        confidence: the probability that it gives them, (points, n).
        loss: cross-entropy of the labels, (points, n).
        slope: what the loss gains to first order by a change of 1 in each pixel, the l_1 norm of its gradient.
        curvature: the largest eigenvalue of the loss's Hessian in the pixels, (points, n).
    """

    images: Tensor
    labels: Tensor
    answers: Tensor
    confidence: Tensor
    loss: Tensor
    slope: Tensor
    curvature: Tensor

    def median(self, measure: str) -> np.ndarray:
        """The median over the digits at each point."""
        return getattr(self, measure).median(1).values.numpy()


def follow(net: nn.Module, x: Tensor, x_adv: Tensor, y: Tensor) -> Path:
    """The path of each digit that the attack breaks: right at x, wrong at x_adv."""
    with torch.no_grad():
        broken = (net(x).argmax(1) == y) & (net(x_adv).argmax(1) != y)
    x, x_adv, y = x[broken], x_adv[broken], y[broken]
    images = torch.stack([(x + t * (x_adv - x)).clamp(0, 1) for t in FURTHER])
    found = [loss_and_shape(net, at, y) for at in images]
    return Path(images, y, *(torch.stack(values) for values in zip(*found, strict=True)))


def follow_attacks(nets: Mapping[str, nn.Module], x: Tensor, y: Tensor, eps: float) -> dict[str, Path]:
    """The paths on each network of the digits that 40 steps of PGD (l_inf, cross-entropy) break."""
    return {name: follow(net, x, pgd(net, x, y, eps, steps=40), y) for name, net in nets.items()}


def loss_and_shape(net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Answers, confidence, loss, slope and curvature at some images, (n,) each; the network is piecewise linear.

    Where the logits z are linear in the pixels, with Jacobian J, the gradient of the cross-entropy is Jᵀ(p - e_y) and
    its Hessian Jᵀ(diag(p) - p pᵀ)J: the label is in the first and not in the second.
    """
    jacobian = torch.autograd.functional.jacobian(lambda pixels: net(pixels).sum(0), x)  # (classes, n, ...)
    jacobian = jacobian.flatten(2).transpose(0, 1)
    with torch.no_grad():
        logits = net(x)
    p = logits.softmax(1)
    gradient = ((p - F.one_hot(y, p.shape[1]))[:, :, None] * jacobian).sum(1)
    hessian = jacobian.transpose(1, 2) @ (torch.diag_embed(p) - p[:, :, None] * p[:, None]) @ jacobian
    curvature = torch.linalg.eigvalsh(hessian.double())[:, -1]
    return logits.argmax(1), p.amax(1), F.cross_entropy(logits, y, reduction="none"), gradient.abs().sum(1), curvature


def along_the_attack(paths: Mapping[str, Path], eps: float) -> widgets.Live:
    """A digit on its way along the attack, and the loss and its curvature there, on a network at a time."""
    medians = {name: {measure: path.median(measure) for measure in TITLES} for name, path in paths.items()}
    with style.look():
        picture = WayPicture(style.figure(3.2), [eps * t for t in FURTHER], medians)

    def draw(network: str, place: float) -> str:
        path, at = paths[network], FURTHER.index(place)
        wrong = bool(path.answers[at, 0] != path.labels[0])
        picture.show_digit(
            path.images[at, 0, 0].numpy(),
            f"A {int(path.labels[0])} on {network}",
            [
                f"a {int(path.answers[at, 0])}, {100 * float(path.confidence[at, 0]):.1f} % sure",
                f"loss {plain(float(path.loss[at, 0]))}",
                f"curvature {plain(float(path.curvature[at, 0]))}",
            ],
            wrong,
        )
        picture.show_place(network, at)
        loss, bend = (medians[network][measure] for measure in TITLES)
        return (
            f"{network}, largest change of a pixel {eps * place:.3g}: median loss {plain(loss[at])}, median "
            f"curvature {plain(bend[at])}, {times(bend[at] / bend[0])} that at 0."
        )

    controls = {
        "network": widgets.toggle("network", list(paths), "SGD"),
        "place": widgets.choice_slider(
            "place: largest change of a pixel", [(f"{eps * t:.3g}", t) for t in FURTHER], 0.0
        ),
    }
    return widgets.live(picture.fig, draw, controls)


TITLES = {"loss": "Loss of the right class", "curvature": "Curvature of the loss"}


def times(ratio: float) -> str:
    """A ratio in words: "110 times", "0.35 times"."""
    return f"{plain(ratio)} times"


def plain(value: float) -> str:
    """Two digits of a number, and no power of ten: "110", "0.35"."""
    return f"{float(f'{value:.2g}'):g}"


class WayPicture:
    """A digit at a place on its way; beside it the loss, and on a logarithmic axis its curvature, over the places.

    Args:
        fig: an empty figure, 840 x 320.
        far: the places, from 0; the adversarial image is the middle one.
        medians: {network: {"loss" and "curvature": its median over the digits at each place}}.
    """

    CELL = 13  # pixels of the page for a pixel of the digit

    def __init__(
        self, fig: style.Canvas, far: Sequence[float], medians: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        self.fig, self.far, self.medians = fig, far, medians
        self.sheet = pictures.Sheet(fig)
        self.name = self.sheet.text(style.MARGIN + 6, 22, bold=True, fontsize=style.CAPTION)
        self.said = [self.sheet.text(style.MARGIN + 6, 168 + 18 * line, quiet=True) for line in range(3)]
        self.axes, self.headings, self.dots = {}, {}, {}
        for (measure, title), left in zip(TITLES.items(), (202, 538), strict=True):
            ax = self.axes[measure] = pictures.axes(fig, left, 40, 288, 226)
            ax.set_xlabel("largest change of a pixel")
            self.headings[measure] = pictures.Heading(fig, left - 36, 22, title, axis=ax.yaxis)
            self._curves(ax, {name: values[measure] for name, values in medians.items()}, log=measure == "curvature")
            (self.dots[measure],) = ax.plot([], [], linestyle="none", markersize=8, zorder=5)
        self.level = self.axes["curvature"].axhline(1, color=style.INK, linewidth=0.8, zorder=1)  # as at the digit
        self.fig.moving = [
            self.sheet.painting,
            self.name,
            *self.said,
            self.level,
            *self.dots.values(),
            *(artist for heading in self.headings.values() for artist in heading.artists),
        ]

    def _curves(self, ax: Axes, values: Mapping[str, np.ndarray], *, log: bool) -> None:
        """The median for each network, and where the attack ends."""
        far, low = self.far, min(float(curve.min()) for curve in values.values())
        high = max(float(curve.max()) for curve in values.values())
        ax.set(xlim=(far[0] - far[1] / 2, far[-1] + far[1] / 2), ylim=(low / 2, 3 * high) if log else (0, 1.08 * high))
        if log:
            ax.set_yscale("log")
            ax.set_ylim(low / 2, 3 * high)
            pictures.plain_decades(ax.yaxis)
        ax.set_xticks(far[::4], [f"{e:g}" for e in far[::4]])
        ax.grid(axis="y")
        end = np.array([[far[len(far) // 2], height] for height in ax.get_ylim()])
        ax.plot(*end.T, color=style.EDGE, linewidth=1, zorder=0)
        curves = {name: pictures.RunCurve(ax, style.of(name), marks=False) for name in values}
        for name, curve in curves.items():
            curve.show(far, values[name])
        labels = [Label(name, curve.points[1:-1], curve.look) for name, curve in curves.items()]
        labels.append(Label("adversarial\nimage", end[:1] if log else end[1:], bold=False))
        pictures.Labels(ax, paper=True).show(labels, [end, *(curve.points for curve in curves.values())])

    def show_digit(self, image: np.ndarray, name: str, said: Sequence[str], wrong: bool) -> None:
        """The digit (8, 8) at the place, and three lines on it."""
        self.sheet.tile(style.MARGIN + 6, 40, pictures.grey(image), self.CELL, style.AT.color if wrong else "")
        self.name.set_text(name)
        for line, words in zip(self.said, said, strict=True):
            line.set_text(words)
        self.said[0].set_color(style.AT.dark if wrong else style.QUIET)

    def show_place(self, network: str, at: int) -> None:
        """A dot on either curve of a network."""
        for measure, dot in self.dots.items():
            values, look = self.medians[network][measure], style.of(network)
            dot.set_data([self.far[at]], [values[at]])
            dot.set(color=look.color, marker=look.marker)
        loss, bend = (self.medians[network][measure] for measure in TITLES)
        self.level.set_ydata([bend[0]] * 2)
        self.headings["loss"].show(TITLES["loss"], f"median {plain(loss[at])}")
        self.headings["curvature"].show(TITLES["curvature"], f"{times(bend[at] / bend[0])} that at 0")
