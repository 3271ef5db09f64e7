"""The exercises of lesson 07, Robust and non-robust features."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

from samlib import toy
from samlib.course.exercise import Exercise, Question, attempted
from samlib.course.lessons.robust_and_non_robust_features import leading

# ---- the best weight -------------------------------------------------------------------------------------------------


def _number(value: Any, what: str) -> float | str:
    """A learner's number as a float, or what to say if it is none."""
    try:
        number = float(attempted(value))
    except (TypeError, ValueError):
        return f"{what} must return one number; yours returned {value!r}."
    return number if math.isfinite(number) else f"{what} returned {number}: the logarithm of 0, or a division by 0?"


def _judge_best(best: Callable[[float, float, int], Any]) -> str | None:
    if not callable(best):
        return f"best must be a function of p, eta and d, and yours is a {type(best).__name__}."
    for p, eta, d in [(0.95, 0.2, 50), (0.7, 0.5, 3), (0.9, 0.05, 400)]:
        value = _number(best(p, eta, d), "best")
        if isinstance(value, str):
            return value
        odds, right = toy.Model(p, eta, d).log_odds, toy.standard_optimum(p, eta)
        if math.isclose(value, right, rel_tol=1e-3):
            continue
        mistakes = {
            "The sign is turned: w_1 must be positive, the robust feature is right more often than wrong.": -right,
            "Twice too large. Moving w_1 by 1 moves one exponent up and the other "
            "down: together they change by 2 eta.": odds / eta,
            "You have ln(p / (1 - p)) alone. How many weak votes are worth that much depends on eta.": odds,
            "You have ln(p / (1 - p)) / 2: the exponents are eta * w_1 and -eta * w_1, not w_1 and -w_1.": odds / 2,
            "The logarithm is missing: take it on both sides of (1 - p) exp(eta w_1) = p exp(-eta w_1).": p
            / (1 - p)
            / (2 * eta),
            "Take the natural logarithm: the density of a normal distribution has base e.": odds
            / math.log(10)
            / (2 * eta),
            "A factor d too many: mean and variance of the sum both grow with d, and d cancels.": right * d,
            "A factor d too few: mean and variance of the sum both grow with d, and d cancels.": right / d,
        }
        for message, wrong in mistakes.items():
            if math.isclose(value, wrong, rel_tol=1e-3):
                return message
        here, there = (toy.clean_error(w, p, eta, d) for w in (value, right))
        return (
            f"At p = {p}, eta = {eta}, d = {d} your w_1 = {value:.4g} misclassifies {100 * here:.3g} %; another w_1 "
            f"only {100 * there:.3g} %."
        )
    return None


best = Exercise(
    "robust_and_non_robust_features/best",
    _judge_best,
    "w* = ln(p / (1 - p)) / (2 eta): what the robust feature says about y, counted in votes of weak ones. d has "
    "dropped out.",
    [
        "At the optimum the two terms in the brackets of L' are equal.",
        "Put the logarithm on both sides of (1 - p) exp(eta w_1) = p exp(-eta w_1).",
        "ln(1 - p) + eta w_1 = ln p - eta w_1; solve for w_1.",
    ],
)


def _judge_doubling(doubling: Callable[[float, float, int], Any]) -> str | None:
    if not callable(doubling):
        return f"doubling must be a function of p, eta and d, and yours is a {type(doubling).__name__}."
    for p, eta, d in [(0.95, 0.2, 50), (0.7, 0.5, 3), (0.9, 0.05, 400)]:
        value = _number(doubling(p, eta, d), "doubling")
        if isinstance(value, str):
            return value
        if math.isclose(value, eta / 2, rel_tol=1e-3):
            continue
        if value < 0:
            return f"Your eps is {value:.4g}; an attack has a length of 0 or more."
        if value >= eta:
            return (
                f"Your eps is {value:.4g} at eta = {eta}: there the weak features' mean is used up, and w_AT is "
                "infinite already."
            )
        ratio = toy.adversarial_optimum(p, eta, value) / toy.standard_optimum(p, eta)
        return f"At p = {p}, eta = {eta}, d = {d} your eps = {value:.4g} makes w_AT {ratio:.3g} times w*, not 2 times."
    return None


