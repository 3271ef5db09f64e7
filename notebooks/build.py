"""Make the learner's notebooks, and those with solutions, from the lessons' sources.

    python notebooks/build.py            write them
    python notebooks/build.py --check    write nothing; fail if they are not what the sources give

A lesson is edited in one place, notebooks/source/NN_name.py (jupytext's py:percent). Its header holds its facts, title
and minutes among them. Tags say where a cell goes: `stub` is in the learner's copy only, `solution` in the solved one
only, and each stub is followed by its solution; `guard`, asserts that hold the text to its numbers, is in neither, only
in the copies that are tested (tests/notebooks/lesson_copies.py). `teaches` marks a check that a learner is meant to
see. The head with the badge and the set-up cell are the same for all lessons and made here. No outputs, no widget
state; a cell's id comes from its text, so that an edit changes only what it touches.

CLASS is a notebook for a single class, made of the lessons' parts: in its source a cell tagged `take:NN` stands for all
cells of lesson NN that are tagged `class`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jupytext
import nbformat

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = ROOT / "samlib" / "course" / "lessons" / "solutions.json"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
PAGES = re.sub(
    r"https://github.com/([\w-]+)/(.*)", r"https://\1.github.io/\2", REPOSITORY
)  # where the site is published
CLASS = NOTEBOOKS / "source" / "class_in_90_minutes.py"
OURS = {"stub", "solution", "guard", "teaches", "class"}  # tags for this program and the tests; no notebook holds them
FACTS = {
    "title": "what stands above the lesson",
    "part": "core or elective",
    "minutes": "how long it takes in class, without the exercises (notebooks/budget.py counts)",
    "difficulty": "easy, medium or hard",
    "device": "what it needs",
    "finds": "what a learner finds in it, one line for the tables of lessons",
}
DIFFICULTY = {"easy": "●○○", "medium": "●●○", "hard": "●●●"}
KINDS = ("core", "elective", "for a single class")
EXERCISE = r"^### Exercise .*?(\d+) minutes"
QUESTIONS = "### Three questions"
PARTS = [
    "**After this lesson you can**",
    "**You need**",
    "Where it fails",
    "What you learned",
    QUESTIONS,
    "### Sources",
]

SETUP = f"""\
# @title Set-up: on Colab this installs samlib, and nothing else; where samlib is installed it does nothing.
import importlib.util
import subprocess

if importlib.util.find_spec("samlib") is None:
    where = "{REPOSITORY}"
    if subprocess.run(["git", "ls-remote", where], capture_output=True, stdin=subprocess.DEVNULL).returncode:
        raise SystemExit(f"There is no repository at {{where}}. Whoever publishes this course: make address URL=...")
    %pip install --quiet --no-deps "samlib @ git+{REPOSITORY}"
import samlib
import torch

torch.set_num_threads(1)  # for networks as small as ours: more threads only wait for each other
print("samlib", samlib.__version__, "is ready.")"""


def sources() -> list[Path]:
    """The lessons' sources, in their order."""
    return sorted((NOTEBOOKS / "source").glob("[0-9][0-9]_*.py"))


def lacks(source: Path, root: Path = ROOT) -> list[str]:
    """What a lesson does not have yet: facts in its header, a room in the package, tests, its parts."""
    notebook, room = jupytext.read(source, fmt="py:percent"), source.stem[3:]
    facts = notebook.metadata.get("samlib", {})
    missing = [f"`{name}` in its header, under samlib: {what}" for name, what in FACTS.items() if name not in facts]
    files = {
        f"samlib/course/lessons/{room}/__init__.py": "its room",
        f"samlib/course/lessons/{room}/exercises.py": "its exercises and questions",
        f"tests/course/test_{room}.py": "answers to its exercises: right, wrong and missing ones",
    }
    missing += [f"the file {path}: {what}" for path, what in files.items() if not (root / path).exists()]
    if not any("solution" in tags(cell) for cell in notebook.cells):
        missing.append(f"an exercise: a cell tagged `stub`, and one tagged `solution` and `exercise:{room}/NAME`")
    return missing + lacking_parts(notebook.cells)


