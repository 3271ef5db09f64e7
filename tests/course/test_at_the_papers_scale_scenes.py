"""Lesson 08: what its scenes compute and show, and that rows which nobody has measured say so."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import samlib
from samlib.course import results
from samlib.course.lessons import at_the_papers_scale as lesson
from samlib.course.lessons.at_the_papers_scale import costs, live, report
from samlib.course.lessons.at_the_papers_scale import planted as faults
from samlib.course.lessons.at_the_papers_scale.audit_scene import NEEDS
from samlib.course.lessons.at_the_papers_scale.evidence import ATTACKS, DATA, DIGITS, LEVELS, PAIRS, Evidence, in_grid
from samlib.course.lessons.at_the_papers_scale.grids import GRIDS
from samlib.course.widgets import choices
from samlib.runs.costs import training_passes
from samlib.runs.grid import read_grid
from samlib.runs.settings import make_settings
from tests.course import scenes

ROOT = Path(__file__).resolve().parents[2]
MEASURES = ["clean", *(f"{attack} linf {eps}" for attack in ("PGD-10", "standard") for eps in ("1/255", "2/255"))]
GRID_ROWS = sorted({name for pair in PAIRS.values() for name in pair[1]})


def made_up(seeds=(0, 1, 2), rows=GRID_ROWS):
    """A table in the shape of `samlib table`'s own, that nobody has measured."""

    def values(i, j):
        return [round(0.5 - 0.1 * j + 0.04 * i + 0.01 * k * (1 + i), 5) for k in range(len(seeds))]

    measured = {n: {m: {"values": values(i, j)} for j, m in enumerate(MEASURES)} for i, n in enumerate(rows)}
    return {"rows": [{"name": n, "seeds": list(seeds), "diverged": [], "measured": measured[n]} for n in rows]}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """All tables at scale, made up, where a learner would have them."""
    folder = tmp_path_factory.mktemp("tables")
    for name in ("cifar_cpu", "cifar_gpu"):
        (folder / f"{name}.json").write_text(json.dumps(made_up()))
    (folder / "cifar100_gpu").mkdir()
    (folder / "cifar100_gpu" / "table.json").write_text(json.dumps(made_up()))
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Evidence of which the grids' part is not there."""
    evidence = Evidence(tmp_path_factory.mktemp("none"))
    evidence.grids = dict.fromkeys(evidence.grids)
    return evidence


# ---- evidence --------------------------------------------------------------------------------------------------------


def test_what_is_on_the_digits_is_what_the_tables_hold():
    evidence, attacks = Evidence(), results.load("attacks")
    found = evidence.find(DIGITS, lesson.USUAL, "standard", "larger")
    sgd, sam = (np.array(results.values(attacks, name, "standard")) for name in ("SGD", "SAM 0.4"))
    assert np.allclose(found.gains, 100 * (sam - sgd))
    assert found.half == pytest.approx(results.interval((100 * (sam - sgd)).tolist())[1])
    by_split = evidence.find(DIGITS, lesson.TUNED, "standard", "smaller")
    mean, half = results.lead(results.load("methods"), *reversed(PAIRS[lesson.TUNED][0]), "linf 0.0625")
    assert (by_split.mean, by_split.half, by_split.unit) == (
        pytest.approx(100 * mean),
        pytest.approx(100 * half),
        "split",
    )
    assert evidence.find(DIGITS, lesson.USUAL, "PGD-10", "smaller") is None


def test_runs_are_paired_by_seed_and_those_that_diverged_are_left_out():
    table = made_up()
    sgd, sam = (row for row in table["rows"] if row["name"] in ("SGD", "SAM rho=0.2"))
    sgd, sam = (sgd, sam) if sgd["name"] == "SGD" else (sam, sgd)
    sam["seeds"], sam["diverged"] = [2, 1, 0], [1]
    sam["measured"] = {"clean": {"values": [0.8, 0.6]}}  # of seeds 2 and 0
    sgd["measured"] = {"clean": {"values": [0.5, 0.3, 0.1]}}
    found = in_grid(table, ("SGD", "SAM rho=0.2"), "clean")
    assert found.gains.tolist() == pytest.approx([10.0, 70.0])
    assert in_grid(table, ("SGD", "SAM rho=0.2"), "standard linf 1/255") is None
    assert in_grid(table, ("SGD", "none"), "clean") is None


def test_a_table_of_ones_own_comes_before_the_packages(filled, tmp_path):
    assert results.grid("cifar_gpu", filled) == made_up()
    assert results.grid("cifar100_gpu", filled) == made_up()
    assert results.grid("cifar_cpu", tmp_path) == results.grid("cifar_cpu")
    with pytest.raises(ValueError, match="Did you mean 'cifar_gpu'"):
        results.grid("cifar_gp")


