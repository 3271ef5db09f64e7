"""How many images go through a model at once, and what is done when they are too many for the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from samlib.checks import check_count, check_logits, check_not_probabilities

Result = TypeVar("Result")


def default_batch_size(x: Tensor) -> int:
    """2^14 over the square root of the numbers in an image: 1024 digits, 296 CIFAR images, 42 images of 224x224.

    What a network keeps of an image for its gradient counts, not the image, and it grows more slowly: networks for
    larger images begin with coarser steps.
    """
    return max(1, min(1024, round(2**14 / x[0].numel() ** 0.5)))


def out_of_memory(error: Exception) -> bool:
    """Whether it says that the memory does not suffice: a GPU's, or (in torch's words) the machine's."""
    words = str(error).lower() if isinstance(error, RuntimeError) else ""
    said = any(phrase in words for phrase in ("out of memory", "can't allocate memory", "alloc_failed"))
    return said or isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))


class Batches:
    """Images by their row numbers, a batch at a time.

    A batch that does not fit into memory is cut in half; no later one, in whatever is called, is larger.
    """

    def __init__(self, x: Tensor, size: int | None) -> None:
        """Batches of `size`, or what suits images like `x`."""
        self.size = default_batch_size(x) if size is None else check_count("batch_size", size)

    def each(self, call: Callable[[Tensor], Result], rows: Tensor) -> Iterator[tuple[Tensor, Result]]:
        """Each batch of `rows` with what `call` makes of it."""
        while len(rows):
            batch = rows[: self.size]
            try:
                result = call(batch)
            except Exception as error:
                if not out_of_memory(error) or len(batch) == 1:
                    raise
                self.size = (len(batch) + 1) // 2
                continue
            yield batch, result
            rows = rows[len(batch) :]

    def joined(self, call: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """What `call` makes of all batches of `rows`, in one tensor."""
        return torch.cat([result for _, result in self.each(call, rows)])


def predict(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, batches: Batches) -> Tensor:
    """The model's logits of all images, (n, classes), looked at."""

    def logits_of(rows: Tensor) -> Tensor:
        logits = model(x[rows])
        check_logits(logits, y[rows])
        return logits

    logits = batches.joined(logits_of, torch.arange(len(x), device=x.device))
    check_not_probabilities(logits)
    return logits
