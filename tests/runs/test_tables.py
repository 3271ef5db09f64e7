"""The measured tables: what is done is kept, says what made it, and can be made again row by row."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from samlib.runs import making, provenance, trials
from samlib.runs.command_line import main
from samlib.runs.kept import Kept
from samlib.runs.tables import TABLES, Group, Table
from samlib.runs.trials import Curves, Job, Setting, Sharpness, Strengths
from samlib.sharpness import worst_case
from samlib.unions import Attack

CHEAP = Curves({"linf": (0.05, 0.1)}, (Attack("margin", steps=5),))


def two_settings(part, folder):
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


def the_plain_one_again(part, folder):
    return [Setting("chosen", two_settings(part, folder)[0].training, "mlp", {"hidden": (8,)})]


@pytest.fixture
def tiny(monkeypatch):
    """One small table, run in a thread: another process would not know what the tests put in."""
    groups = Group(two_settings, CHEAP, (0, 1), range(2)), Group(the_plain_one_again, CHEAP, (0,), range(1, 3))
    monkeypatch.setitem(making.TABLES, "tiny", Table(groups))
    monkeypatch.setattr(making, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(1))


@pytest.fixture
def calls(monkeypatch):
    """The jobs that are run; they give some numbers of their own, or fail as they are told to."""

    def instead(job):
        calls.made.append(job)
        time.sleep(0.02)
        for name, error in calls.fail.items():
            if str(job).startswith(name):
                raise error
        number = int(job.key(), 16) % 1000 / 1000
        return {"split": job.split, "seed": job.seed, "measured": {"clean": number, "linf 0.05": number / 2}}

    calls = SimpleNamespace(made=[], fail={})
    monkeypatch.setattr(making, "run_job", instead)
    return calls


def measured(text):
    return [run["measured"] for run in json.loads(text)["runs"]]


@pytest.mark.slow
def test_a_table_holds_every_run_and_says_how_it_was_made(tiny, tmp_path, monkeypatch):
    calls, really = [], making.run_job
    monkeypatch.setattr(making, "run_job", lambda job: calls.append(job) or really(job))
    made = json.loads(making.make_table("tiny", folder=tmp_path).read_text())
    both = {(name, part, seed) for name in ("plain", "perturbed") for part in (0, 1) for seed in (0, 1)}
    assert {(run["setting"], run["split"], run["seed"]) for run in made["runs"]} == both | {
        ("chosen", 0, 1),
        ("chosen", 0, 2),
    }
    assert len(calls) == 9  # the same run under two names is done once
    for run in made["runs"]:
        assert run["measured"]["clean"] >= run["measured"]["linf 0.05"] >= run["measured"]["linf 0.1"]
    assert made["protocol"]["settings"]["plain"]["training"]["epochs"] == 2
    assert made["protocol"]["settings"]["perturbed"]["split 1"]["training"]["lr"] == pytest.approx(0.2)
    assert made["protocol"]["groups"][1] == {"settings": ["chosen"], "splits": [0], "seeds": [1, 2]}
    said = {"command", "commit", "clean", "sources", "date", "versions", "hardware"}
    assert said <= set(made)
    (session,) = made["sessions"].values()
    assert set(session) == said
    assert session["sources"] == provenance.sources()
    assert not (tmp_path / "tiny.jsonl").exists()


@pytest.mark.slow
def test_an_interrupted_table_does_only_what_is_left(tiny, tmp_path, calls):
    whole = making.make_table("tiny", folder=tmp_path).read_text()
    (tmp_path / "tiny.json").unlink()
    calls.fail["'perturbed', split 0, seed 1"] = KeyboardInterrupt()
    calls.made.clear()
    with pytest.raises(KeyboardInterrupt):
        making.make_table("tiny", folder=tmp_path)
    assert len(calls.made) < 9  # what had not begun is not begun
    calls.fail.clear()
    calls.made.clear()
    done = len(Kept(tmp_path / "tiny.jsonl", provenance.describe("")).rows)
    assert 1 <= done <= 3
    again = making.make_table("tiny", folder=tmp_path).read_text()
    assert len(calls.made) == 9 - done
    assert measured(whole) == measured(again)


def test_a_run_that_fails_loses_no_other_and_is_named(tiny, tmp_path, calls):
    calls.fail["'plain', split 1, seed 0"] = ZeroDivisionError("by a test")
    with pytest.raises(
        making.RunsFailed,
        match=r"1 of 9 runs of 'tiny' failed; .*'plain', split 1, seed 0: ZeroDivisionError: by a test.*same command",
    ):
        making.make_table("tiny", folder=tmp_path)
    assert len(calls.made) == 9
    calls.fail.clear()
    calls.made.clear()
    making.make_table("tiny", folder=tmp_path)
    assert len(calls.made) == 1


def test_a_line_cut_short_costs_no_other_line(tmp_path):
    path = tmp_path / "tiny.jsonl"
    for key in ("a", "b", "c"):
        Kept(path, {"sources": "s"}).add(key, {"measured": {"clean": len(key)}})
        path.write_text(path.read_text() + '["cut sho')  # a write that the power cut
    assert list(Kept(path, {"sources": "s"}).rows) == ["a", "b", "c"]


def test_rows_of_other_sources_are_not_mixed_unasked(tiny, tmp_path, calls, monkeypatch):
    calls.fail["'plain', split 1, seed 0"] = ZeroDivisionError()
    with pytest.raises(making.RunsFailed):
        making.make_table("tiny", folder=tmp_path)
    calls.fail.clear()
    calls.made.clear()
    before = provenance.sources()
    monkeypatch.setattr(provenance, "sources", lambda: "another")
    monkeypatch.setattr(making, "sources", lambda: "another")
    with pytest.raises(ValueError, match=r"keeps 8 runs made by other sources.*--other-sources"):
        making.make_table("tiny", folder=tmp_path)
    assert calls.made == []
    made = json.loads(making.make_table("tiny", folder=tmp_path, other_sources=True).read_text())
    assert len(calls.made) == 1
    sources = [made["sessions"][run["session"]]["sources"] for run in made["runs"]]
    assert sorted(sources) == sorted([before] * 9 + ["another"])


def test_code_that_changes_while_a_table_is_made_makes_no_row(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "sources", lambda: "another")  # as a process that starts later finds it
    with pytest.raises(making.RunsFailed, match=r"9 of 9 .*the sources were changed"):
        making.make_table("tiny", folder=tmp_path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package in a repository of its own."""
    copy = tmp_path / "repository" / "samlib"
    shutil.copytree(provenance.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "lessons"))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(copy.parent)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    provenance.sources.cache_clear()
    yield copy
    provenance.sources.cache_clear()