@pytest.mark.parametrize("name", results.GRIDS)
def test_a_table_in_the_package_is_whole_and_says_how_it_was_made(name, tmp_path):
    table = results.grid(name)
    if table is None and "gpu" in name:
        pytest.skip("it needs a GPU, and nobody has measured it yet")
    assert {"command", "commit", "clean", "sources", "date", "versions", "hardware", "grid"} <= set(table)
    assert re.fullmatch(r"[0-9a-f]{40}", table["commit"])
    assert re.fullmatch(r"[0-9a-f]{16}", table["sources"])
    assert table["clean"] is True
    assert table["complete"] is True
    assert not re.search(r"(folder:|(?<![\w.])/\w+/)", json.dumps(table)), "a machine's path"
    path = tmp_path / "grid.toml"
    path.write_text(GRIDS[name])
    grid = json.loads(
        json.dumps(read_grid(path).described()).replace("folder:PATH", "CIFAR-10, JPEG quality 75, a part")
    )
    assert grid == table["grid"], "made by another grid than the lesson's"
    for row in table["rows"]:
        fit = [seed for seed in row["seeds"] if seed not in row["diverged"]]
        assert all(len(one["values"]) == len(fit) for one in row["measured"].values())
        if "difference" not in row:
            continue
        for measure, gap in row["difference"]["measured"].items():
            found = in_grid(table, (row["difference"]["to"], row["name"]), measure)
            assert found.mean == pytest.approx(100 * gap["mean"], abs=0.01)
            assert (found.half or 0) == pytest.approx(100 * (gap["half_width"] or 0), abs=0.01)


def test_a_table_is_kept_without_the_paths_of_its_machine():
    spec = importlib.util.spec_from_file_location("keep_table", ROOT / "scripts" / "keep_table.py")
    keep = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(keep)
    content = {
        "command": "samlib table /home/a/grid.toml --out /mnt/b/table",
        "rows": [{"data": "folder:/home/a/images"}],
    }
    content |= {"names": ["PGD-10 linf 1/255", "2/255"], "seeds": [0, 1], "clean": True}
    cleaned = keep.without_paths(content, "CIFAR-10, a part")
    assert cleaned["command"] == "samlib table grid.toml --out table"
    assert cleaned["rows"] == [{"data": "CIFAR-10, a part"}]
    assert {name: cleaned[name] for name in ("names", "seeds", "clean")} == {
        name: content[name] for name in ("names", "seeds", "clean")
    }
    with pytest.raises(ValueError, match="say in words what it held"):
        keep.without_paths(content, None)


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_can_be_read_and_has_the_rows_that_the_lesson_compares(name, tmp_path):
    said = lesson.write_grid(name, tmp_path)
    assert said == f"samlib table {tmp_path / name}.toml --out tables/{name}"
    grid = read_grid(tmp_path / f"{name}.toml")
    rows = {row.name: row.against for row in grid.rows}
    tuned = name != "cifar_cpu"
    for pair, (_, (base, other)) in PAIRS.items():
        assert tuned or pair == lesson.TUNED or rows[other] == base
        assert not tuned or rows[other] == base
    assert {measure for one in grid.measures for measure in one.names()} >= set(MEASURES[1:])


# ---- the audit -------------------------------------------------------------------------------------------------------


def test_rows_that_nobody_has_measured_say_so_and_give_no_figure(empty):
    scene = lesson.audit(empty)
    for data in DATA:
        alt = scenes.draw(scene, data=data, pair=lesson.USUAL, attack="standard", level="larger")
        for name in list(DATA)[1:]:
            assert f"{name} {NEEDS[name]}" in alt
    assert NEEDS["CIFAR-10"] == NEEDS["CIFAR-100"] == "not measured: needs a GPU"
    shown = [text.get_text() for ax in scene.picture.fig.axes for text in ax.texts]
    how = lesson.command("cifar100_gpu").replace(" --out", "\n--out")
    assert f"not measured: needs a GPU\n{how}" in shown
    rows = lesson.evidence_rows(empty)
    assert rows["g"] is rows["e"] is None
    assert "not measured: needs a GPU" in repr(rows)


def test_once_a_table_is_there_the_picture_shows_it(filled):
    evidence = Evidence(filled)
    scene = lesson.audit(evidence)
    for data in list(DATA)[1:]:
        alt = scenes.draw(scene, data=data, pair=lesson.TUNED, attack="standard", level="smaller")
        assert f"{data} {evidence.find(data, lesson.TUNED, 'standard', 'smaller')}" in alt
        assert "not measured" not in alt
    shown = [text.get_text() for ax in scene.picture.fig.axes for text in ax.texts]
    assert "not measured" not in " ".join(shown)
    assert repr(lesson.evidence_rows(evidence)).count("3 seeds") == 4


