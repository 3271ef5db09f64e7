"""A training run on its device: images as bytes, flags of speed, batches shared out over processes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from samlib.checks import check_choice
from samlib.runs.distributed import Ranks, average_statistics, local_rank, shared_statistics
from samlib.runs.images import Images, as_pixels
from samlib.runs.speed import Speed
from samlib.sam import SAM
from samlib.training import Augmentation, Checkpoint, Recipe, Run

DEVICES = ("auto", "cpu", "cuda", "mps")
BY = ("batch", "replica")


def pick_device(name: str) -> torch.device:
    """A device by its name; "auto" takes the accelerator that is there. Under torchrun each process has its own GPU.

    Raises:
        ValueError: there is no such device here, or more processes than GPUs.
    """
    check_choice("device", name, DEVICES)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    kind = next(kind for kind, found in there.items() if found) if name == "auto" else name
    if not there[kind]:
        raise ValueError(f"device is {name!r}, but PyTorch {torch.__version__} finds none here; take 'cpu' or 'auto'.")
    if kind != "cuda":
        return torch.device(kind)
    if local_rank() >= torch.cuda.device_count():
        raise ValueError(
            f"device is {name!r}, but process {local_rank()} of this machine has no GPU of its own: there are "
            f"{torch.cuda.device_count()}; start as many processes (torchrun --nproc-per-node)."
        )
    return torch.device("cuda", local_rank())


def hardware(device: torch.device) -> str:
    """The device, cores and threads, for result files."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} ({platform.machine()})"
    return f"{kind}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


@dataclass(frozen=True)
class Engine:
    """Where and how a run is computed.

    ascent: SAM's perturbation is found from the gradient of the whole batch ("batch"), or by each process from its own
        share ("replica"): m-sharpness, with m = batch size / processes.
    batchnorm: statistics of the whole batch, or of each process's share; as `ascent` if None.

    With "batch" for both a run over many processes computes what one process computes.

    Raises:
        ValueError: an unknown name, or "replica" where there is one process.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    ranks: Ranks = field(default_factory=Ranks)
    speed: Speed = field(default_factory=Speed)
    ascent: str = "batch"
    batchnorm: str | None = None

    def __post_init__(self) -> None:
        check_choice("ascent", self.ascent, BY)
        if self.batchnorm is not None:
            check_choice("batchnorm", self.batchnorm, BY)
        for name in ("ascent", "batchnorm"):
            if getattr(self, name) == "replica" and self.ranks.count == 1:
                raise ValueError(f"{name} is 'replica', but there is one process only; start several with torchrun.")

    @property
    def statistics(self) -> str:
        return self.batchnorm or self.ascent

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on: the number of processes only where it changes what is computed."""
        own: dict[str, Any] = {"device": self.device.type} | asdict(self.speed)
        if self.ranks.count > 1 and "replica" in (self.ascent, self.statistics):
            own |= {"processes": self.ranks.count, "ascent": self.ascent, "batchnorm": self.statistics}
        return own

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The network as it is trained, and afterwards as before."""
        with ExitStack() as stack:
            if self.ranks.count > 1 and self.statistics == "batch":
                stack.enter_context(shared_statistics(model))
            stack.enter_context(self.speed.applied(model))
            yield


class EngineRun(Run):
    """A run in whose place `samlib.train` would compute the same, to rounding, on one device and without flags.

    Every process draws the random numbers of whole batches and takes every count-th example of each.

    Raises:
        ValueError: a batch is too small to be shared out.
    """

    def __init__(
        self, model: nn.Module, images: Images, recipe: Recipe, augment: Augmentation | None, engine: Engine
    ) -> None:
        super().__init__(model, images.x, images.y, recipe, augment, None)
        self.engine, self.ranks = engine, engine.ranks
        engine.speed.fuse(self.optimizer)
        self.network, self.whole = model, 0  # whole: examples in the batch that is shared out
        least = 2 * self.ranks.count if self.ranks.count > 1 else 1
        if recipe.batch_size < least:
            raise ValueError(
                f"batch_size is {recipe.batch_size}; over {self.ranks.count} processes it must be at least {least}."
            )
        if self.ranks.count > 1:
            self.network = DistributedDataParallel(model, broadcast_buffers=False)

    def batches(self) -> tuple[Tensor, ...]:
        """As of a run in one process; a last batch with fewer than two examples for each process joins another."""
        batches = super().batches()
        if self.ranks.count > 1 and len(batches) > 1 and len(batches[-1]) < 2 * self.ranks.count:
            batches = (*batches[:-2], torch.cat(batches[-2:]))
        return batches

    def images(self, rows: Tensor) -> Tensor:
        return as_pixels(self.x[rows])

    def share(self, batch: Tensor) -> Tensor:
        self.whole = len(batch)
        return batch[self.ranks.rank :: self.ranks.count]

    def total(self, sums: Tensor) -> Tensor:
        return self.ranks.total(sums)

    def passes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Forward and backward, and the gradient's mean over the processes: but for an ascent by each on its own.

        There the forward pass must know too that nothing is to be shared.
        """
        climbs = isinstance(self.optimizer, SAM) and not self.optimizer.perturbed
        alone = self.ranks.count > 1 and self.engine.ascent == "replica" and climbs
        with self.network.no_sync() if alone else nullcontext():  # type: ignore[operator]
            loss, logits = self.loss(self.network, x, y)
            (loss * (len(x) * self.ranks.count / self.whole)).backward()
        if self.engine.speed.compile == "reduce-overhead":  # the next pass would write over them
            return loss.detach().clone(), logits.detach().clone()
        return loss.detach(), logits.detach()

    def one_epoch(self) -> None:
        super().one_epoch()
        if self.ranks.count > 1 and self.engine.statistics == "replica":
            average_statistics(self.model, self.ranks)


class FirstRanksCheckpoint(Checkpoint):
    """A checkpoint that the first process writes and every process reads.

    Raises:
        OSError: on `load`, some process does not see the same file.
    """

    run: EngineRun

    def save(self) -> None:
        if self.run.ranks.first:
            super().save()

    def load(self) -> None:
        super().load()
        epochs = self.run.ranks.gathered(self.run.epoch)
        if len(set(epochs)) > 1:
            raise OSError(
                f"checkpoint={str(self.path)!r} is at epoch {epochs} for processes 0 .. {len(epochs) - 1}; "
                "it must be in a folder that all machines share."
            )
