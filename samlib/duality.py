"""One linear layer z = W x + b seen from both sides: a change of its weights, and a change of its input.

Whatever comes after the layer sees z alone. A change dW of the weights moves z by dW x, a change dx of the input by W
dx; where the two agree, no later layer can tell them apart. With g = dl/dz, the gradient of an example's loss in its
feature z,

    grad_x l = W^T g     the weights, written into the picture;
    grad_W l = g x^T     the picture, written into the weights.

Shapes throughout: weight W (m, n), bias (m,), input x (n,), feature z and its gradient g (m,); a batch of b examples
puts an axis b in front of x, z and g. All tensors of a call are float32 or float64, of one dtype and on one device.
Inputs x are what the layer itself receives: after the model's own normalisation, flattened. Lengths are Euclidean
(l_2), those of a matrix Frobenius norms.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from samlib.attacks import attack_mode, default_generator
from samlib.balls import L2
from samlib.checks import check_classifier_input, check_count, check_logits, check_not_probabilities, check_number
from samlib.layers import Layer as Layer
from samlib.layers import at_layer as at_layer
from samlib.layers import check_examples, check_layer, check_shape, check_tensors, check_weight, mlp_parts

FeatureLoss = Callable[[Tensor], Tensor]


# ---- the translation -------------------------------------------------------------------------------------------------


def input_equivalent(weight: Tensor, d_weight: Tensor, x: Tensor, d_bias: Tensor | None = None) -> Tensor:
    """The change of the input that does to z what a change of weights and bias does: dx = W^+ (dW x + db).

    Of all that do it, the shortest. It does it exactly, W dx = dW x + db, where W has full row rank (at most n outputs,
    none a combination of others); otherwise W dx is the nearest that any input can come to it.

    Args:
        weight, d_weight: the layer's weights and their change, (m, n).
        x: the input, (n,), or several, (b, n); each gets its own change.
        d_bias: the change of the bias, (m,); None for none.

    Returns:
        dx, shaped like `x`.

    Raises:
        TypeError, ValueError: tensors of other dtypes or shapes.
    """
    check_tensors(weight=weight, d_weight=d_weight, x=x, d_bias=d_bias)
    m, n = check_weight(weight)
    check_shape("d_weight", d_weight, (m, n))
    check_shape("x", x, (n,), ("b", n))
    dz = x @ d_weight.T
    if d_bias is not None:
        check_shape("d_bias", d_bias, (m,))
        dz = dz + d_bias
    return dz @ torch.linalg.pinv(weight).T


def weight_equivalent(weight: Tensor, dx: Tensor, x: Tensor) -> Tensor:
    """The change of the weights that does to one example's z what dx does: dW = W dx x^T / ||x||^2.

    Of all that do it, the one of least Frobenius norm. It is always exact, dW x = W dx, and has rank one: another
    input x' feels it as dW x' = W dx <x, x'> / ||x||^2, by its similarity to x.

    Args:
        weight: the layer's weights, (m, n).
        dx, x: the change of the input and the input, (n,).

    Returns:
        dW, (m, n).

    Raises:
        TypeError, ValueError: tensors of other dtypes or shapes; x is zero, so that no weight reaches z.
    """
    check_tensors(weight=weight, dx=dx, x=x)
    _, n = check_weight(weight)
    check_shape("dx", dx, (n,))
    check_shape("x", x, (n,))
    return d_weight_for_dz(weight @ dx, x)


# ---- what weights reach, what inputs reach ---------------------------------------------------------------------------


def singular_range(weight: Tensor) -> tuple[float, float]:
    """(sigma_min, sigma_max) of a layer (m, n): steps of the input within length 1 move z everywhere within sigma_min.

    And nowhere beyond sigma_max: the ball of such inputs becomes an ellipsoid that lies between the balls of features
    of these radii. sigma_min is 0 where the layer has no full row rank (m > n, or an output that is a combination of
    others): some features are then out of reach of any input. Singular values below rounding count as 0.
    """
    check_tensors(weight=weight)
    m, n = check_weight(weight)
    _, values, rank = _left_singular(weight)
    return (float(values[-1]) if m <= n and rank == m else 0.0), float(values[0])


def d_weight_for_dz(dz: Tensor, x: Tensor) -> Tensor:
    """The least change of the weights that moves one example's feature by dz: dW = dz x^T / ||x||^2.

    Its length is ||dz|| / ||x||. Hence weights within rho of W reach the whole ball of radius rho ||x|| around z, and
    nothing else, whatever W is:  {dW x : ||dW||_F <= rho} = {v : ||v|| <= rho ||x||}.

    Args:
        dz: (m,).
        x: the input, (n,).

    Returns:
        dW, (m, n).

    Raises:
        TypeError, ValueError: tensors of other dtypes or shapes; x is zero, so that no weight reaches z.
    """
    check_tensors(dz=dz, x=x)
    check_shape("dz", dz, ("m",))
    check_shape("x", x, ("n",))
    length = x.norm()
    if length == 0:
        raise ValueError("x is zero: z = W x then does not depend on the weights, and no change of them moves it.")
    return torch.outer(dz, x / length) / length


def dz_by_weights(g: Tensor, x: Tensor, rho: float, bias: bool = False) -> Tensor:
    """The feature perturbation along g that weights within rho of W can give: dz = rho ||x|| g / ||g||.

    No other point of their ball is higher on a loss that is linear in z with gradient g. It is what SAM's ascent step
    does to one example (`sam_step`), and so an l_2 attack of radius rho ||x|| on the feature z. Where the bias moves
    too, it is one more weight whose input is 1, and ||x|| becomes sqrt(||x||^2 + 1).

    Args:
        g: gradient of the loss in z, (m,) or (b, m). A zero gradient gives dz = 0.
        x: the input, (n,), or one for each g, (b, n).
        rho: radius in weight space, l_2 over the layer's weights (and bias).
        bias: the bias moves too.

    Returns:
        dz, shaped like `g`.

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    rho = check_number("rho", rho)
    check_tensors(g=g, x=x)
    check_examples(g, x)
    return _direction(g) * rho * _with_one(x, bias).norm(dim=-1, keepdim=True)