@pytest.mark.slow
@pytest.mark.parametrize("which", ["there", "filled"])
def test_no_words_of_the_audit_lie_on_others(which, filled):
    scene = lesson.audit(Evidence(filled if which == "filled" else None))
    for values in scenes.ends(scene):
        scenes.draw(scene, **values)


def test_the_lesson_has_at_most_150_states():
    planted = dict.fromkeys(faults.FAULTS, Planted)
    live_scenes = [lesson.audit(Evidence()), lesson.cost(), lesson.faults(planted)]
    states = sum(int(np.prod([len(choices(c)) for c in scene.controls.values()])) for scene in live_scenes)
    assert states + 2 * live.EPOCHS + 1 <= 150
    assert len(ATTACKS) * len(LEVELS) * len(PAIRS) * len(DATA) == 96


# ---- planted faults --------------------------------------------------------------------------------------------------

LEVELS_OF = {"SGD": np.array([[80.0, 30.0], [82.0, 31.0], [79.0, 28.0]])}
LEVELS_OF["SAM"] = LEVELS_OF["SGD"] + [[7.0, 10.0], [8.0, 13.0], [6.0, 9.0]]
Planted = faults.Planted(LEVELS_OF, {"SGD": LEVELS_OF["SGD"] - 1, "SAM": LEVELS_OF["SAM"] + [[0, 1], [0, 2], [0, 0]]})


def test_a_fault_is_told_by_what_it_does_to_the_difference():
    scene = lesson.faults(dict.fromkeys(faults.FAULTS, Planted))
    alt = scenes.draw(scene, fault=faults.LAST_EPOCH, eps=0.125)
    assert "+10.7 ± 5.2 points (the epoch is chosen), +12.7 ± " in alt
    assert alt.endswith("it is moved by +2.0 ± 2.5.")
    assert lesson.shift(Planted, 1) == pytest.approx(2.0)
    alone = scenes.draw(scene, fault=faults.ONE_SEED, eps=0.125)
    assert "anything from +6.0 to +16.0" in alone
    assert len(lesson.single_runs(Planted, 1)) == 9


def test_no_words_of_the_faults_lie_on_others():
    scene = lesson.faults(dict.fromkeys(faults.FAULTS, Planted))
    for fault in faults.FAULTS:
        scenes.draw(scene, fault=fault, eps=0.0625)


def test_another_normalisation_changes_a_copy_alone():
    net = samlib.mlp((16,)).eval()
    x = torch.rand(5, 1, 8, 8)
    before = net(x)
    other = faults.with_normalisation(net)
    assert torch.equal(net(x), before)
    normalize = net.get_submodule("normalize")
    std, mean = normalize.std * faults.STD_FACTOR, normalize.mean + faults.MEAN_SHIFT
    own = (x - mean) / std * normalize.std + normalize.mean
    assert torch.allclose(other(x), net(own), atol=1e-5)


def test_untuned_is_read_from_the_tables_with_tuned_splits_beside_it():
    methods = results.load("methods")
    found = lesson.not_tuned(methods)
    assert {len(found.careful["SGD"]), len(found.careful["SAM"])} == {5}
    assert len(found.faulty["SGD"]) == len(results.values(methods, "SGD", "clean"))
    mean, _ = results.lead(methods, "SAM, tuned (robust)", "SGD, tuned (robust)", "linf 0.125")
    assert found.gains(1)[0].mean() == pytest.approx(100 * mean)


@pytest.mark.slow
def test_faults_are_planted_in_networks_that_are_trained_alike():
    said = []
    planted = lesson.plant(seeds=[0], images=40, report=said.append)
    assert said == ["SGD, seed 0", "SAM, seed 0"]
    assert set(planted) == set(faults.FAULTS) - {lesson.NOT_TUNED}
    for found in planted.values():
        assert found.careful["SAM"].shape == found.faulty["SGD"].shape == (1, len(faults.EPS))
    same = planted[faults.ONE_SEED]
    assert np.array_equal(same.careful["SAM"], same.faulty["SAM"])
    five = planted[faults.FIVE_STEPS]
    assert np.array_equal(five.careful["SGD"], planted[faults.LAST_EPOCH].faulty["SGD"])


# ---- costs -----------------------------------------------------------------------------------------------------------


def test_the_costs_are_those_of_the_benchmarks():
    for name, content in costs.benchmarks().items():
        assert content == json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def test_passes_are_counted_as_everywhere():
    def passes(**recipe):
        return training_passes(make_settings({"data": "digits", **recipe}).recipe)

    assert passes(method="sgd") == costs.PASSES["SGD"]
    assert passes(method="sam", rho=0.1) == costs.PASSES["SAM"]
    assert passes(method="sam", rho=0.1, perturb=["fc1"]) == costs.PASSES["SAM, first layer"]
    for steps in costs.STEPS:
        assert passes(method="at", eps=0.1, attack_steps=steps) == costs.at_passes(steps)


