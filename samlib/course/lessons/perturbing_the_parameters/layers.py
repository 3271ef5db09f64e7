"""Which layers SAM's ascent step moves: each layer's share of rho², in networks rescaled layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from IPython.display import HTML
from matplotlib.artist import Artist
from matplotlib.text import Text
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.lessons.perturbing_the_parameters.rescaling import FACTORS, LAYERS
from samlib.course.pictures import Heading, Sheet, rgb
from samlib.duality import rescale
from samlib.sharpness import ascent_shares

NETWORKS = ("SGD", "SAM")
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


class SharedBar:
    """A bar that layers share, each with its name and its share where there is room.

    Args:
        sheet: where.
        left, top, width, height: of the bar, in pixels of the page.
        look: the colour; the layer next to the pixels is the darkest.
    """

    STRENGTHS = (1.0, 0.5, 0.22)
    NAMED, NUMBERED = 100, 34  # pixels that a name with its share, and a share alone, take

    def __init__(self, sheet: Sheet, left: int, top: int, width: int, height: int, look: style.Look) -> None:
        self.sheet, self.place, self.look = sheet, (left, top, width, height), look
        self.texts: list[Text] = []
        for strength in self.STRENGTHS:
            color = style.PAPER if strength > 0.8 else style.INK
            self.texts.append(sheet.text(0, top + height / 2, ha="center", va="center_baseline", color=color))

    def show(self, shares: Sequence[float]) -> None:
        """Shares in [0, 1] that sum to 1, one for each of LAYERS."""
        left, top, width, height = self.place
        edges = [round(left + width * sum(shares[:k])) for k in range(len(shares) + 1)]
        self.sheet.clear(left, top, width + 2, height)
        for k, (share, strength, text) in enumerate(zip(shares, self.STRENGTHS, self.texts, strict=True)):
            start, wide = edges[k], edges[k + 1] - edges[k]
            color = strength * rgb(self.look.color) + (1 - strength) * rgb(style.PAPER)
            self.sheet.painting.fill(start, top, max(wide - 2, 0), height, color)
            percent = f"{100 * share:.0f} %"
            text.set_text(f"{LAYERS[k]}: {percent}" if wide > self.NAMED else percent if wide > self.NUMBERED else "")
            text.set_x(start + wide / 2)


class SharesOfRho:
    """For both networks, how the layers share rho².

    Args:
        fig: its whole width is used.
        top: of the heading's line, in pixels of the page.
    """

    HEIGHT = 150  # pixels of the page

    def __init__(self, fig: style.Canvas, sheet: Sheet, top: int) -> None:
        self.heading, self.sheet = Heading(fig, 14, top), sheet
        self.bars = {}
        for i, name in enumerate(NETWORKS):
            look, y = style.of(name), top + 18 + 58 * i
            sheet.text(62, y + 22, name, bold=True, color=look.dark, ha="right", va="center_baseline")
            self.bars[name] = SharedBar(sheet, 76, y, 750, 44, look)

    @property
    def moving(self) -> list[Artist]:
        """What `show` changes."""
        texts = [text for bar in self.bars.values() for text in bar.texts]
        return [self.heading.title, self.heading.said, self.sheet.painting, *texts]

    def show(self, shares: Mapping[str, Sequence[float]], title: str, said: str) -> None:
        """{network: one share in [0, 1] for each layer}."""
        self.heading.show(title, said)
        for name, bar in self.bars.items():
            bar.show(shares[name])


def share_of_each_layer(shares: Shares) -> widgets.Live:
    """The shares of the three layers, for both networks rescaled by a.

    Args:
        shares: of `shares_of_rho`, for networks called SGD and SAM.
    """
    with style.look():
        fig = style.figure(1.6)
        picture = SharesOfRho(fig, Sheet(fig), 24)
        fig.moving = picture.moving

    def draw(a: float, units: str) -> str:
        found = {name: shares[name, a, units] for name in NETWORKS}
        picture.show(found, "Which layers an ascent step moves", f"shares of rho², {units} units, a = {a:g}")
        said = "; ".join(f"{name} {', '.join(f'{100 * s:.0f} %' for s in parts)}" for name, parts in found.items())
        return f"Shares of the three layers in an ascent step measured in {units} units, a = {a:g}: {said}."

    controls = {
        "a": widgets.choice_slider("a: factor of the rescaling", FACTORS, 1.0),
        "units": widgets.toggle("units of rho", ["absolute", "relative"], "absolute"),
    }
    return widgets.live(fig, draw, controls)


@style.look()
def shares_absolute_and_relative(shares: Shares) -> HTML:
    """The absolute step at three factors and the relative one at one, as a still figure."""
    fig = style.figure(6.2)
    sheet = Sheet(fig)
    for i, (units, a) in enumerate([("absolute", 0.1), ("absolute", 1.0), ("absolute", 10.0), ("relative", 0.1)]):
        picture = SharesOfRho(fig, sheet, 24 + 155 * i)
        picture.show(
            {name: shares[name, a, units] for name in NETWORKS}, f"{units.capitalize()} units", f"rescaled by a = {a:g}"
        )
    return widgets.still(
        fig,
        "Absolute step: at a = 0.1 layer 1 has nearly all, at a = 10 layer 2; at a = 1 layer 1 has most in the SAM "
        "network only. The relative step is shared by all three layers.",
    )