doubling = Exercise(
    "robust_and_non_robust_features/doubling",
    _judge_doubling,
    "Half of eta, whatever p and d are: what counts is the share of the weak "
    "features' mean that the attack takes away.",
    [
        "w_AT is w* with eta - eps in place of eta.",
        "You want 1 / (eta - eps) = 2 / eta.",
    ],
)

# ---- the level chord -------------------------------------------------------------------------------------------------


class _Borrowed(Exception):
    """Raised when the learner's function asks samlib for the answer."""


def _refuse(*_: Any, **__: Any) -> None:
    raise _Borrowed


def _judge_middle(middle: Callable[[float, float, int, float], Any]) -> str | None:
    if not callable(middle):
        return f"middle must be a function of p, eta, d and rho, and yours is a {type(middle).__name__}."
    for p, eta, d, rho in [(0.99, 0.2, 20, 4.0), (0.95, 0.2, 50, 6.0), (0.8, 0.5, 3, 1.0)]:
        right, standard = toy.sam_optimum(p, eta, d, rho, "A"), toy.standard_optimum(p, eta)
        try:
            with mock.patch.object(toy, "sam_optimum", _refuse), mock.patch.object(leading, "leading_order", _refuse):
                value = _number(middle(p, eta, d, rho), "middle")
        except _Borrowed:
            return "You asked samlib.toy for the optimum. Find the chord yourself, from toy.clean_error."
        if isinstance(value, str):
            return value
        if not math.isclose(value, right, rel_tol=5e-4):
            return _wrong_middle(value, right, standard, p, eta, d, rho)
    return None


def _lowest_mean(p: float, eta: float, d: int, rho: float, low: float, high: float) -> float:
    """Where the mean of the errors at both ends is lowest, by ever finer grids."""
    for _ in range(12):
        grid = [low + (high - low) * i / 20 for i in range(21)]
        errors = [sum(toy.clean_error(w + s * rho, p, eta, d) for s in (-1, 1)) for w in grid]
        i = min(range(21), key=errors.__getitem__)
        low, high = grid[max(i - 1, 0)], grid[min(i + 1, 20)]
    return (low + high) / 2


def _wrong_middle(value: float, right: float, standard: float, p: float, eta: float, d: int, rho: float) -> str:
    """Why `value` is not the middle of the level chord."""

    def is_(wrong: float, rel_tol: float = 5e-4) -> bool:
        return math.isclose(value, wrong, rel_tol=rel_tol)

    if is_(standard):
        return (
            "That is w*, the lowest point. The chord lies higher, and its middle is elsewhere. (If you halve an "
            "interval: you keep the wrong half.)"
        )
    if is_(standard * (1 + rho**2 / (3 * d)), 1e-6):
        return (
            f"That is the leading order, w* (1 + rho² / 3d). It holds for a small rho, and rho = {rho:g} is not small."
        )
    if is_(right, 1e-2):
        return (
            f"At p = {p}, eta = {eta}, d = {d}, rho = {rho:g} your {value:.6g} is close, within one per cent, but "
            "not good to four digits: take a finer grid, or halve the interval more often."
        )
    if is_(right - rho) or is_(right + rho):
        return "That is an end of the chord; return its middle."
    if is_(_lowest_mean(p, eta, d, rho, 0.1 * standard, 3 * standard + 2 * rho)):
        return (
            "That makes the mean of the two ends small. SAM's worst case is the "
            "higher end: make the larger of the two small."
        )
    left, beyond = (100 * toy.clean_error(value + s * rho, p, eta, d) for s in (-1, 1))
    return (
        f"At p = {p}, eta = {eta}, d = {d}, rho = {rho:g} your {value:.4g} is not the middle of a level chord: the "
        f"error is {left:.3g} % at its left end and {beyond:.3g} % at its right end."
    )


