"""A lesson in a real browser: JupyterLab, headless Chromium, and a learner who uses the keyboard only."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]

# What a cell shows, as one string, and how long after a key it changes. A picture counts once it is decoded.
WATCH = """
window.shown = cell =>  // pictures and texts; not what a control says of itself
    [...cell.querySelectorAll('.jp-OutputArea-output img')].map(i => i.src).join()
    + [...cell.querySelectorAll('.widget-html-content, .jp-RenderedText')].map(e => e.innerText).join();
window.timeChange = (cell, timeout) => {
  const before = window.shown(cell);
  window.change = new Promise(resolve => {
    let start = null;
    document.addEventListener('keydown', () => { start = start ?? performance.now(); }, {capture: true, once: true});
    const done = ms => { observer.disconnect(); clearTimeout(timer); resolve(ms); };
    const observer = new MutationObserver(async () => {
      if (window.shown(cell) === before || start === null) return;
      await Promise.all([...cell.querySelectorAll('img')].map(i => i.decode().catch(() => null)));
      requestAnimationFrame(() => done(performance.now() - start));
    });
    observer.observe(cell, {subtree: true, childList: true, attributes: true, characterData: true});
    const timer = setTimeout(() => done(null), timeout);
  });
};
null
"""
# Where a control stands: a key that leaves it there changes no picture.
STANDS = (
    "e => e.ariaValueNow ?? e.selectedIndex ?? (e.type === 'radio' ? e.checked : e.classList.contains('mod-active'))"
)
# What went wrong in the cells, by the notebook itself: how an error is shown differs between versions of JupyterLab.
OUTCOMES = """
() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model).flatMap((model, i) => {
  if (model.type !== 'code') return [];
  const errors = model.outputs.toJSON().filter(output => output.output_type === 'error');
  return errors.map(e => `in cell ${i}: ${e.ename}: ${e.evalue}`)
    .concat(model.executionCount === null ? [`cell ${i} did not run`] : []);
})
"""
# Where the labels of a widget end and its controls begin, in pixels from the left.
COLUMNS = """
() => [...document.querySelectorAll('.samlib-controls')].map(box =>
    [...box.children].filter(row => row.querySelector('.widget-label') && !row.querySelector('style')).map(row => ({
        label: row.querySelector('.widget-label').innerText,
        ends: Math.round(row.querySelector('.widget-label').getBoundingClientRect().right),
        begins: Math.round(row.querySelector('.noUi-target, select, button').getBoundingClientRect().left)})))
"""
CUT = """
() => [...document.querySelectorAll('.samlib-controls :is(.widget-label, .widget-button, .widget-toggle-button)')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map(e => e.innerText)
"""
CONTROLS = ".noUi-handle, .widget-dropdown select, .widget-radio-box, .widget-toggle-buttons, .widget-button"


@dataclass
class Control:
    """One control of a cell: what it is, and how long the picture took to follow each key, None where it did not."""

    cell: int
    kind: str
    label: str
    latencies: list[float | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def dead(self) -> bool:
        """No key changed anything."""
        return all(ms is None for ms in self.latencies)

    @property
    def median(self) -> float:
        """The median time from key to picture, in ms."""
        return statistics.median(ms for ms in self.latencies if ms is not None)


@dataclass
class Report:
    """What was seen: errors, and every control."""

    errors: list[str]
    controls: list[Control]

    def faults(self, slowest: float) -> list[str]:
        """Everything that a lesson may not show; `slowest`: the median time that a control may take, in ms."""
        dead = [f"dead: {c.kind} {c.label!r} in cell {c.cell}" for c in self.controls if c.dead]
        slow = [
            f"slow: {c.kind} {c.label!r} in cell {c.cell}, median {c.median:.0f} ms"
            for c in self.controls
            if not c.dead and c.kind != "work" and c.median > slowest
        ]
        return self.errors + [error for c in self.controls for error in c.errors] + dead + slow


@dataclass
class Lab:
    """A JupyterLab and a browser for it, shared by several notebooks."""

    served: Path
    address: str
    context: Any  # of the browser: one for all visits, so that JupyterLab's scripts are fetched and compiled once

    def visit(self, notebook: Path, pictures: Path) -> Report:
        """Open a notebook, run all its cells, and operate each control by keyboard, to both ends and in between.

        A screenshot of every cell that has controls is left in the folder `pictures`.
        """
        shutil.copy(notebook, self.served)  # a copy: JupyterLab saves what it shows, outputs included
        page = self.context.new_page()
        try:
            page.goto(self.address.format(notebook))
            page.wait_for_function(
                "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel", timeout=60_000
            )
            page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.ready")
            page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            page.evaluate(WATCH)
            page.wait_for_timeout(1500)  # widgets are drawn after their cell has ended
            controls = [c for cell in range(page.locator(".jp-Cell").count()) for c in _operate(page, cell, pictures)]
            report = Report(_errors(page) + _ragged(page) + _cut(page), controls)
            page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
            return report
        finally:
            page.close()


@functools.cache
def playwright() -> Any:
    """What drives the browser: one for a process, which bears no second one beside it."""
    from playwright.sync_api import sync_playwright

    started = sync_playwright().start()
    atexit.register(started.stop)
    return started


@contextlib.contextmanager
def open_lab(scratch: Path) -> Iterator[Lab]:
    """A JupyterLab of this environment, and headless Chromium."""
    served = scratch / "served"
    served.mkdir()
    with jupyter_lab(served, scratch) as address:
        browser = playwright().chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(viewport={"width": 1280, "height": 1000}, device_scale_factor=2)
            yield Lab(served, address, context)
        finally:
            browser.close()


@contextlib.contextmanager
def jupyter_lab(root: Path, scratch: Path) -> Iterator[str]:
    """A JupyterLab of this environment that serves `root`; gives its address with the token in it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for name, setting in {
        "notebook-extension/tracker": {"windowingMode": "none"},  # every cell stays in the page, also out of sight
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }.items():
        file = scratch / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(setting))
    token = secrets.token_hex(8)
    options = [f"--port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", "--no-browser"]
    options += ["--allow-root", "--expose-app-in-browser", "--ServerApp.log_level=ERROR"]
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api?token={token}", timeout=2)
                break
            time.sleep(0.25)
        else:
            raise TimeoutError("JupyterLab did not start within a minute.")
        yield f"{address}/lab/workspaces/{{0.stem}}/tree/{{0.name}}?token={token}"  # a workspace for each notebook
    finally:
        server.terminate()
        server.wait(20)


