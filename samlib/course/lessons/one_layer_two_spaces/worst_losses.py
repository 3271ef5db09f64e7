"""The sandwich: the worst loss over weights lies between the worst losses over pixels of two radii."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.lessons.one_layer_two_spaces.pictures import GradientBounds, SandwichCurves
from samlib.duality import at_layer, gradient_sandwich, loss_sandwich, singular_range

SHARES = (0.0, 0.2, 0.45, 0.7, 1.0)  # t, from equal singular values to the layer's own
RHOS = (0.05, 0.1, 0.2, 0.4)
DIGITS = (1, 5, 8)
EPS = (0.0, 0.05, 0.1, 0.2, 0.4)  # l_2, of the pixels


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


def rise_per_length(net: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int = 20) -> Tensor:
    """How far the loss rises within eps (l_2) of each image, over eps: the gradient's length at eps = 0; (n,).

    Found by `steps` of gradient ascent of eps / 4 from the step along the gradient; pixels may leave [0, 1].
    """

    def losses(change: Tensor) -> tuple[Tensor, Tensor]:
        """The losses and their gradients, (n,) and (n, ...)."""
        moved = (x + change).requires_grad_()
        loss = F.cross_entropy(net(moved), y, reduction="none")
        return loss.detach(), torch.autograd.grad(loss.sum(), moved)[0]

    def long(change: Tensor, length: float) -> Tensor:
        return length * F.normalize(change.flatten(1), dim=1, eps=1e-300).view_as(x)

    before, gradient = losses(torch.zeros_like(x))
    if not eps:
        return gradient.flatten(1).norm(dim=1)
    change, highest = long(gradient, eps), before
    for _ in range(steps + 1):
        loss, gradient = losses(change)
        highest = torch.maximum(highest, loss)
        change = change + long(gradient, eps / 4)
        inside = change.flatten(1).norm(dim=1).view(-1, 1, 1, 1) <= eps
        change = torch.where(inside, change, long(change, eps))
    return (highest - before) / eps


@style.look()
def gradients(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> widgets.Live:
    """Each digit's two gradients between two lines; and how far its loss rises within a finite eps, per length."""
    picture = GradientBounds(style.figure(3.52), list(nets), (1e-7, 90.0), (1e-7, 1000.0))
    across, lines, heights = {}, {}, dict[tuple[str, float], np.ndarray]()
    for name, net in nets.items():
        seen = at_layer(net, x, y)
        lines[name] = singular_range(seen.weight)
        across[name] = (gradient_sandwich(seen.weight, seen.g, seen.x).upper / lines[name][1]).numpy()
        lengths = x.flatten(1).norm(dim=1)
        heights |= {(name, eps): (lengths * rise_per_length(net, x, y, eps)).numpy() for eps in EPS}
        picture.show_lines(name, *lines[name])

    def draw(eps: float) -> str:
        above = {}
        for name, (_, high) in lines.items():
            above[name] = int((heights[name, eps] > high * across[name] * (1 + 1e-9)).sum())
            picture.show(name, across[name], heights[name, eps], f"{above[name]} of {len(x)} above the upper line")
        found = ", ".join(f"{many} on {name}" for name, many in above.items())
        return f"eps {eps:g}: of {len(x)} test digits these lie above the upper line: {found}."

    slider = widgets.choice_slider("eps: l_2 radius of the pixels", [("0: gradient", 0.0), *EPS[1:]], 0.0)
    return widgets.live(picture.fig, draw, {"eps": slider})
