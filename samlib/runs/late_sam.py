"""SAM for the last epochs alone: plain training up to there, at the cost of plain training.

Zhou et al. (ICLR 2025, arXiv 2410.10373) report of the accuracy that SAM in the last epochs gives most of what SAM
gives; here it serves to measure the robustness.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import Tensor, nn

from samlib.checks import check_number
from samlib.runs.settings import USUAL
from samlib.sam import SAM
from samlib.training import History, Recipe, Run


class LateSAM(Run):
    """A run whose optimizer takes plain steps before the epoch `first`, counted from 0."""

    first: int

    def one_step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        sam = self.optimizer
        if self.epoch >= self.first or not isinstance(sam, SAM):
            return super().one_step(x, y)
        self.optimizer = sam.base_optimizer  # the same weights, momentum and learning rate
        try:
            return super().one_step(x, y)
        finally:
            self.optimizer = sam


def train_late(model: nn.Module, x: Tensor, y: Tensor, *, begin: float, progress: bool = True, **how: Any) -> History:
    """Train as `samlib.train` does, by SGD up to the share `begin` of the epochs and by SAM from there.

    Args:
        model, x, y, progress, how: as for `samlib.train`, whose usual values are taken for what is left out.
        begin: share of the epochs, 0 (SAM throughout) to 1 (SGD).
    """
    begin = check_number("begin", begin, high=1)
    settings: dict[str, Any] = {field.name: USUAL.get(field.name) for field in fields(Recipe)} | how
    run = LateSAM(model, x, y, recipe := Recipe(**settings), None, None)
    run.first = round(begin * recipe.epochs)
    run.complete(progress=progress)
    return run.history
