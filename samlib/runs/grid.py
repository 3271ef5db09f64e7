"""A table's grid, read from a small TOML file: methods, their strengths, seeds, what is tuned, and what is measured."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samlib.checks import check_choice, check_count, check_number
from samlib.runs.measure import PAPER, Measure, measures_of, usual_measures
from samlib.runs.settings import NAMES, Settings, make_settings

EXAMPLE = """\
title = "CIFAR-10, 30 epochs"
seeds = 3                              # 0, 1 and 2; or a list of seeds
reference = "SGD"                      # differences are to it, paired by seed; if left out: the first row

[common]                               # for all runs; names as in `samlib train --help`, with _ for -
data = "cifar10"
epochs = 30

[methods.SGD]
method = "sgd"

[methods.SAM]
method = "sam"
rho = [0.1, 0.2]                       # a list: a row for each, named "SAM rho=0.1" and "SAM rho=0.2"

[methods."SGD, tuned"]
method = "sgd"
tune.lr = [0.05, 0.1]                  # the best of these on the validation part, then trained on all images

[methods."SAM, tuned"]
method = "sam"
against = "SGD, tuned"                 # a reference of its own
tune.rho = [0.1, 0.2]

[tuning]
validation = 1000                      # training images set aside while it lasts
seeds = 1
criterion = "PGD-10 linf 2/255"        # best mean over these seeds (if left out: as here); or "clean"
least_clean = 0.9                      # of those with at least this clean accuracy

[evaluation]                           # if left out: as `samlib evaluate` does
images = 1000                          # of the test set; if left out: all
protocols."PGD-10".linf = ["1/255", "2/255"]
protocols.standard.linf = ["1/255", "2/255", "4/255", "8/255"]
"""

KEYS = ("title", "seeds", "reference", "common", "methods", "tuning", "evaluation")
OWN = ("against", "tune")  # keys of a method that are no settings


@dataclass(frozen=True)
class Row:
    """One row of the table: what is given to `make_settings` but the seed; `candidates` if some of it is tuned."""

    name: str
    given: dict[str, Any]
    candidates: tuple[dict[str, Any], ...]
    against: str | None


@dataclass(frozen=True)
class Tuning:
    """How the best candidate is chosen: by its mean over `seeds`, on `validation` training images set aside."""

    validation: int
    seeds: int
    criterion: str
    least_clean: float

    @property
    def measures(self) -> tuple[Measure, ...]:
        return () if self.criterion == "clean" else (_as_measure(self.criterion),)


@dataclass(frozen=True)
class Task:
    """One run: of a row by a seed, or while tuning of one of the row's candidates."""

    row: Row
    seed: int
    candidate: int | None = None

    def __str__(self) -> str:
        tried = "" if self.candidate is None else f", try {_values(self.row.candidates[self.candidate])}"
        return f"{self.row.name}{tried}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """Everything that decides a table."""

    title: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    tuning: Tuning | None
    measures: tuple[Measure, ...]
    images: int | None

    def settings(self, task: Task, chosen: Mapping[str, Any] | None = None) -> Settings:
        """What a run computes. `chosen`: the row's best candidate, where one is to be found first."""
        given = dict(task.row.given) | {"seed": task.seed}
        if task.candidate is not None and self.tuning is not None:
            given |= {**task.row.candidates[task.candidate], "validation": self.tuning.validation}
        with told_of(task.row):
            return make_settings(given | dict(chosen or {}))

    def tasks(self) -> list[Task]:
        """All runs, the most useful first: every method by one seed before a second, and tuning once it is needed."""
        plain = [row for row in self.rows if not row.candidates]
        tuned = [row for row in self.rows if row.candidates]
        tries = [task for row in tuned for task in self.tries(row)]
        first, *others = self.seeds
        tasks = [Task(row, first) for row in plain] + tries + [Task(row, first) for row in tuned]
        return tasks + [Task(row, seed) for seed in others for row in self.rows]

    def tries(self, row: Row) -> Iterator[Task]:
        """The runs that a row's tuning takes."""
        for seed in range(self.tuning.seeds if self.tuning else 0):
            yield from (Task(row, seed, i) for i in range(len(row.candidates)))

    def every(self) -> Iterator[tuple[Row, Settings]]:
        """All settings that may come to be computed: of a tuned row those of each candidate."""
        for task in self.tasks():
            for chosen in task.row.candidates if task.candidate is None and task.row.candidates else ({},):
                yield task.row, self.settings(task, chosen)

    def described(self) -> dict[str, Any]:
        """As JSON can hold it."""
        rows = {row.name: {name: value for name, value in vars(row).items() if name != "name"} for row in self.rows}
        content = {
            "title": self.title,
            "rows": rows,
            "seeds": list(self.seeds),
            "tuning": self.tuning and asdict(self.tuning),
            "protocols": [asdict(measure) for measure in self.measures],
            "images": self.images,
        }
        return dict(json.loads(json.dumps(content)))


