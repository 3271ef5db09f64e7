"""The exercises of lesson 05, Why: one layer, two spaces."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course.exercise import Exercise, NotAttempted, Question, attempted
from samlib.duality import Layer, at_layer, dz_by_input, dz_by_sam_step, singular_range

# --- two layers, two kicks --------------------------------------------------------------------------------------------

GRADIENT = torch.tensor([2.0, 1.0], dtype=torch.float64)


def angle_between(a: Tensor, b: Tensor) -> float:
    """The angle between two vectors (d,), in degrees."""
    return float(torch.rad2deg(torch.acos(F.cosine_similarity(a, b, dim=0).clamp(-1, 1))))


def _layer_of_two(name: str, value: Any) -> Tensor | str:
    """A layer (2, 2) with an inverse, in float64, or what is wrong with it."""
    weight = torch.as_tensor(value, dtype=torch.float64)
    if weight.shape != (2, 2):
        return f"{name!r} has shape {tuple(weight.shape)}; it must be a layer from two pixels to two features, (2, 2)."
    if not bool(weight.isfinite().all()) or singular_range(weight)[0] == 0:
        return f"{name!r} must be finite and have an inverse: a stretch of 0 makes no ellipse."
    return weight


def _how_to_part(weight: Tensor, kappa: float) -> str:
    """Which way to turn the layer: the kicks are furthest apart where the tangent of long axis to g is kappa."""
    if kappa < 3.73:  # below 2 + sqrt(3) the furthest is less than 60 degrees
        return "That condition number is too small for 60°, however W is turned: take one closer to 4."
    turn = angle_between(GRADIENT, torch.linalg.svd(weight)[0][:, 0])
    turn = min(turn, 180 - turn)
    where = "further from" if turn < math.degrees(math.atan(kappa)) else "nearer to"
    return f"The long axis stands at {turn:.0f}° to g: turn it {where} g. (The best angle is not 45°.)"


def _judge_two_layers(answer: Mapping[str, Any]) -> str | None:
    if not isinstance(answer, Mapping) or set(answer) != {"same way", "apart"}:
        return "Give a dict with the keys 'same way' and 'apart', each with a matrix (2, 2)."
    if any(value is ... or value is None for value in answer.values()):
        raise NotAttempted
    found = {name: _layer_of_two(name, value) for name, value in answer.items()}
    for complaint in found.values():
        if isinstance(complaint, str):
            return complaint
    angle = {name: angle_between(GRADIENT, dz_by_input(w, GRADIENT, 1.0)) for name, w in found.items()}
    condition = {name: singular_range(w)[1] / singular_range(w)[0] for name, w in found.items()}
    if condition["same way"] < 5 - 1e-6:
        return (
            f"'same way': the condition number is {condition['same way']:.2f}, so ball and ellipse are too much alike; "
            "it must be at least 5."
        )
    if angle["same way"] > 1:
        return (
            f"'same way': the two kicks are {angle['same way']:.1f}° apart. W Wᵀ g must be a multiple of g: which directions "
            "does W Wᵀ not turn?"
        )
    if condition["apart"] > 4 + 1e-6:
        return f"'apart': the condition number is {condition['apart']:.2f}; with at most 4 it can be done."
    if angle["apart"] < 60:
        return f"'apart': the two kicks are only {angle['apart']:.1f}° apart. {_how_to_part(found['apart'], condition['apart'])}"
    return None


kicks = Exercise(
    "one_layer_two_spaces/kicks",
    _judge_two_layers,
    "So a ball and a long ellipse may give one kick, and a ball and a shorter one two that differ. The condition number is about all directions, "
    "the kicks are about this g. And 90° is out of reach: ⟨g, W Wᵀ g⟩ = ‖Wᵀ g‖² is positive, so each kick is uphill for the other.",
    [
        "layer(kappa, angle) of this lesson, with the angle of its long axis to g. Try it in the widget: the title says how far apart the kicks are.",
        "Same way: let the long axis, or the short one, point along g. Apart: neither.",
        "layer(5, 0) and layer(4, 75). (By hand: the kicks are furthest apart where the tangent of the angle is the condition number.)",
    ],
)


# --- what pixels cannot reach -----------------------------------------------------------------------------------------


def _judge_reach(reach: Callable[[Tensor, Tensor], Any]) -> str | None:
    if not callable(reach):
        return f"reach must be a function of W and dz, and yours is a {type(reach).__name__}."
    generator = torch.Generator().manual_seed(0)
    shapes = {"more outputs than pixels": (9, 4), "fewer outputs than pixels": (3, 7), "outputs that repeat": (6, 8)}
    for kind, (m, n) in shapes.items():
        weight = torch.randn(m, n, generator=generator, dtype=torch.float64)
        if kind == "outputs that repeat":
            weight[3:] = weight[:3] + weight[[1, 2, 0]]
        dz = torch.randn(m, generator=generator, dtype=torch.float64)
        inputs = [weight.clone(), dz.clone()]
        answer = attempted(reach(*inputs))
        if not (torch.equal(inputs[0], weight) and torch.equal(inputs[1], dz)):
            return "Your function changes its arguments; compute new tensors instead."
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return f"reach must return two tensors, dx and the rest; yours returned {type(answer).__name__}."
        if any(part is ... or part is None for part in answer):
            raise NotAttempted
        dx, rest = (torch.as_tensor(part, dtype=torch.float64) for part in answer)
        if complaint := _wrong_reach(dx, rest, weight, dz):
            return f"With {kind} ({m} outputs, {n} pixels): {complaint}"
    return None


def _wrong_reach(dx: Tensor, rest: Tensor, weight: Tensor, dz: Tensor) -> str | None:
    """What is wrong with the shortest dx that comes nearest to dz, and with what is left, if anything is."""
    right = torch.linalg.pinv(weight) @ dz
    left = dz - weight @ right
    if dx.shape != right.shape:
        return f"dx has shape {tuple(dx.shape)}; it must have one number for each pixel, {tuple(right.shape)}."
    if not torch.allclose(dx, right, atol=1e-6):
        if torch.allclose(dx, weight.T @ dz, atol=1e-6):
            return "Wᵀ dz is the direction of the attack, not the step that makes W dx equal to dz: use the pseudo-inverse."
        missed, least = float((dz - weight @ dx).norm()), float(left.norm())
        if missed < least + 1e-6:
            return (
                f"W dx comes as near to dz as it can, but dx is {float(dx.norm()):.3f} long and {float(right.norm()):.3f} "
                "is enough. What part of dx does W not see?"
            )
        return f"W dx misses dz by {missed:.3f}; it can be done with {least:.3f}."
    if rest.shape != left.shape:
        return f"the rest has shape {tuple(rest.shape)}; it is a change of the features, {tuple(left.shape)}."
    if torch.allclose(rest, left, atol=1e-6):
        return None
    if torch.allclose(rest, -left, atol=1e-6):
        return "the rest has the wrong sign: W dx + rest must be dz."
    if torch.allclose(rest, weight @ right, atol=1e-6):
        return "you returned the part that pixels do reach; the rest is what is left of dz."
    return "W dx and the rest do not add up to dz."


reach = Exercise(
    "one_layer_two_spaces/reach",
    _judge_reach,
    "Where a layer has more units than pixels, part of what its weights can do belongs to no picture, inside [0, 1] or outside. "
    "There the sandwich has no upper slice.",
    [
        "You look for the dx with W dx nearest to dz; where many come equally near, for the shortest. That is what a pseudo-inverse does.",
        "torch.linalg.pinv(W), or torch.linalg.lstsq. The rest is what W dx leaves of dz.",
        "dx = torch.linalg.pinv(W) @ dz, and the rest is dz - W @ dx.",
    ],
)


# --- eight digits -----------------------------------------------------------------------------------------------------


def losses_after_ascent(net: nn.Sequential, layer: Layer, y: Tensor, chosen: Sequence[int], rho: float) -> Tensor:
    """Losses of some digits before and after SAM's climb in the first layer, weights and bias, for these alone: (2, b).

    `layer` is `at_layer(net, x, y)` for all digits, and `net` as samlib.mlp makes it.
    """
    index = torch.as_tensor(chosen)
    moved = layer.z[index] + dz_by_sam_step(layer.g[index], layer.x[index], rho, bias=layer.bias is not None)
    rest = net[3:]  # after normalize, flatten, fc1
    with torch.no_grad():
        return torch.stack([F.cross_entropy(rest(z), y[index], reduction="none") for z in (layer.z[index], moved)])


def eight_digits(net: nn.Sequential, x: Tensor, y: Tensor, rho: float, want: int = 6) -> Exercise:
    """The exercise of the eight digits, on the network and the digits of the lesson; `rho` is the length of the climb."""
    layer = at_layer(net, x, y)

    def judge(answer: Iterable[int]) -> str | None:
        try:  # lists, ranges, arrays and tensors of whole numbers
            answer = [operator.index(i) for i in answer]
        except TypeError:
            return "Give a list of eight indices into x_test, whole numbers."
        if len(answer) != 8 or len(set(answer)) != 8:
            return f"That is {len(set(answer))} different digit(s); take eight."
        if not all(0 <= i < len(x) for i in answer):
            return f"Indices go from 0 to {len(x) - 1}."
        before, after = losses_after_ascent(net, layer, y, answer, rho)
        helped = int((after < before).sum())
        if helped >= want:
            return None
        rises = after - before
        worst = answer[int(rises.argmax())]
        return (
            f"The climb helps {helped} of the eight; at least {want} are asked for. The mean loss rises by {float(rises.mean()):.3f}, "
            f"most of it at digit {worst} (a {int(y[worst])}), whose loss was {float(before[rises.argmax()]):.3f} already."
        )

    return Exercise(
        "one_layer_two_spaces/eight digits",
        judge,
        "The climb is written by the digit with the largest gradient, and the others feel it by their similarity. Those that gain are of the "
        "class that the large one is mistaken for: making it look even more like them makes them surer of themselves. The mean rose all "
        "the same. An attack on the pixels gives each digit a kick of its own.",
        [
            "Whose gradient decides, in a sum of eight? Look at the losses: net(x_test).argmax(1) != y_test says which digits are misread.",
            "Take one misread digit. What does its loss want to rise for? Who would like that?",
            "One 8 that is read as a 1 and seven 1s; or one 0 read as a 4 and seven 4s: try a few misread digits, with digits of the class "
            "that they are mistaken for.",
        ],
    )


# --- the certificate --------------------------------------------------------------------------------------------------


def exact_radius(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """How far, in l_2, the nearest input lies that a linear classifier reads as another class; 0 where x is misread, (n,).

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
    y[::8] = (y[::8] + 1) % 5  # some are misread
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
        return f"Right where the input is read correctly. Where it is misread, no radius is safe: return 0, not {float(answer[~read][0]):.3f}."
    if not answer.any():
        return "All radii are 0: was the right class compared with itself?"
    gaps = (logits.gather(1, y[:, None]) - logits).scatter(1, y[:, None], torch.inf)
    normals = (weight[y][:, None] - weight).norm(dim=-1)
    no_bias = exact_radius(weight, torch.zeros_like(bias), x, y)
    runner_up = (gaps / normals).gather(1, gaps.argmin(1, keepdim=True))[:, 0]
    symptoms = {
        "You looked at the runner-up only. The class with the second largest logit need not be the nearest: a class further "
        "behind may have a steeper gap. Take the smallest ratio over all wrong classes.": runner_up,
        "Those would be right if b were 0: the scores are W x + b.": no_bias,
        "Those are gaps of logits. A gap closes by at most ‖W_y − W_j‖ for a change of length 1: divide by it.": gaps.amin(
            1
        ),
        "Divided by ‖W_j‖. What closes is the gap, logit_y − logit_j, and its slope is W_y − W_j.": (
            gaps / weight.norm(dim=1)
        ).amin(1),
        "Divided by ‖W_y − W_j‖ squared; a distance is the gap over the slope.": (gaps / normals**2).amin(1),
        "That is a valid certificate, but not the best one: it divides by √2 times the largest singular value of W, for all "
        "directions alike. Use the slope of each gap itself.": gaps.amin(1)
        / (2**0.5 * torch.linalg.matrix_norm(weight, 2)),
        "That is half of it. Half belongs to a Lipschitz bound of each logit by itself; here the gap's own slope is known.": right
        / 2,
    }
    for said, wrong in symptoms.items():
        if torch.allclose(answer[read], wrong[read]):
            return said
    worst = int(((answer - right).abs() * read).argmax())
    kind = (
        "too large: within it lies an input that is read as another class"
        if answer[worst] > right[worst]
        else "a valid certificate if it never exceeds the distance, but not the largest"
    )
    return f"For one input you certify {float(answer[worst]):.3f} where the distance to the nearest other class is {float(right[worst]):.3f}: {kind}."


