"""Every lesson works in a real browser, guards included: nothing fails, is dead or slow, with the keyboard alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import nbformat
import pytest

from tests.browser.lab import CHROMIUM, Lab, open_lab
from tests.notebooks import lesson_copies

SLOWEST = 300.0  # ms from key to picture, in the median, on a machine with nothing else to do


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab and one browser for all lessons that a process visits."""
    if CHROMIUM is None:
        if request.config.getoption("--require-browser"):
            pytest.fail("There is no Chromium on this machine, and --require-browser was given.")
        pytest.skip("There is no Chromium on this machine.")
    with open_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


def allowed() -> float:
    """On a machine that is busy with other tests a picture takes longer."""
    return SLOWEST * (3 if os.environ.get("PYTEST_XDIST_WORKER") else 1)


# the single class shows lessons' own widgets once more
LESSONS = [
    pytest.param(path, marks=[pytest.mark.long] * path.stem.startswith("class")) for path in lesson_copies.SOURCES
]


@pytest.mark.browser
@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_every_control_of_a_lesson_works(source, lab, tmp_path, record_property):
    lesson = tmp_path / "root" / f"{source.stem}.ipynb"
    lesson.parent.mkdir()
    nbformat.write(lesson_copies.tested_copy(source, "both", swept=False), lesson)
    report = lab.visit(lesson, tmp_path)
    for control in report.controls:
        record_property(f"{control.kind} {control.label}", [ms and round(ms) for ms in control.latencies])
    assert report.faults(allowed()) == []
    seen = [f"{control.kind} {control.label!r}" for control in report.controls]
    assert len(seen) >= 3, f"a lesson has at least three controls; this one has {seen}"


CELL = """
from samlib.course import style, widgets
fig = style.figure(2, 2)
text = fig.text(0.5, 0.5, "")
def draw(value, text=text):
    {fault}
    text.set_text(str(value))
    return f"The value is {{value}}."
widgets.live(fig, draw, {{"value": widgets.choice_slider("{label}", range(5), 0)}})
"""
PLANTED = {
    "sound": "pass",
    "failing": "assert value != 3, 'planted'",
    "dead": "value = 0",
    "slow": "import time; time.sleep(1.2 * (value > 0))",
}


@pytest.mark.browser
def test_the_harness_catches_errors_a_dead_slider_and_a_slow_redraw_and_nothing_else(lab, tmp_path):
    codes = [CELL.format(fault=f, label=name).strip() for name, f in PLANTED.items()]
    codes += ["import sys; print('no fault', file=sys.stderr)", "assert 1 > 2, 'a guard'", "'not reached'"]
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = tmp_path / "root" / "planted.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    faults = lab.visit(path, tmp_path).faults(900.0)
    for expected in (
        r"error: slider 'failing' in cell 1.*planted",
        "dead: slider 'dead' in cell 2",
        "slow: slider 'slow' in",
        "error: in cell 5: AssertionError: a guard",
        "error: cell 6 did not run",
    ):
        assert sum(bool(re.search(expected, fault, re.DOTALL)) for fault in faults) >= 1, (expected, faults)
    assert not any("sound" in fault or "no fault" in fault for fault in faults), faults
