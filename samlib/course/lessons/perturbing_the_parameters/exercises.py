"""The exercises of lesson 02, Perturbing the parameters, and its questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from samlib.course.exercise import Exercise, Question, attempted
from samlib.course.lessons.perturbing_the_parameters.sam_by_hand import judge_sam_step

# ---- SAM by hand -----------------------------------------------------------------------------------------------------

sam_step = Exercise(
    "perturbing_the_parameters/sam step",
    judge_sam_step,
    "Two passes, one ascent step of length rho, the way back, and a step of any optimizer. This is all of SAM.",
    [
        (
            "The order: loss and gradient here; move all weights by rho * g / ‖g‖; loss and gradient there; move "
            "back; optimizer.step()."
        ),
        (
            "‖g‖ is one number for the whole network: torch.cat([g.flatten() for g in gradients]).norm(). Change "
            "weights in torch.no_grad()."
        ),
        "Take the first gradients with torch.autograd.grad(loss, weights), which leaves .grad alone; clear .grad "
        "with optimizer.zero_grad(), then backward() at the perturbed weights. Keep copies of the weights and "
        "w.copy_() them back.",
    ],
)

# ---- the rescaling ---------------------------------------------------------------------------------------------------

Layers = Sequence[tuple[Tensor, Tensor]]


def _run_layers(layers: Layers, x: Tensor) -> Tensor:
    for i, (weight, bias) in enumerate(layers):
        x = F.linear(x if i == 0 else x.relu(), weight, bias)
    return x


def _judge_rescaling(rescale_layers: Callable[[Layers, float], Any]) -> str | None:
    if not callable(rescale_layers):
        return f"rescale_layers must be a function of layers and a, and yours is a {type(rescale_layers).__name__}."
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    sizes = [(9, 6), (8, 9), (4, 8)]
    layers = [(draw(out, into), draw(out)) for out, into in sizes]
    x = draw(40, 6)
    logits = _run_layers(layers, x)
    for a in (0.2, 5.0):
        given = [(w.clone(), b.clone()) for w, b in layers]
        answer = attempted(rescale_layers(given, a))
        if any(
            not torch.equal(p, q) for old, new in zip(layers, given, strict=True) for p, q in zip(old, new, strict=True)
        ):
            return "Your function changes the layers that it is given; return new tensors instead."
        try:
            found = [(torch.as_tensor(w).detach(), torch.as_tensor(b).detach()) for w, b in answer]
        except (TypeError, ValueError):
            return "rescale_layers must return what it was given: a list of three pairs (weight, bias)."
        shapes = [(tuple(w.shape), tuple(b.shape)) for w, b in found]
        if shapes != [((out, into), (out,)) for out, into in sizes]:
            return f"The shapes must stay as they are; yours are {shapes}."
        if complaint := _wrong_rescaling(found, layers, a, float((_run_layers(found, x) - logits).abs().max())):
            return complaint
    return None


def _wrong_rescaling(found: Layers, layers: Layers, a: float, change: float) -> str | None:
    def times(k: int, j: int, factor: float) -> bool:
        return torch.allclose(found[k][j], factor * layers[k][j])

    if not times(0, 0, a):
        return f"The first layer's weight matrix must be multiplied by a = {a:g}; yours is not."
    if change < 1e-9:
        return None
    if times(0, 1, 1):
        return (
            f"The logits change by up to {change:.2f}. The first bias is as it was: ReLU(a W x + b) is not a ReLU(W x "
            "+ b). All that enters the ReLU must grow by a."
        )
    if times(1, 0, a):
        return (
            f"The logits change by up to {change:.2f}: the second layer must undo the factor, and you multiplied by "
            "it again."
        )
    if times(1, 0, 1) and times(2, 0, 1):
        return f"The logits change by up to {change:.2f}: nothing after the first layer undoes the factor a."
    if times(1, 0, 1 / a) and times(1, 1, 1 / a):
        return (
            f"The logits change by up to {change:.2f}. You divided the second bias too, but it never met the factor: "
            "W2 (a h) / a + b2 is already what it was."
        )
    return f"The logits change by up to {change:.2f}; they must not change at all."


rescale_layers = Exercise(
    "perturbing_the_parameters/rescale layers",
    _judge_rescaling,
    (
        "Another network in weight space, the same one to everybody who uses it. A number that tells the two apart "
        "is not about the function."
    ),
    [
        "ReLU(a z) = a ReLU(z) for a > 0. What is z in the first layer? It is W1 x + b1.",
        (
            "The second layer now receives a times what it did. What undoes that, and what in the second layer never "
            "sees it?"
        ),
        "W1 and b1 times a, W2 divided by a, all else as it was.",
    ],
)

# ---- a step that no rescaling fools ----------------------------------------------------------------------------------


def _judge_relative_step(relative_step: Callable[[list[Tensor], list[Tensor], float], Any]) -> str | None:
    if not callable(relative_step):
        return (
            "relative_step must be a function of weights, gradients and rho, and yours is a "
            f"{type(relative_step).__name__}."
        )
    generator = torch.Generator().manual_seed(0)
    networks: list[tuple[list[tuple[int, ...]], float]] = [
        ([(5, 3), (5,), (2, 5), (2,)], 0.1),
        ([(4, 4), (3, 4)], 0.5),
    ]
    for shapes, rho in networks:
        sizes = [0.3, 2.0, 5.0, 1.0][: len(shapes)]
        weights, gradients = (
            [
                size * torch.randn(shape, generator=generator, dtype=torch.float64)
                for shape, size in zip(shapes, s, strict=True)
            ]
            for s in (sizes, sizes[::-1])
        )
        copies = [t.clone() for t in weights + gradients]
        answer = attempted(relative_step(weights, gradients, rho))
        if not all(torch.equal(a, b) for a, b in zip(copies, weights + gradients, strict=True)):
            return "Your function changes its arguments; return new tensors instead."
        if not isinstance(answer, (list, tuple)) or len(answer) != len(weights):
            return f"relative_step must return one step for each of the {len(weights)} tensors, in a list."
        steps = [torch.as_tensor(step).detach() for step in answer]
        if [s.shape for s in steps] != [w.shape for w in weights]:
            return f"The steps have shapes {[tuple(s.shape) for s in steps]}; they must be the weights', {shapes}."
        if complaint := _wrong_relative_step(steps, weights, gradients, rho):
            return complaint
    return None


def _joint(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors]).norm()


def _wrong_relative_step(steps: list[Tensor], weights: list[Tensor], gradients: list[Tensor], rho: float) -> str | None:
    pairs = list(zip(weights, gradients, strict=True))
    scaled = [w.norm() * g for w, g in pairs]
    right = [rho * w.norm() * s / _joint(scaled) for w, s in zip(weights, scaled, strict=True)]

    def same(others: Sequence[Tensor]) -> bool:
        return all(torch.allclose(s, o, rtol=1e-6) for s, o in zip(steps, others, strict=True))

    if same(right):
        return None
    length = float(_joint([s / w.norm() for s, w in zip(steps, weights, strict=True)]))
    if same([-r for r in right]):
        return "Your step goes downhill; the ascent step goes along the gradient, not against it."
    if same([rho * g / _joint(gradients) for g in gradients]):
        return (
            f"That is SAM's own step, in absolute units: measured in sizes of the tensors it is {length:.2f} long, "
            f"not {rho:g}."
        )
    if same([rho * w.norm() * g / g.norm() for w, g in pairs]):
        return (
            "No rescaling fools your step, but it is too long: every tensor moves by rho of its own size, together "
            f"{length:.2f}, not {rho:g}. rho is to be shared: one norm over all."
        )
    if same([rho * w.norm() * g / _joint(gradients) for w, g in pairs]):
        return (
            "You measure the gradient in absolute units and only the step in sizes of the tensors. With step_k = "
            "‖w_k‖ u_k, what is the gradient with respect to u_k?"
        )
    adaptive = [w.abs() * g for w, g in pairs]
    if same([rho * w.abs() * s / _joint(adaptive) for w, s in zip(weights, adaptive, strict=True)]):
        return (
            "That is ASAM's step, relative to the size of each single entry: a good measure, but another one. Here "
            "each tensor has one size, its length."
        )
    if math.isclose(length, rho, rel_tol=1e-6):
        gain, most = (float(sum((s * g).sum() for s, g in zip(t, gradients, strict=True))) for t in (steps, right))
        return (
            f"It has the right length, but it is not the steepest: along the gradient it gains {gain:.3f}, and "
            f"{most:.3f} is possible."
        )
    return f"In sizes of the tensors your step is {length:.3f} long; it must be rho = {rho:g}."


relative_step = Exercise(
    "perturbing_the_parameters/relative step",
    _judge_relative_step,
    (
        "The size of each tensor enters twice: once since a large tensor may move further, once since its share is "
        "then worth more."
    ),
    [
        "Write step_k = ‖w_k‖ u_k. The condition is then that all u together have length rho: an ordinary ball.",
        "The loss as a function of u_k has the gradient ‖w_k‖ g_k (chain rule). The steepest u is that, made rho long.",
        "scaled_k = ‖w_k‖ g_k; n = joint norm of all scaled_k; step_k = ‖w_k‖ · rho · scaled_k / n.",
    ],
)

# ---- predictions -----------------------------------------------------------------------------------------------------

bet_on_random = Question(
    (
        "The worst of twenty random directions, rho = 0.4 long, raises the SGD network's loss a little. Ascent of "
        "20 steps in the same ball raises it …"
    ),
    {
        "about as much": "Chance does not find what the gradient finds.",
        "about ten times as much": "Far more than that: no random direction comes near the steepest one.",
        "more than a hundred times as much": (
            "With 5,962 weights, a random direction is almost at right angles to every steep one. Chance does not "
            "find them."
        ),
    },
    correct="more than a hundred times as much",
)

bet_on_the_valley = Question(
    "The floor of this valley is a line of weights with loss 0; it is narrow at the left and wide at the right. "
    "Training starts at the upper left. Where is SAM after many steps?",
    {
        "where SGD is: both stop when the loss is 0": (
            "SGD stops there. SAM's gradient is taken rho away, up the wall, and there it is not zero."
        ),
        "further right along the floor, where the valley is wide": (
            "Up the wall, downhill is also a little towards the wider part. Each ascent step shows SAM a bit of that."
        ),
        "high up on a wall: the ascent steps lead out of the valley": (
            "The ascent step is taken back each time; what stays is a step downhill."
        ),
    },
    correct="further right along the floor, where the valley is wide",
)

bet_on_the_rescaling = Question(
    "In the SAM network, multiply the first layer by a = 0.2 and divide the second layer's weights by it. No logit "
    "changes. Its sharpness, measured within rho = 0.4 of the weights …",
    {
        "stays: it is the same function": (
            "The function stays; the ball does not. A step of 0.4 is now a large one for the small layer."
        ),
        "rises far above the SGD network's": (
            "A step of 0.4 is a large one for the layer that was made small. The number grows more than fiftyfold."
        ),
        "falls: the weights are smaller": (
            "Those of the first layer are, and that is why a step of 0.4 does more to them."
        ),
    },
    correct="rises far above the SGD network's",
)

bet_on_flatness = Question(
    (
        "Networks trained by SGD, SAM and AT, sharpness within rho = 0.4 of the weights. Is the flatter network the "
        "more robust one?"
    ),
    {
        "yes, whatever they were trained by": (
            "Among SGD's and SAM's, mostly. AT's networks do not fall in line: some are sharper and more robust."
        ),
        "mostly, among SGD's and SAM's; with AT's no longer": (
            "SAM's rho moves both numbers together. AT makes networks robust without making them as flat."
        ),
        "no, sharpness and robustness have no common order at all": (
            "Among SGD's and SAM's networks there is one, at this radius: the rank correlation is about −0.9."
        ),
    },
    correct="mostly, among SGD's and SAM's; with AT's no longer",
)

bet_on_batchnorm = Question(
    (
        "SAM trains a small ResNet. In each second pass BatchNorm is put into evaluation mode, so that the running "
        "statistics never see the perturbed weights. What happens?"
    ),
    {
        "nothing much: the perturbed weights are close by": (
            "It breaks even at rho = 0, where nothing is perturbed. The mode is at fault, not the perturbation."
        ),
        "training goes well, evaluation suffers": (
            "The training loss itself stays high: the gradient comes from another function than the one trained."
        ),
        "training itself breaks": (
            "The second gradient, the one that counts, holds mean and variance constant. In training they follow the "
            "weights, so it is the gradient of another function."
        ),
    },
    correct="training itself breaks",
)

recall_unit = Question(
    (
        "“Our network has a sharpness of 0.05 within rho = 0.4, theirs 0.6: ours is the flatter function.” What do "
        "you answer?"
    ),
    {
        "true, if both were measured with many steps": (
            "Many steps make the number better, not its unit: a rescaling changes it and no output."
        ),
        ("in which units? rescale a layer, and the order of the two can turn"): (
            "In absolute units the number depends on the weights that happen to write the function down."
        ),
        "sharpness can never be measured": "It can, in units that do not see a rescaling, and with its radius named.",
    },
    correct="in which units? rescale a layer, and the order of the two can turn",
)

recall_flat = Question(
    "“Within rho = 0.4, network A is flatter than B. So A is the more robust one.” What do you answer?",
    {
        "yes: a flat minimum is a robust one": (
            "Rescale B's layers and its number changes without any robustness. And AT's networks can be sharper and "
            "more robust than SAM's."
        ),
        "perhaps, if they differ in SAM's rho, at this radius": (
            "Over SAM's rho the order held. Among seeds of one setting, at a small radius, or with AT's, it did not."
        ),
        "no: sharpness tells nothing about robustness": (
            "Over SAM's rho, at a large radius, the rank correlation is about −0.9."
        ),
    },
    correct="perhaps, if they differ in SAM's rho, at this radius",
)

recall_two_passes = Question(
    "Why does a SAM step need two gradients?",
    {
        "to average them": "Adding up both is a common mistake; only the second one is used for the step.",
        "the first says where the worst place is, the second how to make it better": (
            "The first is spent on the ascent step; the optimizer steps with the second, from where it began."
        ),
        "the second one checks the first": "Nothing is checked: the first is for the ascent step.",
    },
    correct="the first says where the worst place is, the second how to make it better",
)
