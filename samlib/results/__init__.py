"""Measured figures: one JSON file for each table, with how it was made and the value of every seed.

The files are written by `python -m samlib results` (experiments.py) and read by the lessons.
"""

from __future__ import annotations

import json
import statistics
from importlib import resources
from typing import Any

from samlib.checks import check_choice

Result = dict[str, Any]


def names() -> list[str]:
    """The tables there are."""
    return sorted(file.name[:-5] for file in resources.files(__name__).iterdir() if file.name.endswith(".json"))


def load(name: str) -> Result:
    """One table: how it was made ("command", "date", "versions", ...) and "runs", one for each setting, split and seed."""
    file = resources.files(__name__) / f"{check_choice('name', name, names())}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def values(result: Result, setting: str, measure: str) -> list[float]:
    """What was measured, one value for each run of a setting; `measure` is "clean", "linf 0.125", "l2 0.5", ..."""
    runs = [run for run in result["runs"] if run["setting"] == setting]
    if not runs:
        check_choice("setting", setting, dict.fromkeys(run["setting"] for run in result["runs"]))
    check_choice("measure", measure, runs[0]["measured"])
    return [run["measured"][measure] for run in runs]


def mean_and_spread(result: Result, setting: str, measure: str) -> tuple[float, float]:
    """Mean over the runs of a setting, and their sample standard deviation."""
    found = values(result, setting, measure)
    return statistics.mean(found), statistics.stdev(found)