def now():
    provenance.sources.cache_clear()
    found = provenance.describe("command")
    return found["clean"], found["sources"]


def test_a_result_says_whether_the_tree_was_clean_and_which_code_made_it(package):
    (clean, original), text = now(), (package / "sam.py").read_text()
    assert clean is True
    (package / "course" / "results" / "tiny.jsonl").write_text("")  # a table on its way
    assert now() == (True, original)
    (package / "sam.py").write_text(text.replace('"""', '"""In other words: ', 1) + "\n\n# and a comment\n")
    assert now() == (False, original)
    (package / "sam.py").write_text(text + "\n\nRHO = 0.05\n")
    clean, other = now()
    assert not clean
    assert other != original
    (package / "sam.py").write_text(text)
    (package / "toy.py").write_text("nothing = 'that a table uses'\n")
    assert now() == (False, original)
    reached = {path.name for path in provenance.reached("runs.trials")}
    assert {"trials.py", "training.py", "sam.py", "ascent.py", "evaluation.py", "duality.py", "data.py"} <= reached
    assert not reached & {"command_line.py", "toy.py", "making.py"}


def test_that_the_tree_is_not_clean_is_said_before_hours_are_spent_on_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(making, "make_table", lambda *how: print("made"))
    for clean, folder, words in ((True, [], 0), (False, ["--folder", str(tmp_path)], 0), (False, [], 1), (None, [], 1)):
        monkeypatch.setattr(provenance, "is_clean", lambda clean=clean: clean)
        main(["results", "methods", *folder])
        assert capsys.readouterr().err.count("commit first") == words


def test_a_row_can_be_made_again_alone_and_is_compared_with_what_is_stored(tiny, tmp_path, calls, capsys):
    path = making.make_table("tiny", folder=tmp_path)
    whole = path.read_text()
    calls.made.clear()
    command = ["results", "tiny", "--row", "perturbed", "--folder", str(tmp_path)]
    main([*command, "--split", "1", "--seed", "0"])
    assert [str(job) for job in calls.made] == ["'perturbed', split 1, seed 0"]
    said = capsys.readouterr().out
    assert "1 of 1 runs gave the same; nothing was written" in said
    assert "linf 0.05" in said
    assert path.read_text() == whole

    (run,) = [run for run in json.loads(whole)["runs"] if (run["setting"], run["split"]) == ("perturbed", 1)][:1]
    wrong = whole.replace(json.dumps(run["measured"]), json.dumps(run["measured"] | {"clean": 0.0}))
    assert wrong != whole
    path.write_text(wrong)
    main(command)
    assert "3 of 4 runs gave the same; nothing was written" in capsys.readouterr().out
    assert path.read_text() == wrong
    main([*command, "--write"])
    assert measured(path.read_text()) == measured(whole)
    assert len(json.loads(path.read_text())["sessions"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    {
        "results tiny --row plian": r"row is 'plian'.*Did you mean 'plain'",
        "results tiny --row plain --split 7": "has no such run",
        "results --row plain": r"--row needs the one table .* not 0",
        "results tiny --split 0": "--split, --seed and --write go with --row",
        "results tuning --row SAM": r"tuning.json' is not there; make it first: python -m samlib results tuning",
    }.items(),
)
def test_a_row_that_does_not_exist_is_told(options, said, tiny, tmp_path, calls, capsys):
    making.make_table("tiny", folder=tmp_path)
    calls.made.clear()
    with pytest.raises(SystemExit) as end:
        main([*options.split(), "--folder", str(tmp_path)])
    assert end.value.code == 2
    assert re.search(said, capsys.readouterr().err)
    assert calls.made == []


def test_a_failed_run_is_one_line_on_the_command_line(tiny, tmp_path, calls, capsys):
    calls.fail["'plain', split 1, seed 0"] = ZeroDivisionError("by a test")
    with pytest.raises(SystemExit) as end:
        main(["results", "tiny", "--folder", str(tmp_path)])
    assert end.value.code == 1
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("samlib results: 1 of 9 runs of 'tiny' failed; the first")
    )


