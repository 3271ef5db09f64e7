"""The scene of section 3: how far each definition of SAM moves the optimum, as maps."""

from __future__ import annotations

import numpy as np
from IPython.display import HTML, Markdown
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.lessons.robust_and_non_robust_features.maps import RHOS, SHARES, Maps, counts, signed_percent
from samlib.course.pictures import Label

NONE = style.EDGE  # the colour of no finite optimum
DECADES = (-100.0, -10.0, -1.0, -0.1, -0.01, 0.0, 0.01, 0.1, 1.0, 10.0, 100.0)  # where a shade begins, percent

Array = NDArray[np.float64]


def definitions() -> Markdown:
    """The thirteen definitions of SAM as a table."""
    rows = [f"| {name} | {said} |" for name, said in toy.DEFINITIONS.items()]
    return Markdown("\n".join(["| | what is perturbed, and for whom |", "|---|---|", *rows]))


def shift_map(maps: Maps) -> widgets.Live:
    """One definition's map at a time, as `change_maps` makes them, and one of its rows beside it."""
    with style.look():
        picture = MapAndRow(style.figure(4.3))

    def draw(name: str, share: float) -> str:
        exact, leading = maps[name]
        row = SHARES.index(share)
        picture.show_map(name, exact, row)
        picture.show_row(exact[row], leading[row])
        found = (
            f"{signed_percent(change)} % at {rho:g}" if np.isfinite(change) else f"no finite optimum at {rho:g}"
            for rho, change in zip(RHOS, exact[row], strict=True)
        )
        along = f"With w*²/d = {share:g}, change of w_1 over rho: {', '.join(found)}."
        return f"Definition {name}: {summed_up(exact)}. {along}"

    controls = {
        "name": widgets.dropdown("definition of SAM's perturbation", list(toy.DEFINITIONS), "B"),
        "share": widgets.choice_slider("w*²/d: worth of x_1, the row", SHARES, 0.7),
    }
    return widgets.live(picture.fig, draw, controls)


