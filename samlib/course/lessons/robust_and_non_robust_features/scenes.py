"""The scenes of the lesson: data in, a widget or a still picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from IPython.display import HTML, Markdown

from samlib import toy
from samlib.course import plots, widgets
from samlib.course.lessons.robust_and_non_robust_features import pictures
from samlib.course.lessons.robust_and_non_robust_features.maps import RHOS, SHARES, Maps
from samlib.course.lessons.robust_and_non_robust_features.radii import derived_eps, equivalent_eps, reported_eps
from samlib.course.lessons.robust_and_non_robust_features.valley import level_chord, optimum_or_nan, worst_error

# ---- section 1 -------------------------------------------------------------------------------------------------------


def votes_and_errors() -> widgets.Live:
    """Examples after the attack, and the errors of every classifier, with the optima of standard training and of AT."""
    fig = widgets.figure(8.4, 3.9)
    picture = pictures.VotesAndErrors(fig)
    w_1 = np.linspace(-2, 30, 321)

    def draw(p: float, eta: float, d: int, eps: float) -> str:
        x, y = (v.double().numpy() for v in toy.sample(150, p, eta, d, torch.Generator().manual_seed(1)))
        votes = x[:, 1:].sum(1) - eps * d * y
        errors = {"ST": 100 * toy.clean_error(w_1, p, eta, d), "AT": 100 * toy.attacked_error(w_1, p, eta, d, eps)}
        best = {"ST": toy.standard_optimum(p, eta), "AT": toy.adversarial_optimum(p, eta, eps) if eps < eta else None}
        marks = {"ST": (best["ST"], 100 * toy.clean_error(best["ST"], p, eta, d)), "AT": None}
        if best["AT"]:
            marks["AT"] = (best["AT"], 100 * toy.attacked_error(best["AT"], p, eta, d, eps))
        picture.show(x[:, 0], votes, y, w_1, errors, marks)
        turned = f"{best['AT']:.3g}" if best["AT"] else "infinite"
        hit = 100 * toy.attacked_error(best["ST"], p, eta, d, eps)
        return (
            f"w_1 is {best['ST']:.3g} for ST, {turned} for AT; "
            f"ST errs in {marks['ST'][1]:.2g} %, under attack in {hit:.2g} %."
        )

    controls = {
        "p": widgets.choice_slider("p: how often x_1 is right", [0.7, 0.8, 0.9, 0.95, 0.99], 0.95),
        "eta": widgets.choice_slider("η: mean of a weak feature", [0.1, 0.15, 0.2, 0.3, 0.4], 0.2),
        "d": widgets.choice_slider("d: number of weak features", [10, 20, 50, 100, 200], 50),
        "eps": widgets.choice_slider("eps: l_inf shift of each", [0.0, 0.05, 0.1, 0.15, 0.19, 0.2, 0.25], 0.1),
    }
    return widgets.live(fig, draw, controls)


# ---- section 2 -------------------------------------------------------------------------------------------------------


def optimum_shift() -> widgets.Live:
    """The valley of the error, its worst case within rho by three definitions, and where each puts the optimum."""
    rhos, ps, ds = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0], [0.9, 0.95, 0.99], [20, 50, 100]
    names = ("A", "B", "F1")
    optima = {(name, p, d): [optimum_or_nan(name, p, d, rho) for rho in rhos] for name in names for p in ps for d in ds}
    fig = widgets.figure(8.4, 3.8)
    picture = pictures.OptimumShift(fig, {"A": "blue", "B": "orange", "F1": "green"})
    w_1 = np.linspace(0.02, 22, 300)

    def draw(name: str, rho: float, p: float, d: int) -> str:
        star, w = toy.standard_optimum(p, 0.2), optima[name, p, d][rhos.index(rho)]
        points = {"standard": (star, 100 * toy.clean_error(star, p, 0.2, d)), "optimum": None}
        ends = None
        if np.isfinite(w):
            points["optimum"] = (w, 100 * float(worst_error(name, w, p, d, rho)))
            ends = level_chord(name, w, p, d, rho)
        clean, worst = toy.clean_error(w_1, p, 0.2, d), worst_error(name, w_1, p, d, rho)
        title = f"definition {name}: w* = {star:.2f}, SAM {w:.2f}" if np.isfinite(w) else f"{name}: no optimum"
        picture.show(w_1, 100 * clean, 100 * worst, points, ends, title)
        changes = {n: 100 * (np.array(optima[n, p, d]) / star - 1) for n in names}
        picture.show_changes(rhos, changes, name, rho)
        return f"{title}. Change of w_1: " + ", ".join(f"{n} {v[rhos.index(rho)]:+.1f} %" for n, v in changes.items())

    controls = {
        "name": widgets.toggle("definition of SAM", names, "A"),
        "rho": widgets.choice_slider("rho: radius in weight space", rhos, 4.0),
        "p": widgets.choice_slider("p: how often x_1 is right", ps, 0.95),
        "d": widgets.choice_slider("d: number of weak features", ds, 50),
    }
    return widgets.live(fig, draw, controls)


# ---- section 3 -------------------------------------------------------------------------------------------------------


def definitions() -> Markdown:
    """The thirteen definitions of SAM as a table."""
    rows = [f"| {name} | {said} |" for name, said in toy.DEFINITIONS.items()]
    return Markdown("\n".join(["| | what is perturbed, and for whom |", "|---|---|", *rows]))


def shift_map(maps: Maps) -> widgets.Live:
    """One definition's map at a time, as `change_maps` makes them, and one of its rows."""
    fig = widgets.figure(8.4, 3.8)
    picture = pictures.ShiftMap(fig, RHOS, SHARES)

    def draw(name: str, rho: float, share: float) -> str:
        exact, leading = maps[name]
        column, row = RHOS.index(rho), SHARES.index(share)
        picture.show(exact, leading, column, row, f"{name}: {toy.DEFINITIONS[name]}")
        found = exact[row, column]
        said = f"w_1 changes by {found:+.3g} %" if np.isfinite(found) else "there is no finite optimum"
        return f"Definition {name}, rho {rho:g}, w*²/d {share:g}: {said}."

    controls = {
        "name": widgets.dropdown("definition of SAM", list(toy.DEFINITIONS), "B"),
        "rho": widgets.choice_slider("rho: radius in weight space", RHOS, 0.5),
        "share": widgets.choice_slider("w*²/d: worth of x_1", SHARES, 0.7),
    }
    return widgets.live(fig, draw, controls)


