"""Proof and attack: what a certificate proves, what no attack has broken, and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import HTML

from samlib.course import plots, style, widgets

Shares = Mapping[str, Sequence[float]]


@style.look()
def proof(eps: Sequence[float], proved: Shares, robust: Mapping[str, Shares]) -> widgets.Live:
    """Shares of test digits over eps.

    Args:
        eps: the radii.
        proved: {network: share that is proved robust at each eps, in percent}.
        robust: {network: {attack: share that the attack does not break, in percent}}.
    """
    figure = widgets.figure(8.4, 3.7)
    certified = plots.Certified(figure, np.asarray(eps))
    radii, attacks = tuple(eps), list(next(iter(robust.values())))

    def draw(eps: float, network: str, attack: str) -> str:
        at, below, above = radii.index(eps), np.array(proved[network]), np.array(robust[network][attack])
        certified.show(below, above, at, f"{network}; attack: {attack}")
        return (
            f"{network}, eps {eps:g}, attack {attack}: {below[at]:.0f} % proved safe, "
            f"{above[at] - below[at]:.0f} % undecided, {100 - above[at]:.0f} % misread or broken."
        )

    controls = {
        "eps": widgets.choice_slider("eps: length in pixels (l_2)", radii, 0.3),
        "network": widgets.toggle("network", list(robust), "SGD"),
        "attack": widgets.toggle("attack", attacks, attacks[0]),
    }
    return widgets.live(figure, draw, controls)


@style.look()
def exact_proof(eps: Sequence[float], proved: Sequence[float], robust: Sequence[float]) -> HTML:
    """The same for the linear network with its exact radius, as a still picture."""
    figure = widgets.figure(8.4, 3.7)
    pair = plots.Certified(figure, np.asarray(eps))
    pair.show(np.array(proved), np.array(robust), 5, "linear network, exact radius; attack: PGD, 40 steps")
    return widgets.still(
        figure, "For the linear network the exact certificate and the attack nearly meet at every eps."
    )
