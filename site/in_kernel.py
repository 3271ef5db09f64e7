"""Hands out every widget of a notebook as files. Runs in the notebook's own kernel, after its cells.

A folder for each widget, named after its model: pictures (WebP, named after their content, shared by states that look
alike) and `widget.json`: kind, controls, and for each state the picture and the text. What the controls show
in the notebook is compared on the way, pixel by pixel.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import ipywidgets
import numpy as np
from matplotlib.text import Text
from PIL import Image

from samlib.course import style, widgets


def hand_out(folder: str | Path) -> None:
    """Write all widgets that exist: pictures with controls, recorded runs, questions."""
    for widget in existing():
        place = Path(folder) / widget.model_id
        place.mkdir(parents=True)
        if isinstance(widget, widgets.Live):
            found = handed_out(widget, place)
        elif isinstance(widget, widgets.Work):
            found = recorded(widget, place)
        else:
            found = asked(widget)
        (place / "widget.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def draw_slides(folder: str | Path, wanted: list[dict[str, Any]]) -> None:
    """Draw pictures with controls at named states, with their texts.

    Args:
        folder: gets file.png and file.txt.
        wanted: for each picture its file, its widget by the function that makes it, and for controls that are moved
            the text of the option.
    """
    lives = {live.draw.__qualname__.split(".")[0]: live for live in existing() if isinstance(live, widgets.Live)}
    Path(folder).mkdir()
    for one in wanted:
        live = lives[one["widget"]]
        state = {name: control.value for name, control in live.controls.items()}
        for name, text in one.get("state", {}).items():
            options = described(live.controls[name])["options"]
            state[name] = widgets.choices(live.controls[name])[options.index(text)]
        with style.look():
            alt = live.draw(**state)
        fewer(Image.fromarray(live.picture.fig.pixels())).save(Path(folder) / f"{one['file']}.png")
        (Path(folder) / f"{one['file']}.txt").write_text(alt + "\n", encoding="utf-8")


def existing() -> list[Any]:
    """All widgets of ours, in ipywidgets 8 or 7."""
    known = getattr(ipywidgets.widgets.widget, "_instances", None) or ipywidgets.Widget.widgets
    ours = (widgets.Live, widgets.Work, widgets.Ask)
    return [widget for widget in list(known.values()) if isinstance(widget, ours)]


def handed_out(live: widgets.Live, place: Path) -> dict[str, Any]:
    """A picture with controls: every state, in the order of itertools.product over the controls' values."""
    states = [(picture(pixels, place), alt) for _, pixels, alt in live.states()]
    compare(live, states)
    controls = {name: described(control) for name, control in live.controls.items()}
    return {"kind": "live", **shown(live.picture), "controls": controls, "states": states}


def recorded(work: widgets.Work, place: Path) -> dict[str, Any]:
    """Recorded runs: the recorded settings as controls, and the step of the run as the last one."""
    states = [(picture(pixels, place), alt) for _, pixels, alt in work.states()]
    controls = {}
    for name, values in work.recorded.items():
        control = described(work.controls[name])
        texts = dict(zip(widgets.choices(work.controls[name]), control["options"], strict=True))
        options, chosen = [texts[value] for value in values], texts[work.controls[name].value]
        controls[name] = control | {"options": options, "at": options.index(chosen)}
    steps = len(states) // math.prod(len(control["options"]) for control in controls.values())
    numbers = [f"{i}" for i in range(1, steps + 1)]
    controls["step"] = {"kind": "slider", "label": "step of the run", "options": numbers, "at": steps - 1}
    fixed = {
        control["label"]: control["options"][control["at"]]
        for name, control in ((name, described(control)) for name, control in work.controls.items())
        if name not in work.recorded
    }
    said = {"button": work.label, "fixed": fixed}
    return {"kind": "work", **shown(work.picture), **said, "controls": controls, "states": states}


def asked(question: widgets.Ask) -> dict[str, Any]:
    """A question with what is said to each choice."""
    replies = {choice: question.said(choice) for choice in question.choices}
    return {"kind": "question", "text": question.text, "replies": replies}


