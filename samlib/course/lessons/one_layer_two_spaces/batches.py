"""A batch shares one ascent step: how long a feature perturbation each example gets, and whether it goes uphill."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import torch
from IPython.display import HTML
from torch import Tensor

from samlib.course import plots, style, widgets
from samlib.duality import downhill, dz_by_sam_step, dz_by_weights

SIZES = (1, 2, 4, 8, 16, 32, 64)
SIMILARITIES = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
MEASURES = ("length, % of a kick alone", "share that goes downhill, %")


def random_batch(size: int, similarity: float, draw: int, units: int = 2) -> tuple[Tensor, Tensor]:
    """Gaussian gradients (b, units) and unit inputs (b, b + 1), any two of cosine `similarity`."""
    generator = torch.Generator().manual_seed(1000 * draw + size)
    gradients = torch.randn(size, units, generator=generator, dtype=torch.float64)
    own = torch.eye(size + 1, dtype=torch.float64)
    return gradients, similarity**0.5 * own[0] + (1 - similarity) ** 0.5 * own[1:]


def shares(size: int, similarity: float, draws: int = 100) -> tuple[float, float]:
    """Over many draws, in percent: length of dz (root mean square) against dz alone; share that goes downhill."""
    lengths, down = [], []
    for draw in range(draws):
        gradients, inputs = random_batch(size, similarity, draw)
        dz = dz_by_sam_step(gradients, inputs, 1.0)
        lengths.append(dz.square().sum(1).mean())
        down.append(downhill(gradients, dz).double().mean())
    return 100 * torch.stack(lengths).mean().sqrt().item(), 100 * torch.stack(down).mean().item()


@functools.cache
def dilution() -> dict[float, np.ndarray]:
    """{similarity: (2, sizes)}, the two `shares` at every batch size."""
    return {s: np.array([shares(b, s) for b in SIZES]).T for s in SIMILARITIES}


@style.look()
def shared_step() -> widgets.Live:
    """What SAM's one step for a batch does to each example's features."""
    figure = widgets.figure(8.4, 4.1)
    rows, columns = np.divmod(np.arange(16), 4)
    arrows = plots.BatchPerturbations(figure.add_axes((0.0, 0.1, 0.48, 0.82)), 2.1 * np.stack([columns, -rows], axis=1))
    arrows.ax.legend(loc="lower center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8.5, frameon=False)
    labels = dict(zip(MEASURES, ("blue", "orange"), strict=True))
    curves = plots.Curves(figure.add_axes((0.57, 0.13, 0.42, 0.79)), labels, "batch size B", "percent")
    curves.ax.set(xscale="log", ylim=(-3, 128), yticks=range(0, 101, 20), xlim=(0.9, 72))
    curves.ax.set_xticks(SIZES, map(str, SIZES))
    curves.ax.minorticks_off()
    curves.ax.legend(loc="upper right", frameon=False, fontsize=9)
    table = dilution()

    def draw(size: int, similarity: float, draw: int) -> str:
        gradients, inputs = random_batch(size, similarity, draw)
        got, alone = dz_by_sam_step(gradients, inputs, 1.0), dz_by_weights(gradients, inputs, 1.0)
        falls = downhill(gradients, got).numpy()
        title = f"B = {size}: {falls.sum()} of {size} go downhill"
        arrows.show(alone.numpy()[:16], got.numpy()[:16], falls[:16], title)
        values = dict(zip(labels, table[similarity], strict=True))
        curves.show(SIZES, values, size, f"similarity {similarity:g}, mean of 100 draws")
        length, down = table[similarity][:, SIZES.index(size)]
        return (
            f"Batch of {size}, similarity {similarity:g}: {falls.sum()} go downhill; in the mean {down:.0f} %, "
            f"with kicks of {length:.0f} % of full length."
        )

    controls = {
        "size": widgets.choice_slider("B: examples in the batch", SIZES, 8),
        "similarity": widgets.choice_slider("similarity: cosine of inputs", SIMILARITIES, 0.0),
        "draw": widgets.choice_slider("draw of the gradients", range(5), 0),
    }
    return widgets.live(figure, draw, controls)


@style.look()
def drawn_and_real(felt: Mapping[int, tuple[float, float]]) -> HTML:
    """Drawn batches beside batches of digits; felt: {batch size: (length, share downhill)} as fractions."""
    still = widgets.figure(8.4, 3.3)
    table = dilution()
    names = ("length, % of a kick alone", "share that goes downhill (%)")
    for panel, row, name in zip(still.subplots(1, 2), (0, 1), names, strict=True):
        for similarity, color in ((0.0, "grey"), (0.7, "blue"), (1.0, "orange")):
            label = f"similarity {similarity:g}"
            panel.plot(SIZES, table[similarity][row], label=label, markersize=4, **plots.STYLES[color])
        digits = [100 * both[row] for both in felt.values()]
        panel.plot(list(felt), digits, label="training digits, SGD", markersize=6, **plots.STYLES["green"])
        panel.set(xscale="log", xlabel="batch size B", ylabel=name, ylim=(-3, 106))
        panel.set_xticks([1, 2, 4, 8, 16, 32, 64, 128], ["1", "2", "4", "8", "16", "32", "64", "128"])
        panel.minorticks_off()
    panel.legend(frameon=False, fontsize=9)
    still.subplots_adjust(left=0.08, right=0.99, top=0.97, bottom=0.16, wspace=0.22)
    return widgets.still(
        still,
        "Unlike inputs: kicks shrink as one over root B, none downhill. Alike or digits: nearly full length, many downhill.",
    )
