"""One run of a table: a network, trained on the digits in some way and measured on images that it never saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samlib.attacks import fgsm
from samlib.data import load_digits, split
from samlib.evaluation import accuracy, robust_accuracy, robust_curve
from samlib.models import MODELS
from samlib.runs.feature_training import (
    FeaturePerturbation,
    perturbation_along,
    perturbation_in_pixels,
    perturbation_of_batches,
    perturbed_cross_entropy,
)
from samlib.runs.late_sam import train_late
from samlib.sharpness import worst_case
from samlib.training import train
from samlib.unions import BUDGETS, PGD_UNION, Attack

Row = dict[str, Any]  # of a table: split, seed, and what was measured
Done = Mapping[str, Row]  # rows by the key of their job


@dataclass(frozen=True)
class Setting:
    """A name, a network, and how it is trained (keyword arguments of the model's function and of `train`)."""

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    model: str = "mlp"
    architecture: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Curves:
    """Clean accuracy, and robust accuracy at some radii in each norm, from 0 up."""

    radii: dict[str, tuple[float, ...]]
    attacks: tuple[Attack, ...] = field(default_factory=lambda: BUDGETS["standard"])  # always a part of a job's key

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, training: object = None) -> dict[str, float]:
        measured = {}
        for norm, radii in self.radii.items():
            measured["clean"], *robust = robust_curve(model, x, y, [0.0, *radii], norm, attacks=self.attacks)
            measured |= {f"{norm} {eps:g}": value for eps, value in zip(radii, robust, strict=True)}
        return measured

    def names(self) -> list[str]:
        """What is measured."""
        return ["clean", *(f"{norm} {eps:g}" for norm, radii in self.radii.items() for eps in radii)]

    def protocol(self) -> dict[str, Any]:
        return {"attacks": [asdict(attack) for attack in self.attacks]}


@dataclass(frozen=True)
class Strengths:
    """Clean accuracy, and robust accuracy at one radius as attacks of growing strength see it, each alone."""

    eps: float
    norm: str
    attacks: dict[str, tuple[Attack, ...]]

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, training: object = None) -> dict[str, float]:
        one_step = accuracy(model, fgsm(model, x, y, self.eps, self.norm), y)
        return {"clean": accuracy(model, x, y), "FGSM": one_step} | {
            name: robust_accuracy(model, x, y, self.eps, self.norm, attacks=union)
            for name, union in self.attacks.items()
        }

    def names(self) -> list[str]:
        """What is measured."""
        return ["clean", "FGSM", *self.attacks]

    def protocol(self) -> dict[str, Any]:
        attacks = {name: [asdict(attack) for attack in union] for name, union in self.attacks.items()}
        return {"eps": self.eps, "norm": self.norm, "attacks": attacks}


WEAK_TO_STRONG = {
    "PGD-10": (Attack("ce", steps=10, relative_step_size=0.25),),
    "PGD-40": PGD_UNION[:1],
    "PGD-40 margin": PGD_UNION[1:2],
    "APGD-40": (Attack("ce", steps=40, kind="apgd"),),
    "square 300": (Attack("margin", queries=300, kind="square"),),
    "PGD union": PGD_UNION,
    "quick": BUDGETS["quick"],
    "standard": BUDGETS["standard"],
}


@dataclass(frozen=True)
class Sharpness:
    """Clean and robust accuracy on the test images, and the worst-case sharpness on the training images.

    At each radius, in units of the weights and relative to each layer's length; by `steps` steps of ascent in float64.
    """

    accuracies: Curves
    absolute: tuple[float, ...]
    relative: tuple[float, ...]
    steps: int = 20

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor, training: tuple[Tensor, Tensor]) -> dict[str, float]:
        measured = self.accuracies(model, x, y, training)
        x_train, y_train = training[0].double(), training[1]
        model.double()  # of small rises float32 keeps too few digits
        for relative, radii in ((None, self.absolute), ("layer", self.relative)):
            for rho in radii:
                rise = worst_case(model, x_train, y_train, rho, self.steps, relative=relative)
                measured[self.name_of(relative, rho)] = rise
        return measured

    @staticmethod
    def name_of(relative: str | None, rho: float) -> str:
        """What a table calls the sharpness within rho."""
        return f"sharpness {'absolute' if relative is None else 'relative'} {rho:g}"

    def names(self) -> list[str]:
        """What is measured."""
        kinds = ((None, self.absolute), ("layer", self.relative))
        return self.accuracies.names() + [self.name_of(kind, rho) for kind, radii in kinds for rho in radii]

    def protocol(self) -> dict[str, Any]:
        return {**self.accuracies.protocol(), "sharpness": f"training images, {self.steps} steps of ascent"}


Measure = Curves | Strengths | Sharpness


@dataclass(frozen=True)
class Job:
    """One run: all that decides what comes out of it, but the sources.

    With `validation` = n, n training images are set aside and measured on, not the test set.
    """

    setting: Setting
    split: int
    seed: int
    measure: Measure
    validation: int = 0

    def key(self) -> str:
        """The same for the same run, whatever its setting is called: what is done is found again by it."""
        content = essentials(self)
        del content["setting"]["name"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.setting.name!r}, split {self.split}, seed {self.seed}"


def essentials(value: Any) -> Any:
    """A value as JSON can hold it, without what is as usual: a field that is added later changes no key."""
    if is_dataclass(value):
        named = {one.name: (getattr(value, one.name), one.default) for one in fields(value)}
        return {name: essentials(found) for name, (found, usual) in named.items() if found != usual}
    if isinstance(value, Mapping):
        return {key: essentials(one) for key, one in value.items()}
    return [essentials(one) for one in value] if isinstance(value, list | tuple) else value


def run_job(job: Job) -> Row:
    """Train one network on the digits and measure it; one whose training diverged has an accuracy of 0 everywhere."""
    torch.set_num_threads(1)
    x, y, x_held_out, y_held_out = load_digits(seed=job.split)
    if job.validation:
        x, y, x_held_out, y_held_out = split(x, y, job.validation, seed=job.split)
    model = MODELS[job.setting.model](**job.setting.architecture, seed=job.seed)
    row: Row = {"split": job.split, "seed": job.seed}
    try:
        how = arguments(job.setting.training)
        history = (train_late if "begin" in how else train)(model, x, y, **how, seed=job.seed, progress=False)
        if not all(bool(weights.isfinite().all()) for weights in model.parameters()):
            raise FloatingPointError("The weights are not finite after the last epoch.")
    except FloatingPointError as error:
        return row | {"diverged": str(error), "measured": dict.fromkeys(["training accuracy", *job.measure.names()], 0)}
    measured = {"training accuracy": history["accuracy"][-1]} | job.measure(model, x_held_out, y_held_out, (x, y))
    seconds = round(sum(history["seconds"]), 3)
    return row | {"seconds": seconds, "measured": {name: float(f"{value:.6g}") for name, value in measured.items()}}


def arguments(training: Mapping[str, Any]) -> dict[str, Any]:
    """What `train` takes, from what a file can hold: a feature perturbation is given by its numbers."""
    how = dict(training)
    if "perturbation" in how:
        how["loss"] = perturbed_cross_entropy(make_perturbation(**how.pop("perturbation")))
    return how


def make_perturbation(**how: Any) -> FeaturePerturbation:
    """A feature perturbation from its numbers: alpha and r; direction, norm and eps; or m and rho."""
    if "direction" in how:
        return perturbation_in_pixels(**how)
    return perturbation_along(**how) if "alpha" in how else perturbation_of_batches(**how)
