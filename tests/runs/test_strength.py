"""`standard` beside strong attacks of others: on networks that once escaped it, and in the records."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from benchmarks.escaping_nets import nets
from samlib.evaluation import evaluate, robust_mask
from samlib.unions import BUDGETS, Attack

ROOT = Path(__file__).parents[2]
ESCAPED = (
    "alpha 0, r 0.4, lr 0.3, split 2, seed 1, l2",
    "alpha 0, r 0.4, lr 0.3, split 1, seed 0",
    "alpha 0, r 0.4, lr 0.3, split 0, seed 2",
    "alpha 0, r 0.4, lr 0.3, split 2, seed 9, weight decay 0, l2",
)


@pytest.mark.long
@pytest.mark.parametrize("name", ESCAPED)
def test_a_network_that_once_escaped_does_so_no_more(name):
    """Beside torchattacks' APGD on cross-entropy and DLR, targeted APGD and FAB, 100 steps each: 2 images of 597."""
    pytest.importorskip("torchattacks")
    from benchmarks.strength import reference

    net = next(net for net in nets() if net.name == name)
    model, x, y = net.trained()
    parts = dict(tuple(part[:2]) for part in itertools.islice(reference(model, x, y, net.eps, net.norm), 4))
    report = evaluate(model, x, y, net.eps, net.norm)
    assert report.clean > 0.9
    assert int(report.robust_mask.sum()) <= int(parts["FAB-T"].sum()) + 2


@pytest.mark.long
def test_a_detour_finds_what_no_start_in_the_ball_does():
    net = next(net for net in nets() if net.name == ESCAPED[-1])
    model, x, y = net.trained()
    attack = {"loss": "dlr", "steps": 20, "targets": 9, "kind": "apgd"}
    left = robust_mask(model, x, y, net.eps, net.norm, attacks=[Attack(**attack, restarts=6)])
    again, detour = (
        int((~robust_mask(model, x[left], y[left], net.eps, net.norm, attacks=[Attack(**attack, **more)])).sum())
        for more in ({"restarts": 2}, {"detour": 2})
    )
    assert detour >= again + 3


# ---- what is recorded ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record():
    return json.loads((ROOT / "benchmarks" / "results" / "strength.json").read_text())


def test_no_network_stands_more_than_one_image_in_two_hundred_above_the_reference(record):
    rows = record["nets"]
    assert [row["net"] for row in rows] == [net.name for net in nets()]
    assert sum(row["clean"] > 0.8 for row in rows) >= 70
    assert {row["norm"] for row in rows} == {"linf", "l2"}
    for row in rows:
        assert row["images above"] <= row["images"] / 200, row["net"]
        assert round(row["standard"] - row["reference"], 3) == round(row["images above"] / row["images"], 3)
    assert record["most images above"] == max(row["images above"] for row in rows)


def test_the_record_is_of_the_standard_that_there_is(record):
    assert record["clean"]
    assert record["standard"] == [str(attack) for attack in BUDGETS["standard"]]


def test_the_readme_says_what_is_recorded(record):
    text = " ".join((ROOT / "README.md").read_text().split())
    said = re.search(r"On (\d+) networks made to escape it, it leaves at most (\d+) of (\d+) images more", text)
    assert [int(n) for n in said.groups()] == [len(record["nets"]), record["most images above"], 597]
    assert {row["images"] for row in record["nets"]} == {597}
    assert "an eighth of the time" in text
    assert record["median times as fast"] >= 8
