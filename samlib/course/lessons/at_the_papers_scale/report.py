"""Sections 1, 4 and 5 in tables: the protocol line by line, what was found in the code, what a table would cost."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from IPython.display import Markdown

from samlib.course.lessons.at_the_papers_scale.costs import NETWORKS, SGD_PASSES, benchmarks
from samlib.course.lessons.at_the_papers_scale.grids import GRIDS
from samlib.runs.costs import training_passes
from samlib.runs.grid import read_grid

NOT_READ = "*not read here*"
PROTOCOL = {  # line: (what the public code does, file), weizeming/SAM_AT at 9a7bd20
    "claim": ("", ""),
    "data": ("CIFAR-10, CIFAR-100; crop after reflection padding of 4, flip", "utils.py"),
    "network": ("PreActResNet-18", "train.py"),
    "schedule": ("100 epochs, batches of 128; learning rate 0.1, a tenth from 75 %, a hundredth from 90 %", "train.py"),
    "weight decay, momentum": ("0.0005, 0.9", "train.py"),
    "rho": ("0.05, unless another is given", "train.py"),
    "AT": ("5 steps of 2/255, l_inf 8/255, unless others are given", "train.py"),
    "attack": ("PGD-10, random start: l_inf 1, 2/255 by eps/4; l_2 16, 32/255 by eps/8", "eval.py"),
    "seeds": ("none is set", "train.py"),
    "chosen on": ("the last epoch is kept; no image is set aside", "train.py, utils.py"),
    "table": ("", ""),
}


def protocol(paper: Mapping[str, tuple[str, str]]) -> Markdown:
    """What the paper says beside what the public code does.

    Args:
        paper: {line: (what it says, page and table)}, for what you have read yourself; the rest stays empty.

    Raises:
        ValueError: there is no such line.
    """
    if unknown := set(paper) - set(PROTOCOL):
        raise ValueError(f"paper has the lines {', '.join(sorted(unknown))}; they must be among {', '.join(PROTOCOL)}.")
    rows = ["| line | the paper says | page, table | the public code | file |", "|---|---|---|---|---|"]
    for line, (does, file) in PROTOCOL.items():
        says, where = paper.get(line, (NOT_READ, ""))
        code = f"`{file}`" if file else ""
        rows.append(f"| **{line}** | {says} | {where} | {does} | {code} |")
    return Markdown("\n".join(rows))


def whole_cost(name: str) -> str:
    """Runs and passes of a grid's training, and days of one CPU thread by the measured step of the paper's network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.toml"
        path.write_text(GRIDS[name], encoding="utf-8")
        grid = read_grid(path)
    images, passes = 50_000, 0
    for task in grid.tasks():
        chosen = task.row.candidates[0] if task.row.candidates and task.candidate is None else None
        settings = grid.settings(task, chosen)
        own = images - (settings.validation or 0)
        passes += own * settings.recipe.epochs * training_passes(settings.recipe)
    file, network, width = NETWORKS["PreActResNet-18, width 64"]
    measured = benchmarks()[file]
    (ground,) = (g for g in measured["grounds"] if (g["network"], g["width"]) == (network, width))
    a_pass = ground["milliseconds"]["SGD step"] / 1000 / measured["batch_size"] / SGD_PASSES
    days = passes * a_pass / 86400
    return (
        f"{name}: {len(grid.tasks())} trainings, {passes:.2g} passes; by a measured step some "
        f"{float(f'{days:.1g}'):,.0f} days of one CPU thread; on a GPU: not measured"
    )


FINDINGS = {
    1: "SAM_AT, eval_cifar100.py: attacks behind CIFAR-100's normalisation, scores behind CIFAR-10's",
    2: "SAM_AT, train.py: divides the training accuracy in its log by 60,000, and there are 50,000 images",
    3: "SAM_AT, train.py: AT+SAM's attack leaves gradients in .grad, and they enter SAM's ascent step",
    4: "SAM_AT, train.py: sets no seed",
    5: "SAM_AT, train.py: overwrites the file each epoch, so the last epoch is what is evaluated",
    6: "SAM_AT, train.py: the robust accuracy in its log comes after a `continue`, and is never computed",
    7: "SAM_AT, train.py: both passes of SAM run in training mode, so BatchNorm counts the perturbed one too",
    8: "SAM_AT_seg, attack.py: what it names autoattack is APGD-T, 5 steps at 4/255, on 1,000 images",
}
MOVES = {1, 4, 5, 7, 8}


def findings() -> str:
    """What was seen in the public code, numbered."""
    head = "weizeming/SAM_AT at 9a7bd20; riverback/SAM_AT_seg at 7e352ee (train_eval_scripts)"
    return "\n".join([head, *(f"{number}. {text}" for number, text in FINDINGS.items())])
