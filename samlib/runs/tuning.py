"""How a method's settings are chosen: the same number of tries for every method, the poor ones dropped early.

A search has a ladder of values for each of its numbers. It begins with some of them, each with each; every further try
is a neighbour, one rung up or down, of the best that was tried so far, so the search widens where the best lies at an
edge and refines where it does not. Tries that are good with one seed get a second, the best of those a third: what is
chosen is the best of those with all seeds. If that lies at an edge still, some more tries are made around it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from samlib.runs.trials import Curves, Done, Job, Setting

# Of the validation digits must be read by what is chosen for its robust accuracy, where SGD reads 97 %.
LEAST_CLEAN = 0.95

Point = tuple[int, ...]  # a try: for each number of a search the place on its ladder
Measured = Mapping[str, float]
Results = Mapping[Point, Sequence[Measured]]  # what each seed of each try gave, in the order of the seeds
Criterion = Callable[[Measured], tuple[float, ...]]  # the larger, the better


@dataclass(frozen=True)
class Ladder:
    """Values that a number may take, in increasing order, and the ones that a search begins with."""

    values: tuple[float, ...]
    start: tuple[float, ...]

    def begin(self) -> list[int]:
        return [self.values.index(value) for value in self.start]


@dataclass(frozen=True)
class Plan:
    """How much is spent on each search: tries, and how many of them get a second seed, a third, and so on."""

    tries: int
    survivors: tuple[int, ...]
    reserve: int  # of the tries: for neighbours of what turns out best with more than one seed
    extra: int  # tries beyond that, only while what is chosen has a neighbour that was not tried

    @property
    def seeds(self) -> int:
        return 1 + len(self.survivors)


@dataclass(frozen=True)
class Search:
    """A method for a network: what is fixed, and the ladders of what is not.

    A number of a feature perturbation is named "perturbation.NAME".
    """

    name: str
    training: dict[str, Any]
    ladders: dict[str, Ladder]
    model: str = "mlp"
    architecture: dict[str, Any] = field(default_factory=dict)

    def start(self) -> list[Point]:
        return list(itertools.product(*(ladder.begin() for ladder in self.ladders.values())))

    def setting(self, point: Point) -> Setting:
        """The try, named "search | its numbers"."""
        training = json.loads(json.dumps(self.training))
        values = {name: ladder.values[i] for (name, ladder), i in zip(self.ladders.items(), point, strict=True)}
        for name, value in values.items():
            *path, last = name.split(".")
            (training[path[0]] if path else training)[last] = value
        return Setting(f"{self.name} | {json.dumps(values)}", training, self.model, self.architecture)

    def neighbours(self, point: Point) -> Iterator[tuple[str, Point]]:
        """One rung up or down on one ladder, with its name; also where the ladder has no further rung."""
        for axis, (name, ladder) in enumerate(self.ladders.items()):
            for i in (point[axis] - 1, point[axis] + 1):
                if i >= 0 or ladder.values[0] > 0:  # below 0 there is nothing
                    yield name, (*point[:axis], i, *point[axis + 1 :])

    def exists(self, point: Point) -> bool:
        return all(0 <= i < len(ladder.values) for i, ladder in zip(point, self.ladders.values(), strict=True))

    def edges(self, point: Point, results: Results) -> list[str]:
        """The ladders on which a neighbour was not tried, or is not there: on these the point lies at an edge."""
        return list(dict.fromkeys(name for name, beside in self.neighbours(point) if beside not in results))


def by_clean(measure: str) -> Criterion:
    """The best clean accuracy, as one who knows of no attack would choose; equal ones by the robust accuracy."""
    return lambda measured: (measured["clean"], measured[measure])


def by_robust(measure: str) -> Criterion:
    """The best robust accuracy among those that read LEAST_CLEAN of the clean images; equal ones by the clean one."""
    return lambda measured: (min(measured["clean"], LEAST_CLEAN), measured[measure], measured["clean"])


def needed(search: Search, plan: Plan, criteria: Sequence[Criterion], results: Results) -> list[tuple[Point, int]]:
    """Which seed of which try comes next, given what is known; nothing when the search is done."""
    if missing := [point for point in search.start() if point not in results]:
        return [(point, 0) for point in missing[: plan.tries]]
    enough = plan.tries - plan.reserve
    if len(results) < enough:
        return [(point, 0) for point in widened(search, criteria, results, enough - len(results))]
    stayed = list(results)
    for seed, survivors in enumerate(plan.survivors, start=1):
        stayed = best_of(stayed, survivors, criteria, results, seed)
        if missing := [point for point in stayed if len(results[point]) == seed]:
            return [(point, seed) for point in missing]
    if len(results) < plan.tries:
        return [(point, 0) for point in widened(search, criteria, results, plan.tries - len(results))]
    left = plan.tries + plan.extra - len(results)
    return [(point, 0) for point in widened(search, criteria, results, left, among=1)]


def widened(
    search: Search, criteria: Sequence[Criterion], results: Results, most: int, among: int | None = None
) -> list[Point]:
    """New tries: the neighbours, not tried yet, of the best by each criterion; of the next best where there are none.

    What has more seeds counts as better than what was dropped with fewer. Only the `among` best are looked at.
    """
    new: dict[Point, None] = {}
    for criterion in criteria:
        for point in ranked(list(results), criterion, results)[:among]:
            beside = [one for _, one in search.neighbours(point) if search.exists(one) and one not in results]
            if beside:
                new |= dict.fromkeys(beside)
                break
    return list(new)[: max(most, 0)]


def ranked(points: Sequence[Point], criterion: Criterion, results: Results, seeds: int | None = None) -> list[Point]:
    """The best first, by the mean over the first `seeds` seeds; if None over all, and more seeds come before fewer."""

    def rank(point: Point) -> tuple[float, ...]:
        runs = results[point][:seeds]
        return (float(len(runs)), *criterion(mean_of(runs)))

    return sorted(points, key=rank, reverse=True)


def best_of(
    points: Sequence[Point], number: int, criteria: Sequence[Criterion], results: Results, seeds: int
) -> list[Point]:
    """So many of the tries, the best by each criterion in turn."""
    rankings = [ranked(points, criterion, results, seeds) for criterion in criteria]
    in_turn = dict.fromkeys(point for places in zip(*rankings, strict=True) for point in places)
    return list(in_turn)[:number]


def chosen(criterion: Criterion, results: Results) -> Point:
    """The best of those tries that have the most seeds."""
    return ranked(list(results), criterion, results)[0]


def mean_of(runs: Sequence[Measured]) -> dict[str, float]:
    """The mean of each measure over seeds, rounded so that equal ones are equal."""
    return {name: round(sum(run[name] for run in runs) / len(runs), 6) for name in runs[0]}


# ---- the table of a tuning -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Study:
    """Searches that are treated alike, what is measured, and the criteria by which the best is chosen."""

    searches: tuple[Search, ...]
    plan: Plan
    measure: Curves
    criteria: dict[str, Criterion]


@dataclass(frozen=True)
class Tuning:
    """Searches, made anew on every split and measured on training images that are set aside."""

    studies: tuple[Study, ...]
    splits: tuple[int, ...]
    validation: int = 200

    def jobs(self, done: Done, folder: Path, seeds: int | None = None) -> list[Job]:
        """What was run, and what that shows to be needed next; all that there is once nothing is added."""
        if seeds is not None:
            raise ValueError(f"seeds is {seeds}, but a table of tuning has its own numbers; leave it out.")
        return [
            job
            for study in self.studies
            for part in self.splits
            for search in study.searches
            for job in self.follow(study, search, part, done)[0]
        ]

    def follow(self, study: Study, search: Search, part: int, done: Done) -> tuple[list[Job], Results]:
        """One search as far as it has come: its jobs, those that come next among them, and what they gave."""
        jobs: list[Job] = []
        results: dict[Point, list[Measured]] = {}
        while steps := needed(search, study.plan, list(study.criteria.values()), results):
            new = [Job(search.setting(point), part, seed, study.measure, self.validation) for point, seed in steps]
            jobs += new
            if any(job.key() not in done for job in new):
                break
            for (point, _), job in zip(steps, new, strict=True):
                results.setdefault(point, []).append(done[job.key()]["measured"])
        return jobs, results

    def protocol(self, done: Done, folder: Path) -> dict[str, Any]:
        """How it was done, and for every search on every split what was chosen and from how many tries."""
        held_out = f"measured on {self.validation} of the training images, set aside"
        return {
            "data": f"scikit-learn digits, 1,200 train / 597 test, stratified; {held_out}",
            **self.studies[0].measure.protocol(),
            "plans": [
                {
                    **asdict(study.plan),
                    "measures": study.measure.names(),
                    "searches": {
                        search.name: {name: asdict(ladder) for name, ladder in search.ladders.items()}
                        for search in study.searches
                    },
                }
                for study in self.studies
            ],
            "chosen": {
                search.name: {f"split {part}": self.choice(study, search, part, done) for part in self.splits}
                for study in self.studies
                for search in study.searches
            },
        }

    def choice(self, study: Study, search: Search, part: int, done: Done) -> dict[str, Any]:
        """How many tries and runs a search took; the best by each criterion, and on which ladders it is at an edge."""
        jobs, results = self.follow(study, search, part, done)
        best = {name: chosen(criterion, results) for name, criterion in study.criteria.items()}
        found = {
            name: {"setting": asdict(search.setting(point)), "edges": search.edges(point, results)}
            for name, point in best.items()
        }
        return {"tries": len(results), "runs": len(jobs), **found}


def tuned(folder: Path, table: str, part: int, prefix: str = "") -> list[Setting]:
    """What a tuning has chosen on a split, named "search, tuned (criterion)"; only searches that begin with `prefix`.

    Raises:
        ValueError: the table is not there, or was not made for this split.
    """
    path = folder / f"{table}.json"
    if not path.exists():
        raise ValueError(f"table {table!r} is not in {str(folder)!r}; make it first: python -m samlib results {table}")
    choices = json.loads(path.read_text(encoding="utf-8"))["protocol"].get("chosen", {})
    found = {name: splits[f"split {part}"] for name, splits in choices.items() if f"split {part}" in splits}
    if not found:
        raise ValueError(f"{str(path)!r} has chosen nothing for split {part}; make it anew: samlib results {table}")
    criteria = dict.fromkeys(key for choice in found.values() for key in choice if key not in ("tries", "runs"))
    return [
        Setting(**choice[criterion]["setting"] | {"name": f"{name}, tuned ({criterion})"})
        for criterion in criteria
        for name, choice in found.items()
        if name.startswith(prefix)
    ]
