"""The picture of section 5: which eps belongs to which rho, and what a small move of the optimum costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from samlib.course import pictures, style, widgets
from samlib.course.lessons.robust_and_non_robust_features.batches import ETA, D, P
from samlib.course.lessons.robust_and_non_robust_features.radii import derived_eps, equivalent_eps, reported_eps
from samlib.course.pictures import Label

RHOS = (0.1, 0.3)  # that were trained
UNIT = 2 * ETA  # the weight of one weak feature under the logistic loss
RADII = np.geomspace(0.05, 2, 25)  # in that unit

Array = NDArray[np.float64]


def relations() -> dict[str, Array]:
    """eps of adversarial training with the same w_1, over RADII, by four relations."""
    return {
        "reported, 2/3": np.array([reported_eps(ETA, rho) for rho in RADII]),
        "A": np.array([derived_eps(ETA, D, rho) for rho in RADII]),
        "F1": np.array([rho / D for rho in RADII]),
        "J": np.array([equivalent_eps(P, ETA, D, UNIT * rho, "J") for rho in RADII]),
    }


def eps_of_change(change: ArrayLike) -> Array:
    """The eps with which adversarial training changes w_1 by so many percent."""
    return ETA * (1 - 1 / (1 + np.asarray(change, dtype=float) / 100))


def radii_and_price(
    trained: Mapping[int, Sequence[ArrayLike]], step: ArrayLike, rise: ArrayLike, fall: ArrayLike
) -> HTML:
    """Which eps belongs to which rho, by four relations; what a step of w_1 costs, and what it gains.

    Args:
        trained: {batch size: the changes in percent of each run, at rho = 0.1 and at 0.3}.
        step: of w_1 away from w*, (n,).
        rise, fall: of the clean error and of the error under attack, as fractions, (n,).
    """
    with style.look():
        fig = style.figure(4.0)
        pictures.Heading(fig, style.MARGIN, 22, "No number turns rho into eps")
        _radii(pictures.axes(fig, 88, 40, 336, 302), trained)
        pictures.Heading(fig, 456, 22, "A small move is nearly free")
        _price(pictures.axes(fig, 530, 40, 296, 302), *(np.asarray(v, dtype=float) for v in (step, rise, fall)))
    return widgets.still(
        fig, "Left: four relations of eps and rho, orders of magnitude apart. Right: the fall is far above the rise."
    )


def _radii(ax: Axes, trained: Mapping[int, Sequence[ArrayLike]]) -> None:
    dotted = {"color": style.QUIET, "linestyle": style.NOISE.linestyle}
    lines: dict[str, dict[str, Any]] = {
        "reported, 2/3": dotted,
        "A": style.SAM.line(),
        "F1": style.OTHER.line(),
        "J": {"color": style.INK},
    }
    looks = {"reported, 2/3": style.SGD, "A": style.SAM, "F1": style.OTHER, "J": None}
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(0.04, 2.5),
        ylim=(3e-6, 1),
        ylabel="eps of AT with the same $w_1$",
        xlabel="rho, in units of one weak feature's weight",
    )
    curves, labels = [], []
    for name, eps in relations().items():
        ax.plot(RADII, eps, **lines[name])
        curves.append(np.column_stack([RADII, eps]))
        labels.append(Label(name, curves[-1][15:] if name == "F1" else curves[-1][1:10], looks[name]))
    mark: dict[str, Any] = {"color": style.INK, "markerfacecolor": style.PAPER, "markersize": 6, "zorder": 3}
    for m, marker in zip(trained, ("o", "s"), strict=False):
        for rho, runs in zip(RHOS, trained[m], strict=True):
            eps = eps_of_change(runs)
            ax.plot(np.full(len(eps), rho / UNIT), eps, marker, **mark)
            curves.append(np.column_stack([np.full(len(eps), rho / UNIT), eps]))
        labels.insert(0, Label(f"trained, $m$ = {m}", curves[-1], bold=False))
    for axis in (ax.xaxis, ax.yaxis):
        pictures.plain_decades(axis)
    ax.grid(axis="y")
    pictures.Labels(ax).show(labels, curves)


def _price(ax: Axes, step: Array, rise: Array, fall: Array) -> None:
    ax.set(xscale="log", yscale="log", xlabel="step of $w_1$ away from $w^*$")
    ax.set_ylabel("percentage points")
    ax.set(xlim=(0.8 * step[0], 1.25 * step[-1]), ylim=(50 * rise[0], 300 * fall[-1]))
    curves = {}
    for name, points, look in (("rise", rise, style.SGD), ("fall", fall, style.AT)):
        ax.plot(step, 100 * points, **look.line())
        curves[name] = np.column_stack([step, 100 * points])
    for axis in (ax.xaxis, ax.yaxis):
        pictures.plain_decades(axis)
    ax.grid(axis="y")
    labels = [
        Label("gain", curves["fall"], style.AT, "error under attack falls"),
        Label("price", curves["rise"], style.SGD, "clean error rises"),
    ]
    pictures.Labels(ax).show(labels, list(curves.values()))
