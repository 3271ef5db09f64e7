"""The fourth scene: the stronger the attack, the lower the robust accuracy that it measures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from samlib.course import widgets
from samlib.course.lessons.perturbing_the_input.paths import RUNS, STEP_SIZES
from samlib.course.lessons.perturbing_the_input.pictures import BoundPicture

Robust = Mapping[tuple[str, float], Tensor]  # of `robust_on_the_way`


def upper_bound(robust: Robust) -> widgets.Live:
    """Robust accuracy over the steps of PGD, and which of 100 digits are still robust.

    Args:
        robust: what `robust_on_the_way` returns for 100 digits.
    """
    picture = BoundPicture(widgets.figure(8.4, 3.7), 100 * robust_to_all(robust))

    def draw(steps: int, size: float, runs: int, loss: str) -> str:
        right = robust[loss, size]
        together = right[:, :runs].all(1)
        shares = 100 * together.double().mean(1).numpy()
        state = right[0, 0].int() + together[steps].int()
        picture.show(100 * right[:, 0].double().mean(1).numpy(), shares, steps, state.numpy())
        return f"PGD on {loss}, {steps} steps of {size:g} eps, {runs} run(s): {shares[steps]:.1f} % of the digits still stand."

    controls = {
        "steps": widgets.choice_slider("steps", [1, 2, 3, 5, 10, 20, 40], 3),
        "size": widgets.choice_slider("step size, as a share of eps", STEP_SIZES, 0.1),
        "runs": widgets.choice_slider("runs: 1 + restarts", range(1, RUNS + 1), 1),
        "loss": widgets.toggle("loss to climb", [("cross-entropy", "ce"), ("margin loss", "margin")], "ce"),
    }
    return widgets.live(picture.fig, draw, controls)


def robust_to_all(robust: Robust) -> float:
    """The share of images that none of these attacks has broken after all its steps and runs."""
    return torch.stack([mask[-1].all(0) for mask in robust.values()]).all(0).double().mean().item()
