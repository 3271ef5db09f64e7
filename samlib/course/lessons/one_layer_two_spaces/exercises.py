"""The exercises and questions of lesson 05, One layer, two spaces."""

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

# --- two layers, two steps --------------------------------------------------------------------------------------------

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
        return f"{name!r} must be finite and have an inverse: a singular value of 0 makes no ellipse."
    return weight


def _how_to_part(weight: Tensor, kappa: float) -> str:
    """Which way to turn the layer: the steps are furthest apart where tan(angle) is kappa."""
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
    found: dict[str, Tensor] = {}
    for name, value in answer.items():
        weight = _layer_of_two(name, value)
        if isinstance(weight, str):
            return weight
        found[name] = weight
    angle = {name: angle_between(GRADIENT, dz_by_input(w, GRADIENT, 1.0)) for name, w in found.items()}
    condition = {name: singular_range(w)[1] / singular_range(w)[0] for name, w in found.items()}
    if condition["same way"] < 5 - 1e-6:
        return (
            f"'same way': the condition number is {condition['same way']:.2f}, so ball and ellipse are too much "
            "alike; it must be at least 5."
        )
    if angle["same way"] > 1:
        return (
            f"'same way': the two steps are {angle['same way']:.1f}° apart. W Wᵀ g must be a multiple of g: which "
            "directions does W Wᵀ not turn?"
        )
    if condition["apart"] > 4 + 1e-6:
        return f"'apart': the condition number is {condition['apart']:.2f}; with at most 4 it can be done."
    if angle["apart"] < 60:
        how = _how_to_part(found["apart"], condition["apart"])
        return f"'apart': the two steps are only {angle['apart']:.1f}° apart. {how}"
    return None


