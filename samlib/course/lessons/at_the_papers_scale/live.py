"""Section 4: one run of each method at 3×32×32 pixels, live: the network of the paper, narrow, on a few images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from samlib.attacks import pgd
from samlib.course import pictures, style, widgets
from samlib.data import load_cifar10, load_digits
from samlib.evaluation import accuracy
from samlib.models import preact_resnet18
from samlib.training import train

TRAIN, TEST, WIDTH, EPOCHS = 256, 64, 4, 6
RADII = (0.0, 4 / 255, 8 / 255, 16 / 255)  # l_inf
RHO = (0.05, 0.1, 0.2)
LOOKS = {"SGD": style.SGD, "SAM": style.SAM}


def small_images(root: str | Path = "data") -> tuple[str, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """What they are, and some images of 3×32×32: CIFAR-10 where torchvision finds it in `root`, else enlarged digits.

    Nothing is downloaded.
    """
    try:
        x, y, x_test, y_test = load_cifar10(root, download=False)
        said = f"{TRAIN} images of CIFAR-10"
    except (OSError, ImportError):
        x, y, x_test, y_test = load_digits()
        said = f"{TRAIN} digits, enlarged"
    return said, (enlarged(x[:TRAIN]), y[:TRAIN], enlarged(x_test[:TEST]), y_test[:TEST])


def enlarged(x: Tensor) -> Tensor:
    """Images (n, c, h, w) as (n, 3, 32, 32)."""
    if x.shape[2:] != (32, 32):
        x = F.interpolate(x, size=32, mode="bilinear", align_corners=False)
    return x.expand(-1, 3, -1, -1).contiguous().clamp(0, 1)


def one_run_each(root: str | Path = "data") -> widgets.Work:
    """SGD and SAM from the same weights on the same batches, then both attacked; what earlier presses found stays."""
    said, data = small_images(root)
    with style.look():
        picture = RunPicture(style.figure(2.9), said)

    def work(report: Callable[[str], None], rho: float, seed: int) -> str:
        """Train and attack one after the other."""
        picture.start(f"one run of each: rho {rho:g}, seed {seed}")
        found = {}
        kinds: dict[str, dict[str, Any]] = {"SGD": {"method": "sgd"}, "SAM": {"method": "sam", "rho": rho}}
        for name, how in kinds.items():
            losses: list[float] = []

            def on_epoch(history: dict[str, list[float]], name: str = name, losses: list[float] = losses) -> None:
                losses[:] = history["loss"]
                picture.show_loss(name, losses)
                report(f"The training loss of {name} after {len(losses)} epochs is {losses[-1]:.3f}.")

            found[name] = train_and_attack(data, how, seed, on_epoch)
            picture.show_robust(name, found[name])
        gap = found["SAM"][2] - found["SGD"][2]
        return (
            f"On {said} (3×32×32), at l_inf 8/255: SGD {found['SGD'][2]:.0f} %, SAM {found['SAM'][2]:.0f} %; "
            f"one run of each says {gap:+.0f} points."
        )

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHO, 0.1),
        "seed": widgets.choice_slider("seed of weights and batches", range(3), 0),
    }
    return widgets.Work("Train both networks", 2 * EPOCHS, work, picture.fig, controls)


def train_and_attack(
    data: tuple[Tensor, Tensor, Tensor, Tensor], how: dict[str, Any], seed: int, on_epoch: Callable[..., None]
) -> list[float]:
    """Robust accuracy at each of RADII in per cent, the worse of PGD on two losses, of one narrow PreActResNet-18."""
    x, y, x_test, y_test = data
    net = preact_resnet18(width=WIDTH, seed=seed)
    train(net, x, y, **how, epochs=EPOCHS, batch_size=16, lr=0.05, seed=seed, progress=False, on_epoch=on_epoch)
    net.eval()
    robust = [100 * accuracy(net, x_test, y_test)]
    for eps in RADII[1:]:
        attacked = pgd(net, x_test, y_test, eps, steps=5, loss="margin")
        robust.append(min(robust[-1], 100 * accuracy(net, attacked, y_test)))
    return robust


class RunPicture:
    """The training loss of both on the left, robust accuracy on the right, earlier presses as thin lines."""

    def __init__(self, fig: style.Canvas, images: str) -> None:
        self.fig, self.eps = fig, 255 * np.array(RADII)
        self.loss, self.robust = pictures.axes(fig, 58, 46, 330, 190), pictures.axes(fig, 476, 46, 336, 190)
        self.loss.set(xlim=(0.8, EPOCHS + 0.2), ylim=(0, 2.6), xlabel="epoch", xticks=range(1, EPOCHS + 1))
        self.loss.grid(axis="y")
        pictures.percent_axis(self.robust)
        self.robust.set(xlim=(0, self.eps[-1]), xlabel="eps: largest change of any pixel, in 1/255 (l_inf)")
        self.robust.set_xticks(self.eps)
        pictures.Heading(fig, style.MARGIN, 24, "Training loss", f"{images}: 3×32×32", axis=self.loss.yaxis)
        self.heading = pictures.Heading(fig, 436, 24, axis=self.robust.yaxis)
        self.heading.show("Robust accuracy (%)")
        self.losses = {name: self.loss.plot([], [], **look.line(marker=look.marker))[0] for name, look in LOOKS.items()}
        self.curves = {name: pictures.RunCurve(self.robust, look) for name, look in LOOKS.items()}
        self.labels, self.loss_labels = pictures.Labels(self.robust, paper=True), pictures.Labels(self.loss)
        self.found: dict[str, list[np.ndarray]] = {name: [] for name in LOOKS}

    def start(self, said: str) -> None:
        """A new press."""
        self.heading.show("Robust accuracy (%)", said)
        for name, curve in self.curves.items():
            self.losses[name].set_data([], [])
            curve.hide()
            curve.runs.set_segments([np.column_stack([self.eps, run]) for run in self.found[name]])
        self.labels.show([])
        self.loss_labels.show([])

    def show_loss(self, name: str, losses: Sequence[float]) -> None:
        """The mean loss of each epoch so far."""
        self.losses[name].set_data(np.arange(1, len(losses) + 1), losses)
        self._label(self.loss_labels, {n: np.column_stack(line.get_data()) for n, line in self.losses.items()})

    def show_robust(self, name: str, robust: Sequence[float]) -> None:
        """Robust accuracy in per cent at each eps."""
        self.curves[name].line.set_data(self.eps, robust)
        self.found[name].append(np.asarray(robust))
        self._label(self.labels, {n: curve.points for n, curve in self.curves.items()})

    def _label(self, labels: pictures.Labels, lines: dict[str, np.ndarray]) -> None:
        there = {name: line for name, line in lines.items() if len(line)}
        labels.show([pictures.Label(n, line, LOOKS[n]) for n, line in there.items()], list(there.values()))
