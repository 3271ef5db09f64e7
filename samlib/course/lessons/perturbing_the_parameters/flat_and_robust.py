"""Sharpness beside robust accuracy, for measured networks trained by SGD, SAM and AT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from samlib.course import results, style, widgets
from samlib.course.pictures import Heading, Label, Labels, around, axes, plain_decades, rgb

SETTINGS = ("SGD", "SAM 0.05", "SAM 0.1", "SAM 0.2", "SAM 0.4", "AT linf 0.03125", "AT linf 0.0625", "AT linf 0.125")
WITHOUT_AT = SETTINGS[:5]
ROBUST = "linf 0.125"
RADII = {"absolute": (0.01, 0.05, 0.1, 0.2, 0.4), "relative": (0.002, 0.01, 0.02, 0.05, 0.1)}  # units -> radii
JOINED = {"SGD and SAM": WITHOUT_AT, "SGD, SAM and AT": SETTINGS}


def sharpness_of(units: str, rho: float) -> str:
    """What the table calls the sharpness within rho."""
    return f"sharpness {units} {rho:g}"


def rank_correlation(table: results.Result, measure: str, settings: Sequence[str] = SETTINGS) -> float:
    """Spearman's rank correlation of a measure with robust accuracy, over all runs of the settings.

    -1: the runs with the smaller values are always the more robust ones; 0: no order.
    """
    from scipy.stats import spearmanr

    columns = [[v for s in settings for v in results.values(table, s, name)] for name in (measure, ROBUST)]
    return float(spearmanr(*columns)[0])


def marks_of(setting: str) -> dict[str, Any]:
    """How the runs of a setting are drawn: the method's mark, the fuller the larger its rho or eps."""
    family = [other for other in SETTINGS if style.of(other) is style.of(setting)]
    fill = (family.index(setting) + 1) / len(family)
    color = style.of(setting).color
    mixed = fill * rgb(color) + (1 - fill) * rgb(style.PAPER)
    return style.of(setting).marks(markerfacecolor=tuple(mixed), markersize=5.5)


class RunsInThePlane:
    """Each run as a mark, its sharpness across and its robust accuracy up.

    Args:
        ax: where.
        robust: setting -> robust accuracy of each run, in percent.
    """

    def __init__(self, ax: Axes, robust: dict[str, list[float]]) -> None:
        self.ax, self.robust, self.labels = ax, robust, Labels(ax, paper=True)
        self.marks = {name: ax.plot([], [], **marks_of(name))[0] for name in robust}
        ax.set(xscale="log", ylim=(20, 90), ylabel="robust accuracy (%), l_inf 0.125")
        ax.set_yticks([20, 40, 60, 80])
        ax.grid(axis="y")
        plain_decades(ax.xaxis)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.ax.xaxis, *self.marks.values(), *self.labels.artists]

    def show(self, sharpness: dict[str, list[float]], shown: Sequence[str], measure: str) -> None:
        """The sharpness of each run of each setting; marks of settings that are not shown are left out."""
        every = np.concatenate(list(sharpness.values()))
        self.ax.set_xlim(every.min() / 2.2, every.max() * 2.2)
        self.ax.set_xlabel(measure)
        clouds = {name: np.column_stack([sharpness[name], self.robust[name]]) for name in shown}
        for name, mark in self.marks.items():
            mark.set_data(*clouds[name].T if name in shown else ([], []))
        names = [
            Label(name.replace(" linf", ""), self._apart(cloud, clouds.values()), style.of(name))
            for name, cloud in clouds.items()
        ]
        self.labels.show(names, [around(self.ax, run, 6) for cloud in clouds.values() for run in cloud])

    def _apart(self, cloud: np.ndarray, clouds: Iterable[np.ndarray]) -> np.ndarray:
        """Those two of a cloud's runs that are farthest from other clouds' runs: its name stands at them."""
        places = self.ax.transData.transform
        others = places(np.concatenate([other for other in clouds if other is not cloud]))
        distances = np.linalg.norm(places(cloud)[:, None] - others[None], axis=2).min(1)
        return cloud[np.argsort(distances)[-2:]]


