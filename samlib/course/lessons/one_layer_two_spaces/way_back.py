"""The way back: SAM's ascent step in the first layer's weights, as a change of each digit's pixels."""

from __future__ import annotations

from IPython.display import HTML
from torch import Tensor

from samlib.course import style, widgets
from samlib.course.pictures import Mosaic, grey, signed

SHOWN = (0, 2, 3, 5, 6, 8, 9)


@style.look()
def step_in_pixels(digits: Tensor, dx: Tensor) -> HTML:
    """Changes of pixels dx and changed digits, for seven of the ten: (10, 64) each."""
    figure = style.figure(2.36)
    rows = Mosaic(figure, 182, 12, 2, len(SHOWN), across=93)
    for top, words, said in (
        (60, "SAM's ascent step", "as a change of the pixels,\nand its length"),
        (166, "the digit with it", "orange: blacker than ink\nblue: whiter than paper"),
    ):
        rows.sheet.text(style.MARGIN, top, words, color=style.SAM.dark, bold=True)
        rows.sheet.text(style.MARGIN, top + 7, said, quiet=True, va="top", linespacing=1.3)
    for column, i in enumerate(SHOWN):
        change, digit = (values[i].detach().view(8, 8).numpy() for values in (dx, digits))
        share = float(dx[i].norm() / digits[i].norm())
        rows.show({(0, column): (signed(change, 0.3), f"{share:.2f} of ‖x‖", "")})
        rows.show({(1, column): (grey(digit + change), f"the {i}", "")})
    return widgets.still(
        figure,
        "SAM's ascent step as a change of each digit, and the changed digits; pixels beyond ink are orange, "
        "below paper light blue.",
    )
