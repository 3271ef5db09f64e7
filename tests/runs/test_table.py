"""`samlib table`: what it measures and writes, in what order, by how many processes, and what it says to bad grids."""

from __future__ import annotations

import json
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from samlib.runs import sweep
from samlib.runs.command_line import main
from samlib.runs.grid import EXAMPLE, make_grid, read_grid
from samlib.runs.locks import held

COMMON = """
[common]
data = "digits"
images = 200
width = 16
epochs = 2
"""
MEASURED = """
[evaluation]
images = 100
protocols."PGD-10".linf = [0.05, 0.1]
"""
TUNED = """
[tuning]
validation = 100
"""
SMALL = f"""
seeds = 2
{COMMON}
[methods.SGD]
method = "sgd"
[methods.SAM]
method = "sam"
rho = [0.1, 0.4]
[methods."SAM, tuned"]
method = "sam"
tune.rho = [0.1, 0.4]
tune.lr = [0.001, 0.2]
{TUNED}{MEASURED}
"""


def written(folder: Path, text: str) -> str:
    (folder / "grid.toml").write_text(text)
    return str(folder / "grid.toml")


def table(grid: str, out: Path, *options: str) -> None:
    main(["table", grid, "--out", str(out), "--device", "cpu", *options])


def content(out: Path) -> dict:
    return json.loads((out / "table.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The small table, whole."""
    folder = tmp_path_factory.mktemp("table")
    table(written(folder, SMALL), folder / "out")
    return folder


def test_a_table_holds_means_intervals_and_paired_differences(made):
    found = content(made / "out")
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["SGD", "SAM rho=0.1", "SAM rho=0.4", "SAM, tuned"]
    assert found["complete"]
    assert {"command", "commit", "date", "versions", "hardware"} <= set(found)
    for row in rows.values():
        assert list(row["measured"]) == ["clean", "PGD-10 linf 0.05", "PGD-10 linf 0.1"]
        assert row["seeds"] == [0, 1]
    of_sgd, of_sam = (rows[name]["measured"]["clean"] for name in ("SGD", "SAM rho=0.4"))
    gap = rows["SAM rho=0.4"]["difference"]
    assert gap["to"] == "SGD"
    assert gap["measured"]["clean"]["values"] == pytest.approx(
        [a - b for a, b in zip(of_sam["values"], of_sgd["values"], strict=True)]
    )
    assert of_sam["mean"] == pytest.approx(statistics.mean(of_sam["values"]))
    expected = 12.706 * abs(of_sam["values"][0] - of_sam["values"][1]) / 2  # Student's t with one degree of freedom
    assert of_sam["half_width"] == pytest.approx(expected, rel=1e-3)
    page = (made / "out" / "table.md").read_text()
    assert f"| SAM rho=0.4 | 2 | {100 * of_sam['mean']:.1f} ± {100 * of_sam['half_width']:.1f} |" in page
    assert f"| SAM rho=0.4 | SGD | 2 | {100 * gap['measured']['clean']['mean']:+.1f} ±" in page


def test_what_a_table_says_of_a_run_is_what_its_evaluation_says(made):
    found = content(made / "out")
    for row in found["rows"]:
        for i, seed in enumerate(row["seeds"]):
            (path,) = [
                path
                for path in (made / "out" / "runs").glob("*/evaluation.json")
                if json.loads((path.parent / "settings.json").read_text()).items()
                >= {**row["settings"], "seed": seed}.items()
            ]
            measured = json.loads(path.read_text())["measured"]
            assert {name: one["values"][i] for name, one in row["measured"].items()} == pytest.approx(measured)


def test_the_best_candidate_on_the_validation_images_is_trained_on_all(made):
    (tuning,) = content(made / "out")["tuning"]
    tried = {tuple(one["values"].values()): one["mean"]["PGD-10 linf 0.1"] for one in tuning["tried"]}
    assert list(tried) == [(0.1, 0.001), (0.1, 0.2), (0.4, 0.001), (0.4, 0.2)]
    assert tried[tuple(tuning["chosen"].values())] == max(tried.values())
    settings = content(made / "out")["rows"][-1]["settings"]
    assert settings["validation"] == 0
    assert settings.items() >= tuning["chosen"].items()


def test_the_same_command_repeats_nothing_and_a_table_may_grow(made, tmp_path, monkeypatch, capsys):
    before = (made / "out" / "table.json").read_bytes()
    trained, train_run = [], sweep.train_run
    monkeypatch.setattr(
        sweep, "train_run", lambda settings, *how: trained.append(settings) or train_run(settings, *how)
    )
    table(str(made / "grid.toml"), made / "out")
    assert trained == []
    assert (made / "out" / "table.json").read_bytes() == before
    table(written(tmp_path, SMALL.replace("seeds = 2", "seeds = 3")), made / "out")
    assert [one.recipe.seed for one in trained] == [2] * 4
    assert content(made / "out")["rows"][0]["seeds"] == [0, 1, 2]
    with pytest.raises(SystemExit) as end:
        table(str(made / "grid.toml"), made / "out")
    assert end.value.code == 2
    assert "holds another table (seeds: 2: not in this grid)" in capsys.readouterr().err


def test_every_method_comes_by_one_seed_before_a_second_and_tuning_before_what_needs_it():
    tasks = [str(task) for task in make_grid(_parsed(SMALL)).tasks()]
    assert tasks[:3] == ["SGD, seed 0", "SAM rho=0.1, seed 0", "SAM rho=0.4, seed 0"]
    assert tasks[3] == "SAM, tuned, try rho=0.1 lr=0.001, seed 0"
    assert tasks[7:9] == ["SAM, tuned, seed 0", "SGD, seed 1"]
    assert len(tasks) == 12


def _parsed(text: str) -> dict:
    from samlib.runs.grid import _toml

    return _toml().loads(text)


def test_parts_one_after_the_other_do_each_run_once_and_the_last_writes_the_table(made, tmp_path, capsys):
    grid = written(tmp_path, SMALL)
    table(grid, tmp_path / "whole")  # anew, as other tests let the other one grow
    capsys.readouterr()
    table(grid, tmp_path / "out", "--part", "1/2")
    first = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "out" / "table.json").exists()
    assert "the last part to finish writes it" in first[-1]
    table(grid, tmp_path / "out", "--part", "2/2")
    second = capsys.readouterr().out.splitlines()
    runs = [line.partition(": ")[0] for line in first + second if "clean" in line]
    assert sorted(runs) == sorted(str(task) for task in read_grid(tmp_path / "grid.toml").tasks())
    assert [len(first), len(second)] == [7, 7]  # six runs each, and a word at the end
    assert (tmp_path / "out" / "table.json").read_bytes() == (tmp_path / "whole" / "table.json").read_bytes()


def test_a_part_that_is_at_work_is_not_started_again(tmp_path, capsys):
    grid = written(tmp_path, SMALL)
    with held(tmp_path / "out" / "runs" / ".locks" / "part-1-of-2"):
        (tmp_path / "out" / "grid.json").write_text(json.dumps(read_grid(tmp_path / "grid.toml").described()))
        with pytest.raises(SystemExit) as end:
            table(grid, tmp_path / "out", "--part", "1/2")
    assert end.value.code == 2
    assert "part 1/2 is at work in another process" in capsys.readouterr().err


def test_a_run_that_diverges_is_told_and_chosen_by_no_tuning(tmp_path, capsys):
    text = SMALL.replace("seeds = 2", "seeds = 1").replace("[0.001, 0.2]", "[1e30, 0.2]")
    text = text.replace(
        '[methods.SGD]\nmethod = "sgd"', '[methods.SGD]\nmethod = "sgd"\n[methods.wild]\nmethod = "sgd"\nlr = 1e30'
    )
    table(written(tmp_path, text), tmp_path / "out")
    assert "wild, seed 0: diverged" in capsys.readouterr().out
    found = content(tmp_path / "out")
    assert found["rows"][1]["diverged"] == [0]
    assert found["rows"][1]["measured"] == {}
    assert found["tuning"][0]["tried"][0]["mean"] == "diverged"
    assert found["tuning"][0]["chosen"]["lr"] == 0.2
    page = (tmp_path / "out" / "table.md").read_text()
    assert "| wild | 1 | diverged |" in page
    assert "Some runs diverged and are in no mean: wild." in page


def test_a_plan_says_what_is_left_and_what_it_costs_and_writes_nothing(tmp_path, capsys):
    text = SMALL.replace("\nrho = ", '\nperturb = ["fc1"]\nrho = ')
    text += '[methods.AT]\nmethod = "at"\neps = "1/8"\nattack_steps = 3\n'
    table(written(tmp_path, text), tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    lines = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    plan = {line[0]: line[1:] for line in lines[1:]}
    images = 2 * 2 * 200  # two seeds, two epochs
    training = {"SGD": 3, "SAM rho=0.1": 5, "SAM, tuned": 6, "AT": 2 * 3 + 3}
    assert {name: plan[name][2] for name in training} == {name: f"{n * images:,}" for name, n in training.items()}
    assert plan["SGD"][3] == f"{2 * 2 * 2 * 11 * 100:,}"  # two seeds, two radii, ten steps and a look
    assert plan["SAM, tuned: tuning"][:2] == ["4", "4"]
    assert plan["all"][:2] == ["14", "14"]
    assert float(plan["all"][4]) >= 0


def test_the_example_in_the_help_is_a_grid(tmp_path, capsys):
    grid = make_grid(_parsed(EXAMPLE))
    assert [row.name for row in grid.rows] == ["SGD", "SAM rho=0.1", "SAM rho=0.2", "SGD, tuned", "SAM, tuned"]
    assert [row.against for row in grid.rows] == ["SGD", "SGD", "SGD", "SGD", "SGD, tuned"]
    assert [name for measure in grid.measures for name in measure.names()][-1] == "standard linf 8/255"
    with pytest.raises(SystemExit):
        main(["table", "--help"])
    assert EXAMPLE.splitlines()[0] in capsys.readouterr().out


BAD = {
    "[common]": r"there are no methods",
    "seeds = ": r"is no TOML",
    "sedes = 3": r"key is 'sedes'.*Did you mean 'seeds'",
    "seeds = 0\n[methods.SGD]": r"seeds is 0; it must be at least 1",
    "seeds = [1, 1]\n[methods.SGD]": r"seeds is \[1, 1\]; it must hold at least one, and none twice",
    "[methods.A]\nmethod = 'sma'": r"methods.A: method is 'sma'.*Did you mean 'sam'",
    "[methods.A]\nmethod = 'sam'": r"methods.A: method 'sam' needs rho",
    "[methods.A]\nmehtod = 'sam'": r"key in methods.A is 'mehtod'.*Did you mean 'method'",
    "[methods.A]\nlr = []": r"methods.A.lr is empty",
    "[methods.A]\nlr = 'fast'": r"methods.A: lr is 'fast'",
    "[methods.A]\nmethod = 'sam'\nrho = 0.1\nperturb = ['fc9']": r"methods.A: perturb is 'fc9'.*Did you mean 'fc",
    "[methods.A]\nmodel = 'mlp'\nimages = 5000": r"images is 5000, but the training set of digits has 1200",
    "[methods.A]\nseed = 3": r"methods.A holds 'seed'; a grid says it in seeds = ",
    "[common]\nvalidation = 9\n[methods.A]": r"common holds 'validation'; a grid says it in \[tuning\]",
    "[methods.A]\ntune.lr = 0.1\n[tuning]\nvalidation = 9": r"tune.lr is 0.1; it must be a list",
    "[methods.A]\ntune.lr = [0.1]": r"'A' is to be tuned; say on how many images",
    "[methods.A]\n[tuning]\nvalidation = 9": r"no method has a `tune`",
    "[methods.A]\ntune.lr = [0.1]\n[tuning]\nvalidation = 9\ncriterion = 'PDG-10 linf 0.1'": r"Did you mean 'PGD-10'",
    "[methods.A]\ntune.lr = [0.1]\n[tuning]\nvalidation = 5000": r"5000",
    "reference = 'SDG'\n[methods.SGD]": r"reference is 'SDG'.*Did you mean 'SGD'",
    "[methods.A]\n[evaluation]\nimages = 5000": r"images is 5000, but only 597",
    "[methods.A]\n[evaluation]\nprotocols.standart.linf = [0.1]": r"Did you mean 'standard'",
    "[methods.A]\n[evaluation]\nprotocols.standard = [0.1]": r"write such as",
    "[methods.A]\ndata = 'folder:nowhere'": r"root='nowhere/train' is not a folder",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_grid_is_answered_in_one_line_and_nothing_is_written(text, tmp_path, capsys):
    grid = written(tmp_path, text)
    with pytest.raises(SystemExit) as end:
        table(grid, tmp_path / "out")
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert len(said.splitlines()) == 1, said
    assert re.search(BAD[text], said), said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--part", "3/2"], r"part is '3/2'; it must be i/n"),
        (["--part", "one"], r"part is 'one'"),
        (["--minutes", "0"], r"minutes is 0"),
        (["--device", "cuda"], r"device is 'cuda'"),
        (["--minuts", "3"], r"Did you mean '--minutes'"),
    ],
)
def test_bad_options_of_a_table_are_answered_in_one_line(options, message, tmp_path, capsys):
    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("there is CUDA")
    with pytest.raises(SystemExit) as end:
        table(written(tmp_path, SMALL), tmp_path / "out", *options)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert re.search(message, said), said
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    for out in (tmp_path / "out", tmp_path / "out" / "thesis.tex"):
        with pytest.raises(SystemExit) as end:
            table(written(tmp_path, SMALL), out)
        assert end.value.code == 2
    said = capsys.readouterr().err
    assert "holds something else than a table" in said
    assert "is a file; name a folder" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_a_lock_is_held_by_one_and_ends_with_its_process(tmp_path):
    code = "import time, pathlib; from samlib.runs.locks import held\n"
    code += f"with held(pathlib.Path({str(tmp_path / 'lock')!r})) as mine: print(mine, flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True\n"
    with held(tmp_path / "lock") as mine:
        assert not mine
    other.kill()
    other.communicate()
    with held(tmp_path / "lock") as mine:
        assert mine


# ---- on pictures of CIFAR's shape, and in processes of their own -----------------------------------------------------


def pictures(folder: Path, sizes: dict[str, int]) -> Path:
    """Two classes of 32x32 PNG images, which differ in brightness, with noise."""
    generator = torch.Generator().manual_seed(0)
    for part, n in sizes.items():
        for label, name in enumerate(("dark", "light")):
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = torch.randint(240, (32, 32, 3), generator=generator) + 8 * label
                Image.fromarray(pixels.to(torch.uint8).numpy()).save(folder / part / name / f"{i}.png")
    return folder


def cifar_like(folder: Path, epochs: int, images: dict[str, int]) -> str:
    """Two methods at two strengths by two seeds."""
    return written(
        folder,
        f"""
        seeds = 2
        [common]
        data = "folder:{pictures(folder / "pictures", images)}"
        width = 2
        epochs = {epochs}
        batch_size = 16
        [methods.SGD]
        method = "sgd"
        lr = [0.05, 0.1]
        [methods.SAM]
        method = "sam"
        rho = [0.1, 0.2]
        [evaluation]
        protocols."PGD-10".linf = ["2/255"]
        protocols.quick.linf = ["1/255", "2/255"]
        """,
    )


def started(grid: str, out: Path, *options: str) -> subprocess.Popen:
    how = [sys.executable, "-m", "samlib", "table", grid, "--out", str(out), "--device", "cpu", *options]
    return subprocess.Popen(how, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_a_table_killed_at_a_random_moment_and_repeated_in_two_parts_ends_with_the_json_of_an_unkilled_one(tmp_path):
    grid = cifar_like(tmp_path, 2, {"train": 30, "test": 12})
    start = time.monotonic()
    whole = started(grid, tmp_path / "whole")
    assert whole.communicate()[0].count("clean") == 8
    seconds = time.monotonic() - start
    killed = started(grid, tmp_path / "out")
    while not (tmp_path / "out" / "grid.json").exists():  # it has begun
        assert killed.poll() is None
        time.sleep(0.05)
    moment = random.uniform(0, 0.6 * seconds)
    time.sleep(moment)
    killed.send_signal(signal.SIGKILL)
    done = killed.communicate()[0].count("clean")
    parts = [started(grid, tmp_path / "out", "--part", f"{i}/2") for i in (1, 2)]
    said = [part.communicate() for part in parts]
    assert [part.returncode for part in parts] == [0, 0], said
    runs = [line.partition(": ")[0] for out, _ in said for line in out.splitlines() if "clean" in line]
    assert len(set(runs)) == len(runs), runs
    assert 8 - done - 1 <= len(runs) <= 8 - done, f"killed after {moment:.1f} s"  # one may be done, but not yet told
    assert (tmp_path / "out" / "table.json").read_bytes() == (tmp_path / "whole" / "table.json").read_bytes()


@pytest.mark.long
def test_a_limit_of_minutes_is_kept_and_leaves_a_table_of_what_is_done(tmp_path, capsys):
    grid = cifar_like(tmp_path, 12, {"train": 100, "test": 20})
    minutes = 0.4
    start = time.monotonic()
    table(grid, tmp_path / "out", "--minutes", str(minutes))
    assert time.monotonic() - start == pytest.approx(60 * minutes, rel=0.25)
    assert "runs are missing; the same command goes on." in capsys.readouterr().out
    assert not content(tmp_path / "out")["complete"]
    assert "Not complete" in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.long
def test_a_plan_foretells_the_hours_within_a_factor_of_two(tmp_path, capsys):
    grid = cifar_like(tmp_path, 3, {"train": 60, "test": 25})
    table(grid, tmp_path / "out", "--dry-run")
    foretold = float(capsys.readouterr().out.splitlines()[-1].split()[-1])
    start = time.monotonic()
    table(grid, tmp_path / "out")
    hours = (time.monotonic() - start) / 3600
    assert hours / 2 <= foretold <= 2 * hours