class CorrelationByRadius:
    """The rank correlation over the radius, without AT's networks and with them, and a ring at the chosen state."""

    LOOKS: ClassVar = {"SGD and SAM": style.SAM, "SGD, SAM and AT": style.AT}

    def __init__(self, ax: Axes) -> None:
        self.ax, self.labels = ax, Labels(ax, paper=True)
        places = range(5)
        self.lines = {who: ax.plot(places, [0.0] * 5, **k.line(marker=k.marker))[0] for who, k in self.LOOKS.items()}
        (self.here,) = ax.plot([0], [0], "o", color=style.INK, markersize=12, fillstyle="none", markeredgewidth=1.8)
        ax.set(xlim=(-0.4, 4.4), ylim=(-1.1, 0.6), xlabel="radius", ylabel="rank correlation")
        ax.set_yticks([-1, -0.5, 0, 0.5], ["−1", "−0.5", "0", "0.5"])
        ax.axhline(0, color=style.AXIS, linewidth=0.8)
        ax.grid(axis="y")

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        return [self.ax.xaxis, *self.lines.values(), self.here, *self.labels.artists]

    def show(self, radii: Sequence[float], correlations: dict[str, list[float]], who: str, at: int) -> None:
        """One correlation for each radius; the ring is at radius number `at` of the networks `who`."""
        self.ax.set_xticks(range(5), [f"{rho:g}" for rho in radii])
        curves = {name: np.column_stack([range(5), values]) for name, values in correlations.items()}
        for name, line in self.lines.items():
            line.set_data(*curves[name].T)
        self.here.set_data(*curves[who][[at]].T)
        ring = curves[who][at] + np.array([[-0.25, 0.0], [0.0, 0.08], [0.25, 0.0], [0.0, -0.08]])
        words = {"SGD and SAM": "without AT", "SGD, SAM and AT": "with AT"}
        names = [Label(words[name], points, self.LOOKS[name]) for name, points in curves.items()]
        self.labels.show(names, [*curves.values(), ring, np.array([[-0.4, 0.0], [4.4, 0.0]])])


def verdict(correlation: float) -> str:
    """What a rank correlation says, in words."""
    if correlation <= -0.7:
        return "The flatter, the more robust"
    return "Flatter and more robust, with exceptions" if correlation <= -0.4 else "Sharpness does not order them"


def sharpness_and_robustness(table: results.Result) -> widgets.Live:
    """Robust accuracy over sharpness, at every radius, without and with networks that AT has trained.

    Args:
        table: the measured table "sharpness".
    """
    robust = {name: [100 * value for value in results.values(table, name, ROBUST)] for name in SETTINGS}
    found = {
        (units, who): [rank_correlation(table, sharpness_of(units, rho), settings) for rho in radii]
        for units, radii in RADII.items()
        for who, settings in JOINED.items()
    }
    with style.look():
        fig = style.figure(4.0)
        heading = Heading(fig, 14, 24)
        Heading(fig, 584, 24, "The order, at every radius")
        plane = RunsInThePlane(axes(fig, 62, 44, 472, 298), robust)
        by_radius = CorrelationByRadius(axes(fig, 644, 44, 182, 298))

    def draw(units: str, at: int, who: str) -> str:
        rho, correlation = RADII[units][at], found[units, who][at]
        measure = sharpness_of(units, rho)
        heading.show(verdict(correlation), f"rank correlation {correlation:.2f}".replace("-", "−"))
        sharpness = {name: results.values(table, name, measure) for name in SETTINGS}
        plane.show(sharpness, JOINED[who], f"← flatter    sharpness within rho = {rho:g}, {units} units    sharper →")
        by_radius.show(RADII[units], {name: found[units, name] for name in JOINED}, who, at)
        fig.moving = [heading.title, heading.said, *plane.moving, *by_radius.moving]
        return f"{who}, sharpness within rho {rho:g} in {units} units: rank correlation {correlation:.2f}."

    both = zip(RADII["absolute"], RADII["relative"], strict=True)
    controls = {
        "at": widgets.choice_slider(
            "rho: weight radius, absolute | relative", [(f"{a:g} | {r:g}", i) for i, (a, r) in enumerate(both)], 4
        ),
        "units": widgets.toggle("units of rho", list(RADII), "absolute"),
        "who": widgets.toggle("networks", list(JOINED), "SGD and SAM"),
    }
    return widgets.live(fig, draw, controls)
