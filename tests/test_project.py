"""The files around the package agree with each other."""

from __future__ import annotations

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

import samlib
from samlib.course import exercise

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}

# The house from the ground up. A module of the core may import only from those before it; the runs from the core; the
# course from both, and nothing from the course.
CORE = ["checks", "files", "batches", "balls", "losses", "ascent", "attacks", "random_search", "masking", "sam", "data"]
CORE += ["models", "training", "reports", "unions", "evaluation", "diagnosis", "sharpness", "layers", "duality"]
CORE += ["toy_definitions", "toy"]
# What a researcher takes and reads.
SAM_AND_ATTACKS = ["sam", "attacks", "balls", "batches", "losses", "ascent", "checks"]
ROOMS = ["core", "runs", "course"]


def requirements(*extras: str) -> dict[str, str]:
    """Lower bounds by name."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    parsed = [re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?(?:>=([\d.]+))?(?:;.*)?", line) for line in lines]
    assert all(parsed), lines
    return {match[1]: match[2] for match in parsed}


def test_conda_users_get_what_pip_users_get():
    rattler = pytest.importorskip("rattler")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    specs = [rattler.MatchSpec(line) for line in environment["dependencies"] if isinstance(line, str)]
    conda = {spec.name.normalized: str(spec.version or "") for spec in specs}
    assert conda.pop("python") == PROJECT["requires-python"]
    conda.pop("pip")
    wanted = {CONDA_NAMES.get(name, name): f">={bound}" for name, bound in requirements("lab").items()}
    assert conda == wanted
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_requirements_are_lower_bounds_low_enough_for_colab():
    colab = {"torch": "2.11", "torchvision": "0.26", "numpy": "2.1", "scikit-learn": "1.6.1", "matplotlib": "3.10"}
    colab |= {"ipywidgets": "7.7.1", "tqdm": "4.67", "pillow": "11", "scipy": "1.14"}
    bounds = requirements()
    assert set(bounds) == set(colab)
    for name, bound in bounds.items():
        assert tuple(map(int, bound.split("."))) <= tuple(map(int, colab[name].split("."))), name


def test_the_version_is_said_once_in_each_place():
    assert PROJECT["version"] == samlib.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == samlib.__version__
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def imported(path: Path) -> set[tuple[str, ...]]:
    """The samlib modules that a file imports, at its top or inside a function, as tuples of names after `samlib`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {(*(node.module or "").split("."), alias.name) for alias in node.names}
    return {names[1:] for names in found if names[0] == "samlib" and len(names) > 1}


def room_of(names: tuple[str, ...]) -> str:
    return names[0] if names[0] in ROOMS else "core"


def test_rooms_and_modules_import_in_one_direction():
    core = {path.stem for path in (ROOT / "samlib").glob("*.py")} - {"__init__", "__main__"}
    assert core == set(CORE)
    for path in (ROOT / "samlib").rglob("*.py"):
        here = path.relative_to(ROOT / "samlib").with_suffix("").parts
        for names in imported(path) if here != ("__main__",) else ():
            assert ROOMS.index(room_of(names)) <= ROOMS.index(room_of(here)), f"{here} imports {names}"
            if room_of(here) == "core" and here != ("__init__",):
                assert CORE.index(names[0]) < CORE.index(here[0]), f"{here[0]} imports {names[0]}"


def test_the_package_stays_small():
    lines = {path.stem: len(path.read_text().splitlines()) for path in (ROOT / "samlib").glob("*.py")}
    assert sum(lines.values()) <= 5500
    assert sum(lines[name] for name in SAM_AND_ATTACKS) <= 1400
    long = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "samlib").rglob("*.py")}
    assert {name: n for name, n in long.items() if n > 600} == {}
    directly = {names[0] for name in ("sam", "attacks") for names in imported(ROOT / "samlib" / f"{name}.py")}
    assert directly <= set(SAM_AND_ATTACKS)


def test_no_module_writes_to_a_device_by_name_or_prints():
    for path in (ROOT / "samlib").rglob("*.py"):
        text = path.read_text()
        assert ".cuda()" not in text, path
        if path.stem != "command_line":
            assert not re.search(r"^\s*print\(", text, re.MULTILINE), path


def test_the_types_agree():
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("script", ["scripts/setup.sh", "scripts/lowest.sh", ".ci/run"])
def test_scripts_can_be_run(script):
    assert os.stat(ROOT / script).st_mode & stat.S_IXUSR


