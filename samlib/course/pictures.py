"""What pictures of several lessons are made of: tiles, curves with their runs, words that find their place.

Positions on a figure are in pixels of the page, from its top left corner: 8.4 x 4 inches are shown as 840 x 400.
Nothing here computes what it shows, and nothing names a colour or a size: that is style's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import NullLocator

from samlib.course import style
from samlib.course.style import Canvas, Look

# ---- places ----------------------------------------------------------------------------------------------------------


def size(fig: Canvas) -> tuple[float, float]:
    """Width and height of a figure in pixels of the page."""
    width, height = fig.get_size_inches() * style.SHOWN
    return float(width), float(height)


def axes(fig: Canvas, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose frame has this place and size, in pixels of the page."""
    across, down = size(fig)
    return fig.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


class Heading:
    """A caption in bold ink, and after it a quiet remark on the same line.

    Args:
        fig, left, top: where; `top` is of the words' baseline.
        axis: whose label the caption is, which then stands here and nowhere else.
    """

    def __init__(
        self, fig: Canvas, left: float, top: float, title: str = "", said: str = "", axis: Axis | None = None
    ) -> None:
        self.fig, self.left, self.axis = fig, left, axis
        across, down = size(fig)
        height = 1 - top / down
        self.title = axis.label if axis else fig.text(left / across, height, title)
        self.title.set(fontsize=style.CAPTION, fontweight="bold", color=style.INK, ha="left", va="baseline", rotation=0)
        if axis:
            axis.set_label_coords(left / across, height, transform=fig.transFigure)
        self.said = fig.text(left / across, height, said, color=style.QUIET, va="baseline")
        self.show(title, said)

    @property
    def artists(self) -> list[Artist]:
        """What moves: the remark, and the caption unless it is an axis' label, which its axis draws."""
        return [self.said] if self.axis else [self.title, self.said]

    def show(self, title: str, said: str = "") -> None:
        """Other words at the same place."""
        self.title.set_text(title)
        self.said.set_text(said)
        wide = text_size(self.title)[0] if title else 0.0
        self.said.set_x((self.left + wide + 10 * bool(title)) / size(self.fig)[0])


def text_size(text: Text) -> tuple[float, float]:
    """Width and height of a text in pixels of the page."""
    box = text.get_window_extent()
    return box.width * style.SHOWN / style.DPI, box.height * style.SHOWN / style.DPI


# ---- tiles -----------------------------------------------------------------------------------------------------------


def grey(pixels: np.ndarray) -> np.ndarray:
    """An image of ink, 0 to 1, as RGB: ink is dark. What is blacker than ink is orange, whiter than paper blue."""
    shown = np.repeat(1 - np.clip(pixels, 0, 1)[..., None], 3, axis=-1)
    shown[pixels > 1 + 1e-6] = rgb(style.BLACKER)
    shown[pixels < -1e-6] = rgb(style.WHITER)
    return shown


def signed(values: np.ndarray, largest: float) -> np.ndarray:
    """Signed values in [-largest, largest] as RGB: purple below zero, white at zero, green above."""
    return style.SIGNED(0.5 + 0.5 * np.clip(values / largest, -1, 1))[..., :3]


def rgb(color: str) -> np.ndarray:
    """A colour "#rrggbb" as three numbers in [0, 1]."""
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])


class Painting(Artist):
    """Pixels that go to the figure as they are, from its top left corner: matplotlib's own images take far longer."""

    def __init__(self, fig: Canvas) -> None:
        super().__init__()
        width, height = size(fig)
        self.fine = style.DPI // style.SHOWN  # pixels of the picture for one of the page
        self.canvas = np.zeros((self.fine * round(height), self.fine * round(width), 4), dtype=np.uint8)
        self.set_zorder(-2)  # under every word
        fig.add_artist(self)

    def fill(self, left: int, top: int, width: int, height: int, value: np.ndarray) -> None:
        """Fill a rectangle, in pixels of the page, with a colour or with an RGB image of its size in fine pixels."""
        rows, columns = (slice(self.fine * a, self.fine * (a + n)) for a, n in ((top, height), (left, width)))
        self.canvas[rows, columns, :3] = np.round(255 * value)
        self.canvas[rows, columns, 3] = 255

    def draw(self, renderer: RendererBase) -> None:
        """Called by matplotlib."""
        if self.get_visible():
            renderer.draw_image(renderer.new_gc(), 0, 0, self.canvas[::-1])


