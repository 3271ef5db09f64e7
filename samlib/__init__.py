"""Sharpness-aware minimization, adversarial attacks, and what connects them: the package behind the course."""

import importlib
from types import ModuleType

from samlib import data
from samlib.attacks import apgd, fgsm, pgd
from samlib.data import load_cifar10, load_cifar100, load_digits, load_folder
from samlib.diagnosis import diagnose
from samlib.evaluation import accuracy, evaluate, robust_accuracy, robust_curve, robust_mask
from samlib.models import mlp, preact_resnet18, small_resnet
from samlib.random_search import square
from samlib.sam import SAM
from samlib.training import train

__version__ = "0.1.0"

__all__ = [
    "SAM",
    "accuracy",
    "apgd",
    "data",
    "diagnose",
    "duality",
    "evaluate",
    "fgsm",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_folder",
    "mlp",
    "pgd",
    "preact_resnet18",
    "robust_accuracy",
    "robust_curve",
    "robust_mask",
    "sharpness",
    "small_resnet",
    "square",
    "toy",
    "train",
]


def __getattr__(name: str) -> ModuleType:
    """samlib.duality, samlib.sharpness and samlib.toy, imported at first use: scipy is not paid for before."""
    if name in ("duality", "sharpness", "toy"):
        return importlib.import_module(f"samlib.{name}")
    raise AttributeError(f"module 'samlib' has no attribute {name!r}")
