"""The measured tables in the package: how they were made, that they are whole, and their reader."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from samlib.course import results
from samlib.runs import tables
from samlib.unions import PGD_UNION, Attack


def test_every_result_says_how_it_was_made():
    for name in results.names():
        result = results.load(name)
        assert {"command", "commit", "date", "versions", "hardware", "protocol", "runs"} <= set(result), name
        assert re.fullmatch(r"[0-9a-f]{40}", result["commit"]), name
        assert len({run["seed"] for run in result["runs"]}) >= (3 if name.endswith("tuning") else 5)


@pytest.mark.parametrize("name", results.names())
def test_a_table_in_the_package_has_the_seeds_and_splits_that_it_promises(name):
    table, found = tables.TABLES[name], results.load(name)
    for setting in found["protocol"]["settings"]:
        runs = [(run["split"], run["seed"]) for run in found["runs"] if run["setting"] == setting]
        assert sorted(runs) == [(part, seed) for part in table.splits for seed in range(table.seeds)], setting


def test_the_fields_of_an_attack_are_those_that_the_recorded_tables_hold():
    recorded = results.load("methods")["protocol"]["attacks"]
    assert set(recorded[0]) <= {field.name for field in dataclasses.fields(Attack)}
    assert [Attack(**attack) for attack in recorded] == list(PGD_UNION)


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
