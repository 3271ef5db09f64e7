"""Networks that only look robust: each fools one kind of attack, and none resists a better one.

They are for tests and teaching. What they have in common is that the attack is denied a useful gradient ("gradient
masking", Athalye et al. 2018, arXiv 1802.00420), while nearly the same adversarial images exist as without them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samlib.balls import random_numbers
from samlib.checks import check_count, check_number


class ScaledLogits(nn.Module):
    """The logits times a factor. See `scale_logits`."""

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}"

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.model(x)


class QuantisedInput(nn.Module):
    """Pixels rounded to a few levels first. See `quantise_input`."""

    def __init__(self, model: nn.Module, levels: int) -> None:
        super().__init__()
        self.model, self.levels = model, levels

    def extra_repr(self) -> str:
        return f"levels={self.levels}"

    def forward(self, x: Tensor) -> Tensor:
        return self.model((x * (self.levels - 1)).round() / (self.levels - 1))


class NoisyInput(nn.Module):
    """Gaussian noise on the pixels first. See `noise_input`."""

    def __init__(self, model: nn.Module, sigma: float, seed: int) -> None:
        super().__init__()
        self.model, self.sigma, self.seed, self.calls = model, sigma, seed, 0

    def extra_repr(self) -> str:
        return f"sigma={self.sigma:g}, seed={self.seed}"

    def forward(self, x: Tensor) -> Tensor:
        # a new generator for each call, since a model that holds one cannot be copied under every torch
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.calls)
        self.calls += 1
        return self.model(x + self.sigma * random_numbers(torch.randn, x, x.shape, generator))


def scale_logits(model: nn.Module, factor: float) -> ScaledLogits:
    """A network that answers as `model` does, `factor` times as loudly.

    It fools attacks on the cross-entropy. In float32 the loss is 0 once the right logit leads by about 17 (the softmax
    rounds to 1), and from a lead of about 104 on (no smaller number than e^-103) so is every part of its gradient. The
    margin and the DLR loss do not pass through a softmax and see what they saw before.
    """
    return ScaledLogits(model, check_number("factor", factor, open_low=True))


def quantise_input(model: nn.Module, levels: int) -> QuantisedInput:
    """A network that first rounds every pixel to the nearest of `levels` values, evenly spaced in [0, 1].

    It fools every attack that follows gradients: rounding is a staircase, flat between its steps, so the gradient is
    zero almost everywhere. Steps across the staircase are real, though, and an attack that uses answers only
    (`samlib.square`) takes them.
    """
    return QuantisedInput(model, check_count("levels", levels, low=2))


def noise_input(model: nn.Module, sigma: float, seed: int = 0) -> NoisyInput:
    """A network that adds Gaussian noise of standard deviation `sigma` to the pixels, anew at every call.

    It fools attacks of many small steps: each gradient is taken at another point than the one that is judged in the
    end, and an image that was misread once is read well the next time. An attack that averages over the noise, or steps
    well over the boundary, is not fooled. The noise is drawn from a generator of its own, by `seed` and the number of
    calls so far.
    """
    return NoisyInput(model, check_number("sigma", sigma), check_count("seed", seed, low=0))
