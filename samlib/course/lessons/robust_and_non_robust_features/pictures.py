"""The pictures of the lesson on robust and non-robust features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from samlib.course.plots import BLACK, BLUE, DIVERGING, RED, STYLES, plain_decades


class VotesAndErrors:
    """Examples by their robust feature and the vote of their weak ones, and the error over the robust feature's weight.

    Args:
        figure: an empty one; two axes are put into it.
    """

    def __init__(self, figure: Figure) -> None:
        self.votes_ax, self.error_ax = figure.subplots(1, 2, width_ratios=[4, 5])
        figure.subplots_adjust(left=0.08, right=0.99, top=0.86, bottom=0.14, wspace=0.24)
        places = np.random.default_rng(0).uniform(-0.33, 0.33, 1000)  # side by side, so that dots can be told apart
        self.places = places
        self.dots = {
            side: self.votes_ax.plot([], [], marker, color=colour, markersize=4, alpha=0.75, label=f"y = {side:+d}")[0]
            for side, marker, colour in ((1, "s", BLUE), (-1, "^", RED))
        }
        (self.wrong,) = self.votes_ax.plot([], [], "x", color=BLACK, markersize=6, label="ST errs")
        self.thresholds, self.errors, self.bottoms = {}, {}, {}
        for name, style, curve in (("ST", "grey", "clean error"), ("AT", "green", "error under attack")):
            self.thresholds[name] = _line(self.votes_ax, style, f"{name}'s threshold")
            self.errors[name] = _line(self.error_ax, style, curve)
            look = STYLES[style]
            (self.bottoms[name],) = self.error_ax.plot(
                [], [], look["marker"], color=look["color"], markersize=9, label=f"{name}'s choice"
            )
        self.votes_ax.set(xlim=(-1.6, 1.6), xlabel="robust feature x_1", ylabel="vote of the weak features")
        self.votes_ax.set_xticks([-1, 1], ["-1", "+1"])
        self.votes_ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8, frameon=False, columnspacing=1.0
        )
        self.error_ax.set(yscale="log", xlim=(-2, 30), ylim=(0.05, 130), xlabel="w_1, how many votes x_1 is worth")
        self.error_ax.set_ylabel("error (%)")
        self.error_ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        self.error_ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8, frameon=False)
        plain_decades(self.error_ax.yaxis)

    def show(
        self,
        robust: np.ndarray,
        votes: np.ndarray,
        y: np.ndarray,
        w_1: np.ndarray,
        errors: dict[str, np.ndarray],
        optima: dict[str, tuple[float, float] | None],
    ) -> None:
        """Examples, each (n,); the errors {"ST" or "AT": in percent over w_1}; the optima as (w_1, error), or None."""
        at = robust + self.places[: len(robust)]
        for side, dots in self.dots.items():
            dots.set_data(at[y == side], votes[y == side])
        chosen = optima["ST"][0]
        wrong = y * (chosen * robust + votes) < 0
        self.wrong.set_data(at[wrong], votes[wrong])
        for name, optimum in optima.items():
            self.errors[name].set_data(w_1, errors[name])
            w, error = optimum or (np.nan, np.nan)
            self.thresholds[name].set_data([-1.45, -0.55, np.nan, 0.55, 1.45], [w, w, np.nan, -w, -w])
            self.bottoms[name].set_data([w], [error])
        reach = 1.05 * np.abs(votes).max()
        self.votes_ax.set_ylim(-reach, reach)


class OptimumShift:
    """The valley of the error with SAM's worst case over it, and how far each definition moves the optimum.

    Args:
        figure: an empty one; two axes are put into it.
        styles: {definition: name of STYLES}, in the right-hand axes.
    """

    def __init__(self, figure: Figure, styles: dict[str, str]) -> None:
        self.valley_ax, self.change_ax = figure.subplots(1, 2, width_ratios=[5, 4])
        figure.subplots_adjust(left=0.08, right=0.99, top=0.91, bottom=0.14, wspace=0.24)
        ax = self.valley_ax
        self.clean = _line(ax, "grey", "clean error L")
        self.worst = _line(ax, "blue", "worst error within rho")
        (self.chord,) = ax.plot([], [], "-", color=RED, marker="|", markersize=14, linewidth=2, label="level chord")
        (self.standard,) = ax.plot([], [], "o", color="#666666", markersize=8, label="w*, ST")
        (self.optimum,) = ax.plot([], [], "D", color=BLUE, markersize=8, label="SAM's choice")
        ax.set(yscale="log", xlim=(0, 22), xlabel="w_1, how many votes x_1 is worth", ylabel="error (%)")
        ax.legend(loc="upper right", fontsize=8, frameon=False, ncols=2)
        plain_decades(ax.yaxis)
        ax.yaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]))
        ax = self.change_ax
        ax.axhline(0, color="#999999", linewidth=1)
        self.changes = {name: _line(ax, style, name, STYLES[style]["marker"]) for name, style in styles.items()}
        (self.here,) = ax.plot([], [], "o", markersize=13, markerfacecolor="none", color=BLACK, label="now")
        ax.set(ylim=(-20, 60), xlabel="rho, radius in weight space", ylabel="change of w_1 against w* (%)")
        ax.legend(loc="upper left", fontsize=9, frameon=False, ncols=2)

    def show(
        self,
        w_1: np.ndarray,
        clean: np.ndarray,
        worst: np.ndarray,
        points: dict[str, tuple[float, float] | None],
        chord: tuple[float, float] | None,
        title: str,
    ) -> None:
        """Errors in percent over w_1; `points` "standard" and "optimum" as (w_1, error); the chord's two ends, if there is one."""
        self.clean.set_data(w_1, clean)
        self.worst.set_data(w_1, worst)
        for artist, name in ((self.standard, "standard"), (self.optimum, "optimum")):
            artist.set_data(*np.array(points[name] or (np.nan, np.nan))[:, None])
        level = (points["optimum"] or (np.nan, np.nan))[1]
        self.chord.set_data(chord or (np.nan, np.nan), [level, level])
        self.valley_ax.set_ylim(0.5 * clean.min(), 12 * clean[-1])
        self.valley_ax.set_title(title, fontsize=10)

    def show_changes(self, rhos: Sequence[float], changes: dict[str, Sequence[float]], name: str, rho: float) -> None:
        """Changes in percent over rho for each definition, with a ring at the chosen one."""
        for line, values in changes.items():
            self.changes[line].set_data(rhos, values)
        self.here.set_data([rho], [np.clip(changes[name][list(rhos).index(rho)], -20, 60)])
        self.change_ax.set_xlim(0, 1.05 * rhos[-1])


