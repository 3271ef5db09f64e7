"""Sharpness of one function written down in many ways: a ReLU network whose first two layers are rescaled."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import HTML
from torch import nn

from samlib.course import widgets
from samlib.course.lessons.perturbing_the_parameters import pictures

FACTORS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
# (units of rho, size) -> rho; "relative" is in units of the length of each weight matrix and each bias
RADII = {
    ("absolute", "large"): 0.4,
    ("absolute", "small"): 0.01,
    ("relative", "large"): 0.05,
    ("relative", "small"): 0.002,
}
LAYERS = ("layer 1", "layer 2", "layer 3")

# (network, units, size) -> for "SGD" its sharpness, for "SAM" that of the network rescaled by each of FACTORS
Sharpness = Mapping[tuple[str, str, str], float | list[float]]


def weight_lengths(net: nn.Sequential) -> list[float]:
    """The Euclidean length of each layer's weight matrix, from the first layer to the last."""
    return [layer.weight.detach().norm().item() for layer in net if isinstance(layer, nn.Linear)]


def sharpness_of_one_function(twins: Mapping[float, nn.Sequential], sharpness: Sharpness) -> widgets.Live:
    """The sharpness of the SAM network under every rescaling, beside the SGD network's, and the length of each layer.

    Args:
        twins: factor of FACTORS -> the SAM network rescaled by it.
        sharpness: for every pair of RADII.
    """
    fig = widgets.figure(8.4, 3.7)
    picture = pictures.RescaledNetwork(fig, FACTORS, "SAM", "SGD", LAYERS)
    lengths = {a: weight_lengths(twin) for a, twin in twins.items()}

    def draw(a: float, units: str, size: str) -> str:
        curve, fixed, rho = sharpness["SAM", units, size], sharpness["SGD", units, size], RADII[units, size]
        picture.show(a, curve, fixed, lengths[a], f"{units} radius, rho = {rho:g}")
        now = curve[FACTORS.index(a)]
        who = "SAM's" if now > fixed else "SGD's"
        return f"{units}, rho {rho:g}, a {a:g}: SAM {now:.4f}, SGD {fixed:.4f}; {who} looks sharper."

    controls = {
        "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
        "units": widgets.toggle("meter: units of rho", ["absolute", "relative"], "absolute"),
        "size": widgets.toggle("radius", ["large", "small"], "large"),
    }
    return widgets.live(fig, draw, controls)


def sharpness_in_four_balls(sharpness: Sharpness) -> HTML:
    """Every pair of RADII side by side, for a = 0.2, as a still figure."""
    still = widgets.figure(8.4, 6.2)
    for panel, ((units, size), rho) in zip(still.subplots(2, 2).flat, RADII.items(), strict=True):
        curve = pictures.RescaledSharpness(panel, FACTORS, "SAM", "SGD")
        title = f"{units}, {size} radius: rho = {rho:g}"
        curve.show(0.2, sharpness["SAM", units, size], sharpness["SGD", units, size], title)
    still.subplots_adjust(left=0.11, right=0.99, top=0.95, bottom=0.08, wspace=0.3, hspace=0.36)
    return widgets.still(
        still,
        "Absolute: SAM's sharpness falls and rises again with a. Relative: it does not change. Below SGD's at a = 1 for the "
        "large radius, above it for the small one.",
    )
