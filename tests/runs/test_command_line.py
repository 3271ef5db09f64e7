"""`samlib train` and `samlib evaluate`: what they leave, how they go on, and what they say to bad input."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

import samlib
from samlib import balls, random_search
from samlib.runs import measure
from samlib.runs.command_line import main
from samlib.runs.run import log_lines

TRAIN = "train --data digits --images 300 --method sam --rho 0.2 --epochs 3 --seed 1 --device cpu --out"
SHORT = TRAIN.split(" ")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A finished run, to be left as it is."""
    main([*SHORT, str(tmp_path_factory.mktemp("original") / "run")])
    return next(tmp_path_factory.getbasetemp().glob("original*/run"))


@pytest.fixture
def finished(original, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(original, tmp_path / "run"))


def test_a_run_leaves_its_checkpoint_and_its_log_and_says_the_accuracies(finished, capsys):
    main([*SHORT, str(finished)])  # it is done, and says so once more
    said = capsys.readouterr().out
    saved = torch.load(finished / "checkpoint.pt", weights_only=True)
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]

    x, y, x_test, y_test = samlib.load_digits()
    x, y = samlib.data.split(x, y, 300)[2:]
    model = samlib.mlp(seed=1)
    history = samlib.train(model, x, y, "sam", rho=0.2, epochs=3, seed=1, progress=False)
    for name, value in model.state_dict().items():
        assert torch.equal(saved["model"][name], value)
    assert [line["loss"] for line in log] == history["loss"]
    assert f"training accuracy {history['accuracy'][-1]:.1%}" in said
    assert f"clean accuracy {samlib.accuracy(model, x_test, y_test):.1%} (597 images)" in said
    assert "(PGD-10 linf 0.125;" in said


