# Moves every control of a notebook and fails where a callback does. Run as the last cell of a notebook (lesson_copies.py).
import ipywidgets

from samlib.widgets import Work


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
broken = [widget.value for widget in all_widgets() if "samlib-error" in str(getattr(widget, "value", ""))]
assert not broken, broken
print(f"moved every control, {moved} positions in all")
