"""Images as two tensors: x, float32 (n, channels, height, width), pixels in [0, 1], and y, int64 (n,).

The digits come with scikit-learn and need no download; CIFAR-10 and CIFAR-100 come through torchvision, which checks
their checksums; any folder of images will do.
"""

from __future__ import annotations

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
    check_count("seed", seed, low=0)
    if check_count("size", size) >= len(x):
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
    except (RuntimeError, OSError) as error:
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

    Raises:
        OSError: the folder is missing, holds no images, or one of them cannot be read (its path is named).
        ValueError: the images differ in size and no `size` is given.
    """
    from PIL import Image
    from torchvision.datasets import ImageFolder

    if not Path(root).is_dir():
        raise OSError(f"root={str(root)!r} is not a folder; it must hold one folder of images for each class.")
    if size is not None:
        check_count("size", size)
    try:
        files = ImageFolder(str(root))
    except FileNotFoundError as error:
        raise OSError(
            f"root={str(root)!r} must hold one folder for each class, each with at least one image: {error}"
        ) from error
    images = []
    for path, _ in files.samples:
        try:
            with Image.open(path) as image:
                image = image.convert("RGB")
        except OSError as error:
            raise OSError(f"The image {path} cannot be read ({error}); mend or remove it.") from error
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        elif images and np.shape(images[0])[:2] != (image.height, image.width):
            raise ValueError(
                f"The image {path} has {image.width}x{image.height} pixels and the first has "
                f"{np.shape(images[0])[1]}x{np.shape(images[0])[0]}; give size=... to scale them to one size."
            )
        images.append(np.asarray(image))
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)
    return x, torch.tensor(files.targets), files.classes


def flip_and_crop(pad: int = 4):
    """The paper's augmentation as a function (images, generator) -> images: reflect-pad and crop, flip half of them.

    It draws on the images' own device, one crop and one flip for each image.
    """
    check_count("pad", pad)

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
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