SIGN_EDGES = (-1000, -100, -10, -1, -0.1, -0.01, 0.01, 0.1, 1, 10, 100, 1000)  # percent


def shift_map(ax: Axes, columns: Sequence[float], rows: Sequence[float], change: np.ndarray, title: str = ""):
    """A change in percent, (rows, columns), in steps of ten: purple down, white below 0.01, orange up, grey where there is none.

    Returns the mesh, for `set_array`.
    """
    colours = DIVERGING.resampled(len(SIGN_EDGES) - 1).with_extremes(bad="#888888")
    norm = BoundaryNorm(SIGN_EDGES, colours.N)
    mesh = ax.pcolormesh(np.ma.masked_invalid(change), cmap=colours, norm=norm, edgecolors="white", linewidth=0.5)
    ax.set_xticks(np.arange(len(columns)) + 0.5, [f"{v:g}" for v in columns], fontsize=8)
    ax.set_yticks(np.arange(len(rows)) + 0.5, [f"{v:g}" for v in rows], fontsize=8)
    ax.set_title(title, fontsize=9)
    return mesh


class ShiftMap:
    """Where a definition of SAM moves the optimum up and where down, and beside it how far along one row of the map.

    Args:
        figure: an empty one; three axes are put into it.
        columns, rows: values of rho and of w*^2 / d.
    """

    def __init__(self, figure: Figure, columns: Sequence[float], rows: Sequence[float]) -> None:
        self.map_ax, self.curve_ax = figure.subplots(1, 2, width_ratios=[5, 4])
        figure.subplots_adjust(left=0.07, right=0.985, top=0.85, bottom=0.14, wspace=0.34)
        self.title = figure.text(0.07, 0.945, "", fontsize=10)
        self.columns, self.rows = list(columns), list(rows)
        self.mesh = shift_map(self.map_ax, columns, rows, np.zeros((len(rows), len(columns))))
        bar = figure.colorbar(self.mesh, ax=self.map_ax, ticks=[-100, -10, -1, -0.1, 0, 0.1, 1, 10, 100])
        bar.ax.set_yticklabels(["-100", "-10", "-1", "-0.1", "<0.01", "+0.1", "+1", "+10", "+100"], fontsize=8)
        bar.set_label("change of w_1 (%)", fontsize=9)
        self.map_ax.set(xlabel="rho, in units of one weak feature's weight", ylabel="w*² / d")
        (self.here,) = self.map_ax.plot(
            [], [], "s", color=BLACK, markersize=20, markerfacecolor="none", markeredgewidth=2
        )
        self.exact = _line(self.curve_ax, "blue", "exact", "s")
        self.leading = _line(self.curve_ax, "grey", "leading order")
        (self.now,) = self.curve_ax.plot([], [], "o", markersize=13, markerfacecolor="none", color=BLACK)
        self.curve_ax.axhline(0, color="#999999", linewidth=1)
        self.curve_ax.set(xlim=(0, 1.08 * self.columns[-1]), ylabel="change of w_1 (%)")
        self.curve_ax.set_xlabel("rho, in units of one weak feature's weight")
        self.curve_ax.legend(loc="best", fontsize=9, frameon=False)

    def show(self, change: np.ndarray, leading: np.ndarray, column: int, row: int, title: str) -> None:
        """The changes in percent, (rows, columns), exact (nan: no optimum) and to leading order; one square is marked."""
        self.mesh.set_array(np.ma.masked_invalid(change))
        self.here.set_data([column + 0.5], [row + 0.5])
        self.exact.set_data(self.columns, change[row])
        self.leading.set_data([0, *self.columns], [0, *leading[row]])
        self.now.set_data([self.columns[column]], [change[row, column]])
        known = change[row][np.isfinite(change[row])]
        low, high = min(0.0, known.min()), max(0.0, known.max())
        room = 0.15 * (high - low) or 1.0
        self.curve_ax.set_ylim(low - room, high + room)
        self.title.set_text(title)
        self.curve_ax.set_title(f"along the row w*²/d = {self.rows[row]:g}", fontsize=9)


