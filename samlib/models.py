"""Networks that take pixels in [0, 1] and normalise inside, with initial weights from a seed of their own."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.checks import check_choice, check_count

DIGITS_MEAN, DIGITS_STD = 0.3053, 0.3760  # of scikit-learn's digits, pixels / 16
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


Network = TypeVar("Network", bound=nn.Module)


class Normalize(nn.Module):
    """(x - mean) / std for each channel. Inside the model, so that attacks work in pixels of [0, 1]."""

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def _seeded(build: Callable[[], Network], seed: int) -> Network:
    """Build on the CPU with weights drawn from `seed`; the caller's generators stay as they are."""
    seed = check_count("seed", seed, low=0)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        return build()


def mlp(
    hidden: Sequence[int] = (256, 256),
    num_classes: int = 10,
    input_shape: Sequence[int] = (1, 8, 8),
    mean: float | Sequence[float] = DIGITS_MEAN,
    std: float | Sequence[float] = DIGITS_STD,
    seed: int = 0,
) -> nn.Sequential:
    """A fully connected ReLU network; its linear layers are named fc1, fc2, ...

    Args:
        hidden: widths of the hidden layers; () gives a linear classifier.
        num_classes: number of logits.
        input_shape: shape of one image, (channels, height, width).
        mean, std: what the pixels are normalised with (0 and 1: not at all); the digits' own by default.
        seed: draws the initial weights.
    """
    if not isinstance(hidden, Iterable):
        raise TypeError(f"hidden is {hidden!r}; it must hold the hidden layers' widths, such as (256, 256).")
    hidden = [check_count(f"hidden[{i}]", width) for i, width in enumerate(hidden)]
    num_classes = check_count("num_classes", num_classes)

    def build() -> nn.Sequential:
        widths = [int(torch.Size(input_shape).numel()), *hidden, num_classes]
        layers: OrderedDict[str, nn.Module] = OrderedDict(normalize=Normalize(mean, std), flatten=nn.Flatten())
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths), start=1):
            if i > 1:
                layers[f"relu{i - 1}"] = nn.ReLU()
            layers[f"fc{i}"] = nn.Linear(fan_in, fan_out)
        return nn.Sequential(layers)

    return _seeded(build, seed)


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU, beside a shortcut (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(fan_in)
        self.conv1 = nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(fan_out)
        self.conv2 = nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False)
        same = stride == 1 and fan_in == fan_out
        self.shortcut = None if same else nn.Conv2d(fan_in, fan_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(out)
        out = self.conv1(out)
        return self.conv2(F.relu(self.bn2(out))) + shortcut


class PreActResNet(nn.Sequential):
    """A first convolution, groups of blocks (each later one begins by halving the image), BatchNorm, a linear layer."""

    def __init__(
        self,
        widths: Sequence[int],
        blocks: int,
        num_classes: int,
        channels: int,
        mean: float | Sequence[float],
        std: float | Sequence[float],
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(normalize=Normalize(mean, std))
        layers["conv1"] = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        fan_in = widths[0]
        for i, width in enumerate(widths, start=1):
            strides = [1 if i == 1 else 2] + [1] * (blocks - 1)
            group = []
            for stride in strides:
                group.append(PreActBlock(fan_in, width, stride))
                fan_in = width
            layers[f"group{i}"] = nn.Sequential(*group)
        layers["bn"] = nn.BatchNorm2d(fan_in)
        layers["relu"] = nn.ReLU()
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(fan_in, num_classes)
        super().__init__(layers)


def small_resnet(
    num_classes: int = 10,
    channels: int = 1,
    mean: float | Sequence[float] = DIGITS_MEAN,
    std: float | Sequence[float] = DIGITS_STD,
    seed: int = 0,
) -> PreActResNet:
    """A pre-activation ResNet with BatchNorm for 8x8 digits: two blocks, 8 and 16 channels, 5,090 parameters.

    Args: as for `mlp`; `channels` is the number of colours of an image of any size.
    """
    check_count("num_classes", num_classes, low=2)
    check_count("channels", channels)
    return _seeded(lambda: PreActResNet((8, 16), 1, num_classes, channels, mean, std), seed)


def preact_resnet18(
    num_classes: int = 10,
    channels: int = 3,
    mean: float | Sequence[float] = CIFAR10_MEAN,
    std: float | Sequence[float] = CIFAR10_STD,
    seed: int = 0,
    width: int = 64,
) -> PreActResNet:
    """PreActResNet-18 for 32x32 images, the network of the paper (He et al. 2016, arXiv 1603.05027).

    Args: as for `mlp`; `channels` is the number of colours of an image, `width` that of channels in the first group
    (the paper's: 64), which each later group doubles. The pixels are normalised with CIFAR-10's mean and standard
    deviation unless others are given.
    """
    check_count("num_classes", num_classes, low=2)
    check_count("channels", channels)
    check_count("width", width)
    widths = [width, 2 * width, 4 * width, 8 * width]
    return _seeded(lambda: PreActResNet(widths, 2, num_classes, channels, mean, std), seed)


# ---- the weights by their names --------------------------------------------------------------------------------------


def select_parameters(model: nn.Module, names: Iterable[str], argument: str = "names") -> dict[str, nn.Parameter]:
    """The parameters that names, or patterns of names, stand for: a parameter's own, or a module's for all it holds.

    A name is a full one; compiling or wrapping a model changes none. A weight that several modules share is found by
    the name of each. The keys are those of `model.named_parameters()`.

    Raises:
        ValueError: a name is not in the model; `argument` is where it came from.
    """
    every = dict(model.named_parameters())
    name_of = {p: name for name, p in every.items()}
    meaning: dict[str, set[str]] = {}
    for place, p in model.named_parameters(remove_duplicate=False):
        parts = [part for part in place.split(".") if part != "_orig_mod"]  # torch.compile puts this before a name,
        starts = (0, 1) if parts[0] == "module" else (0,)  # and DistributedDataParallel that
        prefixes = {".".join(parts[start:end]) for start in starts for end in range(start + 1, len(parts) + 1)}
        for name in {place, *prefixes}:
            meaning.setdefault(name, set()).add(name_of[p])
    chosen: set[str] = set()
    for name in names:
        hits = [known for known in meaning if isinstance(name, str) and fnmatchcase(known, name)]
        if not hits and name != "*":
            check_choice(argument, name, sorted(meaning.keys() - every.keys()) or every)
        chosen |= {weight for known in hits for weight in meaning[known]}
    return {name: p for name, p in every.items() if name in chosen}


MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "small_resnet": small_resnet,
    "preact_resnet18": preact_resnet18,
}
