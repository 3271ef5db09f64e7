"""The judge of the exercise that has SAM written by hand: it knows a dozen wrong ways, most of which train too."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course.exercise import attempted
from samlib.models import mlp
from samlib.sam import SAM

SAMStep = Callable[[nn.Module, Tensor, Tensor, torch.optim.Optimizer, float], Any]
LR, DECAY = 0.1, 0.02


class _Borrowed(Exception):
    """Raised when the learner's step makes an optimizer instead of being one."""


@contextmanager
def _nothing_borrowed() -> Iterator[None]:
    def refuse(self: Any, *_: Any, **__: Any) -> None:
        raise _Borrowed(type(self).__name__)

    with ExitStack() as stack:
        for owner, name in [
            (SAM, "__init__"),
            (SAM, "first_step"),
            (SAM, "step"),
            (torch.optim.Optimizer, "__init__"),
        ]:
            stack.enter_context(mock.patch.object(owner, name, refuse))
        yield


def _task(seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A small network with images and labels, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(12, 1, 8, 8, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (12,), generator=generator)
    return mlp(hidden=(7,), seed=seed).double(), x, y


def _flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(model(x), y))


def _right(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    make: Callable[[nn.Module], torch.optim.Optimizer],
    rho: float,
    steps: int = 1,
) -> Tensor:
    """The model's weights after steps of samlib.SAM around the optimizer that `make` makes."""
    sam = SAM(make(model), rho=rho)

    def closure() -> Tensor:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(steps):
        sam.step(closure)
    return _flat(model)


ASCENTS: dict[str, Callable[[list[Tensor], Tensor, float], list[Tensor]]] = {
    "right": lambda g, n, rho: [rho * k / n for k in g],
    "downhill": lambda g, n, rho: [-rho * k / n for k in g],
    "not normalised": lambda g, n, rho: [rho * k for k in g],
    "normalised by the square": lambda g, n, rho: [rho * k / n**2 for k in g],
    "without rho": lambda g, n, rho: [k / n for k in g],
    "each tensor for itself": lambda g, n, rho: [rho * k / k.norm() for k in g],
    "each layer for itself": lambda g, n, rho: [
        rho * k / torch.cat([h.flatten() for h in g[i - i % 2 : i - i % 2 + 2]]).norm() for i, k in enumerate(g)
    ],
    "signs": lambda g, n, rho: [rho * k.sign() for k in g],
    "no biases": lambda g, n, rho: [
        rho * k / torch.cat([h.flatten() for h in g if h.dim() > 1]).norm() * (k.dim() > 1) for k in g
    ],
}
ENDS = ("right", "never back", "back too late", "both gradients", "first gradient", "no step")
SYMPTOMS = {
    "downhill": "Your ascent step goes downhill: the gradient points up, so add rho * g / ‖g‖ to the weights.",
    "not normalised": (
        "The ascent step is not rho long but rho times the gradient, and near a minimum that is next to nothing. "
        "Divide by the gradient's length."
    ),
    "normalised by the square": (
        "You divided the gradient by its squared length. Divide by the length itself, the root of the sum of squares."
    ),
    "without rho": "Your ascent step has length 1, whatever rho is. Multiply by rho.",
    "each tensor for itself": (
        "You gave each tensor a norm of its own, so that every one moves by rho. All weights are one vector: take "
        "one joint norm over all gradients."
    ),
    "each layer for itself": (
        "You gave each layer a norm of its own, so that every layer moves by rho. All weights are one vector: take "
        "one joint norm over all gradients."
    ),
    "signs": (
        "You step along the sign of the gradient. That is the steepest step in l_inf; SAM's ball is l_2: divide by "
        "the length."
    ),
    "no biases": "The biases were not perturbed. model.parameters() has weights and biases, and all are one vector.",
    "never back": (
        "You forgot to restore the weights: they are still perturbed. Restore them before the optimizer steps."
    ),
    "back too late": (
        "You restored the weights after the optimizer's step. Weight decay then pulled at the perturbed ones: restore "
        "first, then step."
    ),
    "both gradients": (
        "The gradients of both passes were added up. backward() adds to what lies in .grad: clear it between the "
        "passes."
    ),
    "first gradient": (
        "That is a plain step: the gradient used is the one from before the ascent step. SAM steps with the "
        "gradient at the perturbed weights."
    ),
    "no step": (
        "After your step the weights are where they were. If you put back a copy, put it back before "
        "optimizer.step(), not after."
    ),
}


def _mistaken(model: nn.Module, x: Tensor, y: Tensor, rho: float, ascent: str, end: str) -> Tensor:
    """The weights after one step of SGD with weight decay, done in a wrong way (or, twice "right", the right one)."""
    model = copy.deepcopy(model)
    weights = list(model.parameters())

    def gradient() -> list[Tensor]:
        return list(torch.autograd.grad(F.cross_entropy(model(x), y), weights))

    def move(changes: list[Tensor], factor: float = 1.0) -> None:
        with torch.no_grad():
            for w, change in zip(weights, changes, strict=True):
                w.add_(change, alpha=factor)

    def step(gradients: list[Tensor]) -> None:
        move([g + DECAY * w.detach() for g, w in zip(gradients, weights, strict=True)], -LR)

    first = gradient()
    if end == "first gradient":
        step(first)
    elif end != "no step":
        changes = ASCENTS[ascent](first, torch.cat([g.flatten() for g in first]).norm(), rho)
        move(changes)
        second = gradient()
        if end == "both gradients":
            second = [a + b for a, b in zip(first, second, strict=True)]
        if end in ("never back", "back too late"):
            step(second)
            move(changes, -1.0 if end == "back too late" else 0.0)
        else:
            move(changes, -1.0)
            step(second)
    return _flat(model)