middle = Exercise(
    "robust_and_non_robust_features/middle",
    _judge_middle,
    "That is SAM by definition A: no gradient, no ascent step, only a chord that must lie level. In a valley whose "
    "right side is the flatter one, its middle is right of the bottom.",
    [
        "How does toy.clean_error(w + rho, ...) - toy.clean_error(w - rho, ...) change its sign as w grows?",
        "It is negative while the left end is the higher one. Halve an interval that holds the change: bisection.",
        "Begin with low = w*, high = w* + rho; if the difference at the middle is "
        "negative, low = middle, else high = middle.",
    ],
)

# ---- definition B, to the right --------------------------------------------------------------------------------------


def _judge_to_the_right(answer: Mapping[str, Any]) -> str | None:
    names = ("p", "eta", "d", "rho")
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        return "Give a dict with the keys 'p', 'eta', 'd' and 'rho'."
    if all(answer[name] is ... for name in names):
        attempted(None)
    for name in names:
        if answer[name] is ...:
            return f"{name} is still open."
    p, eta, d, rho = (answer[name] for name in names)
    try:
        standard = toy.standard_optimum(p, eta)
        share = standard**2 / d
        change = 100 * (toy.sam_optimum(p, eta, d, rho, "B") / standard - 1)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        return f"With these numbers there is no answer: {error}"
    if change >= 1:
        return None
    if rho == 0:
        return "With rho = 0 nothing is perturbed, and SAM is ST."
    if share <= 2:
        return (
            f"w* = {standard:.3g}, so w*²/d = {share:.3g}, and w_1 changes by {change:+.2f} %. Only the flat side "
            "pulls to the right, the more so the larger w*²/d is; bring it above 2."
        )
    if change > 0:
        return (
            f"The direction is right (w*²/d = {share:.3g}), but w_1 changes by {change:+.3f} % only: take a larger rho."
        )
    return (
        f"w*²/d = {share:.3g}, and still w_1 changes by {change:+.3f} %: with d = 1, or a large rho, the small-rho "
        "rule does not decide."
    )


to_the_right = Exercise(
    "robust_and_non_robust_features/to the right",
    _judge_to_the_right,
    "For a small rho only one kind of world does it: the robust feature is worth more than √(2d) weak votes, very "
    "reliable, against few or feeble weak ones. With a rho near √d the ball nearly wipes out the weak weights, and "
    "there are others.",
    [
        "B moves right where w*² > 2d, with w* = ln(p / (1 - p)) / (2 eta).",
        "A larger p, a smaller eta and a smaller d all help. rho must stay below √d.",
        "p = 0.99, eta = 0.2, d = 20: w*²/d is 6.6. Then choose rho so that the change is at least 1 %.",
    ],
)

# ---- questions -------------------------------------------------------------------------------------------------------

bet_on_the_attack = Question(
    "p = 0.95, eta = 0.2, d = 50. The best classifier gets about 2 % of all cases wrong. Now an attacker may move "
    "each weak feature by 0.2, a fifth of its standard deviation. How often is it wrong then?",
    {
        "in about 2 to 5 %: each move is lost in the noise": "One move is. Fifty moves in the same direction are "
        "not: the vote's mean falls by 10, its noise is 7.",
        "in about 20 % of all cases": "The attack takes away the whole mean of the vote, 50 times 0.2. What is left "
        "is noise of size 7 against the robust feature's 7.4 votes.",
        "in nearly all": "With twice this eps it would be worse than a coin. Here the vote is left without a mean, "
        "and the robust feature still decides most cases.",
    },
    correct="in about 20 % of all cases",
)

