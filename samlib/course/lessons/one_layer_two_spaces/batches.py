"""A batch shares one ascent step: how long a feature perturbation each example gets, and whether it goes uphill."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from samlib.course import style, widgets
from samlib.course.lessons.one_layer_two_spaces.pictures import BatchPicture
from samlib.duality import downhill, dz_by_sam_step, dz_by_weights

SIZES = (1, 2, 4, 8, 16, 32, 64)
SIMILARITIES = (0.0, 0.25, 0.5, 0.7, 0.85, 1.0)
MEASURES = ("length", "downhill")


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
def shared_step_curves() -> dict[float, np.ndarray]:
    """{similarity: (2, sizes)}, the two `shares` at every batch size."""
    return {s: np.array([shares(b, s) for b in SIZES]).T for s in SIMILARITIES}


@style.look()
def shared_step() -> widgets.Live:
    """What SAM's one step for a batch does to each example's features."""
    picture, curves = BatchPicture(style.figure(4.06), SIZES), shared_step_curves()

    def draw(size: int, similarity: float) -> str:
        gradients, inputs = random_batch(size, similarity, draw=0)
        got, alone = dz_by_sam_step(gradients, inputs, 1.0), dz_by_weights(gradients, inputs, 1.0)
        falls = downhill(gradients, got).numpy()
        title = f"{falls.sum()} of {size} go downhill"
        said = "" if size <= 16 else "16 of them are drawn"
        picture.show_batch(alone.numpy()[:16], got.numpy()[:16], falls[:16], title, said)
        at = SIZES.index(size)
        values = dict(zip(MEASURES, curves[similarity], strict=True))
        picture.show_curves(values, at, "Mean of 100 batches", f"similarity {similarity:g}")
        length, down = curves[similarity][:, at]
        return (
            f"Step shared by {size}, similarity {similarity:g}: {falls.sum()} go downhill; in the mean {down:.0f} %, "
            f"with perturbations of {length:.0f} % of full length."
        )

    controls = {
        "size": widgets.choice_slider("m: examples that share the step", SIZES, 8),
        "similarity": widgets.choice_slider("similarity: cosine of inputs", SIMILARITIES, 0.0),
    }
    return widgets.live(picture.fig, draw, controls)