class Sheet:
    """A figure to draw on in pixels of the page: tiles, words, arrows. All tiles are one image: many axes are slow.

    Args:
        fig: its whole area is used, behind whatever axes it has. The tiles are among what moves in it.
    """

    def __init__(self, fig: Canvas) -> None:
        width, height = size(fig)
        self.fig, self.ax = fig, fig.add_axes((0, 0, 1, 1), zorder=-1)
        self.ax.set(xlim=(0, width), ylim=(height, 0))
        self.ax.set_axis_off()
        self.painting = Painting(fig)

    def tile(self, left: int, top: int, image: np.ndarray, cell: int = 9, frame: str = "") -> None:
        """An RGB image (h, w, 3), `cell` pixels for each of its own, thinly framed in grey or broadly in a colour."""
        height, width, edge = cell * image.shape[0], cell * image.shape[1], 3 if frame else 1
        self.painting.fill(left - 3, top - 3, width + 6, height + 6, rgb(style.PAPER))
        colour = rgb(frame or style.EDGE)
        self.painting.fill(left - edge, top - edge, width + 2 * edge, height + 2 * edge, colour)
        fine = cell * self.painting.fine
        self.painting.fill(left, top, width, height, image.repeat(fine, axis=0).repeat(fine, axis=1))

    def clear(self, left: int, top: int, width: int, height: int) -> None:
        """White paper again."""
        self.painting.fill(left, top, width, height, rgb(style.PAPER))

    def frame(self, left: int, top: int, width: int, height: int, color: str) -> None:
        """A broad frame around a place that tiles will fill."""
        self.bar(left - 5, top - 5, width + 10, height + 10, color)
        self.clear(left - 2, top - 2, width + 4, height + 4)

    def bar(self, left: int, top: int, width: int, height: int, color: str) -> None:
        """A filled rectangle."""
        self.painting.fill(left, top, width, height, rgb(color))

    def text(self, x: float, y: float, text: str = "", *, quiet: bool = False, bold: bool = False, **more: Any) -> Text:
        """Words with their baseline at y; `more` are matplotlib's (ha, va, color, fontsize)."""
        more.setdefault("color", style.QUIET if quiet else style.INK)
        return self.ax.text(x, y, text, fontweight="bold" if bold else "normal", **more)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], color: str, width: float = 1.4) -> None:
        """An arrow from start to end."""
        look = {"arrowstyle": "-|>,head_width=.22,head_length=.45", "color": color, "linewidth": width}
        self.ax.annotate("", xy=end, xytext=start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0})

    def rule(self, y: float) -> None:
        """A thin horizontal line from margin to margin."""
        width = self.ax.get_xlim()[1]
        self.ax.plot([style.MARGIN, width - style.MARGIN], [y, y], color=style.RULE, linewidth=0.8)


class Mosaic:
    """Tiles in rows and columns, each with a caption above it.

    Args:
        fig: the figure.
        left, top: of the whole, in pixels of the page.
        rows, columns: how many tiles.
        cell: pixels of the page for each pixel of a tile.
        across, down: from one tile to the next; 24 more than a tile of 8 pixels if 0.
    """

    def __init__(
        self,
        fig: Canvas,
        left: int,
        top: int,
        rows: int,
        columns: int,
        *,
        cell: int = 9,
        across: int = 0,
        down: int = 0,
    ) -> None:
        self.sheet, self.cell = Sheet(fig), cell
        across, down = across or 8 * cell + 24, down or 8 * cell + 34
        self.places = {(r, c): (left + c * across, top + 18 + r * down) for r in range(rows) for c in range(columns)}
        self.captions = {
            place: self.sheet.text(x + 4 * cell, y - 7, ha="center", va="bottom", linespacing=1.15)
            for place, (x, y) in self.places.items()
        }

    def show(self, tiles: dict[tuple[int, int], tuple[np.ndarray, str, str]]) -> None:
        """Show {(row, column): (RGB image, caption, colour of both or "")}; other places stay as they are."""
        for place, (image, caption, color) in tiles.items():
            x, y = self.places[place]
            self.sheet.tile(x, y, image, self.cell, color)
            self.captions[place].set_text(caption)
            self.captions[place].set_color(color or style.INK)


