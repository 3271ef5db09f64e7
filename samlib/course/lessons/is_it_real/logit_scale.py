"""Section 2: what becomes of an attack when all logits are multiplied by a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import pictures, style, widgets
from samlib.evaluation import accuracy
from samlib.losses import make_loss
from samlib.masking import scale_logits

SCALES = (1, 2, 3, 5, 10, 15, 20, 30)
LOSSES = {"ce": "cross-entropy", "margin": "margin", "dlr": "DLR"}
SMALLEST = torch.finfo(torch.float32).smallest_normal * torch.finfo(torch.float32).eps  # above 0, in float32


@dataclass(frozen=True)
class Scaled:
    """PGD on one loss, the logits multiplied by a factor.

    Args:
        robust: digits that it does not get misclassified, in percent.
        slopes: before the attack, the largest slope of the loss in any pixel of each digit, (n,).
        leads: of the right logit over the best wrong one, as multiplied, (n,).
    """

    robust: float
    slopes: np.ndarray
    leads: np.ndarray

    @property
    def zero(self) -> int:
        """How many of the gradients are exactly 0 in every pixel."""
        return int((self.slopes == 0).sum())


ScaledRuns = Mapping[tuple[int, str], Scaled]  # {(factor, loss): ...}


def attack_scaled(net: nn.Module, x: Tensor, y: Tensor, eps: float) -> ScaledRuns:
    """Forty steps of PGD of eps / 4 on each loss, at each factor."""
    runs = {}
    for scale in SCALES:
        model = scale_logits(net, scale)
        with torch.no_grad():
            leads = -make_loss("margin")(model(x), y).double().numpy()
        for loss in LOSSES:
            x_adv = pgd(model, x, y, eps, steps=40, step_size=eps / 4, loss=loss)
            slopes = largest_slopes(model, loss, x, y).double().numpy()
            runs[scale, loss] = Scaled(100 * accuracy(model, x_adv, y), slopes, leads)
    return runs


def largest_slopes(model: nn.Module, loss: str, x: Tensor, y: Tensor) -> Tensor:
    """The largest slope of the loss in any pixel of each image, (n,)."""
    pixels = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(make_loss(loss)(model(pixels), y).sum(), pixels)
    return gradient.flatten(1).abs().amax(1)


def logit_scale(runs: ScaledRuns) -> widgets.Live:
    """What PGD leaves on three losses over the factor, and the gradients at one of them."""
    with style.look():
        picture = ScalePicture(style.figure(3.7), max(run.leads.max() for run in runs.values()))

    def draw(scale: int, loss: str) -> str:
        picture.show_curves({name: [runs[s, name].robust for s in SCALES] for name in LOSSES}, scale)
        here = runs[scale, loss]
        right = here.leads > 0  # the few digits that are misclassified from the start have no lead
        picture.show_gradients(loss, here.leads[right], here.slopes[right], here.zero)
        left = ", ".join(f"{LOSSES[name]} {runs[scale, name].robust:.0f}" for name in LOSSES)
        return (
            f"Logits times {scale}. Robust digits of 100: {left}. "
            f"The {LOSSES[loss]} has {here.zero} gradients of exactly 0."
        )

    controls = {
        "scale": widgets.choice_slider("scale: factor on the logits", SCALES, 1),
        "loss": widgets.toggle("loss on the right", [(text, name) for name, text in LOSSES.items()], "ce"),
    }
    return widgets.live(picture.fig, draw, controls)


# Points at which a curve may carry its name: two of the three lie on each other.
_NAMED_AT = {"ce": slice(5, None), "margin": slice(0, 2), "dlr": slice(3, 5)}


class ScalePicture:
    """Robust digits over the factor, a curve for each loss; beside it the gradient of one loss at every digit."""

    LOW, HIGH, ZERO = 1e-59, 1e5, 1e-55  # of the axis, and where what is exactly 0 stands

    def __init__(self, fig: style.Canvas, largest_lead: float) -> None:
        self.fig = fig
        self.looks = {"ce": style.AT, "margin": style.OTHER, "dlr": style.NOISE}
        self._curves()
        self._gradients(float(largest_lead))
        self.moving = [self.here, self.cloud, self.zeros, *self.left.artists, *self.right.artists]
        self.moving += [artist for curve in self.curves.values() for artist in curve.artists]

    def _curves(self) -> None:
        ax = pictures.axes(self.fig, 46, 40, 344, 272)
        pictures.percent_axis(ax)
        self.left = pictures.Heading(self.fig, style.MARGIN, 22, axis=ax.yaxis)
        ax.set(xscale="log", xlim=(0.92, 32.5), xlabel="factor on the logits")
        ax.set_xticks(SCALES, [str(scale) for scale in SCALES])
        ax.minorticks_off()
        self.here = ax.axvline(1, color=style.EDGE, linewidth=1, zorder=0)
        self.curves = {name: pictures.RunCurve(ax, look) for name, look in self.looks.items()}
        self.labels = pictures.Labels(ax)

    def _gradients(self, largest: float) -> None:
        self.right = pictures.Heading(self.fig, 440, 22)
        ax = pictures.axes(self.fig, 494, 40, 332, 272)
        ax.set(yscale="log", xlim=(-0.03 * largest, 1.02 * largest), ylim=(self.LOW, self.HIGH))
        ax.set_yticks([1, 1e-10, 1e-20, 1e-30, 1e-40, self.ZERO], ["1", "1e-10", "1e-20", "1e-30", "1e-40", "0"])
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set(xlabel="lead $L$ of the right logit, as multiplied", ylabel="largest slope in any pixel")
        ax.axhspan(self.LOW, 1e-51, color=style.SHADE, linewidth=0, zorder=0)
        ends = np.array([0.0, -math.log(1e-51)])
        ax.plot(ends, np.exp(-ends), color=style.RULE, linewidth=1.2, zorder=0)
        ax.text(52, math.exp(-42), "$e^{-L}$", color=style.QUIET, fontsize=style.CAPTION)
        ax.axhline(SMALLEST, color=style.INK, linewidth=1)
        said = f"smallest number above 0: {SMALLEST:.1e}"
        ax.annotate(said, (largest, SMALLEST), (0, 4), textcoords="offset points", ha="right")
        (self.cloud,) = ax.plot([], [], linestyle="none", marker="o", alpha=0.6)
        (self.zeros,) = ax.plot([], [], linestyle="none", marker="x", color=style.INK)

    def show_curves(self, curves: Mapping[str, Sequence[float]], scale: int) -> None:
        """{loss: robust digits at each factor}, and where the learner is."""
        found = (f"{LOSSES[name]} {values[SCALES.index(scale)]:.0f}" for name, values in curves.items())
        self.left.show("Robust digits (%)", ", ".join(found))
        self.here.set_xdata([scale] * 2)
        for name, values in curves.items():
            self.curves[name].show(SCALES, np.array(values))
        labels = [
            pictures.Label(LOSSES[name], curve.points[_NAMED_AT[name]], curve.look)
            for name, curve in self.curves.items()
        ]
        self.labels.show(labels, [curve.points for curve in self.curves.values()])
        self.fig.moving = sorted(self.moving + self.labels.artists, key=lambda artist: artist.get_zorder())

    def show_gradients(self, loss: str, leads: np.ndarray, slopes: np.ndarray, zero: int) -> None:
        """Each digit's lead and largest slope of the loss."""
        self.right.show(f"Gradients of the {LOSSES[loss]}", f"{zero} of 100 are 0")
        none = slopes == 0
        self.cloud.set_data(leads[~none], slopes[~none])
        self.cloud.set_color(self.looks[loss].color)
        self.zeros.set_data(leads[none], np.full(none.sum(), self.ZERO))