def dz_by_input(weight: Tensor, g: Tensor, r: float) -> Tensor:
    """The feature perturbation along g that inputs within r of x can give: dz = r W W^T g / ||W^T g||.

    No other point of the ellipsoid {W dx : ||dx|| <= r} is higher on a loss that is linear in z with gradient g. With g
    on a circle, dz draws the ellipse beside the circle of `dz_by_weights`.

    Args:
        weight: (m, n).
        g: gradient of the loss in z, (m,) or (b, m). Where W^T g = 0, so is dz.
        r: length of the input step.

    Returns:
        dz, shaped like `g`.

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    r = check_number("r", r)
    check_tensors(weight=weight, g=g)
    m, _ = check_weight(weight)
    check_shape("g", g, (m,), ("b", m))
    return r * _direction(g @ weight) @ weight.T


def dz_between(weight: Tensor, g: Tensor, x: Tensor, r: float, alpha: float) -> Tensor:
    """From SAM's dz to the attack's: one of length r ||x|| in the direction (W W^T)^alpha g.

    alpha = 0 is the direction of SAM's first-layer step for one example (`dz_by_weights`), alpha = 1 that of the l_2
    attack on the input (`dz_by_input`), which prefers directions of large singular values. The length does not depend
    on alpha, so only the direction differs. Where W has no full row rank, alpha = 0 is not the limit of alpha -> 0:
    that is g's part within reach of the input.

    Args:
        weight: (m, n).
        g: gradient of the loss in z, (m,) or (b, m). Where (W W^T)^alpha g = 0, so is dz.
        x: the input, (n,), or one for each g, (b, n).
        r: length of dz as a share of ||x||.
        alpha: exponent, >= 0.

    Returns:
        dz, shaped like `g`.

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    r, alpha = check_number("r", r), check_number("alpha", alpha)
    check_tensors(weight=weight, g=g, x=x)
    m, n = check_weight(weight)
    check_shape("g", g, (m,), ("b", m))
    check_shape("x", x, (n,), ("b", n))
    check_examples(g, x)
    if alpha > 0:
        vectors, values, rank = _left_singular(weight)
        vectors, values = vectors[:, :rank], values[:rank]
        if rank:
            values = values / values[0]  # only the direction counts, and a power must not overflow
        g = (g @ vectors * values ** (2 * alpha)) @ vectors.T
    return _direction(g) * r * x.norm(dim=-1, keepdim=True)