def read_grid(path: Path) -> Grid:
    """The grid of a file; `EXAMPLE` shows all that it may hold.

    Raises:
        OSError: the file cannot be read.
        ValueError, TypeError: it is no TOML, or holds an unknown name or a value that is not allowed.
    """
    toml = _toml()
    try:
        content = toml.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # both of TOML's and of UTF-8's
        raise ValueError(f"{path} is no TOML: {error}.") from error
    try:
        return make_grid(content)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from error


def _toml() -> Any:
    try:
        return importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as error:
        raise OSError("Python 3.10 reads no TOML by itself; `pip install tomli` adds it.") from error


def make_grid(content: Mapping[str, Any]) -> Grid:
    """A grid from what its file holds. All of its settings are checked."""
    for key in content:
        check_choice("key", key, KEYS)
    common, methods = _section(content, "common"), _section(content, "methods")
    if not methods:
        raise ValueError("there are no methods; add a section such as [methods.SGD].")
    check_names("common", common, NAMES)
    rows = tuple(row for name, method in methods.items() for row in _rows(name, method, common))
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"two rows are named {twice!r}; name their methods apart.")
    reference = check_choice("reference", content.get("reference", names[0]), names)
    for row in rows:
        if row.against is not None:
            check_choice("against", row.against, names)
    rows = tuple(Row(row.name, row.given, row.candidates, row.against or reference) for row in rows)
    usual = usual_measures(rows[0].given.get("data") or "digits")
    evaluation = _section(content, "evaluation")
    check_names("evaluation", evaluation, ("images", "protocols"))
    images = evaluation.get("images")
    measures = measures_of(_protocols(evaluation["protocols"])) if "protocols" in evaluation else usual
    grid = Grid(
        title=str(content.get("title", "")),
        rows=rows,
        seeds=_seeds(content.get("seeds", 1)),
        tuning=_tuning(content, rows, (*measures, *usual)),
        measures=measures,
        images=None if images is None else check_count("evaluation.images", images),
    )
    list(grid.every())
    return grid


@contextmanager
def told_of(row: Row) -> Iterator[None]:
    """An error says in which method it is."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise type(error)(f"methods.{row.name}: {error}") from error


def check_names(section: str, content: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Only these names, and none that a grid says elsewhere."""
    elsewhere = {"seed": "seeds = ...", "validation": "[tuning]"}
    for name in content:
        if name in elsewhere and section != "tuning":
            raise ValueError(f"{section} holds {name!r}; a grid says it in {elsewhere[name]}")
        check_choice(f"key in {section}", name, [key for key in allowed if section == "tuning" or key not in elsewhere])


