"""The sandwich: the worst loss over weights lies between the worst losses over pixels of two radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML
from torch import Tensor, nn

from samlib.course import plots, style, widgets
from samlib.duality import at_layer, gradient_sandwich, loss_sandwich, singular_range

SHARES = (0.0, 0.2, 0.45, 0.7, 1.0)  # t, from equal singular values to the layer's own
RHOS = (0.05, 0.1, 0.2, 0.4)
DIGITS = (1, 5, 8)


@dataclass(frozen=True)
class Sandwiches:
    """The three losses for each digit and rho, over relatives of a layer.

    Args:
        kappas: condition numbers of the relatives, from 1 to the layer's own.
        losses: {(digit, rho): (3, relatives)}, from the lowest loss to the highest.
        lengths: {digit: length of its pixels as a vector}.
        sigmas: singular values of the layer, from the largest.
    """

    kappas: list[float]
    losses: dict[tuple[int, float], np.ndarray]
    lengths: dict[int, float]
    sigmas: Tensor


def relatives(weight: Tensor, shares: Sequence[float] = SHARES) -> list[Tensor]:
    """Layers with the axes and the mean singular value (geometric) of `weight`, and singular values drawn together.

    sigma_i becomes mean · (sigma_i / mean)^t, for each t of `shares`: at 0 all are equal, at 1 the layer is `weight`.
    """
    left, sigmas, right = torch.linalg.svd(weight, full_matrices=False)
    mean = sigmas.log().mean().exp()
    return [left @ torch.diag(mean * (sigmas / mean) ** t) @ right for t in shares]


def sandwiches(net: nn.Sequential, x: Tensor, y: Tensor) -> Sandwiches:
    """Search for the three losses of one digit of each class: x (10, 1, 8, 8), y = 0 to 9, in double precision."""
    seen = at_layer(net, x, y)
    layers, sigmas = relatives(seen.weight), torch.linalg.svdvals(seen.weight)

    def three(weight: Tensor, digit: int, rho: float) -> tuple[float, float, float]:
        x, z = seen.x[digit], seen.z[digit]

        def after(z: Tensor) -> Tensor:
            return F.cross_entropy(net[3:](z), torch.full((len(z),), digit), reduction="none")

        return loss_sandwich(weight, x, rho, after, bias=z - weight @ x, steps=20, starts=6)[:3]

    return Sandwiches(
        [float(sigmas[0] / sigmas[-1]) ** t for t in SHARES],
        {(d, rho): np.array([three(w, d, rho) for w in layers]).T for d in DIGITS for rho in RHOS},
        {d: float(seen.x[d].norm()) for d in DIGITS},
        sigmas,
    )


@style.look()
def sandwich(found: Sandwiches) -> widgets.Live:
    """The three losses over the condition number of the first layer."""
    figure = widgets.figure(8.4, 3.7)
    names = ["pixels, eps = rho‖x‖ / largest stretch", "weights, rho", "pixels, eps = rho‖x‖ / smallest stretch"]
    closing = plots.Closing(figure, names, "kappa, condition number of the first layer", "highest loss", 1e-3, 1e4)

    def draw(kappa: float, rho: float, digit: int) -> str:
        at, losses = found.kappas.index(kappa), found.losses[digit, rho]
        labels = ["pixels (small eps)", "weights", "pixels (large eps)"]
        closing.show(found.kappas, losses, at, f"kappa = {kappa:.3g}, rho = {rho:g}", labels)
        low, middle, high = losses[:, at]
        return (
            f"Digit {digit}, rho {rho:g}, condition number {kappa:.3g}: highest losses {low:.3g} (small eps), "
            f"{middle:.3g} (weights), {high:.3g} (large eps)."
        )

    kappas = [(f"{kappa:.3g}", kappa) for kappa in found.kappas]
    controls = {
        "kappa": widgets.choice_slider("kappa: condition number", kappas, found.kappas[-1]),
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.1),
        "digit": widgets.toggle("digit", DIGITS, 8),
    }
    return widgets.live(figure, draw, controls)


@style.look()
def gradients(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> HTML:
    """Each digit's two gradients, between the two lines that the first layer's singular values draw."""
    still = widgets.figure(8.4, 3.6)
    ends = np.array([1e-7, 90.0])
    for panel, (name, net) in zip(still.subplots(1, 2, sharey=True), nets.items(), strict=True):
        seen = at_layer(net, x, y)
        bounds = gradient_sandwich(seen.weight, seen.g, seen.x)
        low, high = singular_range(seen.weight)
        panel.loglog(
            bounds.upper / high, bounds.value, ".", color=plots.GREEN, markersize=3, label="one test digit each"
        )
        panel.loglog(ends, high * ends, color=plots.RED, linestyle=":", label=f"upper: {high:.2f} times")
        panel.loglog(ends, low * ends, color=plots.RED, linestyle="-.", label=f"lower: {low:.2f} times")
        panel.set(xlim=ends, ylim=(1e-7, 1000), xlabel="gradient of the weights, length", title=name)
        panel.legend(frameon=False, loc="upper left", fontsize=9)
        panel.grid(color="#eeeeee")
    still.axes[0].set_ylabel("‖x‖ times gradient of the pixels")
    still.subplots_adjust(left=0.09, right=0.99, top=0.92, bottom=0.15, wspace=0.08)
    return widgets.still(
        still, "All test digits lie between the two lines, just below the upper one, over seven orders of magnitude."
    )
