"""The measured tables in the package: how they were made, that they are whole, and their reader."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from samlib.course import results
from samlib.runs.tables import TABLES
from samlib.runs.trials import WEAK_TO_STRONG
from samlib.unions import Attack


@pytest.mark.parametrize("name", results.names())
def test_every_result_says_how_it_was_made(name):
    result = results.load(name)
    assert {"command", "commit", "date", "versions", "hardware", "protocol", "runs"} <= set(result)
    assert re.fullmatch(r"[0-9a-f]{40}", result["commit"])
    for session in result["sessions"].values():
        assert session["clean"] is True, "made from a tree with changes: commit, then make it again"
        assert re.fullmatch(r"[0-9a-f]{16}", session["sources"])
        assert re.fullmatch(r"[0-9a-f]{40}", session["commit"])
    for run in result["runs"]:
        assert run["session"] in result["sessions"]


@pytest.mark.parametrize("name", results.names())
def test_a_table_in_the_package_has_the_runs_that_it_promises(name):
    found = results.load(name)
    done, folder = {run["key"]: run for run in found["runs"]}, Path(results.__file__).parent
    jobs = TABLES[name].jobs(done, folder)
    promised = [(job.setting.name, job.split, job.seed, job.key()) for job in jobs]
    assert [(run["setting"], run["split"], run["seed"], run["key"]) for run in found["runs"]] == promised
    assert json.loads(json.dumps(TABLES[name].protocol(done, folder))) == found["protocol"]


def test_every_table_that_can_be_made_is_there():
    assert set(TABLES) == set(results.names())


def test_the_fields_of_an_attack_are_those_that_the_recorded_tables_hold():
    for name in results.names():
        recorded = results.load(name)["protocol"]["attacks"]
        for said, union in (recorded if isinstance(recorded, dict) else {"standard": recorded}).items():
            assert tuple(Attack(**attack) for attack in union) == WEAK_TO_STRONG[said], (name, said)


def test_a_lead_is_taken_on_each_split_and_its_interval_covers_the_splits():
    def run(setting, part, value):
        return {"setting": setting, "split": part, "measured": {"clean": value}}

    runs = [run("SGD", part, 0.5 + part / 10 + seed) for part in (0, 1, 2) for seed in (-0.1, 0.1)]
    runs += [run("SAM", part, 0.6 + part / 10 + part / 100 + seed) for part in (2, 1, 0) for seed in (-0.1, 0.0, 0.1)]
    result = {"runs": [*runs, run("AT", 0, 0.9)]}
    assert results.by_split(result, "SGD", "clean") == {0: [0.4, 0.6], 1: [0.5, 0.7], 2: pytest.approx([0.6, 0.8])}
    middle, half = results.lead(result, "SAM", "SGD", "clean")  # .10, .11 and .12 on the three
    assert middle == pytest.approx(0.11)
    assert half == pytest.approx(0.01 * 4.302653 / 3**0.5, rel=1e-5)
    with pytest.raises(ValueError, match="'AT' and 'SGD' share 1 split"):
        results.lead(result, "AT", "SGD", "clean")
    with pytest.raises(ValueError, match="Did you mean 'SAM'"):
        results.lead(result, "SMA", "SGD", "clean")


def test_a_table_that_is_not_there_is_told_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"name is 'method'.*Did you mean 'methods'"):
        results.load("method")


def test_an_interval_is_students_and_covers_as_often_as_it_says():
    middle, half = results.interval([1.0, 2.0, 3.0])
    assert middle == 2
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-6)  # t with two degrees of freedom, from a table
    rng = np.random.default_rng(0)
    found = [results.interval(rng.normal(5, 2, size=10).tolist()) for _ in range(2000)]
    covered = np.mean([abs(middle - 5) <= half for middle, half in found])
    assert 0.935 < covered < 0.965


def test_one_run_has_no_interval():
    with pytest.raises(ValueError, match="values holds 1 run"):
        results.interval([0.4])


def test_the_readmes_figures_are_those_of_the_tables():
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    methods = results.load("methods")

    def mean(setting: str, measure: str) -> float:
        return 100 * float(np.mean(results.values(methods, setting, measure)))

    gain = mean("SAM 0.4", "linf 0.125") - mean("SGD", "linf 0.125")
    assert f"SAM keeps {gain:.0f} points more than SGD at eps 0.125" in text
    assert mean("SAM 0.4", "clean") > mean("SGD", "clean"), "SAM gains at no cost in clean accuracy"
    leads = {
        criterion: results.lead(methods, f"SAM, tuned ({criterion})", f"SGD, tuned ({criterion})", "linf 0.125")
        for criterion in ("clean", "robust")
    }
    said = " or ".join(f"{100 * points:.0f} ± {100 * half:.0f}" for points, half in leads.values())
    assert f"{said} points of SAM's lead are left" in text
    for criterion in leads:  # even with a single step
        ours, theirs = f"AT, 1 step, tuned ({criterion})", f"SAM, tuned ({criterion})"
        assert results.lead(methods, ours, theirs, "linf 0.125")[0] > 0.2, "far more"
