"""What an attack makes as large as it can: one number for each example, above all where the model errs.

Every loss takes logits (n, classes) and the labels y, int64 (n,). With `targets`, int64 (n,), it is large where
the model says the target instead. Each is computed in float32 at least, also under autocast.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from samlib.checks import check_choice

Loss = Callable[..., Tensor]


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _of(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of one class for each example, (n,)."""
    return logits.gather(1, classes[:, None]).squeeze(1)


def _largest_but(logits: Tensor, classes: Tensor) -> Tensor:
    """The largest logit of any other class, (n,)."""
    return logits.scatter(1, classes[:, None], -torch.inf).amax(1)


def cross_entropy(logits: Tensor, y: Tensor, targets: Tensor | None = None) -> Tensor:
    """Cross-entropy of y, or minus that of the targets, (n,).

    Its gradient vanishes in float32 once a model is certain; the other two losses do not suffer from it.
    """
    logits = _at_least_float32(logits)
    if targets is None:
        return F.cross_entropy(logits, y, reduction="none")
    return -F.cross_entropy(logits, targets, reduction="none")


def margin(logits: Tensor, y: Tensor, targets: Tensor | None = None) -> Tensor:
    """The best wrong logit minus the right one, (n,): positive exactly where the model errs.

    With targets: the target's logit minus the best other one (Carlini and Wagner 2017, arXiv 1608.04644).
    """
    logits = _at_least_float32(logits)
    if targets is None:
        return _largest_but(logits, y) - _of(logits, y)
    return _of(logits, targets) - _largest_but(logits, targets)


def dlr(logits: Tensor, y: Tensor, targets: Tensor | None = None) -> Tensor:
    """Difference of logits ratio, (n,): the margin over the spread of the top logits. Scaling changes nothing.

    Needs three classes, four with targets (Croce and Hein 2020, arXiv 2003.01690, equations 6 and 7).

    Raises:
        ValueError: too few classes.
    """
    logits = _at_least_float32(logits)
    needed = 3 if targets is None else 4
    if logits.shape[1] < needed:
        raise ValueError(
            f"loss 'dlr' needs at least {needed} classes here; the model has {logits.shape[1]}. Take 'margin'."
        )
    top = logits.sort(dim=1, descending=True).values
    if targets is None:
        return margin(logits, y) / (top[:, 0] - top[:, 2] + 1e-12)
    spread = top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12
    return (_of(logits, targets) - _of(logits, y)) / spread


def is_broken(logits: Tensor, y: Tensor, targets: Tensor | None = None) -> Tensor:
    """What an attack is after: the model errs or, with targets, says the target; bool, (n,)."""
    answers = logits.argmax(1)
    return answers != y if targets is None else answers == targets


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "margin": margin, "dlr": dlr}


def make_loss(name: str) -> Loss:
    """The loss named "ce", "margin" or "dlr"."""
    return LOSSES[check_choice("loss", name, LOSSES)]
