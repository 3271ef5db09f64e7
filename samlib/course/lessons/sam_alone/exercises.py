"""The exercises of lesson 03, SAM alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from samlib.course.exercise import Exercise, Question, attempted


def _judge_gain(gain: Callable[[Tensor, Tensor], Any]) -> str | None:
    if not callable(gain):
        return f"gain must be a function of two tensors, and yours is a {type(gain).__name__}."
    generator = torch.Generator().manual_seed(0)
    for n, m in [(10, 10), (5, 9), (3, 20)]:
        a = 0.3 + 0.02 * torch.randn(n, generator=generator, dtype=torch.float64)
        b = 0.4 + 0.05 * torch.randn(m, generator=generator, dtype=torch.float64)
        answer = attempted(gain(a, b))
        if isinstance(answer, Tensor) and answer.shape == (2,):
            answer = answer.tolist()
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return f"gain must return two numbers, the difference and its standard error; yours returned {answer!r}."
        difference, error = (float(value) for value in answer)
        true_difference = float(b.mean() - a.mean())
        if math.isclose(difference, -true_difference, rel_tol=1e-6):
            return "The difference has the wrong sign: it should be positive where the second group is better."
        if math.isclose(difference, 100 * true_difference, rel_tol=1e-6):
            return "The difference is in points; keep the unit of the input, fractions in [0, 1]."
        if not math.isclose(difference, true_difference, rel_tol=1e-6):
            return f"The difference is {difference:.4f} where the means differ by {true_difference:.4f}."
        if complaint := _wrong_error(error, a, b):
            return complaint
    return None


def _wrong_error(error: float, a: Tensor, b: Tensor) -> str | None:
    """What is wrong with a standard error of mean(b) - mean(a), if anything is."""
    va, vb, n, m = float(a.var()), float(b.var()), len(a), len(b)

    def close(value: float) -> bool:
        return math.isclose(error, value, rel_tol=1e-6)

    if close(math.sqrt(va / n + vb / m)):
        return None
    if close(va / n + vb / m):
        return "That is the variance of the difference; the standard error is its root."
    if close(math.sqrt(va + vb)):
        return (
            "That is the spread of a difference of two single runs; a mean over n runs varies less, by a factor of √n."
        )
    if close(math.sqrt(va / n) + math.sqrt(vb / m)):
        return "You added the two standard errors; for independent groups it is their squares that add."
    if close(math.sqrt(float(a.var(correction=0)) / n + float(b.var(correction=0)) / m)):
        return (
            "Almost: a variance estimated from n runs is divided by n - 1, since the mean was estimated from them too."
        )
    pooled = math.sqrt(((n - 1) * va + (m - 1) * vb) / (n + m - 2) * (1 / n + 1 / m))
    if close(pooled) and not math.isclose(va, vb):
        return "You pooled the variances, as if both groups spread alike; let each group keep its own."
    right = math.sqrt(va / n + vb / m)
    return f"The standard error is {error:.5f}; for these groups of {n} and {m} runs it should be {right:.5f}."


gain = Exercise(
    "sam_alone/gain",
    _judge_gain,
    "A gain of many standard errors is no accident of the seed. Whether it is one of the data set is another question.",
    [
        "The mean of n runs has variance s²/n, with s² their sample variance.",
        "The runs of the two groups are independent: the variance of the difference is the sum of the two variances.",
        "torch's a.var() divides by n - 1 already. Return (b.mean() - a.mean(), the root of a.var()/n + b.var()/m).",
    ],
)

COST = {"SGD": 3, "SAM": 6, "first-layer SAM": 5, "AT with 7 steps": 17}


def _judge_cost(cost: Mapping[str, Any]) -> str | None:
    if not isinstance(cost, Mapping) or set(cost) != set(COST):
        return f"cost must be a dict with the keys {', '.join(map(repr, COST))}."
    if all(value is ... for value in cost.values()):
        attempted(None)
    for name, value in cost.items():
        if value is ...:
            return f"{name} is still open."
        if isinstance(value, (str, bool)) or value is None:
            return f"{name}: give a number, not {value!r}."
        said = float(value)
        if math.isclose(said, COST[name]):
            continue
        if name == "AT with 7 steps" and said in (7 * 3 + 3, 8 * 3):
            return (
                "AT: an attack needs the gradient of the input only, not of the weights: a step of it costs 2, not 3."
            )
        if name == "AT with 7 steps" and said == 14:
            return "AT: the seven attack steps cost that; the training step on the attacked images comes on top."
        if name == "first-layer SAM" and said in (6, 4):
            return (
                "First-layer SAM: in the first pass the gradient must travel back through every layer to reach the "
                "first, but no later layer needs its own weight gradient. The second pass is a full one."
            )
        if name == "SGD" and said in (1, 2):
            return "SGD: forward 1; backward 2, once through the features and once for the weights."
        return f"{name}: {value} is not it. Count the passes of one step, forward and backward apart."
    return None


cost = Exercise(
    "sam_alone/cost",
    _judge_cost,
    "SAM costs twice SGD, AT with seven steps almost six times. First-layer SAM saves one unit in six.",
    [
        "Forward through all layers: 1. Backward through the features: 1. Weight gradients of all layers: 1.",
        "SAM is two full passes, forward and backward. An attack step is one forward pass and one backward "
        "through the features.",
        "First-layer SAM: the first pass needs forward and features, 2, and hardly any weight gradient; the "
        "second is full, 3.",
    ],
)


def _judge_layers(answer: Mapping[str, Any]) -> str | None:
    keys = {"prediction", "measured"}
    if not isinstance(answer, Mapping) or set(answer) != keys:
        return "Give a dict with the keys 'prediction' and 'measured'."
    measured = answer["measured"]
    if answer["prediction"] is ... or measured is ...:
        attempted(None)
    if isinstance(measured, Mapping) and any(values is ... for values in measured.values()):
        attempted(None)
    names = ("all", "first", "rest")
    if answer["prediction"] not in names:
        return (
            f"The prediction is {answer['prediction']!r}; it must be one of {', '.join(map(repr, names))}: "
            "what SAM perturbs."
        )
    wanted = {"SGD", *names}
    if not isinstance(measured, Mapping) or set(measured) != wanted:
        return (
            "measured must be a dict with the keys 'SGD', 'all', 'first', 'rest', each with a list of three "
            "robust accuracies."
        )
    for name, values in measured.items():
        if not isinstance(values, (list, tuple, Tensor)):
            return f"{name!r} is {values!r}; it must be a list with the robust accuracy of each of three runs."
        values = [float(value) for value in values]
        if len(values) < 3:
            return f"{name!r} has {len(values)} run(s); one seed shows nothing, take three."
        if not all(0 <= value <= 1 for value in values):
            return f"{name!r} holds {values}; robust accuracies are fractions in [0, 1]."
        if len(set(values)) == 1:
            return f"All runs of {name!r} gave {values[0]}: did each get a seed of its own?"
    mean = {name: sum(map(float, values)) / len(values) for name, values in measured.items()}
    if mean["all"] <= mean["SGD"]:
        return (
            "SAM on all layers came out no better than SGD. Check rho = 0.4, eps = 0.125, and that both are "
            "measured on the test images."
        )
    if mean["rest"] - mean["first"] > 0.03:
        return (
            f"Here the rest came out {100 * (mean['rest'] - mean['first']):.0f} points better than the first "
            "layer. If that surprises you too, check which names you gave to perturb."
        )
    return None


layers = Exercise(
    "sam_alone/layers",
    _judge_layers,
    "You named your bet before you saw the answer, and three seeds each. Compare it with your means; where "
    "two differ by no more than your seeds do, three runs cannot tell them apart. The picture below has five seeds "
    "on each of two splits.",
    [
        "samlib.train has an argument perturb: perturb=['fc1'] lets SAM perturb the first layer alone.",
        "Make a fresh samlib.mlp(..., seed=seed) for every run and hand the same seed to train.",
        "measured[name] = [run(name, seed) for seed in range(3)], with one line in run for each of the four kinds.",
    ],
)

bet_on_the_gain = Question(
    "SGD's network keeps about 30 of 100 test digits under l_inf attacks of eps = 0.125. "
    "SAM with rho = 0.4, and nothing else changed, keeps …",
    {
        "about as many: SAM never sees an attack": (
            "It never sees one, and yet keeps about a dozen in 100 more. You will see how sure that is."
        ),
        "5 to 20 in 100 more": "About a dozen in 100 more. A real gain, and a modest one.",
        "nearly all of them": (
            "That would be a robust network for free. Not even adversarial training gives it at this eps."
        ),
    },
    correct="5 to 20 in 100 more",
)

bet_on_the_loss = Question(
    "With rho = 0.4: after 20 of 60 epochs, which network has the lower <i>training</i> loss?",
    {
        "SGD's": "SAM steps with a gradient taken uphill from where it stands, and arrives later.",
        "SAM's": "Not yet: SAM steps with a gradient taken uphill from where it stands, and arrives later.",
        "about equal": (
            "After 60 epochs, yes. After 20, SAM's loss is several times SGD's: its gradient is taken uphill from "
            "where it stands."
        ),
    },
    correct="SGD's",
)

bet_on_the_layers = Question(
    "How much of SAM's gain in robustness is left if it perturbs only the <i>first</i> layer?",
    {
        "hardly any": "It is one layer of three, and yet the one where weights and pixels translate into each other.",
        "about half": (
            "That is what the <i>other</i> layers give when they alone are perturbed. The first gives nearly all."
        ),
        "nearly all": (
            "The layer where weights and pixels translate into each other carries almost the whole gain, on this "
            "network."
        ),
    },
    correct="nearly all",
)

recall_report = Question(
    "A colleague reports: “SAM, robust accuracy 42 %; SGD, 30 %.” What do you ask first?",
    {
        "how flat the minimum is": (
            "A flat minimum is not a robust one by itself; a rescaling of the weights changes the flatness and no "
            "output."
        ),
        "which attack, eps and norm, and over how many seeds": (
            "Without them the two numbers say nothing. With them, ask how SGD was tuned."
        ),
        "how long SAM was trained": "Worth asking, but SGD for four times as long gained nothing here.",
    },
    correct="which attack, eps and norm, and over how many seeds",
)

recall_noise = Question(
    "Weight noise of length 0.4 in a random direction did not help, SAM's ascent step of length 0.4 did. Why?",
    {
        "noise is too small": "Both have the same length, 0.4.",
        "in many dimensions a random direction hardly raises the loss; SAM takes the one that raises it most": (
            "A random direction is nearly at right angles to the gradient."
        ),
        "noise is not differentiable": "The gradient is taken at the moved weights in both cases.",
    },
    correct="in many dimensions a random direction hardly raises the loss; SAM takes the one that raises it most",
)

recall_units = Question(
    "rho = 0.4 and eps = 0.125. Which perturbation is the larger one?",
    {
        "rho": "A length in weight space and one in pixel space cannot be compared like that.",
        "eps": "A length in weight space and one in pixel space cannot be compared like that.",
        "they have no common unit": (
            "To compare them, carry one over: in the first layer, rho acts like some change of the pixels, and "
            "lesson 00 shows which."
        ),
    },
    correct="they have no common unit",
)
