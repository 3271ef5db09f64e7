"""Proof and attack: what a certificate proves, what no attack has broken, and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import HTML

from samlib.course import style, widgets
from samlib.course.lessons.dual_is_not_equally_strong.pictures import Undecided

Shares = Mapping[str, Sequence[float]]


@style.look()
def proof(eps: Sequence[float], proved: Shares, robust: Mapping[str, Shares]) -> widgets.Live:
    """Shares of test digits over eps.

    Args:
        eps: the radii.
        proved: {network: share that is proved robust at each eps, in percent}.
        robust: {network: {attack: share that the attack does not break, in percent}}.
    """
    picture = Undecided(style.figure(3.5), eps)
    radii, attacks = tuple(eps), list(next(iter(robust.values())))

    def draw(eps: float, network: str, attack: str) -> str:
        at, below, above = radii.index(eps), np.array(proved[network]), np.array(robust[network][attack])
        picture.show(below, above, at, "Between proof and attack", f"{network} network; attack: {attack}")
        return (
            f"{network}, eps {eps:g}, attack {attack}: {below[at]:.0f} % proved, "
            f"{above[at] - below[at]:.0f} % undecided, {100 - above[at]:.0f} % misclassified or broken."
        )

    controls = {
        "eps": widgets.choice_slider("eps: length in pixels (l_2)", radii, 0.3),
        "network": widgets.toggle("network", list(robust), "SGD"),
        "attack": widgets.toggle("attack", attacks, attacks[0]),
    }
    return widgets.live(picture.fig, draw, controls)


@style.look()
def exact_proof(eps: Sequence[float], proved: Sequence[float], robust: Sequence[float]) -> HTML:
    """The same for the linear network with its exact radius, as a still picture."""
    picture = Undecided(style.figure(3.5), eps)
    said = "linear network, exact radius; attack: PGD, 40 steps"
    picture.show(np.array(proved), np.array(robust), 5, "Between proof and attack", said)
    alt = "For the linear network the exact certificate and the attack nearly meet at every eps."
    return widgets.still(picture.fig, alt)
