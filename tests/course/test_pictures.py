"""Words find their place."""

from __future__ import annotations

import numpy as np
import pytest

from samlib.course import style
from samlib.course.pictures import Heading, Label, Labels, axes, percent_axis

FALLING = np.column_stack([np.linspace(0, 1, 30), np.linspace(1, 0, 30)])
LOWER = FALLING - [0, 0.12]


@pytest.fixture
def ax():
    fig = style.figure(3.0, 4.0)
    made = axes(fig, 20, 20, 360, 260)
    made.set(xlim=(0, 1), ylim=(0, 1))
    return made


def boxes(labels):
    texts = [text for block in labels.blocks for text in (block.text, block.said)]
    return [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]


def test_a_label_stays_inside_and_off_every_line(ax):
    labels = Labels(ax)
    labels.show([Label("upper", FALLING, style.SAM, "two words"), Label("lower", LOWER, style.SGD)], [FALLING, LOWER])
    frame = ax.get_window_extent()
    for box in boxes(labels):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1
        for line in (FALLING, LOWER):
            points = ax.transData.transform(line)
            assert not ((points > (box.x0, box.y0)) & (points < (box.x1, box.y1))).all(1).any()


def test_a_label_stands_on_its_own_curves_side(ax):
    labels = Labels(ax)
    labels.show([Label("lower", LOWER, style.SGD), Label("upper", FALLING, style.SAM)], [FALLING, LOWER])
    (lower, upper) = (ax.transData.inverted().transform(((b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2)) for b in boxes(labels))
    assert lower.sum() < 0.88  # below the lower line, x + y = 0.88
    assert upper.sum() > 1.0


def test_a_hidden_label_keeps_its_place_so_that_others_do_not_jump(ax):
    places = []
    for seen in (0, 1):
        labels, spots = Labels(ax), [np.array([[0.3, 0.5]]), np.array([[0.7, 0.5]])]
        words = [Label("+11 points", spot, shown=i == seen) for i, spot in enumerate(spots)]
        labels.show([*words, Label("curve", FALLING, style.SAM)], [FALLING])
        assert len(boxes(labels)) == 2
        places.append(labels.blocks[2].text.get_position())
    assert places[0] == places[1]


def test_lines_that_count_lightly_are_crossed_before_those_that_count():
    fig = style.figure(0.7, 4.0)
    narrow = axes(fig, 20, 5, 360, 60)
    narrow.set(xlim=(0, 1), ylim=(0, 1))
    full = [np.array([[0.0, y], [0.5, y]]) for y in np.linspace(0, 1, 20)]
    thin = [(np.array([[0.5, y], [1.0, y]]), 0.03) for y in np.linspace(0, 1, 20)]
    labels = Labels(narrow)
    labels.show([Label("here", np.array([[0.5, 0.5]]))], full, thin)
    (box,) = boxes(labels)
    assert box.x0 > narrow.transData.transform((0.5, 0.5))[0]


def test_a_heading_can_be_an_axis_own_label():
    fig = style.figure(3.0)
    panel = axes(fig, 50, 50, 300, 200)
    percent_axis(panel, "robust accuracy (%)")
    heading = Heading(fig, 14, 24, "Robust accuracy (%)", "what is meant", axis=panel.yaxis)
    assert panel.get_ylabel() == "Robust accuracy (%)"
    fig.pixels()
    box = heading.title.get_window_extent()
    assert box.x0 == pytest.approx(14 * style.DPI / style.SHOWN, abs=4)
    assert box.width > box.height


def test_a_label_stays_on_its_points_side_of_a_border_where_that_can_be_had(ax):
    wall = np.array([[0.51, 0], [0.51, 1]])
    crowd = [np.array([[x, 0], [x, 1]]) for x in np.linspace(0.3, 0.495, 9)]

    def left_edge(*borders):
        labels = Labels(ax)
        labels.show([Label("here", np.array([[0.5, 0.5]]))], crowd, borders=borders)
        return ax.transData.inverted().transform(boxes(labels)[0])[0, 0]

    assert left_edge() > 0.51
    assert left_edge(wall) < 0.5
