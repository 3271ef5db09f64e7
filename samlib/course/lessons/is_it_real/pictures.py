"""What the scenes of this lesson draw. Nothing here computes what it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from samlib.course.plots import BLACK, BLUE, ORANGE, RED, SKY, STYLES, curve_with_spread, move_curve, percent_axis


class Counts:
    """Horizontal bars, how many of a hundred stand under each attack; one of them chosen, and a line for all together.

    Args:
        ax: the axes.
        names: of the bars, from top to bottom.
        xlabel: of the axis, which goes from 0 to 100.
        together: what the dashed line means; none is drawn if it is empty.
    """

    def __init__(self, ax: Axes, names: Sequence[str], xlabel: str, together: str = "") -> None:
        self.ax, self.names = ax, list(names)
        self.bars = ax.barh(range(len(names)), [0.0] * len(names), height=0.66, color=SKY, edgecolor="white")
        self.numbers = [ax.text(0, i, "", va="center", fontsize=9) for i in range(len(names))]
        self.line = ax.axvline(-10, color="#666666", linestyle="--", linewidth=1.4)
        self.note = ax.text(-10, len(names) - 0.42, together, fontsize=8.5, color="#555555", va="top", ha="center")
        self.note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})  # so that the line does not cross it
        ax.set(xlim=(0, 108), ylim=(len(names) - 0.05, -0.55), xlabel=xlabel)
        ax.set_xticks([0, 25, 50, 75, 100])
        ax.set_yticks(range(len(names)), self.names)

    def show(self, counts: Sequence[float], chosen: str, together: float | None = None, title: str = "") -> None:
        """The length of each bar, the chosen one in orange and hatched, and where the line stands."""
        for name, bar, number, count in zip(self.names, self.bars, self.numbers, counts, strict=True):
            bar.set_width(count)
            bar.set_facecolor(ORANGE if name == chosen else SKY)
            bar.set_hatch("//" if name == chosen else "")
            number.set_text(f"{count:.0f}")
            number.set_x(count + 1.5)
        if together is not None:
            self.line.set_xdata([together] * 2)
            self.note.set_x(min(max(together, 14), 90))
        self.ax.set_title(title, fontsize=10)


class Slopes:
    """The size of each image's gradient over the lead of the right logit, and those that are exactly zero as crosses below.

    Args:
        ax: the axes.
        largest: the largest lead to be shown.
    """

    LOW, HIGH, ZERO = 1e-235, 1e12, 1e-220

    def __init__(self, ax: Axes, largest: float) -> None:
        self.ax = ax
        self.floor = ax.axhline(1e-45, color=RED, linestyle="--", linewidth=1.2)
        self.said = ax.text(0.99 * largest, 1e-40, "", ha="right", va="bottom", fontsize=8.5, color=RED)
        (self.dots,) = ax.plot([], [], "o", color=BLUE, markersize=4, alpha=0.7, label="gradient of one digit")
        (self.crosses,) = ax.plot([], [], "x", color=BLACK, markersize=5, label="exactly 0")
        ax.set(yscale="log", xlim=(-0.02 * largest, 1.02 * largest), ylim=(self.LOW, self.HIGH))
        ax.set_yticks([1, 1e-50, 1e-100, 1e-150, 1e-200], ["1", "1e-50", "1e-100", "1e-150", "1e-200"])
        ax.yaxis.set_minor_locator(NullLocator())
        ax.set(xlabel="lead of the right logit, as multiplied", ylabel="largest slope in any pixel")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 0.12), frameon=False, fontsize=8.5)

    def show(self, lead: np.ndarray, slope: np.ndarray, smallest: float, title: str) -> None:
        """One lead and one slope for each image, and the smallest number above zero that there is."""
        zero = slope == 0
        self.dots.set_data(lead[~zero], slope[~zero])
        self.crosses.set_data(lead[zero], np.full(zero.sum(), self.ZERO))
        visible = smallest > self.LOW
        self.floor.set_ydata([max(smallest, self.LOW)] * 2)
        self.floor.set_visible(visible)
        self.said.set_text(f"smallest number above 0: {smallest:.1e}" if visible else "")
        self.ax.set_title(title, fontsize=10)


class Claims:
    """What stands of a hundred for several networks, as bars, beside what their authors claim, as ticks.

    Args:
        ax: the axes.
        claims: {name: (claimed, name of STYLES)}.
    """

    def __init__(self, ax: Axes, claims: dict[str, tuple[float, str]]) -> None:
        self.ax, places = ax, range(len(claims))
        colours = [STYLES[style]["color"] for _, style in claims.values()]
        self.bars = ax.bar(places, [0.0] * len(claims), color=colours, width=0.62, alpha=0.85)
        self.numbers = [ax.text(i, 0, "", ha="center", va="bottom", fontsize=9) for i in places]
        ax.plot(places, [claim for claim, _ in claims.values()], "_", color=BLACK, markersize=34, markeredgewidth=2)
        ax.set_xticks(places, list(claims))
        ax.set_xlim(-0.6, len(claims) - 0.4)
        percent_axis(ax, "")
        ax.tick_params(labelleft=False)

    def show(self, counts: Sequence[float], title: str) -> None:
        """The height of each bar."""
        for bar, number, count in zip(self.bars, self.numbers, counts, strict=True):
            bar.set_height(count)
            number.set_text(f"{count:.0f}")
            number.set_y(2 if count >= 10 else count + 1)  # inside, or on top of a bar too low for it
            number.set_color("white" if count >= 10 else BLACK)
        self.ax.set_title(title, fontsize=10)


class Leads:
    """Two groups under attacks of growing strength, and beside them the lead of the one over the other, with intervals.

    Args:
        figure: an empty one; two axes are put into it.
        attacks: their names, weak ones first.
    """

    def __init__(self, figure: Figure, attacks: Sequence[str]) -> None:
        places = np.arange(len(attacks))
        self.level_ax, self.lead_ax = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        figure.subplots_adjust(left=0.08, right=0.99, top=0.97, bottom=0.12, hspace=0.1)
        start = np.zeros((2, len(attacks)))
        self.curves = [curve_with_spread(self.level_ax, places, start, s, s) for s in ("grey", "blue")]
        self.bars = self.lead_ax.vlines(places, 0, 1, color=BLUE, linewidth=2)
        (self.dots,) = self.lead_ax.plot(places, places * 0, "s", color=BLUE, markersize=6)
        self.here = [ax.axvline(0, color="#eeeeee", linewidth=56, zorder=0) for ax in (self.level_ax, self.lead_ax)]
        self.note = self.lead_ax.text(0, 0, "", fontsize=9, ha="center", va="bottom")
        percent_axis(self.level_ax, "stand (%)")
        self.lead_ax.axhline(0, color=BLACK, linewidth=1)
        self.lead_ax.set_ylabel("lead (points)")
        self.lead_ax.grid(axis="y", color="#dddddd", linewidth=0.8)
        self.lead_ax.set_axisbelow(True)
        self.lead_ax.set_xticks(places, [name.replace(" ", "\n") for name in attacks], fontsize=8.5)
        self.lead_ax.set_xlim(-0.6, len(attacks) - 0.4)

    def show(
        self, groups: dict[str, np.ndarray], lead: np.ndarray, half_width: np.ndarray, at: int, top: float
    ) -> None:
        """Groups {label: runs (n, attacks) in percent}, their lead and its interval's half width for each attack, in points."""
        places = np.arange(len(lead))
        for (label, runs), curve in zip(groups.items(), self.curves, strict=True):
            move_curve(curve, places, runs, label)
        self.level_ax.legend(loc="upper right", frameon=False, fontsize=9, ncols=2)
        self.dots.set_ydata(lead)
        self.bars.set_segments(
            [[(i, a - e), (i, a + e)] for i, (a, e) in enumerate(zip(lead, half_width, strict=True))]
        )
        for stripe in self.here:
            stripe.set_xdata([at] * 2)
        self.note.set_position((at, lead[at] + half_width[at] + 0.02 * top))
        self.note.set_text(f"{lead[at]:.1f} ± {half_width[at]:.1f}")
        self.lead_ax.set_ylim(min(0, float((lead - half_width).min()) - 1), 1.15 * top)