def _attempt(
    sam_step: SAMStep, model: nn.Module, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, rho: float
) -> Any:
    before = _flat(model)
    with _nothing_borrowed():
        answer = sam_step(model, x.clone(), y.clone(), optimizer, rho)
    return attempted(answer) if torch.equal(_flat(model), before) else answer


def judge_sam_step(sam_step: SAMStep) -> str | None:
    if not callable(sam_step):
        return f"sam_step must be a function, and yours is a {type(sam_step).__name__}."
    trials = (_wrong_step, _wrong_return, _wrong_with_old_gradients, _wrong_over_steps)
    try:
        return next((complaint for trial in trials if (complaint := trial(sam_step))), None)
    except _Borrowed as error:
        if str(error) == "SAM":
            return (
                "You called samlib.SAM. Here you write what it does: two passes, an ascent step, the way back, "
                "and optimizer.step()."
            )
        return (
            f"Your step makes a new optimizer ({error}). Use the one that you are handed: it remembers momentum from "
            "step to step, and a new one would not."
        )


def _sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=LR, weight_decay=DECAY)


def _wrong_step(sam_step: SAMStep) -> str | None:
    """What is wrong with the weights after one step from a clean start."""
    rho = 0.3
    model, x, y = _task(0)
    start, reference = _flat(model), copy.deepcopy(model)
    _attempt(sam_step, model, x, y, _sgd(model), rho)
    if not all(p.requires_grad for p in model.parameters()):
        return "Your step leaves the weights with requires_grad = False: the next one will find no gradient."
    found, right = _flat(model), _right(copy.deepcopy(reference), x, y, _sgd, rho)

    def near(other: Tensor) -> bool:
        return bool((found - other).norm() <= 1e-6 * (right - start).norm())

    if near(right):
        return None
    wrong_ascents = [(ascent, "right", ascent) for ascent in ASCENTS if ascent != "right"]
    wrong_ends = [("right", end, end) for end in ENDS if end != "right"]
    for ascent, end, symptom in wrong_ascents + wrong_ends:
        if near(_mistaken(reference, x, y, rho, ascent, end)):
            return SYMPTOMS[symptom]
    return (
        f"After one step your weights are {(found - right).norm():.3g} away from SAM's, where SAM's whole step is "
        f"{(right - start).norm():.3g} long (rho = {rho:g}, learning rate {LR:g}, weight decay {DECAY:g})."
    )


def _wrong_return(sam_step: SAMStep) -> str | None:
    """What is wrong with the number that comes back."""
    model, x, y = _task(1)
    before, reference = _loss(model, x, y), copy.deepcopy(model)
    answer = _attempt(sam_step, model, x, y, _sgd(model), 0.3)
    if answer is None or answer is ...:
        return "The step is right, but it returns nothing. Return the loss at the weights where it began, as a number."
    if isinstance(answer, Tensor) and answer.numel() != 1:
        return f"sam_step returned a tensor of shape {tuple(answer.shape)}; it must return one number, the mean loss."
    value = float(answer.detach() if isinstance(answer, Tensor) else answer)
    if math.isclose(value, before, rel_tol=1e-6):
        return None
    weights = list(reference.parameters())
    gradients = list(torch.autograd.grad(F.cross_entropy(reference(x), y), weights))
    changes = ASCENTS["right"](gradients, torch.cat([g.flatten() for g in gradients]).norm(), 0.3)
    with torch.no_grad():
        for w, change in zip(weights, changes, strict=True):
            w.add_(change)
    if math.isclose(value, _loss(reference, x, y), rel_tol=1e-6):
        return (
            f"The step is right. You return the loss at the perturbed weights, {value:.4f}; at the weights where "
            f"it began it is {before:.4f}."
        )
    return f"The step is right, but you return {value:.4f}, and the loss at the weights where it began is {before:.4f}."


def _wrong_with_old_gradients(sam_step: SAMStep) -> str | None:
    """Gradients of an earlier step lie in .grad when the function is called: in a training loop they always do."""
    model, x, y = _task(2)
    right = _right(copy.deepcopy(model), x, y, _sgd, 0.3)
    for p in model.parameters():
        p.grad = torch.full_like(p, 0.7)
    _attempt(sam_step, model, x, y, _sgd(model), 0.3)
    if torch.allclose(_flat(model), right, rtol=0, atol=1e-7):
        return None
    return (
        "A first step is right, a second one is not: gradients that an earlier step left in .grad get into yours. "
        "Clear them first."
    )


def _wrong_over_steps(sam_step: SAMStep) -> str | None:
    """Several steps with optimizers that remember."""
    makers: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
        "SGD with momentum": lambda m: torch.optim.SGD(m.parameters(), lr=LR, momentum=0.9),
        "Adam": lambda m: torch.optim.Adam(m.parameters(), lr=0.01),
    }
    for name, make in makers.items():
        model, x, y = _task(3)
        right = _right(copy.deepcopy(model), x, y, make, 0.1, steps=3)
        optimizer = make(model)
        for _ in range(3):
            _attempt(sam_step, model, x, y, optimizer, 0.1)
        if not torch.allclose(_flat(model), right, rtol=0, atol=1e-6):
            return (
                f"Right with plain SGD, not with {name}. Leave the last move to optimizer.step(), called once in each "
                "step with the gradients in .grad: momentum and the rest are its business."
            )
    return None
