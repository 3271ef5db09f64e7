"""What several scenes of this lesson share: the norms, and a ball and an arrow that move."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Polygon

from samlib.course import style
from samlib.course.pictures import Labels, ball_outline

NORMS = (("l_inf", "linf"), ("l_2", "l2"))  # what a control shows, and what the code takes
NAMES = {code: name for name, code in NORMS}


class Ball:
    """The ball of the changes that the attacker may make, which can change its shape and size."""

    def __init__(self, ax: Axes) -> None:
        self.area = Polygon([(0, 0)], closed=True, facecolor=style.AT.color, alpha=0.1)
        ax.add_patch(self.area)
        (self.edge,) = ax.plot([], [], **style.AT.line())

    def show(self, centre: np.ndarray, eps: float, norm: str) -> np.ndarray:
        """The ball around a point; returns its edge, (n, 2)."""
        outline = ball_outline(centre, eps, norm)
        self.area.set_xy(outline)
        self.edge.set_data(*outline.T)
        return outline


class Arrow:
    """An arrow that can be moved."""

    def __init__(self, ax: Axes, color: str, width: float) -> None:
        tip = "-|>,head_width=2.6,head_length=5"
        self.patch = FancyArrowPatch((0, 0), (0, 0), arrowstyle=tip, shrinkA=0, shrinkB=0, joinstyle="miter")
        self.patch.set(color=color, linewidth=width)
        ax.add_patch(self.patch)

    def show(self, start: np.ndarray, end: np.ndarray) -> None:
        """From start to end, each (2,); nothing where they are the same."""
        self.patch.set_visible(bool(np.abs(end - start).max() > 1e-9))
        self.patch.set_positions((start[0], start[1]), (end[0], end[1]))


def parts(labels: Labels) -> list[Artist]:
    """All artists of some labels, for `Canvas.moving`."""
    return [part for block in labels.blocks for part in (block.text, block.said, block.leader)]
