"""What a table will cost: in passes, counted beforehand, and in hours, after a few measured steps.

A pass takes an image through the network: forward, backward to its pixels, or backward to the weights. A step of SGD
takes three for each image, a step of PGD two.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from samlib.attacks import pgd
from samlib.batches import default_batch_size
from samlib.data import flip_and_crop
from samlib.reports import text_table
from samlib.runs.engine import Engine, EngineRun, FirstRanksCheckpoint
from samlib.runs.grid import Task
from samlib.runs.images import as_pixels, load_images, make_model
from samlib.runs.measure import PAPER, PART, Measure
from samlib.runs.settings import Settings
from samlib.runs.sweep import Part, Sweep
from samlib.training import Recipe
from samlib.unions import BUDGETS

# Of the images how many a whole union is spent on; others it breaks at once. Between half and twice as many are usual.
WHOLE_UNION = 0.5
ROUNDS = 2.5  # of the union over the radii, however few images are left


def training_passes(recipe: Recipe) -> int:
    """For each image and epoch."""
    parts = recipe.method.split("+")
    attack = 2 * (recipe.attack_steps or 7) if "at" in parts else 0
    ascent = (3 if recipe.perturb is None else 2) if "sam" in parts else 0
    return 3 + ascent + attack


@dataclass(frozen=True)
class Cost:
    """Passes of training and of evaluation, and seconds in all."""

    training: float = 0.0
    evaluation: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in ("training", "evaluation", "seconds")))


@dataclass(frozen=True)
class Speeds:
    """Measured seconds of a training step, of a checkpoint, and of a step of an attack: call + image for each image."""

    step: float
    save: float
    call: float
    image: float


@dataclass(frozen=True)
class Effort:
    """Steps of an evaluation's attacks: how many calls of the network, and how many images go through in all."""

    calls: float = 0.0
    images: float = 0.0


def effort(measure: Measure, n: int, classes: int, batch_size: int) -> Effort:
    """Of measuring n images, as a rule: how long a union works at an image is known only afterwards."""
    parts = [min(PART, n - start) for start in range(0, n, PART)]
    batches = sum(math.ceil(part / batch_size) for part in parts)
    radii = len(measure.radii)
    if measure.protocol == PAPER:
        return Effort(11 * radii * batches, 11 * radii * n)
    steps = 0.0
    for attack in BUDGETS[measure.protocol]:
        if not attack.if_masked:
            runs = min(attack.targets, classes - 1) or 1
            steps += attack.size * (0.5 if attack.kind == "square" else runs)  # a query is half a gradient step
    scouts = 10 * radii
    return Effort((ROUNDS * steps + scouts) * batches, (WHOLE_UNION * steps + scouts / 2) * n)


class Costs:
    """The costs of a sweep's runs, with the speeds of each kind of run measured once."""

    def __init__(self, sweep: Sweep, engine: Engine, root: str) -> None:
        self.sweep, self.engine, self.root = sweep, engine, root
        self.measured: dict[Settings, Speeds] = {}

    def of(self, task: Task) -> Cost:
        """What a run takes from its beginning. A tuned row's is taken to be its first candidate's."""
        grid, row = self.sweep.grid, task.row
        settings = grid.settings(task, row.candidates[0] if row.candidates and task.candidate is None else None)
        tuning = grid.tuning if task.candidate is not None else None
        images = load_images(settings.data, settings.images, settings.validation, self.root)
        n = len(images.x_measured) if tuning or grid.images is None else grid.images
        speeds, recipe = self.speeds(settings), settings.recipe
        batch_size = default_batch_size(images.x_measured)
        measures = tuning.measures if tuning else grid.measures
        efforts = [effort(measure, n, images.classes, batch_size) for measure in measures]
        seconds = sum(one.calls * speeds.call + one.images * speeds.image for one in efforts)
        steps = math.ceil(len(images.x) / recipe.batch_size)
        return Cost(
            training=float(training_passes(recipe) * recipe.epochs * len(images.x)),
            evaluation=sum(2 * one.images for one in efforts),
            seconds=seconds + recipe.epochs * (steps * speeds.step + speeds.save),
        )

    def speeds(self, settings: Settings) -> Speeds:
        """Measured on a network of this kind; strengths and seeds do not matter."""
        usual = replace(settings.recipe, seed=0, lr=0.1, momentum=0.9, weight_decay=0.0, epochs=1)
        strength = {name: 0.01 for name in ("rho", "eps", "sigma") if getattr(usual, name) is not None}
        kind = replace(settings, recipe=replace(usual, **strength))  # type: ignore[arg-type]
        if kind not in self.measured:
            self.measured[kind] = measure_speeds(kind, self.engine, self.root)
        return self.measured[kind]


