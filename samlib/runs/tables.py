"""The measured tables: which settings, trained and attacked how, and the one command that remakes them.

A table is a list of settings; each is trained once for every split and seed, in parallel processes, and measured on
images that it never saw. What is done is kept, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from samlib.attacks import fgsm
from samlib.checks import check_choice, check_count
from samlib.data import load_digits, split
from samlib.evaluation import accuracy, robust_accuracy, robust_curve
from samlib.feature_training import (
    FeaturePerturbation,
    perturbation_along,
    perturbation_of_batches,
    perturbed_cross_entropy,
)
from samlib.files import write_atomically
from samlib.models import MODELS
from samlib.training import train
from samlib.unions import BUDGETS, PGD_UNION, Attack

# Where the lessons read their figures from.
RESULTS = Path(__file__).parents[1] / "course" / "results"


@dataclass(frozen=True)
class Setting:
    """A name, a network, and how it is trained (keyword arguments of the model's function and of `train`)."""

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    model: str = "mlp"
    architecture: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One training run of a table."""

    table: str
    setting: Setting
    split: int
    seed: int

    def key(self) -> str:
        """The same for the same job, whatever it is called in: what is done is found again by it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Table:
    """What is trained, how often, and what is measured.

    With `validation` = n, n training images are set aside and measured on, not the test set.
    """

    settings: Callable[[int], list[Setting]]  # for a split of the data: what was tuned was tuned on its training part
    measure: Curves | Strengths
    seeds: int
    splits: tuple[int, ...] = (0,)
    validation: int = 0

    def jobs(self, name: str, seeds: int) -> list[Job]:
        """Everything to run, the slowest first."""
        return [
            Job(name, setting, part, seed)
            for part in self.splits
            for setting in reversed(self.settings(part))
            for seed in range(seeds)
        ]


def run_job(job: Job) -> dict[str, Any]:
    """Train one network on the digits and measure it."""
    torch.set_num_threads(1)
    table = TABLES[job.table]
    x, y, x_held_out, y_held_out = load_digits(seed=job.split)
    if table.validation:
        x, y, x_held_out, y_held_out = split(x, y, table.validation, seed=job.split)
    model = MODELS[job.setting.model](**job.setting.architecture, seed=job.seed)
    how: dict[str, Any] = dict(job.setting.training)
    if "perturbation" in how:
        how["loss"] = perturbed_cross_entropy(make_perturbation(**how.pop("perturbation")))
    history = train(model, x, y, **how, seed=job.seed, progress=False)
    measured = {"training accuracy": history["accuracy"][-1]} | table.measure(model, x_held_out, y_held_out)
    return {
        "setting": job.setting.name,
        "split": job.split,
        "seed": job.seed,
        "seconds": round(sum(history["seconds"]), 3),
        "measured": {name: round(value, 5) for name, value in measured.items()},
    }


def make_perturbation(**how: Any) -> FeaturePerturbation:
    """A feature perturbation from its numbers: alpha and r, or m and rho."""
    return perturbation_along(**how) if "alpha" in how else perturbation_of_batches(**how)


# ---- what is measured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """Clean accuracy, and robust accuracy at some radii in each norm, from 0 up."""

    radii: dict[str, tuple[float, ...]]

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
        measured = {}
        for norm, radii in self.radii.items():
            measured["clean"], *robust = robust_curve(model, x, y, [0.0, *radii], norm, attacks=PGD_UNION)
            measured |= {f"{norm} {eps:g}": value for eps, value in zip(radii, robust, strict=True)}
        return measured

    def protocol(self) -> dict[str, Any]:
        return {"attacks": [asdict(attack) for attack in PGD_UNION]}


@dataclass(frozen=True)
class Strengths:
    """Clean accuracy, and robust accuracy at one radius as attacks of growing strength see it, each alone."""

    eps: float
    norm: str
    attacks: dict[str, tuple[Attack, ...]]

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
        one_step = accuracy(model, fgsm(model, x, y, self.eps, self.norm), y)
        return {"clean": accuracy(model, x, y), "FGSM": one_step} | {
            name: robust_accuracy(model, x, y, self.eps, self.norm, attacks=union)
            for name, union in self.attacks.items()
        }

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


# ---- what is trained -------------------------------------------------------------------------------------------------

PLAIN_MLP = {
    "hidden": (48, 48),
    "mean": 0.0,
    "std": 1.0,
}  # on this one pixels and first-layer weights translate exactly
LEAST_CLEAN = (
    0.95  # of the validation digits must be read by what is chosen for its robust accuracy, where SGD reads 97 %
)
CRITERIA = {"clean": ("clean", "linf 0.125"), "robust": ("linf 0.125", "clean")}


def methods_table(part: int) -> list[Setting]:
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
    return common + controls + tuned("tuning", part, tuple(CRITERIA))


def tuning_table(_: int) -> list[Setting]:
    """The grid on which the methods' hyper-parameters are chosen, for all methods alike."""
    strengths: dict[str, list[dict[str, Any]]] = {
        "SGD": [{"method": "sgd"}],
        "SAM": [{"method": "sam", "rho": rho} for rho in (0.1, 0.2, 0.4, 0.6, 0.8)],
        "AT": [{"method": "at", "eps": eps} for eps in (0.0625, 0.125, 0.25)],
        "input noise": [{"method": "input_noise", "sigma": sigma} for sigma in (0.1, 0.2, 0.3, 0.4)],
    }
    return grid(strengths, lr=(0.03, 0.1, 0.3), weight_decay=(5e-4, 5e-3, 2e-2))


def attacks_table(part: int) -> list[Setting]:
    """What is attacked by weaker and stronger attacks: SGD and SAM as usual and tuned, and what beats both."""
    wanted = ["SGD", "SAM 0.4", "AT linf 0.125", "input noise 0.2", "SGD, tuned (robust)", "SAM, tuned (robust)"]
    return [setting for setting in methods_table(part) if setting.name in wanted]


# Network: its function, architecture, epochs, first layer, the rest, the measure that it is tuned by.
LAYERS: dict[str, tuple[str, dict[str, Any], int, list[str], list[str], str]] = {
    "MLP": ("mlp", PLAIN_MLP, 60, ["fc1"], ["fc2", "fc3"], "linf 0.125"),
    "ResNet": ("small_resnet", {}, 30, ["conv1"], ["group1", "group2", "bn", "fc"], "linf 0.0625"),
}


def layers_grid(net: str, rhos: Sequence[float]) -> dict[str, list[dict[str, Any]]]:
    """SGD, and SAM on all layers, on the first alone, on all but the first."""
    _, _, epochs, first, rest, _ = LAYERS[net]
    parts = {"all": {}, "first": {"perturb": first}, "rest": {"perturb": rest}}
    kinds = {"SGD": [{"method": "sgd", "epochs": epochs}]}
    return kinds | {
        name: [{"method": "sam", "rho": rho, "epochs": epochs, **part} for rho in rhos] for name, part in parts.items()
    }


def layers_table(part: int) -> list[Setting]:
    """Which layers SAM perturbs, for a small MLP and a small ResNet: with rho 0.4, and with the rho that suits each."""
    settings = []
    for net, (model, architecture, *_, measure) in LAYERS.items():
        settings += [
            Setting(f"{net} {name}", kind, model, architecture) for name, (kind,) in layers_grid(net, (0.4,)).items()
        ]
        by = {"robust": (measure, "clean")}
        settings += tuned("layers_tuning", part, tuple(by), by, f"{net} ", LEAST_CLEAN)
    return settings


def layers_tuning_table(_: int) -> list[Setting]:
    """The grid on which the rho of each choice of layers is chosen; on the fast MLP the learning rate too."""
    settings: list[Setting] = []
    for net, (model, architecture, *_others) in LAYERS.items():
        kinds = {f"{net} {name}": variants for name, variants in layers_grid(net, (0.1, 0.2, 0.4, 0.6)).items()}
        settings += grid(kinds, model, architecture, lr=(0.03, 0.1, 0.3) if net == "MLP" else (0.1,))
    return settings


def alpha_grid(radii: Sequence[float]) -> dict[str, list[dict[str, Any]]]:
    """Perturbations of each example's first features, from SAM's direction to the attack's, and SAM's in batches."""
    along = {f"alpha {alpha:g}": {"alpha": alpha} for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)}
    kinds = {
        name: [{"method": "sgd", "perturbation": {**direction, "r": r}} for r in radii]
        for name, direction in along.items()
    }
    return kinds | {
        f"batches of {m}": [{"method": "sgd", "perturbation": {"m": m, "rho": rho}} for rho in radii] for m in (8, 128)
    }


