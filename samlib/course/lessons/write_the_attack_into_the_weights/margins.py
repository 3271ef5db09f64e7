"""The scene of two pixels and one unit: an attack moves points towards a line, SAM's ascent step turns the line."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection

from samlib.course import pictures, style, widgets

POINTS = np.array(
    [[1.3, -1.1], [0.9, 0.8], [0.35, 1.3], [1.9, 0.9], [-0.8, -0.5], [-0.3, -1.2], [-1.7, 0.3], [-1.4, -1.0]]
)
LABELS = np.array([1, 1, 1, 1, -1, -1, -1, -1])
NORMAL = np.array([1.0, 0.6])  # w: the line is w . x = 0
EPS = (0.0, 0.2, 0.4, 0.6, 0.8)


def rho_for(eps: float) -> float:
    """The length of a change of w that costs the first point as much margin as a step of eps: rho ||x|| = eps ||w||."""
    return float(eps * np.linalg.norm(NORMAL) / np.linalg.norm(POINTS[0]))


def attack_points(eps: float, moving: np.ndarray) -> np.ndarray:
    """The points after each that is `moving`, bool (8,), went straight to the line by eps."""
    return POINTS - eps * (LABELS * moving)[:, None] * NORMAL / np.linalg.norm(NORMAL)


def turn_line(rho: float, moving: np.ndarray) -> np.ndarray:
    """w after SAM's ascent step of length rho for the summed margins of the points that are `moving`, (2,)."""
    pull = (LABELS * moving) @ POINTS
    return NORMAL - rho * pull / np.linalg.norm(pull)


def margins(points: np.ndarray, w: np.ndarray) -> np.ndarray:
    """y w . x for each point; below 0 it is misclassified."""
    return LABELS * (points @ w)


def margins_lost(eps: float, *who: int) -> np.ndarray:
    """The margin that each of the eight points loses when the line moves by `rho_for(eps)` for the points in `who`."""
    moving = np.isin(np.arange(len(POINTS)), who)
    return margins(POINTS, NORMAL) - margins(POINTS, turn_line(rho_for(eps), moving))


def who_moves() -> widgets.Live:
    """Points that move towards a line, or a line that moves towards points."""
    with style.look():
        picture = MarginPicture(style.figure(4.1))

    def draw(eps: float, who: str, how_many: str) -> str:
        moving = np.arange(len(POINTS)) < (1 if how_many == "one point" else len(POINTS))
        points, w = POINTS, NORMAL
        if who == "the point":
            points = attack_points(eps, moving)
        else:
            w = turn_line(rho_for(eps), moving)
        now = margins(points, w)
        picture.show(points, w, now, style.AT if who == "the point" else style.SAM, how_many)
        return (
            f"eps {eps:g}, {who} moves for {how_many}: first point's margin {now[0]:.2f}, "
            f"{int((now < 0).sum())} of {len(points)} misclassified."
        )

    controls = {
        "eps": widgets.choice_slider("eps: length of an attacked point's step", EPS, 0.6),
        "who": widgets.toggle("who moves", ["the point", "the line"], "the point"),
        "how_many": widgets.toggle("step for", ["one point", "all points"], "one point"),
    }
    return widgets.live(picture.fig, draw, controls)


class MarginPicture:
    """Points of two classes and a line on the left, each point's margin on the right."""

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.heading = pictures.Heading(fig, style.MARGIN, 22)
        self.plane = pictures.axes(fig, style.MARGIN, 36, 500, 356)
        self.plane.set(xlim=(-2.81, 2.81), ylim=(-2.0, 2.0), xticks=[], yticks=[])
        self.plane.spines["bottom"].set_visible(False)
        self.plane.plot(*_ends(NORMAL), color=style.EDGE, linewidth=1.2)
        self.line = self._line(NORMAL)
        self.ways = LineCollection([], linewidths=1.6)
        self.plane.add_collection(self.ways)
        self.dots: list[Any] = []
        for side, marker, face in ((1, "o", style.INK), (-1, "s", style.PAPER)):
            look: dict[str, Any] = {
                "linestyle": "none",
                "marker": marker,
                "markersize": 7,
                "markeredgecolor": style.INK,
            }
            old = {**look, "markeredgecolor": style.EDGE, "markerfacecolor": style.PAPER}
            self.plane.plot(*POINTS[side == LABELS].T, **old)
            self.dots.append(self.plane.plot(*POINTS[side == LABELS].T, **look, markerfacecolor=face)[0])
        (self.wrong,) = self.plane.plot([], [], "x", color=style.AT.color, markersize=13, markeredgewidth=2.2)
        self.numbers = pictures.Labels(self.plane)
        pictures.Heading(fig, 390, 22, said="●  class A     □  class B")
        self._bars()

    def _line(self, w: np.ndarray) -> Any:
        return self.plane.plot(*_ends(w), color=style.INK, linewidth=2.2)[0]

    def _bars(self) -> None:
        before = margins(POINTS, NORMAL)
        self.margin = pictures.axes(self.fig, 570, 36, 256, 330)
        self.bars = self.margin.barh(range(8), before, height=0.62, color=style.SAM.color)
        self.margin.plot(before, range(8), "|", color=style.INK, markersize=17, markeredgewidth=1.6)
        self.margin.axvline(0, color=style.INK, linewidth=1)
        self.margin.set(
            xlim=(-1.5, 2.75), ylim=(7.6, -0.6), xlabel="margin: left of 0 it is misclassified", ylabel="point"
        )
        self.margin.set_yticks(range(8), [f"{i + 1}" for i in range(8)])
        pictures.Heading(self.fig, 570, 22, "Margin of each point")

    def show(self, points: np.ndarray, w: np.ndarray, now: np.ndarray, mover: style.Look, how_many: str) -> None:
        """Points and line where they now are, and the margins; `mover` colours what has moved, for `how_many`."""
        points_moved, one = mover is style.AT, how_many == "one point"
        if points_moved:
            self.heading.show("An attack moves a point" if one else "An attack moves each point", "by eps")
        else:
            self.heading.show("SAM's step moves the line", "by rho, for point 1" if one else "one step for all")
        self.heading.title.set_color(mover.dark)
        self.line.set_data(*_ends(w))
        self.line.set_color(style.INK if points_moved else style.SAM.color)
        self.ways.set_segments(list(np.stack([POINTS, points], axis=1)))
        self.ways.set_color(style.AT.color)
        for dots, side in zip(self.dots, (1, -1), strict=True):
            dots.set_data(*points[side == LABELS].T)
        self.wrong.set_data(*points[now < 0].T)
        ways = [*np.stack([POINTS, points], axis=1), _ends(w).T, _ends(NORMAL).T]
        marks = [pictures.around(self.plane, point, 7) for point in (*points, *POINTS)]
        labels = [pictures.Label(f"{i}", point[None], bold=False) for i, point in enumerate(points, start=1)]
        self.numbers.show(labels, ways + marks)
        for bar, margin in zip(self.bars, now, strict=True):
            bar.set_width(margin)
            bar.set_color(mover.color)


def _ends(w: np.ndarray) -> np.ndarray:
    """Two far points of the line w . x = 0, as the x and the y of a plot."""
    along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
    return np.stack([-4 * along, 4 * along], axis=1)