def measure_speeds(settings: Settings, engine: Engine, root: str) -> Speeds:
    """A few steps of training, one checkpoint, and a few steps of PGD on many images and on few."""
    device = engine.device
    images = load_images(settings.data, settings.images, settings.validation, root).to(device)
    model = make_model(settings, images).to(device)
    size = min(default_batch_size(images.x_measured), len(images.x_measured))
    x, y = as_pixels(images.x_measured[:size]), images.y_measured[:size]
    few = max(size // 8, 1)

    def attack(n: int) -> float:
        return seconds_of(lambda: pgd(model, x[:n], y[:n], 0.01, steps=3), device) / 4

    many, little = attack(size), attack(few)
    image = max(many - little, 0.0) / max(size - few, 1)
    with engine.applied(model), TemporaryDirectory() as folder:
        run = EngineRun(model, images, settings.recipe, flip_and_crop() if settings.augment else None, engine)
        model.train()
        rows = run.batches()[0]
        step = seconds_of(lambda: run.one_step(*run.training_batch(rows)), device)
        save = seconds_of(FirstRanksCheckpoint(Path(folder) / "checkpoint.pt", run).save, device)
    return Speeds(step, save, max(many - size * image, 0.0), image)


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """The median of a few calls after a first one, or that one if it takes long."""
    times: list[float] = []
    while len(times) < 6 and (sum(times) < 2 or len(times) < (1 if device.type == "cpu" else 3)):
        start = time.perf_counter()
        call()
        if device.type != "cpu":
            torch.get_device_module(device).synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:] or times)


def plan(sweep: Sweep, engine: Engine, root: str, part: Part = (1, 1)) -> str:
    """What is still to be done, row by row, with its cost, as a table in text."""
    number, count = part
    tasks = sweep.grid.tasks()
    mine, missing = tasks[number - 1 :: count], sweep.missing()
    costs = Costs(sweep, engine, root)
    lines, total, runs = [], Cost(), 0
    for row in sweep.grid.rows:
        for label, tuning in ((f"{row.name}: tuning", True), (row.name, False)):
            own = [task for task in mine if task.row == row and (task.candidate is not None) == tuning]
            left = [task for task in own if task in missing]
            if own:
                cost = sum((costs.of(task) for task in left), Cost())
                lines.append(_line(label, len(own), len(left), cost))
                total, runs = total + cost, runs + len(left)
    lines.append(_line("all", len(mine), runs, total))
    head = ("row", "runs", "to be done", "passes to train", "to evaluate", "hours")
    note = (
        "A pass: an image through the network, forward, or backward to pixels or to weights. "
        f"Hours on {engine.device.type}, by a few measured steps of each kind; how many an attack takes, by experience."
    )
    return f"{note}\n{text_table(head, lines)}"


def _line(label: str, runs: int, left: int, cost: Cost) -> Sequence[str]:
    passes = (f"{cost.training:,.0f}", f"{cost.evaluation:,.0f}")
    hours = cost.seconds / 3600
    return (label, str(runs), str(left), *passes, f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}")
