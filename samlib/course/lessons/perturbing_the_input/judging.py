"""What the judges of this lesson look at: a network that notices who calls it, and what an answer leaves behind."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.models import mlp


class Borrowed(BaseException):
    """The answer lets samlib do the work. No Exception, so that nothing on the way up turns it into another error."""


BORROWED = "That is samlib's attack at work. It will be yours to use in all other lessons; here, write your own."


def attacks_itself(*_: Any) -> None:
    """A hook of a network: raises if the call comes out of samlib's own attacks."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in ("samlib.attacks", "samlib.random_search", "samlib.evaluation"):
            raise Borrowed
        frame = frame.f_back


def small_net(seed: int) -> nn.Module:
    """A network that complains when samlib's attacks call it; in float64, with gradients of someone else's."""
    net = mlp((16,), 4, (1, 3, 3), mean=0.4, std=0.3, seed=seed).double()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    net.register_forward_pre_hook(attacks_itself)
    return net


def some_images(n: int, seed: int, shape: tuple[int, ...] = (1, 3, 3)) -> Tensor:
    """Images (n, *shape) in float64, a part of whose pixels are exactly 0 or 1, so that a missing clamp shows."""
    generator = torch.Generator().manual_seed(seed)
    return (1.6 * torch.rand(n, *shape, generator=generator, dtype=torch.float64) - 0.3).clamp(0, 1)


@torch.no_grad()
def finite_differences(model: nn.Module, x: Tensor, y: Tensor, h: float = 1e-6) -> Tensor:
    """Slopes of each image's loss, by central differences: one pixel after the other, a little up and a little down."""
    flat = x.flatten(1)
    slopes = torch.zeros_like(flat)
    for pixel in range(flat.shape[1]):
        up, down = flat.clone(), flat.clone()
        up[:, pixel] += h
        down[:, pixel] -= h
        losses = [F.cross_entropy(model(moved.view_as(x)), y, reduction="none") for moved in (up, down)]
        slopes[:, pixel] = (losses[0] - losses[1]) / (2 * h)
    return slopes.view_as(x)


def left_behind(model: nn.Module) -> str | None:
    """What an attack has left in a network of `small_net`, if anything."""
    for parameter in model.parameters():
        if not parameter.requires_grad:
            return (
                "Afterwards the network's weights no longer require a gradient: nobody could train it. Leave it as "
                "you found it."
            )
        if parameter.grad is None or not parameter.grad.any():
            return (
                "You cleared gradients of the weights that were there before: they belong to whoever trains the "
                "network. "
                "torch.autograd.grad(loss, x) computes the pixels' gradient and touches nothing else."
            )
        if not torch.equal(parameter.grad, torch.ones_like(parameter)):
            return (
                "Your attack has left its gradients in the weights' .grad: the next training step would follow them. "
                "loss.backward() does that; torch.autograd.grad(loss, x) does not."
            )
    return None if model.training else "Afterwards the network is in evaluation mode, and it was not before."


def not_a_tensor(answer: Any, x: Tensor) -> str | None:
    """What is wrong with the form of attacked images."""
    if not isinstance(answer, Tensor):
        return f"It must return a tensor of images, and yours returned a {type(answer).__name__}."
    if answer.shape != x.shape:
        return f"Your images have shape {tuple(answer.shape)}; they must have x's, {tuple(x.shape)}."
    return None
