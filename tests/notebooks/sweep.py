# Moves every control of a notebook, and fails where a callback does, or where a label or an axis does not say what it
# is. Run as the last cell (lesson_copies.py). With MOVE = False it looks only, since a browser moves the controls.
import re

import ipywidgets
from matplotlib.figure import Figure

from samlib.course.widgets import Picture, Work


def all_widgets():
    """Every widget that exists, in ipywidgets 8 or 7."""
    known = getattr(ipywidgets.widgets.widget, "_instances", None) or ipywidgets.Widget.widgets
    return list(known.values())


def positions(control):
    """Every option of a choice; both ends and the middle of a slider; both states of a switch."""
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    if hasattr(control, "min") and hasattr(control, "max"):
        return [control.min, control.max, (control.min + control.max) / 2]
    return [True, False] if isinstance(control.value, bool) else []


UNITS = {"rho:": "weight", "eps:": "pixels|length|l_2|l_inf|walk"}  # what a label that starts so must name


def vague(label):
    """What a control's label lacks, or None."""
    if len(label) < 4:
        return f"a control's label says what it moves, in four letters or more: {label!r}"
    for symbol, unit in UNITS.items():
        if label.startswith(symbol) and not re.search(unit, label):
            return f"a label with {symbol} names its space or unit ({unit}): {label!r}"


def move():
    """Move every control, press every button, and return how many positions that were."""
    moved = 0
    for widget in all_widgets():
        if isinstance(widget, Work):
            widget.click_and_wait(100)
            moved += 1
        elif isinstance(widget, ipywidgets.ValueWidget) and not isinstance(
            widget, (ipywidgets.HTML, ipywidgets.IntProgress)
        ):
            start = widget.value
            for position in positions(widget):
                widget.value = type(start)(position) if isinstance(start, (int, float)) else position
                moved += 1
            if start is not None:
                widget.value = start
    for widget in all_widgets():
        if isinstance(widget, ipywidgets.Button) and widget.description == "Commit" and not widget.disabled:
            widget.click()
            moved += 1
    return moved


if globals().get("MOVE", True):
    moved = move()
    broken = [widget.value for widget in all_widgets() if "samlib-error" in str(getattr(widget, "value", ""))]
    assert not broken, broken
    assert moved, "a lesson has controls"
    print(f"moved every control, {moved} positions in all")

choices = (ipywidgets.SelectionSlider, ipywidgets.ToggleButtons, ipywidgets.Dropdown)
lacking = {complaint for w in all_widgets() if isinstance(w, choices) if (complaint := vague(w.description))}
assert not lacking, "; ".join(sorted(lacking))


def is_number(text):
    """Whether a tick label is a number, in plain text or in TeX."""
    plain = text.replace("mathdefault", "")
    return any(c.isdigit() for c in plain) and not any(c.isalpha() for c in plain)


def unlabelled(figure):
    """Axes of a figure with numbers along a side and no word on what they are."""
    for axes in figure.axes:
        for axis, label in ((axes.xaxis, axes.get_xlabel()), (axes.yaxis, axes.get_ylabel())):
            if axes.axison and not label and any(is_number(tick.get_text()) for tick in axis.get_ticklabels()):
                yield f"{axes.get_title() or 'axes'}: {axis.axis_name} has numbers and no label"


figures = {w.fig for w in all_widgets() if isinstance(w, Picture)} | {
    v for v in globals().values() if isinstance(v, Figure)
}
bare = [complaint for figure in figures for complaint in unlabelled(figure)]
assert not bare, bare
print(f"every axis of {len(figures)} figures says what it shows")