radius = Exercise(
    "one_layer_two_spaces/radius",
    _judge_radius,
    "A proof, and an exact one: at this distance there is an input on the border, and below it there is none. In the picture below "
    "it takes nearly all of the gap away.",
    [
        "Class j wins where logit_y − logit_j falls to 0. That gap is linear in x. How fast can it fall for a change of length 1?",
        "By ‖W_y − W_j‖ at most. So it takes gap_j / ‖W_y − W_j‖, and an attacker may choose the j.",
        "For each wrong class gap_j / ‖W_y − W_j‖, the smallest of them, clamped at 0. Leave the right class out: there it is 0 / 0.",
    ],
)


# --- the predictions --------------------------------------------------------------------------------------------------

bet_on_the_shape = Question(
    "A layer stretches one direction of the feature plane four times as much as the other. Its weights reach a ball of features, the pixels an "
    "ellipse of the same area. Whose kick raises the loss more?",
    {
        "the weights', always: their ball reaches in every direction": "In every direction equally far; the ellipse's long end reaches further.",
        "the pixels', always: an ellipse reaches further": "Along its long axis. Across it, it is the shorter one.",
        "it depends on where the loss rises": "Along the long axis the pixels win, across it the weights. The layer says where pixels are strong.",
    },
    correct="it depends on where the loss rises",
)

