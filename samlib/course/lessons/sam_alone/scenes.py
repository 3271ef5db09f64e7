"""What lesson 03 shows: the curves of robust accuracy, the race, clean against robust accuracy, the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from IPython.display import HTML, Markdown
from torch import Tensor

from samlib.course import plots, results, widgets
from samlib.course.results import Result

OTHERS = [
    "AT linf 0.125",
    "AT linf 0.25",
    "AT l2 0.5",
    "AT+SAM",
    "input noise 0.2",
    "weight noise 0.4",
    "SGD, 4x as long",
]
RADII = (0.0, 0.0625, 0.125, 0.1875, 0.25)

Data = tuple[Tensor, Tensor, Tensor, Tensor]  # x_train, y_train, x_test, y_test


def robust_curves(methods: Result) -> widgets.Live:
    """Robust accuracy over eps of SGD, SAM and another method, and every run at one eps."""
    figure = widgets.figure(8.4, 3.6)
    comparison = plots.Comparison(figure, ["grey", "blue", "orange"], "robust accuracy (%)")

    def draw(rho: float, other: str, norm: str, level: int) -> str:
        groups = {}
        for name in ("SGD", f"SAM {rho:g}", other):
            radii, groups[name] = results.curve(methods, name, norm)
        shown = comparison.show(radii, groups, level, f"eps, radius in pixels of [0, 1], {norm}")
        means = ", ".join(f"{name} {100 * values.mean():.0f} %" for name, values in shown.items())
        return f"Robust accuracy at {norm} eps {radii[level]:g}, means of ten runs: {means}."

    radii, _ = results.curve(methods, "SGD", "linf")
    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", [0.05, 0.1, 0.2, 0.4, 0.8], 0.05),
        "level": widgets.choice_slider(
            "eps: radius (l_inf or l_2)", [(f"{e:g} or {4 * e:g}", i) for i, e in enumerate(radii)], 4
        ),
        "norm": widgets.toggle("norm of the attack", ["linf", "l2"], "linf"),
        "other": widgets.dropdown("orange: another method", OTHERS, OTHERS[0]),
    }
    return widgets.live(figure, draw, controls)


def table(methods: Result, names: Sequence[str], measures: Sequence[str]) -> Markdown:
    """Mean and spread over the runs of each setting, in per cent."""
    lines = [f"| | {' | '.join(measures)} |", "|---" * (len(measures) + 1) + "|"]
    for name in names:
        cells = []
        for measure in measures:
            mean, spread = results.mean_and_spread(methods, name, measure)
            cells.append(f"{100 * mean:.1f} ± {100 * spread:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return Markdown("\n".join(lines))


def both_norms(methods: Result) -> HTML:
    """SGD, SAM and AT over eps in both norms."""
    still = widgets.figure(8.4, 3.6)
    for panel, norm in zip(still.subplots(1, 2), ("linf", "l2"), strict=True):
        for name, style in [("SGD", "grey"), ("SAM 0.4", "blue"), ("AT linf 0.125", "orange")]:
            eps, runs = results.curve(methods, name, norm)
            plots.curve_with_spread(panel, eps, 100 * np.array(runs), style, name)
        panel.set_xlabel(f"eps, radius in pixels of [0, 1], {norm}")
        plots.percent_axis(panel, "robust accuracy (%)")
        panel.legend(frameon=False)
    still.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.15)
    return widgets.still(
        still, "Robust accuracy over eps in l_inf and l_2: SAM 0.4 lies above SGD everywhere, AT above both."
    )


def race(train_and_attack: Callable[..., list[float]], data: Data) -> widgets.Work:
    """Two networks from the same weights and batches, trained with SGD and with SAM, and then attacked.

    Args:
        train_and_attack: (data, method, seed, on_epoch) -> robust accuracy at each of RADII. `method` holds the keyword
            arguments of `samlib.train`, `on_epoch` is to be called with its history after each of 60 epochs.
        data: handed to it.
    """
    watch = widgets.figure(8.4, 3.0)
    loss_ax, robust_ax = watch.subplots(1, 2)
    watch.subplots_adjust(left=0.08, right=0.98, bottom=0.17, top=0.95)
    styles = {"SGD": plots.STYLES["grey"], "SAM": plots.STYLES["blue"]}
    lines = {name: loss_ax.semilogy([], [], label=name, **style)[0] for name, style in styles.items()}
    loss_ax.set(xlim=(0, 60), ylim=(1e-3, 3), xlabel="epoch", ylabel="training loss")
    loss_ax.legend(frameon=False)
    robust_ax.set(xlim=(0, 0.26), xlabel="eps, radius in pixels of [0, 1], linf")
    plots.percent_axis(robust_ax, "robust accuracy (%)")
    curves = {name: robust_ax.plot([], [], label=name, **style)[0] for name, style in styles.items()}

    def work(report: Callable[[str], None], rho: float, seed: int) -> str:
        found = []
        for name, method in [("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": rho})]:

            def on_epoch(history, name=name):
                lines[name].set_data(range(1, len(history["loss"]) + 1), history["loss"])
                if len(history["loss"]) % 10 == 0:
                    report(
                        f"The training loss of {name} after {len(history['loss'])} epochs is {history['loss'][-1]:.4f}."
                    )

            found.append([100 * value for value in train_and_attack(data, method, seed, on_epoch)])
            curves[name].set_data(RADII, found[-1])
        return f"Robust accuracy at linf 0.125: SGD {found[0][2]:.0f} %, SAM with rho {rho:g} {found[1][2]:.0f} %."

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", [0.05, 0.1, 0.2, 0.4], 0.4),
        "seed": widgets.choice_slider("seed of weights and batches", range(5), 0),
    }
    return widgets.Work("Train both networks", 12, work, watch, controls)


def clean_against_robust(methods: Result) -> HTML:
    """Clean against robust accuracy of eight methods."""
    names = [
        "SGD",
        "SAM 0.1",
        "SAM 0.4",
        "AT linf 0.125",
        "AT linf 0.25",
        "AT+SAM",
        "input noise 0.2",
        "weight noise 0.4",
    ]
    kind = {"SGD": "grey", "SAM": "blue", "AT": "orange", "inp": "green", "wei": "green", "AT+": "orange"}
    points = {
        name: tuple(np.array(results.values(methods, name, m)) for m in ("clean", "linf 0.125")) for name in names
    }
    trade = widgets.figure(8.4, 4.2)
    panel = trade.subplots()
    trade.subplots_adjust(left=0.07, right=0.98, bottom=0.12, top=0.97)
    plots.tradeoff(
        panel,
        points,
        {name: kind[name[:3].strip()] for name in names},
        "robust accuracy at l_inf 0.125 (%)",
        below=["SGD", "AT linf 0.125"],
        left=["AT linf 0.125", "weight noise 0.4"],
    )
    return widgets.still(
        trade,
        "Clean against robust accuracy: SAM up and right of SGD, input noise further up, AT 0.125 far up and right, AT 0.25 left.",
    )


def gain_by_layers(layers: Result) -> HTML:
    """Robust accuracy when all layers, the first, or the rest are perturbed, on an MLP and a small ResNet."""
    still = widgets.figure(8.4, 3.4)
    for panel, net, measure in zip(still.subplots(1, 2), ("MLP", "ResNet"), ("linf 0.125", "linf 0.0625"), strict=True):
        kinds = {"SGD": "grey", "all": "blue", "first": "orange", "rest": "green"}
        for i, (part, style) in enumerate(kinds.items()):
            plots.strip(panel, i, [100 * v for v in results.values(layers, f"{net} {part}", measure)], style)
        panel.set_xticks(range(4), ["SGD", "all climb", "first layer", "the rest"])
        panel.set_title(f"{net}, eps {measure.split()[1]}", fontsize=10)
        plots.percent_axis(panel, "robust accuracy (%)")
    still.subplots_adjust(left=0.07, right=0.99, top=0.92, bottom=0.09)
    return widgets.still(
        still,
        "MLP: all layers and the first alone are equal, the rest gives less. ResNet: each gives most of the gain.",
    )
