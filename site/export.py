"""Runs a solved lesson, and keeps what it showed: its outputs, and every state of its widgets.

What was kept is used again as long as nothing that the lesson depends on has changed: its text, the package without the
other lessons' rooms, the libraries that compute and draw.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import slides
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "notebooks"))
import build  # noqa: E402

LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "pillow", "ipywidgets")
SECONDS = 120  # that a cell may take
STATES = 2000  # of all widgets together


def fingerprint(source: Path) -> str:
    """What a lesson's pictures depend on, as a few characters."""
    digest = hashlib.sha256(nbformat.writes(build.make(source, solved=True)).encode())
    rooms, own = ROOT / "samlib" / "course" / "lessons", source.stem[3:]
    files = sorted(path for path in (ROOT / "samlib").rglob("*") if path.suffix in (".py", ".json"))
    for path in [*files, HERE / "in_kernel.py"]:
        foreign = path.is_relative_to(rooms) and path.parent not in (rooms, rooms / own)
        if source == build.CLASS or not foreign:  # the single class takes parts of several lessons
            digest.update(path.read_bytes())
    digest.update(json.dumps([slides.of_lesson(source), *map(version, LIBRARIES)]).encode())
    return digest.hexdigest()[:16]


def export(source: Path, kept: Path) -> Path:
    """The folder in `kept` with lesson.ipynb, run, widgets/MODEL for each widget, and slides; made now, or kept."""
    place = kept / f"{source.stem}-{fingerprint(source)}"
    if place.exists():
        return place
    unfinished = place.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    notebook = build.make(source, solved=True)
    run(notebook, unfinished, slides.of_lesson(source))
    nbformat.write(notebook, unfinished / "lesson.ipynb")
    for older in kept.glob(f"{source.stem}-*"):
        if older != unfinished:
            shutil.rmtree(older)
    unfinished.rename(place)
    return place


def run(notebook: nbformat.NotebookNode, folder: Path, pictures: list[dict[str, Any]]) -> None:
    """Run all cells, then hand out the widgets and the slides' pictures; the notebook keeps its own cells' outputs."""
    quiet = ["--log-level=ERROR"]  # newer kernels warn, each, that they are reached by TCP; a cell's error is raised
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", extra_arguments=quiet)
    code = f"""import sys
sys.path.insert(0, {str(HERE)!r})
import in_kernel
in_kernel.hand_out({str(folder / "widgets")!r})
in_kernel.draw_slides({str(folder / "slides")!r}, {pictures!r})"""
    with client.setup_kernel():
        for i, cell in enumerate(notebook.cells):
            client.execute_cell(cell, i)
        client.timeout = 10 * SECONDS
        notebook.cells.append(nbformat.v4.new_code_cell(code))
        client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
    del notebook.cells[-1]


def read_widget(place: Path) -> dict:
    """What was handed out of a widget; a state that is missing, or has no picture or no text, is an error."""
    widget = json.loads((place / "widget.json").read_text(encoding="utf-8"))
    if widget["kind"] == "question":
        return widget
    wanted = 1
    for control in widget["controls"].values():
        wanted *= len(control["options"])
    if len(widget["states"]) != wanted:
        raise ValueError(f"{place}: {len(widget['states'])} states are there; its controls have {wanted}.")
    for name, alt in widget["states"]:
        if not (place / name).is_file() or not alt.strip():
            raise ValueError(f"{place}: the state {name} ({alt!r}) has no picture, or no text.")
    return widget
