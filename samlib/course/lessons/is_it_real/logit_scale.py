"""Section 2: what becomes of an attack when all logits are multiplied by a factor."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from IPython.display import HTML
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import plots, style, widgets
from samlib.course.lessons.is_it_real.pictures import Slopes
from samlib.evaluation import accuracy
from samlib.losses import make_loss
from samlib.masking import scale_logits

SCALES = (1, 2, 3, 5, 10, 15, 20, 30)
LOSSES = {"ce": "cross-entropy", "margin": "margin", "dlr": "DLR"}
TYPES = {32: torch.float32, 64: torch.float64}


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


ScaledRuns = Mapping[tuple[int, str, int], Scaled]  # {(factor, loss, bits): ...}


def attack_scaled(net: nn.Module, x: Tensor, y: Tensor, eps: float) -> ScaledRuns:
    """Forty steps of PGD of eps / 4 on each loss, at each factor, with numbers of 32 and of 64 bits."""
    runs = {}
    for bits, dtype in TYPES.items():
        for scale in SCALES:
            model, pixels = copy.deepcopy(scale_logits(net, scale)).to(dtype), x.to(dtype)
            with torch.no_grad():
                leads = -make_loss("margin")(model(pixels), y).double().numpy()
            for loss in LOSSES:
                x_adv = pgd(model, pixels, y, eps, steps=40, step_size=eps / 4, loss=loss)
                slopes = largest_slopes(model, loss, pixels, y).double().numpy()
                runs[scale, loss, bits] = Scaled(100 * accuracy(model, x_adv, y), slopes, leads)
    return runs


def largest_slopes(model: nn.Module, loss: str, x: Tensor, y: Tensor) -> Tensor:
    """The largest slope of the loss in any pixel of each image, (n,)."""
    pixels = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(make_loss(loss)(model(pixels), y).sum(), pixels)
    return gradient.flatten(1).abs().amax(1)


def _scene(runs: ScaledRuns) -> tuple[style.Canvas, Callable[..., str]]:
    """The picture, and what draws it at given values."""
    fig = widgets.figure(8.4, 3.7)
    styles = dict(zip(LOSSES.values(), ("orange", "blue", "green"), strict=True))
    by_scale = plots.Curves(
        fig.add_axes((0.08, 0.14, 0.38, 0.78)), styles, "factor on the logits", "digits that stand, of 100"
    )
    by_scale.ax.set(xscale="log", xlim=(0.9, 34), ylim=(0, 100))
    by_scale.ax.set_xticks(SCALES, [str(s) for s in SCALES])
    by_scale.ax.minorticks_off()
    by_scale.ax.legend(frameon=False, loc="upper left")
    gradients = Slopes(fig.add_axes((0.59, 0.14, 0.4, 0.78)), max(runs[s, "ce", 32].leads.max() for s in SCALES))

    def draw(scale: int, loss: str, bits: int) -> str:
        """All curves at a point, and the gradients of one loss there."""
        curves = {said: [runs[s, name, bits].robust for s in SCALES] for name, said in LOSSES.items()}
        by_scale.show(SCALES, curves, scale, f"logits × {scale}, float{bits}")
        here = runs[scale, loss, bits]
        right = here.leads > 0  # the few digits that are misclassified from the start have no lead
        gradients.show(
            here.leads[right],
            here.slopes[right],
            torch.finfo(TYPES[bits]).smallest_normal * torch.finfo(TYPES[bits]).eps,  # with fewer digits, down to this
            f"{LOSSES[loss]}: {here.zero} of 100 gradients are 0",
        )
        left = ", ".join(f"{LOSSES[name]} {runs[scale, name, bits].robust:.0f}" for name in LOSSES)
        return (
            f"Logits times {scale}, float{bits}. Of 100 digits stand: {left}. "
            f"The {LOSSES[loss]} has {here.zero} gradients of exactly 0."
        )

    return fig, draw


def logit_scale(runs: ScaledRuns) -> widgets.Live:
    """What PGD leaves on three losses over the factor, and the gradients at one of them."""
    controls = {
        "scale": widgets.choice_slider("scale: factor on the logits", SCALES, 1),
        "loss": widgets.toggle("loss on the right", [(text, name) for name, text in LOSSES.items()], "ce"),
        "bits": widgets.toggle("numbers", [("float32", 32), ("float64", 64)], 32),
    }
    return widgets.live(*_scene(runs), controls)


def three_scales(runs: ScaledRuns) -> HTML:
    """The cross-entropy at factor 10, the same at 30 in float64, and the margin at 30, as still figures."""
    fig, draw = _scene(runs)
    return HTML(
        "".join(widgets.still(fig, draw(*at)).data for at in ((10, "ce", 32), (30, "ce", 64), (30, "margin", 32)))
    )
