"""The notebooks are what their sources give, keep their solutions to themselves, and are fit to be read."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)

SOURCES = build.sources()
each_lesson = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


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
        assert not {"stub", "solution"} & set(build.tags(cell))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


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
    header = "# ---\n# jupyter:\n#   samlib:\n#     title: T\n#     minutes: 1\n#     difficulty: easy\n#     device: any\n# ---\n\n"
    source.write_text(header + cells + "\n")
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


@each_lesson
def test_code_cells_parse_once_magics_are_put_aside(source):
    for cell in written(source).cells:
        if cell.cell_type == "code":
            ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.MULTILINE))


@each_lesson
@pytest.mark.parametrize("folder", ["notebooks", "notebooks/solutions"])
def test_cells_are_short_and_the_long_ones_that_only_draw_are_folded(source, folder):
    for cell in written(source, folder).cells:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if cell.cell_type != "code":
            continue
        folded = "hide-input" in build.tags(cell)
        assert len(lines) <= (42 if folded else 17), cell.source
        assert cell.metadata.get("jupyter", {}).get("source_hidden", False) == folded


@each_lesson
def test_a_lesson_has_its_parts(source):
    text = "\n".join(cell.source for cell in written(source).cells if cell.cell_type == "markdown").lower()
    for part in (
        "**after this lesson you can**",
        "**you need**",
        "where it fails",
        "what you learned",
        "three questions",
        "### sources",
    ):
        assert part in text, part
    sections = [line for line in text.splitlines() if line.startswith("## ") and line[3].isdigit()]
    assert 3 <= len(sections) <= 5
    exercises = [line for line in text.splitlines() if line.startswith("### exercise")]
    assert 2 <= len(exercises) <= 4
    assert all("minutes)" in line and any(f"({d}" in line for d in build.DIFFICULTY) for line in exercises)


@each_lesson
def test_controls_say_what_they_move(source):
    code = "\n".join(cell.source for cell in written(source).cells if cell.cell_type == "code")
    labels = re.findall(r"widgets\.(?:choice_slider|toggle|dropdown)\(\s*\"([^\"]+)\"", code)
    assert labels
    assert all(len(label) >= 4 for label in labels)
    for symbol, unit in {"rho:": "weight", "eps:": "pixels|length|l_2|l_inf|walk"}.items():
        assert all(re.search(unit, label) for label in labels if label.startswith(symbol)), labels