def copy_of_the_checkout(folder: Path) -> Path:
    """All that git tracks or would track, as it stands."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in filter(lambda name: (ROOT / name).is_file(), names.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
def test_the_course_can_be_pointed_to_a_repository_of_ones_own(tmp_path):
    copy, old = copy_of_the_checkout(tmp_path), PROJECT["urls"]["Repository"]
    for wrong in ("", "https://example.org/you/course", "https://github.com/you"):
        run = subprocess.run([sys.executable, "scripts/address.py", wrong], cwd=copy, capture_output=True, text=True)
        assert run.returncode != 0
        assert f"URL is {wrong!r}; it must be https://github.com/OWNER/NAME" in run.stderr
    new = "https://github.com/you/your-course"
    subprocess.run([sys.executable, "scripts/address.py", f"{new}.git/"], cwd=copy, check=True, capture_output=True)
    texts = {path: path.read_text() for path in copy.rglob("*") if path.suffix in (".ipynb", ".md", ".toml", ".cff")}
    assert not [path for path, text in texts.items() if old in text]
    lessons = sorted((ROOT / "notebooks" / "source").glob("*.py"))
    assert sum(f"git+{new}" in text for text in texts.values()) == 2 * len(lessons)
    assert f"github/you/your-course/blob/main/notebooks/{lessons[0].stem}.ipynb" in str(texts.values())
    check = subprocess.run([sys.executable, "notebooks/build.py", "--check"], cwd=copy, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.slow
def test_a_lesson_runs_on_a_built_wheel(tmp_path):
    """In an environment that holds the wheel, borrows what it needs from this one, and sees no checkout."""
    source, environment = copy_of_the_checkout(tmp_path / "source"), tmp_path / "environment"
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
    subprocess.run([*build, "--wheel-dir", str(tmp_path)], check=True)
    (wheel,) = tmp_path.glob("samlib-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = next((environment / "lib").glob("python*")) / "site-packages"
    install = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True)
    # a path that comes after the wheel's own, and whose .pth files, the editable install's among them, nobody reads
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    shutil.copy(ROOT / "notebooks" / "03_sam_alone.ipynb", tmp_path / "lesson.ipynb")
    python = environment / "bin" / "python"
    alone = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    alone |= {"IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}
    where = [str(python), "-c", "import samlib; print(samlib.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(site))
    execute = [str(python), "-m", "nbconvert", "--execute", "--to", "notebook", "--output", "ran", "lesson.ipynb"]
    ran = subprocess.run(execute, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert (tmp_path / "ran.ipynb").exists()
    data = {path.relative_to(ROOT) for path in (ROOT / "samlib").rglob("*.json")}
    assert data == {path.relative_to(site) for path in (site / "samlib").rglob("*.json")}


def test_continuous_integration_is_the_makefiles_two_targets():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    jobs = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    made = set(re.search(r"make \$\{@:-(.+?)\}", (ROOT / ".ci" / "run").read_text())[1].split())
    assert made == {"test", "test-long"}
    assert {target for job in jobs for target in job["make"].split()} == made
    assert {job["python"] for job in jobs} >= {"3.10", "3.13"}
    assert ".ci/run ${{ matrix.make }}" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]


def test_lower_bounds_become_constraints():
    run = subprocess.run([sys.executable, "scripts/lower_bounds.py"], cwd=ROOT, capture_output=True, text=True)
    pinned = dict(line.split("==") for line in run.stdout.splitlines())
    bounds = requirements("lab", "site", "dev")
    assert {name: bound for name, bound in bounds.items() if bound and name != "setuptools"} == pinned


def test_the_guides_exercise_works():
    code = re.search(r"```python\n(def _judge.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    space = {name: getattr(exercise, name) for name in ("Exercise", "Question", "attempted")}
    exec(compile(code, "CONTRIBUTING.md", "exec"), space)
    answers = {"correct": lambda x: sum(x) / len(x), "wrong": max, "not attempted": lambda x: ...}
    assert all(space["mean"].check(answer).status == status for status, answer in answers.items())
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 100


@pytest.mark.slow
def test_the_readmes_ten_lines_run(capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    exec(compile(code, "README.md", "exec"), {})
    clean, robust = map(float, capsys.readouterr().out.split())
    assert clean > 0.9
    assert 0 < robust < clean


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "notebooks/README.md", "docs/runs.md"])
def test_the_maps_hold_no_dead_link(page):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / link).exists(), link


@pytest.mark.long
def test_the_core_is_tested_without_jupyter():
    """Its tests import nothing of the course, nor what only notebooks, figures and the browser need."""

    def run(*tests: str) -> tuple[int, str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.without_jupyter",
            "-p",
            "no:cacheprovider",
            *tests,
        ]
        alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # nbval is a plugin, and brings Jupyter
        done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True)
        return done.returncode, done.stdout[-3000:] + done.stderr[-1000:]

    for path in (ROOT / "tests" / "core").glob("*.py"):
        assert not [names for names in imported(path) if names[0] in ROOMS[1:]], path.name
    some, said = run("tests/core", "-k", "test_models or test_masking")  # all are collected; these train
    assert some == 0, said
    course, said = run("tests/course", "--collect-only")
    assert course != 0
    assert "(tests.without_jupyter)" in said  # the plugin does what it says


@pytest.mark.slow
def test_importing_samlib_does_not_pay_for_what_is_not_used():
    heavy = {"IPython", "ipywidgets", "matplotlib", "scipy", "sklearn", "torchvision"}
    code = f"import sys, samlib; print({heavy!r} & set(sys.modules)); samlib.toy; print('scipy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["set()", "True"]
