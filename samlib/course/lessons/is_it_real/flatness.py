"""Section 4: the loss, and how flat it is, from a digit over its adversarial image and beyond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator
from torch import Tensor, nn

from samlib.course import pictures, style, widgets

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


def along_the_attack(paths: Mapping[str, Path], eps: float) -> HTML:
    """The loss and its curvature along the path for each network, and a digit on its way there, as a still figure."""
    with style.look():
        fig = style.figure(3.8)
        sheet = pictures.Sheet(fig)
        titles = {"loss": "Loss of the right class", "curvature": "Curvature of the loss"}
        for left, name, (measure, title) in zip((46, 466), paths, titles.items(), strict=True):
            ax = pictures.axes(fig, left, 40, 352, 230)
            pictures.Heading(fig, left - 32, 22, title, "median over digits", axis=ax.yaxis)
            _draw(ax, {one: path.median(measure) for one, path in paths.items()}, eps, flat=measure == "curvature")
            path = paths[name]
            for t in (0.0, 0.5, 1.0, 1.5, 2.0):
                at = FURTHER.index(t)
                wrong = bool(path.answers[at, 0] != path.labels[0])
                image = pictures.grey(path.images[at, 0, 0].numpy())
                sheet.tile(round(left + 352 * (t + 0.06) / 2.12) - 20, 298, image, 5, style.AT.color if wrong else "")
            ax.set_xlabel(f"largest change of a pixel; a digit on its way, on {name}")
            ax.xaxis.set_label_coords(0.5, -0.35)
    where = {f"{eps * t:g}": FURTHER.index(t) for t in (0, 1, 2)}
    said = "; ".join(
        f"{name} " + ", ".join(f"{path.median('curvature')[at]:.2g} at {far}" for far, at in where.items())
        for name, path in paths.items()
    )
    return widgets.still(fig, f"Median curvature of the loss along the attack: {said}.")


def _draw(ax: Axes, values: Mapping[str, np.ndarray], eps: float, *, flat: bool) -> None:
    """A curve for each network, and where the attack ends; `flat`: the ends are named."""
    far = [eps * t for t in FURTHER]
    ax.set(xlim=(-0.06 * eps, 2.06 * eps), ylim=(0, 1.08 * max(float(curve.max()) for curve in values.values())))
    ax.set_xticks(far[::4], [f"{e:g}" for e in far[::4]])
    ax.grid(axis="y")
    ax.yaxis.set_major_locator(MultipleLocator(20 if flat else 5))
    end = np.array([[eps, 0], [eps, ax.get_ylim()[1]]])
    ax.plot(*end.T, color=style.EDGE, linewidth=1, zorder=0)
    curves = {name: pictures.RunCurve(ax, style.of(name), marks=False) for name in values}
    for name, curve in curves.items():
        curve.show(far, values[name])
    labels = [pictures.Label(name, curve.points[3:12], curve.look) for name, curve in curves.items()]
    labels.append(pictures.Label("adversarial image", end[1:], bold=False))
    for at, said in ((0, "flat:\nsure,\nright"), (-1, "flat:\nsure,\nwrong")) if flat else ():
        ax.text(far[at], 4, said, color=style.QUIET, ha="right" if at else "left", va="bottom")
    pictures.Labels(ax, paper=True).show(labels, [end, *(curve.points for curve in curves.values())])