bet_on_the_shift = Question(
    "SAM, in its simplest reading: take the w_1 whose <i>worst</i> neighbour within rho is best. Compared with the "
    "lowest point w* of the valley, it is …",
    {
        "w* itself: the lowest point has the lowest neighbours": "Only if both sides of the valley were equally "
        "steep. They are not.",
        "to the left, at less weight on the robust feature": "The left side is the steep one; a step that way hurts "
        "more, so keep away from it.",
        "to the right, at more weight on the robust feature": "The right side is the "
        "flat one: on it, a step of rho costs less.",
    },
    correct="to the right, at more weight on the robust feature",
)

bet_on_the_menu = Question(
    "Above are thirteen readings of “the weights are perturbed”: which weights, worst case or average, one "
    "perturbation for all or one for each example, which loss. In how many of them does SAM <i>always</i> put more "
    "weight on the robust feature?",
    {
        "in all of them": "Two of them never move it, and four can move it to the left.",
        "in about half": "In six of them always, in one more from two weak features on; two never move it, and four "
        "go either way.",
        "in none": "Several always do: the level chord is one of them.",
    },
    correct="in about half",
)

bet_on_the_batch = Question(
    "SAM with batches of one example moves w_1 by 37 % here. Up to which batch size does it move it by 10 % or more?",
    {
        "only with one example": "Four examples still do.",
        "up to about 16": "With 16 the examples' own directions begin to cancel, and with 128 hardly anything is left.",
        "up to about 128": "With 128 it is between one and two per cent.",
        "with any batch": "With thousands of examples the ascent step has next to nothing to do with any one of them.",
    },
    correct="up to about 16",
)

bet_on_the_price = Question(
    "Start at w* and give the robust feature a little more weight. The clean error rises, the attacked error falls. "
    "Now take a move <i>ten times smaller</i>. The rise and the fall become …",
    {
        "both ten times smaller": "The fall does. But w* is the bottom of the clean valley: there the slope is zero.",
        "rise ten times, fall a hundred times smaller": "The other way round: the clean valley is flat at w*, the "
        "attacked one is not.",
        "rise a hundred times, fall ten times smaller": "The clean error is flat at its bottom, so it rises with the "
        "square; the attacked one has a slope there.",
    },
    correct="rise a hundred times, fall ten times smaller",
)

recall_moves = Question(
    "“SAM moves the optimum to the robust feature.” What is missing?",
    {
        "nothing: it was proved": "It holds for some definitions. For the l_2 ball of all weights with w*² &lt; 2d "
        "it is the other way round.",
        "which definition of SAM: what is perturbed, for whom, in which loss": "With one perturbation for each "
        "example it holds; with one for the whole loss it depends, and may be false.",
        "how small rho is": "For a small rho the direction is settled, but by the "
        "definition, and not always to the right.",
    },
    correct="which definition of SAM: what is perturbed, for whom, in which loss",
)

recall_units = Question(
    "All weights of a linear classifier are doubled. What happens to the effect of SAM's rho and of the attack's eps "
    "on whom it gets wrong?",
    {
        "both stay": "Its answers stay. But a perturbation of length rho turns a longer w by a smaller angle.",
        "eps as before, rho half": "eps is measured in the input, which has not "
        "changed; rho in the weights, which have.",
        "both half": "An attack by eps moves w·x by eps ‖w‖, which has doubled together with w·x.",
    },
    correct="eps as before, rho half",
)

recall_flat = Question(
    "In this model, of two classifiers one has a lower worst error within a ball of weights of radius rho: it is the "
    "flatter one. Is it more robust to attacks on the input?",
    {
        "yes: flat means robust": "Definition B with w*² &lt; 2d is a counterexample: its flattest point has a "
        "<i>higher</i> attacked error than w*.",
        "no, never": "Definition A is flatter on the right, which is the robust side.",
        "that depends on which weights the ball holds": "In w_1 alone, flatter is to the right, and more robust. In "
        "all weights it can be to the left.",
    },
    correct="that depends on which weights the ball holds",
)
