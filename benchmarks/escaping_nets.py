"""Networks made to escape an evaluation: odd activations, losses, depths, heads, learning rates, perturbed training.

None of them masks its gradients on purpose (samlib.masking does): each is an honest classifier of the digits that a
learner or a researcher might train. Those on which an evaluation once stood too high come first, and stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import samlib
from samlib.runs.feature_training import perturbation_along, perturbed_cross_entropy
from samlib.training import Objective

RADII = {"linf": 0.125, "l2": 0.5}
TWICE = ("squared error", "flat .3")  # losses whose networks are attacked in both norms


@dataclass(frozen=True)
class Net:
    """A network, how it is trained (arguments of `samlib.train`), and the ball in which it is attacked."""

    name: str
    build: Callable[..., nn.Module]
    training: dict[str, Any] = field(default_factory=dict)
    norm: str = "linf"
    eps: float = 0.125
    split: int = 0
    seed: int = 0

    def trained(self) -> tuple[nn.Module, Tensor, Tensor]:
        """The network after its training, and the test images and labels of its split."""
        x, y, x_test, y_test = samlib.load_digits(seed=self.split)
        model = self.build(seed=self.seed)
        samlib.train(model, x, y, **self.training, seed=self.seed, progress=False)
        return model.eval(), x_test, y_test


# ---- architectures ---------------------------------------------------------------------------------------------------


def mlp(
    hidden: tuple[int, ...] = (48, 48), activation: Callable[[], nn.Module] | None = None, seed: int = 0
) -> nn.Sequential:
    """A fully connected network on plain pixels, with another activation after each hidden layer."""
    model = samlib.mlp(hidden, mean=0.0, std=1.0, seed=seed)
    for name, module in model.named_children():
        if activation is not None and isinstance(module, nn.ReLU):
            setattr(model, name, activation())
    return model


class Sine(nn.Module):
    """sin(3 z): its slope changes its sign again and again."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(3 * z)


class Bump(nn.Module):
    """exp(-z^2): flat far away on both sides."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.exp(-z.square())


class Steep(nn.Module):
    """A sigmoid five times as steep as usual: nearly flat almost everywhere."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(5 * z)


class Largest(nn.Module):
    """Keep each image's ten largest features, and nothing of the others."""

    def forward(self, z: Tensor) -> Tensor:
        least = z.topk(10, dim=1).values[:, -1:]
        return torch.where(z >= least, z, 0)


class Capped(nn.Module):
    """Logits of at most `size`: size * tanh(z / size)."""

    def __init__(self, model: nn.Module, size: float) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, x: Tensor) -> Tensor:
        return self.size * torch.tanh(self.model(x) / self.size)


class Cosines(nn.Module):
    """Logits are cosines between features and one direction for each class, times `scale`."""

    def __init__(self, scale: float, seed: int) -> None:
        super().__init__()
        self.features, self.scale = samlib.mlp((48, 48), num_classes=48, mean=0.0, std=1.0, seed=seed), scale
        directions = torch.randn(10, 48, generator=torch.Generator().manual_seed(seed))
        self.directions = nn.Parameter(directions)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.normalize(self.features(x), dim=1) @ F.normalize(self.directions, dim=1).T


class Prototypes(nn.Module):
    """Logits are minus the squared distances to one point for each class, among learned features."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.features = samlib.mlp((48,), num_classes=16, mean=0.0, std=1.0, seed=seed)
        self.points = nn.Parameter(torch.randn(10, 16, generator=torch.Generator().manual_seed(seed)))

    def forward(self, x: Tensor) -> Tensor:
        return -(self.features(x)[:, None] - self.points).square().sum(2)


class LogProbabilities(nn.Module):
    """The logarithms of mean probabilities of three networks: an ensemble."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(mlp(seed=10 * seed + i) for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x).log_softmax(1) for member in self.members]).logsumexp(0)


def normalized(layer: Callable[[int], nn.Module], seed: int = 0) -> nn.Module:
    """An MLP with a normalising layer before each activation."""
    model = mlp(seed=seed)
    for name, module in list(model.named_children()):
        if isinstance(module, nn.ReLU):
            setattr(model, name, nn.Sequential(layer(48), nn.ReLU()))
    return model


def capped(size: float, seed: int = 0) -> nn.Module:
    return Capped(mlp(seed=seed), size)


def resnet(activation: Callable[[], nn.Module] | None = None, seed: int = 0) -> nn.Module:
    """The small ResNet, with another last activation."""
    model = samlib.small_resnet(seed=seed)
    if activation is not None:
        model.relu = activation()
    return model