steps = Exercise(
    "one_layer_two_spaces/steps",
    _judge_two_layers,
    "So a ball and a long ellipse may give one step, and a ball and a shorter one two that differ. The condition "
    "number is about all directions, the steps are about this g. And 90° is out of reach: ⟨g, W Wᵀ g⟩ = ‖Wᵀ g‖² is "
    "positive, so each step is uphill for the other.",
    [
        "layer(kappa, angle) of this lesson, with the angle of its long axis to g. Try it in the widget: its headings "
        "say how far apart the steps are.",
        "Same way: let the long axis, or the short one, point along g. Apart: neither.",
        "layer(5, 0) and layer(4, 75). (By hand: the steps are furthest apart where the tangent of the angle is the "
        "condition number.)",
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
            return (
                "Wᵀ dz is the direction of the attack, not the step that makes W dx equal to dz: use the "
                "pseudo-inverse."
            )
        missed, least = float((dz - weight @ dx).norm()), float(left.norm())
        if missed < least + 1e-6:
            return (
                f"W dx comes as near to dz as it can, but dx is {float(dx.norm()):.3f} long and "
                f"{float(right.norm()):.3f} is enough. What part of dx does W not see?"
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
    "Where a layer has more units than pixels, part of what its weights can do belongs to no picture, inside [0, 1] "
    "or outside. There the sandwich has no upper slice.",
    [
        "You look for the dx with W dx nearest to dz; where many come equally near, for the shortest. That is what a "
        "pseudo-inverse does.",
        "torch.linalg.pinv(W), or torch.linalg.lstsq. The rest is what W dx leaves of dz.",
        "dx = torch.linalg.pinv(W) @ dz, and the rest is dz - W @ dx.",
    ],
)


# --- eight digits -----------------------------------------------------------------------------------------------------


def losses_after_ascent(net: nn.Sequential, layer: Layer, y: Tensor, chosen: Sequence[int], rho: float) -> Tensor:
    """Losses of some digits before and after SAM's step in the first layer, weights and bias, for these alone, (2, b).

    `layer` is `at_layer(net, x, y)` for all digits, and `net` as samlib.mlp makes it.
    """
    index = torch.as_tensor(chosen)
    moved = layer.z[index] + dz_by_sam_step(layer.g[index], layer.x[index], rho, bias=layer.bias is not None)
    rest = net[3:]  # after normalize, flatten, fc1
    with torch.no_grad():
        return torch.stack([F.cross_entropy(rest(z), y[index], reduction="none") for z in (layer.z[index], moved)])


def eight_digits(net: nn.Sequential, x: Tensor, y: Tensor, rho: float, want: int = 6) -> Exercise:
    """The exercise of the eight digits, on the lesson's network and digits; `rho` is the length of the step."""
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
            f"The step helps {helped} of the eight; at least {want} are asked for. The mean loss rises by "
            f"{float(rises.mean()):.3f}, most of it at digit {worst} (a {int(y[worst])}), whose loss was "
            f"{float(before[rises.argmax()]):.3f} already."
        )

    return Exercise(
        "one_layer_two_spaces/eight digits",
        judge,
        "The step is written by the digit with the largest gradient, and the others feel it by their similarity. "
        "Those that gain are of the class that the large one is mistaken for: making it look even more like them "
        "makes them surer of themselves. The mean rose all the same. An attack on the pixels gives each digit a "
        "perturbation of its own.",
        [
            "Whose gradient decides, in a sum of eight? Look at the losses: net(x_test).argmax(1) != y_test says "
            "which digits are misclassified.",
            "Take one misclassified digit. What does its loss want to rise for? Who would like that?",
            "One 8 that is taken for a 1 and seven 1s; or one 0 taken for a 4 and seven 4s: try a few misclassified "
            "digits, with digits of the class that they are mistaken for.",
        ],
    )


# --- the predictions --------------------------------------------------------------------------------------------------

bet_on_the_shape = Question(
    "A layer stretches one direction of the feature plane four times as much as the other. Its weights reach a ball "
    "of features, the pixels an ellipse of the same area. Whose step raises the loss more?",
    {
        "the weights', always: their ball reaches in every direction": "In every direction equally far; the ellipse's "
        "long end reaches further.",
        "the pixels', always: an ellipse reaches further": "Along its long axis. Across it, it is the shorter one.",
        "it depends on where the loss rises": "Along the long axis the pixels win, across it the weights. The layer "
        "says where pixels are strong.",
    },
    correct="it depends on where the loss rises",
)

bet_on_the_sandwich = Question(
    "The condition number (the largest singular value of the layer over its smallest) goes from 30 down to 1. What "
    "becomes of the three losses?",
    {
        "all three fall": "The middle one does not move at all: a ball of features does not ask how the layer "
        "stretches pixels.",
        "the two outer ones meet the middle one, which stays": "With one singular value for all directions the "
        "ellipse is a ball, and one radius of the pixels fits exactly.",
        "they stay apart: weights and pixels are different things": "Only in length. Where all singular values are "
        "equal, one factor translates rho into eps.",
    },
    correct="the two outer ones meet the middle one, which stays",
)

bet_on_the_batch = Question(
    "64 digits that look all alike, each with a gradient of its own, share one ascent step of the weights. What does "
    "a single digit feel?",
    {
        "a short push, up its own slope": "That is what digits get that do <i>not</i> look alike: they share the "
        "length and keep the direction.",
        "a push of full length, and for many of them it goes down": "All feel the same push, as long as if it were "
        "theirs alone, in the direction of the batch.",
        "a push of full length, up its own slope": "One matrix cannot push look-alikes into 64 different directions.",
    },
    correct="a push of full length, and for many of them it goes down",
)

recall_units = Question(
    "rho = 0.1 for the weights of a first layer. Which eps is “the same”, for a digit x?",
    {
        "0.1": "rho and eps are lengths in different spaces.",
        "rho ‖x‖ over the largest singular value of the layer": "With that eps the pixels reach only a part of what "
        "the weights reach: the lower slice of the sandwich.",
        "none: there are two, one that is surely weaker and one that is surely as strong": "rho ‖x‖ / σ_max and rho "
        "‖x‖ / σ_min. They are one only if all singular values are equal.",
    },
    correct="none: there are two, one that is surely weaker and one that is surely as strong",
)

recall_ball = Question(
    "Which of the two sets is a ball, and which an ellipse?",
    {
        "what the weights reach is the ball, what the pixels reach the ellipse": "In the plane of the features it is "
        "so. In that of the pixels it is the other way round.",
        "each is a ball in one of the two spaces, and an ellipse in the other": "Weights reach a ball of features, "
        "pixels a ball of pixels, and W turns the one picture into the other.",
        "both are balls: they are dual": "Only where all singular values of the layer are equal.",
    },
    correct="each is a ball in one of the two spaces, and an ellipse in the other",
)

recall_batch = Question(
    "SAM makes one ascent step for a batch of digits that look alike. What does a digit lose by that?",
    {
        "most of the length of its feature perturbation": "That is lost where inputs have nothing in common. Digits "
        "have a cosine of 0.7 on average.",
        "the direction: for many digits the loss falls": "Look-alikes get the same perturbation, whichever way their "
        "own gradients point.",
        "nothing: the mean loss rises": "It does, to first order. The loss of many a single digit falls all the same.",
    },
    correct="the direction: for many digits the loss falls",
)