def all_shift_maps(maps: Maps) -> HTML:
    """The maps of all definitions side by side."""
    fig = widgets.figure(8.4, 5.4)
    panels = fig.subplots(3, 5)
    for panel, name in zip(panels.flat, maps, strict=False):
        pictures.shift_map(panel, RHOS, SHARES, maps[name][0], name)
        panel.set_xticks([0.5, 5.5], ["0.1", "0.9"], fontsize=8)
        panel.set_yticks([0.5, 5.5], ["0.03", "4"], fontsize=8)
        panel.set_xlabel("rho", fontsize=8, labelpad=-7)
        panel.set_ylabel("w*²/d", fontsize=8, labelpad=-9)
    for panel in panels.flat[len(maps) :]:
        panel.set_axis_off()
    fig.subplots_adjust(left=0.06, right=0.99, top=0.95, bottom=0.06, wspace=0.45, hspace=0.45)
    return widgets.still(
        fig, "Maps of the change: A, A', C, D, F1, F2, J nowhere purple; E, G white; B, D', H, I purple in places."
    )


# ---- section 4 -------------------------------------------------------------------------------------------------------

Change = tuple[float, float]  # its mean over the runs and the standard error, in percent


def summary(changes: Sequence[float]) -> Change:
    """Mean and its standard error."""
    return float(np.mean(changes)), float(np.std(changes, ddof=1) / len(changes) ** 0.5)


def _shift_by_batch_size() -> pictures.ShiftByBatchSize:
    star = toy.standard_optimum(0.95, 0.2)
    own, free = (100 * (toy.sam_optimum(0.95, 0.2, 50, 0.3, name) / star - 1) for name in ("J", "I"))
    levels = {"J: each example its own, others kept": own, "I: the same, all learned": free}
    fig = widgets.figure(8.4, 3.6)
    ax = fig.add_axes((0.08, 0.15, 0.91, 0.82))
    return pictures.ShiftByBatchSize(ax, {"others kept": "blue", "all learned": "orange"}, levels)


