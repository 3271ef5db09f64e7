"""`samlib bench`: contenders take turns, ratios have a spread, peers that are not installed are left out."""

from __future__ import annotations

import json

import pytest
import torch

from samlib.runs import bench
from samlib.runs.command_line import main


def test_contenders_take_turns_and_the_first_turn_does_not_count():
    calls = []
    times = bench.in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, torch.device("cpu"), 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(value) for name, value in times.items()} == {"a": 2, "b": 2}


def test_a_ratio_is_taken_turn_by_turn():
    assert bench.ratio([2, 4, 9], [1, 2, 3]) == {"median": 2, "low": 2, "high": 3}
    assert bench.ratio([1.0, 2, 3, 4, 5], [1.0] * 5) == {"median": 3, "low": 1.5, "high": 4.5}


def test_memory_is_counted_at_its_peak(device):
    def call():
        a = torch.ones(2**20, device=device)
        b = a + 1
        del a
        return b * 2

    assert 8 * 2**20 <= bench.peak_bytes(call, device) < 9 * 2**20


@pytest.mark.slow
def test_every_kind_of_step_is_timed_and_compared_and_the_result_says_how(tmp_path, capsys):
    out = tmp_path / "bench.json"
    main(f"bench --networks small_resnet --batch-size 8 --repeats 1 --device cpu --out {out}".split())
    content = json.loads(out.read_text())
    assert {"command", "commit", "date", "versions", "hardware", "peers"} <= set(content)
    (ground,) = content["grounds"]
    told = {(one["of"], one["to"]) for one in ground["ratios"]}
    expected = {
        ("SAM step", "SGD step"),
        ("SAM step, first layer", "SGD step"),
        ("PGD of ten steps", "forward + input gradient, ten times"),
        ("SGD epoch", "SGD epoch, plain loop"),
        ("SAM epoch", "SAM epoch, plain loop"),
    }
    for package, pair in (
        ("pytorch_optimizer", ("SAM step", "SAM step, pytorch_optimizer")),
        ("torchattacks", ("PGD of ten steps", "PGD of ten steps, torchattacks")),
        ("foolbox", ("PGD of ten steps", "PGD of ten steps, foolbox")),
    ):
        if content["peers"][package] != "not installed":
            expected.add(pair)
    assert told == expected
    assert all(value > 0 for value in ground["milliseconds"].values())
    assert ground["megabytes"]["SAM step"] > ground["megabytes"]["SGD step"]
    said = capsys.readouterr().out
    assert "times as long" in said
    assert f"wrote {out}" in said


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch, device):
    monkeypatch.setattr(bench, "peer", lambda package: None)
    ground = bench.Ground("small_resnet", None, device, 4)
    assert list(bench.training_steps(ground)) == ["SGD step", "SAM step", "SAM step, first layer"]
    assert list(bench.attack_steps(ground)) == ["forward + input gradient, ten times", "PGD of ten steps"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--networks resnet", "network is 'resnet'"),
        ("--repeats 0", "repeats is 0"),
        ("--batch-size 0", "batch_size is 0"),
        ("--out {folder}", "is a folder"),
        ("--out {folder}/nowhere/bench.json", "is to be in a folder that is not there"),
        ("--out {folder}/thesis.json", "is no result of samlib bench"),
    ],
)
def test_bad_options_are_answered_in_one_line_and_nothing_is_overwritten(options, message, tmp_path, capsys):
    (tmp_path / "thesis.json").write_text('{"years": "of work"}')
    with pytest.raises(SystemExit) as end:
        main(["bench", *options.format(folder=tmp_path).split(), "--device", "cpu"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert (tmp_path / "thesis.json").read_text() == '{"years": "of work"}'
