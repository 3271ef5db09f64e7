"""What a table's runs have found: means, 95 % intervals and paired differences, as JSON and as Markdown."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from samlib.files import write_atomically
from samlib.runs.costs import training_passes
from samlib.runs.engine import hardware
from samlib.runs.grid import Grid, Row, Task
from samlib.runs.measure import PAPER
from samlib.runs.provenance import describe
from samlib.runs.sweep import Sweep

JSON, MARKDOWN = "table.json", "table.md"
Values = dict[int, float]  # seed -> value


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, half of its 95 % interval by Student's t (None for a single value), and the values."""
    from scipy.stats import t

    n = len(values)
    half = t.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n) if n > 1 else None
    return {
        "mean": round(statistics.mean(values), 5),
        "half_width": None if half is None else round(float(half), 5),
        "values": [round(value, 5) for value in values],
    }


def summarise(sweep: Sweep, command: str, device: torch.device) -> dict[str, Any]:
    """The table as it stands. Repeated on the same machine and day it is the same, byte for byte."""
    grid = sweep.grid
    found = {row.name: measured_by_seed(sweep, row) for row in grid.rows}
    missing = [str(task) for task in sweep.missing()]
    return describe(command) | {
        "hardware": hardware(device),
        "title": grid.title,
        "grid": grid.described(),
        "complete": not missing,
        "missing": missing,
        "tuning": [content for row in grid.rows if row.candidates for content in [tuning_of(sweep, row)] if content],
        "rows": [_row(sweep, row, found) for row in grid.rows],
    }


def measured_by_seed(sweep: Sweep, row: Row) -> dict[int, dict[str, float]]:
    """What is done of a row; {} for a seed that diverged."""
    found = {}
    for seed in sweep.grid.seeds:
        job = sweep.job(Task(row, seed))
        measured = job.measured() if job else None
        if measured is not None:
            found[seed] = measured
    return found


def tuning_of(sweep: Sweep, row: Row) -> dict[str, Any] | None:
    """What was tried, what it gave on the validation images, and what was chosen; None while it is not complete."""
    tried = sweep.tried(row)
    if tried is None:
        return None
    means = [
        {name: round(statistics.mean(one[name] for one in runs), 5) for name in runs[0]} if all(runs) else "diverged"
        for runs in tried
    ]
    candidates = [{"values": values, "mean": mean} for values, mean in zip(row.candidates, means, strict=True)]
    return {"row": row.name, "chosen": sweep.chosen(row), "tried": candidates}


def _row(sweep: Sweep, row: Row, found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, Any]:
    own = found[row.name]
    content: dict[str, Any] = {
        "name": row.name,
        "seeds": list(own),
        "diverged": [seed for seed, measured in own.items() if not measured],
    }
    job = sweep.job(Task(row, sweep.grid.seeds[0]))
    if job is not None:
        content["settings"] = {name: value for name, value in job.settings.flat().items() if name != "seed"}
        content["passes for an image and epoch"] = training_passes(job.settings.recipe)
    fit = {seed: measured for seed, measured in own.items() if measured}
    names = list(next(iter(fit.values()), {}))
    content["measured"] = {name: interval([measured[name] for measured in fit.values()]) for name in names}
    other = {seed: measured for seed, measured in found[row.against or row.name].items() if measured}
    pairs = [seed for seed in fit if seed in other]
    if row.against != row.name and pairs:
        gaps = {name: interval([fit[seed][name] - other[seed][name] for seed in pairs]) for name in names}
        content["difference"] = {"to": row.against, "seeds": pairs, "measured": gaps}
    return content


def write_table(sweep: Sweep, content: Mapping[str, Any]) -> list[Path]:
    """JSON and Markdown, in the table's folder."""
    paths = [sweep.folder / JSON, sweep.folder / MARKDOWN]
    for path, text in zip(paths, (json.dumps(content, indent=1) + "\n", markdown(sweep, content)), strict=True):
        write_atomically(path, text.encode(), "out")
    return paths


# ---- for people ------------------------------------------------------------------------------------------------------


def markdown(sweep: Sweep, content: Mapping[str, Any]) -> str:
    """The table as a page."""
    return "\n\n".join(_page(sweep, content)) + "\n"


def _page(sweep: Sweep, content: Mapping[str, Any]) -> Iterator[str]:
    grid, rows = sweep.grid, content["rows"]
    names = [name for measure in grid.measures for name in measure.names()]
    yield f"# {grid.title or 'A table of runs'}"
    if content["missing"]:
        yield f"**Not complete**: {len(content['missing'])} of {len(grid.tasks())} runs are missing."
    yield "Accuracy in percent: the mean over the seeds ± half of its 95 % interval."
    yield _table(["method", "seeds", "clean", *names], [_line(row, ["clean", *names]) for row in rows])
    gaps = [row for row in rows if "difference" in row]
    if gaps:
        yield "Differences in percentage points, paired by seed:"
        yield _table(
            ["method", "to", "seeds", "clean", *names],
            [
                [row["name"], row["difference"]["to"], *_line(row["difference"], ["clean", *names], "+")[1:]]
                for row in gaps
            ],
        )
    if content["tuning"] and grid.tuning:
        yield (
            f"Chosen by {grid.tuning.criterion} on {grid.tuning.validation:,} training images set aside, "
            f"{grid.tuning.seeds} seeds, with a clean accuracy of at least {grid.tuning.least_clean:.0%}:"
        )
        yield _table(
            ["method", "tries", "chosen"],
            [[one["row"], str(len(one["tried"])), _values(one["chosen"])] for one in content["tuning"]],
        )
    yield _costs(sweep, grid, rows)
    yield "\n".join(_notes(grid, content))


def _line(row: Mapping[str, Any], names: Sequence[str], sign: str = "") -> list[str]:
    cells = [row.get("name", ""), str(len(row["seeds"]))]
    for name in names:
        one = row["measured"].get(name)
        if one is None:
            cells.append("diverged" if row.get("diverged") else "not measured")
        else:
            half = "" if one["half_width"] is None else f" ± {100 * one['half_width']:.1f}"
            cells.append(f"{100 * one['mean']:{sign}.1f}{half}")
    return cells


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _costs(sweep: Sweep, grid: Grid, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row, content in zip(grid.rows, rows, strict=True):
        jobs = [sweep.job(Task(row, seed)) for seed in content["seeds"]]
        minutes = [job.seconds() / 60 for job in jobs if job]
        passes = content.get("passes for an image and epoch")
        lines.append(
            [row.name, str(passes or "not known"), f"{statistics.mean(minutes):.2g}" if minutes else "not measured"]
        )
    return _table(["method", "passes for an image and epoch", "minutes of training"], lines)


def _notes(grid: Grid, content: Mapping[str, Any]) -> Iterator[str]:
    diverged = [row["name"] for row in content["rows"] if row["diverged"]]
    if diverged:
        yield f"- Some runs diverged and are in no mean: {', '.join(diverged)}."
    if any(measure.protocol == PAPER for measure in grid.measures):
        yield f"- {PAPER}: the paper's protocol, ten steps of cross-entropy from a random start, the last one counts."
    if any(measure.protocol != PAPER for measure in grid.measures):
        yield "- Others: `samlib.robust_accuracy`'s budgets, the worst over a union of attacks."
    yield "- A pass: an image through the network, forward or backward, to the pixels or to the weights."
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    yield f"- Made by `{content['command']}`, {content['date']}, commit {content['commit']}; {versions}."
    yield f"- {content['hardware']}."
