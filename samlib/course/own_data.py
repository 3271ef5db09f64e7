"""Lessons 01 to 04 on a folder of images of your own, in place of the digits.

A cell above all others of the lesson:

    from samlib.course import own_data
    own_data.use_folder("my_images")

docs/teaching/class_of_forty.md says what then no longer holds.
"""

from __future__ import annotations

from pathlib import Path

import torch

import samlib
from samlib.checks import check_count
from samlib.data import Split, load_folder, split

CLASSES = 10  # the lessons' networks have ten logits, and their scenes show one image of each class
IMAGES, OF_A_CLASS = 600, 30  # the fewest: lesson 04 attacks two hundred test images
TRAINING, TEST = 1200, 597  # the most that are taken: as many as of the digits


def use_folder(path: str | Path) -> list[str]:
    """From here on `samlib.load_digits` gives a folder's images: grey, 8x8 pixels in [0, 1], two thirds to train with.

    Exercises go on judging by the digits, and recorded tables stay those of the digits.

    Args:
        path: a folder with ten folders, one for each class, of at least 30 images each and 600 together. Of more than
            1,797 images a random part is taken.

    Returns:
        The names of the classes, in the order of their labels.

    Raises:
        OSError, ValueError: as of `samlib.load_folder`; there are not ten classes, or too few images.
    """
    colour, y, names = load_folder(path, size=8)
    counts = torch.bincount(y, minlength=len(names)).tolist()
    if len(names) != CLASSES or len(y) < IMAGES or min(counts) < OF_A_CLASS:
        found = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        raise ValueError(
            f"path={str(path)!r} holds {found}; it must hold {CLASSES} folders, of at least {OF_A_CLASS} images each "
            f"and {IMAGES} together."
        )
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # of red, green and blue in what eyes see as bright
    x = (colour * weights).sum(1, keepdim=True).clamp(0, 1)

    def load_own(seed: int = 0) -> Split:
        """The folder's images in place of the digits: x_train, y_train, x_test, y_test."""
        seed = check_count("seed", seed, low=0, high=2**32 - 1)
        images, labels = x, y
        if len(labels) > TRAINING + TEST:
            _, _, images, labels = split(x, y, TRAINING + TEST, seed)
        return split(images, labels, min(TEST, len(labels) // 3), seed)

    samlib.load_digits = load_own
    return names
