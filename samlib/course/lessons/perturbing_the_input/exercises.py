"""The exercises and questions of this lesson; each exercise with its judge."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from samlib.attacks import ascend, attack_mode
from samlib.balls import L2, Ball, Linf
from samlib.course.exercise import Exercise, attempted
from samlib.course.lessons.perturbing_the_input.honest_report import honest
from samlib.course.lessons.perturbing_the_input.judging import (
    BORROWED,
    Borrowed,
    finite_differences,
    left_behind,
    not_a_tensor,
    small_net,
    some_images,
)
from samlib.course.lessons.perturbing_the_input.questions import (
    bet_on_the_cube,
    bet_on_the_path,
    bet_on_the_step,
    bet_on_the_steps,
    recall_bound,
    recall_sign,
    recall_threat,
)
from samlib.losses import cross_entropy

__all__ = [
    "bet_on_the_cube",
    "bet_on_the_path",
    "bet_on_the_step",
    "bet_on_the_steps",
    "fgsm",
    "honest",
    "pgd",
    "recall_bound",
    "recall_sign",
    "recall_threat",
]

# ---- exercise 1: FGSM ------------------------------------------------------------------------------------------------


def _judge_fgsm(fgsm: Callable[[nn.Module, Tensor, Tensor, float], Any]) -> str | None:
    if not callable(fgsm):
        return f"fgsm must be a function of model, x, y and eps, and yours is a {type(fgsm).__name__}."
    for seed, n, eps in [(0, 5, 0.1), (1, 1, 0.3)]:
        net, x = small_net(seed), some_images(n, seed)
        y = torch.randint(4, (n,), generator=torch.Generator().manual_seed(seed))
        given = x.clone()
        try:
            answer = attempted(fgsm(net, given, y.clone(), eps))
        except Borrowed:
            return BORROWED
        if complaint := not_a_tensor(answer, x):
            return complaint
        if not torch.equal(given, x):
            return "Your function changes the x it was given; make a new tensor instead: x.clone()."
        if given.requires_grad:
            return (
                "The caller's x now requires a gradient. Call requires_grad_() on a copy: x.clone().requires_grad_()."
            )
        if answer.requires_grad:
            return "Your images still hang on the graph that made them; return them detached: .detach()."
        if complaint := left_behind(net) or _wrong_step(answer, net, x, y, eps):
            return complaint
    return None


def _wrong_step(answer: Tensor, net: nn.Module, x: Tensor, y: Tensor, eps: float) -> str | None:
    """What is wrong with one l_inf step from x, if anything is. The slopes come from finite differences."""
    slope = finite_differences(net, x, y)
    clear = slope.abs() > 1e-7  # elsewhere a difference cannot tell up from down
    length = slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    same = lambda other: torch.allclose(answer[clear], other[clear], atol=1e-6)  # noqa: E731
    step = eps * slope.sign()
    if same((x + step).clamp(0, 1)):
        return None
    if same((x - step).clamp(0, 1)) or same(x - step):
        return "You walk downhill: this makes the loss smaller. An attack adds, where training subtracts."
    if same(x + step):
        low, high = answer.aminmax()
        return f"The clamp is missing: your pixels run from {low:.2f} to {high:.2f}, and those of an image from 0 to 1."
    if same(step):
        return "That is the change. Return the changed image, x plus the change, cut to [0, 1]."
    for raw in (slope, slope / len(x)):
        if same((x + eps * raw).clamp(0, 1)) or same(x + eps * raw):
            return (
                f"You add eps times the gradient itself: your pixels change by up to {eps * raw.abs().max():.4f} only. "
                "The l_inf budget is eps for each pixel; only the sign of its slope counts."
            )
    if same((x + eps * slope / length).clamp(0, 1)) or same(x + eps * slope / length):
        return "That is the steepest step of the l_2 ball. In the l_inf ball every pixel has a budget of its own."
    if same(x.clamp(0, 1)):
        return "Your images are x itself: nothing has moved."
    against = int(((answer - x) * slope < 0)[clear].sum())
    return (
        f"{against} of {int(clear.sum())} pixels move against the slope that finite differences measure, and the "
        "largest "
        f"change is {(answer - x).abs().max():.3f} where eps is {eps}. Is it the cross-entropy of y that you raise?"
    )


fgsm = Exercise(
    "perturbing_the_input/fgsm",
    _judge_fgsm,
    "It agrees with finite differences, pixel by pixel, and leaves network and images as they were.",
    [
        "Make a copy of x that records what is done to it: x.clone().requires_grad_().",
        "loss = F.cross_entropy(model(copy), y, reduction='sum'), then torch.autograd.grad(loss, copy) gives a tuple "
        "of one.",
        "x plus eps times the gradient's sign(), then clamp(0, 1).",
    ],
)

# ---- exercise 2: PGD -------------------------------------------------------------------------------------------------

FLAWS = {
    "descent": "You walk downhill: an attack adds the step, where training subtracts it.",
    "unprojected": "The projection is missing: nothing brings the walk back into the ball around x.",
    "unclamped": "The clamp is missing: some of your pixels have left [0, 1], so they make no image.",
    "neither": "Neither projection nor clamp: nothing keeps the walk in the ball or in [0, 1].",
    "late": "You come back into the ball only once, at the very end. Each step must be followed by the way back.",
    "raw": "You step along the gradient itself, so its size decides how far. ball.steepest(gradient) has length 1.",
    "sign": "The sign is right for l_inf only. Ask the ball: ball.steepest(gradient).",
    "still": "You take the gradient at the same place every time. Take it where the walk has come to.",
    "from x": "You begin at x; begin at start.",
    "around start": "You project onto a ball around start; the ball belongs to x.",
    "around zero": (
        "You project the image itself. What must not be longer than eps is its distance from x: ball.project(x_adv - "
        "x)."
    ),
    "one too few": "That is one step too few.",
    "one too many": "That is one step too many.",
    "change": "That is the change alone, x_adv - x. Return the image.",
}


def _walk(
    gradient: Callable[[Tensor], Tensor],
    x: Tensor,
    start: Tensor,
    ball: Any,
    step_size: float | Tensor,
    steps: int,
    flaw: str = "",
    *,
    clamp_first: bool = False,
) -> Tensor:
    """The right walk, or one with a flaw of FLAWS."""

    def back(z: Tensor) -> Tensor:
        centre = {"around start": start, "around zero": torch.zeros_like(x)}.get(flaw, x)
        if clamp_first:
            z = z.clamp(0, 1)
        if flaw not in ("unprojected", "neither"):
            z = centre + ball.project(z - centre)
        return z if flaw in ("unclamped", "neither") else z.clamp(0, 1)

    z = x if flaw == "from x" else start
    for _ in range(steps + {"one too few": -1, "one too many": 1}.get(flaw, 0)):
        slope = gradient(start if flaw == "still" else z)
        direction = {"raw": slope, "sign": slope.sign()}.get(flaw)
        direction = ball.steepest(slope) if direction is None else direction
        z = z + (-step_size if flaw == "descent" else step_size) * direction
        z = z if flaw == "late" else back(z)
    z = back(z) if flaw == "late" else z
    return z - x if flaw == "change" else z


def _judge_pgd(pgd: Callable[..., Any]) -> str | None:
    if not callable(pgd):
        return (
            "pgd must be a function of gradient, x, start, ball, step_size and steps, and yours is a "
            f"{type(pgd).__name__}."
        )
    for seed, ball in [(0, Linf(0.2)), (1, L2(0.4))]:
        net, x = small_net(seed), some_images(6, seed)
        y = torch.randint(4, (6,), generator=torch.Generator().manual_seed(seed))
        for parameter in net.parameters():
            parameter.data.mul_(4)  # a steeper landscape: the slope turns along the way
        calls = [0]

        def gradient(images: Tensor, net: nn.Module = net, y: Tensor = y, calls: list[int] = calls) -> Tensor:
            calls[0] += 1
            return finite_differences(net, images.detach(), y)

        start = (x + ball.random_start(x, torch.Generator().manual_seed(seed))).clamp(0, 1)
        given = x.clone(), start.clone()
        try:
            answer = attempted(pgd(gradient, *given, ball, 0.5 * ball.eps, 5))
        except Borrowed:
            return BORROWED
        asked = calls[0]
        if complaint := not_a_tensor(answer, x):
            return complaint
        if not (torch.equal(given[0], x) and torch.equal(given[1], start)):
            return (
                "Your function changes the x or the start it was given. Write z = z + ..., which makes a new tensor, "
                "not z += ..."
            )
        if complaint := _wrong_walk(answer.detach(), asked, gradient, net, x, y, start, ball):
            return complaint
    return None


def _wrong_walk(
    answer: Tensor,
    asked: int,
    gradient: Callable[[Tensor], Tensor],
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    start: Tensor,
    ball: Ball,
) -> str | None:
    """What is wrong with where a walk of five steps has ended, if anything is."""
    setting = gradient, x, start, ball, 0.5 * ball.eps, 5
    name = "l_inf" if isinstance(ball, Linf) else "l_2"
    close = functools.partial(torch.allclose, answer, atol=1e-9)
    net._forward_pre_hooks.clear()
    with attack_mode(net):
        ours, _ = ascend(net, x, y, ball, start=start, steps=5, step_size=0.5 * ball.eps, loss=cross_entropy)
    if close(_walk(*setting)) or close(_walk(*setting, clamp_first=True)):
        return None
    if asked == 0:
        return "Your function never asks for a gradient: gradient(x_adv) gives it, at the images x_adv."
    for flaw, said in FLAWS.items():
        if close(_walk(*setting, flaw)):
            return said
    low, high = answer.aminmax()
    if low < -1e-9 or high > 1 + 1e-9:
        return f"In the {name} ball, your pixels run from {low:.2f} to {high:.2f}; those of an image run from 0 to 1."
    if (far := ball.norm(answer - x).max()) > ball.eps * (1 + 1e-6):
        return f"One of your images lies {far:.3f} from x in {name}, outside the ball of eps = {ball.eps}."
    return (
        f"In the {name} ball your walk ends elsewhere than samlib's from the same start: up to "
        f"{(answer - ours).abs().max():.3f} "
        f"off in one pixel, after asking for {asked} gradients where there are 5 steps."
    )


pgd = Exercise(
    "perturbing_the_input/pgd",
    _judge_pgd,
    "With slopes from finite differences it goes where samlib's PGD goes, in both balls. Nothing in it says which "
    "ball: lesson 02 asks the same of a ball of weights.",
    [
        "Begin at start. Each step: gradient where you are, one steepest step, back into the ball, back into [0, 1].",
        "ball.project wants the difference from x, and gives a difference back.",
        "In the loop: z = z + step_size * ball.steepest(gradient(z)), then z = (x + ball.project(z - x)).clamp(0, 1).",
    ],
)
