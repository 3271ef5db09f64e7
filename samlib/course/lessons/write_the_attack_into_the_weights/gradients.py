"""The picture of two gradients: the digit's is made of weights, the weights' is made of the digit."""

from __future__ import annotations

from IPython.display import HTML
from torch import Tensor

from samlib.course import style, widgets
from samlib.course.pictures import Sheet, grey, signed


def two_gradients(x: Tensor, weight: Tensor, g: Tensor, of_x: Tensor, of_weight: Tensor) -> HTML:
    """Which tiles each gradient is made of: x, of_x (64,); weight, of_weight (48, 64); g = dl/dz (48,)."""
    x, weight, g, of_x, of_weight = (tensor.detach() for tensor in (x, weight, g, of_x, of_weight))
    units = g.abs().topk(3).indices.tolist()
    terms = {unit: g[unit] * weight[unit] for unit in units}
    high = float(max(values.abs().max() for values in (of_x, *terms.values())))  # one scale, so that the eye can add
    with style.look():
        sheet = Sheet(fig := style.figure(3.2))
        sheet.text(14, 24, "The gradient of the digit is made of weights", bold=True, fontsize=style.CAPTION)
        sheet.text(14, 186, "The gradient of the weights is made of the digit", bold=True, fontsize=style.CAPTION)

        def place(left: int, top: int, values: Tensor, largest: float, words: str) -> None:
            image = values.view(8, 8).numpy()
            sheet.tile(left, top, signed(image, largest) if largest else grey(image))
            sheet.text(left + 36, top + 91, words, ha="center")

        for k, unit in enumerate(units):
            left = 14 + 130 * k
            place(left, 42, terms[unit], high, rf"$g_{{{unit}}}$ times $w_{{{unit}}}$")
            sheet.text(left + 101, 83, "+", ha="center", fontsize=style.CAPTION)
        sheet.text(413, 83, "…  45 more units  =", va="baseline", quiet=True)
        place(560, 42, of_x, high, r"$\nabla_x\,\ell = W^{\mathsf{T}}g$")
        place(14, 204, x, 0.0, "digit $x$")
        largest = 1.2 * float(g.abs().max())
        for k, unit in enumerate(units):
            sheet.text(130 + 190 * k, 245, rf"times $g_{{{unit}}}$  =", quiet=True)
            place(212 + 190 * k, 204, of_weight[unit], largest, rf"$\nabla_{{w_{{{unit}}}}}\,\ell$")
    return widgets.still(
        fig, "The gradient of the digit is a sum of weights; the gradient of each unit's weights is the digit, scaled."
    )
