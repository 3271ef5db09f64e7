"""What teachers are given: hand-outs without solutions, hand-ins that are judged and not run, pages that hold."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

import samlib
from samlib.course import own_data, results
from samlib.course.exercise import Question

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "teaching"
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "site")]
import costs  # noqa: E402
import slides  # noqa: E402
import teaching  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS = sorted(path.parent.name for path in (ROOT / "samlib" / "course" / "lessons").glob("*/exercises.py"))


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def command(*arguments: str) -> tuple[int, str, str]:
    """What scripts/teaching.py says: its exit status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = teaching.main(arguments)
    return status, out.getvalue(), err.getvalue()


# ---- hand-outs -------------------------------------------------------------------------------------------------------


def test_a_class_is_packed_and_holds_no_solution(tmp_path):
    status, said, _ = command("pack", "00", "03", "class", "--out", str(tmp_path / "class.zip"))
    assert status == 0
    assert "class_in_90_minutes" in said
    build = teaching.builder()
    with zipfile.ZipFile(tmp_path / "class.zip") as file:
        names = [name for name in file.namelist() if name.endswith(".ipynb")]
        notebooks = [nbformat.reads(file.read(name).decode(), as_version=4) for name in names]
        others = " ".join(name for name in file.namelist() if name not in names)
    assert [name[10:12] for name in names] == ["00", "03", "cl"]
    assert others == "docs/glossary.md README.txt"
    for notebook in notebooks:
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        for solution, stub in teaching.published(build).values():
            assert solution not in text
            assert build.leaks(notebook, solution, stub) == []


def test_the_published_solutions_are_all_compared():
    build = teaching.builder()
    known = {name: solution for name, (solution, _) in teaching.published(build).items()}
    assert known == json.loads(build.SOLUTIONS.read_text())


@pytest.mark.parametrize("lines", [slice(None), slice(-1, None)], ids=["whole", "one line"])
def test_a_planted_solution_is_not_packed(tmp_path, monkeypatch, lines):
    """A solution of another lesson, in a cell whose tag was forgotten."""
    build = teaching.builder()
    solution, _ = teaching.published(build)["write_the_attack_into_the_weights/spare"]
    planted = "\n".join(solution.splitlines()[lines])
    made = build.make

    def with_solution(source, *, solved):
        notebook = made(source, solved=solved)
        if source.stem.startswith("03"):
            notebook.cells.append(nbformat.v4.new_code_cell(f"def helper(W, dx, x, other):\n{planted}"))
        return notebook

    monkeypatch.setattr(build, "make", with_solution)
    out = tmp_path / "class.zip"
    status, _, said = command("pack", "00", "03", "--out", str(out))
    assert status == 2
    assert not out.exists()
    assert "03_sam_alone is not packed, nor is anything else: it holds the solution of write_the_attack" in said
    assert len(said.splitlines()) == 1


