"""The notebooks are what their sources give, keep their solutions to themselves, and are fit to be read."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

SOURCES = build.sources()
each_lesson = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


HEADER = """\
# ---
# jupyter:
#   samlib:
#     title: T
#     part: core
#     minutes: 1
#     difficulty: easy
#     device: any
#     finds: nothing
# ---

"""


def written(source: Path, folder: str = "notebooks") -> nbformat.NotebookNode:
    return nbformat.read(ROOT / folder / f"{source.stem}.ipynb", as_version=4)


def test_there_are_lessons():
    assert SOURCES


def test_regeneration_changes_nothing_and_leaves_nothing_behind():
    files = build.everything()
    for path, content in files.items():
        assert path.read_text(encoding="utf-8") == content, f"{path} is stale; run `make notebooks`"
    there = {path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts}
    assert there == {path for path in files if path.suffix == ".ipynb"}


@each_lesson
def test_no_solution_leaks_into_the_learners_copy(source):
    cells, learner = build.read(source).cells, written(source)
    pairs = [(a, b) for a, b in itertools.pairwise(cells) if "solution" in build.tags(b)]
    for stub, solution in pairs:
        assert build.leaks(learner, solution.source, stub.source) == []
    assert not any(solution.source in json.dumps(learner.cells) for _, solution in pairs)


def test_the_search_for_leaks_finds_one():
    learner = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1\nanswer = 42 * f(x)")])
    assert build.leaks(learner, "answer = 42 * f(x)", "answer = ...") == ["answer = 42 * f(x)"]
    assert build.leaks(learner, "answer = 43 * f(x)", "answer = ...") == []


@each_lesson
@pytest.mark.parametrize("folder", ["notebooks", "notebooks/solutions"])
def test_a_notebook_is_valid_and_holds_no_outputs_and_no_widget_state(source, folder):
    notebook = written(source, folder)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
        assert not build.OURS & set(build.tags(cell))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@each_lesson
def test_a_lesson_has_all_its_pieces(source):
    assert build.lacks(source) == [], f"{source.name} lacks these"


def test_all_that_a_new_lesson_lacks_is_named_at_once(tmp_path):
    source = tmp_path / "09_new.py"
    source.write_text("# ---\n# jupyter:\n#   samlib:\n#     title: New\n# ---\n\n# %%\n1 + 1\n")
    named = "\n".join(build.lacks(source, tmp_path))
    pieces = ["part", "minutes", "difficulty", "device", "finds", "lessons/new/__init__.py", "new/exercises.py"]
    pieces += ["tests/course/test_new.py", "exercise:new/NAME", *build.PARTS, "it has 0", "`lesson.NAME.ask()`"]
    assert [piece for piece in pieces if piece not in named] == []
    assert "`title`" not in named


@pytest.mark.parametrize(
    ("old", "new", "lack"),
    [
        ("## 2 ·", "### 2 ·", "three to five sections, `## 1 · Title`; it has 2"),
        ("### Exercise 2", "### Task 2", "two to four exercises, `### Exercise 1 · Title (easy, 5 minutes)`; it has 1"),
        ("(easy, 5 minutes)", "(5 minutes)", "difficulty and minutes, as in"),
        ("(easy, 5 minutes)", "(simple, 5 minutes)", "difficulty and minutes, as in"),
        ("lesson.a.ask()", "", "three cells with `lesson.NAME.ask()` after `### Three questions`; it has 2"),
        ("### Sources", "Sources", "the part `### Sources`"),
    ],
)
def test_a_part_that_is_missing_is_named(old, new, lack):
    parts = [
        "## 1 · A\n## 2 · B\n## 3 · C",
        "### Exercise 1 · D (easy, 5 minutes)",
        "### Exercise 2 · E (hard, 9 minutes)",
    ]
    cells = [nbformat.v4.new_markdown_cell("\n".join([*parts, *build.PARTS, build.QUESTIONS]))]
    cells += [nbformat.v4.new_code_cell(f"lesson.{name}.ask()") for name in "abc"]
    assert build.lacking_parts(cells) == []
    for cell in cells:
        cell.source = cell.source.replace(old, new, 1)
    assert [lack in said for said in build.lacking_parts(cells)] == [True]


def test_what_a_header_lacks_is_said_in_lines_and_without_a_traceback(tmp_path):
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    for name in ("notebooks/build.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks" / "source" / "09_new.py").write_text(HEADER.replace("#     finds: nothing\n", ""))
    run = subprocess.run([sys.executable, "notebooks/build.py"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert "09_new.py lacks `finds` in its header" in run.stdout
    assert run.stderr.splitlines() == ["09_new.py: the header's `samlib` part lacks finds"]


def test_the_table_of_lessons_is_made_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- lessons: made -->\nold\n<!-- end of lessons -->\nbelow\n")
    text = build.with_table(page)
    assert "old" not in text
    assert text.startswith("above\n<!-- lessons: made -->\n\n| lesson |")
    assert text.endswith("|\n\n<!-- end of lessons -->\nbelow\n")
    assert all(f"{source.stem}.ipynb) | " in text for source in SOURCES)
    page.write_text("no markers")
    with pytest.raises(ValueError, match="needs `<!-- lessons -->` above"):
        build.with_table(page)


def test_a_cells_id_depends_on_its_text_alone():
    first, again = (build.make(SOURCES[0], solved=False) for _ in range(2))
    assert [cell.id for cell in first.cells] == [cell.id for cell in again.cells]


@each_lesson
def test_each_exercise_has_its_solution_under_its_name(source):
    known = json.loads(build.SOLUTIONS.read_text())
    for name, code in build.solutions(source).items():
        assert name.startswith(f"{source.stem[3:]}/")
        assert known[name] == code


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ('# %% tags=["stub"]\nx = ...', "is not followed by its solution"),
        ('# %% tags=["solution", "exercise:a"]\nx = 1', "does not follow its stub"),
        ('# %% tags=["stub"]\nx = ...\n\n# %% tags=["solution"]\nx = 1', "lacks the tag"),
        ('# %% tags=["stub"]\nx = ...\n\n# %%\nx = 1', "is not followed by its solution"),
    ],
)
def test_a_forgotten_tag_is_an_error_not_a_published_solution(tmp_path, cells, complaint):
    source = tmp_path / "99_test.py"
    source.write_text(HEADER + cells + "\n")
    with pytest.raises(ValueError, match=complaint):
        build.make(source, solved=False)


@each_lesson
def test_the_head_links_to_colab_and_the_setup_cell_installs_samlib_alone(source):
    notebook = written(source)
    assert notebook.metadata["samlib"]["minutes"] > 0
    assert f"/blob/main/notebooks/{source.stem}.ipynb" in notebook.cells[0].source
    assert build.REPOSITORY.removeprefix("https://github.com/") in notebook.cells[0].source
    assert "--no-deps" in notebook.cells[1].source
    assert f"git+{build.REPOSITORY}" in notebook.cells[1].source
    assert lines_of(notebook.cells[1]) <= 15
    assert notebook.cells[1].metadata["jupyter"]["source_hidden"]


def parsed(cell: nbformat.NotebookNode) -> ast.Module:
    """The code of a cell, its magics put aside."""
    return ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.MULTILINE))


@each_lesson
def test_code_cells_parse_once_magics_are_put_aside(source):
    assert all(parsed(cell) for cell in written(source).cells if cell.cell_type == "code")


def lines_of(cell: nbformat.NotebookNode) -> int:
    """The lines of a cell that are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def code_cells(source: Path, folder: str = "notebooks") -> list[nbformat.NotebookNode]:
    """The code cells of a notebook but the set-up, which is the same in all."""
    return [cell for cell in written(source, folder).cells if cell.cell_type == "code" and cell.source != build.SETUP]