def lacking_parts(cells: list[nbformat.NotebookNode]) -> list[str]:
    """Which parts of a lesson's text are not there, or too few or too many."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    missing = [f"the part `{part}`" for part in PARTS if part.lower() not in text.lower()]
    sections = re.findall(r"^## \d", text, re.MULTILINE)
    exercises = re.findall(r"^### exercise.*", text, re.MULTILINE | re.IGNORECASE)
    if not 3 <= len(sections) <= 5:
        missing.append(f"three to five sections, `## 1 · Title`; it has {len(sections)}")
    if not 2 <= len(exercises) <= 4:
        missing.append(f"two to four exercises, `### Exercise 1 · Title (easy, 5 minutes)`; it has {len(exercises)}")
    for line in exercises:
        if not re.search(rf"\(({'|'.join(DIFFICULTY)}), .*minutes\)", line):
            missing.append(f"difficulty and minutes, as in `### Exercise 1 · Title (easy, 5 minutes)`, in `{line}`")
    whole = "\n".join(cell.source for cell in cells)
    if (asked := whole.partition(QUESTIONS)[2].count(".ask()")) != 3:
        missing.append(f"three cells with `lesson.NAME.ask()` after `{QUESTIONS}`; it has {asked}")
    return missing


def read(source: Path) -> nbformat.NotebookNode:
    """A source as a notebook, with its tags and what it takes of others; metadata["samlib"]: the header's facts."""
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.cells = [taken for cell in notebook.cells for taken in (taken_by(cell) or [cell])]
    if source == CLASS:
        renumber(notebook.cells)
    facts = notebook.metadata.get("samlib", {})
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"{source.name}: the header's `samlib` part lacks {', '.join(missing)}")
    if facts["difficulty"] not in DIFFICULTY:
        raise ValueError(
            f"{source.name}: difficulty is {facts['difficulty']!r}; it must be one of {', '.join(DIFFICULTY)}"
        )
    if facts["part"] not in KINDS:
        raise ValueError(f"{source.name}: part is {facts['part']!r}; it must be one of {', '.join(KINDS)}")
    minutes = [int(n) for cell in notebook.cells for n in re.findall(EXERCISE, cell.source, re.MULTILINE)]
    facts["at_home"] = sum(minutes) if source != CLASS else 0  # the single class has them within its 90
    return notebook


def taken_by(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells of another lesson that a cell tagged `take:NN` stands for."""
    numbers = [tag.removeprefix("take:") for tag in tags(cell) if tag.startswith("take:")]
    found = [one for n in numbers for source in sources() if source.name.startswith(n) for one in read(source).cells]
    kept = [one for one in found if "class" in tags(one)]
    if numbers and not kept:
        raise ValueError(f"take:{numbers[0]}: no lesson of that number has a cell tagged `class`")
    return kept


def renumber(cells: list[nbformat.NotebookNode]) -> None:
    """Sections and exercises that come from several lessons are numbered through."""
    numbers = {heading: itertools.count(1) for heading in ("##", "### Exercise")}
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"^(##|### Exercise) \d+ ·",
                lambda m: f"{m[1]} {next(numbers[m[1]])} ·",
                cell.source,
                flags=re.MULTILINE,
            )


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def head(source: Path, facts: dict[str, Any], folder: str) -> list[nbformat.NotebookNode]:
    """The first two cells: title, badge and facts; the set-up."""
    at_home = f", and {facts['at_home']} for the exercises" if facts["at_home"] else ""
    title = f"""\
# {numbered(source, facts)}

[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab(source, folder)})

[Read it with pictures that move]({PAGES}/lessons/{source.stem}.html), with nothing installed. To run it: Colab, or \
`make lab`.

{facts["part"]} · {facts["minutes"]} minutes{at_home} · difficulty \
{DIFFICULTY[facts["difficulty"]]} {facts["difficulty"]} · {facts["device"]}"""
    return [nbformat.v4.new_markdown_cell(title), nbformat.v4.new_code_cell(SETUP)]


def colab(source: Path, folder: str) -> str:
    """The address that opens a notebook on Colab."""
    path = REPOSITORY.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{path}/blob/main/{folder}/{source.stem}.ipynb"


def numbered(source: Path, facts: dict[str, Any]) -> str:
    """A lesson's title with its number; that of the single class has none."""
    return facts["title"] if source == CLASS else f"{source.stem[:2]} · {facts['title']}"


def exercise_name(cell: nbformat.NotebookNode) -> str | None:
    """The name that a solution is kept under, from its tag `exercise:NAME`."""
    names = [tag.removeprefix("exercise:") for tag in tags(cell) if tag.startswith("exercise:")]
    return names[0] if names else None


def check_pairs(source: Path, cells: list[nbformat.NotebookNode]) -> None:
    """Each stub is followed by its solution, and no solution stands alone."""
    kinds = [next((kind for kind in ("stub", "solution") if kind in tags(cell)), None) for cell in cells]
    for i, kind in enumerate(kinds):
        if kind == "stub" and kinds[i + 1 : i + 2] != ["solution"]:
            raise ValueError(f"{source.name}: the stub in cell {i} is not followed by its solution")
        if kind == "solution" and (i == 0 or kinds[i - 1] != "stub"):
            raise ValueError(f"{source.name}: the solution in cell {i} does not follow its stub")
        if kind == "solution" and exercise_name(cells[i]) is None:
            raise ValueError(f"{source.name}: the solution in cell {i} lacks the tag exercise:NAME")


