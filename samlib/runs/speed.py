"""What makes a run fast on its device, each a flag, and undone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from samlib.checks import check_choice

COMPILE = ("off", "default", "reduce-overhead", "max-autotune-no-cudagraphs")


@dataclass(frozen=True)
class Speed:
    """How a network is trained fast. Each flag changes the numbers by rounding; the evaluation uses none of them.

    autocast: forward passes in bfloat16 where that is safe; weights, gradients and images stay in float32.
    channels_last: weights and features laid out with the channels last.
    tf32: products of float32 matrices with inputs of 10 bits, in convolutions too.
    autotune: let cuDNN try its convolutions on the first batch of each shape and take the fastest.
    fused: the base optimizer's step in one kernel.
    compile: `torch.compile` of the network in one of its modes, one of COMPILE. "reduce-overhead" uses CUDA graphs.
    """

    autocast: bool = False
    channels_last: bool = False
    tf32: bool = False
    autotune: bool = False
    fused: bool = False
    compile: str = "off"

    def __post_init__(self) -> None:
        check_choice("compile", self.compile, COMPILE)

    @classmethod
    def usual(cls, device: torch.device, **asked: Any) -> Speed:
        """What is usual on a device, but for what is asked for (not None).

        On CUDA all flags but `compile`, which costs a minute at the start; elsewhere none.
        """
        on_cuda = dict.fromkeys((field.name for field in fields(cls) if field.name != "compile"), True)
        usual = on_cuda if device.type == "cuda" else {}
        return cls(**(usual | {name: value for name, value in asked.items() if value is not None}))

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The network and torch's settings as the flags say, and afterwards as before (but for the weights' layout)."""
        device = next(model.parameters()).device
        with ExitStack() as undo:
            if device.type == "cuda":
                _set(undo, torch.backends.cudnn, "allow_tf32", self.tf32)
                _set(undo, torch.backends.cuda.matmul, "allow_tf32", self.tf32)
                _set(undo, torch.backends.cudnn, "benchmark", self.autotune)
            if self.channels_last:
                model.to(memory_format=torch.channels_last)
            if self.autocast:
                _cast(undo, model, device.type)
            if self.compile != "off":
                model.compile(mode=None if self.compile == "default" else self.compile)
                undo.callback(setattr, model, "_compiled_call_impl", None)
            yield

    def fuse(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the base optimizer step in one kernel, if asked to."""
        for group in optimizer.param_groups if self.fused else ():
            group |= {"fused": True, "foreach": False}


def _set(undo: ExitStack, place: Any, name: str, value: Any) -> None:
    undo.callback(setattr, place, name, getattr(place, name))
    setattr(place, name, value)


def _cast(undo: ExitStack, model: nn.Module, device_type: str) -> None:
    """Forward passes of this network in bfloat16, logits in float32; its name, weights and modules stay."""
    forward = model.forward

    def cast(x: Tensor) -> Tensor:
        with torch.autocast(device_type, torch.bfloat16):
            return forward(x).float()

    model.forward = cast
    undo.callback(delattr, model, "forward")
