"""The parameter space: sharpness-aware minimization (SAM), around any torch optimizer.

An attack asks for the image near x with the highest loss; SAM asks for the weights near w with the highest loss,
takes the gradient there, and lets the base optimizer use it from w. One step of the ascent is the l_2 ball's
steepest direction (balls.py), now for the weights.

Source: Foret et al. 2021, arXiv 2010.01412; adaptive: Kwon et al. 2021 (ASAM), arXiv 2102.11600.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from samlib.balls import joint_l2_norm, smallest_norm
from samlib.checks import check_number


class SAM(Optimizer):
    """Sharpness-aware minimization with the update rule of another optimizer.

        optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1, model=model)
        loss = optimizer.step(closure)    # closure: forward and backward pass, returns the loss

    `step` clears the gradients, calls the closure, perturbs the weights, calls it again, restores the weights, and lets
    the base optimizer step. Other loops (gradient accumulation, GradScaler, DDP) call the parts themselves:

        backward();  optimizer.first_step();  backward();  optimizer.second_step()

        scaler.scale(loss()).backward();  optimizer.first_step()    # a step of fixed length: no unscaling
        scaler.scale(loss()).backward();  optimizer.restore()
        scaler.unscale_(optimizer.base_optimizer);  clip_grad_norm_(...)    # to clip: at the base, as the step
        scaler.step(optimizer.base_optimizer);  scaler.update()

    The weights come back bit for bit, in the same storage. `state` and `param_groups` are the base optimizer's own,
    so that schedulers, `add_param_group`, `state_dict` and `load_state_dict` do what they do for the base. Where the
    base maximizes, the neighbour with the highest loss is the one with the lowest objective.

    Args:
        base_optimizer: any torch.optim optimizer but LBFGS and Adadelta, whose groups have a `rho` of another meaning.
        rho: radius, >= 0, in l_2 over all weights that are perturbed. A param group may bring its own `rho`. A group
            with rho 0 is not perturbed, and `step` computes no gradient for it in the first pass where that can be had.
        adaptive: measure each weight's change relative to its size (ASAM).
        model: its buffers (running statistics) are then as if the pass at the perturbed weights had never been.

    Memory: a copy of the perturbed weights. The first pass's gradients are used up.

    Raises:
        TypeError: what is wrapped is no optimizer, or one that cannot be; `step` without a closure; a sparse gradient.
        ValueError: rho negative or not finite.
        RuntimeError: no gradient; parts out of order; copied or saved between them; itself given to `unscale_`.
    """

    def __init__(
        self, base_optimizer: Optimizer, rho: float = 0.05, adaptive: bool = False, model: nn.Module | None = None
    ) -> None:
        _check_base(base_optimizer)
        if model is not None and not isinstance(model, nn.Module):
            raise TypeError(f"model is a {type(model).__name__}; it must be a torch.nn.Module or None.")
        rho = check_number("rho", rho)
        for group in base_optimizer.param_groups:
            check_number("rho", group.get("rho", rho))
        self.base_optimizer, self.adaptive, self.model = base_optimizer, adaptive, model
        self._before: list[tuple[list[Tensor], list[Tensor]]] | None = None  # while perturbed: tensors, their values
        self._every_gradient = False  # the first pass needs those of groups with rho 0 too; see _first_pass
        super().__init__(base_optimizer.param_groups, {**base_optimizer.defaults, "rho": rho})
        # A scheduler warns where no step came before it; in most loops it is the base that steps.
        base_optimizer.register_step_post_hook(lambda *_: setattr(self, "_opt_called", True))

    # ---- the algorithm -----------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One SAM step. `closure` does a forward and a backward pass and returns the loss; it is called twice.

        (Once if no group is perturbed.) Returns the loss at the unperturbed weights.
        """
        if not callable(closure):
            raise TypeError("SAM.step needs a closure that returns the loss; without one: first_step(), second_step()")
        self._require(perturbed=False, method="step")
        closure = torch.enable_grad()(closure)
        loss = self._first_pass(closure)
        if any(group["rho"] > 0 for group in self.param_groups):
            try:
                self.first_step()
                closure()
            finally:
                self.restore()
            _require_a_gradient(self.param_groups)
        self.base_optimizer.step()
        return loss

    @torch.no_grad()
    def first_step(self) -> None:
        """The ascent step: move the weights by rho along their gradient, and clear the gradients for the next pass."""
        self._require(perturbed=False, method="first_step")
        groups = [group for group in self.param_groups if check_number("rho", group["rho"]) > 0]
        weights = [p for group in groups for p in group["params"] if p.grad is not None]
        self._before = _copied([*weights, *(self.model.buffers() if self.model is not None else ())])
        try:
            if groups:
                _require_a_gradient(groups)
                self._ascend(groups)
        except BaseException:
            self.restore()
            raise
        for p in (p for group in self.param_groups for p in group["params"]):
            p.grad = None

    def _ascend(self, groups: list[dict[str, Any]]) -> None:
        """w += rho g / ||g||, with one norm over all groups; adaptive: w += rho w² g / ||w g||. Uses the gradients up.

        torch's foreach functions take a dozen calls where loops over PreActResNet-18's 62 tensors take 300.
        """
        moving = [[p for p in group["params"] if p.grad is not None] for group in groups]
        weights = [_real(p) for params in moving for p in params]
        gradients = [_real(p.grad) for params in moving for p in params]
        if self.adaptive:
            torch._foreach_mul_(gradients, weights)
        norm = joint_l2_norm(gradients)
        if self.adaptive:
            torch._foreach_mul_(gradients, weights)
        if norm.is_cpu and not math.isfinite(norm.numpy()):
            return  # the loss or its gradient has overflowed, as under a GradScaler: such a step goes nowhere
        if not norm.is_cpu:  # the same without waiting for the device: whatever a number is, its 0th power is 1
            finite = (norm < torch.inf).to(norm.dtype)
            torch._foreach_pow_(gradients, [finite.to(g.device, g.dtype) for g in gradients])
            norm = torch.where(finite == 1, norm, torch.inf)
        norm = norm.clamp(min=smallest_norm(norm))  # a gradient of zero, or so tiny that its squares vanish
        for group, params in zip(groups, moving, strict=True):
            rho = -group["rho"] if group.get("maximize") else group["rho"]
            for alike in _alike(params):
                steps = [_real(p.grad) for p in alike]
                torch._foreach_mul_(steps, (rho / norm).to(steps[0].device))
                torch._foreach_add_([_real(p) for p in alike], steps)

    def restore(self) -> None:
        """Put the weights back to where they were before `first_step`. Without one before it, nothing happens."""
        _put_back(self._before or [])
        self._before = None

    def second_step(self) -> None:
        """Come back and let the base optimizer step with the gradients found at the perturbed weights."""
        self._require(perturbed=True, method="second_step")
        self.restore()
        self.base_optimizer.step()

    @property
    def perturbed(self) -> bool:
        """Whether the weights are where the ascent step has put them."""
        return self._before is not None

    def _first_pass(self, closure: Callable[[], Any]) -> Any:
        """The pass at the unperturbed weights; the gradient of a group with rho 0 is not computed: it would go unused.

        Two things need every gradient. DistributedDataParallel waits for all of them. Checkpointing with reentry loses
        those of the layers inside it if nothing before them is differentiated: then the pass is done again.
        """
        moving = [p for group in self.param_groups if group["rho"] > 0 for p in group["params"] if p.requires_grad]
        still = [p for group in self.param_groups if group["rho"] == 0 for p in group["params"] if p.requires_grad]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            self._every_gradient = True
        if moving and still and not self._every_gradient:
            before = _copied(self.model.buffers()) if self.model is not None else []
            try:
                for p in still:
                    p.requires_grad_(False)
                self.zero_grad()
                loss = closure()
                if all(p.grad is not None for p in moving):
                    return loss
            except RuntimeError:
                pass  # "does not require grad"; another error comes again
            finally:
                for p in still:
                    p.requires_grad_(True)
            self._every_gradient = True
            _put_back(before)
        self.zero_grad()
        return closure()

    def _require(self, *, perturbed: bool, method: str) -> None:
        if perturbed and not self.perturbed:
            raise RuntimeError(f"{method} was called before first_step(): the weights are not perturbed.")
        if self.perturbed and not perturbed:
            raise RuntimeError(f"{method} was called while the weights are perturbed; call restore() or second_step().")

    # ---- groups, state and checkpoints: the base optimizer's own ---------------------------------------------------

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The base optimizer's groups, each with its `rho`."""
        if sys._getframe(1).f_code.co_name == "_unscale_grads_":  # GradScaler would unscale a second time in its step
            raise RuntimeError("unscale_ was given SAM, and step takes its base: call unscale_(sam.base_optimizer).")
        return self.base_optimizer.param_groups

    @param_groups.setter
    def param_groups(self, _: Any) -> None:
        """torch's constructor starts with none; the base's stay."""

    @property
    def state(self) -> defaultdict[Tensor, Any]:
        """The base optimizer's state."""
        return self.base_optimizer.state

    @state.setter
    def state(self, _: Any) -> None:
        """torch's constructor starts with none; the base's stays."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the base optimizer; it may bring its own `rho`."""
        rho = check_number("rho", param_group.get("rho", self.defaults["rho"]))
        if any(param_group is group for group in self.base_optimizer.param_groups):  # torch's constructor: it is there
            param_group["rho"] = rho
        else:
            self.base_optimizer.add_param_group({**param_group, "rho": rho})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a checkpoint of SAM, or of the base optimizer alone: the current rho is then kept."""
        self._require(perturbed=False, method="load_state_dict")
        current = [group["rho"] for group in self.param_groups]
        for group in state_dict["param_groups"]:
            check_number("rho", group.get("rho", 0.0))
        self.base_optimizer.load_state_dict(state_dict)
        for group, rho in zip(self.param_groups, current, strict=True):
            group.setdefault("rho", rho)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are set up like a new one, around a copy of the base."""
        self._require(perturbed=False, method="copy or pickle")
        return type(self), (self.base_optimizer, self.defaults["rho"], self.adaptive, self.model)


