"""Which layers SAM's ascent step moves: each layer's share of rho², in networks rescaled layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import HTML
from torch import Tensor, nn

from samlib.course import widgets
from samlib.course.lessons.perturbing_the_parameters import pictures
from samlib.course.lessons.perturbing_the_parameters.rescaling import FACTORS, LAYERS
from samlib.duality import rescale
from samlib.sharpness import ascent_shares

Shares = Mapping[tuple[str, float, str], list[float]]  # (network, a, units of rho) -> one share for each layer


def shares_of_rho(nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor) -> dict[tuple[str, float, str], list[float]]:
    """Each layer's share of rho² in SAM's ascent step.

    Args:
        nets: by name.
        x, y: images (n, ...) of the networks' dtype, and labels, int64 (n,).

    Returns:
        (network, factor of FACTORS, "absolute" or "relative") -> a share for each layer; they sum to 1.
    """
    return {
        (name, a, units): list(ascent_shares(rescale(net, a), x, y, relative=relative).values())
        for name, net in nets.items()
        for a in FACTORS
        for units, relative in (("absolute", None), ("relative", "layer"))
    }


def share_of_each_layer(shares: Shares) -> widgets.Live:
    """The shares of the three layers, for both networks rescaled by a."""
    fig = widgets.figure(8.4, 3.3)
    picture = pictures.LayerShares(fig.add_axes([0.08, 0.1, 0.91, 0.8]), LAYERS, pictures.LOOKS, "share of rho² (%)")

    def draw(a: float, units: str) -> str:
        found = {name: shares[name, a, units] for name in pictures.LOOKS}
        picture.show(found, f"{units} climb, both networks rescaled by a = {a:g}")
        said = "; ".join(f"{name} {', '.join(f'{100 * s:.0f} %' for s in parts)}" for name, parts in found.items())
        return f"Shares of the three layers in a climb measured in {units} units, a = {a:g}: {said}."

    controls = {
        "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
        "units": widgets.toggle("climb: units of rho", ["absolute", "relative"], "absolute"),
    }
    return widgets.live(fig, draw, controls)


def shares_absolute_and_relative(shares: Shares) -> HTML:
    """The absolute step at three factors and the relative one at one, as a still figure."""
    still = widgets.figure(8.4, 5.4)
    seen = [("absolute", 0.1), ("absolute", 1.0), ("absolute", 10.0), ("relative", 0.1)]
    for panel, (units, a) in zip(still.subplots(2, 2).flat, seen, strict=True):
        found = {name: shares[name, a, units] for name in pictures.LOOKS}
        picture = pictures.LayerShares(panel, LAYERS, pictures.LOOKS, "share of rho² (%)")
        picture.show(found, f"{units} climb, a = {a:g}")
    still.subplots_adjust(left=0.08, right=0.99, top=0.95, bottom=0.06, wspace=0.22, hspace=0.3)
    return widgets.still(
        still,
        "Absolute climb: at a = 0.1 layer 1 has nearly all, at a = 10 layer 2; at a = 1 layer 1 has most in the SAM network "
        "only. The relative climb is shared by all three layers.",
    )