# ---- axes and curves -------------------------------------------------------------------------------------------------


def percent_axis(ax: Axes, label: str = "") -> None:
    """A vertical axis from 0 to 100 %."""
    ax.set_ylim(-2, 102)
    ax.set_yticks(range(0, 101, 25))
    ax.set_ylabel(label)
    ax.grid(axis="y")


def plain_decades(axis: Axis) -> None:
    """Label a logarithmic axis 0.01, 0.1, 1, ...: powers of ten in TeX and minor ticks take most of the time."""
    axis.set_major_formatter(lambda value, _: f"{value:g}" if value > 2e-5 else f"{value:.5f}")
    axis.set_minor_locator(NullLocator())


class RunCurve:
    """The mean of several runs as a line with marks, and each run as a thin line behind it.

    Args:
        ax: where.
        look: colour, line and marker.
        marks: whether the points of the mean carry marks.
    """

    def __init__(self, ax: Axes, look: Look, *, marks: bool = True) -> None:
        self.look = look
        thin = LineCollection([], colors=look.color, linewidths=0.7, alpha=0.45, zorder=1.8)
        self.runs = thin
        ax.add_collection(thin, autolim=False)
        # paper beneath the mean, above the runs of all curves: dashes stay dashes
        (self.paper,) = ax.plot([], [], color=style.PAPER, linewidth=3.0, zorder=1.9)
        self.line: Line2D = ax.plot([], [], **look.line(marker=look.marker if marks else "None"))[0]

    def restyle(self, look: Look) -> None:
        """Show another method from now on."""
        self.look = look
        self.runs.set_color(look.color)
        marked = self.line.get_marker() != "None"
        self.line.set(**look.line(marker=look.marker if marked else "None"))

    def show(self, x: Sequence[float], runs: np.ndarray) -> None:
        """Runs (n, points) over x."""
        at, runs = np.asarray(x, dtype=float), np.atleast_2d(runs)
        self.runs.set_segments([np.column_stack([at, run]) for run in runs] if len(runs) > 1 else [])
        for line in (self.paper, self.line):
            line.set_data(x, runs.mean(0))

    @property
    def artists(self) -> list[Artist]:
        """All that moves, for `Canvas.moving`."""
        return [self.runs, self.paper, self.line]

    @property
    def points(self) -> np.ndarray:
        """The mean, (points, 2), as `Labels` wants it."""
        return np.column_stack(self.line.get_data())

    def hide(self) -> None:
        """Show nothing."""
        self.runs.set_segments([])
        for line in (self.paper, self.line):
            line.set_data([], [])


class RunMarks:
    """One mark for each run, sorted, side by side around a position, a bar at their mean, and a text above them."""

    def __init__(self, ax: Axes, position: float, look: Look, *, width: float = 0.56) -> None:
        self.position, self.width = position, width
        (self.marks,) = ax.plot([], [], **look.marks(alpha=0.6))
        (self.bar,) = ax.plot([], [], color=look.color, linewidth=2.2, solid_capstyle="round")
        self.text = ax.annotate(
            "", (position, 0), xytext=(0, 9), textcoords="offset points", ha="center", color=look.dark
        )

    @property
    def artists(self) -> list[Artist]:
        """All that moves, for `Canvas.moving`."""
        return [self.marks, self.bar, self.text]

    def restyle(self, look: Look) -> None:
        """Show another method from now on."""
        self.marks.set(color=look.color, marker=look.marker)
        self.bar.set_color(look.color)
        self.text.set_color(look.dark)

    def show(self, values: Sequence[float] | np.ndarray, text: str = "") -> None:
        """As many runs as there are."""
        values, half = np.sort(np.asarray(values, dtype=float)), self.width / 2
        self.marks.set_data(self.position + np.linspace(-half, half, len(values)) * 0.8, values)
        self.bar.set_data([self.position - half, self.position + half], [values.mean()] * 2)
        self.text.xy = (self.position, float(values.max()))
        self.text.set_text(text)