def train_by_batch_size(changes_of: Callable[..., list[np.ndarray]]) -> widgets.Work:
    """A button that trains with SAM and with SGD, and adds the change of w_1 / w_j to a picture over the batch size.

    Args:
        changes_of: (batch size, [rho], whether all weights are learned, [seed]) -> the changes in percent, [(1,)].
    """
    picture = _shift_by_batch_size()

    def train(report: Callable[[str], None], m: int, which: str) -> str:
        changes = []
        for seed in range(3):
            changes.append(changes_of(m, [0.3], which == "all learned", [seed])[0].item())
            report(f"m = {m}: the change is {changes[-1]:.1f} % with seed {seed}.")
        mean, error = summary(changes)
        picture.add(which, m, mean, error)
        return f"m = {m}, {which}: w_1 / w_j changes by {mean:.1f} ± {error:.1f} %."

    controls = {
        "m": widgets.choice_slider("m: examples in a batch", [1, 4, 16, 64, 256, 1024, 4096], 16),
        "which": widgets.toggle("weak features' weights", ["others kept", "all learned"], "others kept"),
    }
    return widgets.Work("Train with SAM and with SGD", 3, train, picture.ax.figure, controls)


def shift_by_batch_size(kept: Mapping[int, Change], learned: Mapping[int, Change]) -> HTML:
    """The same as a still picture: {batch size: change} with the weak features' weights kept, and with all learned."""
    picture = _shift_by_batch_size()
    for which, series in (("others kept", kept), ("all learned", learned)):
        for m, (mean, error) in series.items():
            picture.add(which, m, mean, error)
    return widgets.still(
        picture.ax.figure,
        "Others kept: from 37 % at m = 1 down to less than 1 % at m = 4096. All learned: a few per cent at most.",
    )


# ---- section 5 -------------------------------------------------------------------------------------------------------


def radii_and_price(
    trained: Mapping[int, Sequence[Change]], step: np.ndarray, rise: np.ndarray, fall: np.ndarray
) -> HTML:
    """Which eps belongs to which rho, by four relations; what a step of w_1 costs, and what it gains.

    Args:
        trained: {batch size, 1 and 16: the change at rho = 0.1 and at 0.3}.
        step: of w_1 away from w*.
        rise, fall: of the clean error and of the error under attack, as fractions.
    """
    p, eta, d = 0.95, 0.2, 50
    radii = np.geomspace(0.05, 2, 25)  # in units of one weak feature's weight
    curves = {
        "reported, 2/3": [reported_eps(eta, rho) for rho in radii],
        "A": [derived_eps(eta, d, rho) for rho in radii],
        "F1": [rho / d for rho in radii],
        "J, m = 1": [equivalent_eps(p, eta, d, 2 * eta * rho, "J") for rho in radii],
    }
    points = {(f"m = {m}", rho): run for m, runs in trained.items() for rho, run in zip((0.1, 0.3), runs, strict=True)}
    fig = widgets.figure(8.4, 3.9)
    left, right = fig.subplots(1, 2)
    for (name, curve), style in zip(curves.items(), ("grey", "blue", "green", "orange"), strict=True):
        left.loglog(radii, curve, label=name, linewidth=1.9, **{**plots.STYLES[style], "marker": None})
    for (name, rho), (mean, error) in points.items():
        found = eta * (1 - 1 / (1 + np.array([mean - error, mean, mean + error]) / 100))
        look = {"m = 1": "*", "m = 16": "P"}[name]
        bar = np.abs(found[[0, 2]] - found[1])[:, None]
        label = f"trained, {name}" if rho == 0.3 else None
        left.errorbar(rho / (2 * eta), found[1], bar, fmt=look, color="black", markersize=9, capsize=3, label=label)
    left.set(xlabel="rho, in units of one weak feature's weight", ylabel="eps of AT with the same w_1", ylim=(3e-6, 4))
    left.legend(frameon=False, fontsize=8, ncols=2, loc="upper left")
    right.loglog(step, 100 * rise, label="clean error rises", linewidth=1.9, **plots.STYLES["grey"])
    right.loglog(step, 100 * fall, label="attacked error falls (eps 0.1)", linewidth=1.9, **plots.STYLES["blue"])
    right.set(xlabel="step of w_1 away from w*", ylabel="percentage points")
    right.legend(frameon=False, fontsize=9, loc="lower right")
    for panel in (left, right):
        plots.plain_decades(panel.xaxis)
        plots.plain_decades(panel.yaxis)
    fig.subplots_adjust(left=0.12, right=0.99, top=0.97, bottom=0.14, wspace=0.33)
    return widgets.still(
        fig, "Left: four relations of eps and rho, orders of magnitude apart. Right: the fall is far above the rise."
    )
