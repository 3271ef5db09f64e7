"""The measured tables: what is tuned is chosen on images set aside, and an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from samlib.runs import tables
from samlib.runs.tables import Curves, Setting, Strengths, Table
from samlib.unions import Attack


def two_settings(part):
    """Two short trainings; the second is another one on each split."""
    how = {"method": "sgd", "epochs": 2}
    return [
        Setting("plain", how, "mlp", {"hidden": (8,)}),
        Setting(
            "perturbed",
            {**how, "lr": 0.1 + part / 10, "perturbation": {"alpha": 0.5, "r": 0.1}},
            "mlp",
            {"hidden": (8,)},
        ),
    ]


@pytest.fixture
def tiny(monkeypatch):
    """One small table, run in threads: another process would not know it."""
    table = Table(two_settings, Curves({"linf": (0.05, 0.1)}), seeds=2, splits=(0, 1), validation=100)
    monkeypatch.setattr(tables, "TABLES", {"tiny": table})
    monkeypatch.setattr(tables, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(1))
    return table


def test_a_table_holds_every_run_and_says_how_it_was_made(tiny, tmp_path):
    made = json.loads(tables.make_table("tiny", folder=tmp_path).read_text())
    assert {(run["setting"], run["split"], run["seed"]) for run in made["runs"]} == {
        (name, part, seed) for name in ("plain", "perturbed") for part in (0, 1) for seed in (0, 1)
    }
    for run in made["runs"]:
        assert run["measured"]["clean"] >= run["measured"]["linf 0.05"] >= run["measured"]["linf 0.1"]
        assert round(100 * run["measured"]["clean"], 6) == int(
            round(100 * run["measured"]["clean"], 6)
        )  # of 100 images
    assert "100 of the training images" in made["protocol"]["data"]
    assert made["protocol"]["settings"]["plain"]["training"]["epochs"] == 2
    assert made["protocol"]["settings"]["perturbed"]["split 1"]["training"]["lr"] == pytest.approx(0.2)
    assert {"command", "commit", "date", "versions", "hardware"} <= set(made)


def test_an_interrupted_table_does_only_what_is_left(tiny, tmp_path, monkeypatch):
    whole = tables.make_table("tiny", folder=tmp_path).read_text()
    (tmp_path / "tiny.json").unlink()
    calls, really = [], tables.run_job

    def counted(job):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(job)
        return really(job)

    monkeypatch.setattr(tables, "run_job", counted)
    with pytest.raises(KeyboardInterrupt):
        tables.make_table("tiny", folder=tmp_path)
    partial = tmp_path / "tiny.jsonl.part"
    done = partial.read_text().count("\n")
    assert 1 <= done <= 3
    partial.write_text(partial.read_text() + '["cut sho')  # a write that the power cut
    calls.clear()
    monkeypatch.setattr(tables, "run_job", lambda job: calls.append(job) or really(job))
    again = tables.make_table("tiny", folder=tmp_path).read_text()
    assert len(calls) == 8 - done
    assert not partial.exists()
    measured = [[run["measured"] for run in json.loads(text)["runs"]] for text in (whole, again)]
    assert measured[0] == measured[1]


def run(setting, part, seed, clean, robust):
    return {
        "setting": setting,
        "split": part,
        "seed": seed,
        "measured": {"clean": clean, "linf 0.125": robust},
    }


def test_choose_takes_the_best_mean_of_each_kind_on_its_split():
    tuning = {
        "protocol": {"settings": {name: {"name": name} for name in ("A | 1", "A | 2", "B | 1")}},
        "runs": [
            run("A | 1", 0, 0, 0.97, 0.30),
            run("A | 1", 0, 1, 0.97, 0.40),
            run("A | 2", 0, 0, 0.99, 0.60),  # best on the mean, but one of its seeds collapsed
            run("A | 2", 0, 1, 0.40, 0.40),
            run("B | 1", 0, 0, 0.98, 0.10),
            run("A | 1", 1, 0, 0.97, 0.30),
            run("A | 2", 1, 0, 0.97, 0.20),
            run("B | 1", 1, 0, 0.96, 0.10),
        ],
    }
    order = ("linf 0.125", "clean")
    chosen = [tables.choose(tuning, part, order)["A"]["name"] for part in (0, 1)]
    assert chosen == ["A | 2", "A | 1"]
    assert tables.choose(tuning, 0, order, least_clean=0.95)["A"]["name"] == "A | 1"
    assert set(tables.choose(tuning, 1, order, least_clean=0.965)) == {"A"}


def test_stronger_attacks_leave_fewer_images(trained, digits):
    measure = Strengths(0.125, "linf", {"weak": (Attack(steps=2),), "both": (Attack(steps=2), Attack("margin"))})
    found = measure(trained["sgd"], *digits[2:])
    assert found["clean"] > found["FGSM"] > found["both"]
    assert found["weak"] > found["both"]


def test_a_table_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match=r"table is 'metods'; .* Did you mean 'methods'"):
        tables.make_table("metods")
    with pytest.raises(ValueError, match="seeds is 0"):
        tables.make_table("layers", seeds=0)
