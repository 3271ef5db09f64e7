"""One look, set in one place: no room names a colour or a size, and every picture follows when style.py changes."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

import samlib.course.lessons as lessons
from samlib.course import style, widgets
from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG, Verdict
from samlib.course.pictures import Label, Labels, axes
from tests.course.scenes import draw

COURSE, ROOT = Path(lessons.__file__).parents[1], Path(__file__).parents[2]
LITERAL = re.compile(r"""#[0-9a-fA-F]{6}\b|fontsize=[\d.]+(?! \*)|color=["'](?!none)[a-z]""")


def scenes() -> list:
    """Every scene of every room that needs nothing to be shown."""
    found = []
    for module in pkgutil.iter_modules(lessons.__path__):
        room = __import__(f"samlib.course.lessons.{module.name}", fromlist=["*"])
        for name in getattr(room, "__all__", ()):
            thing = getattr(room, name)
            if not inspect.isfunction(thing) or thing.__annotations__.get("return") not in ("widgets.Live", "Live"):
                continue
            if all(p.default is not p.empty for p in inspect.signature(thing).parameters.values()):
                found.append(pytest.param(thing, id=f"{module.name}.{name}"))
    return found


@pytest.mark.parametrize("path", sorted(COURSE.rglob("*.py")), ids=lambda path: str(path.relative_to(COURSE)))
def test_colours_and_sizes_are_named_in_style_alone(path):
    if path.name == "style.py":
        return
    found = [line.strip() for line in path.read_text().splitlines() if LITERAL.search(line)]
    assert found == [], "ask style for it: style.SAM.color, style.QUIET, style.CAPTION"


def contrast(one: str, other: str) -> float:
    """Between two colours "#rrggbb", 1 to 21, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    dark, bright = sorted(map(luminance, (one, other)))
    return (bright + 0.05) / (dark + 0.05)


PAGES = "#ffffff", "#111111"  # of JupyterLab, light and dark


@pytest.mark.parametrize("status", [NOT_ATTEMPTED, WRONG, CORRECT])
def test_a_verdicts_words_have_the_pages_own_colour_and_its_edge_is_seen_on_every_page(status):
    page = Verdict(status, "a message")._repr_html_()
    (edge,) = re.findall(r"#[0-9a-fA-F]{6}", page)
    assert f"border-left: 6px solid {edge}" in page
    assert all(contrast(edge, background) >= 3 for background in PAGES)


def test_a_picture_and_an_error_in_its_place_bring_their_own_paper_along():
    with style.look():
        fig = style.figure(0.5)

    def draw(value):
        assert value != 1, "planted"
        return "A picture of nothing."

    scene = widgets.live(fig, draw, {"value": widgets.toggle("value", [0, 1], 0)})
    paper = f"background: {style.PAPER}"
    assert paper in scene.picture.value
    assert paper in widgets.still(fig, "A picture of nothing.").data
    with pytest.raises(AssertionError, match="planted"):
        scene.controls["value"].value = 1
    assert paper in scene.picture.value
    (words,) = re.findall(r"[ \"]color: (#[0-9a-fA-F]{6})", scene.picture.value)
    assert contrast(words, style.PAPER) >= 4.5


METHODS = (style.SAM, style.AT, style.NOISE)  # SGD's grey may also come from the edge of a letter
METHOD, WORD = (0x12, 0xFE, 0x56), (0xFE, 0x12, 0xA9)  # colours that no figure has


def colours(scene: Callable[[], widgets.Live]) -> set[tuple[int, ...]]:
    picture = scene().picture.fig.pixels()
    return set(map(tuple, np.unique(picture.reshape(-1, 3), axis=0).tolist()))


def follows(scene: Callable[[], widgets.Live], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails unless a scene changes when the colours of methods, or those of words, change in style.py."""
    old = {look: tuple(int(look.color[i : i + 2], 16) for i in (1, 3, 5)) for look in METHODS}
    before = colours(scene)
    used = [look for look in METHODS if old[look] in before]
    settings = [name for name, value in style.SETTINGS.items() if value in (style.INK, style.QUIET)]
    with monkeypatch.context() as changed:
        for look in METHODS:
            changed.setattr(look, "color", "#{:02x}{:02x}{:02x}".format(*METHOD))
        for name in ("INK", "QUIET"):
            changed.setattr(style, name, "#{:02x}{:02x}{:02x}".format(*WORD))
        for name in settings:
            changed.setitem(style.SETTINGS, name, style.INK)
        after = colours(scene)
    assert not {old[look] for look in used} & after
    assert METHOD in after or not used
    words = [text for text in scene().picture.fig.findobj(Text) if text.get_text() and text.get_visible()]
    black = [text.get_text() for text in words if to_hex(text.get_color()) == "#000000"]
    assert black == [], "words in matplotlib's own black: make figure and axes inside `with style.look():`"
    assert WORD in after, "no word has a colour of style.py: style.INK, style.QUIET"


