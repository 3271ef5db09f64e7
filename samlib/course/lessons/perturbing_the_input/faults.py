"""Four faults of an evaluation, one at a time, and what each does to the robust accuracy that is reported."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from IPython.display import HTML
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import widgets
from samlib.course.lessons.perturbing_the_input.pictures import draw_faults
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
    """What `four_faults` reports, as bars."""
    fig = widgets.figure(8.4, 2.4)
    draw_faults(fig.add_axes([0.24, 0.22, 0.72, 0.76]), reported)
    return widgets.still(
        fig, "Reported: " + ", ".join(f"{name} {value:.0f} %" for name, value in reported.items()) + "."
    )
