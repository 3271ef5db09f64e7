"""Images as two tensors: x, float32 (n, channels, height, width), pixels in [0, 1], and y, int64 (n,).

The digits come with scikit-learn and need no download; CIFAR-10 and CIFAR-100 come through torchvision, which checks
their checksums; any folder of images will do.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from samlib.checks import check_count, check_images, check_labels

Split = tuple[Tensor, Tensor, Tensor, Tensor]


def load_digits(seed: int = 0) -> Split:
    """The 1,797 handwritten digits of scikit-learn, 8x8 pixels, in 1,200 to train with and 597 to test on.

    Args:
        seed: of the split, which keeps the share of each class.

    Returns:
        x_train (1200, 1, 8, 8), y_train, x_test (597, 1, 8, 8), y_test.
    """
    import sklearn.datasets

    digits = sklearn.datasets.load_digits()
    x = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    y = torch.from_numpy(digits.target).long()
    return split(x, y, 597, seed)


def split(x: Tensor, y: Tensor, size: int, seed: int = 0) -> Split:
    """Set `size` examples aside, the same share of each class: (x, y) of the rest, then (x, y) of those set aside.

    Used for the test digits, and for the validation part on which hyper-parameters are chosen.

    Raises:
        ValueError: `size` is not below the number of examples, or too small to hold every class.
    """
    from sklearn.model_selection import train_test_split

    check_labels(y, check_images(x))
    seed, size = check_count("seed", seed, low=0, high=2**32 - 1), check_count("size", size)
    if size >= len(x):
        raise ValueError(f"size is {size}; it must be below the number of examples, {len(x)}.")
    rest, aside = train_test_split(np.arange(len(x)), test_size=size, stratify=y.cpu().numpy(), random_state=seed)
    rest, aside = (torch.as_tensor(rows, device=x.device) for rows in (rest, aside))
    return x[rest], y[rest], x[aside], y[aside]


def load_cifar10(root: str | Path = "data", download: bool = True) -> Split:
    """CIFAR-10, 50,000 and 10,000 images of 32x32 in colour. Downloads 170 MB into `root` once, checksums verified."""
    from torchvision.datasets import CIFAR10

    return _load_cifar(CIFAR10, root, download)


def load_cifar100(root: str | Path = "data", download: bool = True) -> Split:
    """CIFAR-100, 50,000 and 10,000 images of 32x32 in colour. Downloads 169 MB into `root` once, checksums verified."""
    from torchvision.datasets import CIFAR100

    return _load_cifar(CIFAR100, root, download)


def _load_cifar(dataset: type, root: str | Path, download: bool) -> Split:
    try:
        parts = [dataset(str(root), train=train, download=download) for train in (True, False)]
    except Exception as error:  # a broken archive may fail in gzip, tarfile or pickle, each in its own way
        raise OSError(
            f"{dataset.__name__} is not in root={str(root)!r} and could not be had: {error} "
            "Check the connection and the free disk space (350 MB), or unpack the published archive there yourself."
        ) from error
    x_train, x_test = (torch.from_numpy(part.data).permute(0, 3, 1, 2).float() / 255 for part in parts)
    y_train, y_test = (torch.as_tensor(part.targets) for part in parts)
    return x_train, y_train, x_test, y_test


def load_folder(root: str | Path, size: int | None = None) -> tuple[Tensor, Tensor, list[str]]:
    """Images from a folder with one folder for each class: root/cat/1.png, root/dog/a.jpg, ...

    Args:
        root: the folder. Classes are numbered in the alphabetical order of their names.
        size: scale each image to size x size; None if they all have one size already.

    Returns:
        x (n, 3, height, width), y (n,), and the names of the classes.

    Pixels of 16 bits keep their depth, photographs are turned as their camera says, what is transparent becomes white.
    Hidden files and folders are passed over, and links to folders within a class are not followed.

    Raises:
        OSError: the folder is missing, a class holds no image, or an image cannot be read (its path is named).
        ValueError: the images differ in size and no `size` is given, or an image's values have no known range.
    """
    if not Path(root).is_dir():
        raise OSError(f"root={str(root)!r} is not a folder; it must hold one folder of images for each class.")
    if size is not None:
        size = check_count("size", size)
    folders = sorted(path for path in Path(root).iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [_image_files(folder) for folder in folders]
    empty = [folder.name for folder, found in zip(folders, files, strict=True) if not found]
    if empty or not folders:
        missing = f"no image is in {', '.join(empty)}" if empty else "it holds no folder"
        raise OSError(
            f"root={str(root)!r} must hold one folder for each class, each with at least one image: {missing}."
        )
    images: list[np.ndarray] = []
    for path in itertools.chain.from_iterable(files):
        image = _read_image(path, size)
        if images and images[0].shape != image.shape:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise ValueError(
                f"The image {path} has {width}x{height} pixels and the first has {first_width}x{first_height}; "
                "give size=... to scale them to one size."
            )
        images.append(image)
    y = torch.tensor([number for number, found in enumerate(files) for _ in found])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), y, [folder.name for folder in folders]


def _image_files(folder: Path) -> list[Path]:
    """Every image below a folder, in the order of their paths."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    found = []
    for place, folders, names in os.walk(folder):  # does not follow links to folders
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if name.lower().endswith(IMG_EXTENSIONS) and name[0] != "."]
    return sorted(found)


def _read_image(path: Path, size: int | None) -> np.ndarray:
    """One image as float32 (height, width, 3) in [0, 1]."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # a small file of a billion pixels
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)
                image.load()
    except Exception as error:  # a broken file may fail in many ways
        raise OSError(f"The image {path} cannot be read ({error}); mend or remove it.") from error
    deep = image.mode.startswith("I;16") or (image.mode == "I" and file.format == "PNG")
    if image.mode in ("F", "I") and not deep:
        raise ValueError(
            f"The image {path} has values of mode {image.mode!r}, of no known range; save it with 8 or 16 bits."
        )
    if deep:
        image = Image.fromarray(np.asarray(image, dtype=np.float32) / 65535)
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    else:
        image = image.convert("RGB")
    if size is not None:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    values = np.asarray(image, dtype=np.float32)
    return np.repeat(values[..., None], 3, axis=2) if deep else values / 255


def flip_and_crop(pad: int = 4) -> Callable[[Tensor, torch.Generator], Tensor]:
    """The paper's augmentation as a function (images, generator) -> images: reflect-pad and crop, flip half of them.

    It draws on the images' own device, one crop and one flip for each image.
    """
    pad = check_count("pad", pad)

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        if x.ndim != 4 or pad >= min(x.shape[2:]):
            raise ValueError(
                f"images have shape {tuple(x.shape)}; to pad them by {pad} each must be (channels, height, width), "
                "higher and wider than that."
            )
        n, _, height, width = x.shape

        def draw(high: int) -> Tensor:
            return torch.randint(high, (n,), generator=generator, device=generator.device).to(x.device)

        top, left, flip = draw(2 * pad + 1), draw(2 * pad + 1), draw(2)
        padded = torch.nn.functional.pad(x, (pad,) * 4, mode="reflect")
        rows = top[:, None] + torch.arange(height, device=x.device)
        columns = torch.arange(width, device=x.device).expand(n, -1)
        columns = left[:, None] + torch.where(flip[:, None] == 1, columns.flip(1), columns)
        image = torch.arange(n, device=x.device)[:, None, None]
        return padded.transpose(0, 1)[:, image, rows[:, :, None], columns[:, None, :]].transpose(0, 1)

    return augment
