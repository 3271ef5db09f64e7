"""Sharpness: how far the loss rises when the weights move.

A network's weights are taken as one vector, a batch of a single "image" with shape (1, P), so that the ball, its
steepest direction and its projection are those that attacks use on pixels (balls.py): what pgd does to x,
`find_worst_case` does to w.

Every measurement is of the mean loss over the given images, in evaluation mode, and leaves the model as it was: weights
are never written to (the network is evaluated at other ones), and modes and gradients come back. Unlike eps, which is a
length in pixels of [0, 1], rho is a length in weight space.

A number in absolute weight units can lie: multiply a ReLU layer by a and divide the next by a, and the function is the
same while its sharpness is not (Dinh et al. 2017, arXiv 1703.04933; samlib.duality.rescale). A relative radius measures
a step in units of the weights themselves and does not see such a change::

    relative=None         w + u,        ||u|| <= rho: SAM's own ball;
    relative="layer"      w_k + ||w_k|| u_k for each weight or bias tensor k, ||u|| <= rho over all of them together;
    relative="adaptive"   w + |w| u, entry by entry: ASAM's ball (Kwon et al. 2021, arXiv 2102.11600).

"layer" does not see factors that move from one whole layer to the next, "adaptive" not even those of single units; in
either, a tensor (or an entry) that is 0 does not move.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from samlib.attacks import attack_mode, default_generator
from samlib.balls import L2, random_numbers
from samlib.batches import Batches, predict
from samlib.checks import check_choice, check_classifier_input, check_count, check_number
from samlib.losses import Loss, make_loss
from samlib.models import select_parameters

RELATIVE = ("layer", "adaptive")
Direction = Mapping[str, Tensor]


class WorstCase(NamedTuple):
    """What gradient ascent in a weight ball found.

    `increase`: how far the highest loss on the way lies above the loss at the weights, >= 0.
    `delta`: where it lies, as a change of each parameter by name.
    `losses`: the loss at the start and after each step.
    """

    increase: float
    delta: dict[str, Tensor]
    losses: list[float]


def worst_case(model: nn.Module, x: Tensor, y: Tensor, rho: float, steps: int = 20, **settings: Any) -> float:
    """Worst-case sharpness: the most that the mean loss rises within rho of the weights, as far as ascent finds it.

    A lower bound of max over ||dw|| <= rho of L(w + dw) - L(w), by projected gradient ascent. One step is SAM's ascent
    step; near a minimum, where the gradient says little, it takes several to find the steep sides.

    Args, raises: as for `find_worst_case`; `settings` are its keyword arguments: names, relative, loss, step_size,
    batch_size, generator.
    """
    return find_worst_case(model, x, y, rho, steps, **settings).increase


def find_worst_case(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    rho: float,
    steps: int = 20,
    *,
    names: str | Sequence[str] | None = None,
    relative: str | None = None,
    loss: str | Loss = "ce",
    step_size: float | None = None,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> WorstCase:
    """Projected gradient ascent from the weights: `steps` steepest steps, each projected onto the ball of radius rho.

    Args:
        model: images (n, ...) -> logits (n, classes); evaluated in evaluation mode.
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        rho: radius in weight space, or, with `relative`, in units of the weights.
        steps: gradient steps; each costs a forward and a backward pass, and so does the end. More of them find more.
        names: the modules or parameters that move, or patterns, such as `["fc1", "*bn*"]`; None for all, frozen
            ones too.
        relative: None, "layer" or "adaptive"; see the module's text.
        loss: "ce", "margin" or "dlr" (losses.py), or a function (logits, y) -> (n,). The mean over the images is
            raised.
        step_size: length of a step, like rho; rho itself if None. The first step is then SAM's ascent step, and the
            later ones run along the sphere, as in power iteration. (On digits this mostly finds more than pgd's 2.5 *
            rho / steps does, up to twice as much.)
        batch_size: images in one pass. It changes the memory used, not the result.
        generator: draws a direction where the gradient is exactly zero, at a stationary point; a fresh one with seed 0
            if None.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the loss at the weights themselves is not finite.
    """
    rho = check_number("rho", rho)
    steps = check_count("steps", steps)
    step_size = rho if step_size is None else check_number("step_size", step_size)
    generator = default_generator(generator)
    ball = L2(rho)
    with attack_mode(model):
        landscape = Landscape(model, x, y, names, relative, loss, batch_size)
        step = best = landscape.origin()
        losses: list[float] = []
        for _ in range(steps + 1):
            value, gradient = landscape.loss_and_gradient(step)
            if losses and value > max(losses):
                best = step
            losses.append(value)
            if not gradient.any():
                gradient = random_numbers(torch.randn, step, step.shape, generator)
            step = ball.project(step + step_size * ball.steepest(gradient))
    return WorstCase(max(losses) - losses[0], landscape.delta(best), losses)


def random_case(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    rho: float,
    samples: int = 20,
    *,
    names: str | Sequence[str] | None = None,
    relative: str | None = None,
    loss: str | Loss = "ce",
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The baseline for `worst_case`: how far the loss rises in random directions, at distance rho from the weights.

    In P dimensions a random direction has a part of about 1 / sqrt(P) along any given one, so it finds a steep side
    only by luck: random directions are not as good as the worst.

    Args, raises: as for `find_worst_case`; `samples` directions are drawn, uniformly, by `generator` (a fresh one with
    seed 0 if None).

    Returns:
        L(w + dw) - L(w) for each direction, (samples,); negative where the loss falls.
    """
    rho = check_number("rho", rho)
    samples = check_count("samples", samples)
    generator = default_generator(generator)
    with attack_mode(model):
        landscape = Landscape(model, x, y, names, relative, loss, batch_size)
        origin = landscape.origin()
        here = landscape.loss(origin)
        directions = (
            L2(rho).steepest(random_numbers(torch.randn, origin, origin.shape, generator)) for _ in range(samples)
        )
        return torch.stack([landscape.loss(rho * direction) - here for direction in directions])


