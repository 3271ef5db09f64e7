"""The pages as a reader has them: opened from the disk in headless Chromium, with the network off."""

from __future__ import annotations

import contextlib
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tests.browser.lab import CHROMIUM, FLAGS, playwright

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "site"))

FORCED = {"search": {"page-has-heading-one"}}  # what the theme leaves no way around, none of it serious
SIZES = {"wide": (1280, "light"), "narrow": (390, "dark")}

# How long after an input its picture is decoded and drawn, in ms.
TIMED = """
form => { window.timed = []; form.addEventListener('input', () => {
  const began = performance.now();
  form.querySelector('img').decode().catch(() => null).then(() =>
      requestAnimationFrame(() => window.timed.push(performance.now() - began)));
}); }
"""
HEADINGS = "() => [...document.querySelectorAll('article :is(h1, h2, h3, h4, h5, h6)')].map(h => Number(h.tagName[1]))"


@dataclass
class Reading:
    """One page opened: what was asked for before anything was scrolled, and everything that went wrong."""

    page: Any
    faults: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def first_view(self) -> int:
        """Bytes of all files that the page has asked for so far."""
        return sum(Path(unquote(urlparse(address).path)).stat().st_size for address in self.asked)


@contextlib.contextmanager
def reader(size: str) -> Iterator[Any]:
    """A browser window that is wide and light, or narrow and dark."""
    width, scheme = SIZES[size]
    browser = playwright().chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    finally:
        browser.close()


@contextlib.contextmanager
def opened(window: Any, file: Path, query: str = "") -> Iterator[Reading]:
    """A page, with its faults written down: errors, files that are missing, requests to the outside."""
    page = window.new_page()
    reading = Reading(page)
    page.on("pageerror", lambda error: reading.faults.append(f"error: {error}"))
    page.on("requestfailed", lambda request: reading.faults.append(f"failed: {request.url}"))
    page.on("console", lambda said: reading.faults.append(f"said: {said.text}") if said.type == "error" else None)

    def asked(request: Any) -> None:
        if request.url.startswith("file:"):
            reading.asked.add(request.url.partition("?")[0])
        elif not request.url.startswith("data:"):
            reading.faults.append(f"asked the outside: {request.url}")

    page.on("request", asked)
    try:
        page.goto(file.as_uri() + query)
        page.wait_for_load_state("networkidle")
        yield reading
    finally:
        page.close()


def look(reading: Reading, name: str) -> list[str]:
    """What is wrong with a page as a whole: sideways scrolling, order of headings, what axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    found, page = [], reading.page
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > (given := page.viewport_size["width"]):
        found.append(f"{wide} px wide, and {given} are there")
    levels = page.evaluate(HEADINGS)
    if any(b > a + 1 for a, b in zip([0, *levels], levels, strict=False)) or levels.count(1) > 1:
        found.append(f"headings out of order: {levels}")
    for violation in Axe().run(page).response["violations"]:
        if violation["id"] not in FORCED.get(name, set()):
            node = violation["nodes"][0]["html"][:120]
            found.append(f"{violation['impact']}: {violation['id']}, {len(violation['nodes'])} times, as in {node}")
    return found


def operate(page: Any, name: str, widget: dict[str, Any]) -> tuple[list[str], list[float]]:
    """Move every control of a player to each of its values; faults, and ms from each input to its picture."""
    form, faults = page.locator(f'form.player[id="{name}"]'), []
    form.scroll_into_view_if_needed()
    page.wait_for_selector(f'form.player[id="{name}"][data-ready]')
    form.evaluate(TIMED)
    controls, spoken = widget["controls"], ""  # nothing is said before something has moved
    for key, control in controls.items():
        before = control["at"]
        for value in [*range(len(control["options"])), control["at"]]:
            move(page, f"{name}.{key}", control["kind"], value)
            at = {other: value if other == key else its["at"] for other, its in controls.items()}
            file, text = widget["states"][number(controls, at)]
            spoken, before = (text if value != before else spoken), value
            shown = f"{key} = {control['options'][value]}"
            picture = form.locator("img")
            if not picture.get_attribute("src").endswith(f"/pictures/{file}"):
                faults.append(f"{name}: {shown} shows {picture.get_attribute('src')} in place of {file}")
            if not picture.evaluate("img => img.decode().then(() => img.naturalWidth > 0, () => false)"):
                faults.append(f"{name}: {shown} has a picture that cannot be drawn")
            said = form.locator(".said").inner_text().strip()
            if picture.get_attribute("alt") != text or said not in (spoken.strip(), text.strip()):
                faults.append(f"{name}: {shown} says {picture.get_attribute('alt')!r} in place of {text!r}")
    return faults, page.evaluate("window.timed")


def number(controls: dict[str, Any], at: dict[str, int]) -> int:
    """Which state it is: the last control counts the ones, as in itertools.product."""
    state = 0
    for key, control in controls.items():
        state = state * len(control["options"]) + at[key]
    return state


def move(page: Any, key: str, kind: str, value: int) -> None:
    """Move a control, with the keyboard where it is a slider."""
    if kind == "slider":
        slider = page.locator(f'input[id="{key}"]')
        slider.focus()
        steps = value - int(slider.input_value())
        for _ in range(abs(steps)):
            page.keyboard.press("ArrowRight" if steps > 0 else "ArrowLeft")
    elif kind == "dropdown":
        page.locator(f'select[id="{key}"]').select_option(index=value)
    else:
        page.locator(f'input[name="{key}"][value="{value}"]').check(force=True)


def dead_controls(name: str, widget: dict[str, Any]) -> list[str]:
    """Controls that change no picture, wherever the others stand."""
    pictures, dead, repeat = [file for file, _ in widget["states"]], [], len(widget["states"])
    for key, control in widget["controls"].items():
        repeat //= len(control["options"])
        count = len(control["options"])
        groups = {}
        for i, picture in enumerate(pictures):
            groups.setdefault((i // (repeat * count), i % repeat), set()).add(picture)
        if all(len(group) == 1 for group in groups.values()):
            dead.append(f"{name}: {key} changes nothing")
    return dead


def median(latencies: list[float]) -> float:
    """The median, in ms."""
    return statistics.median(latencies)


class Links(HTMLParser):
    """Addresses and ids in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.append(value)
            elif name == "id" and value:
                self.ids.add(value)


def broken_links(site: Path) -> list[str]:
    """Addresses inside the site that lead nowhere; those to the outside must be https."""
    pages = {file: Links(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}
    broken = []
    for file, links in pages.items():
        for address in links.addresses:
            if re.match(r"(https|mailto|data):", address):
                continue
            path, anchor = urlparse(address).path, urlparse(address).fragment
            target = (file.parent / unquote(path)).resolve() if path else file
            if not target.is_file() or (anchor and target in pages and unquote(anchor) not in pages[target].ids):
                broken.append(f"{file.relative_to(site)}: {address}")
    return broken