def test_a_network_whose_training_diverged_has_no_accuracy_and_fails_no_table():
    row = trials.run_job(Job(Setting("wild", {"epochs": 3, "lr": 1e30}, "mlp", {"hidden": (8,)}), 0, 0, CHEAP))
    assert set(row["measured"]) == {"training accuracy", "clean", "linf 0.05", "linf 0.1"}
    assert set(row["measured"].values()) == {0}
    assert "diverged" in row


def test_a_job_is_known_by_what_it_computes():
    def job(name="a", training=None, measure=CHEAP, validation=0, seed=0):
        return Job(Setting(name, training or {"lr": 0.1}), 0, seed, measure, validation).key()

    assert job() == job(name="b")
    stronger = Curves(CHEAP.radii, (Attack("margin", steps=6),))
    others = [job(training={"lr": 0.2}), job(measure=stronger), job(validation=100), job(seed=1)]
    assert len({job(), *others}) == 5
    assert job(measure=Curves(CHEAP.radii, (Attack("margin", steps=5, restarts=1),))) == job()  # what is usual


def test_validation_images_are_training_images_set_aside(monkeypatch):
    seen = []
    monkeypatch.setattr(trials, "train", lambda model, x, y, **how: {"accuracy": [1.0], "seconds": [1.0]})
    monkeypatch.setattr(trials.Curves, "__call__", lambda self, model, x, y, training: seen.append(x) or {"clean": 1.0})
    for validation in (200, 0):
        trials.run_job(Job(Setting("plain"), 3, 0, CHEAP, validation))
    x, _, x_test, _ = trials.load_digits(seed=3)
    assert len(seen[0]) == 200
    assert all(any((image == other).all() for other in x) for image in seen[0][:20])
    assert seen[1].equal(x_test)


def test_stronger_attacks_leave_fewer_images(trained, digits):
    measure = Strengths(0.125, "linf", {"weak": (Attack(steps=2),), "both": (Attack(steps=2), Attack("margin"))})
    found = measure(trained["sgd"], *digits[2:])
    assert found["clean"] > found["FGSM"] > found["both"]
    assert found["weak"] > found["both"]
    assert list(found) == measure.names()


def test_every_table_that_needs_a_tuning_comes_after_it():
    names = list(TABLES)
    for name in ("methods", "layers", "alpha"):
        tuning = "tuning" if name == "methods" else f"{name}_tuning"
        assert names.index(tuning) < names.index(name)
    assert names.index("tuning") < names.index("attacks")


def test_a_table_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match=r"table is 'metods'; .* Did you mean 'methods'"):
        making.make_table("metods")
    with pytest.raises(ValueError, match="seeds is 0"):
        making.make_table("layers", seeds=0)
    with pytest.raises(ValueError, match="a table of tuning has its own numbers"):
        making.make_table("layers_tuning", seeds=2)


@pytest.mark.slow
def test_sharpness_is_measured_on_the_training_images_beside_the_accuracies_on_the_others(digits, trained):
    x, y, x_test, y_test = (part[:100] for part in digits)
    measure = Sharpness(CHEAP, absolute=(0.1, 0.4), relative=(0.05,), steps=3)
    model = copy.deepcopy(trained["sgd"])
    found = measure(model, x_test, y_test, (x, y))
    assert list(found) == measure.names()
    assert found.items() >= CHEAP(trained["sgd"], x_test, y_test).items()
    sharper = copy.deepcopy(trained["sgd"]).double()
    for name, rho, relative in (
        ("absolute 0.1", 0.1, None),
        ("absolute 0.4", 0.4, None),
        ("relative 0.05", 0.05, "layer"),
    ):
        assert found[f"sharpness {name}"] == worst_case(sharper, x.double(), y, rho, 3, relative=relative)
