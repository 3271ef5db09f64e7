"""Training in the simplified model, to see what batches do to SAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from samlib.checks import check_count, check_number
from samlib.sam import SAM
from samlib.toy import sample
from samlib.toy_definitions import Model, derivatives


def train_classifier(
    p: float,
    eta: float,
    d: int,
    *,
    rho: float = 0.0,
    eps: float = 0.0,
    batch_size: int = 128,
    learn_others: bool = False,
    steps: int = 1000,
    lr: float | None = None,
    seeds: Sequence[int] = range(4),
) -> Tensor:
    """Train w on the logistic loss with SGD inside samlib.SAM, every batch freshly drawn; return w_1 / w_j.

    It begins at the standard optimum, w_1 = ln(p / (1 - p)) and w_j = 2 eta, and its answer is the mean over the second
    half of the steps. The ascent step is over the whole vector, also where only w_1 is learned (the other weights'
    group has learning rate 0). One batch size after the other, this shows what batches do to SAM: at 1 the optimum is
    that of definition J (of I, if all weights are learned), and the larger the batch, the less SAM moves it.

    One seed gives the same examples whatever rho and eps are. Divide by a run with rho=0 for the change: most of the
    noise is common to both and drops out.

    Args:
        p, eta, d: the model, as for `sam_optimum`.
        rho: length of SAM's ascent step; 0 is plain SGD.
        eps: train on attacked examples, each weak feature moved by -eps * y * sign(w_j), the worst case (l_inf).
        batch_size: examples in a step, with one ascent step for all of them.
        learn_others: learn all weights, not only w_1.
        steps: of SGD, each about a millisecond.
        lr: learning rate; if None, 0.3 for each example of the batch, but at most 1/20 of one Newton step.
        seeds: one run for each.

    Returns:
        float64, (len(seeds),): w_1 over the mean of the other weights, comparable with `standard_optimum`.

    Raises:
        ValueError, TypeError: an argument is not as said above.
    """
    model = Model(p, eta, d)
    eps = check_number("eps", eps)
    check_count("batch_size", batch_size)
    check_count("steps", steps)
    if lr is None:
        lr = min(0.3 * batch_size, 0.05 / float(derivatives(model)[0][0, 0]))
    check_number("lr", lr, open_low=True)
    ratios = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(check_count("seeds", seed, low=0))
        robust = torch.tensor([model.log_odds], requires_grad=True)
        others = torch.full((d,), 2.0 * eta, requires_grad=True)
        groups: list[dict[str, Any]] = [{"params": [robust]}, {"params": [others], "lr": lr if learn_others else 0.0}]
        optimizer = SAM(torch.optim.SGD(groups, lr=lr), rho=rho)
        sums = torch.zeros(2, dtype=torch.float64)
        for step in range(steps):
            x, y = sample(batch_size, p, eta, d, generator)
            x *= y[:, None]  # the loss sees only y * x
            x[:, 1:] -= eps * others.detach().sign()

            def closure(
                x: Tensor = x, robust: Tensor = robust, others: Tensor = others, sam: SAM = optimizer
            ) -> Tensor:
                sam.zero_grad()
                loss = F.softplus(-(x @ torch.cat([robust, others]))).mean()
                loss.backward()
                return loss

            optimizer.step(closure)
            if step >= steps // 2:
                sums += torch.stack([robust.detach()[0], others.detach().mean()])
        ratios.append(sums[0] / sums[1])
    return torch.stack(ratios)
