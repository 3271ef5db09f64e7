"""The exercises and questions of lesson 06, Dual is not equally strong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from samlib.course.exercise import Exercise, NotAttempted, Question, attempted

# --- each is the best in its own unit ---------------------------------------------------------------------------------


def rise_per_length(weight: Tensor, g: Tensor, alpha: float) -> tuple[float, float]:
    """How much the loss rises, to first order, along (W W^T)^alpha g, per length in features and in pixels.

    weight (m, n) of full row rank, g (m,). The pixels' length is that of the shortest change that does it.
    """
    left, sigmas, _ = torch.linalg.svd(weight, full_matrices=False)
    along = left.T @ g
    dz = sigmas ** (2 * alpha) * along  # in the axes of W Wᵀ
    rise = float(along @ dz)
    return rise / float(dz.norm()), rise / float((dz / sigmas).norm())


def _judge_steepness(steepness: Callable[[Tensor, Tensor, float], Any]) -> str | None:
    if not callable(steepness):
        return f"steepness must be a function of W, g and alpha, and yours is a {type(steepness).__name__}."
    generator = torch.Generator().manual_seed(0)
    for alpha in (0.0, 0.5, 1.0, 2.0):
        weight = torch.randn(4, 7, generator=generator, dtype=torch.float64)
        g = torch.randn(4, generator=generator, dtype=torch.float64)
        answer = attempted(steepness(weight.clone(), g.clone(), alpha))
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return (
                f"steepness must return two numbers, for features and pixels; yours returned {type(answer).__name__}."
            )
        if any(part is ... or part is None for part in answer):
            raise NotAttempted
        in_features, in_pixels = (float(part) for part in answer)
        if complaint := _wrong_steepness(in_features, in_pixels, weight, g, alpha):
            return f"At alpha = {alpha:g}: {complaint}"
    return None


def _wrong_steepness(in_features: float, in_pixels: float, weight: Tensor, g: Tensor, alpha: float) -> str | None:
    """What is wrong with the two rises, if anything is."""
    right = rise_per_length(weight, g, alpha)

    def close(a: float, b: float) -> bool:
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)

    if close(in_features, right[0]) and close(in_pixels, right[1]):
        return None
    if close(in_features, right[1]) and close(in_pixels, right[0]):
        return "the two have changed places: first the features, then the pixels."
    values, vectors = torch.linalg.eigh(weight @ weight.T)
    dz = vectors @ (values**alpha * (vectors.T @ g))
    rise = float(g @ dz)
    if close(in_features, rise) and close(in_pixels, rise):
        return "that is the rise for the whole perturbation. Divide by its length, once in each space."
    half = rise_per_length(weight, g, alpha / 2)
    if close(in_features, half[0]) and close(in_pixels, half[1]):
        return "that is the direction of half the alpha: along its axes (W Wᵀ)^alpha has the factors σ^(2 alpha)."
    if not close(in_features, right[0]):
        return f"per length in the features the loss rises by {right[0]:.4f}; yours says {in_features:.4f}."
    if close(in_pixels, rise / float((weight.T @ dz).norm())):
        return "the pixels' length is right for dx = Wᵀ dz, but that does not give W dx = dz: use the pseudo-inverse."
    return f"per length in the pixels the loss rises by {right[1]:.4f}; yours says {in_pixels:.4f}. How long is W⁺ dz?"


steepness = Exercise(
    "dual_is_not_equally_strong/steepness",
    _judge_steepness,
    "For any layer and any g: per length in the features alpha = 0 is the best, with a rise of ‖g‖, and per length in "
    "the pixels alpha = 1, with ‖Wᵀ g‖. Everything between is a compromise, and beyond 1 it is worse in both. Which "
    "of them is the stronger attack is a question of the unit, not of the direction.",
    [
        "The rise of the loss is ⟨g, dz⟩, to first order. Take any length of dz, and divide by it at the end.",
        "With W = U diag(σ) Vᵀ, (W Wᵀ)^alpha g is U (σ^(2 alpha) · Uᵀ g). The shortest dx with W dx = dz is W⁺ dz.",
        "dz = U @ (sigma ** (2 * alpha) * (U.T @ g)), dx = torch.linalg.pinv(W) @ dz; then g @ dz over the length of "
        "each.",
    ],
)


# --- what a share of a lead is worth ----------------------------------------------------------------------------------


def shares_of_the_lead(neither: float, direction: float, length: float, both: float) -> tuple[float, float]:
    """The direction's share of the lead of `both` over `neither`, changed first and changed last."""
    lead = both - neither
    return (direction - neither) / lead, (both - length) / lead


def _judge_shares(shares: Callable[[float, float, float, float], Any]) -> str | None:
    if not callable(shares):
        return f"shares must be a function of four accuracies, and yours is a {type(shares).__name__}."
    for table in ((0.30, 0.42, 0.36, 0.60), (0.2, 0.5, 0.25, 0.5), (0.40, 0.44, 0.52, 0.56)):
        answer = attempted(shares(*table))
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return f"shares must return two numbers, direction first and direction last; yours returned {answer!r}."
        if any(part is ... or part is None for part in answer):
            raise NotAttempted
        if complaint := _wrong_shares(float(answer[0]), float(answer[1]), table):
            return f"For the accuracies {', '.join(f'{value:g}' for value in table)}: {complaint}"
    return None


