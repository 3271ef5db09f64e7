"""The look of every picture, set here and nowhere else: sizes, fonts, and a colour, line and marker for each method.

A scene never names a colour or a font size. It asks for `style.SAM.color`, `style.INK`, `style.CAPTION` when it draws,
so that what is changed here changes everywhere. `look()` puts matplotlib's defaults and these settings in the place of
whatever the learner's own matplotlibrc says, for as long as something is drawn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WIDTH = 8.4  # inches, of every picture
DPI = 200  # drawn at twice the resolution at which it is shown, crisp on every screen
SHOWN = 100  # pixels of the page for an inch

INK, QUIET, RULE, PAPER = "#222222", "#666666", "#dddddd", "#ffffff"
SHADE = "#efefef"  # of a region: misclassified, out of reach
PALE = "#e4e4e4"  # what was before, the empty part of a bar
EDGE = "#a8a8a8"  # of a tile
AXIS = "#999999"
BLACKER, WHITER = "#D55E00", "#56B4E9"  # than any pixel of an image can be
TEXT, CAPTION = 9.0, 11.0  # points
MARGIN = 14  # pixels of the page

# Okabe and Ito's colours, told apart by colour-blind readers too, each with a line style and a marker of its own.


@dataclass(eq=False)
class Look:
    """How something is drawn wherever it appears: its colour, a darker one for words, its line and its marker."""

    color: str
    dark: str
    linestyle: Any
    marker: str

    def line(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments of `Axes.plot` for a line."""
        return {"color": self.color, "linestyle": self.linestyle, **more}

    def marks(self, **more: Any) -> dict[str, Any]:
        """Keyword arguments of `Axes.plot` for marks without a line."""
        return {"color": self.color, "marker": self.marker, "linestyle": "none", **more}


SGD = Look("#666666", "#555555", "-", "o")
SAM = Look("#0072B2", "#00639B", (0, (5, 2)), "s")  # and whatever the weights do
AT = Look("#D55E00", "#B34700", (0, (6, 2, 1.5, 2)), "^")  # and whatever the attack on the pixels does
NOISE = Look("#009E73", "#007A59", (0, (1.2, 1.6)), "D")
OTHER = Look("#AA4499", "#8A2F7B", (0, (3, 1.5, 1, 1.5, 1, 1.5)), "v")  # a fifth, where one is needed


def of(name: str) -> Look:
    """The look of a method, by how its name begins: "SAM 0.4", "AT linf 0.125", "input noise 0.2"."""
    for beginnings, look in {("AT",): AT, ("SAM", "first", "weights"): SAM, ("SGD",): SGD}.items():
        if name.startswith(beginnings):
            return look
    return NOISE if "noise" in name else OTHER


# Signed values: purple below zero, white at zero, green above. (Orange is AT's.)
SIGNED = LinearSegmentedColormap.from_list(
    "purple-white-green", ["#40004b", "#9970ab", "#f7f7f7", "#5aae61", "#00441b"]
)

SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": TEXT,
    "mathtext.fontset": "cm",
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "axes.edgecolor": AXIS,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": AXIS,
    "ytick.color": AXIS,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "lines.dash_capstyle": "butt",
    "legend.frameon": False,
    "legend.fontsize": TEXT,
    "figure.facecolor": PAPER,
    "image.interpolation": "nearest",
}
# What a picture may depend on; the rest (backends, keys, saving) is left as it is.
_DRAWN: tuple[str, ...] = (
    "axes",
    "boxplot",
    "contour",
    "errorbar",
    "figure.",
    "font",
    "grid",
    "hatch",
    "hist",
    "image",
    "legend",
    "lines",
)
_DRAWN += ("markers", "mathtext", "patch", "path", "scatter", "text", "xtick", "ytick")
_DEFAULTS: dict[str, Any] = {
    name: value for name, value in matplotlib.rcParamsDefault.items() if name.startswith(_DRAWN)
}


# matplotlib and its settings may be used by one thread at a time; a training run draws from its own
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def look() -> Iterator[None]:
    """While it lasts, matplotlib draws in the course's look. Also a decorator: `@style.look()` on a function."""
    with _ONE_AT_A_TIME, matplotlib.rc_context(cast(Any, {**_DEFAULTS, **SETTINGS})):
        yield


class Canvas(Figure):
    """A figure that is drawn once, and of which only `moving` is drawn again; everything, where nothing is named.

    What stands still must not change any more once the figure has been shown, but with a call of `settle`.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=DPI)
        self.moving: list[Artist] = []
        self._still: Any = None  # what does not move, as pixels
        FigureCanvasAgg(self)

    def pixels(self) -> np.ndarray:
        """The figure as it now is, uint8 (height, width, 3)."""
        canvas = self.canvas
        assert isinstance(canvas, FigureCanvasAgg)
        with look():
            if not self.moving:
                canvas.draw()
            else:
                if self._still is None:
                    self._still = self._draw_still(canvas)
                canvas.restore_region(self._still)
                for artist in self.moving:
                    self.draw_artist(artist)
            return np.asarray(canvas.buffer_rgba())[..., :3]

    def settle(self) -> None:
        """What stands still has changed after all: it is drawn anew with the next picture."""
        self._still = None

    def _draw_still(self, canvas: FigureCanvasAgg) -> Any:
        for artist in self.moving:
            artist.set_animated(True)
        canvas.draw()
        for artist in self.moving:
            artist.set_animated(False)
        return canvas.copy_from_bbox(self.bbox)


def figure(height: float, width: float = WIDTH) -> Canvas:
    """A figure of width x height inches that belongs to no notebook cell."""
    return Canvas(width, height)