def _check_base(base: Any) -> None:
    if not isinstance(base, Optimizer) or isinstance(base, (SAM, torch.optim.LBFGS)):
        raise TypeError(
            f"base_optimizer is a {type(base).__name__}; it must be a torch.optim optimizer, "
            "such as torch.optim.SGD(model.parameters(), lr=0.1), and neither LBFGS nor a SAM."
        )
    if "rho" in base.defaults:
        raise TypeError(
            f"base_optimizer is a {type(base).__name__}, whose `rho` in the param groups is not SAM's; "
            "take an optimizer without one, such as torch.optim.Adagrad or torch.optim.AdamW."
        )


def _require_a_gradient(groups: Sequence[dict[str, Any]]) -> None:
    gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
    if not gradients:
        raise RuntimeError("No parameter has a gradient; call loss.backward() in the closure, or before first_step().")
    if any(g.is_sparse for g in gradients):
        raise TypeError("A parameter has a sparse gradient, and SAM cannot go along it; set sparse=False in its layer.")


def _real(tensor: Any) -> Tensor:
    """A complex tensor as its real and imaginary parts, without a copy."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _alike(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """The tensors sorted by device and type: what foreach functions take in one go."""
    sorts: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        sorts.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return list(sorts.values())


def _copied(tensors: Iterable[Tensor]) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Tensors beside copies of their values; 1 times a number is the number, bit for bit."""
    return [(alike, list(torch._foreach_mul(alike, 1))) for alike in _alike(tensors)]


@torch.no_grad()
def _put_back(copied: list[tuple[list[Tensor], list[Tensor]]]) -> None:
    """Give tensors the values they had when they were `_copied`."""
    for tensors, values in copied:
        torch._foreach_copy_(tensors, values)
