"""Runs that several processes, or one, train: `python -m tests.runs.processes FOLDER`, under torchrun or without it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from samlib.runs.distributed import Ranks, joined
from samlib.runs.engine import Engine
from samlib.runs.images import load_images
from samlib.runs.measure import evaluate_run, measures_of
from samlib.runs.run import train_run
from samlib.runs.settings import make_settings

COMMON = {"data": "digits", "images": 206, "epochs": 2, "batch_size": 48, "lr": 0.05}  # a last batch of 14
RESNET = COMMON | {"model": "small_resnet"}
RUNS = {
    "SGD": RESNET | {"method": "sgd", "augment": True},
    "SAM": RESNET | {"method": "sam", "rho": 0.1},
    "first-layer SAM": RESNET | {"method": "sam", "rho": 0.1, "perturb": ["conv1"]},
    "AT": RESNET | {"method": "at", "eps": 0.05, "norm": "l2", "attack_steps": 3},
    "AT linf": COMMON | {"model": "mlp", "width": 32, "method": "at", "eps": 0.1, "attack_steps": 3},
    "input noise": COMMON | {"model": "mlp", "width": 32, "method": "input_noise", "sigma": 0.1},
    "weight noise": COMMON | {"model": "mlp", "width": 32, "method": "weight_noise", "rho": 0.1},
}
MICRO_BATCHES = COMMON | {"model": "mlp", "width": 32, "method": "sam", "rho": 0.2}


def train_all(folder: Path) -> None:
    """Every run, in a folder of its own; where there are several processes, one more with an ascent for each."""
    device = torch.device("cpu")
    with joined(device) as ranks:
        for name, settings in RUNS.items():
            train_run(make_settings(settings), folder / name, Engine(device, ranks), progress=False)
        if ranks.count > 1:
            engine = Engine(device, ranks, ascent="replica")
            train_run(make_settings(MICRO_BATCHES), folder / "micro-batches", engine, progress=False)
        measure(folder / "measured", ranks)


def measure(folder: Path, ranks: Ranks) -> None:
    """Each process trains the same network by itself; together they measure it."""
    settings = make_settings(COMMON | {"model": "mlp", "epochs": 5})
    model, _ = train_run(settings, folder / f"of process {ranks.rank}", Engine(), progress=False)
    measures = measures_of({"PGD-10": {"linf": [0.05, 0.1], "l2": [0.3]}, "quick": {"linf": [0.05, 0.1]}})
    evaluate_run(folder, model, 5, load_images("digits", 206), measures, ranks=ranks, progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_all(Path(sys.argv[1]))