def along(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    direction: Direction,
    radii: Sequence[float],
    *,
    loss: str | Loss = "ce",
    batch_size: int = 1024,
) -> Tensor:
    """A slice of the loss: its mean at weights + radius * direction, for each radius, (len(radii),).

    The direction is taken as it is: with one of length 1, `radii` are distances in weight space; with a worst case's
    `delta` they are shares of it, from 0 at the weights to 1 at the worst case.

    Args:
        model, x, y, loss, batch_size: as for `find_worst_case`.
        direction: a tensor for each parameter that moves, by its name, such as `find_worst_case(...).delta`.
        radii: numbers, also negative ones.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the loss at the weights themselves is not finite.
    """
    if not isinstance(direction, Mapping) or not direction:
        raise TypeError(f"direction is {direction!r}; it must be a mapping from parameter names to tensors.")
    if isinstance(model, nn.Module):
        for name in direction:
            check_choice("direction's name", name, dict(model.named_parameters()))
    radii = [check_number("radii", radius, low=-math.inf) for radius in radii]
    if not radii:
        raise ValueError("radii is empty; at least one radius is needed.")
    with attack_mode(model):
        landscape = Landscape(model, x, y, list(direction), None, loss, batch_size)
        step = landscape.flat(direction)
        return torch.stack([landscape.loss(radius * step) for radius in radii])


def top_eigenvalue(model: nn.Module, x: Tensor, y: Tensor, **settings: Any) -> float:
    """The largest eigenvalue of the Hessian of the mean loss in the weights: the curvature of the steepest parabola.

    Args, warns, raises: as for `top_eigenpair`; `settings` are its keyword arguments: names, relative, loss, tolerance,
    max_iterations, batch_size, generator.
    """
    return top_eigenpair(model, x, y, **settings)[0]


def top_eigenpair(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    names: str | Sequence[str] | None = None,
    relative: str | None = None,
    loss: str | Loss = "ce",
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    batch_size: int = 1024,
    generator: torch.Generator | None = None,
) -> tuple[float, dict[str, Tensor]]:
    """The largest eigenvalue of the Hessian H of the mean loss in the weights, and its eigenvector, of length 1.

    By Lanczos' method: H is never formed, only products Hv = grad(<grad L, v>), each by a double backward pass (about
    four times the cost of a forward pass). The largest means the most positive, also where a negative one is larger in
    size. At a minimum, L(w + rho v) - L(w) = lambda rho^2 / 2 to second order, and no direction does more.

    With `relative` the Hessian is taken in the relative coordinates u: D H D, where D scales each weight. It is then
    the same for networks that differ by a rescaling only; the eigenvector is given as a change of the weights, D u.

    Args:
        model, x, y, names, relative, loss, batch_size: as for `find_worst_case`.
        tolerance: stop when ||Hv - lambda v|| <= tolerance * ||H||. Some eigenvalue then lies that near; usually the
            error is about the square of it.
        max_iterations: products with H at most; one vector of the size of the weights is kept for each.
        generator: draws the start; a fresh one with seed 0 if None.

    Warns:
        RuntimeWarning: the tolerance was not reached in `max_iterations`.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the loss at the weights themselves is not finite.
    """
    tolerance = check_number("tolerance", tolerance, open_low=True)
    max_iterations = check_count("max_iterations", max_iterations)
    generator = default_generator(generator)
    with attack_mode(model):
        landscape = Landscape(model, x, y, names, relative, loss, batch_size)
        origin = landscape.origin()
        start = random_numbers(torch.randn, origin, origin.shape, generator)
        value, vector, reached = _lanczos(landscape.hessian_times, start, tolerance, max_iterations)
    if reached > tolerance:
        warnings.warn(
            f"After max_iterations={max_iterations} the residual is {reached:.1e} of the Hessian's norm, above "
            f"tolerance={tolerance:g}; the eigenvalue may be too small.",
            RuntimeWarning,
            stacklevel=2,
        )
    return value, landscape.delta(vector)