def _section(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = content.get(name, {})
    if not isinstance(value, dict):
        raise TypeError(f"{name} is {value!r}; it must be a section, [{name}].")
    return value


def _rows(name: str, method: object, common: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each combination of the values that a method lists."""
    if not isinstance(method, dict):
        raise TypeError(f"methods.{name} is {method!r}; it must be a section, [methods.{name}].")
    check_names(f"methods.{name}", method, (*NAMES, *OWN))
    tune = _section(method, "tune")
    check_names(f"methods.{name}.tune", tune, NAMES)
    own = {key: value for key, value in method.items() if key not in OWN}
    fixed = {key: value for key, value in own.items() if not _lists(key, value)}
    lists = {key: value for key, value in own.items() if _lists(key, value)}
    for key, value in tune.items():
        if not _lists(key, value):
            raise TypeError(f"methods.{name}.tune.{key} is {value!r}; it must be a list of what is to be tried.")
    candidates = tuple(_combinations(f"methods.{name}.tune", tune)) if tune else ()
    for values in _combinations(f"methods.{name}", lists):
        label = " ".join([name, _values(values)]) if values else name
        yield Row(label, {**common, **fixed, **values}, candidates, method.get("against"))


def _lists(key: str, value: object) -> bool:
    """Whether it lists values; one value of `perturb` is a list itself."""
    return isinstance(value, list) and (key != "perturb" or any(isinstance(one, list) for one in value))


def _combinations(where: str, lists: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    empty = next((name for name, values in lists.items() if not values), None)
    if empty:
        raise ValueError(f"{where}.{empty} is empty; list at least one value.")
    for values in itertools.product(*lists.values()):
        yield dict(zip(lists, values, strict=True))


def _values(values: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={'+'.join(v) if isinstance(v, list) else v}" for k, v in values.items())


def _seeds(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        return tuple(range(check_count("seeds", value)))
    for seed in value:
        check_count("seed", seed, low=0)
    if not value or len(set(value)) < len(value):
        raise ValueError(f"seeds is {value}; it must hold at least one, and none twice.")
    return tuple(value)


def _protocols(value: object) -> dict[str, dict[str, list[Any]]]:
    example = 'protocols."PGD-10".linf = ["1/255"]'
    if not isinstance(value, dict) or not value:
        raise TypeError(f"evaluation.protocols is {value!r}; write such as {example}.")
    for norms in value.values():
        if not isinstance(norms, dict) or not all(isinstance(radii, list) for radii in norms.values()):
            raise TypeError(f"evaluation.protocols is {value!r}; write such as {example}.")
    return value


def _tuning(content: Mapping[str, Any], rows: Sequence[Row], measures: Sequence[Measure]) -> Tuning | None:
    """How is chosen, if anything is to be: by the paper's protocol at the largest radius, if nothing else is said."""
    section = _section(content, "tuning")
    check_names("tuning", section, ("validation", "seeds", "criterion", "least_clean"))
    tuned = next((row.name for row in rows if row.candidates), None)
    if tuned is None:
        if section:
            raise ValueError("there is a section [tuning], but no method has a `tune`; leave it out.")
        return None
    if "validation" not in section:
        raise ValueError(f"{tuned!r} is to be tuned; say on how many images: [tuning] validation = 1000.")
    paper = next(measure for measure in measures if measure.protocol == PAPER)
    return Tuning(
        validation=check_count("tuning.validation", section["validation"], low=2),
        seeds=check_count("tuning.seeds", section.get("seeds", 1)),
        criterion=_criterion(section.get("criterion", paper.names()[-1])),
        least_clean=check_number("tuning.least_clean", section.get("least_clean", 0.0), high=1.0),
    )


def _criterion(value: object) -> str:
    return "clean" if value == "clean" else _as_measure(value).names()[0]


def _as_measure(name: object) -> Measure:
    parts = str(name).split()
    if len(parts) != 3:
        raise ValueError(f"criterion is {name!r}; write protocol, norm and radius, such as 'PGD-10 linf 2/255'.")
    return measures_of({parts[0]: {parts[1]: parts[2:]}})[0]