def make(source: Path, *, solved: bool, guarded: bool = False) -> nbformat.NotebookNode:
    """The learner's copy of a lesson, or the solved one; `guarded`: with its guard cells, to be tested."""
    notebook = read(source)
    check_pairs(source, notebook.cells)
    left_out = {"stub" if solved else "solution"} | (set() if guarded else {"guard"})
    folder = "notebooks/solutions" if solved else "notebooks"
    kept = [cell for cell in notebook.cells if not left_out & set(tags(cell))]
    made = nbformat.v4.new_notebook(cells=head(source, notebook.metadata["samlib"], folder) + kept)
    made.metadata["samlib"] = dict(notebook.metadata["samlib"])
    for cell in made.cells:
        shown = [tag for tag in tags(cell) if tag not in OURS and not tag.startswith("exercise:")]
        cell.metadata = {"tags": shown} if shown else {}
        if cell.source == SETUP:  # folded in JupyterLab and on Colab: what a lesson is about comes after it
            cell.metadata = {"jupyter": {"source_hidden": True}, "cellView": "form"}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return finished(made)


def solutions(source: Path) -> dict[str, str]:
    """The code of a lesson's solutions by name."""
    return {exercise_name(cell): cell.source for cell in read(source).cells if "solution" in tags(cell)}


def finished(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with a kernel to run on, and an id for each cell that depends on its text alone."""
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return notebook


def table_of_lessons(lessons: Iterable[Path], address: Callable[[Path], str]) -> str:
    """The lessons with their minutes and what is found in each; `address`: source -> where its title leads."""
    rows = ["| lesson | part | minutes + exercises | you find |", "| --- | --- | --- | --- |"]
    for source in lessons:
        facts = read(source).metadata["samlib"]
        minutes = f"{facts['minutes']}" + (f" + {facts['at_home']}" if facts["at_home"] else "")
        title = f"[{numbered(source, facts)}]({address(source)})"
        rows.append(f"| {title} | {facts['part']} | {minutes} | {facts['finds']} |")
    return "\n".join(rows)


def with_table(page: Path) -> str:
    """A page's text, with the table of lessons between its two markers made afresh."""
    parts = re.split(r"(<!-- lessons[^>]*-->\n)(?s:.*?)(<!-- end of lessons -->)", page.read_text(encoding="utf-8"))
    if len(parts) != 4:
        raise ValueError(
            f"{page.name}: the table of lessons needs `<!-- lessons -->` above and `<!-- end of lessons -->` below"
        )

    def address(source: Path) -> str:
        return Path(os.path.relpath(NOTEBOOKS / f"{source.stem}.ipynb", page.parent)).as_posix()

    table = table_of_lessons([*sources(), CLASS], address)
    return f"{parts[0]}{parts[1]}\n{table}\n\n{parts[2]}{parts[3]}"


def start_page(text: str) -> nbformat.NotebookNode:
    """The page that `make lab` opens: notebooks/README.md, where JupyterLab shows it formatted."""
    return finished(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text.strip())]))


def everything() -> dict[Path, str]:
    """Every generated file with its content."""
    files, known = {}, {}
    for source in [*sources(), CLASS]:
        for solved, folder in ((False, NOTEBOOKS), (True, NOTEBOOKS / "solutions")):
            files[folder / f"{source.stem}.ipynb"] = nbformat.writes(make(source, solved=solved)) + "\n"
        known |= solutions(source)
    files |= {page: with_table(page) for page in (ROOT / "README.md", NOTEBOOKS / "README.md")}
    files[NOTEBOOKS / "start.ipynb"] = nbformat.writes(start_page(files[NOTEBOOKS / "README.md"])) + "\n"
    files[SOLUTIONS] = json.dumps(known, indent=1, sort_keys=True) + "\n"
    return files


def leaks(learner: nbformat.NotebookNode, solution: str, stub: str) -> list[str]:
    """Lines of a solution that stand in a learner's copy, apart from those that its stub gives away."""
    given = {line.strip() for line in stub.splitlines()}
    lines = {line.strip() for cell in learner.cells for line in cell.source.splitlines()}
    # what any code may hold, "for _ in range(steps):" say, tells nothing
    telling = (line.strip() for line in solution.splitlines() if re.search(r"[^=!<>]=[^=]|return ", line))
    return [line for line in telling if len(line) >= 15 and line in lines - given]


def main() -> None:
    """Write the generated files, or with --check compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not up to date")
    check = parser.parse_args().check
    missing = [f"{source.name} lacks {lack}" for source in sources() for lack in lacks(source)]
    print(*missing, sep="\n", end="\n" if missing else "")
    stale = []
    try:
        files = everything()
    except ValueError as error:  # a header or a tag, to be mended where it says
        sys.exit(str(error))
    for path, content in files.items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(path.relative_to(ROOT))
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
    print(*(f"{'stale' if check else 'wrote'} {path}" for path in stale) if stale else ("all up to date",), sep="\n")
    if check and stale:
        sys.exit("Run `make notebooks` and commit what it writes.")
    if check and missing:
        sys.exit("A lesson lacks what is named above.")


if __name__ == "__main__":
    main()