# ---- the sandwich ----------------------------------------------------------------------------------------------------


class Sandwich(NamedTuple):
    """Three losses, lower <= value <= upper, and the feature perturbations at which they were found, (3, m)."""

    lower: float
    value: float
    upper: float
    dz: Tensor


@torch.inference_mode(False)
def loss_sandwich(
    weight: Tensor,
    x: Tensor,
    rho: float,
    loss: FeatureLoss,
    bias: Tensor | None = None,
    steps: int = 50,
    starts: int = 4,
    generator: torch.Generator | None = None,
) -> Sandwich:
    """The worst loss over weights lies between the worst losses over inputs of two radii.

    With S(rho) = max over ||dW||_F <= rho of l((W + dW) x + b) and A(r) = max over ||dx|| <= r of l(W (x + dx) + b),

        A(rho ||x|| / sigma_max)  <=  S(rho)  <=  A(rho ||x|| / sigma_min),

    because the ball of radius rho ||x|| that the weights reach lies between the two ellipsoids that the inputs
    reach. The right side needs full row rank; otherwise it is infinite here: no input may do what the weights can. The
    bias stays.

    The maxima are searched for by projected gradient ascent, so each is a lower bound of the true one. Each search
    starts from what the one before found, translated, dz = W dx or dx = W^+ dz: the order holds for what is found, too.

    Args:
        weight, bias: of the layer, (m, n) and (m,); None for no bias.
        x: one input, (n,).
        rho: radius in weight space.
        loss: features (k, m) -> losses (k,), differentiable: all that comes after the layer.
        steps: gradient steps of each search.
        starts: searches side by side, from x itself and from random points, besides that from the point found before.
        generator: draws the random points; a fresh one with seed 0 if None.

    Raises:
        TypeError, ValueError: an argument is not as said above, or `loss` returns another shape.
    """
    rho = check_number("rho", rho)
    steps = check_count("steps", steps)
    starts = check_count("starts", starts)
    generator = default_generator(generator)
    check_tensors(weight=weight, x=x, bias=bias)
    m, n = check_weight(weight)
    check_shape("x", x, (n,))
    if bias is not None:
        check_shape("bias", bias, (m,))
    weight, x = weight.detach().clone(), x.detach().clone()  # tensors of inference mode cannot be differentiated
    z = weight @ x if bias is None else weight @ x + bias.detach()
    radius = rho * float(x.norm())
    sigma_min, sigma_max = singular_range(weight)

    def search(reach: Tensor | None, radius: float, known: Tensor) -> tuple[float, Tensor]:
        """The worst loss over steps within `radius`, and the step, of the input (`reach` W) or the feature (None)."""
        ball = L2(radius)
        points = ball.random_start(known.expand(starts + 1, -1), generator)
        points[0], points[1] = known, 0
        found, step = _ascend(lambda step: loss(z + (step if reach is None else step @ reach.T)), ball, points, steps)
        return float(found.max()), step[found.argmax()]

    lower, dx = search(weight, radius / sigma_max if sigma_max > 0 else 0.0, torch.zeros_like(x))
    inner = weight @ dx
    value, dz = search(None, radius, inner)
    if sigma_min == 0:
        return Sandwich(lower, value, math.inf, torch.stack([inner, dz, torch.full_like(z, math.nan)]))
    upper, dx = search(weight, radius / sigma_min, torch.linalg.pinv(weight) @ dz)
    return Sandwich(lower, value, upper, torch.stack([inner, dz, weight @ dx]))


