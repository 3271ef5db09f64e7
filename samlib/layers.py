"""A linear layer as tensors: taken out of a network, and checked.

Shapes as in duality.py: weight W (m, n), bias (m,), input x (n,), feature z and its gradient g (m,); a batch of b
examples puts an axis b in front of x, z and g.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from samlib.ascent import attack_mode
from samlib.checks import check_classifier_input, check_logits, check_not_probabilities
from samlib.losses import make_loss
from samlib.models import Normalize


class Layer(NamedTuple):
    """A linear layer at work: weight (m, n), bias (m,) or None; for each example x (b, n), z (b, m), g (b, m)."""

    weight: Tensor
    bias: Tensor | None
    x: Tensor
    z: Tensor
    g: Tensor


def at_layer(model: nn.Module, x: Tensor, y: Tensor, layer: str = "fc1", loss: str = "ce") -> Layer:
    """What a linear layer inside a network sees: inputs, features, and the gradient of each example's loss in them.

    The model works in evaluation mode, where no example feels another one; modes, parameters and gradients are as
    before afterwards.

    Args:
        model: images (n, ...) -> logits (n, classes).
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        layer: name of a Linear module whose input is (n, features), used once in a pass.
        loss: "ce", "margin" or "dlr" (losses.py).

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    objective = make_loss(loss)
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; it must be a torch.nn.Module.")
    check_classifier_input(model, x, y)
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    if layer not in linear:
        raise ValueError(f"layer is {layer!r}; the model's Linear modules are {', '.join(map(repr, linear))}.")
    seen: list[tuple[Tensor, Tensor]] = []

    def note(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        seen.append((inputs[0].detach(), output.detach().requires_grad_()))
        return seen[-1][1]

    hook = linear[layer].register_forward_hook(note)
    try:
        with attack_mode(model):
            logits = model(x.detach().clone())
            check_logits(logits, y)
            check_not_probabilities(logits)
            if len(seen) != 1 or seen[0][0].ndim != 2:
                raise ValueError(
                    f"layer {layer!r} was used {len(seen)} times, on inputs of shape "
                    f"{[tuple(s[0].shape) for s in seen]}; it must be used once, on (n, features)."
                )
            inputs, features = seen[0]
            (gradient,) = torch.autograd.grad(objective(logits, y).sum(), features)
    finally:
        hook.remove()
    weight, bias = linear[layer].weight.detach(), linear[layer].bias
    return Layer(weight, None if bias is None else bias.detach(), inputs, features.detach(), gradient)


def mlp_parts(model: nn.Module) -> tuple[nn.Sequential, nn.Linear, list[nn.Module]]:
    """What comes before the first Linear (Normalize, Flatten), that Linear, and what comes after it (Linear, ReLU)."""
    modules = list(model) if isinstance(model, nn.Sequential) else []
    first, linear = next(((i, m) for i, m in enumerate(modules) if isinstance(m, nn.Linear)), (None, None))
    if first is None or linear is None:
        raise TypeError(
            f"model is a {type(model).__name__}; it must be an nn.Sequential with a Linear module, as samlib.mlp()."
        )
    allowed = [(Normalize, nn.Flatten)] * first + [(nn.Linear, nn.ReLU, nn.Identity)] * (len(modules) - first)
    for module, kinds in zip(modules, allowed, strict=True):
        if not isinstance(module, kinds):
            raise TypeError(
                f"model holds a {type(module).__name__}; only Normalize and Flatten may come before the first Linear, "
                "and only Linear, ReLU and Identity after it."
            )
    return nn.Sequential(*modules[:first]), linear, modules[first + 1 :]


# ---- what may come in ------------------------------------------------------------------------------------------------


def check_tensors(**tensors: Tensor | None) -> None:
    """Every argument is a float32 or float64 tensor, all of one dtype and on one device; None is skipped."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first = next(iter(given))
    for name, tensor in given.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} is a {type(tensor).__name__}; it must be a torch.Tensor.")
        if tensor.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{name} has dtype {tensor.dtype}; it must be float32 or float64.")
        for what in ("dtype", "device"):
            ours, theirs = getattr(tensor, what), getattr(given[first], what)
            if ours != theirs:
                raise ValueError(f"{name} has {what} {ours} and {first} has {theirs}; they must have one {what}.")


def check_shape(name: str, tensor: Tensor, *allowed: tuple[int | str, ...]) -> None:
    """The shape is one of `allowed`, where a letter stands for any length >= 1."""
    for shape in allowed:
        lengths = zip(tensor.shape, shape, strict=False)
        if tensor.ndim == len(shape) and all(
            have >= 1 if isinstance(want, str) else have == want for have, want in lengths
        ):
            return
    options = " or ".join(f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" for shape in allowed)
    raise ValueError(f"{name} has shape {tuple(tensor.shape)}; it must be {options}.")


def check_weight(weight: Tensor) -> tuple[int, int]:
    """A weight matrix; its outputs m and inputs n."""
    check_shape("weight", weight, ("m", "n"))
    if not bool(weight.isfinite().all()):
        raise ValueError("weight holds NaN or infinity; it has no singular values then.")
    return weight.shape[0], weight.shape[1]


def check_examples(g: Tensor, x: Tensor, as_many: bool = False) -> None:
    """Gradients (m,) or (b, m), and as many inputs; or, unless `as_many`, one input (n,) for all."""
    check_shape("g", g, ("m",), ("b", "m"))
    if g.ndim == 1:
        check_shape("x", x, ("n",))
    elif as_many or x.ndim > 1:
        check_shape("x", x, (len(g), "n"))
    else:
        check_shape("x", x, ("n",))


def check_layer(weight: Tensor, g: Tensor, x: Tensor) -> None:
    """A weight matrix with gradients and inputs that fit it, as many of the one as of the other."""
    check_tensors(weight=weight, g=g, x=x)
    m, n = check_weight(weight)
    check_shape("g", g, (m,), ("b", m))
    check_shape("x", x, (*g.shape[:-1], n))
