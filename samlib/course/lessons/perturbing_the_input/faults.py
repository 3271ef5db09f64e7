"""Four faults of an evaluation, one at a time, and what each does to the robust accuracy that is reported."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from IPython.display import HTML
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import style, widgets
from samlib.course.pictures import Heading, Sheet
from samlib.evaluation import accuracy
from samlib.models import DIGITS_STD


def four_faults(net: nn.Module, x: Tensor, y: Tensor, eps: float) -> dict[str, float]:
    """Robust accuracy in percent, without a fault and with each of four: PGD, 40 steps of eps / 10, one random start.

    Args:
        net: a network with BatchNorm, images (n, 1, 8, 8) -> logits.
        x, y: images in [0, 1] and labels.
        eps: l_inf radius, in pixels.
    """
    in_training, judged = copy.deepcopy(net).train(), copy.deepcopy(net).eval()
    settings: dict[str, tuple[Any, Tensor, float, dict[str, Any]]] = {
        "none": (net, x, eps, {}),
        "training mode": (lambda z: in_training(z), x, eps, {}),  # a function: samlib cannot set its mode
        "eps in normalised pixels": (net, x, eps * DIGITS_STD, {}),
        "3 steps of eps / 10": (net, x, eps, {"steps": 3, "random_start": False}),
        # Pixels shrunk into [1/4, 3/4] and grown again before the network: the clamp then never cuts.
        "no clamp": (lambda z: judged(2 * z - 0.5), x / 2 + 0.25, eps / 2, {}),
    }
    reported = {}
    for name, (model, images, radius, more) in settings.items():
        x_adv = pgd(model, images, y, radius, step_size=radius / 10, **{"steps": 40, **more})
        reported[name] = 100 * accuracy(model, x_adv, y)
    return reported


def faults_chart(reported: Mapping[str, float]) -> HTML:
    """What `four_faults` reports, as bars; the difference that each fault makes is drawn and named."""
    with style.look():
        fig = style.figure(2.5)
        draw_faults(fig, reported)
        alt = "Reported: " + ", ".join(f"{name} {value:.0f} %" for name, value in reported.items()) + "."
        return widgets.still(fig, alt)


def draw_faults(fig: style.Canvas, reported: Mapping[str, float]) -> None:
    """Bars of robust accuracy in percent: the first without a fault, each other one with its difference from that."""
    left, unit, first, row = 200, 4, 50, 38  # where 0 is, the length of 1 %, the top of the first bar, one to the next
    sheet, honest = Sheet(fig), reported["none"]
    Heading(fig, style.MARGIN, 24, "Robust accuracy (%)", "reported without a fault, and with one fault at a time")
    end = left + round(unit * honest)
    for i, (name, value) in enumerate(reported.items()):
        top, change = first + row * i, round(value) - round(honest)
        now = left + round(unit * value)
        sheet.text(left - 12, top + 17, "no fault" if name == "none" else name, ha="right", bold=name == "none")
        sheet.bar(left, top, min(now, end) - left, 24, style.EDGE)
        if change:
            sheet.bar(min(now, end), top, abs(now - end), 24, style.AT.color if change > 0 else style.PALE)
        said = f"{value:.0f}" if not change else f"{value:.0f}   {'+' if change > 0 else '−'}{abs(change)} points"
        sheet.text(
            max(now, end) + 8, top + 17, said, bold=name == "none", color=style.AT.dark if change > 0 else style.INK
        )
    sheet.bar(end, first - 6, 1, row * len(reported), style.INK)