def shaded_place(ax: Axes) -> Rectangle:
    """A shade behind one place of an axis with the places 0, 1, 2…; `set_x(place - 0.5)` moves it.

    axvspan's can be moved so only from matplotlib 3.9 on.
    """
    shade = Rectangle((-0.5, 0), 1, 1, transform=ax.get_xaxis_transform(), color=style.SHADE, linewidth=0, zorder=0)
    ax.add_patch(shade)
    return shade


class Gap:
    """An upright bracket between two heights, with its length in words beside it: "+11 points"."""

    def __init__(self, ax: Axes) -> None:
        (self.line,) = ax.plot([], [], color=style.INK, linewidth=1.8, marker="_", markersize=8, markeredgewidth=1.8)

    def show(self, x: float, low: float, high: float) -> None:
        """From low to high at x."""
        self.line.set_data([x, x], [low, high])


def ball_outline(centre: Sequence[float] | np.ndarray, eps: float, norm: str) -> np.ndarray:
    """The edge of a ball of the plane, "linf" or "l2", (121, 2)."""
    angle = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    shape = {"l2": circle, "linf": circle / np.abs(circle).max(axis=1, keepdims=True)}[norm]
    return np.asarray(centre) + eps * shape


def around(ax: Axes, point: Sequence[float] | np.ndarray, radius: float) -> np.ndarray:
    """The outline of a mark, for `Labels` to stay off it: a circle of so many pixels of the page, in data coordinates.

    To be called when the limits of the axes are set. Empty, (0, 2), where the point is not finite.
    """
    if not np.isfinite(point).all():
        return np.empty((0, 2))
    circle = ball_outline(ax.transData.transform(point), radius * style.DPI / style.SHOWN, "l2")
    return ax.transData.inverted().transform(circle[::10])


