"""The exercises and questions of lesson 05, One layer, two spaces."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.course.exercise import Exercise, NotAttempted, Question
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
            f"The step lowers the loss of {helped} of the eight; at least {want} are asked for. The mean loss rises by "
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


# --- a run that could refute ------------------------------------------------------------------------------------------

NETWORKS = ("48-48", "256-256", "ResNet")
FIELDS = {
    "network": NETWORKS,
    "perturb": ("first layer", "later layers", "all layers"),
    "against": ("SGD", "SAM on all layers"),
    "rho": ("0.4", "chosen on validation images"),
    "refuted if": ("higher", "not higher", "lower", "not lower"),
}
_MEANS = {"higher": {1}, "not higher": {0, -1}, "lower": {-1}, "not lower": {0, 1}}
_WORDS = {1: "higher", 0: "equal", -1: "lower"}
# what the explanation says will come out: robust accuracy against the other run, beyond the interval
_EXPECTED = {
    ("first layer", "SGD"): {1},
    ("first layer", "SAM on all layers"): {0, 1},
    ("later layers", "SGD"): {0, -1},
    ("later layers", "SAM on all layers"): {-1},
}


def _judge_design(design: Mapping[str, Any]) -> str | None:
    if not isinstance(design, Mapping) or set(design) != set(FIELDS):
        return f"Give a dict with the keys {', '.join(map(repr, FIELDS))}."
    if any(value is ... or value is None for value in design.values()):
        raise NotAttempted
    for field, options in FIELDS.items():
        if str(design[field]) not in options:
            return f"{field!r} is {design[field]!r}; it must be one of {', '.join(map(repr, options))}."
    return _cannot_refute(*(str(design[field]) for field in FIELDS))


def _cannot_refute(network: str, perturb: str, against: str, rho: str, outcome: str) -> str | None:
    """Why this outcome of this run leaves the explanation where it was, if it does."""
    if perturb == "all layers" and against == "SAM on all layers":
        return "That compares a run with itself."
    if perturb == "all layers":
        return (
            "With all layers perturbed at once, a gain may be any layer's; and without a gain there is nothing to "
            "explain. Perturb the first layer alone, or leave it alone."
        )
    expected, refuting = _EXPECTED[perturb, against], _MEANS[outcome]
    if allowed := expected & refuting:
        said = " or ".join(_WORDS[one] for one in sorted(allowed))
        return (
            f"The explanation itself allows this: with the {perturb} perturbed it lets robust accuracy be {said} "
            f"against {against}. An outcome that it allows cannot refute it."
        )
    if perturb == "first layer" and network != "48-48":
        why = "its first layer is a convolution" if network == "ResNet" else "it has more units than pixels"
        return (
            f"A missing gain could be excused on the {network} network: {why}, so part of the step is no change of any "
            "picture. Take the network where the translation is exact."
        )
    if rho == "0.4":
        return (
            "At one rho, against runs that nobody tuned, such an outcome may be the fault of that rho, which does not "
            "mean the same in one layer as in all, or of the other run's settings. Give each run its best, chosen on "
            "validation images."
        )
    return None


refute = Exercise(
    "one_layer_two_spaces/refute",
    _judge_design,
    "This outcome would contradict the explanation, and nothing else in the run would excuse it. Lesson 03 has "
    "measured such runs on two kinds of network: hold its table of layers against your design before you believe the "
    "explanation. And name splits, seeds and the attack beforehand.",
    [
        "Write down first what the explanation says must come out: with the first layer alone, and without it.",
        "An outcome refutes only if the explanation forbids it. Which of the two runs must show no gain over SGD?",
        "Perturb the later layers only, against SGD: the explanation allows no gain there. Or the first layer only, on "
        "the network whose translation is exact, each run with its best rho: there it allows no missing gain.",
    ],
)


# --- the predictions --------------------------------------------------------------------------------------------------

bet_on_the_shape = Question(
    "One singular value of a layer is four times the other. Its weights reach a ball of features, the pixels an "
    "ellipse of the same area. Whose step raises the loss more?",
    {
        "the weights', always: their ball reaches in every direction": "In every direction equally far; the ellipse's "
        "long end reaches further.",
        "the pixels', always: an ellipse reaches further": "Along its long axis. Across it, it is the shorter one.",
        "it depends on where the loss rises": "Along the long axis the pixels win, across it the weights. The layer "
        "says where pixels are strong.",
    },
    correct="it depends on where the loss rises",
)

bet_on_the_way_back = Question(
    "SAM's ascent step for one digit, written as a change dx of its pixels; and an attack whose change of the pixels "
    "is exactly as long. After which of the two is the loss higher?",
    {
        "after SAM's: it goes straight uphill": "In the weights it does. Carried into the pixels it is turned towards "
        "small singular values, where much change does little.",
        "equally high: the two are dual": "Dual means that each can be written as the other, not that equal lengths do "
        "equally much.",
        "after the attack's": "To first order no change of the pixels of that length raises the loss more. Move the "
        "controls to see how much more.",
    },
    correct="after the attack's",
)

bet_on_the_sandwich = Question(
    "The condition number goes from 30 down to 1. What becomes of the three losses?",
    {
        "all three fall": "The middle one does not move at all: the weights' ball of features does not depend on the "
        "singular values.",
        "the two outer ones meet the middle one, which stays": "With one singular value for all directions the "
        "ellipse is a ball, and one radius of the pixels fits exactly.",
        "they stay apart: weights and pixels are different things": "Only in length. Where all singular values are "
        "equal, one factor translates rho into eps.",
    },
    correct="the two outer ones meet the middle one, which stays",
)

bet_on_the_batch = Question(
    "64 digits that look all alike, each with a gradient of its own, share one ascent step of the weights. What "
    "becomes of a single digit's perturbation?",
    {
        "it is short, and goes up its own slope": "So it is for digits that do <i>not</i> look alike: they share the "
        "length and keep the direction.",
        "it has full length, and for many digits it goes downhill": "All get the same perturbation, as long as if it "
        "were theirs alone, in the direction of the batch.",
        "it has full length, and goes up its own slope": "One matrix cannot move look-alikes in 64 directions.",
    },
    correct="it has full length, and for many digits it goes downhill",
)

recall_units = Question(
    "rho = 0.1 for the weights of a first layer. Which eps is “the same”, for a digit x?",
    {
        "0.1": "rho and eps are lengths in different spaces.",
        "rho ‖x‖ over the largest singular value of the layer": "With that eps the pixels reach only a part of what "
        "the weights reach: it gives the lower bound.",
        "none: there are two, one surely no stronger and, at full row rank, one surely no weaker": "rho ‖x‖ / σ_max "
        "and rho ‖x‖ / σ_min. They are one only if all singular values are equal.",
    },
    correct="none: there are two, one surely no stronger and, at full row rank, one surely no weaker",
)

recall_flat = Question(
    "At some digits a network's loss is flat in its first layer's weights: each digit's own gradient there is small, "
    "and so are the layer's singular values. What is proved about its robustness?",
    {
        "no attack within eps = 0.1 succeeds": "A gradient says nothing about a finite step: the loss may bend upwards "
        "just beyond.",
        "nothing: flatness and robustness have nothing in common": "The input gradient is bounded, by σ_max times the "
        "weight gradient over ‖x‖.",
        "its input gradient at these digits is small": "That is all: a statement about the digit itself, and locally "
        "around it.",
    },
    correct="its input gradient at these digits is small",
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
