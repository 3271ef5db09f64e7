"""A measurement that is preregistered: the prediction first, then the runs, one of which is done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from IPython.display import Markdown
from torch import Tensor

from samlib.course.exercise import attempted
from samlib.data import load_digits
from samlib.evaluation import robust_accuracy
from samlib.models import mlp
from samlib.training import train

CHOICES = ("all", "first", "rest")
PERTURBED: dict[str, list[str] | None] = {"all": None, "first": ["fc1"], "rest": ["fc2", "fc3"]}
NEAR = 0.015  # of 597 digits nine: what another processor or version of torch may change
_committed: list[str] = []  # the prediction, once there is one; a second does not count


def commit(choice: Any) -> Markdown:
    """Write down what you expect to be the most robust, "all", "first" or "rest", before you measure it."""
    if choice is ...:
        return Markdown('Nothing is committed yet: put `"all"`, `"first"` or `"rest"` in place of the dots.')
    if choice not in CHOICES:
        raise ValueError(f"choice is {choice!r}; it must be one of {', '.join(map(repr, CHOICES))}.")
    if _committed and choice != _committed[0]:
        return Markdown(f"You have committed to *{_committed[0]}* already, and that stays: this is the point of it.")
    _committed[:] = [choice]
    return Markdown(f"Committed: *{choice}*. Now measure.")


def robust(name: str, seed: int) -> float:
    """Robust accuracy at l_inf 0.125 of one network, with SGD or with SAM's ascent step in some layers."""
    x_train, y_train, x_test, y_test = load_digits()
    model = mlp((48, 48), mean=0.0, std=1.0, seed=seed)
    sam: dict[str, Any] = {} if name == "SGD" else {"rho": 0.4, "perturb": PERTURBED[name]}
    train(model, x_train, y_train, "sam" if sam else "sgd", **sam, seed=seed, progress=False)
    return robust_accuracy(model, x_test, y_test, 0.125)


def judge_layers(measured: Mapping[str, Any], repeat: Callable[[str, int], float] = robust) -> str | None:
    """What is wrong with a measurement of seeds 0, 1, 2 for SGD and for each choice of layers, if anything is.

    Whatever comes out is right; but one of the runs, which one depends on the numbers, is done again.
    """
    wanted = ("SGD", *CHOICES)
    if not isinstance(measured, Mapping) or set(measured) != set(wanted):
        return f"measured must be a dict with the keys {', '.join(map(repr, wanted))}, each with a list of three runs."
    if any(values is ... for values in measured.values()):
        attempted(None)
    if not _committed:
        return "Commit to a prediction first, with lesson.commit(...): a bet after the race is none."
    runs = {}
    for name, values in measured.items():
        if complaint := _no_runs(name, values):
            return complaint
        runs[name] = [float(value) for value in values]
    name, seed = _one_of(runs)
    again = repeat(name, seed)
    if abs(again - runs[name][seed]) > NEAR:
        return (
            f"The run {name!r} with seed {seed} was done again and gave {again:.3f}, where you have "
            f"{runs[name][seed]:.3f}. Are the runs those of seeds 0, 1, 2, at l_inf 0.125 on the test images, with "
            "rho = 0.4 and a fresh network for each?"
        )
    return None


def _no_runs(name: str, values: Any) -> str | None:
    """Why something is no list of three robust accuracies."""
    if not isinstance(values, Sequence | Tensor) or isinstance(values, str) or len(values) != 3:
        return f"{name!r} is {values!r}; it must be a list of three robust accuracies, of seeds 0, 1, 2."
    if not all(0 <= float(value) <= 1 for value in values):
        return f"{name!r} holds {list(map(float, values))}; robust accuracies are fractions in [0, 1]."
    return None


def _one_of(runs: Mapping[str, Sequence[float]]) -> tuple[str, int]:
    """The run that is done again: any of them, the same one for the same numbers."""
    said = repr([[round(value, 3) for value in runs[name]] for name in ("SGD", *CHOICES)])
    number = int(hashlib.sha256(said.encode()).hexdigest(), 16) % 12
    return ("SGD", *CHOICES)[number // 3], number % 3


def praise_layers(measured: Mapping[str, Sequence[float]]) -> str:
    """What is said of an honest measurement: whether it was as predicted, and how sure that is."""
    means = {name: sum(map(float, measured[name])) / 3 for name in CHOICES}
    best = max(means, key=lambda name: means[name])
    apart = 100 * abs(means[best] - means[_committed[0]])
    if best == _committed[0]:
        said = f"As you had predicted, {best!r} came out best."
    elif apart < 100 * NEAR:
        said = (
            f"You predicted {_committed[0]!r}; {best!r} is {apart:.1f} points higher, too few for three seeds to tell."
        )
    else:
        said = (
            f"You predicted {_committed[0]!r}, and {best!r} came out {apart:.0f} points higher. A surprise that was "
            "written down beforehand is a finding."
        )
    return f"{said} One of your runs was done again and agrees. The picture below has more runs, on three splits."
