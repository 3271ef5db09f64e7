"""A small site, made of one planted lesson: widgets play, questions answer, and a state that is missing is found."""

from __future__ import annotations

import contextlib
import json
import re
import shutil

import pytest
from PIL import Image

from samlib.course import style, widgets
from tests.browser.lab import CHROMIUM
from tests.site.reader import broken_links, dead_controls, look, number, opened, operate, reader

import make  # isort: skip  (of site/, which the reader puts on the path)
import export  # isort: skip
import in_kernel  # isort: skip

LESSON = """
# ---
# jupyter:
#   samlib:
#     title: A small one
#     part: core
#     minutes: 5
#     difficulty: easy
#     device: any
#     finds: that pages play
# ---

# %% [markdown]
# ## 1 · A section
#
# A formula $x^2$, and one by itself:
#
# $$\\\\max_{\\\\lVert u\\\\rVert \\\\le \\\\rho} L(w + u)$$

# %%
from samlib.course import style, widgets

fig = style.figure(2, 4)
text = fig.text(0.1, 0.5, "")


def draw(a, b, c, text=text):
    text.set_text(f"{a} {b} {c}")
    return f"The picture shows {a}, {b} and {c}."


a, b = widgets.choice_slider("a: a number", (1, 2, 3), 2), widgets.toggle("b: a word", ["one", "two"], "one")
widgets.live(fig, draw, {"a": a, "b": b, "c": widgets.dropdown("c: a pair", [("x", 10), ("y", 20)], 20)})


# %%
def work(report, speed, text=text):
    for i in range(3):
        text.set_text(f"run {speed} {i}")
        report(f"This is step {i} at speed {speed}.")
    return f"The end at speed {speed}."


speed = {"speed": widgets.choice_slider("speed: of the run", (1, 5), 5)}
widgets.Work("Train", 3, work, fig, speed, recorded={"speed": (1, 5)})

# %%
widgets.question("Which is it?", {"this": "Because it is.", "that": "It is not."}, "this")

# %% tags=["stub"]
answer = ...

# %% tags=["solution", "exercise:small/answer"]
answer = 42
print("the answer is", answer)

# %%
widgets.still(fig, "a still picture of something")

# %%
from IPython.display import Markdown

Markdown("a *marked* word")
"""