# ---- words that find their place -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """Words at a curve or a shape.

    Args:
        text: what it says; "" is left out.
        points: where it may hang, data coordinates, (n, 2): some points of its curve, or one point.
        look: gives its colour; ink if None.
        said: a second line, quiet.
        bold: how it is set.
        size: of the text, points.
        shown: whether it is seen; a hidden one keeps its place free for another state of the picture.
    """

    text: str
    points: np.ndarray
    look: Look | None = None
    said: str = ""
    bold: bool = True
    size: float = style.TEXT
    shown: bool = True


Lines = Sequence[tuple[np.ndarray, float]]  # polylines (n, 2) in data coordinates, each with a weight


@dataclass
class _Block:
    """The artists of one label."""

    text: Text
    said: Text
    leader: Line2D = field(repr=False)


class Labels:
    """Words that find their place: near what they name, inside the axes, and on nothing that means something.

    Candidate places around each label's points are compared by how much of the curves, marks and earlier labels they
    would cover (on a coarse grid of the axes), by what else is as near, and by their distance; a far one gets a thin
    line to its point.

    Args:
        ax: where.
        paper: whether the words stand on white, which hides the thin lines beneath them.
    """

    CELL = 3.0  # pixels of the page
    GAPS = (5.0, 11.0, 20.0, 32.0, 48.0, 70.0, 95.0)
    SIDES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)], dtype=float)
    BETWEEN = np.array([(-0.5, -1), (0.5, -1), (-0.5, 1), (0.5, 1)])  # besides, where borders leave little room

    def __init__(self, ax: Axes, *, paper: bool = False) -> None:
        self.ax, self.paper, self.blocks = ax, paper, list[_Block]()

    @property
    def artists(self) -> list[Artist]:
        """All that it has drawn so far, for `Canvas.moving`."""
        return [part for block in self.blocks for part in (block.leader, block.text, block.said)]

    def show(
        self,
        labels: Sequence[Label],
        avoid: Sequence[np.ndarray] = (),
        lightly: Lines = (),
        borders: Sequence[np.ndarray] = (),
    ) -> None:
        """Place the labels, the most important first.

        Args:
            labels: those without text, and those of curves that are not there, are left out.
            avoid: polylines (n, 2) in data coordinates that stay free.
            lightly: others that had better stay free, with how much they count; those of `avoid` count 1.
            borders: polylines that cut no label off from its point, if that can be had.
        """
        labels = [label for label in labels if label.text and len(label.points)]
        while len(self.blocks) < len(labels):
            self.blocks.append(self._block())
        self.ax.get_xlim()  # limits that follow the data are settled only when they are asked for
        scale = style.SHOWN / style.DPI
        box = self.ax.get_window_extent()
        corner, extent = np.array([box.x0, box.y0]) * scale, np.array([box.width, box.height]) * scale
        taken = np.zeros(np.ceil(extent / self.CELL).astype(int) + 1)
        for line, weight in [*lightly, *((line, 1.0) for line in avoid)]:
            self._mark(taken, self._cells(self._pixels(np.asarray(line, dtype=float)) * scale - corner), weight)
        walls = [self._pixels(np.asarray(line, dtype=float)) * scale - corner for line in borders]
        for block in self.blocks:
            for part in (block.text, block.said, block.leader):
                part.set_visible(False)
        for block, label in zip(self.blocks, labels, strict=False):
            anchors = self._pixels(np.asarray(label.points, dtype=float)) * scale - corner
            self._place(block, label, anchors, taken, extent, walls)

    def _block(self) -> _Block:
        beneath = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.5} if self.paper else None
        text, said = (self.ax.text(0, 0, "", transform=None, va="bottom", zorder=6, bbox=beneath) for _ in range(2))
        (leader,) = self.ax.plot([], [], transform=None, linewidth=0.8, color=style.QUIET, zorder=5)
        return _Block(text, said, leader)

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return self.ax.transData.transform(points[np.isfinite(points).all(1)])

    def _cells(self, line: np.ndarray) -> np.ndarray:
        """The cells that a polyline passes through, (k, 2); line in pixels of the page."""
        if len(line) < 2:
            return np.floor(line / self.CELL).astype(int)
        lengths = np.abs(np.diff(line, axis=0)).max(1)
        along = np.concatenate([[0.0], lengths.cumsum()])
        steps = np.linspace(0, along[-1], min(int(along[-1] / self.CELL) + 2, 2000))
        points = np.stack([np.interp(steps, along, line[:, i]) for i in (0, 1)], axis=1)
        return np.floor(points / self.CELL).astype(int)

    def _mark(self, taken: np.ndarray, cells: np.ndarray, weight: float) -> None:
        inside = ((cells >= 0) & (cells < taken.shape)).all(1)
        taken[tuple(cells[inside].T)] = weight

    def _without(self, taken: np.ndarray, line: np.ndarray) -> np.ndarray:
        """What is taken by others than a polyline."""
        others, cells = taken.copy(), self._cells(line)
        for step in np.ndindex(3, 3):
            self._mark(others, cells + step - np.array([1, 1]), 0.0)
        return others

    def _place(
        self,
        block: _Block,
        label: Label,
        anchors: np.ndarray,
        taken: np.ndarray,
        extent: np.ndarray,
        walls: Sequence[np.ndarray],
    ) -> None:
        weight = "bold" if label.bold else "normal"
        block.text.set(text=label.text, fontweight=weight, fontsize=label.size, visible=True)
        block.text.set_color(label.look.dark if label.look else style.INK)
        block.said.set(text=label.said, color=style.QUIET, visible=bool(label.said))
        block.leader.set_color(label.look.color if label.look else style.QUIET)
        sizes = np.array([text_size(part) for part in (block.text, block.said) if part.get_text()])
        block.text.set_visible(label.shown)
        block.said.set_visible(label.shown and bool(label.said))
        wide, high = sizes[:, 0].max(), sizes[:, 1].sum()
        others = self._without(taken, anchors)
        anchors = anchors[np.linspace(0, len(anchors) - 1, min(len(anchors), 40)).astype(int)]

        # every candidate: an anchor, a side of it, a gap; `low` is its lower left corner
        half = np.array([wide, high]) / 2
        offsets, gaps = self._offsets(half, np.vstack([self.SIDES, self.BETWEEN]) if walls else self.SIDES)
        low = (anchors[:, None] + offsets[None] - half).reshape(-1, 2)
        at = np.repeat(np.arange(len(anchors)), len(offsets))
        cost = np.tile(0.02 * gaps, len(anchors))
        cost += 20.0 * (np.maximum(0, -low).sum(1) + np.maximum(0, low + 2 * half - extent).sum(1))
        if label.look:  # another curve must not be as near as the label's own
            around = np.tile(gaps, len(anchors))[:, None]
            cost += np.minimum(0.05 * self._covered(others, low - around, 2 * (half + around)), 2.0)
        cost += 4 * self._covered(taken, low, 2 * half)
        likely = np.argsort(cost, kind="stable")[: 300 if walls else 1]
        leaders = _leaders(anchors[at[likely]], low[likely], 2 * half)
        best = int(likely[np.argmin(cost[likely] + 8 * sum(_crossings(leaders, wall) for wall in walls))])

        corner = low[best]
        self._fill_box(taken, corner, 2 * half)
        if walls:
            self._mark(taken, self._cells(_leaders(anchors[at[best]], corner, 2 * half)), 1.0)
        if label.shown:
            self._set(block, corner, sizes, anchors[at[best]], tuple(2 * half))

    def _offsets(self, half: np.ndarray, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From an anchor to the middle of its label, (k, 2), and how far that is: to a side, or past a corner."""
        nearest = self.GAPS[0]
        pairs = [(gap, gap) for gap in self.GAPS] + [(nearest, gap) for gap in self.GAPS[1:]]
        pairs += [(gap, nearest) for gap in self.GAPS[1:]]
        offsets = np.concatenate([sides * (half + pair) for pair in pairs])
        return offsets, np.repeat([max(pair) for pair in pairs], len(sides))

    def _covered(self, taken: np.ndarray, low: np.ndarray, box: np.ndarray) -> np.ndarray:
        """How much of what is taken each box covers, with a margin of a cell around it."""
        total = np.pad(taken.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        limit = np.array(taken.shape)
        a = np.clip(np.floor(low / self.CELL).astype(int) - 1, 0, limit)
        b = np.clip(np.ceil((low + box) / self.CELL).astype(int) + 1, 0, limit)
        return total[b[:, 0], b[:, 1]] - total[a[:, 0], b[:, 1]] - total[b[:, 0], a[:, 1]] + total[a[:, 0], a[:, 1]]

    def _fill_box(self, taken: np.ndarray, low: np.ndarray, box: np.ndarray) -> None:
        a = np.maximum(np.floor(low / self.CELL).astype(int), 0)
        b = np.maximum(np.ceil((low + box) / self.CELL).astype(int), 0)
        taken[a[0] : b[0], a[1] : b[1]] = 3.0

    def _set(
        self, block: _Block, low: np.ndarray, sizes: np.ndarray, anchor: np.ndarray, box: tuple[float, float]
    ) -> None:
        """Put the artists of a label at a corner, in pixels of the page from the axes' lower left corner."""
        scale = style.DPI / style.SHOWN
        frame = self.ax.get_window_extent()
        origin = np.array([frame.x0, frame.y0])
        to_the_left = low[0] + box[0] / 2 < anchor[0] - box[0] / 4
        x = low[0] + (box[0] if to_the_left else 0)
        for part, height in ((block.text, low[1] + (sizes[1, 1] if len(sizes) > 1 else 0)), (block.said, low[1])):
            part.set_position(tuple(origin + scale * np.array([x, height])))
            part.set_horizontalalignment("right" if to_the_left else "left")
        nearest = np.clip(anchor, low, low + box)
        if np.hypot(*(anchor - nearest)) > 16:
            ends = origin + scale * np.stack([nearest, nearest + 0.9 * (anchor - nearest)])
            block.leader.set_data(*ends.T)
            block.leader.set_visible(True)


def _leaders(anchors: np.ndarray, low: np.ndarray, box: np.ndarray) -> np.ndarray:
    """From points (..., 2) straight to boxes by their lower left corners: (..., 2 ends, 2)."""
    return np.stack([anchors, np.clip(anchors, low, low + box)], axis=-2)


def _crossings(segments: np.ndarray, line: np.ndarray) -> np.ndarray:
    """How often each of the segments (k, 2 ends, 2) crosses a polyline (n, 2): (k,)."""

    def side(origin: np.ndarray, along: np.ndarray, points: np.ndarray) -> np.ndarray:
        towards = points - origin
        return along[..., 0] * towards[..., 1] - along[..., 1] * towards[..., 0] > 0

    a, b, p, q = segments[:, None, 0], segments[:, None, 1], line[None, :-1], line[None, 1:]
    return ((side(a, b - a, p) != side(a, b - a, q)) & (side(p, q - p, a) != side(p, q - p, b))).sum(1)
