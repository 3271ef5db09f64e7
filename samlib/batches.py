"""How many images go through a model at once, and what is done when they are too many for the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


def default_batch_size(x: Tensor) -> int:
    """As many images as have about a million numbers together: 1024 digits, 341 CIFAR images."""
    return max(1, min(1024, 2**20 // x[0].numel()))


def out_of_memory(error: Exception) -> bool:
    """Whether it says that the memory does not suffice."""
    known = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return known or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())


def halving(call: Callable[[Tensor], Any], rows: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Any]]:
    """`call` on batches of `rows`; a batch that does not fit into memory is cut in half, and so are all after it."""
    while len(rows):
        batch = rows[:batch_size]
        try:
            result = call(batch)
        except Exception as error:
            if not out_of_memory(error) or len(batch) == 1:
                raise
            batch_size = (len(batch) + 1) // 2
            continue
        yield batch, result
        rows = rows[len(batch) :]


def in_batches(call: Callable[[Tensor], Tensor], n: int, batch_size: int, device: torch.device) -> Tensor:
    """`call` on the row numbers 0 .. n - 1, a batch at a time; its results joined."""
    return torch.cat([part for _, part in halving(call, torch.arange(n, device=device), batch_size)])
