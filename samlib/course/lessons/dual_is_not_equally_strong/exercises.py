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


# --- the certificate --------------------------------------------------------------------------------------------------


def exact_radius(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """How far, in l_2, the nearest input of another class lies, for a linear classifier; 0 if misclassified, (n,).

    weight (c, d), bias (c,), x (n, d), y (n,). Class j ties with y on a plane with the normal W_y - W_j.
    """
    logits = x @ weight.T + bias
    gaps = logits.gather(1, y[:, None]) - logits
    normals = (weight[y][:, None] - weight).norm(dim=-1)
    distances = torch.where(normals > 0, gaps / normals, torch.inf).scatter(1, y[:, None], torch.inf)
    return distances.amin(1).clamp(min=0)


def _judge_radius(radius: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> str | None:
    if not callable(radius):
        return f"radius must be a function of W, b, x and y, and yours is a {type(radius).__name__}."
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((5, 7), (5,), (40, 7)))
    weight *= torch.tensor([0.3, 3.0, 1.0, 1.0, 0.6], dtype=torch.float64)[:, None]  # the nearest is not the runner-up
    y = (x @ weight.T + bias).argmax(1)
    y[::8] = (y[::8] + 1) % 5  # some are misclassified
    answer = attempted(radius(weight.clone(), bias.clone(), x.clone(), y.clone()))
    answer = torch.as_tensor(answer, dtype=torch.float64)
    if answer.shape != y.shape:
        return f"radius returned shape {tuple(answer.shape)} for 40 inputs; it must be (40,), a radius for each."
    return _wrong_radius(answer, weight, bias, x, y)


def _wrong_radius(answer: Tensor, weight: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> str | None:
    """What is wrong with the certified radii of a linear classifier, if anything is."""
    right = exact_radius(weight, bias, x, y)
    if torch.allclose(answer, right):
        return None
    if answer.isnan().any():
        return "Some radii are not a number: is the right class compared with itself, 0 / 0?"
    read, logits = right > 0, x @ weight.T + bias
    if torch.allclose(answer[read], right[read]):
        return (
            "Right where the input is classified correctly. Where it is misclassified, no radius is safe: return 0, "
            f"not {float(answer[~read][0]):.3f}."
        )
    if not answer.any():
        return "All radii are 0: was the right class compared with itself?"
    gaps = (logits.gather(1, y[:, None]) - logits).scatter(1, y[:, None], torch.inf)
    normals = (weight[y][:, None] - weight).norm(dim=-1)
    no_bias = exact_radius(weight, torch.zeros_like(bias), x, y)
    runner_up = (gaps / normals).gather(1, gaps.argmin(1, keepdim=True))[:, 0]
    symptoms = {
        "You looked at the runner-up only. The class with the second largest logit need not be the nearest: a class "
        "further "
        "behind may have a steeper gap. Take the smallest ratio over all wrong classes.": runner_up,
        "Those would be right if b were 0: the scores are W x + b.": no_bias,
        "Those are gaps of logits. A change of length 1 closes one by ‖W_y − W_j‖ at most: divide by it.": gaps.amin(1),
        "Divided by ‖W_j‖. What closes is the gap, logit_y − logit_j, and its slope is W_y − W_j.": (
            gaps / weight.norm(dim=1)
        ).amin(1),
        "Divided by ‖W_y − W_j‖ squared; a distance is the gap over the slope.": (gaps / normals**2).amin(1),
        "That is a valid certificate, but not the best one: it divides by √2 times the largest singular value of W, "
        "for all "
        "directions alike. Use the slope of each gap itself.": gaps.amin(1)
        / (2**0.5 * torch.linalg.matrix_norm(weight, 2)),
        "That is half of it. Half belongs to a Lipschitz bound of each logit by itself; here the gap's own slope is "
        "known.": right / 2,
    }
    for said, wrong in symptoms.items():
        if torch.allclose(answer[read], wrong[read]):
            return said
    worst = int(((answer - right).abs() * read).argmax())
    kind = (
        "too large: within it lies an input that is classified otherwise"
        if answer[worst] > right[worst]
        else "a valid certificate if it never exceeds the distance, but not the largest"
    )
    return (
        f"For one input you certify {float(answer[worst]):.3f} where the distance to the nearest other class is "
        f"{float(right[worst]):.3f}: {kind}."
    )


radius = Exercise(
    "dual_is_not_equally_strong/radius",
    _judge_radius,
    "A proof, and an exact one: at this distance there is an input on the border, and below it there is none. In the "
    "picture below it takes nearly all of the gap away.",
    [
        "Class j wins where logit_y − logit_j falls to 0. That gap is linear in x. How fast can it fall for a change "
        "of length 1?",
        "By ‖W_y − W_j‖ at most. So it takes gap_j / ‖W_y − W_j‖, and an attacker may choose the j.",
        "For each wrong class gap_j / ‖W_y − W_j‖, the smallest of them, clamped at 0. Leave the right class out: "
        "there it is 0 / 0.",
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
        "all: AT also knows how far to go, and in which ball.",
        "alpha = 1 is as good as AT in l_inf: it has the same direction": "It has the direction of an l_2 attack. Its "
        "length is counted in features, and it is tested in another ball.",
    },
    correct="alpha = 1 beats alpha = 0, and AT in l_inf beats both",
)

bet_on_the_proof = Question(
    "Five attacks of 40 steps each fail on a digit at eps = 0.5. What has been proved?",
    {
        "that no change of length 0.5 makes the network err on it": "Nobody has looked at all of them. An attack "
        "looks at a few hundred.",
        "nothing": "A stronger attack may find tomorrow what these missed. A proof needs a bound on everything that "
        "could happen.",
        "that it is safe against these five kinds of attack, from any start": "Not even that: another random start "
        "may end elsewhere.",
    },
    correct="nothing",
)

recall_strength = Question(
    "“SAM and adversarial training are dual, so they are equally strong.” Which part of it survives this lesson?",
    {
        "all of it": "The sandwich has two radii, and they differ by the condition number of the layer.",
        "in one layer, each perturbation of the one is one of the other; nothing is said about strength": "That is "
        "the theorem. Strength depends on length, on direction, and on the number of steps.",
        "nothing": "The translation is exact, for every network, as long as the layer has full row rank.",
    },
    correct="in one layer, each perturbation of the one is one of the other; nothing is said about strength",
)

recall_certificate = Question(
    "Network A has the larger certified share, network B the larger share that no attack breaks. Which is more robust?",
    {
        "A: a proof counts, an attack does not": "A's proof is a lower bound. B may be better, and its bound merely "
        "looser.",
        "B: what counts is what attackers achieve": "What these attackers achieve. Another one may break more.",
        "the two numbers do not say": "True robustness lies between the two numbers of each network, and the "
        "intervals overlap.",
    },
    correct="the two numbers do not say",
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
