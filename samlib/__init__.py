"""Sharpness-aware minimization, adversarial attacks, and what connects them: the package behind the course."""

from samlib import data, results
from samlib.attacks import apgd, fgsm, pgd, square
from samlib.data import load_cifar10, load_cifar100, load_digits, load_folder
from samlib.diagnosis import diagnose
from samlib.evaluation import accuracy, evaluate, robust_accuracy, robust_curve, survivors
from samlib.models import mlp, preact_resnet18, small_resnet
from samlib.sam import SAM
from samlib.training import train

__version__ = "0.1.0"

__all__ = [
    "SAM",
    "accuracy",
    "apgd",
    "data",
    "diagnose",
    "evaluate",
    "fgsm",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_folder",
    "mlp",
    "pgd",
    "preact_resnet18",
    "results",
    "robust_accuracy",
    "robust_curve",
    "small_resnet",
    "square",
    "survivors",
    "train",
]
