"""The exercises of lesson 03, SAM alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from samlib.course.exercise import Exercise, Question, attempted
from samlib.course.lessons.sam_alone.four_trainers import judge_step
from samlib.course.lessons.sam_alone.preregistered import judge_layers, praise_layers


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

step = Exercise(
    "sam_alone/step",
    judge_step,
    "Four ways to train, and two questions: at which images is the gradient taken, and at which weights? The balls are "
    "the same objects in both spaces.",
    [
        "With no ball it is a plain step: zero_grad, loss, backward, optimizer.step().",
        "Pixels: the gradient of the loss in x, then x + ball_x.eps * ball_x.steepest(gradient), clamped to [0, 1]. "
        "Weights: all of them as one vector, parameters_to_vector, a batch of one for the ball: gradient[None].",
        "The order: x attacked; w noted; the gradient in w on those images; w moved; zero_grad, loss, backward; w put "
        "back with vector_to_parameters; optimizer.step().",
    ],
)

layers = Exercise(
    "sam_alone/layers",
    judge_layers,
    praise_layers,
    [
        "samlib.train has an argument perturb: perturb=['fc1'] lets SAM perturb the first layer alone.",
        "Make a fresh samlib.mlp(..., seed=seed) for every run and hand the same seed to train.",
        "measured[name] = [run(name, seed) for seed in range(3)], with one line in run for each of the four kinds.",
    ],
)

bet_on_the_gain = Question(
    "SGD's network keeps about 30 of 100 test digits under l_inf attacks of eps = 0.125. SAM with rho = 0.4, and "
    "nothing else changed, keeps eleven more. With a quarter of that rho, 0.1, it keeps …",
    {
        "no more than SGD's: the perturbation is too small": "Three in 100 more. You will see how sure that is.",
        "about three in 100 more": "A quarter of the radius, and about a quarter of the gain.",
        "about eleven more: it is the same method": "Three in 100 more: the gain grows with rho.",
    },
    correct="about three in 100 more",
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
        "how long SAM was trained": "Worth asking, once it is known what was measured.",
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