def _errors(page) -> list[str]:
    """Errors of cells, and those that a callback has left in the page; a cell that did not run is one."""
    found = page.evaluate(OUTCOMES)
    left = page.locator(".samlib-error, .lm-Widget.jupyter-widgets-error").all_inner_texts()
    return [f"error: {text.strip().splitlines()[-1]}" for text in found + left]


def _ragged(page) -> list[str]:
    """Widgets whose labels, or whose controls, do not stand in one column."""
    return [
        f"ragged: {rows}"
        for rows in page.evaluate(COLUMNS)
        if len({row["ends"] for row in rows}) > 1 or len({row["begins"] for row in rows}) > 1
    ]


def _cut(page) -> list[str]:
    """Labels and buttons whose words do not fit."""
    return [f"cut off: {text!r}" for text in page.evaluate(CUT)]


def _operate(page, number: int, pictures: Path) -> list[Control]:
    """Operate the controls of one cell; errors that a position shows are kept although a later one may hide them."""
    cell = page.locator(".jp-Cell").nth(number)
    count = cell.locator(CONTROLS).count()
    done = []
    for i in range(count):
        element = cell.locator(CONTROLS).nth(i)
        control, keys = _identify(element, number)
        if control is None:
            continue
        element.scroll_into_view_if_needed()
        for key in keys:
            _press(page, cell, element, control, key)
        done.append(control)
    if done:
        cell.screenshot(path=str(pictures / f"cell{number:02}.png"))
    return done


def _identify(element, number: int) -> tuple[Control | None, list[str]]:
    """What a control is, and the keys that take it to its ends and back."""
    what = element.evaluate(
        """e => { const box = e.closest('.widget-inline-hbox') || e.closest('.jupyter-widgets');
               const label = e.querySelector('.widget-label') || box.querySelector('.widget-label');
        return {tag: e.tagName, disabled: !!e.disabled, text: e.innerText,
                options: e.querySelectorAll ? e.querySelectorAll('button').length : 0,
                positions: e.ariaValueMax ? Number(e.ariaValueMax) - Number(e.ariaValueMin) : 0,
                radios: e.querySelectorAll('input[type=radio]').length,
                toggles: e.classList.contains('widget-toggle-buttons'), label: label ? label.innerText : ''}; }"""
    )
    if what["disabled"] and what["text"] != "Commit":
        return None, []
    if what["tag"] == "SELECT":
        return Control(number, "dropdown", what["label"]), ["End", "Home"]  # JupyterLab keeps the arrow keys for itself
    if what["radios"]:
        return Control(number, "choice", "question"), ["Space"] * what["radios"]
    if what["toggles"]:
        return Control(number, "toggle", what["label"]), ["Space"] * what["options"]
    if what["tag"] == "BUTTON":
        return Control(number, "button" if what["text"] == "Commit" else "work", what["text"]), ["Enter"]
    return Control(number, "slider", what["label"]), [
        "End",
        "Home",
        *["ArrowRight"] * min(round(what["positions"]) or 4, 4),
    ]


def _press(page, cell, element, control: Control, keys: str) -> None:
    """Press a key (or several) on a control and note when its cell changed."""
    work = control.kind == "work"
    handle = cell.element_handle()
    parts = {"toggle": "button", "choice": "input"}.get(control.kind)
    if parts:  # each of its buttons by itself, the last one first: the first one is where it stands already
        element = element.locator(parts).nth(-1 - len(control.latencies))
    element.focus()
    before = None if control.kind in ("button", "work") else element.evaluate(STANDS)
    page.evaluate("([cell, timeout]) => window.timeChange(cell, timeout)", [handle, 60_000 if work else 1500])
    page.keyboard.press(keys)
    if before is not None and element.evaluate(STANDS) == before:  # at its end already: nothing to wait for
        control.latencies.append(None)
        return
    control.latencies.append(page.evaluate("window.change"))
    if work:
        page.wait_for_function("cell => !/Running/.test(cell.innerText)", arg=handle, timeout=120_000)
    for text in cell.locator(".samlib-error").all_inner_texts():
        control.errors.append(
            f"error: {control.kind} {control.label!r} in cell {control.cell}, key {keys}: {text.strip()}"
        )
