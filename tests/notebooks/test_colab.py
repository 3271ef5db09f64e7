"""The lessons on Colab: its versions in an environment of their own, the set-up cell as it stands, whole lessons.

torch is borrowed from the environment at hand; git is told to take the repository's address for this checkout.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [*sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")), ROOT / "notebooks" / "class_in_90_minutes.ipynb"]
pytestmark = pytest.mark.long


def borrowed(names: list[str], kept_out: set[str]) -> set[str]:
    """The names of distributions and of all that they need."""
    found: set[str] = set()
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop().lower())
        if name in found | kept_out:
            continue
        try:
            requirements = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        names += [re.match(r"[\w.-]+", line)[0] for line in requirements if "extra ==" not in line]
    return found


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> tuple[str, dict[str, str]]:
    """A Python with Colab's packages, and the environment variables that it runs with."""
    folder = tmp_path_factory.mktemp("colab")
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(ROOT / "tests" / "notebooks" / "colab.txt"),
    )
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    for name in borrowed(["torch", "torchvision"], kept_out={"numpy"}):
        for file in metadata.distribution(name).files:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(metadata.distribution(name).locate_file(top))
    (site / "google" / "colab").mkdir(parents=True, exist_ok=True)
    (site / "google" / "colab" / "__init__.py").write_text("")

    repository = folder / "repository"  # the checkout as it stands, committed or not
    files = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "-C", str(repository)]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=as it stands"]):
        run(*git, *command)
    address = re.search(r'^Repository = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER"))}
    environment |= {
        "PATH": f"{folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
        "GIT_ALLOW_PROTOCOL": "file",
    }
    return python, environment


def execute(notebook: Path, colab: tuple[str, dict[str, str]], folder: Path) -> nbformat.NotebookNode:
    python, environment = colab
    run(python, "-m", "nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=120",
        "--output-dir", str(folder), str(notebook), env=environment, cwd=folder)  # fmt: skip
    return nbformat.read(folder / notebook.name, as_version=4)


def packages(colab: tuple[str, dict[str, str]]) -> dict[str, str]:
    listed = json.loads(run(colab[0], "-m", "pip", "list", "--format=json", env=colab[1]))
    return {package["name"].lower(): package["version"] for package in listed}


def test_an_address_with_nothing_behind_it_is_said_in_one_line_and_stops_the_lesson(colab, tmp_path):
    python, environment = colab
    nowhere = environment | {"GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'nowhere').as_uri()}.insteadOf"}
    cells = [nbformat.read(LESSONS[0], as_version=4).cells[1], nbformat.v4.new_code_cell("print('went on')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "setup.ipynb")
    command = [python, "-m", "nbconvert", "--to", "notebook", "--execute", "setup.ipynb"]
    done = subprocess.run(command, env=nowhere, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert re.search(r"There is no repository at https://\S+\. Whoever publishes", done.stderr)
    assert "ERROR: " not in done.stderr
    assert "went on" not in done.stderr


def test_the_setup_cell_adds_samlib_and_nothing_else_and_whole_lessons_run(colab, tmp_path):
    before = packages(colab)
    assert before["ipywidgets"] == "7.7.1"
    assert "torch" in before
    assert "samlib" not in before
    setups = {nbformat.read(lesson, as_version=4).cells[1].source for lesson in LESSONS}
    (setup,) = setups  # the same in every lesson
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(setup)])
    nbformat.write(notebook, tmp_path / "setup.ipynb")
    (tmp_path / "out").mkdir()
    ran = execute(tmp_path / "setup.ipynb", colab, tmp_path / "out")
    assert "is ready" in str(ran.cells[0].outputs)
    after = packages(colab)
    assert {name: after[name] for name in after if after[name] != before.get(name)} == {"samlib": "0.1.0"}
    assert set(before) <= set(after)

    for lesson in LESSONS:
        ran = execute(lesson, colab, tmp_path / "out")
        views = [
            o for cell in ran.cells for o in cell.get("outputs", []) if "widget-view" in str(o.get("data", {}).keys())
        ]
        assert len(views) >= 5, lesson
    assert packages(colab) == after
