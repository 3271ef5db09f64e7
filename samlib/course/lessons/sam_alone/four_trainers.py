"""The judge of the exercise that has SGD, AT, SAM and both in one step, from two balls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from samlib.balls import L2, Ball, Linf
from samlib.course.exercise import attempted
from samlib.models import mlp

Step = Callable[..., Any]
NAMES = {(False, False): "SGD", (True, False): "AT", (False, True): "SAM", (True, True): "AT+SAM"}
LR, MOMENTUM, DECAY = 0.1, 0.9, 0.02

# What may be done otherwise, and what that looks like; the first that gives the answer's weights is told.
SYMPTOMS = {
    "no step": "the weights are where they were. Come back from the ascent step before optimizer.step(), not after it.",
    "no attack": "ball_x changes nothing. Move x by ball_x.eps along ball_x.steepest(gradient) first.",
    "no ascent": (
        "ball_w changes nothing: the gradient is that at w itself. Take it where the ascent step leads, and come back."
    ),
    "not back": "the weights still hold the ascent step. Put them back before optimizer.step().",
    "no clamp": "some attacked pixels lie outside [0, 1]. Clamp them.",
    "downhill": "the perturbation lowers the loss. Go along the gradient, not against it.",
    "length 1": "the perturbation has length 1, whatever the ball's radius is. Multiply by ball.eps.",
    "gradient itself": "the perturbation is the gradient times the radius. ball.steepest(gradient) has length 1.",
    "ascent on clean images": "the ascent step was taken on the clean images. Attack first, then ascend on x attacked.",
    "gradients added": (
        "the gradient holds more than that of the last loss: backward() adds to what lies in .grad. Clear it, or take "
        "torch.autograd.grad for the perturbations."
    ),
}


def judge_step(step: Step) -> str | None:
    """What is wrong with a training step that takes two balls, if anything is."""
    if not callable(step):
        return f"step must be a function, and yours is a {type(step).__name__}."
    for (attack, ascent), name in NAMES.items():
        balls = {"ball_x": Linf(0.3) if attack else None, "ball_w": L2(0.5) if ascent else None}
        found, mode = _weights_after(step, balls)
        if mode != (True, True):
            return f"{name}: your step leaves the model in evaluation mode, or its weights frozen."
        right = _right(balls)
        if _same(found, right):
            continue
        told = [symptom for way, symptom in SYMPTOMS.items() if _same(found, _right(balls, way))]
        return f"{name}: {told[0] if told else _how_far(found, right)}"
    other = {"ball_x": L2(0.7), "ball_w": L2(0.3)}  # whoever wrote sign(gradient) by hand
    if not _same(_weights_after(step, other)[0], _right(other)):
        return "With an l_2 ball for the pixels it goes wrong: let ball_x say what is steepest, and how far."
    return None


def _task(steps: int = 2) -> tuple[nn.Module, list[tuple[Tensor, Tensor]], torch.optim.Optimizer]:
    """A small network, batches of images with labels, and an optimizer, in float64."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(steps, 12, 1, 8, 8, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (steps, 12), generator=generator)
    model = mlp(hidden=(7,), seed=0).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    return model, list(zip(x, y, strict=True)), optimizer


def _weights_after(step: Step, balls: Mapping[str, Ball | None]) -> tuple[Tensor, tuple[bool, bool]]:
    """The weights after two steps, and whether the model trains still and its weights can."""
    model, batches, optimizer = _task()
    for x, y in batches:
        before = parameters_to_vector(model.parameters()).detach().clone()
        returned = step(model, x.clone(), y.clone(), optimizer, **balls)
        if returned is ... or (returned is None and _untouched(model, before)):
            attempted(None)
    mode = (model.training, all(p.requires_grad for p in model.parameters()))
    return parameters_to_vector(model.parameters()).detach(), mode


def _untouched(model: nn.Module, before: Tensor) -> bool:
    """Whether a step has done nothing at all: the weights are the same and no gradient was taken."""
    return torch.equal(parameters_to_vector(model.parameters()), before) and all(
        p.grad is None for p in model.parameters()
    )


def _right(balls: Mapping[str, Ball | None], way: str = "") -> Tensor:
    """The weights after two steps done right, or in one of the ways that SYMPTOMS names."""
    model, batches, optimizer = _task()
    for x, y in batches:
        _one_step(model, x, y, optimizer, balls["ball_x"], balls["ball_w"], way)
    return parameters_to_vector(model.parameters()).detach()


def _one_step(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    optimizer: torch.optim.Optimizer,
    ball_x: Ball | None,
    ball_w: Ball | None,
    way: str,
) -> None:
    weights, clean = list(model.parameters()), x
    w = parameters_to_vector(weights).detach()
    optimizer.zero_grad()
    if ball_x is not None and way != "no attack":
        x = x.clone().requires_grad_()
        loss = F.cross_entropy(model(x), y)
        x = (clean + _moved(ball_x, torch.autograd.grad(loss, x)[0], way)).detach()
        x = x if way == "no clamp" else x.clamp(0, 1)
        if way == "gradients added":
            F.cross_entropy(model(clean), y).backward()
    if ball_w is not None and way != "no ascent":
        loss = F.cross_entropy(model(clean if way == "ascent on clean images" else x), y)
        slope = parameters_to_vector(torch.autograd.grad(loss, weights, retain_graph=True))
        if way == "gradients added":
            loss.backward()
        vector_to_parameters(w + _moved(ball_w, slope[None], way)[0], weights)
    F.cross_entropy(model(x), y).backward()
    if way != "not back":
        vector_to_parameters(w, weights)
    before = w.clone()  # the parameters are views of w by now
    optimizer.step()
    if way == "no step":
        vector_to_parameters(before, weights)


def _moved(ball: Ball, gradient: Tensor, way: str) -> Tensor:
    """The perturbation that a ball and a gradient give."""
    direction = gradient if way == "gradient itself" else ball.steepest(gradient)
    length = 1.0 if way == "length 1" else ball.eps
    return (-1 if way == "downhill" else 1) * length * direction


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.allclose(a, b, rtol=0, atol=1e-8))


def _how_far(found: Tensor, right: Tensor) -> str:
    start, *_ = _task()
    moved = (right - parameters_to_vector(start.parameters()).detach()).norm()
    return (
        f"after two steps the weights are {float((found - right).norm() / moved):.0%} of the way off. Write down what "
        "each loss is taken of: which images, which weights."
    )