def test_a_notebook_with_outputs_is_not_packed():
    build = teaching.builder()
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    assert teaching.faults_of(nbformat.v4.new_notebook(cells=[cell]), {}, build) == ["it holds outputs"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["pack", "03", "42", "--out", "{tmp}/x.zip"], "There is no lesson 42; there are 00, 01"),
        (["pack", "03", "--out", "{tmp}/no/x.zip"], "No such file or directory"),
        (["grade", "{tmp}/no"], "is not a folder"),
        (["grade", "{tmp}"], "is empty"),
        (["draw", "../x"], "The student number is '../x'"),
        (["draw", ""], "The student number is ''"),
        (["measure", "42"], "There is no lesson 42"),
        (["measure", "--kernels", "-1"], "--kernels is -1"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path, asked, said):
    status, _, error = command(*(word.replace("{tmp}", str(tmp_path)) for word in asked))
    assert status == 2
    assert said in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_script_says_the_same_as_its_functions():
    done = subprocess.run(
        [sys.executable, "scripts/teaching.py", "measure", "42"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("teaching.py measure: There is no lesson 42")
    assert len(done.stderr.splitlines()) == 1


# ---- the mini-study --------------------------------------------------------------------------------------------------


def test_a_number_draws_the_same_data_everywhere_and_others_draw_others():
    assert teaching.drawn("10005") == teaching.drawn(" 10005 ")
    assert list(teaching.drawn("10005").values())[:4] == ["SAM or SGD", 2860, 900, 0.125]
    assert teaching.drawn("10005", "spring") != teaching.drawn("10005")
    many = [teaching.drawn(str(number)) for number in range(10_000, 10_400)]
    assert len({(one["question"], one["split"], one["images"], one["eps"]) for one in many}) > 395
    assert {one["question"] for one in many} == set(teaching.QUESTIONS)


def test_the_assignments_lines_of_code_run():
    """All but the training itself, which is the lessons'."""
    said = teaching.assignment("10005")
    code = re.search(r"\n    (x_train.*\n    x_train.*)\n", said)[1]
    code += "\n" + re.search(r"    (rows = .*\n    x, y = .*)", said)[1]
    space = {"samlib": samlib, "torch": torch}
    exec(re.sub(r"^ +", "", code, flags=re.MULTILINE), space)
    assert (len(space["x_train"]), len(space["x"])) == (900, 100)
    for methods in teaching.QUESTIONS.values():
        for method in methods.values():
            samlib.train(samlib.mlp(), space["x"], space["y"], **method, epochs=1, progress=False)


def figures_of(block: str) -> dict[str, list[float]]:
    return {
        line.split(":")[0]: [float(word) for word in line.split(":")[1].split()]
        for line in block.splitlines()
        if ":" in line and "minus" not in line
    }


def the_example() -> str:
    return re.search(r"<!-- study 10005.*?```\n(.*?)```", page("assessment"), re.DOTALL)[1]


def test_the_worked_examples_figures_follow_from_the_runs():
    text, runs = page("assessment"), figures_of(the_example())
    sgd, sam = runs["robust   SGD"], runs["robust   SAM"]
    for kept, said in ((5, "+6.1 ± 7.1"), (4, "+7.4 ± 9.0")):
        mean, half = results.interval([b - a for a, b in zip(sgd[:kept], sam[:kept], strict=True)])
        assert f"{mean:+.1f} ± {half:.1f}" == said
        assert said in text
    assert runs["training SAM"][4] == 90.0
    for values, said in ((sam, "37.5"), (sgd, "31.4"), (sam[:4], "38.6")):
        assert f"{sum(values) / len(values):.1f}" == said
        assert f"{said} %" in text
    for points in re.findall(r"\((\d+) points: (\d), (\d), (\d), (\d)\)", text):
        assert int(points[0]) == sum(map(int, points[1:]))
    found = [int(points) for points in re.findall(r"\((\d+) points:", text)]
    assert found[0] >= 11 > found[1] >= 8 > found[2] >= 5 > found[3]


@pytest.mark.long
def test_the_worked_example_is_what_the_command_finds():
    found = teaching.study("10005")
    said = figures_of(the_example())
    for name, runs in found.items():
        for measure, values in runs.items():
            there = said[f"{measure:8} {name}"]
            assert abs(sum(values) - sum(there)) / 5 < 4, (name, measure)  # one run may end elsewhere


# ---- find the fake ---------------------------------------------------------------------------------------------------


class Asked(torch.nn.Module):
    """A classifier of two pixels' sums that stands for a network of the lesson."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, x):
        at = torch.zeros(len(x), 10)
        right = (x.flatten(1).sum(1) > 0.5).long() if self.broken else torch.zeros(len(x), dtype=torch.long)
        return at.scatter(1, right[:, None], 1.0)


@pytest.fixture
def four(monkeypatch):
    """Networks that call every image a 0, and all but B call it a 1 where the pixels sum to more than a half."""
    models = {name: Asked(broken=name != "B") for name in "ABCD"}
    monkeypatch.setattr(teaching, "the_four", lambda: (models, torch.zeros(597, 1, 8, 8), torch.zeros(597).long()))


EVIDENCE = np.full((100, 1, 8, 8), 0.1, dtype=np.float32)
FOUND = {"A": EVIDENCE, "B": "robust", "C": EVIDENCE, "D": EVIDENCE}


class Bomb:
    """Says so if it is unpickled."""

    def __reduce__(self):
        return (os.system, ("touch UNPICKLED",))


def bombs(path: Path) -> None:
    path.with_name("pickle.npz").write_bytes(pickle.dumps(Bomb()))
    np.savez(path.with_name("object.npz"), **FOUND | {"A": np.array([Bomb()], dtype=object)})


def lying(data: bytes, shape: str) -> bytes:
    """A .npy file whose header states another shape."""
    return data.replace(b"(100, 1, 8, 8), ", f"{shape}, ".encode().ljust(16)[:16])


def test_a_folder_of_hand_ins_gets_one_clear_line_each(tmp_path, four, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hand_ins = tmp_path / "hand-ins"
    hand_ins.mkdir()

    def save(name, **found):
        np.savez_compressed(hand_ins / f"{name}.npz", **found)

    save("right", **FOUND)
    save("wide", **FOUND | {"A": EVIDENCE.astype(np.float64), "C": torch.from_numpy(EVIDENCE)})
    save("half", **FOUND | {"A": "robust", "D": 0 * EVIDENCE})
    save("missing", A=EVIDENCE)
    save("open", **dict.fromkeys("ABCD", ...))
    save("nothing")
    save("word", **FOUND | {"A": "fake"})
    save("far", **FOUND | {"A": 2 * EVIDENCE})
    save("nan", **FOUND | {"A": np.nan * EVIDENCE})
    save("shape", **FOUND | {"A": EVIDENCE[0]})
    save("scalar", **FOUND | {"A": 3})
    save("long", **FOUND | {"A": "x" * 500})
    save("strange", E=EVIDENCE)
    save("complex", **FOUND | {"A": EVIDENCE * 1j})
    save("large", **FOUND | {"A": np.zeros((100, 1, 80, 80))})
    (hand_ins / "empty.npz").touch()
    (hand_ins / "cut.npz").write_bytes((hand_ins / "right.npz").read_bytes()[:300])
    (hand_ins / "huge.npz").write_bytes(os.urandom(teaching.LARGEST + 1))
    (hand_ins / "answers.pkl").write_bytes(pickle.dumps(Bomb()))
    (hand_ins / "link.npz").symlink_to(hand_ins / "right.npz")
    (hand_ins / "folder.npz").mkdir()
    bombs(hand_ins / "x")
    with zipfile.ZipFile(hand_ins / "lying.npz", "w") as file:
        buffer = io.BytesIO()
        np.save(buffer, EVIDENCE)
        file.writestr("A.npy", lying(buffer.getvalue(), "(10**9, 8)"))
        file.writestr("C.npy", b"no array")
    with zipfile.ZipFile(hand_ins / "vast.npz", "w") as file:
        file.writestr("A.npy", lying(buffer.getvalue(), "(9999999999,)"))
    with zipfile.ZipFile(hand_ins / "twice.npz", "w") as file, contextlib.suppress(UserWarning):
        file.writestr("A.npy", buffer.getvalue())
        file.writestr("A", buffer.getvalue())
    (hand_ins / "a\x1b[2Jb.npz").touch()

    status, said, _ = command("grade", str(hand_ins))
    assert status == 0
    lines = dict(
        re.match(r"(\S+)\s+(right|wrong|empty|broken)\s+(.*)", line).group(1, 0) for line in said.splitlines()[:-1]
    )
    kinds = {name.removesuffix(".npz"): line.split()[1] for name, line in lines.items()}
    assert kinds == {
        **dict.fromkeys(["right", "wide"], "right"),
        **dict.fromkeys(["half", "missing", "word", "far", "nan", "shape", "scalar", "object"], "wrong"),
        **dict.fromkeys(["open", "nothing", "empty", "a?[2Jb"], "empty"),
        **dict.fromkeys(["long", "strange", "complex", "large", "cut", "huge", "answers.pkl", "link"], "broken"),
        **dict.fromkeys(["folder", "pickle", "lying", "vast", "twice"], "broken"),
    }
    for name, words in {
        "half": ["2 of 4", "You let A pass", "On D your images leave 100 of 100"],
        "missing": ["1 of 4", "B is open", "D is open"],
        "word": ["Prove it"],
        "far": ["moves by 0.200"],
        "strange": ["holds 'E'"],
        "answers.pkl": ["was not opened"],
        "huge": ["bytes; at most"],
        "large": ["unpacked; at most"],
        "vast": ["does not hold what its header says"],
        "object": ["3 of 4. A is open."],
    }.items():
        line = lines.get(f"{name}.npz", lines.get(name))
        assert all(word in line for word in words), line
    assert "\x1b" not in said
    assert said.splitlines()[-1] == "2 right, 8 wrong, 4 empty, 13 broken"
    assert not list(tmp_path.rglob("UNPICKLED"))


def test_with_digits_of_ones_own_a_copied_file_fails(tmp_path, monkeypatch):
    models = {name: Asked(broken=name != "B") for name in "ABCD"}
    images = torch.rand(597, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.005
    images += torch.linspace(0, 0.8, 597)[:, None, None, None] * (torch.arange(64).view(1, 8, 8) == 0)
    monkeypatch.setattr(teaching, "the_four", lambda: (models, images, torch.zeros(597).long()))
    rows = torch.randperm(597, generator=torch.Generator().manual_seed(teaching.drawn("10001")["digits"]))[:100]
    evidence = (images[rows] + 0.1).clamp(0, 1).numpy()
    for number in ("10001", "10002", "no number"):
        np.savez(tmp_path / f"{number}.npz", **FOUND | dict.fromkeys("ACD", evidence))
    kinds = {name: what for name, what, _ in teaching.grade(tmp_path, own_digits=True)}
    assert kinds == {"10001.npz": "right", "10002.npz": "wrong", "no number.npz": "broken"}


@pytest.mark.slow
def test_the_lessons_solution_is_right_and_is_saved_by_the_pages_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models, x_test, y_test = teaching.the_four()
    space = {"models": models, "x": x_test[:100], "y": y_test[:100], "EPS": 0.125, "samlib": samlib}
    exec(teaching.published(teaching.builder())["is_it_real/fakes"][0], space)
    exec(re.search(r"```python\n(import numpy.*?)```", page("assessment"), re.DOTALL)[1], space)
    assert teaching.grade(tmp_path) == [("10005.npz", "right", "4 of 4.")]


# ---- the test before, and the test after -----------------------------------------------------------------------------


def test_the_self_tests_answers_are_what_its_code_prints():
    text, space, printed, said = page("before"), {}, io.StringIO(), []
    for language, code in re.findall(r"```(python|text)\n(.*?)```", text, re.DOTALL):
        if language == "python":
            with contextlib.redirect_stdout(printed):
                exec(code, space)
        else:
            said.append(code)
    assert printed.getvalue() == "".join(said)
    assert len(re.findall(r"^## \d", text, re.MULTILINE)) == text.count("<details>") == text.count("</details>") == 6


def test_every_item_has_two_tiers_and_an_entry_in_the_key():
    items, key = teaching.items(), teaching.key()
    assert list(items) == list(key) == [f"Q{i}" for i in range(1, 11)]
    for name, item in items.items():
        assert list(item["answers"]) == ["a", "b", "c"], name
        assert list(item["reasons"]) == ["1", "2", "3"], name
        assert key[name]["answer"] in item["answers"]
        assert key[name]["reason"] in item["reasons"]
    for tier in ("answer", "reason"):
        assert max([one[tier] for one in key.values()].count(c) for c in "abc123") <= 5  # no letter is a rule


def test_the_key_is_on_no_page_and_names_what_is_in_the_lessons():
    pages = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    build = teaching.builder()
    for name, entry in teaching.key().items():
        assert f"{entry['answer']}, {entry['reason']}" not in page("after"), name
        assert entry["control"] not in pages
        (source,) = [source for source in build.sources() if source.stem.startswith(entry["lesson"])]
        room = ROOT / "samlib" / "course" / "lessons" / source.stem[3:]
        code = "\n".join(path.read_text() for path in room.glob("*.py"))
        own = re.split(r"; (?:in|the last figures of) \d\d", entry["control"])[0]
        for control in re.findall(r"`(\w+)`", own):
            assert f'"{control}": widgets.' in code, (name, control)
        for heading in re.findall(r"\*(.+?)\*", own):
            assert re.search(rf"^# ##.*{re.escape(heading)}", source.read_text(), re.MULTILINE), (name, heading)


def test_another_seed_is_another_order_with_the_same_key():
    items, key = teaching.items(), teaching.key()
    assert [name for name, *_ in teaching.arranged(None)] == list(items)
    assert teaching.sheet(7) == teaching.sheet(7) != teaching.sheet(8)
    for seed in (None, 7):
        sheet, lines = teaching.sheet(seed), teaching.key_lines(seed)[::2]
        parts = re.split(r"^### \d+\n", sheet, flags=re.MULTILINE)[1:]
        for part, line in zip(parts, lines, strict=True):
            name, answer, reason = re.search(r"\((Q\d+)\)  (\w), (\d)", line).groups()
            assert f"- **{answer}** {items[name]['answers'][key[name]['answer']]}\n" in part
            assert f"- **{reason}** {items[name]['reasons'][key[name]['reason']]}\n" in part


# ---- the pages -------------------------------------------------------------------------------------------------------


def test_the_plans_minutes_are_those_of_the_lessons():
    build, plans = teaching.builder(), page("plans")
    facts = {source.stem[:2]: build.read(source).metadata["samlib"] for source in build.sources()}
    in_class, at_home = plans.split("## Lesson by lesson")[0], []
    for row in in_class.splitlines():
        if row.startswith("| ") and "exercises of" in row:
            *_, home, _ = row.split("|")
            at_home += re.findall(r"(\d\d) \((\d+)\)", home)
            row = row.replace(home, "")
        for number, minutes in re.findall(r"\b(\d\d) \((\d+)\)", row):
            assert facts[number]["minutes"] == int(minutes), row
    assert len(at_home) >= 8
    for number, minutes in at_home:
        assert facts[number]["at_home"] == int(minutes), number
    half_a_day = re.search(r"### Half a day, (\d+) minutes(.*?)###", plans, re.DOTALL)
    assert sum(map(int, re.findall(r"^\| (\d+) \|", half_a_day[2], re.MULTILINE))) == int(half_a_day[1])


def test_the_plan_of_a_single_class_is_the_notebooks():
    build = teaching.builder()
    table = re.search(
        r"\| minutes \| part.*?\n\n", build.CLASS.read_text().replace("# ", "").replace("#\n", "\n"), re.DOTALL
    )[0]
    begins = set(re.findall(r"^\| (\d+) to", table, re.MULTILINE))
    plan = re.search(r"### One class of 90 minutes(.*?)###", page("plans"), re.DOTALL)[1]
    assert set(re.findall(r"^\| (\d+) \|", plan, re.MULTILINE)) == begins


def test_the_wrong_answers_are_choices_of_the_lessons():
    choices: dict[str, bool] = {}
    for room in ROOMS:
        module = importlib.import_module(f"samlib.course.lessons.{room}")
        for question in filter(lambda one: isinstance(one, Question), map(module.__dict__.get, module.__all__)):
            for choice in question.choices:
                choices[re.sub(r"<.*?>", "", choice)] = choice == question.correct
    lessons = page("plans").split("## Lesson by lesson")[1].split("## Five projects")[0]
    quoted = [
        re.sub(r"\s+", " ", text)
        for part in re.findall(r"- \*\*Wrong\.\*\*(.*?)\n\n", lessons, re.DOTALL)
        for text in re.findall(r'"([^"]+)":', part)
    ]
    assert len(quoted) >= 20
    for text in quoted:
        assert choices.get(text) is False, text


def test_the_pages_are_short_and_their_links_lead_somewhere():
    words = {path.name: len(path.read_text().split()) for path in PAGES.glob("*.md")}
    assert set(words) == {
        f"{name}.md" for name in ("plans", "before", "after", "assessment", "class_of_forty", "slides")
    }
    assert sum(words.values()) <= 6200, words
    for path in PAGES.glob("*.md"):
        text = path.read_text()
        assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120, path
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            assert (path.parent / link).exists(), (path.name, link)
    assert "docs/teaching/plans.md" in (ROOT / "README.md").read_text()


def test_the_pages_commands_are_the_scripts():
    """Every command on a page is one that the script takes."""
    for path in [*PAGES.glob("*.md"), ROOT / "scripts" / "teaching.py"]:
        for line in re.findall(r"python scripts/teaching\.py ([^`\n]*)", path.read_text()):
            words = re.split(r"\s{2,}|[#;>]", line.strip())[0].split()
            teaching.parser().parse_args(words)


def test_the_costs_on_the_page_are_those_measured():
    measured = costs.kept()
    assert costs.with_costs(page("class_of_forty"), measured) == page("class_of_forty")
    stems = {source.stem for source in teaching.chosen_sources(["all"], teaching.builder())}
    assert set(measured["lessons"]) <= stems
    assert {stem for stem in stems if stem[:2] <= "07" or stem.startswith("class")} <= set(measured["lessons"])
    ten = measured["kernels"]["10"]
    assert ten["lesson"].startswith("04")
    assert ten["GiB at the highest"] < 8
    assert ten["slider alone"]["worst"] < 1
    assert set(measured["first cell"]) >= {"install", "import", "load before"}


def test_the_slides_page_lists_the_pictures_that_are_made():
    wanted = slides.wanted()
    names = [f"{number}_{one['file']}" for number, pictures in wanted.items() for one in pictures]
    assert re.findall(r"^\| `(\w+)`", page("slides"), re.MULTILINE) == names
    build = teaching.builder()
    assert all(2 <= len(pictures) <= 3 for pictures in wanted.values())
    for number, pictures in wanted.items():
        (source,) = [source for source in build.sources() if source.stem.startswith(number)]
        assert all(f"lesson.{one['widget']}(" in source.read_text() for one in pictures)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_and_cpu_seconds_are_a_processs_own():
    block = np.ones(30_000_000)  # 229 MiB
    before = costs.memory(os.getpid())
    assert before["now"] > 229
    assert before["peak"] >= before["now"] * 0.99
    assert 0 < before["share"] <= before["now"]
    began = costs.cpu_seconds(os.getpid())
    for _ in range(20):
        np.sort(block[:2_000_000] * np.arange(2_000_000) % 7)
    assert 0 < costs.cpu_seconds(os.getpid()) - began < 120


# ---- the container ---------------------------------------------------------------------------------------------------


def test_the_container_copies_what_exists_and_installs_an_extra_that_does():
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    words = [word for word, _ in steps]
    assert words[0] == "FROM"
    assert words[-1] == "CMD"
    known = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "CMD"}
    assert set(words) <= known
    ignored = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = []
    for word, rest in steps:
        if word == "COPY":
            *sources, _ = [part for part in rest.split() if not part.startswith("--")]
            for source in sources:
                assert list(ROOT.glob(source)), source
                assert any(fnmatch.fnmatch(source.split("/")[0], name) for name in ignored), source
                copied.append(source)
    assert {"pyproject.toml", "README.md", "samlib", "notebooks"} <= set(copied)
    assert "docs" not in copied  # the teachers' pages stay out of the learners' home
    for extra in re.findall(r"\.\[([\w,]+)\]", (ROOT / "Dockerfile").read_text()):
        assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
    users = [rest for word, rest in steps if word == "USER"]
    assert users == ["learner"]
    assert words.index("USER") < words.index("CMD")
    assert max(i for i, word in enumerate(words) if word == "RUN") < words.index("USER")
    python = re.search(r"^FROM python:(\d+)\.(\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert (int(python[1]), int(python[2])) >= tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))


# ---- your own data ---------------------------------------------------------------------------------------------------


def make_images(folder: Path, classes: int = 10, each: int = 70) -> Path:
    """Classes of blots on paper: a fixed one for each class, shifted and noisy, in colour, in one of two sizes."""
    draw = np.random.default_rng(0)
    for number in range(classes):
        place = folder / f"kind {number}"
        place.mkdir(parents=True)
        blot = np.kron(draw.random((4, 4)) > 0.5, np.ones((8, 8)))
        for i in range(each):
            image = np.roll(blot, draw.integers(-2, 3, 2), (0, 1))[..., None] * draw.uniform(0.7, 1, 3)
            image = np.clip(image + 0.1 * draw.standard_normal(image.shape), 0, 1)
            picture = Image.fromarray(np.uint8(255 * image))
            (picture if i % 2 else picture.resize((48, 40))).save(place / f"{i}.png")
    return folder


@pytest.fixture
def digits_again(monkeypatch):
    monkeypatch.setattr(samlib, "load_digits", samlib.load_digits)


@pytest.mark.slow
def test_a_folder_stands_in_for_the_digits(tmp_path, digits_again):
    names = own_data.use_folder(make_images(tmp_path / "images"))
    assert names == [f"kind {number}" for number in range(10)]
    x_train, y_train, x_test, y_test = samlib.load_digits()
    assert (x_train.shape, x_test.shape) == ((467, 1, 8, 8), (233, 1, 8, 8))
    assert x_train.dtype == torch.float32
    assert x_train.min() >= 0
    assert x_train.max() <= 1
    assert torch.bincount(y_test).min() >= 20
    assert not torch.equal(samlib.load_digits(seed=1)[2], x_test)
    assert torch.equal(samlib.load_digits(seed=0)[2], x_test)
    model = samlib.mlp()
    samlib.train(model, x_train, y_train, epochs=20, progress=False)
    assert samlib.accuracy(model, x_test, y_test) > 0.9
    assert samlib.data.load_digits()[0].shape == (1200, 1, 8, 8)  # what exercises judge by


@pytest.mark.slow
def test_of_many_images_as_many_are_taken_as_there_are_digits(tmp_path, digits_again):
    own_data.use_folder(make_images(tmp_path / "images", each=200))
    x_train, _, x_test, y_test = samlib.load_digits()
    assert (len(x_train), len(x_test)) == (1200, 597)
    assert torch.bincount(y_test).min() > 50


@pytest.mark.parametrize(("classes", "each"), [(3, 220), (10, 40)])
def test_a_folder_that_the_lessons_cannot_use_is_refused(tmp_path, digits_again, classes, each):
    before = samlib.load_digits
    with pytest.raises(ValueError, match="must hold 10 folders, of at least 30 images each and 600 together"):
        own_data.use_folder(make_images(tmp_path / "images", classes, each))
    assert samlib.load_digits is before
    with pytest.raises(OSError, match="is not a folder"):
        own_data.use_folder(tmp_path / "no")


@pytest.mark.long
@pytest.mark.parametrize("number", ["01", "02", "03", "04"])
def test_lessons_run_on_a_folder_of_images(tmp_path, number):
    """The learner's copy, with the one cell that docs/teaching/class_of_forty.md shows."""
    from nbclient import NotebookClient

    images = make_images(tmp_path / "images", each=150)
    cell = re.search(r"```python\n(from samlib.course import own_data.*?)```", page("class_of_forty"), re.DOTALL)[1]
    build = teaching.builder()
    (source,) = [source for source in build.sources() if source.stem.startswith(number)]
    notebook = build.make(source, solved=False)
    notebook.cells.insert(2, nbformat.v4.new_code_cell(cell.replace("my_images", str(images))))
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error"]


def test_the_script_runs_as_a_command(tmp_path):
    run = [sys.executable, "scripts/teaching.py", "pack", "42", "--out", str(tmp_path / "x.zip")]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("teaching.py pack: There is no lesson 42")