SLIDES = {"09": [{"file": "three", "widget": "draw", "state": {"a": "3", "c": "x"}}]}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The site, its one page, and where the lesson was kept."""
    folder = tmp_path_factory.mktemp("small")
    source = folder / "09_small.py"
    source.write_text(LESSON.lstrip().replace("\\\\\\\\", "\\\\"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(make.slides, "wanted", lambda: SLIDES)
        (page,) = make.make([source], folder / "site", folder / "work", folder / "kept")
        yield folder, page


@pytest.mark.slow
def test_every_state_of_a_widget_is_handed_out_with_the_picture_and_the_text_of_the_notebook(small):
    _, page = small
    live, work = page.players["widget"], page.players["widget_"]
    assert len(live["states"]) == 3 * 2 * 2
    assert len({file for file, _ in live["states"]}) == 12
    assert live["states"][number(live["controls"], {"a": 2, "b": 1, "c": 0})][1] == "The picture shows 3, two and 10."
    assert [control["at"] for control in live["controls"].values()] == [1, 0, 1]
    assert [text for _, text in work["states"]] == [
        *(f"This is step {i} at speed 1." for i in range(3)),
        "The end at speed 1.",
        *(f"This is step {i} at speed 5." for i in range(3)),
        "The end at speed 5.",
    ]
    assert dead_controls("live", live) == dead_controls("work", work) == []


@pytest.mark.slow
def test_a_state_that_is_missing_or_has_no_picture_or_no_text_fails_the_build(small, tmp_path):
    folder, page = small
    (place,) = (folder / "kept").glob("09_small-*")
    for fault in ("state", "picture", "text"):
        kept = tmp_path / fault / place.name
        shutil.copytree(place, kept)
        (file,) = [f for f in kept.glob("widgets/*/widget.json") if '"live"' in f.read_text(encoding="utf-8")]
        widget = json.loads(file.read_text(encoding="utf-8"))
        if fault == "state":
            del widget["states"][3]
        elif fault == "picture":
            (file.parent / widget["states"][3][0]).unlink()
        else:
            widget["states"][3][1] = " "
        file.write_text(json.dumps(widget), encoding="utf-8")
        with pytest.raises(ValueError, match=r"states are there|no picture, or no text"):
            make.make([page.source], tmp_path / "site", tmp_path / "work", tmp_path / fault)


@pytest.mark.parametrize(
    ("at", "fault"), [(0.7, None), (0.105, "'a' and 'b' lie on one another"), (0.999, "'b' is cut")]
)
def test_words_that_lie_on_one_another_or_are_cut_off_are_found(at, fault):
    with style.look():
        fig = style.figure(2.0, 4.0)
        fig.text(0.1, 0.5, "a")
        fig.text(0.7, 0.5, "hidden", visible=False)
        other = fig.text(0.5, 0.5, "b")
    fig.moving = [other]

    def draw(x):
        other.set_x(x)
        return f"The other word stands at {x}."

    live = widgets.live(fig, draw, {"x": widgets.choice_slider("x: where it stands", (0.5, at), 0.5)})
    states = [(in_kernel.name_of(pixels), alt) for _, pixels, alt in live.states()]
    with pytest.raises(ValueError, match=fault) if fault else contextlib.nullcontext():
        in_kernel.compare(live, states)


@pytest.mark.slow
def test_a_picture_for_slides_comes_with_its_text_and_a_small_copy(small, tmp_path):
    folder, _ = small
    place = folder / "site" / "slides"
    with Image.open(place / "09_three.png") as picture:
        assert picture.width == 4 * style.DPI
    assert (place / "09_three.txt").read_text() == "The picture shows 3, one and 10.\n"
    assert (place / "09_three.webp").is_file()
    table = make.slides.with_pictures("| `09_three` | what | why |\n| `00_left_out` | a | b |\n", place)
    assert 'alt="The picture shows 3, one and 10."' in table
    assert 'href="../slides/09_three.png" download' in table
    assert table.endswith("| what | why |\n| `00_left_out` | a | b |\n")


@pytest.mark.slow
def test_an_unchanged_lesson_is_not_run_again(small, monkeypatch):
    folder, page = small
    monkeypatch.setattr(export, "run", lambda *args: pytest.fail("it was run again"))
    assert export.export(page.source, folder / "kept") == page.kept


def test_a_lesson_depends_on_its_text_and_its_room_and_the_core_and_not_on_other_rooms(tmp_path, monkeypatch):
    source = export.build.sources()[0]
    before = export.fingerprint(source)
    root = tmp_path / "root"
    shutil.copytree(export.ROOT / "samlib", root / "samlib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(export, "ROOT", root)
    assert export.fingerprint(source) == before

    def changed(name: str) -> bool:
        file = root / "samlib" / name
        text = file.read_text(encoding="utf-8")
        file.write_text(text + "\n# changed\n", encoding="utf-8")
        found = export.fingerprint(source) != before
        file.write_text(text, encoding="utf-8")
        return found

    assert changed("sam.py")
    assert changed("course/style.py")
    assert changed("course/results/methods.json")
    assert changed(f"course/lessons/{source.stem[3:]}/__init__.py")
    assert not changed("course/lessons/sam_alone/__init__.py")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_page_plays_with_no_kernel_and_no_network_for_everyone(small):
    folder, page = small
    file = folder / "site" / "lessons" / "09_small.html"
    for size in ("wide", "narrow"):
        with reader(size) as window, opened(window, file) as reading:
            for name, widget in page.players.items():
                faults, latencies = operate(reading.page, name, widget)
                assert faults == []
                assert len(latencies) >= 5
            assert reading.page.locator("details.solution").count() == 1
            assert "the answer is 42" in reading.page.locator("details.solution").text_content()
            assert reading.page.locator("math").count() == 2
            fonts = reading.page.evaluate("[...document.fonts].map(font => font.family + ' ' + font.status)")
            assert fonts == ["STIX Two Math loaded"]
            assert reading.page.locator("em", has_text="marked").count() == 1
            assert reading.faults == []
            assert look(reading, "lesson") == []  # last: axe-core asks for files by itself


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_an_address_brings_a_state_back_a_run_plays_and_a_question_answers(small):
    folder, _ = small
    file = folder / "site" / "lessons" / "09_small.html"
    with reader("wide") as window:
        with opened(window, file) as reading:
            form = reading.page.locator('form.player[id="widget"]')
            form.scroll_into_view_if_needed()
            reading.page.wait_for_selector('form.player[id="widget"][data-ready]')
            reading.page.locator('select[id="widget.c"]').select_option(index=0)
            reading.page.wait_for_url("**widget.c=x**")
            address = reading.page.evaluate("location.search")
            question = reading.page.locator("form.question")
            assert question.locator("button").is_disabled()
            question.locator("input").nth(1).check()
            question.locator("button").click()
            assert "Not so" in question.locator(".reply").inner_text()
            assert "The answer is: this" in question.locator(".reply").inner_text()
            assert question.locator("input").first.is_disabled()
            run = reading.page.locator('form.player[id="widget_"]')
            run.scroll_into_view_if_needed()
            reading.page.wait_for_selector('form.player[id="widget_"][data-ready]')
            run.locator("button").click()
            assert run.locator("img").get_attribute("alt") == "This is step 0 at speed 5."
            reading.page.wait_for_function(
                "document.getElementById('widget_').querySelector('button').innerText == 'Play'"
            )
            assert run.locator("img").get_attribute("alt") == "The end at speed 5."
            assert reading.faults == []
        with opened(window, file, address) as reading:
            reading.page.locator('form.player[id="widget"]').scroll_into_view_if_needed()
            reading.page.wait_for_selector('form.player[id="widget"][data-ready]')
            picture = reading.page.locator('form.player[id="widget"] img')
            assert picture.get_attribute("alt") == "The picture shows 2, one and 10."


@pytest.mark.slow
def test_the_other_pages_are_there_and_no_link_leads_nowhere_but_to_lessons_that_were_left_out(small):
    folder, _ = small
    site = folder / "site"
    for name in ("index", "glossary", "results", "api", "runs", "search", "lessons/09_small"):
        assert (site / f"{name}.html").is_file(), name
    assert (site / "notebooks" / "09_small.ipynb").is_file()
    broken = broken_links(site)
    assert all("lessons/" in link for link in broken), broken
    learner = (site / "notebooks" / "09_small.ipynb").read_text(encoding="utf-8")
    assert "42" not in learner
    api = (site / "api.html").read_text(encoding="utf-8")
    for documented in (
        "samlib.sam.SAM",
        "samlib.attacks.pgd",
        "samlib.evaluation.evaluate",
        "samlib.duality.weight_equivalent",
    ):
        assert f'id="{documented}"' in api, documented
    for table in make.results.names():
        assert table in (site / "results.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_package_is_described_in_its_own_words_and_once(small):
    folder, _ = small
    api = (folder / "site" / "api.html").read_text(encoding="utf-8")
    for foreign in ("Alias for field number", "overridden by all subclasses", "_SupportsArray"):
        assert foreign not in api, foreign
    assert "<strong>x, y</strong>" in api, "arguments that are described together"
    assert "Square margin, 5000 queries" in api, "what a budget's name stands for"
    assert [attack.if_masked for attack in make.BUDGETS["standard"][-2:]] == [False, True], "as the page says"
    ids = re.findall(r'<dt [^>]*id="(samlib[^"]+)"', api)
    assert len(set(ids)) == len(ids) > 100
