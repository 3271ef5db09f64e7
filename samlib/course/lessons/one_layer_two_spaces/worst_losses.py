"""The sandwich: the worst loss over weights lies between the worst losses over pixels of two radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.lessons.one_layer_two_spaces.pictures import GradientBounds, SandwichCurves
from samlib.duality import at_layer, gradient_sandwich, loss_sandwich, singular_range

SHARES = (0.0, 0.2, 0.45, 0.7, 1.0)  # t, from equal singular values to the layer's own
RHOS = (0.05, 0.1, 0.2, 0.4)
DIGITS = (1, 5, 8)


@dataclass(frozen=True)
class Sandwiches:
    """The three losses for each digit and rho, over layers with the same singular vectors.

    Args:
        kappas: their condition numbers, from 1 to the real layer's.
        losses: {(digit, rho): (3, layers)}, from the lowest loss to the highest.
        lengths: {digit: length of its pixels as a vector}.
        sigmas: singular values of the layer, from the largest.
    """

    kappas: list[float]
    losses: dict[tuple[int, float], np.ndarray]
    lengths: dict[int, float]
    sigmas: Tensor

    def radii(self, digit: int, rho: float) -> np.ndarray:
        """The small and the large eps, rho ‖x‖ over the largest and the smallest singular value: (2, layers)."""
        drawn = torch.stack([drawn_together(self.sigmas, t)[[0, -1]] for t in SHARES], dim=1)
        return (rho * self.lengths[digit] / drawn).numpy()


def drawn_together(sigmas: Tensor, t: float) -> Tensor:
    """Singular values with the same geometric mean, nearer to each other: all equal at t = 0, as they are at t = 1."""
    mean = sigmas.log().mean().exp()
    return mean * (sigmas / mean) ** t


def same_vectors(weight: Tensor, shares: Sequence[float] = SHARES) -> list[Tensor]:
    """Layers with the singular vectors and the mean singular value of `weight`, and singular values drawn together."""
    left, sigmas, right = torch.linalg.svd(weight, full_matrices=False)
    return [left @ torch.diag(drawn_together(sigmas, t)) @ right for t in shares]


def sandwiches(net: nn.Sequential, x: Tensor, y: Tensor) -> Sandwiches:
    """Search for the three losses of one digit of each class: x (10, 1, 8, 8), y = 0 to 9, in double precision."""
    seen = at_layer(net, x, y)
    layers, sigmas = same_vectors(seen.weight), torch.linalg.svdvals(seen.weight)

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
    picture = SandwichCurves(style.figure(3.66), found.kappas, 1e-3, 1e3)

    def draw(kappa: float, rho: float, digit: int) -> str:
        at, losses = found.kappas.index(kappa), found.losses[digit, rho]
        small, large = found.radii(digit, rho)[:, at]
        low, middle, high = losses[:, at]
        values = [f"eps = {small:.2f}, loss {low:.3g}", f"rho = {rho:g}, loss {middle:.3g}"]
        picture.show(losses, at, f"digit {digit}, rho = {rho:g}", [*values, f"eps = {large:.2f}, loss {high:.3g}"])
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
    return widgets.live(picture.fig, draw, controls)


@style.look()
def gradients(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> HTML:
    """Each digit's two gradients, between the two lines that the first layer's singular values draw."""
    picture = GradientBounds(style.figure(3.52), list(nets), (1e-7, 90.0), (1e-7, 1000.0))
    for name, net in nets.items():
        seen = at_layer(net, x, y)
        bounds = gradient_sandwich(seen.weight, seen.g, seen.x)
        low, high = singular_range(seen.weight)
        picture.show(name, (bounds.upper / high).numpy(), bounds.value.numpy(), low, high)
    return widgets.still(
        picture.fig,
        "All test digits lie between the two lines, just below the upper one, over seven orders of magnitude.",
    )
