"""Measured training runs at every rho: how well each fits, and how robust it is."""

from __future__ import annotations

from IPython.display import HTML

from samlib.course import plots, results, widgets

SETTINGS = ("SGD", "SAM 0.05", "SAM 0.1", "SAM 0.2", "SAM 0.4", "SAM 0.8")


def runs_at_each_rho(methods: results.Result) -> HTML:
    """Training accuracy and robust accuracy of every run, as a still figure; `methods` is the table of that name."""
    still = widgets.figure(8.4, 3.4)
    panels = still.subplots(1, 2)
    for panel, measured in zip(panels, ("training accuracy", "linf 0.125"), strict=True):
        for i, name in enumerate(SETTINGS):
            style = {"SGD": "grey", "SAM 0.8": "orange"}.get(name, "blue")
            plots.strip(panel, i, [100 * value for value in results.values(methods, name, measured)], style)
        panel.set_xticks(range(6), ["0 (SGD)", *(name.split()[1] for name in SETTINGS[1:])])
        panel.set_xlabel("rho")
    plots.percent_axis(panels[0], "training accuracy (%)")
    plots.percent_axis(panels[1], "robust accuracy, l_inf 0.125 (%)")
    still.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.15, wspace=0.2)
    return widgets.still(
        still,
        "Up to rho 0.4 all runs fit and robustness rises; at rho 0.8 about half of the runs collapse, the others are best.",
    )