def alpha_table(part: int) -> list[Setting]:
    """The family at one length, 0.2, and each member with the length that suits it; beside SGD and AT."""
    settings = [
        Setting(f"{name}, r 0.2", kind, "mlp", PLAIN_MLP)
        for name, (kind,) in alpha_grid((0.2,)).items()
        if name.startswith("alpha")
    ]
    return settings + tuned("alpha_tuning", part, ("robust",), least_clean=LEAST_CLEAN)


def alpha_tuning_table(_: int) -> list[Setting]:
    """The grid on which the lengths are chosen, and eps for AT in its two norms and with a single step."""
    attacks = {"AT linf": ("linf", 7), "AT linf, 1 step": ("linf", 1), "AT l2": ("l2", 7), "AT l2, 1 step": ("l2", 1)}
    sizes = {"linf": (0.0625, 0.125, 0.1875), "l2": (0.25, 0.5, 1.0)}
    kinds = {"SGD": [{"method": "sgd"}]} | alpha_grid((0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2))
    kinds |= {
        name: [{"method": "at", "eps": eps, "norm": norm, "attack_steps": steps} for eps in sizes[norm]]
        for name, (norm, steps) in attacks.items()
    }
    return grid(kinds, "mlp", PLAIN_MLP, lr=(0.03, 0.1, 0.3))


