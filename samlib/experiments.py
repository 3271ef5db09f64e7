"""The measured tables: which settings, trained and attacked how, and the one command that remakes them.

A table is a list of settings; each is trained once for every split and seed, in parallel processes, and measured on
images that it never saw. What is done is kept, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from samlib import results
from samlib.data import load_digits, split
from samlib.evaluation import STANDARD, robust_curve
from samlib.models import MODELS
from samlib.training import train, write_atomically

RADII = {  # on which robust accuracy is measured, for each table
    "tuning": {"linf": (0.0, 0.125)},
    "methods": {
        "linf": (0.0, 0.03125, 0.0625, 0.09375, 0.125, 0.1875, 0.25),
        "l2": (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0),
    },
    "layers": {"linf": (0.0, 0.0625, 0.125)},
}


@dataclass(frozen=True)
class Setting:
    """A name, a network, and how it is trained (keyword arguments of the model's function and of `train`)."""

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    model: str = "mlp"
    architecture: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One training run of a table. With `validation` = n, n training images are set aside and measured on, not the test set."""

    table: str
    setting: Setting
    split: int
    seed: int
    validation: int = 0

    def key(self) -> str:
        """The same for the same job, whatever it is called in: what is done is found again by it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def run_job(job: Job) -> dict[str, Any]:
    """Train one network on the digits and measure its clean and robust accuracy."""
    torch.set_num_threads(1)
    x, y, x_held_out, y_held_out = load_digits(seed=job.split)
    if job.validation:
        x, y, x_held_out, y_held_out = split(x, y, job.validation, seed=job.split)
    model = MODELS[job.setting.model](**job.setting.architecture, seed=job.seed)
    history = train(model, x, y, **job.setting.training, seed=job.seed, progress=False)
    measured = {"training accuracy": history["accuracy"][-1]}
    for norm, radii in RADII[job.table].items():
        curve = robust_curve(model, x_held_out, y_held_out, radii, norm)
        measured["clean"] = curve[0]
        measured |= {f"{norm} {eps:g}": value for eps, value in zip(radii[1:], curve[1:], strict=True)}
    return {
        "setting": job.setting.name,
        "split": job.split,
        "seed": job.seed,
        "seconds": round(sum(history["seconds"]), 3),
        "measured": {name: round(value, 5) for name, value in measured.items()},
    }


# ---- the tables ------------------------------------------------------------------------------------------------------

PLAIN_MLP = {
    "hidden": (48, 48),
    "mean": 0.0,
    "std": 1.0,
}  # on this one pixels and first-layer weights translate exactly


def methods_table(tuned: dict[str, dict[str, Any]]) -> list[Setting]:
    """The methods at one learning rate and weight decay, the referee's controls, and all methods after tuning."""
    common = [Setting("SGD", {"method": "sgd"})]
    common += [Setting(f"SAM {rho:g}", {"method": "sam", "rho": rho}) for rho in (0.05, 0.1, 0.2, 0.4, 0.8)]
    common += [Setting(f"AT linf {eps:g}", {"method": "at", "eps": eps}) for eps in (0.125, 0.25)]
    common += [Setting("AT l2 0.5", {"method": "at", "eps": 0.5, "norm": "l2"})]
    common += [Setting("AT+SAM", {"method": "at+sam", "eps": 0.125, "rho": 0.1})]
    controls = [
        Setting("SGD, 4x as long", {"method": "sgd", "epochs": 240}),
        Setting("weight noise 0.4", {"method": "weight_noise", "rho": 0.4}),
        Setting("input noise 0.2", {"method": "input_noise", "sigma": 0.2}),
    ]
    return common + controls + [Setting(name, training) for name, training in tuned.items()]


def layers_table() -> list[Setting]:
    """SAM on all layers, on the first alone, on all but the first: for a small MLP and a small ResNet."""
    settings = []
    for prefix, model, architecture, first, rest, more in [
        ("MLP", "mlp", PLAIN_MLP, ["fc1"], ["fc2", "fc3"], {}),
        ("ResNet", "small_resnet", {}, ["conv1"], ["group1", "group2", "bn", "fc"], {"epochs": 30}),
    ]:
        kinds = {
            "SGD": {"method": "sgd"},
            "all": {"method": "sam", "rho": 0.4},
            "first": {"method": "sam", "rho": 0.4, "climb": first},
            "rest": {"method": "sam", "rho": 0.4, "climb": rest},
        }
        settings += [Setting(f"{prefix} {name}", {**kind, **more}, model, architecture) for name, kind in kinds.items()]
    return settings


def tuning_table() -> list[Setting]:
    """The grid on which hyper-parameters are chosen, for all methods alike."""
    strengths = {
        "sgd": [{}],
        "sam": [{"rho": rho} for rho in (0.1, 0.2, 0.4, 0.6, 0.8)],
        "at": [{"eps": eps} for eps in (0.0625, 0.125, 0.25)],
        "input_noise": [{"sigma": sigma} for sigma in (0.1, 0.2, 0.3, 0.4)],
    }
    return [
        Setting(json.dumps(training, sort_keys=True), training)
        for method, variants in strengths.items()
        for variant in variants
        for lr in (0.03, 0.1, 0.3)
        for weight_decay in (5e-4, 5e-3, 2e-2)
        for training in [{"method": method, **variant, "lr": lr, "weight_decay": weight_decay}]
    ]


def choose(tuning: results.Result) -> dict[str, dict[str, Any]]:
    """For each method the settings best on the validation part: by clean accuracy, and by robust accuracy.

    Means over seeds; equal ones are told apart by the other of the two measures.
    """
    chosen = {}
    labels = {"sgd": "SGD", "sam": "SAM", "at": "AT", "input_noise": "input noise"}
    settings = {run["setting"]: json.loads(run["setting"]) for run in tuning["runs"]}
    for criterion, order in {"clean": ("clean", "linf 0.125"), "robust": ("linf 0.125", "clean")}.items():
        for method, label in labels.items():
            candidates = [name for name, training in settings.items() if training["method"] == method]
            best = max(
                candidates,
                key=lambda name: tuple(statistics.mean(results.values(tuning, name, measure)) for measure in order),
            )
            chosen[f"{label}, tuned ({criterion})"] = settings[best]
    return chosen


def jobs_of(table: str, seeds: int) -> list[Job]:
    """Everything that a table needs, the slowest first."""
    if table == "tuning":
        settings, parts, validation = tuning_table(), (0,), 200
    elif table == "methods":
        settings, parts, validation = methods_table(choose(results.load("tuning"))), (0,), 0
    else:
        settings, parts, validation = layers_table(), (0, 1), 0
    return [
        Job(table, s, part, seed, validation) for s in reversed(settings) for part in parts for seed in range(seeds)
    ]


TABLES = {"tuning": 3, "methods": 10, "layers": 5}  # each with its number of seeds, in the order in which they are made


# ---- making them -----------------------------------------------------------------------------------------------------


def make_table(table: str, seeds: int | None = None, workers: int | None = None, folder: Path | None = None) -> Path:
    """Run what a table needs and write it. Started again after an interruption, it does only what is left.

    Args:
        table: "tuning", "methods" or "layers".
        seeds: runs of each setting; the table's own number if None.
        workers: processes; one for each core if None.
        folder: where the file goes; samlib/results if None.
    """
    seeds = TABLES[table] if seeds is None else seeds
    folder = Path(results.__file__).parent if folder is None else folder
    jobs = jobs_of(table, seeds)
    partial = folder / f"{table}.jsonl.part"
    done = dict(_read_lines(partial))
    left = [job for job in jobs if job.key() not in done]
    with (
        open(partial, "a", encoding="utf-8") as file,
        ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        futures = {pool.submit(run_job, job): job for job in left}
        for future in tqdm(as_completed(futures), total=len(left), desc=table, unit="run"):
            key = futures[future].key()
            done[key] = future.result()
            file.write(json.dumps([key, done[key]]) + "\n")
            file.flush()
    content = describe(f"python -m samlib results {table} --seeds {seeds}") | {
        "protocol": {
            "data": "scikit-learn digits, 1,200 train / 597 test, stratified"
            + ("; measured on 200 of the training images, set aside" if table == "tuning" else ""),
            "attacks": [asdict(attack) for attack in STANDARD],
            "settings": {job.setting.name: asdict(job.setting) for job in jobs},
        },
        "runs": [done[job.key()] for job in jobs],
    }
    path = folder / f"{table}.json"
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode(), "folder")
    partial.unlink()
    return path


def _read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an interrupted run has left; a last line cut short is passed over."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            key, run = json.loads(line)
        except ValueError:
            continue
        yield key, run


def describe(command: str) -> dict[str, Any]:
    """How a result file came about: command, commit, date, versions, hardware."""

    def ask(call: Callable[[], str]) -> str:
        try:
            return call().strip()
        except (OSError, subprocess.SubprocessError):
            return "unknown"

    root = Path(__file__).parent
    return {
        "command": command,
        "commit": ask(lambda: subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=root, text=True, stderr=-3)),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread for each run",
    }