def described(control: ipywidgets.Widget) -> dict[str, Any]:
    """What a control looks like: its kind, its label, the texts of its values, and where it stands."""
    kinds = {ipywidgets.SelectionSlider: "slider", ipywidgets.ToggleButtons: "toggle", ipywidgets.Dropdown: "dropdown"}
    options = [option[0] if isinstance(option, tuple) else f"{option}" for option in control.options]
    at = widgets.choices(control).index(control.value)
    return {"kind": kinds[type(control)], "label": control.description, "options": options, "at": at}


def shown(picture: widgets.Picture) -> dict[str, int]:
    """The size at which a picture is shown, in pixels of the page."""
    size = re.search(r'width="(\d+)" height="(\d+)"', picture.value)
    return {"width": int(size[1]), "height": int(size[2])}


def name_of(pixels: np.ndarray) -> str:
    """The name of a picture's file, from what it shows."""
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()[:16] + ".webp"


def picture(pixels: np.ndarray, place: Path) -> str:
    """Keep a picture as WebP, in its 256 commonest colours, which no eye tells from all; return the file's name."""
    file = place / name_of(pixels)
    if not file.exists():
        fewer(Image.fromarray(pixels)).convert("RGB").save(file, "webp", lossless=True, method=1)
    return file.name


def fewer(image: Image.Image) -> Image.Image:
    """An image in its 256 commonest colours."""
    return image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def compare(live: widgets.Live, states: list[tuple[str, str]]) -> None:
    """Move each control through its values, and compare what the notebook shows with the state that was handed out.

    Raises:
        ValueError: it shows something else, or words of the picture lie on one another or are cut off.
    """
    order = list(itertools.product(*map(widgets.choices, live.controls.values())))
    at_rest = [control.value for control in live.controls.values()]
    for i, control in enumerate(live.controls.values()):
        for value in sorted(widgets.choices(control), key=lambda value: value == at_rest[i]):  # back at rest at last
            with words(live.picture.fig) as drawn:
                control.value = value
            name, alt = states[order.index((*at_rest[:i], value, *at_rest[i + 1 :]))]
            pixels, text = notebook_shows(live.picture)
            if text != alt or name_of(pixels) != name:
                raise ValueError(
                    f"The state of {control.description!r} = {value!r} is another than the notebook's: {alt!r} is "
                    f"handed out, {text!r} is shown."
                )
            if faults := unreadable(live.picture.fig, drawn):
                raise ValueError(f"At {control.description!r} = {value!r}: {'; '.join(faults)}.")


@contextlib.contextmanager
def words(fig: style.Canvas) -> Iterator[list[tuple[str, Any]]]:
    """All words of a figure that is drawn while it lasts, each with its place."""
    drawn, draw = list[tuple[str, Any]](), Text.draw

    def noted(text: Text, renderer: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))
        draw(text, renderer)

    fig.settle()
    with mock.patch.object(Text, "draw", noted):
        yield drawn


def unreadable(fig: style.Canvas, drawn: list[tuple[str, Any]]) -> list[str]:
    """Words of a figure that lie on one another, or are cut off."""
    left, bottom, right, top = fig.bbox.padded(1).extents
    cut = [
        f"{text!r} is cut off"
        for text, box in drawn
        if box.x0 < left or box.y0 < bottom or box.x1 > right or box.y1 > top
    ]
    tight = [(text, box.shrunk(0.95, 0.75)) for text, box in drawn]  # a line's box is taller than its letters
    pairs = itertools.combinations(tight, 2)
    return cut + [f"{one!r} and {other!r} lie on one another" for (one, a), (other, b) in pairs if a.overlaps(b)]


def notebook_shows(picture: widgets.Picture) -> tuple[np.ndarray, str]:
    """The pixels and the text that the notebook shows now."""
    found = re.search(r'src="data:image/png;base64,([^"]*)" alt="([^"]*)"', picture.value)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1])))), html.unescape(found[2])
