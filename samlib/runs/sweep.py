"""A table's runs, worked off in one folder by one process or several: what is done is found again and not repeated."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samlib.files import write_atomically
from samlib.runs.engine import Engine
from samlib.runs.grid import Grid, Row, Task, told_of
from samlib.runs.images import load_images, make_model
from samlib.runs.locks import held
from samlib.runs.measure import EVALUATION, Measure, evaluate_run, measured_images
from samlib.runs.run import LOG, check_network, train_run
from samlib.runs.settings import Settings
from samlib.training import make_optimizer

GRID, RUNS, LOCKS, DIVERGED = "grid.json", "runs", ".locks", "diverged.json"
Part = tuple[int, int]  # number i of n, from 1


def parse_part(text: str) -> Part:
    """ "2/4" is the second of four parts."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"part is {text!r}; it must be i/n with 1 <= i <= n, such as 1/4.")
    return int(number), int(count)


@dataclass(frozen=True)
class Job:
    """A run with its folder, and what is measured of it."""

    settings: Settings
    folder: Path
    measures: tuple[Measure, ...]
    size: int | None

    def measured(self) -> dict[str, float] | None:
        """What was measured, if it is done: {} if the run diverged."""
        if (self.folder / DIVERGED).exists():
            return {}
        content = _read(self.folder / EVALUATION)
        wanted = json.loads(json.dumps([asdict(measure) for measure in self.measures]))
        if content is None or content["protocols"] != wanted or content["epochs"] != self.settings.recipe.epochs:
            return None
        return dict(content["measured"]) if content["images"] == (self.size or content["held out"]) else None

    def seconds(self) -> float:
        """What its training took, of all its processes one after the other."""
        try:
            lines = (self.folder / LOG).read_text(encoding="utf-8").splitlines()
        except OSError:
            return 0.0
        return sum(json.loads(line)["seconds"] for line in lines)

    def do(self, engine: Engine, root: str, progress: bool) -> None:
        """Train and measure, or go on with it."""
        try:
            model, history = train_run(self.settings, self.folder, engine, root, progress)
        except FloatingPointError as error:
            content = {"diverged": str(error)}
            write_atomically(self.folder / DIVERGED, (json.dumps(content) + "\n").encode(), "out")
            return
        one = self.settings
        images = load_images(one.data, one.images, one.validation, root).to(engine.device)
        epochs = len(history["loss"])
        evaluate_run(self.folder, model, epochs, images, self.measures, self.size, engine.ranks, progress)


