"""Data sets by their names, as bytes where that loses nothing."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from samlib.data import Split, load_cifar10, load_cifar100, load_digits, load_folder, split
from samlib.models import MODELS
from samlib.runs.settings import Settings


@dataclass(frozen=True)
class Images:
    """What a run trains on, (x, y), and what it is measured on.

    Images are uint8 in 0 .. 255 if that holds them exactly, else float32 in [0, 1]; see `as_pixels`.
    """

    x: Tensor
    y: Tensor
    x_measured: Tensor
    y_measured: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def classes(self) -> int:
        return 1 + int(max(self.y.max(), self.y_measured.max()))

    def to(self, device: torch.device) -> Images:
        return replace(
            self,
            x=self.x.to(device),
            y=self.y.to(device),
            x_measured=self.x_measured.to(device),
            y_measured=self.y_measured.to(device),
        )


def as_bytes(x: Tensor) -> Tensor:
    """Pixels in [0, 1] as uint8, in a quarter of the memory, if `as_pixels` brings the same ones back."""
    packed = (255 * x).round().to(torch.uint8)
    return packed if torch.equal(as_pixels(packed), x) else x


def as_pixels(x: Tensor) -> Tensor:
    """Pixels in [0, 1], float32, from bytes; others as they are."""
    return x.float() / 255 if x.dtype == torch.uint8 else x


@functools.lru_cache(maxsize=2)  # a table's runs share them: with a validation part, and without
def load_images(data: str, images: int | None = None, validation: int = 0, root: str = "data") -> Images:
    """A data set. `root`: where CIFAR is or is to be; other arguments as for `Settings`.

    Raises:
        OSError: a folder or an image cannot be read, or a download fails.
        ValueError: there are not so many images.
    """
    x, y, x_measured, y_measured = _load(data, root)
    if images is not None and images != len(x):
        if images > len(x):
            raise ValueError(f"images is {images}, but the training set of {data} has {len(x)}.")
        x, y = split(x, y, images)[2:]
    if validation:
        x, y, x_measured, y_measured = split(x, y, validation)
    std, mean = torch.std_mean(x, dim=(0, 2, 3))
    return Images(
        as_bytes(x.contiguous()),
        y,
        as_bytes(x_measured.contiguous()),
        y_measured,
        tuple(round(value, 4) for value in mean.tolist()),
        tuple(round(max(value, 1e-3), 4) for value in std.tolist()),
    )


def _load(data: str, root: str) -> Split:
    if data == "digits":
        return load_digits()
    if data == "cifar10":
        return load_cifar10(root)
    if data == "cifar100":
        return load_cifar100(root)
    folder = Path(data.removeprefix("folder:"))
    x, y, classes = load_folder(folder / "train")
    x_test, y_test, test_classes = load_folder(folder / "test")
    if classes != test_classes:
        raise ValueError(f"{folder} has the classes {classes} in train and {test_classes} in test; they must agree.")
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(f"{folder} has images of {_size(x)} pixels in train and {_size(x_test)} in test.")
    return x, y, x_test, y_test


def _size(x: Tensor) -> str:
    return "x".join(map(str, x.shape[:1:-1]))


def make_model(settings: Settings, images: Images) -> nn.Module:
    """The run's network, with initial weights from its seed. It normalises pictures by their own mean and deviation."""
    shape = tuple(images.x.shape[1:])
    how: dict[str, Any] = {"num_classes": images.classes, "seed": settings.recipe.seed}
    how |= {"input_shape": shape} if settings.model == "mlp" else {"channels": shape[0]}
    if settings.data != "digits":  # whose own are the networks' defaults
        how |= {"mean": images.mean, "std": images.std}
    if settings.width is not None:
        how |= {"hidden": (settings.width,) * 2} if settings.model == "mlp" else {"width": settings.width}
    return MODELS[settings.model](**how)
