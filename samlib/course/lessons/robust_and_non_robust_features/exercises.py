"""The exercises of lesson 07, Robust and non-robust features."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any
from unittest import mock

from samlib import toy
from samlib.course.exercise import Exercise, Question, attempted
from samlib.course.lessons.robust_and_non_robust_features import leading
from samlib.toy_definitions import definition_named

# ---- the level chord -------------------------------------------------------------------------------------------------


def _number(value: Any, what: str) -> float | str:
    """A learner's number as a float, or what to say if it is none."""
    try:
        number = float(attempted(value))
    except (TypeError, ValueError):
        return f"{what} must return one number; yours returned {value!r}."
    return number if math.isfinite(number) else f"{what} returned {number}: the logarithm of 0, or a division by 0?"


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
    names, d = ("p", "eta", "rho"), 100
    if not isinstance(answer, Mapping) or set(answer) != set(names):
        return f"Give a dict with the keys 'p', 'eta' and 'rho'; d is {d}."
    if all(answer[name] is ... for name in names):
        attempted(None)
    for name in names:
        if answer[name] is ...:
            return f"{name} is still open."
    p, eta, rho = (answer[name] for name in names)
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
        f"w*²/d = {share:.3g}, and still w_1 changes by {change:+.3f} %: with a large rho the small-rho rule does not "
        "decide."
    )


to_the_right = Exercise(
    "robust_and_non_robust_features/to the right",
    _judge_to_the_right,
    "For a small rho only one kind of world does it: the robust feature is worth more than √(2d) weak votes, very "
    "reliable, against few or feeble weak ones. With a rho near √d the ball nearly wipes out the weak weights, and "
    "there are others.",
    [
        "B moves right where w*² > 2d, with w* = ln(p / (1 - p)) / (2 eta).",
        "A larger p and a smaller eta both help. rho must stay below √d.",
        "p = 0.99, eta = 0.1: w*²/d is 5.3. Then choose rho so that the change is at least 1 %.",
    ],
)

# ---- which definition does the theorem use? --------------------------------------------------------------------------

CLUES = ("direction", "order", "constant")
FORMULA = ("B", "G", "H")  # all weights, one l_2 ball for the whole loss: as on the paper's first page
# p, eta, d: chosen so that every definition that can lower w_1 does so in one of them
_WORLDS = ((0.6, 0.2, 50), (0.95, 0.2, 50), (0.99, 0.2, 50), (0.99, 0.2, 20))


def _change(world: tuple[float, float, int], rho: float, name: str) -> float:
    """Of w_1 against w*, as a fraction."""
    return toy.sam_optimum(*world, rho, name) / toy.standard_optimum(*world[:2]) - 1


def clues_of(name: str) -> dict[str, bool]:
    """What of the theorem a definition fits, measured with `samlib.toy` in four worlds.

    "direction": w_1 grows in every world. "order": the change grows with rho². "constant": the change is 2/3 rho² in
    every world.
    """
    near, far = ([_change(world, rho, name) for world in _WORLDS] for rho in (0.02, 0.04))
    moved = [abs(a) > 1e-9 for a in near]
    return {
        "direction": all(a > 1e-9 for a in near),
        "order": all(moved) and all(3.5 < b / a < 4.5 for a, b in zip(near, far, strict=True)),
        "constant": all(abs(a / 0.02**2 / (2 / 3) - 1) < 0.05 for a in near),
    }


def _read_place(answer: Any) -> tuple[str, set[str]] | str:
    """The definition's name and the clues that it is said to fit; or what is wrong with the form."""
    if not isinstance(answer, Mapping) or set(answer) != {"definition", "fits"}:
        return "Give a dict with the keys 'definition' and 'fits'."
    if all(answer[key] is ... for key in answer):
        attempted(None)
    name, fits = answer["definition"], answer["fits"]
    if name is ... or fits is ...:
        return f"{'definition' if name is ... else 'fits'} is still open."
    if isinstance(fits, str) or not isinstance(fits, Collection) or not set(map(str, fits)) <= set(CLUES):
        return f"'fits' must be a list of some of the clues {', '.join(map(repr, CLUES))}; an empty one is allowed."
    try:
        return definition_named(name), set(fits)
    except (TypeError, ValueError) as error:
        return str(error)


def _judge_place(answer: Any) -> str | None:
    read = _read_place(answer)
    if isinstance(read, str):
        return read
    name, said = read
    if name not in FORMULA:
        return f"{name} is: {toy.DEFINITIONS[name]}. The formula: all weights, an l_2 ball, the whole loss."
    for clue, fits in clues_of(name).items():
        if (clue in said) != fits:
            return f"You say that {name} {'fits' if clue in said else 'does not fit'} “{clue}”. {_evidence(name)}"
    return None


def _evidence(name: str) -> str:
    """What can be measured about a definition."""
    said = [
        f"{100 * _change(world, 0.1, name):+.2g} % with rho = 0.1 and {100 * _change(world, 0.05, name):+.2g} % with "
        f"rho = 0.05 at (p, eta, d) = {world}"
        for world in (_WORLDS[0], _WORLDS[-1])
    ]
    return f"Measure: w_1 changes by {said[0]}; by {said[1]}. 2/3 rho² would be +0.67 % and +0.17 % in both."


def _praise_place(answer: Mapping[str, Any]) -> str:
    """What of the theorem speaks for the definition, and what against it."""
    name = _read_place(answer)[0]
    found = clues_of(name)
    lists = (", ".join(clue for clue in CLUES if found[clue] is fits) or "nothing" for fits in (True, False))
    return (
        "For {}: {}; against it: {}. Definitions that perturb what the formula perturbs move w_1 either way, or not at "
        "all, and none of the thirteen has the constant. It may belong to a definition that we did not think of, or to "
        "another unit of rho. A theorem is quoted with its definition, or as reported."
    ).format(name, *lists)


which_definition = Exercise(
    "robust_and_non_robust_features/which definition",
    _judge_place,
    _praise_place,
    [
        "The formula: which weights, what ball, whose loss? Three definitions have the same.",
        "Measure: toy.sam_optimum(p, eta, d, rho, 'B') / toy.standard_optimum(p, eta) - 1, for two rho and two worlds. "
        "'order': halve rho; is the change a quarter, or a half?",
        "B fits 'order', and not 'direction': try p = 0.95 and d = 50.",
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

bet_on_the_ball = Question(
    "Now <i>all</i> weights are perturbed, by a vector of length rho, as in SAM itself; still one perturbation for all "
    "examples. With 50 weak features, SAM's choice is …",
    {
        "to the right as before": "That was so for w_1 alone. The ball of all weights reaches further to the right.",
        "to the left of w*": "The ball also shrinks and grows the weak weights. Seen as w_1 it reaches further to the "
        "right than to the left, so SAM steps back.",
        "w* itself": "That holds for other readings; here the ball is lopsided.",
    },
    correct="to the left of w*",
)

bet_on_the_batch = Question(
    "With the other weights kept, SAM with batches of one example moves w_1 by more than a third. Up to which batch "
    "size does it move it by 10 % or more?",
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
    "In this model, of two classifiers one's error rises less within a ball of weights of radius rho: it is the "
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
