"""The way back: SAM's ascent step in the first layer's weights, as a change of each digit's pixels."""

from __future__ import annotations

from IPython.display import HTML
from torch import Tensor

from samlib.course import plots, style, widgets

SHOWN = (0, 2, 3, 5, 6, 8, 9)


@style.look()
def step_in_pixels(digits: Tensor, dx: Tensor) -> HTML:
    """Changes of pixels dx and changed digits, for seven of the ten: (10, 64) each."""
    figure = widgets.figure(8.4, 3.3)
    rows = plots.Mosaic(figure.add_axes((0, 0, 1, 0.98)), 2, 7)
    picture = lambda v: v.detach().view(8, 8).numpy()  # noqa: E731
    for column, i in enumerate(SHOWN):
        top = (plots.signed(picture(dx[i]), 0.3), f"{float(dx[i].norm() / digits[i].norm()):.2f} of ‖x‖", "black")
        rows.show({(0, column): top, (1, column): (plots.grey(picture(digits[i] + dx[i])), f"the {i}, moved", "black")})
    alt = (
        "SAM's climb as a change of each digit, and the changed digits; pixels beyond ink are orange, below paper light "
        "blue."
    )
    return widgets.still(figure, alt)
