"""Section 2: faults planted in our own code, and what each does to SAM minus SGD; on digits, trained live."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import results
from samlib.course.results import Result
from samlib.data import load_digits, split
from samlib.evaluation import accuracy, robust_curve
from samlib.models import mlp
from samlib.training import train
from samlib.unions import Attack

EPS = (0.0625, 0.125)  # l_inf
SEEDS = 5
IMAGES = 250  # of the test digits
KINDS: dict[str, dict[str, Any]] = {"SGD": {"method": "sgd"}, "SAM": {"method": "sam", "rho": 0.4}}
EPOCHS = 40
LOOKED_AT = tuple(range(24, EPOCHS + 1, 4))  # epochs from which one is chosen on the validation digits
NAMED_AUTOATTACK = (Attack("dlr", steps=5, targets=9, kind="apgd"),)

# From the normalisation of CIFAR-100 to that of CIFAR-10, on average over the colours: the deviations are 0.940 times
# as large, the means 0.005 lower. The digits' own are changed by as much.
STD_FACTOR, MEAN_SHIFT = 0.940, -0.005

NORMALISATION = "another normalisation to score"
ONE_SEED = "one seed"
LAST_EPOCH = "the last epoch is kept"
FIVE_STEPS = "APGD-T of 5 steps for AutoAttack"
NOT_TUNED = "SGD is not tuned"
FAULTS = (NORMALISATION, ONE_SEED, LAST_EPOCH, FIVE_STEPS, NOT_TUNED)


@dataclass(frozen=True)
class Planted:
    """What the careful protocol and the faulty one say, in per cent: {method: (seeds or splits, eps)}."""

    careful: Mapping[str, np.ndarray]
    faulty: Mapping[str, np.ndarray]
    paired: bool = True  # whether row i of both is the same two networks

    def gains(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        """SAM minus SGD, seed by seed in points, at one of EPS: without the fault and with it."""
        one, other = (found["SAM"][:, at] - found["SGD"][:, at] for found in (self.careful, self.faulty))
        return one, other


def with_normalisation(net: nn.Sequential, factor: float = STD_FACTOR, shift: float = MEAN_SHIFT) -> nn.Sequential:
    """The same weights behind another normalisation of the pixels; `net` stays as it is."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        normalize = other.get_submodule("normalize")
        for name, buffer in normalize.named_buffers():
            buffer.copy_(buffer * factor if name == "std" else buffer + shift)
    return other


def by_pgd_10(net: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The attacked images of the published protocol: ten steps of eps / 4, cross-entropy, the last one counts."""
    return pgd(net, x, y, eps, steps=10, step_size=eps / 4, keep="last")


def plant(
    seeds: Sequence[int] = range(SEEDS), images: int = IMAGES, report: Callable[[str], None] | None = None
) -> dict[str, Planted]:
    """Train SGD and SAM with every seed, and measure both carefully and with each of the faults but NOT_TUNED.

    Careful is: the network's own normalisation, the epoch with the highest PGD-10 accuracy on 200 digits set aside,
    and `samlib.robust_accuracy`'s budget "quick". Each fault is judged beside what differs from it in nothing else.

    Args:
        seeds: of initial weights and batches.
        images: how many of the test digits.
        report: called with a line after each network.
    """
    x, y, x_test, y_test = load_digits()
    x, y, x_val, y_val = split(x, y, 200)
    x_test, y_test = x_test[:images], y_test[:images]
    rows: dict[tuple[str, str], list[list[float]]] = {}

    def note(protocol: str, kind: str, shares: Sequence[float]) -> None:
        rows.setdefault((protocol, kind), []).append([100 * share for share in shares])

    for seed in seeds:
        for kind, how in KINDS.items():
            last, chosen = _train(how, seed, (x, y), (x_val, y_val))
            images_by_pgd = [by_pgd_10(last, x_test, y_test, eps) for eps in EPS]
            note("PGD-10", kind, [accuracy(last, one, y_test) for one in images_by_pgd])
            other = with_normalisation(last)
            note("scored by another", kind, [accuracy(other, one, y_test) for one in images_by_pgd])
            by_union = robust_curve(last, x_test, y_test, EPS, budget="quick")
            note("last epoch", kind, by_union)
            note(
                "chosen epoch",
                kind,
                by_union if chosen is last else robust_curve(chosen, x_test, y_test, EPS, budget="quick"),
            )
            note("five steps", kind, robust_curve(last, x_test, y_test, EPS, attacks=NAMED_AUTOATTACK))
            if report is not None:
                report(f"{kind}, seed {seed}")

    def found(protocol: str) -> dict[str, np.ndarray]:
        return {kind: np.array(rows[protocol, kind]) for kind in KINDS}

    return {
        NORMALISATION: Planted(found("PGD-10"), found("scored by another")),
        ONE_SEED: Planted(found("last epoch"), found("last epoch")),
        LAST_EPOCH: Planted(found("chosen epoch"), found("last epoch")),
        FIVE_STEPS: Planted(found("last epoch"), found("five steps")),
    }


def _train(
    how: Mapping[str, Any], seed: int, images: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]
) -> tuple[nn.Sequential, nn.Sequential]:
    """The network after the last epoch, and the one after the epoch of LOOKED_AT that the held-out digits prefer."""
    net = mlp(seed=seed)
    kept: list[tuple[float, nn.Sequential]] = []

    def look(history: Mapping[str, list[float]]) -> None:
        if len(history["loss"]) in LOOKED_AT:
            now = copy.deepcopy(net).eval()
            kept.append((accuracy(now, by_pgd_10(now, *held_out, EPS[1]), held_out[1]), now))

    train(net, *images, **how, epochs=EPOCHS, seed=seed, progress=False, on_epoch=look)
    return kept[-1][1], max(reversed(kept), key=lambda one: one[0])[1]


def not_tuned(methods: Result) -> Planted:
    """SAM 0.4 beside the usual SGD, each seed; careful: both tuned, each split. From the table "methods"."""

    def usual(name: str) -> np.ndarray:
        return 100 * np.array([results.values(methods, name, f"linf {eps:g}") for eps in EPS]).T

    def tuned(name: str) -> np.ndarray:
        parts = [results.by_split(methods, name, f"linf {eps:g}").values() for eps in EPS]
        return 100 * np.array([[np.mean(runs) for runs in one] for one in parts]).T

    careful = {kind: tuned(f"{kind}, tuned (robust)") for kind in KINDS}
    return Planted(careful, {"SGD": usual("SGD"), "SAM": usual("SAM 0.4")}, paired=False)


def single_runs(found: Planted, at: int) -> np.ndarray:
    """What one run of each method may say: SAM of any seed minus SGD of any seed, in points."""
    return (found.careful["SAM"][:, at][:, None] - found.careful["SGD"][:, at][None]).ravel()