@each_lesson
def test_no_cell_is_folded_but_the_set_up(source):
    folded = [cell.source for cell in code_cells(source) if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert folded == [], "what draws, or only fills a widget, lives in the lesson's room; a widget is one visible line"


@each_lesson
def test_a_learner_meets_little_code_in_short_cells(source):
    for folder in ("notebooks", "notebooks/solutions"):
        too_long = [cell.source for cell in code_cells(source, folder) if lines_of(cell) > 15]
        assert too_long == [], "a code cell has at most 15 lines"
    total = sum(lines_of(cell) for cell in code_cells(source))
    assert total <= 130, f"{source.stem} shows {total} lines of code; a lesson shows at most 130"


@each_lesson
def test_a_learner_meets_no_assert_that_only_guards_the_text(source):
    teaching = {cell.source for cell in build.read(source).cells if "teaches" in build.tags(cell)}
    bare = [
        cell.source
        for cell in code_cells(source)
        if cell.source not in teaching and any(isinstance(node, ast.Assert) for node in ast.walk(parsed(cell)))
    ]
    assert bare == [], "tag the cell `guard` (tested copies only), or `teaches` where the check is one for the learner"


@each_lesson
def test_guards_stay_in_their_places_in_the_tested_copies_and_reach_no_reader(source):
    guards = {cell.source for cell in build.read(source).cells if "guard" in build.tags(cell)}
    for solved, folder in ((False, "notebooks"), (True, "notebooks/solutions")):
        tested = build.make(source, solved=solved, guarded=True).cells
        assert guards <= {cell.source for cell in tested}
        assert [cell.source for cell in tested if cell.source not in guards] == [
            cell.source for cell in written(source, folder).cells
        ]


def test_a_guard_cell_is_in_the_tested_copy_alone_and_keeps_its_place(tmp_path):
    source = tmp_path / "99_test.py"
    source.write_text(HEADER + '# %%\na = 1\n\n# %% tags=["guard"]\nassert a\n\n# %% tags=["teaches"]\nassert a == 1\n')
    codes = {
        guarded: [cell.source for cell in build.make(source, solved=True, guarded=guarded).cells[2:]]
        for guarded in (False, True)
    }
    assert codes == {False: ["a = 1", "assert a == 1"], True: ["a = 1", "assert a", "assert a == 1"]}


WIDGET = "from samlib.course import widgets; keep = widgets.{kind}({label!r}, [1, 2], 1)\n"
AXES = "from samlib.course import style; keep = style.figure(2); keep.add_subplot().set_yticks([]); keep.pixels()\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (WIDGET.format(kind="choice_slider", label="rho: radius in weight space"), None),
        (WIDGET.format(kind="choice_slider", label="rho: radius"), "names its space or unit (weight): 'rho: radius'"),
        (WIDGET.format(kind="toggle", label="eps: size"), "a label with eps: names its space or unit"),
        (WIDGET.format(kind="dropdown", label="p"), "says what it moves, in four letters or more: 'p'"),
        ("", "a lesson has controls"),
        (
            "MOVE = False\n" + WIDGET.format(kind="toggle", label="eps: size"),
            "a label with eps: names its space or unit",
        ),
        ("MOVE = False\n" + AXES, "x has numbers and no label"),
        ("MOVE = False\n", None),
    ],
)
def test_the_sweep_names_the_rule_and_the_label_that_breaks_it(code, complaint):
    sweep = (ROOT / "tests" / "notebooks" / "sweep.py").read_text(encoding="utf-8")
    run = subprocess.run([sys.executable, "-c", code + sweep], capture_output=True, text=True, cwd=ROOT)
    assert (run.returncode == 0) == (complaint is None), run.stderr
    assert complaint is None or complaint in run.stderr.splitlines()[-1]