def all_shift_maps(maps: Maps) -> HTML:
    """The maps of all definitions side by side."""
    with style.look():
        fig = style.figure(5.3)
        sheet = pictures.Sheet(fig)
        for k, (name, (exact, _)) in enumerate(maps.items()):
            left, top = 52 + 162 * (k % 5), 34 + 172 * (k // 5)
            sheet.text(left, top - 8, name, bold=True, fontsize=style.CAPTION)
            sheet.text(left + 108, top - 8, _in_a_word(exact), quiet=True, ha="right")
            sheet.tile(left, top, shades(exact)[::-1], cell=18)
            if k % 5 == 0:
                sheet.text(left - 8, top + 14, "4", ha="right", quiet=True)
                sheet.text(left - 8, top + 62, "$w^{*2}/d$", ha="right", quiet=True)
                sheet.text(left - 8, top + 104, "0.03", ha="right", quiet=True)
            for x, words in ((9, "0.1"), (54, "rho"), (99, "0.9")):
                sheet.text(left + x, top + 124, words, ha="center", quiet=True)
        _key(sheet, 52 + 162 * 3, 34 + 172 * 2)
    said = "; ".join(f"{name} {_in_a_word(exact)}" for name, (exact, _) in maps.items())
    return widgets.still(fig, f"Maps of the change of w_1 by definition: {said}.")


def _in_a_word(change: Array) -> str:
    """Whether a map goes up or down or neither."""
    up, down = counts(change)
    return "up" if up and not down else "down" if down and not up else "both ways" if up else "never moves"


def _key(sheet: pictures.Sheet, left: int, top: int) -> None:
    """What the shades mean."""
    sheet.text(left, top - 8, "change of $w_1$, percent", quiet=True)
    sheet.tile(left, top, shades(np.array([DECADES])), cell=25)
    for k, decade in enumerate(DECADES):
        if abs(decade) in (0, 1, 100):
            words = f"{decade:+g}".replace("-", "−") if decade else "0"
            sheet.text(left + 25 * k + 12, top + 42, words, ha="center", quiet=True)
    sheet.tile(left, top + 62, shades(np.array([[np.nan]])), cell=25)
    sheet.text(left + 34, top + 79, "no finite optimum", quiet=True)


def shades(change: Array) -> Array:
    """Changes in percent as RGB: a shade for each factor of ten, green up and purple down, white below 0.01.

    nan becomes grey.
    """
    known = np.nan_to_num(change)
    steps = np.searchsorted([decade for decade in DECADES if decade > 0], np.abs(known) * (1 + 1e-9), side="right")
    colours = pictures.signed(np.sign(known) * steps, 5.0)
    colours[np.isnan(change)] = pictures.rgb(NONE)
    return colours


def summed_up(change: Array) -> str:
    """In how many squares a definition moves the optimum, and where to: "up in 20, down in 16 of 36 squares"."""
    up, down = counts(change)
    if not up and not down:
        return "w_1 never moves"
    if up == change.size or down == change.size:
        return f"w_1 goes {'up' if up else 'down'} everywhere"
    ways = [f"{way} in {n}" for way, n in (("up", up), ("down", down)) if n]
    return f"w_1 goes {', '.join(ways)} of {change.size} squares"


class MapAndRow:
    """A map with a number in each square, and one of its rows as a curve."""

    CELL, LEFT, TOP = 54, 62, 58

    def __init__(self, fig: style.Canvas) -> None:
        self.fig, self.sheet = fig, pictures.Sheet(fig)
        self.name = pictures.Heading(fig, style.MARGIN, 22)
        side = self.CELL * len(RHOS)
        middle = self.LEFT + side / 2
        self.said = self.sheet.text(self.LEFT, self.TOP - 14, color=style.INK)
        self.sheet.text(
            middle, self.TOP + side + 36, "rho, in units of one weak feature's weight", ha="center", quiet=True
        )
        self.numbers = {}
        for row, share in enumerate(SHARES):
            height = self._top(row) + self.CELL / 2 + 4
            self.sheet.text(self.LEFT - 10, height, f"{share:g}", ha="right", quiet=True)
            for column in range(len(RHOS)):
                x = self.LEFT + self.CELL * (column + 0.5)
                self.numbers[row, column] = self.sheet.text(x, height, ha="center")
        for column, rho in enumerate(RHOS):
            x = self.LEFT + self.CELL * (column + 0.5)
            self.sheet.text(x, self.TOP + side + 18, f"{rho:g}", ha="center", quiet=True)
        self.sheet.text(self.LEFT - 10, self.TOP - 14, "$w^{*2}/d$", ha="right", quiet=True)
        self.frame = Rectangle((0, 0), side, self.CELL, fill=False, edgecolor=style.INK, linewidth=2.2)
        self.sheet.ax.add_patch(self.frame)
        self._row(492, 334)
        words = [self.name.title, self.name.said, self.said, *self.numbers.values()]
        fig.moving = [self.sheet.painting, *words, self.frame, self.ax]

    def _row(self, left: int, width: int) -> None:
        self.ax = pictures.axes(self.fig, left, self.TOP, width, self.CELL * len(RHOS))
        self.ax.set(xlim=(0, 0.95), xticks=RHOS, xlabel="rho, in units of one weak feature's weight")
        self.ax.grid(axis="y")
        self.ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        self.ax.axhline(0, color=style.EDGE, linewidth=0.8)
        (self.leading,) = self.ax.plot([], [], **style.SGD.line())
        (self.exact,) = self.ax.plot([], [], **style.SAM.line(marker=style.SAM.marker))
        self.ax.set_ylabel("change of $w_1$ along the framed row (%)")
        self.labels = pictures.Labels(self.ax)

    def _top(self, row: int) -> int:
        return self.TOP + self.CELL * (len(SHARES) - 1 - row)

    def show_map(self, name: str, change: Array, row: int) -> None:
        """Changes in percent, SHARES x RHOS, nan for no finite optimum; a frame around one row."""
        self.name.show(f"Definition {name}", toy.DEFINITIONS[name].replace("w_1", "$w_1$"))
        self.said.set_text(summed_up(change).replace("w_1", "$w_1$"))
        colours = shades(change)
        self.sheet.tile(self.LEFT, self.TOP, colours[::-1], cell=self.CELL)
        for (r, c), number in self.numbers.items():
            number.set_text(signed_percent(change[r, c]) if np.isfinite(change[r, c]) else "–")
            number.set_color(style.PAPER if colours[r, c].mean() < 0.5 else style.INK)
        self.frame.set_y(self._top(row))
        self.frame.set_x(self.LEFT)

    def show_row(self, exact: Array, leading: Array) -> None:
        """One row's changes in percent over RHOS, exact (nan: no optimum) and to leading order."""
        self.exact.set_data(RHOS, exact)
        self.leading.set_data([0, *RHOS], [0, *leading])
        known = exact[np.isfinite(exact)]
        low, high = (min(0.0, *known), max(0.0, *known)) if len(known) else (0.0, 0.0)
        room = 0.15 * (high - low) or 1.0
        self.ax.set_ylim(low - room, high + room)
        curves = [np.column_stack([RHOS, values]) for values in (exact, leading)]
        inside = [curve[(curve[:, 1] >= low - room) & (curve[:, 1] <= high + room)] for curve in curves]
        names = [Label("exact", inside[0][2:], style.SAM), Label("leading order", inside[1][2:], style.SGD, bold=False)]
        self.labels.show(names, curves)
