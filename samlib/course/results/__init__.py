"""Measured figures: one JSON file for each table, with how it was made and the value of every seed.

The files are written by `python -m samlib results` (samlib.runs.making) and read by the lessons. Those named in GRIDS
come from `samlib table` instead, by scripts/keep_table.py, and have that command's shape; where nobody has run it yet
there is no file.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from samlib.checks import check_choice

Result = dict[str, Any]
GRIDS = ("cifar_cpu", "cifar_gpu", "cifar100_gpu")  # tables of `samlib table`, each with a file or still without


def names() -> list[str]:
    """The tables there are, without those of GRIDS."""
    found = sorted(file.name[:-5] for file in resources.files(__name__).iterdir() if file.name.endswith(".json"))
    return [name for name in found if name not in GRIDS]


def grid(name: str, folder: str | Path | None = None) -> Result | None:
    """A table that `samlib table` has written, "rows" with each seed's values; None where it has not been run.

    Args:
        name: one of GRIDS.
        folder: where your own may be, as NAME.json or NAME/table.json; it comes before the package's.
    """
    check_choice("name", name, GRIDS)
    own = [] if folder is None else [Path(folder) / f"{name}.json", Path(folder) / name / "table.json"]
    for file in (*own, resources.files(__name__) / f"{name}.json"):
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    return None


def load(name: str) -> Result:
    """One table: how it was made ("command", "date", ...) and "runs", one for each setting, split and seed."""
    file = resources.files(__name__) / f"{check_choice('name', name, names())}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def values(result: Result, setting: str, measure: str) -> list[float]:
    """What was measured, one value for each run of a setting; `measure` is "clean", "linf 0.125", "l2 0.5", ..."""
    runs = [run for run in result["runs"] if run["setting"] == setting]
    if not runs:
        check_choice("setting", setting, dict.fromkeys(run["setting"] for run in result["runs"]))
    check_choice("measure", measure, runs[0]["measured"])
    return [run["measured"][measure] for run in runs]


def by_split(result: Result, setting: str, measure: str) -> dict[int, list[float]]:
    """What was measured, on each split of the data; otherwise as `values`."""
    found: dict[int, list[float]] = {}
    parts = [run["split"] for run in result["runs"] if run["setting"] == setting]
    for part, value in zip(parts, values(result, setting, measure), strict=False):
        found.setdefault(part, []).append(value)
    return found


def lead(result: Result, setting: str, baseline: str, measure: str) -> tuple[float, float]:
    """How far a setting is above another, and the half width of the 95 % interval over splits of the data.

    On each split the difference of the means over seeds is taken. Where both were tuned anew on each, the interval
    covers other seeds and another choice of the settings. Splits that share images vary less than new data would, so it
    is too short (Nadeau and Bengio 2003, Inference for the Generalization Error).

    Raises:
        ValueError: the two were run together on fewer than two splits.
    """
    one, other = by_split(result, setting, measure), by_split(result, baseline, measure)
    shared = [part for part in one if part in other]
    if len(shared) < 2:
        raise ValueError(f"{setting!r} and {baseline!r} share {len(shared)} split(s); a lead over splits needs two.")
    return interval([statistics.mean(one[part]) - statistics.mean(other[part]) for part in shared])


def mean_and_spread(result: Result, setting: str, measure: str) -> tuple[float, float]:
    """Mean over the runs of a setting, and their sample standard deviation."""
    found = values(result, setting, measure)
    return statistics.mean(found), statistics.stdev(found)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean of some runs and the half width of its 95 % interval: mean ± half.

    The interval is Student's, t s / √n with n - 1 degrees of freedom, s the sample standard deviation: it covers what
    another choice of seeds would change, and nothing else.

    Raises:
        ValueError: with fewer than two values, which have no spread.
    """
    if len(values) < 2:
        raise ValueError(f"values holds {len(values)} run(s); an interval needs two or more.")
    from scipy.special import stdtrit  # inverse of Student's distribution function

    t = float(stdtrit(len(values) - 1, 0.975))
    return statistics.mean(values), t * statistics.stdev(values) / math.sqrt(len(values))


def curve(result: Result, setting: str, norm: str) -> tuple[list[float], list[list[float]]]:
    """Robust accuracy over eps: the radii, from 0, and for each run its accuracy at each of them."""
    radii = sorted(
        float(measure.split()[1]) for measure in result["runs"][0]["measured"] if measure.startswith(f"{norm} ")
    )
    columns = [values(result, setting, "clean")] + [values(result, setting, f"{norm} {eps:g}") for eps in radii]
    return [0.0, *radii], [list(run) for run in zip(*columns, strict=True)]