def grid(
    kinds: Mapping[str, Sequence[dict[str, Any]]],
    model: str = "mlp",
    architecture: dict[str, Any] | None = None,
    **values: Sequence[float],
) -> list[Setting]:
    """Every kind of training with every combination of values, named "kind | numbers" so that `choose` can group."""
    return [
        Setting(f"{name} | {json.dumps(training, sort_keys=True)}", training, model, architecture or {})
        for name, variants in kinds.items()
        for variant in variants
        for combination in itertools.product(*values.values())
        for training in [variant | dict(zip(values, combination, strict=True))]
    ]


def choose(
    tuning: Mapping[str, Any], part: int, measures: Sequence[str], least_clean: float = 0.0
) -> dict[str, dict[str, Any]]:
    """For each kind of a grid the setting that is best on a split's validation part.

    By the mean over seeds of the first measure, equal ones by the next; among those whose mean clean accuracy is at
    least `least_clean`, so that a length at which some seeds collapse is not taken for a good one.
    """

    def mean(setting: str, measure: str) -> float:
        runs = [run["measured"] for run in tuning["runs"] if run["setting"] == setting and run["split"] == part]
        return statistics.mean(run[measure] for run in runs)

    kinds: dict[str, list[str]] = {}
    for setting in tuning["protocol"]["settings"]:
        if mean(setting, "clean") >= least_clean:
            kinds.setdefault(setting.partition(" | ")[0], []).append(setting)
    return {
        kind: tuning["protocol"]["settings"][max(names, key=lambda name: [mean(name, m) for m in measures])]
        for kind, names in kinds.items()
    }


