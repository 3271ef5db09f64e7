"""What the tests of all scenes do: move the controls to both ends, and look whether the words have room."""

from __future__ import annotations

import html
import itertools
import re
from typing import Any

import numpy as np

from samlib.course.widgets import Live, choices


def ends(scene: Live) -> list[dict[str, Any]]:
    """Every combination of the first and the last value of each control."""
    values = [(choices(control)[0], choices(control)[-1]) for control in scene.controls.values()]
    return [dict(zip(scene.controls, state, strict=True)) for state in itertools.product(*values)]


def draw(scene: Live, **values: Any) -> str:
    """Draw a state; all its words lie inside the picture, and no two on each other. Returns the text of the picture."""
    fig = scene.picture.fig
    scene.still(**values)
    renderer = fig.canvas.get_renderer()
    labels = [axis.label for ax in fig.axes if ax.axison for axis in (ax.xaxis, ax.yaxis)]
    words = [*fig.texts, *labels, *(text for ax in fig.axes for text in ax.texts)]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in words if t.get_visible() and t.get_text()]
    for text, box in boxes:
        assert 0 <= box.x0 < box.x1 <= fig.bbox.x1, (values, text)
        assert 0 <= box.y0 < box.y1 <= fig.bbox.y1, (values, text)
    for (text, box), (other, place) in itertools.combinations(boxes, 2):
        across = min(box.x1, place.x1) - max(box.x0, place.x0)
        down = min(box.y1, place.y1) - max(box.y0, place.y0)
        assert min(across, down) <= 2, (values, text, other)
    return html.unescape(re.search(r'alt="([^"]*)"', scene.still(**values).data)[1])


def same_when_drawn_whole(scene: Live, **values: Any) -> bool:
    """Whether drawing only what moves gives the picture that drawing everything gives."""
    fig = scene.picture.fig
    scene.still(**values)
    quick, moving = fig.pixels().copy(), fig.moving
    fig.moving = []
    whole, fig.moving = fig.pixels().copy(), moving
    return bool(np.abs(quick.astype(int) - whole).mean() < 0.05)
