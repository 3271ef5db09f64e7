"""One run over several processes computes what one process computes, and survives the loss of one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import samlib
from samlib.runs.command_line import main
from samlib.runs.engine import Engine, EngineRun
from samlib.runs.images import load_images, make_model
from samlib.runs.settings import make_settings
from tests.runs.processes import MICRO_BATCHES, RUNS, train_all

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="PyTorch has no gloo here"),
]
ROOT = Path(__file__).parents[2]


def torchrun(count: int, *command: str, restarts: int = 0) -> subprocess.Popen:
    how = ["--standalone", "--nproc-per-node", str(count), "--max-restarts", str(restarts), "--monitor-interval", "0.1"]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *how, *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def weights(folder: Path) -> dict[str, Tensor]:
    saved: dict[str, Tensor] = torch.load(folder / "checkpoint.pt", weights_only=True)["model"]
    return saved


def farthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """What one process trains."""
    folder = tmp_path_factory.mktemp("alone")
    train_all(folder)
    return folder


@pytest.fixture(scope="module", params=[2, 4])
def together(request, tmp_path_factory) -> tuple[int, Path]:
    """What several processes train."""
    folder = tmp_path_factory.mktemp("together")
    run = torchrun(request.param, "-m", "tests.runs.processes", str(folder))
    said, _ = run.communicate(timeout=600)
    assert run.returncode == 0, said
    return request.param, folder


def test_several_processes_compute_what_one_computes_with_the_same_whole_batches(alone, together):
    """The optimizer's steps, BatchNorm's statistics and the history agree, whatever is trained."""
    count, folder = together
    apart = {name: farthest(weights(alone / name), weights(folder / name)) for name in RUNS}
    assert max(apart.values()) <= 1e-5, f"{count} processes: {apart}"
    for name in RUNS:
        saved = [torch.load(place / name / "checkpoint.pt", weights_only=True)["history"] for place in (alone, folder)]
        assert saved[0]["loss"] == pytest.approx(saved[1]["loss"], rel=1e-5)
        assert saved[0]["accuracy"] == saved[1]["accuracy"]


def test_several_processes_measure_what_one_measures(alone, together):
    _, folder = together
    found = [(place / "measured" / "evaluation.json").read_text() for place in (alone, folder)]
    assert found[0] == found[1]
    assert json.loads(found[0])["measured"]["PGD-10 linf 0.05"] > 0.1


def micro_batch_sam(count: int, own_ascent: bool) -> dict[str, Tensor]:
    """SAM in one process: each of `count` micro-batches climbs along its own gradient, or all along the whole one's.

    Written out with plain autograd; of the run it takes the batches' order and the learning rates.
    """
    settings = make_settings(MICRO_BATCHES)
    images = load_images("digits", settings.images)
    model = make_model(settings, images).train()
    recipe, run = settings.recipe, EngineRun(model, images, settings.recipe, None, Engine())
    weights = list(model.parameters())
    sgd = torch.optim.SGD(weights, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)

    def gradient(rows: Tensor) -> list[Tensor]:
        loss = F.cross_entropy(model(run.images(rows)), run.y[rows])
        return list(torch.autograd.grad(loss, weights))

    def at_worst_weights(rows: Tensor, ascent: list[Tensor]) -> list[Tensor]:
        length = torch.stack([part.norm() for part in ascent]).norm()
        steps = [recipe.rho * part / length for part in ascent]
        with torch.no_grad():
            torch._foreach_add_(weights, steps)
        found = gradient(rows)
        with torch.no_grad():
            torch._foreach_sub_(weights, steps)
        return found

    for _ in range(recipe.epochs):  # too few for the learning rate to fall
        for rows in run.batches():
            shares = [rows[i::count] for i in range(count)]
            total = [torch.zeros_like(w) for w in weights]
            for share in shares:
                found = at_worst_weights(share, gradient(share if own_ascent else rows))
                torch._foreach_add_(total, found, alpha=len(share) / len(rows))
            for w, part in zip(weights, total, strict=True):
                w.grad = part
            sgd.step()
    return dict(model.state_dict())


def test_an_ascent_for_each_process_is_one_for_each_micro_batch(together):
    """m-sharpness: forward and backward of the ascent pass without synchronisation, those of the descent with it."""
    count, folder = together
    found = weights(folder / "micro-batches")
    assert farthest(micro_batch_sam(count, own_ascent=True), found) <= 1e-5
    assert farthest(micro_batch_sam(count, own_ascent=False), found) >= 1e-3  # so the difference shows here


def ranks_of(parent: subprocess.Popen) -> dict[int, int]:
    """Rank -> process id, of torchrun's children."""
    found = {}
    for child in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split():
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        rank = next((value.partition(b"=")[2] for value in variables if value.startswith(b"RANK=")), None)
        if rank is not None:
            found[int(rank)] = int(child)
    return found


def wait_until(true: Callable[[], bool], running: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


TRAIN = "-m samlib train --data digits --images 400 --width 32 --method sam --rho 0.1 --epochs 120 --device cpu --out"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_and_a_restart_end_with_the_weights_of_an_uninterrupted_run(killed, tmp_path):
    whole = torchrun(2, *TRAIN.split(), str(tmp_path / "whole"))
    said, _ = whole.communicate(timeout=600)
    assert whole.returncode == 0, said
    running = torchrun(2, *TRAIN.split(), str(tmp_path / "run"), restarts=1)
    wait_until(lambda: (tmp_path / "run" / "log.jsonl").exists(), running)
    os.kill(ranks_of(running)[killed], signal.SIGKILL)
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert farthest(weights(tmp_path / "whole"), weights(tmp_path / "run")) == 0
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 120


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_without_restarts_a_killed_process_ends_all_and_leaves_a_checkpoint_that_one_process_goes_on_from(tmp_path):
    running = torchrun(2, *TRAIN.split(), str(tmp_path / "run"))
    wait_until(lambda: (tmp_path / "run" / "log.jsonl").exists(), running)
    os.kill(ranks_of(running)[1], signal.SIGKILL)
    said, _ = running.communicate(timeout=600)
    assert running.returncode != 0
    assert "the same command goes on" in said
    done = len(torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["history"]["loss"])
    assert 1 <= done < 120
    main([*TRAIN.split()[2:], str(tmp_path / "run")])
    model = samlib.mlp(hidden=(32, 32))
    model.load_state_dict(weights(tmp_path / "run"))