bet_on_the_sandwich = Question(
    "The condition number (the largest stretch of the layer over its smallest) goes from 30 down to 1. What becomes of the three losses?",
    {
        "all three fall": "The middle one does not move at all: a ball of features does not ask how the layer stretches pixels.",
        "the two outer ones meet the middle one, which stays": "With one stretch for all directions the ellipse is a ball, and one radius of the pixels fits exactly.",
        "they stay apart: weights and pixels are different things": "Only in length. Where all stretches are equal, one factor translates rho into eps.",
    },
    correct="the two outer ones meet the middle one, which stays",
)

bet_on_the_batch = Question(
    "64 digits that look all alike, each with a gradient of its own, share one climb of the weights. What does a single digit feel?",
    {
        "a short push, up its own slope": "That is what digits get that do <i>not</i> look alike: they share the length and keep the direction.",
        "a push of full length, and for many of them it goes down": "All feel the same push, as long as if it were theirs alone, in the direction of the batch.",
        "a push of full length, up its own slope": "One matrix cannot push look-alikes into 64 different directions.",
    },
    correct="a push of full length, and for many of them it goes down",
)

bet_on_alpha = Question(
    "Two kicks of the same digit, equally long <i>in the features</i>: SAM's, and the attack's. Which raises the loss more?",
    {
        "the attack's": "It is the steepest for its length in pixels. Measured in features it is not the steepest.",
        "SAM's": "Its direction is g itself, the steepest in the features. Measured in pixels it is a poor one.",
        "both the same: they are dual": "Dual means that one can be written as the other. It does not make them equal, nor equally strong.",
    },
    correct="SAM's",
)