def _ascend(loss: FeatureLoss, ball: L2, starts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Projected gradient ascent from each row of `starts`, (k, d): its highest loss, (k,), and where, (k, d)."""
    step = best = ball.project(starts)
    best_loss = torch.full_like(starts[:, 0], -torch.inf)
    for _ in range(steps + 1):
        step = step.detach().requires_grad_()
        with torch.enable_grad():
            values = loss(step)
            if not isinstance(values, Tensor) or values.shape != step.shape[:1] or not values.requires_grad:
                raise ValueError(
                    f"loss returned {values!r}; it must return one number for each of the {len(step)} features, "
                    f"a tensor ({len(step)},) that depends on them by differentiable operations."
                )
            (gradient,) = torch.autograd.grad(values.sum(), step)
        values, step = values.detach(), step.detach()
        better = values > best_loss
        best, best_loss = torch.where(better[:, None], step, best), torch.where(better, values, best_loss)
        step = ball.project(step + 2.5 * ball.eps / steps * ball.steepest(gradient))
    if bool((best_loss == -torch.inf).any()):
        raise ValueError("loss returned NaN or -infinity for every feature that was tried.")
    return best_loss, best


class Certificate(NamedTuple):
    """For each image, (n,): no change smaller than this, in l_2, changes the class. 0 where it is wrong already.

    `features`: of the first layer's feature z. `rho`: of the first layer's weights. `eps`: of the image, in pixels of
    [0, 1]. All to float rounding.
    """

    features: Tensor
    rho: Tensor
    eps: Tensor


@torch.no_grad()
def certificate(model: nn.Sequential, x: Tensor, y: Tensor, bias: bool = False) -> Certificate:
    """A radius within which no first-layer weights flip the image, and what follows for its pixels.

    If no dW with ||dW||_F < rho flips x, then no dz shorter than rho ||x|| does, and so no input change
    shorter than rho ||x|| / ||W||_2: each of those moves z by less. (An attack that fails proves no such thing.)

    Let V be the last linear layer and L the product of the spectral norms of the layers between it and the first (ReLU
    only ever shrinks distances). The gap between the logits of y and of j then changes by at most L ||V_y - V_j|| for a
    dz of length 1, so that

        ||dz|| >= min over j of (logit_y - logit_j) / (L ||V_y - V_j||)

    is needed for a flip. In a linear network (no ReLU) L is 1, V the product of all layers after the first, and this is
    exact: a dz of that length ties, and so does a dW of length rho. With a ReLU it is a lower bound, often a loose
    one. `eps` is a lower bound in either case.

    Args:
        model: such as samlib.mlp: Normalize and Flatten, then Linear and ReLU modules, ending with a Linear.
        x: images, float32 or float64, (n, ...), pixels in [0, 1].
        y: labels, int64, (n,).
        bias: the first layer's bias moves with its weights; `rho` is then smaller, as in `dz_by_weights`.

    Raises:
        TypeError, ValueError: an argument is not as said above, or the model has other modules.
    """
    before, first, after = mlp_parts(model)
    check_classifier_input(model, x, y)
    with attack_mode(model), torch.no_grad():
        inputs, logits = before(x), model(x)
        # Normalize works on each pixel by itself: its slope there is a difference of two of its values.
        slope = before(torch.ones_like(x[:1])) - before(torch.zeros_like(x[:1]))
    check_logits(logits, y)
    check_not_probabilities(logits)
    check_shape("x after the modules before the first Linear", inputs, ("n", first.in_features))

    readout = torch.eye(first.out_features, dtype=x.dtype, device=x.device)
    lipschitz = 1.0
    for module in after:
        if isinstance(module, nn.Linear):
            readout = module.weight @ readout
        elif isinstance(module, nn.ReLU):
            lipschitz = lipschitz * torch.linalg.matrix_norm(readout, 2)
            readout = torch.eye(len(readout), dtype=x.dtype, device=x.device)
    gap = logits.gather(1, y[:, None]) - logits  # (n, classes)
    slopes = lipschitz * torch.cdist(readout, readout, compute_mode="donot_use_mm_for_euclid_dist")[y]
    features = _over(gap.clamp(min=0), slopes).scatter(1, y[:, None], math.inf).amin(1)
    lengths, pixels = _with_one(inputs, bias).norm(dim=1), torch.linalg.matrix_norm(first.weight * slope, 2)
    return Certificate(features, _over(features, lengths), _over(features, pixels))


def _over(gap: Tensor, slope: Tensor) -> Tensor:
    """How far to go until a gap closes: gap / slope, 0 where there is none, infinite where it never closes."""
    return torch.where(gap > 0, gap / slope, 0.0)


# ---- SAM's ascent step in this layer, for one example and for a batch ------------------------------------------------


def sam_step(g: Tensor, x: Tensor, rho: float, bias: bool = False) -> tuple[Tensor, Tensor | None]:
    """SAM's ascent step in this layer alone: dW = rho G / ||G||_F with G = sum_i g_i x_i^T.

    For one example, dW = rho g x^T / (||g|| ||x||), of rank one. Sum or mean over the batch give the same.

    Args:
        g: gradient of each example's loss in its z, (m,) or (b, m).
        x: inputs, (n,) or (b, n), as many as `g`.
        rho: length of dW.
        bias: the bias moves too: it is a weight whose input is 1.

    Returns:
        dW, (m, n), and db, (m,), or None without `bias`. A zero gradient gives zeros.

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    rho = check_number("rho", rho)
    check_tensors(g=g, x=x)
    check_examples(g, x, as_many=True)
    total = torch.atleast_2d(g).T @ torch.atleast_2d(_with_one(x, bias))
    step = rho * L2(rho).steepest(total[None])[0]
    return (step[:, :-1], step[:, -1]) if bias else (step, None)


def dz_by_sam_step(g: Tensor, x: Tensor, rho: float, bias: bool = False) -> Tensor:
    """What SAM's ascent step in this layer does to each feature.

        dz_j = rho sum_i g_i <x_i, x_j> / ||sum_i g_i x_i^T||_F

    One example alone gets rho ||x|| g / ||g||, the steepest dz that there is (`dz_by_weights`). In a batch each
    gets a mixture of all gradients, weighted by similarity (with `bias`, <x_i, x_j> + 1), so what one gains others may
    lose:

    - orthogonal inputs of equal length do not mix, but share the length: the root mean square of ||dz|| is rho ||x|| /
      sqrt(b);
    - inputs that are multiples of one another are all moved along one line, and some may go downhill (`downhill`).

    Args, raises: as for `sam_step`.

    Returns:
        dz, shaped like `g`.
    """
    d_weight, d_bias = sam_step(g, x, rho, bias)
    return x @ d_weight.T if d_bias is None else x @ d_weight.T + d_bias


def downhill(g: Tensor, dz: Tensor) -> Tensor:
    """Which examples' losses fall under their dz, to first order: <g_j, dz_j> < 0.

    Bool, (b,) for (b, m); its mean is the share of a batch that SAM's ascent step helps.

    Raises:
        TypeError, ValueError: tensors of other dtypes or shapes.
    """
    check_tensors(g=g, dz=dz)
    check_shape("g", g, ("m",), ("b", "m"))
    check_shape("dz", dz, tuple(g.shape))
    return (g * dz).sum(-1) < 0


# ---- gradients -------------------------------------------------------------------------------------------------------


class GradientSandwich(NamedTuple):
    """Three numbers, lower <= value <= upper, each shaped () or (b,)."""

    lower: Tensor
    value: Tensor
    upper: Tensor


def gradient_sandwich(weight: Tensor, g: Tensor, x: Tensor) -> GradientSandwich:
    """sigma_min ||grad_W l||_F  <=  ||x|| ||grad_x l||  <=  sigma_max ||grad_W l||_F.

    Because grad_x l = W^T g and ||grad_W l||_F = ||g|| ||x||. The left side is 0 without full row rank. So weights that
    lie flat (a small grad_W) bound the slope in the input, as long as W is small: `rescale` shows what happens if it is
    not.

    Args:
        weight: (m, n).
        g: gradient of each example's loss in its z, (m,) or (b, m).
        x: inputs, (n,) or (b, n), as many as `g`.

    Raises:
        TypeError, ValueError: tensors of other dtypes or shapes.
    """
    check_layer(weight, g, x)
    sigma_min, sigma_max = singular_range(weight)
    lengths = x.norm(dim=-1)
    weight_gradient = g.norm(dim=-1) * lengths
    return GradientSandwich(
        sigma_min * weight_gradient, lengths * (g @ weight).norm(dim=-1), sigma_max * weight_gradient
    )


def euler_sides(weight: Tensor, g: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Euler's identity <x, grad_x l> = <W, grad_W l>; both sides, each () or (b,). Both are <g, W x>.

    Scaling the input by a factor and scaling the weights by it are one and the same to z = W x.

    Args, raises: as for `gradient_sandwich`.
    """
    check_layer(weight, g, x)
    return (x * (g @ weight)).sum(-1), (weight * (g[..., :, None] * x[..., None, :])).sum((-2, -1))


def rescale(model: nn.Sequential, a: float) -> nn.Sequential:
    """A copy of a ReLU network with (W_1, b_1, W_2) replaced by (a W_1, a b_1, W_2 / a): the same function.

    ReLU(a z) = a ReLU(z) for a > 0, so no logit changes, and no input gradient, but grad_W1 is divided by a: any
    sharpness measured in absolute weight units can be made as large as one likes. Equal to rounding; bit for bit if a
    is a power of 2.

    Args:
        model: such as samlib.mlp with a hidden layer; see `certificate`. It stays as it is.
        a: the factor, > 0.

    Raises:
        TypeError, ValueError: a is not a positive number; the model has other modules, or no second Linear.
    """
    a = check_number("a", a, open_low=True)
    mlp_parts(model)
    model = copy.deepcopy(model)
    _, first, after = mlp_parts(model)
    second = next((module for module in after if isinstance(module, nn.Linear)), None)
    if second is None:
        raise ValueError("model has a single Linear module; rescale needs two.")
    if second.weight is first.weight:
        raise ValueError("model uses one weight matrix twice; rescale needs two different ones.")
    with torch.no_grad():
        first.weight.mul_(a)
        if first.bias is not None:
            first.bias.mul_(a)
        second.weight.div_(a)
    return model


# ---- the linear classifier -------------------------------------------------------------------------------------------


def sam_margin(w: Tensor, x: Tensor, y: Tensor | float, rho: float) -> Tensor:
    """A linear classifier's margin under the worst weights within rho, y <w, x> - rho ||x||.

    Beside `at_margin`, w and x have changed places. SAM's penalty rho ||x|| does not depend on w, so it does not hold w
    small.

    Args:
        w: (n,).
        x: (n,) or (b, n).
        y: -1 or +1, one number or (b,).
        rho: radius in weight space, for each example by itself.

    Returns:
        The margins, () or (b,).

    Raises:
        TypeError, ValueError: an argument is not as said above.
    """
    return _margin(w, x, y) - check_number("rho", rho) * x.norm(dim=-1)


def at_margin(w: Tensor, x: Tensor, y: Tensor | float, eps: float) -> Tensor:
    """A linear classifier's margin under the worst input within eps (l_2), y <w, x> - eps ||w||.

    Args, returns, raises: as for `sam_margin`, with `eps` the radius in input space.
    """
    return _margin(w, x, y) - check_number("eps", eps) * w.norm()


def _margin(w: Tensor, x: Tensor, y: Tensor | float) -> Tensor:
    check_tensors(w=w, x=x)
    check_shape("w", w, ("n",))
    check_shape("x", x, (len(w),), ("b", len(w)))
    y = torch.as_tensor(y, device=x.device, dtype=x.dtype)
    if y.shape not in (torch.Size(), x.shape[:-1]):
        raise ValueError(f"y has shape {tuple(y.shape)}; it must be one number or {tuple(x.shape[:-1])}.")
    if not bool((y.abs() == 1).all()):
        raise ValueError("y holds something else than -1 and +1, the two classes of sgn(<w, x>).")
    return y * (x @ w)


# ---- parts -----------------------------------------------------------------------------------------------------------


def _with_one(x: Tensor, bias: bool) -> Tensor:
    """The input as the layer's weights and bias see it: with a 1 at its end if the bias counts."""
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1) if bias else x


def _direction(vectors: Tensor) -> Tensor:
    """Each vector of (d,) or (b, d) scaled to length 1; zero stays zero."""
    return L2(1.0).steepest(vectors.reshape(-1, vectors.shape[-1])).view_as(vectors)


def _left_singular(weight: Tensor) -> tuple[Tensor, Tensor, int]:
    """Left singular vectors (m, k), singular values (k,) in falling order, and how many of them are above rounding."""
    vectors, values, _ = torch.linalg.svd(weight.detach(), full_matrices=False)
    rounding = max(weight.shape) * torch.finfo(weight.dtype).eps * values[0]  # as in torch.linalg.pinv
    return vectors, values, int((values > rounding).sum())