def _lanczos(
    multiply: Callable[[Tensor], Tensor], start: Tensor, tolerance: float, max_iterations: int
) -> tuple[float, Tensor, float]:
    """Top eigenvalue and eigenvector of a symmetric matrix, known by its products, and their residual over its norm.

    Each product is made orthogonal to all vectors before it; what remains is the next one. In this basis the matrix is
    tridiagonal, and the top of the small matrix tends to that of the large one.
    """
    basis = [start / start.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        new = multiply(basis[-1])
        diagonal.append(float((basis[-1] * new).sum()))
        for _ in range(2):  # twice: once leaves rounding errors that grow into copies of eigenvalues already found
            for vector in basis:
                new = new - (vector * new).sum() * vector
        beside.append(float(new.norm()))
        small = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        off = torch.tensor(beside[:-1], dtype=torch.float64)
        values, vectors = torch.linalg.eigh(small + torch.diag(off, 1) + torch.diag(off, -1))
        size = float(values.abs().max())
        residual = beside[-1] * abs(float(vectors[-1, -1]))
        if residual <= tolerance * size or len(basis) == max_iterations:
            break
        basis.append(new / beside[-1])
    top = sum(float(share) * vector for share, vector in zip(vectors[:, -1], basis, strict=True))
    return float(values[-1]), top / top.norm(), residual / size if size > 0 else 0.0


def ascent_shares(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    names: str | Sequence[str] | None = None,
    relative: str | None = None,
    loss: str | Loss = "ce",
    batch_size: int = 1024,
) -> dict[str, float]:
    """Which layers SAM's ascent step moves: each layer's share of rho^2, that is of the gradient's squared norm.

    A layer with share s moves by sqrt(s) rho; with `relative`, by that in units of its weights. A layer is a module
    with its weight and bias. The gradient is that of the mean loss over all given images in evaluation mode; a training
    step takes it on one batch, in training mode.

    Args, raises: as for `find_worst_case`.

    Returns:
        Module name -> share; they sum to 1, or are all 0 where the gradient is zero.
    """
    with attack_mode(model):
        landscape = Landscape(model, x, y, names, relative, loss, batch_size)
        _, gradient = landscape.loss_and_gradient(landscape.origin())
    shares: dict[str, float] = {}
    for name, part in landscape.by_name(L2(1.0).steepest(gradient)).items():
        layer = name.rpartition(".")[0] or name
        shares[layer] = shares.get(layer, 0.0) + float(part.square().sum())
    return shares


class Landscape:
    """The mean loss on fixed images as a function of a step u of the weights, (1, P): L(w + scale * u).

    To be made and used in `attack_mode`. Arguments as for `find_worst_case`.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        names: str | Sequence[str] | None,
        relative: str | None,
        loss: str | Loss,
        batch_size: int,
    ) -> None:
        if not isinstance(model, nn.Module) or isinstance(model, (nn.DataParallel, torch.jit.ScriptModule)):
            raise TypeError(
                f"model is a {type(model).__name__}; it must be a torch.nn.Module as it was built: its weights are to "
                "move (take model.module of a DataParallel)."
            )
        check_classifier_input(model, x, y)
        if relative is not None:
            check_choice("relative", relative, RELATIVE)
        self.objective = loss if callable(loss) else make_loss(loss)
        self.batch_size = check_count("batch_size", batch_size)
        self.model, self.x, self.y = model, x.detach().clone(), y.clone()
        if names is not None and not isinstance(names, (str, Sequence)):
            raise TypeError(f"names is {names!r}; it must be a name, a sequence of names, or None.")
        chosen = select_parameters(model, ["*"] if names is None else [names] if isinstance(names, str) else names)
        if not chosen:
            raise ValueError("names selects no parameter; name at least one module or parameter of the model.")
        self.weights = {name: p.detach() for name, p in chosen.items()}
        # Where each weight is used: a tensor may be shared by several modules, and moves in all of them. A module used
        # twice counts once (functional_call's own way with ties would leave such a module without its parameter).
        name_of = {p: name for name, p in chosen.items()}
        self.places = {
            place: name_of[p]
            for prefix, module in model.named_modules()
            for place, p in module.named_parameters(prefix, recurse=False, remove_duplicate=False)
            if p in name_of
        }
        self.scale = None if relative is None else self._flatten([_scale(w, relative) for w in self.weights.values()])
        with torch.no_grad():
            values = self.objective(predict(model, self.x, self.y, Batches(x, self.batch_size)), self.y)
        if not isinstance(values, Tensor) or values.shape != y.shape:
            raise ValueError(
                f"loss returned {values!r}; it must return one number for each image, a tensor ({len(y)},)."
            )
        if not torch.isfinite(here := values.mean()):
            raise ValueError(f"The mean loss at the model's weights is {here}; its rise cannot be measured.")

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        return zip(self.x.split(self.batch_size), self.y.split(self.batch_size), strict=True)

    @staticmethod
    def _flatten(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([tensor.flatten() for tensor in tensors])[None]

    def by_name(self, flat: Tensor) -> dict[str, Tensor]:
        """A vector (1, P) cut into one part for each parameter."""
        parts = flat[0].split([w.numel() for w in self.weights.values()])
        return {name: part.view_as(w).to(w.dtype) for part, (name, w) in zip(parts, self.weights.items(), strict=True)}

    def origin(self) -> Tensor:
        """No step: zeros, (1, P)."""
        return torch.zeros_like(self._flatten(list(self.weights.values())))

    def delta(self, step: Tensor) -> dict[str, Tensor]:
        """A step as the change of each parameter."""
        return self.by_name(step if self.scale is None else self.scale * step)

    def flat(self, direction: Direction) -> Tensor:
        """A change of each parameter as one vector, (1, P)."""
        for name, w in self.weights.items():
            part = direction.get(name)
            if (
                not isinstance(part, Tensor)
                or part.shape != w.shape
                or part.dtype != w.dtype
                or part.device != w.device
            ):
                came = f"{part.dtype} {tuple(part.shape)} on {part.device}" if isinstance(part, Tensor) else repr(part)
                raise ValueError(
                    f"direction[{name!r}] is {came}; it must be a tensor like the parameter, {w.dtype} "
                    f"{tuple(w.shape)} on {w.device}."
                )
        return self._flatten([direction[name].detach() for name in self.weights])

    def _batch_losses(self, step: Tensor) -> Iterator[Tensor]:
        """Each batch's part of the mean loss; they sum to it."""
        delta = self.delta(step)
        moved = {name: w + delta[name] for name, w in self.weights.items()}
        weights = {place: moved[name] for place, name in self.places.items()}
        for x, y in self._batches():
            logits = functional_call(self.model, weights, (x,), tie_weights=False)
            part = self.objective(logits, y).sum() / len(self.x)
            if step.requires_grad and torch.is_grad_enabled() and not part.requires_grad:
                raise ValueError("The loss does not depend on the chosen weights by differentiable operations.")
            yield part

    @torch.no_grad()
    def loss(self, step: Tensor) -> Tensor:
        """The mean loss, 0-d."""
        return torch.stack(list(self._batch_losses(step))).sum()

    def loss_and_gradient(self, step: Tensor) -> tuple[float, Tensor]:
        """The mean loss and its gradient in the step, (1, P)."""
        step = step.detach().requires_grad_()
        loss, gradient = 0.0, torch.zeros_like(step)
        for part in self._batch_losses(step):
            gradient += torch.autograd.grad(part, step, retain_graph=True)[0]
            loss += float(part.detach())
        return loss, gradient

    def hessian_times(self, vector: Tensor) -> Tensor:
        """The product of the Hessian at the weights with a vector, (1, P)."""
        step = self.origin().requires_grad_()
        product = torch.zeros_like(step)
        for part in self._batch_losses(step):
            (gradient,) = torch.autograd.grad(part, step, create_graph=True)
            if gradient.requires_grad:  # otherwise the loss is linear in the weights
                product += torch.autograd.grad((gradient * vector).sum(), step, retain_graph=True)[0]
        return product


def _scale(w: Tensor, relative: str) -> Tensor:
    return w.norm().expand_as(w) if relative == "layer" else w.abs()
