"""What a public function may be given. Each check names the argument, what came and what is allowed.

A check runs once, where a call enters the package, so that the loops behind it need none.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def check_choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`; otherwise say which of them it may have meant."""
    allowed = list(allowed)
    if isinstance(value, str) and value in allowed:
        return value
    lowered = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(str(value).lower(), lowered, n=1, cutoff=0.4)
    meant = f" Did you mean {lowered[near[0]]!r}?" if near else ""
    raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}.{meant}")


def _plain(value: Any) -> Any:
    """A Python number in place of a tensor or an array that holds a single one; a numpy number has 0 dimensions."""
    single = value.numel() == 1 if isinstance(value, Tensor) else getattr(value, "ndim", None) == 0
    return value.item() if single else value


def check_number(
    name: str, value: object, low: float = 0.0, high: float = math.inf, *, open_low: bool = False
) -> float:
    """Return `value` as a finite float in [low, high], or in (low, high] with `open_low`."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}; it must be a number.")
    number = float(value)
    if not low <= number <= high or not math.isfinite(number) or (open_low and number == low):
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} is {value}; it must be a finite number in {bracket}{low:g}, {high:g}].")
    return number


def check_count(name: str, value: object, low: int = 1, high: int = 2**63 - 1) -> int:
    """Return `value` as a whole number in [low, high]."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}; it must be a whole number.")
    count = int(value)
    if not low <= count <= high:
        raise ValueError(f"{name} is {count}; it must be at {f'least {low}' if count < low else f'most {high}'}.")
    return count


def check_images(x: object, name: str = "x") -> Tensor:
    """Images: a float32 or float64 tensor (n, ...), n >= 1, every pixel in [0, 1]."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; it must be a torch.Tensor of images (n, ...).")
    if x.layout != torch.strided or x.is_meta:
        raise TypeError(f"{name} is {'on meta' if x.is_meta else x.layout}; it must hold every pixel (x.to_dense()).")
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} has dtype {x.dtype}; images must be float32 or float64 with pixels in [0, 1].")
    if x.ndim < 2:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; images must have a batch axis and at least one more.")
    if x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}: it is empty; at least one image is needed.")
    low, high = torch.stack(x.detach().aminmax()).tolist()
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails too
        raise ValueError(
            f"{name} has pixels in [{low!r}, {high!r}]; they must lie in [0, 1]. Rounding is mended by "
            f"{name}.clamp(0, 1); put a normalisation inside the model (samlib.models.Normalize) and pass raw pixels."
        )
    return x


def check_labels(y: object, x: Tensor, name: str = "y") -> Tensor:
    """Labels: an int64 tensor (n,), one for each image of `x`, none negative, on the device of `x`."""
    if not isinstance(y, Tensor):
        raise TypeError(f"{name} is a {type(y).__name__}; it must be a torch.Tensor of class numbers (n,).")
    if y.dtype != torch.int64:
        raise TypeError(f"{name} has dtype {y.dtype}; class numbers must be int64 (y.long()).")
    if y.shape != x.shape[:1]:
        raise ValueError(f"{name} has shape {tuple(y.shape)}; it must be ({len(x)},), one label for each image.")
    if y.device != x.device:
        raise ValueError(f"{name} is on {y.device} and the images are on {x.device}; move both to one device.")
    lowest = int(y.min())
    if lowest < 0:
        raise ValueError(f"{name} holds the label {lowest}; labels must lie in 0 .. classes - 1.")
    return y


def check_radius(name: str, value: object, x: Tensor) -> float | Tensor:
    """A radius: one number >= 0 for all images, or a tensor (n,) with one for each; in pixels of [0, 1]."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return check_number(name, value)
    if value.shape != x.shape[:1]:
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}; it must be one number or ({len(x)},), one for each image."
        )
    if value.is_complex() or not bool((torch.isfinite(value.to(x.dtype)) & (value >= 0)).all()):
        raise ValueError(f"{name} holds a negative or non-finite entry; each must be a finite number >= 0.")
    return value.detach().to(device=x.device, dtype=x.dtype)