@pytest.mark.slow
@pytest.mark.parametrize("scene", scenes())
def test_every_figure_follows_when_a_colour_changes_once(scene, monkeypatch):
    follows(scene, monkeypatch)


def guides_widget(**changed: str) -> Callable[[], widgets.Live]:
    """The widget of CONTRIBUTING.md, with some of its words replaced."""
    code = re.search(r"```python\n(def parabola.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    for old, new in changed.items():
        assert old in code
        code = code.replace(old, new)
    space = {"np": np, "style": style, "widgets": widgets, "axes": axes}
    exec(compile(code, "CONTRIBUTING.md", "exec"), space)
    return space["parabola"]


def test_the_guides_widget_works_and_follows_with_a_methods_colour_or_without(monkeypatch):
    for scene in (guides_widget(), guides_widget(**{"**style.SAM.marks()": '"o", color=style.INK'})):
        follows(scene, monkeypatch)
        assert draw(scene(), x=2) == "At x = 2 the parabola is 4."


@pytest.mark.parametrize(
    ("old", "new"),
    [("**style.SAM.marks()", f'"s", color="{style.SAM.color}"'), ("with style.look():", "if True:")],
)
def test_a_figure_that_does_not_follow_is_found(monkeypatch, old, new):
    with pytest.raises(AssertionError):
        follows(guides_widget(**{old: new}), monkeypatch)


def test_the_look_does_not_depend_on_the_learners_own_settings(monkeypatch):
    import matplotlib

    def picture():
        with style.look():
            fig = style.figure(2.0)
            ax = axes(fig, 40, 20, 700, 150)
            ax.plot([0, 1], [0, 1])
            ax.set_xlabel("words")
        return fig.pixels().copy()

    before = picture()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20, "lines.linewidth": 9, "axes.grid": True}):
        again = picture()
        assert matplotlib.rcParams["font.size"] == 20
    assert np.array_equal(before, again)


def test_labels_cover_neither_curves_nor_each_other_and_stay_inside():
    with style.look():
        fig = style.figure(3.0)
        ax = axes(fig, 40, 20, 760, 240)
        ax.set(xlim=(0, 1), ylim=(0, 100))
        x = np.linspace(0, 1, 30)
        curves = [np.column_stack([x, top * np.exp(-k * x)]) for top, k in ((98, 3.0), (97, 3.6), (99, 1.0))]
        labels = Labels(ax)
        names = ["SGD", "SAM", "AT"]
        labels.show([Label(n, c, style.of(n), "a second line") for n, c in zip(names, curves, strict=True)], curves)
        fig.pixels()
        boxes = [
            part.get_window_extent()
            for block in labels.blocks
            for part in (block.text, block.said)
            if part.get_visible()
        ]
        frame = ax.get_window_extent()
        assert len(boxes) == 6
        for i, box in enumerate(boxes):
            assert frame.x0 - 1 <= box.x0
            assert box.x1 <= frame.x1 + 1
            assert frame.y0 - 1 <= box.y0
            assert box.y1 <= frame.y1 + 1
            for curve in curves:
                fine = np.column_stack([np.linspace(0, 1, 800), np.interp(np.linspace(0, 1, 800), *curve.T)])
                assert not box.count_contains(ax.transData.transform(fine))
            for other in boxes[i + 1 :]:
                assert not box.shrunk(0.9, 0.8).overlaps(other.shrunk(0.9, 0.8))


def test_states_hand_out_every_picture_with_its_text_and_leave_the_controls_alone():
    with style.look():
        fig = style.figure(1.0)
        text = fig.text(0.5, 0.5, "")

    def draw(a, b):
        text.set_text(f"{a} {b}")
        return f"The values are {a} and {b}."

    scene = widgets.live(
        fig,
        draw,
        {"a": widgets.choice_slider("a: a number", [1, 2, 3], 2), "b": widgets.toggle("b: a word", ["x", "y"], "y")},
    )
    shown = scene.picture.value
    states = list(scene.states())
    assert [values for values, _, _ in states] == [{"a": a, "b": b} for a in (1, 2, 3) for b in "xy"]
    assert len({pixels.tobytes() for _, pixels, _ in states}) == 6
    assert states[0][2] == "The values are 1 and x."
    assert scene.picture.value == shown
    assert "The values are 3 and x." in scene.still(a=3, b="x").data


@pytest.mark.parametrize(
    ("counts", "fault"), [((2, 2, 2, 2, 2), "5 with 32 states"), ((21, 10), "2 with 210 states"), ((20, 10), None)]
)
def test_a_widget_with_too_many_controls_or_states_is_refused(counts, fault):
    controls = {name: widgets.choice_slider("a value", range(n), 0) for name, n in zip("abcde", counts, strict=False)}
    if fault is None:
        assert len(list(controls)) == len(
            widgets.live(style.figure(1), lambda **_: "some words here", controls).controls
        )
        return
    with pytest.raises(ValueError, match=fault):
        widgets.live(style.figure(1), lambda **_: "some words here", controls)