class ShiftByBatchSize:
    """A change in percent over the batch size, as points with bars of one standard error.

    Args:
        ax: the axes.
        styles: {series: name of STYLES}.
        levels: {what a dashed line means: its height}.
    """

    def __init__(self, ax: Axes, styles: dict[str, str], levels: dict[str, float]) -> None:
        self.ax, self.styles = ax, styles
        ax.axhline(0, color="#999999", linewidth=1)
        for (label, level), dashes in zip(levels.items(), ("--", ":"), strict=False):
            ax.axhline(level, color=BLACK, linestyle=dashes, linewidth=1.2, label=label)
        for name, style in styles.items():
            look = STYLES[style]
            ax.plot([], [], look["marker"], color=look["color"], markersize=7, label=name)
        ax.set(xscale="log", xlim=(0.7, 8000), ylim=(-8, 52), xlabel="m, examples in a batch")
        ax.set_ylabel("change of w_1 / w_j (%)")
        ax.set_xticks([1, 4, 16, 64, 256, 1024, 4096], ["1", "4", "16", "64", "256", "1024", "4096"])
        ax.minorticks_off()
        ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.legend(loc="center right", bbox_to_anchor=(1.0, 0.52), frameon=False, fontsize=9)

    def add(self, series: str, m: float, change: float, error: float) -> None:
        """One more point."""
        look = STYLES[self.styles[series]]
        self.ax.errorbar(
            m, change, error, fmt=look["marker"], color=look["color"], markersize=7, capsize=4, linewidth=1.6
        )


def _line(ax: Axes, style: str, label: str, marker: str | None = None):
    """An empty line in one of STYLES, to be given data later."""
    return ax.plot([], [], label=label, linewidth=1.9, markersize=5, **{**STYLES[style], "marker": marker})[0]