bet_on_the_training = Question(
    "Train with SAM's aim (alpha = 0), with the attack's aim (alpha = 1), and by adversarial training (AT), each with the length that suits it. "
    "Robust accuracy at l_inf 0.125 …",
    {
        "all three come out alike: they are dual": "Dual is not equally strong. The identity translates one kick; it says nothing of length, unit or ball.",
        "alpha = 1 beats alpha = 0, and AT in l_inf beats both": "The attack's aim is worth much, and it is not all: AT also knows how far to go, and in which ball.",
        "alpha = 1 is as good as AT in l_inf: it has the same aim": "It has the aim of an l_2 attack. Its length is counted in features, and it is tested in another ball.",
    },
    correct="alpha = 1 beats alpha = 0, and AT in l_inf beats both",
)

bet_on_the_proof = Question(
    "Five attacks of 40 steps each fail on a digit at eps = 0.5. What has been proved?",
    {
        "that no change of length 0.5 makes the network err on it": "Nobody has looked at all of them. An attack looks at a few hundred.",
        "nothing": "A stronger attack may find tomorrow what these missed. A proof needs a bound on everything that could happen.",
        "that it is safe against these five kinds of attack, from any start": "Not even that: another random start may end elsewhere.",
    },
    correct="nothing",
)

recall_strength = Question(
    "“SAM and adversarial training are dual, so they are equally strong.” Which part of it survives this lesson?",
    {
        "all of it": "The sandwich has two radii, and they differ by the condition number of the layer.",
        "in one layer, each kick of the one is a kick of the other; nothing is said about strength": "That is the theorem. Strength depends on length, on aim, and on how often one looks again.",
        "nothing": "The translation is exact, for every network, as long as the layer has full row rank.",
    },
    correct="in one layer, each kick of the one is a kick of the other; nothing is said about strength",
)

recall_units = Question(
    "rho = 0.1 for the weights of a first layer. Which eps is “the same”, for a digit x?",
    {
        "0.1": "rho and eps are lengths in different spaces.",
        "rho ‖x‖ over the largest stretch of the layer": "With that eps the pixels reach only a part of what the weights reach: the lower slice of the sandwich.",
        "none: there are two, one that is surely weaker and one that is surely as strong": "rho ‖x‖ / σ_max and rho ‖x‖ / σ_min. They are one only if all stretches are equal.",
    },
    correct="none: there are two, one that is surely weaker and one that is surely as strong",
)

recall_certificate = Question(
    "Network A has the larger certified share, network B the larger share that no attack breaks. Which is more robust?",
    {
        "A: a proof counts, an attack does not": "A's proof is a lower bound. B may be better, and its bound merely looser.",
        "B: what counts is what attackers achieve": "What these attackers achieve. Another one may break more.",
        "the two numbers do not say": "True robustness lies between the two numbers of each network, and the intervals overlap.",
    },
    correct="the two numbers do not say",
)