def test_a_step_of_at_takes_its_attack_and_a_step_of_sgd():
    found = {one.name: one for one in costs.costs("PreActResNet-18, width 64", 5)}
    took = costs.benchmarks()["steps_preact_resnet18"]["grounds"][0]["milliseconds"]
    assert found["AT, 5 steps"].time == pytest.approx(1 + took["PGD of ten steps"] / took["SGD step"] / 2)
    assert found["SAM"].time == pytest.approx(took["SAM step"] / took["SGD step"])
    low, high = found["SAM"].spread
    assert low <= high


def test_no_words_of_the_costs_lie_on_others():
    scene = lesson.cost()
    for values in scenes.ends(scene):
        alt = scenes.draw(scene, **values)
        assert "SAM 6 passes" in alt


def test_what_a_whole_table_takes_is_counted():
    said = lesson.whole_cost("cifar_gpu")
    runs, passes = re.search(r"(\d+) trainings, (\S+) passes", said).groups()
    epoch = 100 * 50_000
    usual = 3 + 4 * 6 + 5 + 3  # SGD, SAM with four rho, AT with one step, noise
    tuned = 5 * (3 + 6) + 0.9 * 3 * (3 + 6)  # the chosen ones, and three tries on 45,000 images
    assert int(runs) == 5 * 9 + 2 * 3
    assert float(passes) == pytest.approx(epoch * (5 * usual + tuned), rel=0.05)
    assert said.endswith("on a GPU: not measured")


# ---- the run, the protocol -------------------------------------------------------------------------------------------


def test_without_cifar_at_hand_the_images_are_enlarged_digits(tmp_path):
    said, (x, y, x_test, y_test) = live.small_images(tmp_path)
    assert "digits" in said
    assert x.shape == (live.TRAIN, 3, 32, 32)
    assert len(y) == live.TRAIN
    assert x_test.shape == (live.TEST, 3, 32, 32)
    assert len(y_test) == live.TEST
    assert 0 <= x.min() <= x.max() <= 1
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded


def test_cifar_is_taken_where_it_is(monkeypatch):
    def at_hand(root, download):
        assert download is False
        return torch.zeros(500, 3, 32, 32), torch.zeros(500).long(), torch.ones(90, 3, 32, 32), torch.ones(90).long()

    monkeypatch.setattr(live, "load_cifar10", at_hand)
    said, (x, _, x_test, _) = live.small_images()
    assert said == f"{live.TRAIN} images of CIFAR-10"
    assert (len(x), len(x_test)) == (live.TRAIN, live.TEST)


def test_a_press_trains_both_alike_and_says_that_it_is_one_run(monkeypatch, tmp_path):
    asked = []

    def train_and_attack(data, how, seed, on_epoch):
        asked.append((how, seed))
        for epoch in range(1, live.EPOCHS + 1):
            on_epoch({"loss": [2.0 / k for k in range(1, epoch + 1)]})
        return [90.0, 70.0, 50.0 if how["method"] == "sgd" else 56.0, 10.0]

    monkeypatch.setattr(live, "train_and_attack", train_and_attack)
    scene = lesson.one_run_each(tmp_path)
    scene.click_and_wait()
    assert asked == [({"method": "sgd"}, 0), ({"method": "sam", "rho": 0.1}, 0)]
    assert "one run of each says +6 points" in scene.picture.value
    first = scene.picture.value
    scene.controls["seed"].value = 2
    scene.click_and_wait()
    assert asked[-1] == ({"method": "sam", "rho": 0.1}, 2)
    assert scene.picture.value != first, "the earlier press stands behind the new one as thin lines"


@pytest.mark.slow
def test_a_live_run_ends_soon(monkeypatch, tmp_path):
    _, data = live.small_images(tmp_path)
    few = tuple(part[:32] for part in data)
    losses = []
    robust = live.train_and_attack(few, {"method": "sgd"}, 0, lambda history: losses.append(history["loss"][-1]))
    assert len(losses) == live.EPOCHS
    assert robust == sorted(robust, reverse=True)
    assert len(robust) == len(live.RADII)


def test_the_papers_column_is_empty_where_it_was_not_read():
    lines = lesson.protocol({"rho": ("0.3", "page 4, table 2")}).data.splitlines()
    rows = {line.split("|")[1].strip(" *"): line for line in lines[2:]}
    assert set(rows) == set(report.PROTOCOL)
    assert "| 0.3 | page 4, table 2 |" in rows["rho"]
    assert all(report.NOT_READ in row for name, row in rows.items() if name != "rho")
    with pytest.raises(ValueError, match="paper has the lines speed"):
        lesson.protocol({"speed": ("", "")})
