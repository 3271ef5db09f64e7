"""Controls bound to pictures. No maths here, and only what ipywidgets 7.7.1 has as well as 8.

A picture is an <img> of fixed size with a text that says what it shows, so that the page does not jump and a screen
reader is not left out. A callback uses what it was given, never a global that another cell may change.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import HTML
from PIL import Image

from samlib.course import style
from samlib.course.style import Canvas

CONTROLS, STATES = 4, 200  # the most that a widget may have


def png(fig: Canvas) -> bytes:
    """The figure as it now is, as a PNG file."""
    buffer = io.BytesIO()
    # without transparency and hardly compressed: half the time of matplotlib's own
    Image.fromarray(fig.pixels()).save(buffer, "png", compress_level=2)
    return buffer.getvalue()


# A picture, or an error in its place, brings its own paper along and looks the same on a dark page.
_CARD = f"background: {style.PAPER}; border-radius: 4px; margin: 4px 0"


def _img(fig: Canvas, alt: str) -> str:
    if not isinstance(alt, str) or len(alt.split()) < 3:
        raise ValueError(f"alt is {alt!r}; it must say in a few words what the figure shows.")
    data = base64.b64encode(png(fig)).decode()
    width, height = (round(inches * style.SHOWN) for inches in fig.get_size_inches())
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt, quote=True)}" decoding="sync" '
        f'width="{width}" height="{height}" style="{_CARD}; max-width: 100%; height: auto">'
    )


def still(fig: Canvas, alt: str) -> HTML:
    """A still figure with a text that says what it shows: for print, for the web pages, for screen readers."""
    return HTML(_img(fig, alt))


class Picture(ipywidgets.HTML):
    """A figure that can be shown again after its artists have changed."""

    def __init__(self, fig: Canvas) -> None:
        self.fig = fig
        super().__init__()

    def show(self, alt: str) -> None:
        """Draw the figure as it now is; `alt` says in words what it shows."""
        self.value = _img(self.fig, alt)

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """An error in a callback is otherwise lost in the server's log: say it in the picture's place too."""
        try:
            yield
        except Exception as error:
            self.value = (
                f'<pre class="samlib-error" role="alert" style="{_CARD}; color: {style.AT.dark}; '
                f'padding: {style.MARGIN}px; white-space: pre-wrap">'
                f"This picture could not be drawn. {type(error).__name__}: {html.escape(str(error))}</pre>"
            )
            raise


class Live(ipywidgets.VBox):
    """Controls above a picture that follows them; see `live`. Its states can be handed out one by one."""

    def __init__(self, fig: Canvas, draw: Callable[..., str], controls: Mapping[str, ipywidgets.Widget]) -> None:
        self.picture, self.draw, self.controls = Picture(fig), draw, dict(controls)
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        super().__init__([_column(self.controls.values()), self.picture])

    def _redraw(self, _: Any = None) -> None:
        with self.picture.telling_errors(), style.look():
            self.picture.show(self.draw(**{name: control.value for name, control in self.controls.items()}))

    def states(self) -> Iterator[tuple[dict[str, Any], np.ndarray, str]]:
        """Every state: the controls' values, the picture's pixels, and its text. The controls stay where they are."""
        for values in itertools.product(*map(choices, self.controls.values())):
            state = dict(zip(self.controls, values, strict=True))
            with style.look():
                alt = self.draw(**state)
            yield state, self.picture.fig.pixels().copy(), alt
        self._redraw()

    def still(self, **values: Any) -> HTML:
        """The picture at these values (the controls' own where none is given), as a still figure."""
        with style.look():
            alt = self.draw(**{name: control.value for name, control in self.controls.items()} | values)
        return still(self.picture.fig, alt)


def live(fig: Canvas, draw: Callable[..., str], controls: Mapping[str, ipywidgets.Widget]) -> Live:
    """Controls above a picture. Whenever one moves, `draw` changes the figure's artists.

    Args:
        fig: made once; `draw` sets the data of its artists.
        draw: is called with the value of each control under its name, and returns what the picture now shows, in words.
        controls: at most four, with at most 200 states together: a page without a kernel holds a picture of each.

    Raises:
        ValueError: there are more.
    """
    states = math.prod(len(choices(control)) for control in controls.values())
    if len(controls) > CONTROLS or states > STATES:
        raise ValueError(
            f"controls are {len(controls)} with {states} states ({', '.join(controls)}); at most {CONTROLS} with "
            f"{STATES} are allowed: leave values out, or a control."
        )
    return Live(fig, draw, controls)


def choices(control: ipywidgets.Widget) -> list[Any]:
    """Every value that a control can take."""
    return [option[1] if isinstance(option, tuple) else option for option in control.options]


# One column of labels and one of controls, whatever the control: ipywidgets 7 and 8 shift each kind by its own few
# pixels. And an arrow on dropdowns in the colour of their text, where theirs is black on every page.
_COLUMN = """<style>
.samlib-controls { overflow: visible; }
.samlib-controls > * { height: auto; min-height: 30px; margin: 2px 0; overflow: visible; }
.samlib-controls > .widget-inline-hbox, .samlib-controls > .widget-toggle-buttons {
  display: flex; align-items: center; max-width: 100%; }
.samlib-controls > * > .widget-label {
  flex: 0 0 20em; height: auto; margin: 0 8px 0 0; text-align: right; line-height: 1.3; white-space: normal; }
.samlib-controls .widget-toggle-buttons > div { margin-left: 4px; }
.samlib-controls .widget-toggle-button { min-width: 9em; }
.samlib-controls .widget-dropdown > select { height: 28px; margin-left: 6px; appearance: auto; background-image: none; }
.samlib-controls .widget-readout { flex: 0 0 7em; overflow: visible; white-space: nowrap; }
</style>"""
_LABEL = {"description_width": "20em"}
_ROW = {"width": "44em"}


def _column(controls: Iterable[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Controls one under the other, their labels in one column."""
    box = ipywidgets.VBox([*controls, ipywidgets.HTML(_COLUMN, layout={"display": "none"})])
    box.add_class("samlib-controls")
    return box


def choice_slider(label: str, options: Sequence[Any], value: Any) -> ipywidgets.SelectionSlider:
    """A slider over given values or pairs (text, value). `label` names symbol, meaning and unit."""
    return ipywidgets.SelectionSlider(
        options=[option if isinstance(option, tuple) else (f"{option}", option) for option in options],
        value=value,
        description=label,
        style=_LABEL,
        layout=_ROW,
    )


def toggle(label: str, options: Sequence[Any], value: Any) -> ipywidgets.ToggleButtons:
    """A few choices side by side; each option is a value or a pair (text, value)."""
    return ipywidgets.ToggleButtons(
        options=list(options),
        value=value,
        description=label,
        style={**_LABEL, "button_width": "auto"},
        layout={"width": "auto"},
    )


def dropdown(label: str, options: Sequence[Any], value: Any) -> ipywidgets.Dropdown:
    """Many choices; each option is a value or a pair (text, value)."""
    return ipywidgets.Dropdown(options=list(options), value=value, description=label, style=_LABEL, layout=_ROW)


class Ask(ipywidgets.VBox):
    """A question to commit to; see `question`."""

    def __init__(self, text: str, choices: Mapping[str, str], correct: str) -> None:
        self.text, self.choices, self.correct = text, dict(choices), correct
        asked = ipywidgets.HTML(f'<div style="line-height: 1.4"><b>{text}</b></div>')
        self._options = ipywidgets.RadioButtons(options=list(choices), value=None, layout={"width": "auto"})
        self._commit = ipywidgets.Button(
            description="Commit", disabled=True, tooltip="Fix your answer and see what is right"
        )
        self._answer = ipywidgets.HTML()
        self._options.observe(self._chosen, names="value")
        self._commit.on_click(self._committed)
        super().__init__([asked, self._options, self._commit, self._answer])

    def said(self, choice: str) -> str:
        """What is said to a choice, HTML."""
        if choice == self.correct:
            return f"<b>✔ Right.</b> {self.choices[choice]}"
        right = f"<br><b>The answer is: {html.escape(self.correct)}</b> {self.choices[self.correct]}"
        return f"<b>✘ Not so.</b> {self.choices[choice]}{right}"

    def _chosen(self, _: Any) -> None:
        self._commit.disabled = self._options.value is None
        if self._options.value is not None:
            self._answer.value = f"You are about to commit to: <i>{html.escape(self._options.value)}</i>"

    def _committed(self, _: Any) -> None:
        self._options.disabled = self._commit.disabled = True
        self._answer.value = f'<div role="status" style="line-height: 1.4">{self.said(self._options.value)}</div>'


def question(text: str, choices: Mapping[str, str], correct: str) -> Ask:
    """A question to commit to: choose, press the button, and read why the choice is right or wrong.

    Args:
        text: the question, HTML.
        choices: each answer with what is said to it.
        correct: the right one of them.
    """
    if correct not in choices:
        raise ValueError(f"correct is {correct!r}; it must be one of the choices: {', '.join(map(repr, choices))}.")
    return Ask(text, choices, correct)


class Stopped(Exception):
    """Raised inside a piece of work when its Stop button was pressed."""


class Work(ipywidgets.VBox):
    """A piece of work behind a button, with a progress bar, a picture, and a button that stops it.

    It runs in a thread of its own, so that Stop and all other controls go on working.

    Args:
        label: of the button.
        steps: how many times `report` will be called.
        work: is called with `report`, and calls it after each step with what the picture then shows, in words.
        fig: the picture, whose artists `work` changes.
        controls: settings above the button; their values are handed to `work` under their names.
        recorded: {name of a control: values} whose runs a page without a kernel plays; the others stay where they are.
    """

    def __init__(
        self,
        label: str,
        steps: int,
        work: Callable[..., str],
        fig: Canvas,
        controls: Mapping[str, ipywidgets.Widget] | None = None,
        recorded: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.label, self._work, self.controls = label, work, dict(controls or {})
        self.recorded = {name: list(values) for name, values in (recorded or {}).items()}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._start_button = ipywidgets.Button(description=label, button_style="primary", layout={"width": "auto"})
        self._stop_button = ipywidgets.Button(description="Stop", disabled=True)
        self._bar = ipywidgets.IntProgress(max=steps, layout={"width": "20em"})
        self._said = ipywidgets.HTML("Not started.", layout={"margin": "0 0 0 8px"})
        self.picture = Picture(fig)
        self.picture.show("Nothing has been trained yet; press the button.")
        self._start_button.on_click(self._start)
        for control in self.controls.values():
            control.observe(self._announce, names="value")
        self._stop_button.on_click(lambda _: self._stop.set())
        row = ipywidgets.HBox([self._start_button, self._stop_button, self._bar, self._said])
        super().__init__([_column(self.controls.values()), row, self.picture])

    def _announce(self, _: Any) -> None:
        """Say that a setting counts from the next run on: the picture still shows the last one."""
        if not self._stop_button.disabled:
            return
        chosen = ", ".join(f"{name} = {control.value}" for name, control in self.controls.items())
        self._said.value = f"The next run: {chosen}."

    def _start(self, _: Any) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self._start_button.disabled, self._stop_button.disabled = True, False
        self._bar.value, self._said.value = 0, "Running."
        values = {name: control.value for name, control in self.controls.items()}
        self._thread = threading.Thread(target=self._run, args=(values,), daemon=True)
        self._thread.start()

    def _run(self, values: Mapping[str, Any]) -> None:
        def report(alt: str) -> None:
            self._bar.value += 1
            self.picture.show(alt)
            if self._stop.is_set():
                raise Stopped

        self.error: Exception | None = None
        try:
            with self.picture.telling_errors():
                try:
                    self.picture.show(self._work(report=report, **values))
                    ended = "Done."
                except Stopped:
                    ended = f"Stopped after {self._bar.value} of {self._bar.max} steps."
        except Exception as error:
            self.error, ended = error, "Failed."
        self._start_button.disabled, self._stop_button.disabled = False, True
        self._said.value = ended  # last: whoever reads it finds the buttons as they now are

    def states(self) -> Iterator[tuple[dict[str, Any], np.ndarray, str]]:
        """Recorded runs, one after the other: settings and "step", the picture's pixels after it, and its text."""
        fixed = {name: [control.value] for name, control in self.controls.items()}
        for values in itertools.product(*(fixed | self.recorded).values()):
            settings, taken = dict(zip(fixed, values, strict=True)), list[tuple[np.ndarray, str]]()

            def report(alt: str, taken: list[tuple[np.ndarray, str]] = taken) -> None:
                taken.append((self.picture.fig.pixels().copy(), alt))

            report(self._work(report=report, **settings))
            yield from ((settings | {"step": i}, pixels, alt) for i, (pixels, alt) in enumerate(taken))

    def click_and_wait(self, seconds: float = 60) -> None:
        """Press the button and wait until the work is done; an error in it is raised here. For programs."""
        self._start_button.click()
        assert self._thread is not None
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise TimeoutError(f"The work was not done within {seconds} s.")
        if self.error is not None:
            raise self.error