def _wrong_shares(first: float, last: float, table: tuple[float, float, float, float]) -> str | None:
    """What is wrong with the two shares, if anything is."""
    neither, direction, length, both = table
    right = shares_of_the_lead(*table)

    def close(a: float, b: float) -> bool:
        return math.isclose(a, b, abs_tol=1e-6)

    if close(first, right[0]) and close(last, right[1]):
        return None
    if close(first, right[1]) and close(last, right[0]):
        return "the two have changed places. Direction first goes from neither to direction."
    of_length = shares_of_the_lead(neither, length, direction, both)
    if close(first, of_length[0]) and close(last, of_length[1]):
        return (
            "those are the length's shares. The direction changes from neither to direction, and from length to both."
        )
    if close(first, right[0] * (both - neither)) and close(last, right[1] * (both - neither)):
        return "those are points; a share is of the whole lead, both minus neither."
    if not close(first, right[0]):
        return f"changed first, the direction gives {right[0]:.3f} of the lead; yours says {first:.3f}."
    return f"changed last, from length to both, the direction gives {right[1]:.3f} of the lead; yours says {last:.3f}."


shares = Exercise(
    "dual_is_not_equally_strong/shares",
    _judge_shares,
    "The two shares agree only where direction and length add up. Where they do not, a share of a lead is a sentence "
    "about an order that somebody chose.",
    [
        "The lead is both - neither. Write down the two ways from neither to both.",
        "Direction first: neither -> direction -> both. Direction last: neither -> length -> both.",
        "(direction - neither) / (both - neither) and (both - length) / (both - neither).",
    ],
)


# --- the predictions --------------------------------------------------------------------------------------------------

bet_on_alpha = Question(
    "Two perturbations of the same digit, equally long <i>in the features</i>: SAM's, and the attack's. Which raises "
    "the loss more?",
    {
        "the attack's": "It is the steepest for its length in pixels. Measured in features it is not the steepest.",
        "SAM's": "Its direction is g itself, the steepest in the features. Measured in pixels it is a poor one.",
        "both the same: they are dual": "Dual means that one can be written as the other. It does not make them "
        "equal, nor equally strong.",
    },
    correct="SAM's",
)

bet_on_the_training = Question(
    "Train with SAM's direction (alpha = 0), with the attack's (alpha = 1), and by adversarial training (AT), each "
    "with the length that suits it. Robust accuracy at l_inf 0.125 …",
    {
        "all three come out alike: they are dual": "Dual is not equally strong. The identity translates one "
        "perturbation; it says nothing of length, unit or ball.",
        "alpha = 1 beats alpha = 0, and AT in l_inf beats both": "The attack's direction is worth much, and it is not "
        "all: AT also starts at random, keeps to [0, 1], and fills the ball of the test.",
        "alpha = 1 is as good as AT in l_inf: it has the same direction": "It has the direction of an l_2 attack. Its "
        "length is counted in features, and it is tested in another ball.",
    },
    correct="alpha = 1 beats alpha = 0, and AT in l_inf beats both",
)

bet_on_the_ball = Question(
    "One step in the pixels, along SAM's direction or the attack's, made as long as an l_2 or an l_inf ball allows, "
    "each with its own eps. At l_inf 0.125, which change helps more?",
    {
        "from SAM's direction to the attack's": "Fourteen points in the l_2 ball, eight in the l_inf ball.",
        "from the l_2 ball to the l_inf ball": "Eight points along SAM's direction, two along the attack's: what the "
        "ball is worth depends on the direction.",
        "both alike": "The direction is worth more in the l_2 ball, and in the l_inf ball, too.",
    },
    correct="from SAM's direction to the attack's",
)

recall_strength = Question(
    "“SAM and adversarial training are dual, so they are equally strong.” Which part of it is left after this lesson?",
    {
        "all of it": "rho translates into two radii in pixels, and they differ by the condition number of the layer.",
        "in one layer, each perturbation of the one is one of the other; nothing is said about strength": "That is "
        "the identity. Strength depends on length, on direction, and on the number of steps.",
        "nothing": "The translation is exact, for every network, as long as the layer has full row rank.",
    },
    correct="in one layer, each perturbation of the one is one of the other; nothing is said about strength",
)

recall_shares = Question(
    "“The direction explains four fifths of the lead.” What do you answer?",
    {
        "that it was measured with too few seeds": "Perhaps, but more seeds would not close its other gap.",
        "in which order, and at which length?": "Direction first or last gives two shares wherever direction and "
        "length do not add up. The four numbers say more than any share.",
        "that the rest is luck": "The rest is ball, length and number of steps, each of which can be measured.",
    },
    correct="in which order, and at which length?",
)

recall_outgrown = Question(
    "A network is trained on feature perturbations of length 0.8 ‖x‖, in the attack's direction. How long are they in "
    "pixels at the end?",
    {
        "as long as at the start: r is fixed": "r is a length in the features. Training changes the layer that turns "
        "it into pixels.",
        "much shorter: the first layer has grown": "A layer with large singular values makes the same length in "
        "features out of a small change of the picture. No eps in pixels can be outgrown like that.",
        "much longer: the network has become more robust": "It has, and yet the perturbations are shorter: what is "
        "fixed is their length in features.",
    },
    correct="much shorter: the first layer has grown",
)
