"""The exercises of lesson 08, at the paper's scale."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samlib.course.exercise import Exercise, attempted
from samlib.course.lessons.at_the_papers_scale.report import FINDINGS, MOVES
from samlib.course.lessons.at_the_papers_scale.verdict_form import judge_verdict
from samlib.models import mlp, small_resnet

# --- which faults count -----------------------------------------------------------------------------------------------

WHY = {
    1: "CIFAR-100's figures of both methods pass through it, and it need not move both alike.",
    2: "It is a figure in a log, and no table of robustness is made of it.",
    3: "Only AT+SAM does that. Where there is no attack in training, as for SGD and SAM, nothing is left in .grad.",
    4: "One run of each method may be a lucky one.",
    5: "SGD and SAM may be at their best at different epochs.",
    6: "It is left out of a log; the evaluation is another script.",
    7: "SAM's networks alone are evaluated with such statistics.",
    8: "A weaker attack may flatter one of the two more than the other.",
}


def _judge_moves(moves: Any) -> str | None:
    if not isinstance(moves, Mapping) or set(moves) != set(FINDINGS):
        return f"moves must be a dict with the keys {', '.join(map(str, FINDINGS))}."
    for number, answer in moves.items():
        if not isinstance(attempted(answer), bool):
            return f"Finding {number}: say True or False; yours is {answer!r}."
    wrong = [number for number, answer in moves.items() if answer != (number in MOVES)]
    if not wrong:
        return None
    first = wrong[0]
    return f"{len(wrong)} of {len(FINDINGS)} are not right. Finding {first}: {WHY[first]}"


moves = Exercise(
    "at_the_papers_scale/moves",
    _judge_moves,
    "Three of eight are real faults that do not touch this claim. A report that lists them beside the others blurs the "
    "five that might. Whether those five do is a question of measurement.",
    [
        "For each ask: does a figure of SGD or of SAM, in a table of robust accuracy, pass through this line?",
        "Logs are not tables, and SGD and SAM alone make no attack in training.",
    ],
)

# --- plant one yourself -----------------------------------------------------------------------------------------------

MEAN, STD = 0.25, 0.5


def _logits(net: nn.Sequential, x: Tensor, mean: float, std: float) -> Tensor:
    """Of the network's layers behind this normalisation."""
    z = (x - mean) / std
    for name, layer in net.named_children():
        z = z if name == "normalize" else layer(z)
    return z


def _judge_behind(behind: Callable[[nn.Sequential, float, float], Any]) -> str | None:
    if not callable(behind):
        return f"behind must be a function of a network, a mean and a spread; yours is a {type(behind).__name__}."
    x = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for net in (mlp((16,), seed=1).eval(), small_resnet(seed=1).eval()):
        with torch.no_grad():
            before = net(x)
        given = copy.deepcopy(net)
        other = attempted(behind(given, MEAN, STD))
        if not callable(other):
            return f"behind must return a network; yours returned a {type(other).__name__}."
        with torch.no_grad():
            after, answer = given(x), other(x)
            normalize = net.get_submodule("normalize")
            mean, std = float(normalize.mean), float(normalize.std)  # type: ignore[arg-type]
            twice = net((x - MEAN) / STD)
            swapped = _logits(net, x, STD, MEAN)
            right = net(((x - MEAN) / STD) * std + mean)
        if not torch.equal(before, after):
            return "The network that was handed in says something else now: change a copy of it."
        if torch.allclose(answer, before):
            return "The new network says what the old one said: its normalisation is still its own."
        if torch.allclose(answer, twice, atol=1e-4):
            return "Your network normalises twice, by the new numbers and then by its own."
        if torch.allclose(answer, swapped, atol=1e-4):
            return "The mean and the spread have changed places."
        if not torch.allclose(answer, right, atol=1e-4):
            return "The logits are not those of the same weights behind (x − mean) / std."
    return None


behind = Exercise(
    "at_the_papers_scale/behind",
    _judge_behind,
    "One line is another, and all else is the same: so the effect of a fault can be told from everything around it.",
    [
        "samlib's networks begin with a layer `normalize`, with the buffers `mean` and `std`.",
        "copy.deepcopy(net) is a network of its own; `.fill_(value)` sets every element of a tensor.",
        "other = copy.deepcopy(net); other.normalize.mean.fill_(mean); the same with std; return other.",
    ],
)

verdict = Exercise(
    "at_the_papers_scale/verdict",
    judge_verdict,
    "Signed line by line, each with its evidence. Whoever disagrees knows which row to measure again.",
    [
        "First the evidence: the row with the line's data set, methods, tuning, attack and eps.",
        "Then the word: “supported” if the whole interval lies above zero, “refuted” if below, else “open”. "
        "rows['b'].ends are the interval's ends; rows['g'] is None where nothing was measured.",
    ],
)