def tuned(
    table: str,
    part: int,
    criteria: Sequence[str],
    measures: Mapping[str, Sequence[str]] = CRITERIA,
    prefix: str = "",
    least_clean: float = 0.0,
) -> list[Setting]:
    """The chosen setting of each kind, named "kind, tuned (criterion)"; only kinds that begin with `prefix`."""
    tuning = json.loads((RESULTS / f"{table}.json").read_text(encoding="utf-8"))
    return [
        Setting(f"{kind}, tuned ({criterion})", best["training"], best["model"], best["architecture"])
        for criterion in criteria
        for kind, best in choose(tuning, part, measures[criterion], least_clean).items()
        if kind.startswith(prefix)
    ]


# The tables in the order in which they are made: what is chosen by tuning comes after it.
TABLES = {
    "tuning": Table(tuning_table, Curves({"linf": (0.125,)}), seeds=3, validation=200),
    "methods": Table(
        methods_table,
        Curves(
            {
                "linf": (0.03125, 0.0625, 0.09375, 0.125, 0.1875, 0.25),
                "l2": (0.125, 0.25, 0.375, 0.5, 0.75, 1.0),
            }
        ),
        seeds=10,
    ),
    "attacks": Table(attacks_table, Strengths(0.125, "linf", WEAK_TO_STRONG), seeds=10),
    "layers_tuning": Table(
        layers_tuning_table, Curves({"linf": (0.0625, 0.125)}), seeds=3, splits=(0, 1), validation=200
    ),
    "layers": Table(layers_table, Curves({"linf": (0.0625, 0.125)}), seeds=5, splits=(0, 1)),
    "alpha_tuning": Table(alpha_tuning_table, Curves({"linf": (0.125,)}), seeds=3, splits=(0, 1), validation=200),
    "alpha": Table(alpha_table, Curves({"linf": (0.0625, 0.125), "l2": (0.25, 0.5)}), seeds=5, splits=(0, 1)),
}


# ---- making them -----------------------------------------------------------------------------------------------------


def make_table(table: str, seeds: int | None = None, workers: int | None = None, folder: Path | None = None) -> Path:
    """Run what a table needs and write it. Started again after an interruption, it does only what is left.

    Args:
        table: one of TABLES.
        seeds: runs of each setting on each split; the table's own number if None.
        workers: processes; one for each core if None.
        folder: where the file goes; samlib/course/results if None. What was tuned is always read from
            samlib/course/results.
    """
    check_choice("table", table, TABLES)
    seeds = TABLES[table].seeds if seeds is None else check_count("seeds", seeds)
    folder = RESULTS if folder is None else folder
    content = describe(f"python -m samlib results {table} --seeds {seeds}")
    jobs = TABLES[table].jobs(table, seeds)
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
    content |= {"protocol": protocol(TABLES[table]), "runs": [done[job.key()] for job in jobs]}
    path = folder / f"{table}.json"
    write_atomically(path, lines(content).encode(), "folder")
    partial.unlink()
    return path


def lines(content: dict[str, Any]) -> str:
    """The content as JSON with each run on a line of its own."""
    head = json.dumps({**content, "runs": []}, indent=1).removesuffix("[]\n}")
    return f"{head}[\n  " + ",\n  ".join(json.dumps(run) for run in content["runs"]) + "\n ]\n}\n"


def protocol(table: Table) -> dict[str, Any]:
    """How a table's networks were trained and measured. A setting that was tuned for each split is given for each."""
    variants: dict[str, dict[str, Any]] = {}
    for part in table.splits:
        for setting in table.settings(part):
            variants.setdefault(setting.name, {})[f"split {part}"] = asdict(setting)
    held_out = f"; measured on {table.validation} of the training images, set aside" if table.validation else ""
    return {
        "data": f"scikit-learn digits, 1,200 train / 597 test, stratified{held_out}",
        **table.measure.protocol(),
        "settings": {
            name: found["split 0"] if all(one == found["split 0"] for one in found.values()) else found
            for name, found in variants.items()
        },
    }


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
