"""The scene of section 4: what a move of the optimum costs in clean error, and what it gains under attack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.pictures import Label

P, ETA = 0.95, 0.2
DS = (20, 50, 100)
RHOS = (0.2, 0.5, 1.0, 2.0)
EPS = (0.02, 0.05, 0.1, 0.15)
ALL_RHOS = np.geomspace(RHOS[0], RHOS[-1], 25)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trade:
    """From w* to another w_1: the step, the rise of the clean error and the fall of the attacked one, in points."""

    step: float
    price: float
    gain: float


def changes(step: ArrayLike, d: int, eps: float) -> Array:
    """How the error under attack by eps changes on the way from w* to w* + step, in percentage points."""
    star = toy.standard_optimum(P, ETA)
    there, here = (toy.attacked_error(w, P, ETA, d, eps) for w in (star + np.asarray(step), star))
    return 100 * (np.asarray(there) - here)


def trade(d: int, rho: float, eps: float) -> Trade:
    """What SAM pays and gains where it perturbs w_1 by up to rho, for each example anew (definition F1)."""
    step = toy.sam_optimum(P, ETA, d, rho, "F1") - toy.standard_optimum(P, ETA)
    return Trade(step, float(changes(step, d, 0.0)), -float(changes(step, d, eps)))


def points(size: float) -> str:
    """A number of percentage points in two digits: "0.33", "0.000072"."""
    return np.format_float_positional(float(f"{size:.2g}"), trim="-").replace("-", "−")


def price_and_gain() -> widgets.Live:
    """The two errors along the way from w* to SAM's choice, and price and gain over rho."""
    with style.look():
        picture = PriceAndGain(style.figure(4.0))

    def draw(rho: float, eps: float, d: int) -> str:
        now, trades = trade(d, rho, eps), [trade(d, other, eps) for other in ALL_RHOS]
        way = np.linspace(0, 1.6 * now.step, 81)
        picture.show_way(way, changes(way, d, 0.0), changes(way, d, eps), now)
        picture.show_orders([t.price for t in trades], [t.gain for t in trades], rho, now)
        gained = "falls" if now.gain > 0 else "rises"
        return (
            f"w_1 grows by {now.step:.2g}. The clean error rises by {points(now.price)} points, "
            f"the error under attack {gained} by {points(abs(now.gain))} points."
        )

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 1.0),
        "eps": widgets.choice_slider("eps: shift of each weak feature (l_inf)", EPS, 0.1),
        "d": widgets.choice_slider("d: number of weak features", DS, 50),
    }
    return widgets.live(picture.fig, draw, controls)


class PriceAndGain:
    """How two errors change along a step of w_1, and beside it price and gain over rho, on logarithmic axes."""

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        self.way_ax = pictures.axes(fig, 74, 44, 380, 306)
        self.heading = pictures.Heading(fig, style.MARGIN, 22, "Gain", "change in points", axis=self.way_ax.yaxis)
        self._way(self.way_ax)
        self.order_ax = pictures.axes(fig, 560, 44, 266, 306)
        said = "in percentage points"
        pictures.Heading(fig, 494, 22, "For every rho", said, axis=self.order_ax.yaxis)
        self._orders(self.order_ax)

    def _way(self, ax: Axes) -> None:
        ax.set_xlabel("step of $w_1$ away from $w^*$, in votes")
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        ax.axhline(0, color=style.RULE, linewidth=0.8, zorder=0)
        (self.clean,) = ax.plot([], [], **style.SGD.line())
        (self.attacked,) = ax.plot([], [], **style.AT.line())
        self.gaps = {"price": pictures.Gap(ax), "gain": pictures.Gap(ax)}
        for name, look in (("price", style.SGD), ("gain", style.AT)):
            self.gaps[name].line.set_color(look.dark)
        self.way_labels = pictures.Labels(ax, paper=True)

    def _orders(self, ax: Axes) -> None:
        ax.set(xscale="log", yscale="log", xlim=(0.17, 2.4), xlabel="rho: radius in weight space")
        for axis in (ax.xaxis, ax.yaxis):
            pictures.plain_decades(axis)
        ax.yaxis.set_major_formatter(lambda value, _: points(value))
        ax.xaxis.set_major_locator(FixedLocator(RHOS))
        ax.grid(axis="y")
        self.lines = {
            name: ax.plot([], [], **look.line())[0] for name, look in (("price", style.SGD), ("gain", style.AT))
        }
        mark: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 9, "markerfacecolor": "none"}
        (self.here,) = ax.plot([], [], markeredgecolor=style.INK, **mark)
        self.order_labels = pictures.Labels(ax, paper=True)

    def show_way(self, step: Array, clean: Array, attacked: Array, now: Trade) -> None:
        """Changes of both errors over the step, in points, each (n,); price and gain where SAM stops."""
        ax = self.way_ax
        self.clean.set_data(step, clean)
        self.attacked.set_data(step, attacked)
        low, high = min(attacked.min(), clean.min()), max(attacked.max(), clean.max())
        room = 0.3 * (high - low)
        ax.set(xlim=(0, step[-1]), ylim=(low - 0.5 * room, high + room))
        self.gaps["price"].show(now.step, 0.0, now.price)
        self.gaps["gain"].show(now.step, 0.0, -now.gain)
        worth = f"The gain is {points(now.gain / now.price)} times the price"
        self.heading.show(worth if now.gain > 0 else "No gain: the step is too long", "change in points")
        curves = [np.column_stack([step, curve]) for curve in (clean, attacked)]
        gaps = [np.array([[now.step, 0.0], [now.step, height]]) for height in (now.price, -now.gain)]
        worse = "−" if now.gain > 0 else "+"
        labels = [
            Label(f"{worse}{points(abs(now.gain))} points", gaps[1], style.AT, "gain" if now.gain > 0 else "a loss"),
            Label(f"+{points(now.price)} points", gaps[0], style.SGD, "price"),
            Label("clean error", curves[0][::8], style.SGD, bold=False),
            Label("error under attack", curves[1][::8], style.AT, bold=False),
        ]
        self.way_labels.show(labels, [*curves, *gaps])

    def show_orders(self, price: list[float], gain: list[float], rho: float, now: Trade) -> None:
        """Price and gain over ALL_RHOS in points; rings where rho is now. A loss is left out."""
        gained = np.where(np.asarray(gain) > 0, gain, np.nan)
        curves = {"price": np.asarray(price), "gain": gained}
        top = max(np.nanmax(gained), max(price))
        self.order_ax.set_ylim(0.4 * price[0], 12 * top)
        points_of = {name: np.column_stack([ALL_RHOS, curve]) for name, curve in curves.items()}
        for name, line in self.lines.items():
            line.set_data(*points_of[name].T)
        rings = np.array([[rho, now.price], [rho, now.gain if now.gain > 0 else np.nan]])
        self.here.set_data(*rings.T)
        kept = {name: curve[np.isfinite(curve[:, 1])] for name, curve in points_of.items()}
        labels = [
            Label("gain", kept["gain"][2:-2], style.AT, "first order at small rho"),
            Label("price", kept["price"][2:-2], style.SGD, "second order at small rho"),
        ]
        marks = [pictures.around(self.order_ax, ring, 7) for ring in rings]
        self.order_labels.show(labels, [*kept.values(), *marks])
