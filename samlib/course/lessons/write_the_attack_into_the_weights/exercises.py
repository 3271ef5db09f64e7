"""The exercises of lesson 00, Write the attack into the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from samlib.course.exercise import Exercise, Question, attempted

bet_on_the_templates = Question(
    "The digit stays whole, and the templates are changed until the features are those of x + dx. For which dx can "
    "that be done?",
    {
        "for small dx, and nearly": "There is nothing to approximate: dW x = W dx is a linear equation for dW.",
        "for every dx, exactly": "Each unit has one equation to meet, and 64 weights of its own to meet it with.",
        "for every dx, if W can be inverted": (
            "Nothing is inverted: each unit has one equation to meet, and 64 weights of its own to meet it with."
        ),
    },
    correct="for every dx, exactly",
)

bet_on_the_others = Question(
    "Other digits, which nobody touched, pass through the changed templates. How much of the perturbation W dx do they "
    "feel?",
    {
        "nothing: it was made for this digit": "The weights are shared: every digit passes through them.",
        "a part, and never as much as this digit": (
            "A digit x′ feels W dx · ⟨x, x′⟩/‖x‖². With more ink in the same places the factor is above 1."
        ),
        "the more, the more similar they are, some more than this digit": (
            "A digit x′ feels W dx · ⟨x, x′⟩/‖x‖²: above 1 for one with more ink in the same places."
        ),
    },
    correct="the more, the more similar they are, some more than this digit",
)


def _judge_cheapest(cheapest: Callable[[Tensor, Tensor, Tensor], Any]) -> str | None:
    if not callable(cheapest):
        return f"cheapest must be a function of W, dx and x, and yours is a {type(cheapest).__name__}."
    generator = torch.Generator().manual_seed(0)
    for m, n in [(48, 64), (3, 5), (7, 4)]:
        weight, dx, x = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((m, n), (n,), (n,)))
        inputs = [t.clone() for t in (weight, dx, x)]
        answer = attempted(cheapest(*inputs))
        if not all(torch.equal(a, b) for a, b in zip(inputs, (weight, dx, x), strict=True)):
            return "Your function changes its arguments; compute a new tensor instead."
        if complaint := _wrong_change(torch.as_tensor(answer, dtype=torch.float64), weight, dx, x):
            return complaint
    return None


def _wrong_change(answer: Tensor, weight: Tensor, dx: Tensor, x: Tensor) -> str | None:
    """What is wrong with a change of the weights that is to do W dx to x, if anything is."""
    right = torch.outer(weight @ dx, x) / (x @ x)
    if answer.shape == weight.T.shape != weight.shape and torch.allclose(answer.T, right):
        return (
            f"Transposed: your dW has shape {tuple(answer.shape)} and W has {tuple(weight.shape)}; W dx goes "
            f"down, x goes across."
        )
    if answer.shape != weight.shape:
        return f"Your dW has shape {tuple(answer.shape)}; it must have W's, {tuple(weight.shape)}."
    if torch.allclose(answer, right):
        return None
    if torch.allclose(answer, right * (x @ x)):
        return "The division by ‖x‖² is missing: dW x is ‖x‖² times too long."
    if torch.allclose(answer, right * x.norm()):
        return "You divided by ‖x‖; since x meets itself in dW x, it must be ‖x‖²."
    if torch.allclose(answer, torch.outer(weight @ x, dx) / (x @ x)) or torch.allclose(
        answer, torch.outer(weight @ x, dx)
    ):
        return "x and dx have changed places: dW must answer to x, and give what W gives for dx."
    if torch.allclose(answer @ x, weight @ dx):
        return (
            f"It does what it should, dW x = W dx, but it is not the cheapest: its length is {answer.norm():.3f}, "
            f"and {right.norm():.3f} is enough. What part of your dW does x not feel?"
        )
    return f"dW x is not W dx: they differ by {(answer @ x - weight @ dx).norm():.3f}."


cheapest = Exercise(
    "write_the_attack_into_the_weights/cheapest",
    _judge_cheapest,
    "It is the one of section 1: of all changes that do this to x, the shortest. Whatever else dW had, at "
    "right angles to x, x would never feel.",
    [
        "dW has a row for each unit. What must each row times x give?",
        "A row that is a multiple of x spends nothing on directions that x does not feel.",
        "The row of unit k is (W dx)_k · x / ‖x‖². All rows at once: torch.outer.",
    ],
)


def _judge_spare(spare: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    if not callable(spare):
        return f"spare must be a function of W, dx, x and other, and yours is a {type(spare).__name__}."
    generator = torch.Generator().manual_seed(1)
    for m, n in [(48, 64), (3, 5), (7, 4)]:
        weight, dx = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((m, n), (n,)))
        x, other = torch.rand(2, n, generator=generator, dtype=torch.float64)  # ink: never at right angles
        inputs = [t.clone() for t in (weight, dx, x, other)]
        answer = attempted(spare(*inputs))
        if not all(torch.equal(a, b) for a, b in zip(inputs, (weight, dx, x, other), strict=True)):
            return "Your function changes its arguments; compute a new tensor instead."
        answer = torch.as_tensor(answer, dtype=torch.float64)
        if answer.shape != weight.shape:
            return f"Your dW has shape {tuple(answer.shape)}; it must have W's, {tuple(weight.shape)}."
        if complaint := _not_spared(answer, weight, dx, x, other):
            return complaint
    return None


def _not_spared(answer: Tensor, weight: Tensor, dx: Tensor, x: Tensor, other: Tensor) -> str | None:
    """What is wrong with a change of the weights that is to do W dx to x and nothing to the other, if anything is."""
    v, part = weight @ dx, x - (x @ other) / (other @ other) * other  # the part of x that the other does not share
    right = torch.outer(v, part) / (part @ part)
    if torch.allclose(answer, right):
        return None
    if torch.allclose(answer, torch.outer(v, x) / (x @ x)):
        return f"This is the cheapest dW for x alone: the other digit feels {float(other @ x / (x @ x)):.2f} of it."
    if torch.allclose(answer, torch.outer(v, part) / (x @ x)):
        return (
            f"The other digit is spared, but dW x is too short: {float((answer @ x).norm() / v.norm()):.2f} of W dx. "
            "x meets only a part of itself in dW; by what must you divide?"
        )
    if not torch.allclose(answer @ x, v):
        return f"dW x is not W dx: they differ by {float((answer @ x - v).norm()):.3f}."
    if not torch.allclose(answer @ other, torch.zeros_like(v), atol=1e-9 * float(v.norm())):
        return (
            f"dW x is W dx, but the other digit still feels something: dW x' has length {(answer @ other).norm():.3f}."
        )
    return (
        f"It does what it should, to x and to the other digit, but its length is {answer.norm():.3f}, and "
        f"{right.norm():.3f} is enough. What part of your rows do neither x nor x' feel?"
    )


spare = Exercise(
    "write_the_attack_into_the_weights/spare",
    _judge_spare,
    "It is ‖x‖/‖p‖ = 1/sin(angle between x and x′) times as long as the cheapest dW: nearly free for a digit that "
    "looks quite different, expensive for a similar one, impossible for a multiple of x. A change of the weights that "
    "touches one digit only must pay for every digit that it spares.",
    [
        "Each row of dW must give 0 with x′. So which part of x may the rows be made of?",
        "p = x − ⟨x, x′⟩/‖x′‖² · x′ is at right angles to x′. Rows that are multiples of p spare x′.",
        "What is p · x? It is ‖p‖², not ‖x‖². So dW = W dx pᵀ/‖p‖².",
    ],
)

bet_on_the_points = Question(
    "Now a step for all points at once. In which case does every margin fall by the same amount?",
    {
        "when each point moves by eps": "Each goes straight to the line and loses eps · ‖w‖, wherever it stands.",
        "when the line moves by rho": (
            "It moves once for all: each point loses rho times its length along the direction of that step, and "
            "these lengths differ."
        ),
        "in both": "The line has one step for all points, and they lie at different lengths along it.",
    },
    correct="when each point moves by eps",
)

recall_ghost = Question(
    "In the weights, the perturbation looks like a faint copy of …",
    {
        "the perturbation dx": "dx is in there, but only through the numbers W dx, one for each unit.",
        "the digit x": "Each row of dW is a multiple of x: weights are changed along what they see.",
        "the class that the network says instead": "No class appears in dW = W dx xᵀ/‖x‖².",
    },
    correct="the digit x",
)

recall_rank = Question(
    "A first layer has 256 units on 64 pixels. What can be said for sure?",
    {
        "every perturbation of the pixels has its equal in the weights": (
            "dW = W dx xᵀ/‖x‖² exists for any W and any x that is not zero."
        ),
        "every perturbation of the weights has its equal in the pixels": (
            "256 numbers cannot all be steered by 64 pixels: most of it is out of reach."
        ),
        "neither": "One direction is always exact: from the pixels into the weights.",
    },
    correct="every perturbation of the pixels has its equal in the weights",
)

recall_units = Question(
    "“The weights moved by rho = 0.4 and the pixels by eps = 0.4: the same strength.” Is it?",
    {
        "yes, both are Euclidean lengths of 0.4": (
            "They are lengths in different spaces: in section 3 they take ρ‖x‖ and ε‖w‖ from the margin of a point."
        ),
        "no: only what they do compares": (
            "Section 3 compares what both take from the margin of a point: ε‖w‖ beside ρ‖x‖."
        ),
        "only for trained networks": "Training has no say in it. The two lengths live in different spaces.",
    },
    correct="no: only what they do compares",
)
