"""What has been measured of one method beside another: on which data, by which attack, at which eps, every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samlib.course import results
from samlib.course.results import Result

DIGITS = "digits"
DATA = {  # data set: its table in samlib.course.results
    DIGITS: "attacks",
    "CIFAR-10, a part": "cifar_cpu",
    "CIFAR-10": "cifar_gpu",
    "CIFAR-100": "cifar100_gpu",
}
USUAL, TUNED, NOISE, AT = "SAM − SGD, as usual", "SAM − SGD, both tuned", "input noise − SGD", "AT − SGD"
PAIRS = {  # pair: the rows of the digits' tables, those of the grids; the second minus the first
    USUAL: (("SGD", "SAM 0.4"), ("SGD", "SAM rho=0.2")),
    TUNED: (("SGD, tuned (robust)", "SAM, tuned (robust)"), ("SGD, tuned", "SAM, tuned")),
    NOISE: (("SGD", "input noise 0.2"), ("SGD", "input noise")),
    AT: (("SGD", "AT linf 0.125"), ("SGD", "AT, 1 step")),
}
CLEAN = "clean"
ATTACKS = (CLEAN, "PGD-10", "standard")  # weak to strong
LEVELS = ("smaller", "larger")  # eps
RADII = {DIGITS: ("0.0625", "0.125")}  # l_inf, in pixels; elsewhere:
SMALL = ("1/255", "2/255")


@dataclass(frozen=True)
class Found:
    """Two methods, all in per cent or points.

    Args:
        names: of the two.
        one, other: every run's accuracy.
        gains: how far the second is above the first, for each seed or, where settings were tuned anew, each split.
        unit: "seed" or "split".
    """

    names: tuple[str, str]
    one: np.ndarray
    other: np.ndarray
    gains: np.ndarray
    unit: str = "seed"

    @property
    def number(self) -> str:
        """Of the gains, in words: "3 seeds"."""
        return f"{len(self.gains)} {self.unit}{'s' * (len(self.gains) > 1)}"

    @property
    def mean(self) -> float:
        """Of the gains, in points."""
        return float(self.gains.mean())

    @property
    def half(self) -> float | None:
        """Half of the 95 % interval; None for a single gain, which has none."""
        return results.interval(self.gains.tolist())[1] if len(self.gains) > 1 else None

    @property
    def ends(self) -> tuple[float, float]:
        """Of the 95 % interval; from anywhere to anywhere where a single gain tells nothing."""
        half = math.inf if self.half is None else self.half
        return self.mean - half, self.mean + half

    def __str__(self) -> str:
        said = f"{self.mean:+.1f}" + ("" if self.half is None else f" ± {self.half:.1f}")
        return said.replace("-", "−")

    @property
    def drawn(self) -> np.ndarray:
        """All that a picture of it has to hold: every gain, and the ends of their interval unless they are far off."""
        far = 1.5 * np.abs(self.gains).max()
        return np.concatenate([self.gains, [] if self.half is None else np.clip(self.ends, -far, far)])

    @property
    def says(self) -> str:
        """Whether the interval lies above zero, below it, or holds it: "supported", "refuted", "open"."""
        low, high = self.ends
        return "supported" if low > 0 else "refuted" if high < 0 else "open"


class Evidence:
    """All tables that there are.

    Args:
        folder: where tables of your own may be; they come before the package's.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.attacks, self.methods = results.load("attacks"), results.load("methods")
        self.grids = {data: results.grid(name, folder) for data, name in DATA.items() if data != DIGITS}

    def find(self, data: str, pair: str, attack: str, level: str) -> Found | None:
        """What was measured; None if it was not."""
        if data == DIGITS:
            return self._on_digits(pair, attack, level)
        grid = self.grids[data]
        measure = CLEAN if attack == CLEAN else f"{attack} linf {radius(data, level)}"
        return None if grid is None else in_grid(grid, PAIRS[pair][1], measure)

    def _on_digits(self, pair: str, attack: str, level: str) -> Found | None:
        names, eps = PAIRS[pair][0], radius(DIGITS, level)
        if attack == CLEAN or eps == "0.125":
            one, other = (100 * np.array(results.values(self.attacks, name, attack)) for name in names)
            return Found(names, one, other, other - one)
        if attack != "standard":
            return None
        measure = f"linf {eps}"
        one, other = (100 * np.array(results.values(self.methods, name, measure)) for name in names)
        if pair != TUNED:
            return Found(names, one, other, other - one)
        a, b = (results.by_split(self.methods, name, measure) for name in names)
        gains = [100 * (np.mean(b[part]) - np.mean(a[part])) for part in a]
        return Found(names, one, other, np.array(gains), "split")


def on_cpu(data: str) -> bool:
    """Whether a CPU is enough to measure it."""
    return not DATA[data].endswith("_gpu")


def radius(data: str, level: str) -> str:
    """Which eps a level is on a data set, in pixels."""
    return RADII.get(data, SMALL)[LEVELS.index(level)]


def in_grid(grid: Result, names: tuple[str, str], measure: str) -> Found | None:
    """Two rows of a table of `samlib table`, paired by seed; None if either was not measured, or no seed is shared."""
    one, other = (by_seed(grid, name, measure) for name in names)
    shared = [seed for seed in one if seed in other]
    if not shared:
        return None
    a, b = (100 * np.array(list(values.values())) for values in (one, other))
    return Found(names, a, b, 100 * np.array([other[seed] - one[seed] for seed in shared]))


def by_seed(grid: Result, name: str, measure: str) -> Mapping[int, float]:
    """What was measured in a row, for each seed whose run did not diverge."""
    for row in grid["rows"]:
        if row["name"] == name and measure in row["measured"]:
            fit = [seed for seed in row["seeds"] if seed not in row["diverged"]]
            return dict(zip(fit, row["measured"][measure]["values"], strict=True))
    return {}
