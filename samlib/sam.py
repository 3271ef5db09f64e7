"""The parameter space: sharpness-aware minimization (SAM), around any torch optimizer.

An attack asks for the image near x with the highest loss; SAM asks for the weights near w with the highest loss,
takes the gradient there, and lets the base optimizer use it from w. One step of the ascent is the l_2 ball's
steepest direction (balls.py), now for the weights.

Source: Foret et al. 2021, arXiv 2010.01412; adaptive: Kwon et al. 2021 (ASAM), arXiv 2102.11600.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from samlib.balls import joint_l2_norm, smallest_norm


class SAM(Optimizer):
    """Sharpness-aware minimization with the update rule of another optimizer.

        optimizer = SAM(torch.optim.SGD(model.parameters(), lr=0.1), rho=0.1, model=model)
        loss = optimizer.step(closure)    # closure: forward and backward pass, returns the loss

    `step` clears the gradients, calls the closure, perturbs the weights, calls it again, comes back, and lets the base
    optimizer step. Other loops (gradient accumulation, GradScaler, DDP) call the parts themselves:

        backward();  optimizer.first_step();  backward();  optimizer.second_step()

        scaler.scale(loss()).backward();  optimizer.first_step()     # the ascent step has a fixed length: no unscaling
        scaler.scale(loss()).backward();  optimizer.restore()
        scaler.step(optimizer.base_optimizer);  scaler.update()

    The weights come back bit for bit, in the same storage. `state` and `param_groups` are the base optimizer's own,
    so that schedulers, `add_param_group`, `state_dict` and `load_state_dict` do what they do for the base.

    Args:
        base_optimizer: any torch.optim optimizer but LBFGS.
        rho: length of the perturbation, >= 0, in l_2 over all weights that are perturbed. A param group may bring its
            own `rho`. A group with rho 0 is not perturbed, and `step` computes no gradient for it in the first pass.
        adaptive: measure each weight's change relative to its size (ASAM).
        model: its BatchNorm running statistics then do not see the pass at the perturbed weights.

    Raises:
        TypeError: no optimizer, LBFGS, or a SAM is wrapped; `step` without a closure; a sparse gradient.
        ValueError: rho negative or not finite.
        RuntimeError: no gradient at all, or the parts are called out of order.
    """

    def __init__(
        self, base_optimizer: Optimizer, rho: float = 0.05, adaptive: bool = False, model: nn.Module | None = None
    ) -> None:
        if not isinstance(base_optimizer, Optimizer) or isinstance(base_optimizer, (SAM, torch.optim.LBFGS)):
            raise TypeError(
                f"base_optimizer is a {type(base_optimizer).__name__}; it must be a torch.optim optimizer, "
                "such as torch.optim.SGD(model.parameters(), lr=0.1), and neither LBFGS nor a SAM."
            )
        if model is not None and not isinstance(model, nn.Module):
            raise TypeError(f"model is a {type(model).__name__}; it must be a torch.nn.Module or None.")
        defaults = {**base_optimizer.defaults, "rho": _check_rho(rho)}
        for group in base_optimizer.param_groups:
            _check_rho(group.get("rho", rho))
        # torch's own way to set up an optimizer that already has its groups and state: as if unpickled
        self.__setstate__(
            {"defaults": defaults, "base_optimizer": base_optimizer, "adaptive": adaptive, "model": model}
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("defaults", "base_optimizer", "adaptive", "model")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._snapshot: tuple[list[Tensor], list[Tensor]] | None = None  # perturbed weights, their values before
        self._paused: list[nn.Module] = []
        for group in self.param_groups:
            group.setdefault("rho", self.defaults["rho"])

        # Schedulers warn where `optimizer.step` was not called before them. With second_step or a GradScaler it is
        # the base optimizer that steps; this tells a scheduler around SAM so.
        this = weakref.ref(self)

        def note_step(*_: Any) -> None:
            if this() is not None:
                this()._opt_called = True

        self.base_optimizer.register_step_post_hook(note_step)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The base optimizer's groups, each with its `rho`."""
        return self.base_optimizer.param_groups

    @property
    def state(self) -> dict[Tensor, Any]:
        """The base optimizer's state."""
        return self.base_optimizer.state

    @property
    def perturbed(self) -> bool:
        """Whether the weights are where the ascent step has put them."""
        return self._snapshot is not None

    # ---- the algorithm --------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One SAM step. `closure` does a forward and a backward pass and returns the loss; it is called twice.

        (Once if no group is perturbed.) Returns the loss at the unperturbed weights.
        """
        if not callable(closure):
            raise TypeError(
                "SAM.step needs a closure that does a forward and a backward pass and returns the loss; "
                "for loops without one, call first_step() and second_step()."
            )
        self._require_weights("here", "step")
        closure = torch.enable_grad()(closure)
        with self._only_perturbed_differentiated():
            self.zero_grad()
            loss = closure()
        if any(group["rho"] > 0 for group in self.param_groups):
            try:
                self.first_step()
                closure()
            finally:
                self.restore()
            self._require_a_gradient(self.param_groups)
        self.base_optimizer.step()
        return loss

    @torch.no_grad()
    def first_step(self) -> None:
        """The ascent step: move the weights by rho along their gradient, and clear the gradients for the next pass."""
        self._require_weights("here", "first_step")
        perturbed = [group for group in self.param_groups if _check_rho(group["rho"]) > 0]
        if perturbed:
            self._require_a_gradient(perturbed)
        if any(p.grad is not None and p.grad.is_sparse for group in perturbed for p in group["params"]):
            raise TypeError(
                "A parameter has a sparse gradient, and SAM cannot go along it; set sparse=False in its layer."
            )
        moving = [(group["rho"], [p for p in group["params"] if p.grad is not None]) for group in perturbed]
        weights = [p for _, params in moving for p in params]
        self._snapshot = (weights, torch._foreach_mul(weights, 1.0) if weights else [])  # x * 1.0 copies bit for bit
        self._pause_running_statistics()
        try:
            if weights:
                self._ascend(moving)
        except BaseException:
            self.restore()
            raise
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def _ascend(self, moving: list[tuple[float, list[Tensor]]]) -> None:
        """w += rho * g / ||g||, with one norm over all of them; adaptive: w += rho * w^2 g / ||w g||."""
        gradients = [[p.grad for p in params] for _, params in moving]
        directions = gradients
        if self.adaptive:
            gradients = [torch._foreach_mul(g, params) for g, (_, params) in zip(gradients, moving, strict=True)]
            directions = [torch._foreach_mul(g, params) for g, (_, params) in zip(gradients, moving, strict=True)]
        norm = joint_l2_norm([g for group in gradients for g in group])
        length = norm.clamp(min=smallest_norm(norm))  # a gradient whose squares vanish barely changes the weights
        for (rho, params), direction in zip(moving, directions, strict=True):
            _add_where_finite(norm, params, direction, rho / length)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the weights back to where they were before `first_step`. Without one before it, nothing happens."""
        if self._snapshot is not None:
            weights, before = self._snapshot
            if weights:
                torch._foreach_copy_(weights, before)
            self._snapshot = None
        while self._paused:
            self._paused.pop().track_running_stats = True

    def second_step(self) -> None:
        """Come back and let the base optimizer step with the gradients found at the perturbed weights."""
        self._require_weights("perturbed", "second_step")
        self.restore()
        self.base_optimizer.step()

    # ---- what the parts rely on -----------------------------------------------------------------------------------

    def _require_weights(self, where: str, method: str) -> None:
        if where == "here" and self.perturbed:
            raise RuntimeError(
                f"{method} was called while the weights are perturbed; call restore() or second_step() first."
            )
        if where == "perturbed" and not self.perturbed:
            raise RuntimeError(f"{method} was called before first_step(): the weights are not perturbed.")

    @staticmethod
    def _require_a_gradient(groups: Sequence[dict[str, Any]]) -> None:
        if all(p.grad is None for group in groups for p in group["params"]):
            raise RuntimeError(
                "No parameter has a gradient; call loss.backward() in the closure, or before first_step()."
            )

    @contextmanager
    def _only_perturbed_differentiated(self) -> Iterator[None]:
        """In the first pass the gradient of a group that is not perturbed would be thrown away: do not compute it."""
        if all(group["rho"] == 0 for group in self.param_groups):
            yield
            return
        still = [p for group in self.param_groups if group["rho"] == 0 for p in group["params"] if p.requires_grad]
        try:
            for p in still:
                p.requires_grad_(False)
            yield
        finally:
            for p in still:
                p.requires_grad_(True)

    def _pause_running_statistics(self) -> None:
        """BatchNorm still normalises by the batch, but running mean, variance and counter stay as they are."""
        for module in self.model.modules() if self.model is not None else ():
            if isinstance(module, _BatchNorm) and module.training and module.track_running_stats:
                module.track_running_stats = False
                self._paused.append(module)

    # ---- groups and checkpoints: the base optimizer's -------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the base optimizer; it may bring its own `rho`."""
        rho = _check_rho(param_group.get("rho", self.defaults["rho"]))
        self.base_optimizer.add_param_group({**param_group, "rho": rho})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a checkpoint of SAM, or of the base optimizer alone: the current rho is then kept."""
        self._require_weights("here", "load_state_dict")
        current = [group["rho"] for group in self.param_groups]
        for group in state_dict["param_groups"]:
            _check_rho(group.get("rho", 0.0))
        self.base_optimizer.load_state_dict(state_dict)
        for group, rho in zip(self.param_groups, current, strict=True):
            group.setdefault("rho", rho)


def _check_rho(rho: Any) -> float:
    if isinstance(rho, bool) or not isinstance(rho, (int, float)):
        raise TypeError(f"rho is {rho!r} of type {type(rho).__name__}; it must be a number >= 0.")
    if not math.isfinite(rho) or rho < 0:
        raise ValueError(f"rho is {rho}; it must be a finite number >= 0.")
    return rho


def _add_where_finite(norm: Tensor, weights: list[Tensor], direction: list[Tensor], scale: Tensor) -> None:
    """weights += scale * direction, unless `norm` (0-d, on the device) is infinite or NaN; nothing leaves the device.

    Adding zero times the direction would not do, since 0 * inf is NaN. On the CPU the flag lies in host memory, where
    reading it waits for nothing. On a GPU torch's fused SGD can skip a whole step by such a flag, in one call for all
    tensors; it reads memory straight through, so both tensors must be laid out alike. (On the CPU that call starts all
    threads for each tensor, which takes longer than the rest of a SAM step where other programs keep the cores busy.)
    """
    kinds: dict[tuple[torch.device, torch.dtype, torch.dtype], tuple[list[Tensor], list[Tensor]]] = {}
    for w, d in zip(weights, direction, strict=True):
        ws, ds = kinds.setdefault((w.device, w.dtype, d.dtype), ([], []))
        ws.append(w)
        ds.append(d)
    for (device, dtype, direction_dtype), (ws, ds) in kinds.items():
        moves = torch._foreach_mul(ds, scale.to(device))
        if device.type == norm.device.type == "cpu":
            if math.isfinite(norm.numpy()):
                torch._foreach_add_(ws, moves)
            continue
        skip = (norm * 0).nan_to_num(nan=1.0).to(device)
        fits = device.type == "cuda" and dtype == direction_dtype
        alike = [fits and w.stride() == move.stride() for w, move in zip(ws, moves, strict=True)]
        if any(alike):
            torch._fused_sgd_(
                [w for w, same in zip(ws, alike, strict=True) if same],
                [move for move, same in zip(moves, alike, strict=True) if same],
                [],
                lr=1.0,
                momentum=0.0,
                weight_decay=0.0,
                dampening=0.0,
                nesterov=False,
                maximize=True,
                is_first_step=False,
                found_inf=skip.float(),
            )
        for w, move, same in zip(ws, moves, alike, strict=True):
            if not same:
                w.add_(torch.where(skip == 1, 0.0, move))