def test_the_same_command_goes_on_where_the_run_was_stopped(finished, monkeypatch, capsys):
    weights = torch.load(finished / "checkpoint.pt", weights_only=True)["model"]
    log = (finished / "log.jsonl").read_text().splitlines()
    for name in ("checkpoint.pt", "log.jsonl"):
        (finished / name).unlink()
    write, written = samlib.runs.run.write_atomically, []

    def stop_after_two_epochs(path, content, name):
        write(path, content, name)
        written.append(path.name)
        if written.count("log.jsonl") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(samlib.runs.run, "write_atomically", stop_after_two_epochs)
    with pytest.raises(SystemExit) as end:
        main([*SHORT, str(finished)])
    monkeypatch.undo()
    assert end.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert len(torch.load(finished / "checkpoint.pt", weights_only=True)["history"]["loss"]) == 2
    main([*SHORT, str(finished)])
    again = torch.load(finished / "checkpoint.pt", weights_only=True)["model"]
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    lines = (finished / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [json.loads(line)["loss"] for line in log]


@pytest.mark.slow
def test_sigterm_ends_a_run_whose_checkpoint_goes_on(tmp_path):
    how = [sys.executable, "-m", "samlib", *SHORT, str(tmp_path / "run"), "--epochs", "100000"]
    running = subprocess.Popen(how, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143
    assert said.splitlines()[-1].startswith("samlib train: stopped by SIGTERM; what is done is kept")
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    lines = len((tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert lines in (len(saved["history"]["loss"]), len(saved["history"]["loss"]) - 1)


BAD = {
    "trian --out RUN": r"command is 'trian'.*Did you mean 'train'",
    "train --out NEW --epoch 3": r"option is '--epoch'.*Did you mean '--epochs'",
    "train --out NEW --method sma": r"method is 'sma'.*Did you mean 'sam'",
    "train --out NEW --data cifar": r"data is 'cifar'.*Did you mean 'cifar1",
    "train --out NEW --model resnet": r"model is 'resnet'.*Did you mean",
    "train --out NEW --method sam": r"needs rho",
    "train --out NEW --method sgd --eps 0.1": r"eps is 0.1, but method 'sgd' does not use it",
    "train --out NEW --method at --eps 1/0": r"'1/0' is no number",
    "train --out NEW --model small_resnet --width 3": r"width is 3",
    "train --out NEW --lr fast": r"--lr: invalid float value: 'fast'",
    "train --out NEW --images 5000": r"images is 5000, but the training set of digits has 1200",
    "train --out NEW --data folder:nowhere": r"root='nowhere/train' is not a folder",
    "train --out NEW --compile much": r"compile is 'much'",
    "train --out NEW --ascent all": r"ascent is 'all'",
    "train --out NEW --ascent replica": r"ascent is 'replica', but there is one process only",
    "train --out NEW --batchnorm replica": r"batchnorm is 'replica', but there is one process only",
    "train --out NEW --batch-size 0": r"batch_size is 0; it must be at least 1",
    "train --out NEW --rho": r"--rho: expected one argument",
    "train --out FILE": r"is a file; name a folder",
    "train --out FILE/run": r"FILE|Not a directory",
    "train --out NEW --data folder:FILE": r"is not a folder",
    "evaluate OTHER": r"holds no run",
    "evaluate FILE": r"holds no run",
    "train --out NEW --method sam --rho 0.1 --perturb fc9": r"perturb is 'fc9'.*Did you mean 'fc",
    "train": r"--out",
    "train --data digits --epochs 4 --out RUN": r"holds another run \(.*epochs: 3 there, 4 here",
    "train --out OTHER": r"holds something else than a run",
    "evaluate NEW": r"holds no run",
    "evaluate RUN --protocol standart": r"protocol is 'standart'.*Did you mean 'standard'",
    "evaluate RUN --eps 0.2 0.1": r"eps is \[0.2, 0.1\]; it must",
    "evaluate RUN --norm l2": r"no eps is given",
    "evaluate RUN --images 5000": r"only 597",
    "results metods": r"Did you mean 'methods'",
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_answered_in_one_line_and_nothing_is_overwritten(bad, finished, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    before = contents(tmp_path)
    places = {"RUN": finished, "NEW": tmp_path / "new", "OTHER": tmp_path / "other"}
    command, places = bad, places | {"FILE": tmp_path / "other" / "thesis.tex"}
    for name, place in places.items():
        command = re.sub(rf"\b{name}\b", str(place), command)
    with pytest.raises(SystemExit) as end:
        main(command.split())
    said = capsys.readouterr()
    assert end.value.code == 2, said.err
    assert len(said.err.splitlines()) == 1
    assert re.search(BAD[bad], said.err), said.err
    assert contents(tmp_path) == before


def _cut(run: Path) -> None:
    content = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(content[: len(content) // 2])


def _of_another_run(run: Path) -> None:
    other = run.parent / "another"
    main([*" ".join(SHORT).replace("--seed 1", "--seed 2 --width 8").split(), str(other)])
    shutil.copy(other / "checkpoint.pt", run / "checkpoint.pt")


BROKEN = {
    "half a checkpoint": (_cut, r"is not a whole checkpoint"),
    "no checkpoint": (lambda run: (run / "checkpoint.pt").write_text("no"), r"is not a whole checkpoint"),
    "a checkpoint of another run": (_of_another_run, r"another (run|model)"),
    "half the settings": (lambda run: (run / "settings.json").write_text('{"data"'), r"settings.json cannot be read"),
    "wrong settings": (lambda run: (run / "settings.json").write_text('{"data": "dogits"}'), r"(another run|data is)"),
    "half an evaluation": (lambda run: (run / "evaluation").write_text(""), r"evaluation"),
}


@pytest.mark.parametrize(
    ("command", "broken"),
    [("evaluate", name) for name in BROKEN] + [("train", name) for name in BROKEN if "evaluation" not in name],
)
def test_a_broken_folder_is_told_in_one_line_and_left_as_it_is(command, broken, finished, capsys):
    spoil, message = BROKEN[broken]
    spoil(finished)
    before = contents(finished)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*SHORT, str(finished)] if command == "train" else ["evaluate", str(finished), "--device", "cpu"])
    said = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert re.search(message, said[-1]), said
    assert contents(finished) == before


def test_an_image_that_cannot_be_read_is_named(pictures, tmp_path, capsys):
    (pictures / "train" / "dark" / "3.png").write_bytes(b"no image")
    with pytest.raises(SystemExit) as end:
        main(["train", "--data", f"folder:{pictures}", "--out", str(tmp_path / "run"), "--device", "cpu"])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert re.search(r"dark/3.png cannot be read", said)
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_cuda_where_there_is_none_and_too_little_memory_are_bad_input(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit) as end:
        main([*SHORT, str(tmp_path / "run"), "--device", "cuda"])
    assert end.value.code == 2
    assert "device is 'cuda', but PyTorch" in capsys.readouterr().err

    def too_much(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr("samlib.runs.engine.EngineRun.passes", too_much)
    with pytest.raises(SystemExit) as end:
        main([*SHORT, str(tmp_path / "run")])
    assert end.value.code == 2
    assert "Take a smaller --batch-size" in capsys.readouterr().err.splitlines()[-1]


def test_a_run_that_diverges_ends_with_status_1(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([*SHORT, str(tmp_path / "run"), "--lr", "1e30"])
    assert end.value.code == 1
    assert "The loss became" in capsys.readouterr().err


def test_an_evaluation_says_what_the_functions_say_and_goes_on(finished, capsys, monkeypatch):
    monkeypatch.setattr(measure, "PART", 100)
    calls, count = [], measure.Measure.count

    def interrupted(self, model, x, y, seed):
        calls.append((self.protocol, seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return count(self, model, x, y, seed)

    command = ["evaluate", str(finished), "--protocol", "PGD-10", "quick", "--eps", "0.05", "0.1", "--device", "cpu"]
    command += ["--images", "200"]
    monkeypatch.setattr(measure.Measure, "count", interrupted)
    with pytest.raises(SystemExit):
        main(command)
    assert not (finished / "evaluation.json").exists()
    main(command)
    assert calls == [("PGD-10", 0), ("PGD-10", 100), ("quick", 0), ("quick", 0), ("quick", 100)]
    found = json.loads((finished / "evaluation.json").read_text())
    assert found["images"] == 200
    assert found["epochs"] == 3
    said = capsys.readouterr().out
    measured = found["measured"]
    assert all(f"{value:.1%}" in said for value in measured.values())

    model = samlib.mlp(seed=1)
    model.load_state_dict(torch.load(finished / "checkpoint.pt", weights_only=True)["model"])
    rows = torch.randperm(597, generator=torch.Generator().manual_seed(0))[:200]
    x, y = (part[rows] for part in samlib.load_digits()[2:])
    assert measured["clean"] == samlib.accuracy(model, x, y)
    assert measured["quick linf 0.05"] == pytest.approx(
        samlib.robust_accuracy(model, x, y, 0.05, budget="quick"), abs=0.01
    )
    assert measured["clean"] > measured["PGD-10 linf 0.05"] > measured["PGD-10 linf 0.1"] >= measured["quick linf 0.1"]


def test_the_papers_protocol_is_ten_steps_of_a_quarter_of_eps(finished):
    model = samlib.mlp(seed=1)
    model.load_state_dict(torch.load(finished / "checkpoint.pt", weights_only=True)["model"])
    _, _, x, y = samlib.load_digits()
    found = measure.Measure("PGD-10", "l2", (0.5,)).count(model, x, y, 0)
    x_adv = samlib.pgd(model, x, y, 0.5, "l2", steps=10, step_size=0.5 / 8, keep="last")
    assert found == [round(len(x) * samlib.accuracy(model, x_adv, y))]


def test_a_further_norm_that_a_protocol_does_not_know_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setitem(balls.BALLS, "further", balls.L2)
    with pytest.raises(
        ValueError, match=r"norm is 'further', for which .*PGD-10, names no step; only for 'linf', 'l2'"
    ):
        measure.Measure("PGD-10", "further", (0.5,))
    with pytest.raises(ValueError, match=r"norm is 'further', for which random search .*random_search\.MOVES"):
        measure.Measure("standard", "further", (0.5,))
    monkeypatch.setitem(random_search.MOVES, "further", random_search.MOVES["l2"])
    assert measure.Measure("standard", "further", (0.5,)).names() == ["standard further 0.5"]


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A data set of the shape of CIFAR: two classes, a bright and a dark one, in folders."""
    generator = torch.Generator().manual_seed(0)
    for part, n in (("train", 8), ("test", 4)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "pictures" / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = torch.randint(96, (32, 32, 3), generator=generator, dtype=torch.uint8) + 96 * label
                Image.fromarray(pixels.numpy()).save(tmp_path / "pictures" / part / name / f"{i}.png")
    return tmp_path / "pictures"


@pytest.mark.slow
def test_a_folder_of_pictures_is_trained_on_as_bytes_and_augmented(pictures, tmp_path, capsys):
    run = str(tmp_path / "run")
    main(f"train --data folder:{pictures} --width 2 --epochs 2 --batch-size 8 --device cpu --out {run}".split())
    saved = torch.load(Path(run) / "checkpoint.pt", weights_only=True)
    x, y, _ = samlib.load_folder(pictures / "train")
    mean, std = (tuple(round(v, 4) for v in part.tolist()) for part in (x.mean((0, 2, 3)), x.std((0, 2, 3))))
    model = samlib.preact_resnet18(2, width=2, mean=mean, std=std)
    augment = samlib.data.flip_and_crop()
    history = samlib.train(model, x.contiguous(), y, epochs=2, batch_size=8, augment=augment, progress=False)
    assert saved["history"]["loss"] == history["loss"]
    assert torch.equal(saved["model"]["normalize.mean"].flatten(), torch.tensor(mean))
    main(["evaluate", run, "--device", "cpu", "--protocol", "PGD-10"])
    assert "PGD-10 l2 32/255" in capsys.readouterr().out


def test_the_log_of_a_run_has_a_line_an_epoch():
    history = {"loss": [2.0, 1.0], "accuracy": [0.5, 0.75], "lr": [0.1, 0.1], "seconds": [3.0, 4.0]}
    lines = [json.loads(line) for line in log_lines(history).splitlines()]
    assert lines[1] == {"epoch": 2, "loss": 1.0, "accuracy": 0.75, "lr": 0.1, "seconds": 4.0}
