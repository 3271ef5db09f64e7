"""The third exercise of this lesson: an honest report, and who watches what its network is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from samlib.course.exercise import Exercise, attempted
from samlib.course.lessons.perturbing_the_input.judging import (
    BORROWED,
    Borrowed,
    attacks_itself,
)
from samlib.data import load_digits
from samlib.evaluation import robust_accuracy
from samlib.models import small_resnet
from samlib.training import train
from samlib.unions import Attack

EPS = 0.0625
# Named here, so that what an honest report is measured against stays what it is when samlib's own union grows.
UNION = tuple(
    Attack(loss, steps=40, relative_step_size=0.25, targets=targets)
    for loss, targets in (("ce", 0), ("margin", 0), ("margin", 3))
)


@functools.cache
def specimen() -> tuple[nn.Sequential, Tensor, Tensor, float]:
    """A small network with BatchNorm, images, labels, and its robust accuracy under samlib's attacks."""
    x_train, y_train, x_test, y_test = load_digits()
    net = small_resnet(seed=3)
    train(net, x_train, y_train, epochs=8, progress=False)
    x, y = x_test[:120], y_test[:120]
    return net, x, y, robust_accuracy(net, x, y, EPS, attacks=UNION)


class Witness:
    """Sees what images a network is shown, in pixels, and in which mode it is."""

    def __init__(self, net: nn.Sequential, x: Tensor) -> None:
        self.net, self.x = net, x.flatten(1)
        self.normalize: Any = net.normalize
        self.passes, self.in_training, self.outside, self.farthest = 0, False, 0.0, 0.0

    def __call__(self, _: nn.Module, args: tuple[Tensor, ...]) -> None:
        attacks_itself()
        pixels = args[0].detach() * self.normalize.std + self.normalize.mean
        self.passes += 1
        self.in_training |= any(m.training for m in self.net.modules() if isinstance(m, nn.BatchNorm2d))
        self.outside = max(self.outside, float(-pixels.min()), float(pixels.max() - 1))
        nearest = torch.cdist(pixels.flatten(1), self.x, p=torch.inf).amin(1)
        self.farthest = max(self.farthest, float(nearest.max()))


def _judge_honest(honest: Callable[[nn.Module, Tensor, Tensor, float], Any]) -> str | None:
    if not callable(honest):
        return f"honest must be a function of net, x, y and eps, and yours is a {type(honest).__name__}."
    net, x, y, union = specimen()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    witness = Witness(net, x)
    handle = net.get_submodule("conv1").register_forward_pre_hook(witness)
    try:
        answer = attempted(honest(net, x.clone(), y.clone(), EPS))
    except Borrowed:
        return BORROWED
    finally:
        handle.remove()
        still_training = all(module.training for module in net.modules())
        disturbed = any(not torch.equal(before[name], value) for name, value in net.state_dict().items())
        grads = any(parameter.grad is not None for parameter in net.parameters())
        net.load_state_dict(before)
        net.zero_grad(set_to_none=True)
        for parameter in net.parameters():
            parameter.requires_grad_(True)
        net.train()
    if complaint := _wrong_images(witness, float(witness.normalize.std)):
        return complaint
    if disturbed:
        return "Your function has changed the network's weights or its running statistics."
    if grads:
        return "Your attack has left gradients in the weights' .grad. torch.autograd.grad(loss, images) leaves none."
    if not still_training:
        return (
            "The images are honest. One thing is left: the network came in training mode and goes back in evaluation "
            "mode."
        )
    return _wrong_share(answer, union, len(x), witness.passes)


def _wrong_images(witness: Witness, std: float) -> str | None:
    """What is wrong with the images that the network was shown, if anything is."""
    if witness.in_training:
        return (
            "The network is attacked or judged in training mode: its BatchNorm uses each batch's own mean and spread, "
            "and is another network than the one that will be used."
        )
    if witness.outside > 1e-4:
        return f"The network is shown pixels that lie up to {witness.outside:.2f} outside [0, 1]: no image. Cut them."
    reach = witness.farthest / EPS
    if reach > 1.001:
        return f"Some pixels have moved by {witness.farthest:.3f}, more than eps = {EPS}. Project around x."
    if abs(reach - std) < 0.02:
        return (
            f"No pixel has moved by more than {witness.farthest:.4f}, which is eps times {std:.3f}, the spread that "
            "the network "
            "divides by: your eps is still one of normalised pixels."
        )
    if reach < 0.9:
        return (
            f"No pixel has moved by more than {witness.farthest:.4f}, and {EPS} is allowed: steps times step size do "
            "not get there."
        )
    return None


def _wrong_share(answer: Any, union: float, n: int, passes: int) -> str | None:
    """What is wrong with a robust accuracy, if anything is; `union` is samlib's, on the same n images."""
    share = float(answer)
    if not 0 <= share <= 1:
        return f"You report {share:g}; robust accuracy is a fraction in [0, 1]."
    if share > union + 0.04:
        return (
            f"The images are legal, but you report {share:.2f} after {passes} passes where samlib's attacks leave "
            f"{union:.2f} of "
            f"these {n}. A few more steps?"
        )
    if share < union - 0.06:
        return (
            f"You report {share:.2f}, and samlib's attacks leave {union:.2f}. Is it the share of images still "
            "classified correctly?"
        )
    return None


honest = Exercise(
    "perturbing_the_input/honest",
    _judge_honest,
    "Evaluation mode, pixels of [0, 1], enough steps, and the network as it was. The number is still only an upper "
    "bound.",
    [
        "In which mode is the network when it comes in, and what does BatchNorm do then?",
        "Work on x itself and call net(images): the network normalises inside, and eps is then one of pixels. Cut to "
        "[0, 1].",
        "The sum of all steps should be two to five times eps: 20 steps of eps / 5. Afterwards: net.train(), if it "
        "was so before.",
    ],
)
