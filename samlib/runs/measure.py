"""How robust a run's network is: by the paper's protocol, and by a reliable one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from samlib.attacks import pgd
from samlib.balls import BALLS
from samlib.batches import default_batch_size
from samlib.checks import check_choice, check_count, check_number
from samlib.evaluation import BUDGETS, accuracy, robust_curve
from samlib.files import hash_tensors, write_atomically
from samlib.random_search import moves_in
from samlib.runs.distributed import Ranks
from samlib.runs.images import Images, as_pixels
from samlib.runs.settings import as_number, as_text

PAPER = "PGD-10"
PAPER_STEPS = {"linf": 1 / 4, "l2": 1 / 8}  # the length of its steps, as a share of eps
PROTOCOLS = (PAPER, *BUDGETS)
EVALUATION, PARTS = "evaluation.json", "evaluation"
# Images of a part, which is measured in one go and kept. It decides the attacks' random numbers, so it is the same on
# every machine, and over any number of processes.
PART = 1000


@dataclass(frozen=True)
class Measure:
    """One protocol, one norm, some radii in pixels of [0, 1], in increasing order.

    "PGD-10" is the paper's: cross-entropy, ten steps of eps / 4 (l_2: eps / 8) from a random start, and the last one
    counts. The others are budgets of `samlib.robust_accuracy`.
    """

    protocol: str
    norm: str
    radii: tuple[float, ...]

    def __post_init__(self) -> None:
        check_choice("protocol", self.protocol, PROTOCOLS)
        check_choice("norm", self.norm, BALLS)
        if self.protocol == PAPER and self.norm not in PAPER_STEPS:
            raise ValueError(
                f"norm is {self.norm!r}, for which the paper's protocol, {PAPER}, names no step; only for "
                f"{', '.join(map(repr, PAPER_STEPS))}. Measure it by one of {', '.join(BUDGETS)}."
            )
        if any(attack.kind == "square" for attack in BUDGETS.get(self.protocol, ())):
            moves_in(self.norm)
        for eps in self.radii:
            check_number("eps", eps, open_low=True)
        if not self.radii or list(self.radii) != sorted(set(self.radii)):
            raise ValueError(f"eps is {list(self.radii)}; it must hold at least one radius, in increasing order.")

    def names(self) -> list[str]:
        """What is measured at each radius: "standard linf 2/255"."""
        return [f"{self.protocol} {self.norm} {as_text(eps)}" for eps in self.radii]

    def count(self, model: nn.Module, x: Tensor, y: Tensor, seed: int) -> list[int]:
        """How many images are robust at each radius."""
        generator = torch.Generator().manual_seed(seed)
        if self.protocol != PAPER:
            shares = robust_curve(model, x, y, self.radii, self.norm, self.protocol, generator=generator)
        else:
            shares = [self._paper(model, x, y, eps, generator) for eps in self.radii]
        return [round(share * len(x)) for share in shares]

    def _paper(self, model: nn.Module, x: Tensor, y: Tensor, eps: float, generator: torch.Generator) -> float:
        step_size = eps * PAPER_STEPS[self.norm]
        attacked = [
            pgd(model, *batch, eps, self.norm, steps=10, step_size=step_size, keep="last", generator=generator)
            for batch in zip(x.split(default_batch_size(x)), y.split(default_batch_size(x)), strict=True)
        ]
        return accuracy(model, torch.cat(attacked), y)


def measures_of(wanted: Mapping[str, Mapping[str, Sequence[Any]]]) -> tuple[Measure, ...]:
    """Measures from {protocol: {norm: radii}}; radii are numbers, or texts such as "2/255"."""
    return tuple(
        Measure(protocol, norm, tuple(as_number(eps) for eps in radii))
        for protocol, norms in wanted.items()
        for norm, radii in norms.items()
    )


def usual_measures(data: str) -> tuple[Measure, ...]:
    """The paper's radii, and the reliable protocol at 1, 2, 4 and 8/255; on the digits larger ones."""
    if data == "digits":
        return measures_of({PAPER: {"linf": (0.0625, 0.125), "l2": (0.25, 0.5)}, "standard": {"linf": (0.0625, 0.125)}})
    paper = {"linf": ("1/255", "2/255"), "l2": ("16/255", "32/255")}
    return measures_of({PAPER: paper, "standard": {"linf": ("1/255", "2/255", "4/255", "8/255")}})


def measured_images(images: Images, size: int | None = None) -> tuple[Tensor, Tensor]:
    """The images that were held out, or `size` of them, always in one random order, with their labels.

    Raises:
        ValueError: there are not so many.
    """
    n = len(images.x_measured)
    if size is not None and check_count("images", size) > n:
        raise ValueError(f"images is {size}, but only {n:,} are there to measure on.")
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:size].to(images.x.device)
    return as_pixels(images.x_measured[rows]), images.y_measured[rows]


@dataclass(frozen=True)
class _Part:
    measure: Measure
    start: int


def evaluate_run(
    folder: Path,
    model: nn.Module,
    epochs: int,
    images: Images,
    measures: Sequence[Measure],
    size: int | None = None,
    ranks: Ranks | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure a run's network and write it to the folder. What an interrupted evaluation has measured is kept.

    Args:
        model: the trained network, on the device of the images.
        epochs: how long it was trained, to be said.
        size: images to measure on, drawn from those held out; all of them if None.
        ranks: the processes that share the work; the numbers do not depend on them.

    Returns:
        "images", "held out" (all that there are), "epochs", "protocols", "weights" (their hash), and "measured": name
        -> share of the images, in [0, 1].
    """
    ranks = ranks or Ranks()
    x, y = measured_images(images, size)
    weights = hash_tensors(*model.state_dict().values())
    parts = [_Part(measure, start) for measure in measures for start in range(0, len(x), PART)]
    mine = parts[ranks.rank :: ranks.count]
    counts = {}
    (folder / PARTS).mkdir(exist_ok=True)
    for part in tqdm(mine, desc="evaluation", unit="part", disable=not (progress and ranks.first)):
        batch = slice(part.start, part.start + PART)
        key = _hash(weights, hash_tensors(x[batch], y[batch]), repr(part), repr(BUDGETS.get(part.measure.protocol)))
        path = folder / PARTS / f"{key}.json"
        if not path.exists():
            robust = part.measure.count(model, x[batch], y[batch], part.start)
            write_atomically(path, json.dumps(robust).encode(), "out")
        counts[part] = json.loads(path.read_text(encoding="utf-8"))
    found = {part: count for some in ranks.gathered(counts) for part, count in some.items()}
    content = {
        "images": len(x),
        "held out": len(images.x_measured),
        "epochs": epochs,
        "protocols": [asdict(measure) for measure in measures],
        "weights": weights,
        "measured": {"clean": accuracy(model, x, y)} | dict(_shares(measures, found, len(x))),
    }
    if ranks.first:
        write_atomically(folder / EVALUATION, (json.dumps(content, indent=1) + "\n").encode(), "out")
    return content


def _shares(measures: Sequence[Measure], found: dict[_Part, list[int]], n: int) -> Iterator[tuple[str, float]]:
    for measure in measures:
        counts = [count for part, count in found.items() if part.measure == measure]
        for name, robust in zip(measure.names(), zip(*counts, strict=True), strict=True):
            yield name, sum(robust) / n


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
