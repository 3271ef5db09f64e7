"""One run over the processes that torchrun has started, on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class Ranks:
    """This process, number `rank` of `count`. Alone, every method does nothing."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come this far."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process does it before the others, which then find it done: a download, a folder."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def gathered(self, value: Any) -> list[Any]:
        """What each process has, in order of rank."""
        values: list[Any] = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value)
        return values


def local_rank() -> int:
    """The number of this process on its machine; 0 without torchrun."""
    return int(os.environ.get("LOCAL_RANK", 0))


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """While it lasts, the processes of one torchrun can speak to each other: by NCCL on CUDA, else by gloo."""
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, rank, count = next(dist.rendezvous("env://"))
    # After a restart by torchrun the store may be the old one, with the addresses of processes that are gone.
    store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count)
    yield Ranks(rank, count)
    dist.destroy_process_group()  # after an error there may be nobody to part from


# ---- BatchNorm over the whole batch ----------------------------------------------------------------------------------


class _Sum(torch.autograd.Function):
    """The sum over all processes. Each adds to the loss of all, so the gradient is summed too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone()
        dist.all_reduce(gradient)
        return gradient


def _normalize(module: _BatchNorm, x: Tensor) -> Tensor:
    """BatchNorm's forward pass, in training by the mean and variance over the shares of all processes."""
    if not module.training:
        return F.batch_norm(x, module.running_mean, module.running_var, module.weight, module.bias, eps=module.eps)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    pixels = x.float()
    count = torch.full((1,), x.numel() / x.shape[1], device=x.device)
    sums = _Sum.apply(torch.cat((pixels.sum(axes), pixels.square().sum(axes), count)))
    n = sums[-1]
    mean, square = (sums[:-1] / n).chunk(2)
    variance = square - mean.square()
    with torch.no_grad():
        for running, value in ((module.running_mean, mean), (module.running_var, variance * n / (n - 1))):
            if running is not None:
                running.lerp_(value.to(running.dtype), module.momentum or 0.1)
        if module.num_batches_tracked is not None:
            module.num_batches_tracked.add_(1)
    scale = (variance + module.eps).rsqrt()
    offset = -mean * scale
    if module.weight is not None:
        scale, offset = scale * module.weight, offset * module.weight + module.bias
    shape = (1, -1, *[1] * (x.ndim - 2))
    return (pixels * scale.view(shape) + offset.view(shape)).to(x.dtype)


@contextmanager
def shared_statistics(model: nn.Module) -> Iterator[None]:
    """While it lasts, BatchNorm takes mean and variance over the whole batch, not over a process's share.

    torch's SyncBatchNorm knows no CPU, and on CUDA it makes the host wait for each of its layers.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for layer in layers:
        layer.forward = partial(_normalize, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def average_statistics(model: nn.Module, ranks: Ranks) -> None:
    """Give BatchNorm's running statistics the mean over all processes."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for running in (module.running_mean, module.running_var):
                if running is not None:
                    running.copy_(ranks.total(running) / ranks.count)