class Sweep:
    """A grid in its folder."""

    def __init__(self, grid: Grid, folder: Path) -> None:
        self.grid, self.folder = grid, folder

    def job(self, task: Task) -> Job | None:
        """What is to be done for a task; None as long as its row's tuning is not complete."""
        chosen = None
        if task.candidate is None and task.row.candidates:
            chosen = self.chosen(task.row)
            if chosen is None:
                return None
        settings = self.grid.settings(task, chosen)
        while_tuning = task.candidate is not None and self.grid.tuning is not None
        measures = self.grid.tuning.measures if while_tuning and self.grid.tuning else self.grid.measures
        folder = self.folder / RUNS / _folder_name(settings)
        return Job(settings, folder, measures, None if while_tuning else self.grid.images)

    def tried(self, row: Row) -> list[list[dict[str, float]]] | None:
        """What was measured of each candidate, by each seed; None while some is not done."""
        found: list[list[dict[str, float]]] = [[] for _ in row.candidates]
        for task in self.grid.tries(row):
            job = self.job(task)
            measured = job.measured() if job else None
            if measured is None or task.candidate is None:
                return None
            found[task.candidate].append(measured)
        return found

    def chosen(self, row: Row) -> dict[str, Any] | None:
        """The row's best candidate, once its tuning is complete.

        By the mean of the criterion, equal ones by clean accuracy, then the first; none that diverged.

        Raises:
            ValueError: none is clean enough.
        """
        tried, tuning = self.tried(row), self.grid.tuning
        if tried is None or tuning is None:
            return None

        def mean(i: int, name: str) -> float:
            return statistics.mean(one[name] for one in tried[i]) if all(tried[i]) else -1.0

        allowed = [i for i in range(len(tried)) if mean(i, "clean") >= tuning.least_clean]
        if not allowed:
            best = max(mean(i, "clean") for i in range(len(tried)))
            raise ValueError(
                f"no candidate of {row.name!r} has a clean accuracy of {tuning.least_clean:.1%} on the validation "
                f"images (the best: {best:.1%}); lower tuning.least_clean, or try other values."
            )
        return row.candidates[max(allowed, key=lambda i: (mean(i, tuning.criterion), mean(i, "clean"), -i))]

    def missing(self, tasks: Sequence[Task] | None = None) -> list[Task]:
        """What is not done yet."""
        tasks = self.grid.tasks() if tasks is None else tasks
        return [task for task in tasks if not (job := self.job(task)) or job.measured() is None]

    # ---- the work ----------------------------------------------------------------------------------------------------

    def prepare(self, engine: Engine, root: str) -> None:
        """Make the folder, if everything is as it must be."""
        self.check(engine, root)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / GRID, (json.dumps(self.grid.described(), indent=1) + "\n").encode(), "out")

    def check(self, engine: Engine, root: str) -> None:
        """Everything that can go wrong before the first run goes wrong here; nothing is written.

        Raises:
            ValueError: the folder holds another table, or something else; there are too few images.
            OSError: the data cannot be read.
        """
        self.check_folder()
        if engine.ranks.count > 1:
            raise ValueError("a table's runs take one process each; start several with --part in place of torchrun.")
        networks = set()
        for row, one in self.grid.every():
            images = load_images(one.data, one.images, one.validation, root)
            if not one.validation and self.grid.images is not None:
                measured_images(images, self.grid.images)
            network = (one.data, one.model, one.width, one.recipe.perturb)
            if network not in networks:
                networks.add(network)
                with told_of(row):
                    model = make_model(one, images)
                    check_network(model, images)
                    make_optimizer(model, one.recipe)

    def check_folder(self) -> None:
        """The folder is empty, or of this table, which may have grown: by rows, seeds and protocols."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"out={str(self.folder)!r} is a file; name a folder.")
        there, here = _read(self.folder / GRID), self.grid.described()
        if there is None:
            if self.folder.exists() and any(self.folder.iterdir()):
                raise ValueError(f"out={str(self.folder)!r} holds something else than a table; name another folder.")
            return
        differ = [f"row {name!r}" for name, row in there["rows"].items() if here["rows"].get(name) != row]
        for name in ("seeds", "protocols"):
            differ += [f"{name}: {one}" for one in there[name] if one not in here[name]]
        differ += [name for name in ("tuning", "images") if there[name] not in (None, here[name])]
        if differ:
            raise ValueError(
                f"out={str(self.folder)!r} holds another table ({'; '.join(differ)}: not in this grid); name another "
                "folder. A grid may grow, but what was in it must stay."
            )

    def work(
        self, engine: Engine, root: str, part: Part = (1, 1), progress: bool = True, say: Callable[[str], None] = print
    ) -> Iterator[tuple[Task, Job]]:
        """Do a part's share of the runs, and tell each that was done.

        Every n-th run is this part's. The runs of tuned rows need the tuning of all parts: they are waited for while
        another part is at work, and taken on by whoever comes to them first.

        Raises:
            ValueError: this part is at work elsewhere.
        """
        (number, count), tasks = part, self.grid.tasks()
        with held(self._lock(f"part-{number}-of-{count}")) as alone:
            if not alone:
                raise ValueError(f"part {number}/{count} is at work in another process; give each its own part.")
            waiting = tasks[number - 1 :: count]
            told = False
            while waiting:
                before = len(waiting)
                waiting = yield from self._round(waiting, engine, root, progress)
                if len(waiting) == before:
                    if not self._others_at_work(number, count):
                        break
                    if not told:
                        say(f"{len(waiting)} runs wait until another process has done its share of the tuning.")
                        told = True
                    time.sleep(1)
            tuned = [task for task in tasks if task.row.candidates and task.candidate is None]
            yield from self._round(tuned, engine, root, progress)

    def _round(
        self, tasks: Sequence[Task], engine: Engine, root: str, progress: bool
    ) -> Generator[tuple[Task, Job], None, list[Task]]:
        """Do what can be done and nobody else is doing; returns what waits for tuning."""
        waiting = []
        for task in tasks:
            job = self.job(task)
            if job is None:
                waiting.append(task)
            elif job.measured() is None:
                with held(self._lock(job.folder.name)) as free:
                    if free and job.measured() is None:
                        job.do(engine, root, progress)
                        yield task, job
        return waiting

    def _others_at_work(self, number: int, count: int) -> bool:
        for path in (self.folder / RUNS / LOCKS).glob("part-*"):
            if path.name != f"part-{number}-of-{count}":
                with held(path) as free:
                    if not free:
                        return True
        return False

    def _lock(self, name: str) -> Path:
        return self.folder / RUNS / LOCKS / name


def _folder_name(settings: Settings) -> str:
    """For people its method, strength and seed; for the rest a hash of all settings."""
    recipe = settings.recipe
    strength = {"rho": recipe.rho, "eps": recipe.eps, "sigma": recipe.sigma}
    parts = [recipe.method, *(f"{name}{value:.4g}" for name, value in strength.items() if value is not None)]
    content = json.dumps(settings.flat(), sort_keys=True)
    return "-".join([*parts, f"seed{recipe.seed}", hashlib.sha256(content.encode()).hexdigest()[:10]])


def _read(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds; None if it is not there.

    Raises:
        ValueError: it is broken.
    """
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
