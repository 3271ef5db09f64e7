"""The whole site: every page, every control of every widget, in a browser with no kernel and no network."""

from __future__ import annotations

import html
import os
import re

import pytest

from tests.browser.lab import CHROMIUM
from tests.site.reader import SIZES, broken_links, dead_controls, look, median, opened, operate, reader

import make  # isort: skip  (of site/, which the reader puts on the path)

pytestmark = [pytest.mark.long, pytest.mark.browser]
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
BUILD = make.ROOT / "build"
SITE = BUILD / "site"
MIB = 2**20
OTHERS = ["index", "glossary", "results", "api", "runs", "search", "genindex", "py-modindex"]
LESSONS = [*make.build.sources(), make.build.CLASS]
NAMES = [*OTHERS, *make.TEACHING, *(f"lessons/{source.stem}" for source in LESSONS)]


@pytest.fixture(scope="module")
def pages(request):
    """The whole site, as `make site` makes it; by name of a lesson, its page."""
    if CHROMIUM is None:
        if request.config.getoption("--require-browser"):
            pytest.fail("There is no Chromium on this machine, and --require-browser was given.")
        pytest.skip("There is no Chromium on this machine.")
    made = make.make(LESSONS, SITE, BUILD / "site-source", BUILD / "site-kept")
    return {page.source.stem: page for page in made}


@pytest.fixture(scope="module", params=SIZES)
def window(pages, request):
    with reader(request.param) as opened_window:
        yield opened_window


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_within_reach_of_everyone(window, name):
    with opened(window, SITE / f"{name}.html") as reading:
        if name.startswith("lessons/") or name == "index":
            assert reading.first_view() <= MIB, f"{reading.first_view() / MIB:.2f} MiB"
        assert reading.faults == []
        assert look(reading, name) == []  # last: axe-core asks for files by itself


@pytest.mark.parametrize("window", ["wide"], indirect=True)
@pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)
def test_every_control_of_a_lesson_plays_at_every_value(pages, window, source, record_property):
    page = pages[source.stem]
    assert len(page.players) >= 3 or source == make.build.sources()[0]
    latencies = []
    with opened(window, SITE / "lessons" / f"{source.stem}.html") as reading:
        for name, widget in page.players.items():
            faults, times = operate(reading.page, name, widget)
            assert faults == dead_controls(name, widget) == []
            latencies += times
        assert reading.faults == []
    record_property("median ms from key to picture", round(median(latencies), 1))
    # beside other tests the machine is busy
    assert median(latencies) <= (100 if WORKER == "alone" else 400), "ms from key to picture"


def test_all_pages_together_are_small_and_every_link_leads_somewhere(pages):
    size = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
    assert size <= 60 * MIB, f"{size / MIB:.0f} MiB"
    assert broken_links(SITE) == []


def test_the_font_of_the_pages_has_every_sign_of_their_formulas(pages):
    style = (SITE / "_static" / "player.css").read_text(encoding="utf-8")
    (listed,) = re.findall(r"unicode-range: ([^;]*);", style)
    ranges = [[int(end, 16) for end in re.split("-", one)] for one in re.findall(r"U\+([\dA-F-]+)", listed)]
    formulas = {one for page in SITE.rglob("*.html") for one in re.findall("<math.*?</math>", page.read_text("utf-8"))}
    signs = set(html.unescape(re.sub("<[^>]*>", "", "".join(formulas))))
    assert len(signs) > 50
    missing = {sign for sign in signs if not any(low <= ord(sign) <= high for low, high in ranges)}
    assert missing == set()


def test_search_finds_a_word_with_the_network_off(window):
    with opened(window, SITE / "search.html", "?q=sharpness") as reading:
        reading.page.wait_for_selector("#search-results li a")
        found = reading.page.locator("#search-results li a").all_inner_texts()
        assert any("02" in title for title in found), found
        assert reading.faults == []