# ---- losses ----------------------------------------------------------------------------------------------------------


def of_logits(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """A loss of logits and labels, as `samlib.train` takes it."""

    def objective(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(x)
        return loss(logits, y), logits.detach()

    return objective


def smoothed(share: float) -> Objective:
    return of_logits(lambda logits, y: F.cross_entropy(logits, y, label_smoothing=share))


def tempered(temperature: float) -> Objective:
    """Cross-entropy of logits divided by a temperature: above 1 they grow large, below 1 they stay small."""
    return of_logits(lambda logits, y: F.cross_entropy(logits / temperature, y))


squared = of_logits(lambda logits, y: (logits - F.one_hot(y, logits.shape[1])).square().sum(1).mean())
brier = of_logits(lambda logits, y: (logits.softmax(1) - F.one_hot(y, logits.shape[1])).square().sum(1).mean())
one_against_all = of_logits(
    lambda logits, y: F.binary_cross_entropy_with_logits(logits, F.one_hot(y, logits.shape[1]).to(logits))
)
hinge = of_logits(lambda logits, y: F.multi_margin_loss(logits, y, margin=5.0))
focal = of_logits(
    lambda logits, y: ((1 - logits.softmax(1).gather(1, y[:, None])).square().squeeze(1) * _ce(logits, y)).mean()
)
small_logits = of_logits(lambda logits, y: F.cross_entropy(logits, y) + 0.05 * logits.square().sum(1).mean())


def _ce(logits: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(logits, y, reduction="none")


def flat(strength: float) -> Objective:
    """Cross-entropy, and the squared length of its gradient with respect to the image."""

    def objective(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x = x.clone().requires_grad_()
        logits = model(x)
        (gradient,) = torch.autograd.grad(_ce(logits, y).sum(), x, create_graph=True)
        return _ce(logits, y).mean() + strength * gradient.flatten(1).square().sum(1).mean(), logits.detach()

    return objective


def averaged(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Mixup with the batch turned around: each image three quarters itself."""
    logits = model(0.75 * x + 0.25 * x.flip(0))
    return (0.75 * _ce(logits, y) + 0.25 * _ce(logits, y.flip(0))).mean(), logits.detach()


def perturbed(alpha: float, r: float) -> Objective:
    return perturbed_cross_entropy(perturbation_along(alpha, r))


# ---- the networks ----------------------------------------------------------------------------------------------------


def _first_layer(alpha: float, r: float, lr: float, split: int, seed: int, norm: str = "linf", **kw: Any) -> Net:
    more = [f"{key.replace('_', ' ')} {value:g}" for key, value in kw.items()] + [norm] * (norm != "linf")
    name = ", ".join([f"alpha {alpha:g}, r {r:g}, lr {lr:g}, split {split}, seed {seed}", *more])
    return Net(name, mlp, {"loss": perturbed(alpha, r), "lr": lr, **kw}, norm, RADII[norm], split, seed)


def nets() -> list[Net]:
    """All of them. In each norm the radius is the same but where a network would keep all or nothing there."""
    escaped = [_first_layer(0, 0.4, 0.3, *where) for where in ((1, 0), (1, 2), (0, 2), (0, 3), (0, 4))]
    perturbed_features = [
        _first_layer(0, 0.4, 0.3, 0, 0, "l2"),
        _first_layer(0, 0.4, 0.3, 2, 1, "l2"),
        _first_layer(0, 0.4, 0.3, 0, 2, "l2"),
        _first_layer(0, 0.4, 0.3, 4, 3, "l2"),
        _first_layer(0, 0.8, 0.3, 1, 6, "l2"),
        _first_layer(0, 0.4, 0.3, 3, 4, "l2", epochs=200),
        _first_layer(0, 0.4, 0.3, 2, 9, "l2", weight_decay=0.0),
        _first_layer(0, 0.4, 0.3, 2, 5),
        _first_layer(0, 0.4, 0.3, 3, 6),
        _first_layer(0, 0.8, 0.3, 0, 0),
        _first_layer(0, 0.8, 0.1, 1, 1),
        _first_layer(0, 0.2, 0.5, 0, 1),
        _first_layer(0.25, 0.4, 0.3, 0, 0),
        _first_layer(0.5, 0.4, 0.3, 0, 0),
        _first_layer(1, 0.4, 0.3, 1, 0),
        _first_layer(0, 0.4, 0.3, 0, 7, epochs=200),
        _first_layer(0, 0.4, 0.3, 0, 8, weight_decay=0.0),
    ]
    activations: dict[str, Callable[[], nn.Module]] = {
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "GELU": nn.GELU,
        "SiLU": nn.SiLU,
        "ELU": nn.ELU,
        "hard tanh": nn.Hardtanh,
        "ReLU6": nn.ReLU6,
        "sine": Sine,
        "bump": Bump,
        "steep sigmoid": Steep,
        "ten largest": Largest,
    }
    by_activation = [Net(name, partial(mlp, activation=kind)) for name, kind in activations.items()]
    losses: dict[str, Objective] = {
        "labels smoothed .1": smoothed(0.1),
        "labels smoothed .5": smoothed(0.5),
        "squared error": squared,
        "Brier": brier,
        "one against all": one_against_all,
        "hinge": hinge,
        "focal": focal,
        "small logits": small_logits,
        "temperature 20": tempered(20),
        "temperature .1": tempered(0.1),
        "flat .1": flat(0.1),
        "flat .3": flat(0.3),
        "mixup": averaged,
    }
    slow = {"temperature .1": {"lr": 0.01}, "flat .3": {"lr": 0.03}}  # what these take to train at all
    by_loss = [Net(name, mlp, {"loss": loss} | slow.get(name, {})) for name, loss in losses.items()]
    by_loss += [Net(f"{net.name}, l2", mlp, net.training, "l2", 0.5) for net in by_loss if net.name in TWICE]
    shapes = [
        Net("linear", partial(mlp, hidden=())),
        Net("one wide layer", partial(mlp, hidden=(512,))),
        Net("six layers", partial(mlp, hidden=(32,) * 6), {"epochs": 120}),
        Net("eight layers, ELU", partial(mlp, hidden=(48,) * 8, activation=nn.ELU), {"epochs": 120}),
        Net("narrow", partial(mlp, hidden=(12, 12))),
        Net("lr 1", mlp, {"lr": 1.0, "momentum": 0.0}),
        Net("lr .01", mlp, {"lr": 0.01}),
        Net("BatchNorm", partial(normalized, nn.BatchNorm1d)),
        Net("LayerNorm", partial(normalized, nn.LayerNorm)),
        Net("dropout .5", partial(normalized, lambda _: nn.Dropout(0.5))),
        Net("capped logits", partial(capped, 4.0)),
        Net("cosines", partial(lambda seed, scale: Cosines(scale, seed), scale=10.0)),
        Net("prototypes", lambda seed: Prototypes(seed), {"lr": 0.03}),
        Net("ensemble", lambda seed: LogProbabilities(seed)),
        Net("weight decay .02", mlp, {"weight_decay": 0.02}),
    ]
    methods = [
        Net("SAM .4", mlp, {"method": "sam", "rho": 0.4}),
        Net("SAM .6, l2", mlp, {"method": "sam", "rho": 0.6}, "l2", 0.5),
        Net("SAM, first layer", mlp, {"method": "sam", "rho": 0.6, "perturb": ["fc1"], "lr": 0.3}),
        Net("AT", mlp, {"method": "at", "eps": 0.125}, eps=0.1875),
        Net("AT l2", mlp, {"method": "at", "eps": 1.0, "norm": "l2"}, "l2", 0.75),
        Net("AT, one step", mlp, {"method": "at", "eps": 0.25, "attack_steps": 1}, eps=0.1875),
        Net("AT, one step, tanh", partial(mlp, activation=nn.Tanh), {"method": "at", "eps": 0.25, "attack_steps": 1}),
        Net("AT+SAM", mlp, {"method": "at+sam", "eps": 0.125, "rho": 0.2}, eps=0.1875),
        Net("input noise", mlp, {"method": "input_noise", "sigma": 0.4}),
        Net("input noise, l2", mlp, {"method": "input_noise", "sigma": 0.4}, "l2", 0.75),
        Net("weight noise", mlp, {"method": "weight_noise", "rho": 0.8}),
    ]
    short = {"epochs": 30}
    convolutions = [
        Net("ResNet", resnet, short, eps=0.0625),
        Net("ResNet, SAM", resnet, {"method": "sam", "rho": 0.2, **short}, eps=0.0625),
        Net("ResNet, squared error", resnet, {"loss": squared, "lr": 0.03, **short}, eps=0.0625),
        Net("ResNet, tanh, l2", partial(resnet, activation=nn.Tanh), short, "l2", 0.3),
        Net("ResNet, AT", resnet, {"method": "at", "eps": 0.0625, **short}, eps=0.125),
    ]
    return [*escaped, *perturbed_features, *by_activation, *by_loss, *shapes, *methods, *convolutions]