def check_model(model: object, x: Tensor) -> None:
    """The model can be called, and its parameters lie where the images are and are of a type that takes them."""
    if not callable(model):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be callable: images (n, ...) -> logits (n, classes)."
        )
    if isinstance(model, nn.Module):
        elsewhere = next((p.device for p in model.parameters() if p.device != x.device), None)
        if elsewhere is not None:
            raise ValueError(
                f"model is on {elsewhere} and the images are on {x.device}; "
                "call model.to(x.device), or x.to(the model's device), first."
            )
        if any(is_lazy(p) or p.is_inference() for p in model.parameters()):
            raise ValueError(
                "model has parameters without values yet (lazy modules: call model(x) once) or without gradients for "
                "ever (made in torch.inference_mode: make the model outside, and load its state_dict)."
            )
        other = next((p.dtype for p in model.parameters() if p.is_floating_point() and p.dtype != x.dtype), None)
        if other is not None:
            _check_types(model, x, other)


def _check_types(model: nn.Module, x: Tensor, other: torch.dtype) -> None:
    """A model whose parameters are of another type than the images converts them itself: one image shows it."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            model.eval()(x[:1])
    except RuntimeError as error:
        if "type" in str(error):  # any other failure is looked into where the model is used
            raise TypeError(
                f"model has {other} parameters and the images are {x.dtype}, which it does not convert ({error}); "
                f"call model.to({x.dtype}), or wrap it in a function that converts the images or opens torch.autocast."
            ) from error
    finally:
        for module, training in modes:
            module.training = training


def check_logits(logits: object, y: Tensor) -> None:
    """What a model returned: logits (n, classes), none of them NaN, with a class for every label in `y`."""
    if not isinstance(logits, Tensor):
        raise TypeError(f"model returned a {type(logits).__name__}; it must return a tensor of logits (n, classes).")
    if not logits.is_floating_point():
        raise TypeError(f"model returned {logits.dtype}; logits must be floating-point numbers.")
    if logits.ndim != 2 or len(logits) != len(y) or logits.shape[1] < 2:
        raise ValueError(
            f"model returned shape {tuple(logits.shape)} for {len(y)} images; "
            f"it must be ({len(y)}, classes) with classes >= 2."
        )
    highest = int(y.max())
    if highest >= logits.shape[1]:
        raise ValueError(
            f"y holds the label {highest}, but model returned {logits.shape[1]} classes; "
            f"labels must lie in 0 .. {logits.shape[1] - 1}."
        )
    values = logits.detach().float()
    broken = int(values.isnan().any(1).sum())
    if broken:
        raise ValueError(
            f"model returned NaN logits for {broken} of {len(y)} images, so what it answers is not defined; "
            "look for a division by zero or an overflow inside it, or for weights that training has driven to NaN."
        )


def check_not_probabilities(logits: Tensor) -> None:
    """No softmax made them. Called once, with as many rows as there are: a few logits may look so by chance.

    Refused are rows that are non-negative and whose sums are 1, to a hundredth of what their entries vary. At least 32
    entries must have been free to be something else: those of 32 differing rows for two classes, of 4 for ten.
    """
    values = logits.detach().float()
    vary = (values.amax(0) - values.amin(0)).amax()
    sum_to_one = (values.sum(1) - 1).abs().amax() < (vary / 100).clamp(max=1e-3)
    if bool((values >= 0).all() & sum_to_one) and len(values.unique(dim=0)) * (values.shape[1] - 1) >= 32:
        raise ValueError(
            "model returned probabilities (each row is non-negative and sums to 1); "
            "it must return logits: leave the softmax out."
        )


def check_classifier_input(model: object, x: object, y: object) -> None:
    """The three arguments that every attack, evaluation and training run starts with."""
    images = check_images(x)
    check_labels(y, images)
    check_model(model, images)
