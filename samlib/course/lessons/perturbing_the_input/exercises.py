"""The exercises of lesson 01, Perturbing the input."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.attacks import ascend, attack_mode
from samlib.balls import L2, Linf
from samlib.course.exercise import Exercise, Question, attempted
from samlib.data import load_digits
from samlib.evaluation import Attack, robust_accuracy
from samlib.losses import cross_entropy
from samlib.models import mlp, small_resnet
from samlib.training import train

# --- what a judge looks at -----------------------------------------------------------------------------------------


class Borrowed(BaseException):
    """The answer lets samlib do the work. No Exception, so that nothing on the way up turns it into another error."""


BORROWED = "That is samlib's attack at work. It will be yours to use in all other lessons; here, write your own."


def _attacks_itself(*_: Any) -> None:
    """A hook of a network: raises if the call comes out of samlib's own attacks."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in ("samlib.attacks", "samlib.evaluation"):
            raise Borrowed
        frame = frame.f_back


def _small_net(seed: int) -> nn.Module:
    """A network that complains when samlib's attacks call it; in float64, with gradients that belong to someone else."""
    net = mlp((16,), 4, (1, 3, 3), mean=0.4, std=0.3, seed=seed).double()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    net.register_forward_pre_hook(_attacks_itself)
    return net


def _images(n: int, seed: int, shape: tuple[int, ...] = (1, 3, 3)) -> Tensor:
    """Images (n, *shape) in float64, a part of whose pixels are exactly 0 or 1, so that a missing clamp shows."""
    generator = torch.Generator().manual_seed(seed)
    return (1.6 * torch.rand(n, *shape, generator=generator, dtype=torch.float64) - 0.3).clamp(0, 1)


@torch.no_grad()
def finite_differences(model: nn.Module, x: Tensor, y: Tensor, h: float = 1e-6) -> Tensor:
    """Slopes of each image's loss, by central differences: one pixel after the other, a little up and a little down."""
    flat = x.flatten(1)
    slopes = torch.zeros_like(flat)
    for pixel in range(flat.shape[1]):
        up, down = flat.clone(), flat.clone()
        up[:, pixel] += h
        down[:, pixel] -= h
        losses = [F.cross_entropy(model(moved.view_as(x)), y, reduction="none") for moved in (up, down)]
        slopes[:, pixel] = (losses[0] - losses[1]) / (2 * h)
    return slopes.view_as(x)


def _left_behind(model: nn.Module) -> str | None:
    """What an attack has left in a network of `_small_net`, if anything."""
    for parameter in model.parameters():
        if not parameter.requires_grad:
            return "Afterwards the network's weights no longer require a gradient: nobody could train it. Leave it as you found it."
        if parameter.grad is None or not parameter.grad.any():
            return (
                "You cleared gradients of the weights that were there before: they belong to whoever trains the network. "
                "torch.autograd.grad(loss, x) computes the pixels' gradient and touches nothing else."
            )
        if not torch.equal(parameter.grad, torch.ones_like(parameter)):
            return (
                "Your attack has left its gradients in the weights' .grad: the next training step would follow them. "
                "loss.backward() does that; torch.autograd.grad(loss, x) does not."
            )
    return None if model.training else "Afterwards the network is in evaluation mode, and it was not before."


def _not_a_tensor(answer: Any, x: Tensor) -> str | None:
    """What is wrong with the form of attacked images."""
    if not isinstance(answer, Tensor):
        return f"It must return a tensor of images, and yours returned a {type(answer).__name__}."
    if answer.shape != x.shape:
        return f"Your images have shape {tuple(answer.shape)}; they must have x's, {tuple(x.shape)}."
    return None


# --- the predictions -----------------------------------------------------------------------------------------------

bet_on_the_cube = Question(
    "A digit has 64 pixels. Each may change by at most 0.125. How long, in Euclidean length, can the whole change become?",
    {
        "0.125": "That is a single pixel's share. Sixty-four of them add up, by their squares.",
        "1": "64 changes of 0.125 make √(64 · 0.125²) = 0.125 · √64 = 1.",
        "8": "64 · 0.125 = 8 is the sum of the changes; a Euclidean length is the root of the sum of their squares.",
    },
    correct="1",
)

bet_on_the_step = Question(
    "The gradient of the loss is (3, 1). No pixel may change by more than eps (l_inf). Which change raises the loss most?",
    {
        "eps · (1, 1/3), along the gradient": "The second pixel could move three times as far, at no cost, and would raise the loss further.",
        "eps · (1, 1), into the corner": "Each pixel has its own budget, so each spends all of it: eps · 3 + eps · 1.",
        "eps · (1, 0), all on the pixel that counts most": "The budget of one pixel cannot be given to another: the second may move too.",
    },
    correct="eps · (1, 1), into the corner",
)

bet_on_the_path = Question(
    "In the scene below: one step of length 0.25, or ten steps of 0.05, in the same l_inf ball of eps = 0.25. Which ends at the higher loss?",
    {
        "the one long step": "It follows the slope at its start to the very end, and the slope does not stay what it was.",
        "the ten short ones": "They look at the slope again at every step, and turn where it turns.",
        "both end in the same place: it is the same ball": "The ball is the same, but it has many points, and the long step never looks which one is best.",
    },
    correct="the ten short ones",
)

bet_on_the_pixels = Question(
    "After 20 steps of an l_inf attack on a digit: how many of its 64 pixels are as far as ball and box let them go?",
    {
        "a few: those that tell one digit from another": "Changing the others costs nothing and helps a little. The sign throws away how much.",
        "about half": "Many more. The sign of a gradient is +1 or −1, never about 0.",
        "nearly all of them": "Only the sign of the slope counts: a pixel with a tiny slope moves as far as one with a steep slope.",
    },
    correct="nearly all of them",
)

bet_on_the_steps = Question(
    "Three steps of eps / 10 break only a few of the 100 digits. How many will be broken by forty such steps, in the same ball?",
    {
        "a few more: it is the same eps": "Three such steps walk 0.3 eps away from a random start. They have hardly seen the ball.",
        "about 30": "The ball was there to be used. What three steps left standing said more about the attack than about the network.",
        "nearly all: enough steps break everything": "The ball ends at eps. Within it, most digits withstand this attack.",
    },
    correct="about 30",
)

bet_on_the_faults = Question(
    "Each of four faults is put into a PGD attack, one at a time. Three make the network look more robust than it is. "
    "Which one makes it look <i>less</i> robust?",
    {
        "the network is left in training mode": "Then BatchNorm computes with each batch's own mean and spread: a different network is attacked.",
        "eps is measured in normalised pixels": "One normalised unit is 0.376 of a pixel's range here, so the ball shrinks to about a third.",
        "there are too few, too short steps": "Then the attack never reaches the edge of the ball that it is allowed.",
        "pixels are not cut to [0, 1]": "Then the attacker may use what is no image at all: darker than ink, lighter than paper.",
    },
    correct="pixels are not cut to [0, 1]",
)

# --- exercise 1: FGSM ----------------------------------------------------------------------------------------------


def _judge_fgsm(fgsm: Callable[[nn.Module, Tensor, Tensor, float], Any]) -> str | None:
    if not callable(fgsm):
        return f"fgsm must be a function of model, x, y and eps, and yours is a {type(fgsm).__name__}."
    for seed, n, eps in [(0, 5, 0.1), (1, 1, 0.3)]:
        net, x = _small_net(seed), _images(n, seed)
        y = torch.randint(4, (n,), generator=torch.Generator().manual_seed(seed))
        given = x.clone()
        try:
            answer = attempted(fgsm(net, given, y.clone(), eps))
        except Borrowed:
            return BORROWED
        if complaint := _not_a_tensor(answer, x):
            return complaint
        if not torch.equal(given, x):
            return "Your function changes the x it was given; make a new tensor instead: x.clone()."
        if given.requires_grad:
            return (
                "The caller's x now requires a gradient. Call requires_grad_() on a copy: x.clone().requires_grad_()."
            )
        if answer.requires_grad:
            return "Your images still hang on the graph that made them; return them detached: .detach()."
        if complaint := _left_behind(net) or _wrong_step(answer, net, x, y, eps):
            return complaint
    return None


def _wrong_step(answer: Tensor, net: nn.Module, x: Tensor, y: Tensor, eps: float) -> str | None:
    """What is wrong with one l_inf step from x, if anything is. The slopes come from finite differences."""
    slope = finite_differences(net, x, y)
    clear = slope.abs() > 1e-7  # elsewhere a difference cannot tell up from down
    length = slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    same = lambda other: torch.allclose(answer[clear], other[clear], atol=1e-6)  # noqa: E731
    step = eps * slope.sign()
    if same((x + step).clamp(0, 1)):
        return None
    if same((x - step).clamp(0, 1)) or same(x - step):
        return "You walk downhill: this makes the loss smaller. An attack adds, where training subtracts."
    if same(x + step):
        low, high = answer.aminmax()
        return f"The clamp is missing: your pixels run from {low:.2f} to {high:.2f}, and those of an image from 0 to 1."
    if same(step):
        return "That is the change. Return the changed image, x plus the change, cut to [0, 1]."
    for raw in (slope, slope / len(x)):
        if same((x + eps * raw).clamp(0, 1)) or same(x + eps * raw):
            return (
                f"You add eps times the gradient itself: your pixels change by up to {eps * raw.abs().max():.4f} only. "
                "The l_inf budget is eps for each pixel; only the sign of its slope counts."
            )
    if same((x + eps * slope / length).clamp(0, 1)) or same(x + eps * slope / length):
        return "That is the steepest step of the l_2 ball. In the l_inf ball every pixel has a budget of its own."
    if same(x.clamp(0, 1)):
        return "Your images are x itself: nothing has moved."
    against = int(((answer - x) * slope < 0)[clear].sum())
    return (
        f"{against} of {int(clear.sum())} pixels move against the slope that finite differences measure, and the largest "
        f"change is {(answer - x).abs().max():.3f} where eps is {eps}. Is it the cross-entropy of y that you raise?"
    )


fgsm = Exercise(
    "perturbing_the_input/fgsm",
    _judge_fgsm,
    "It agrees with finite differences, pixel by pixel, and leaves network and images as they were.",
    [
        "Make a copy of x that records what is done to it: x.clone().requires_grad_().",
        "loss = F.cross_entropy(model(copy), y, reduction='sum'), then torch.autograd.grad(loss, copy) gives a tuple of one.",
        "x plus eps times the gradient's sign(), then clamp(0, 1).",
    ],
)

# --- exercise 2: PGD -----------------------------------------------------------------------------------------------

FLAWS = {
    "descent": "You walk downhill: an attack adds the step, where training subtracts it.",
    "unprojected": "The projection is missing: nothing brings the walk back into the ball around x.",
    "unclamped": "The clamp is missing: some of your pixels have left [0, 1], so they make no image.",
    "neither": "Neither projection nor clamp: nothing keeps the walk in the ball or in [0, 1].",
    "late": "You come back into the ball only once, at the very end. Each step must be followed by the way back.",
    "raw": "You step along the gradient itself, so its size decides how far. ball.steepest(gradient) has length 1.",
    "sign": "The sign is right for l_inf only. Ask the ball: ball.steepest(gradient).",
    "still": "You take the gradient at the same place every time. Take it where the walk has come to.",
    "from x": "You begin at x; begin at start.",
    "around start": "You project onto a ball around start; the ball belongs to x.",
    "around zero": "You project the image itself. What must not be longer than eps is its distance from x: ball.project(x_adv - x).",
    "one too few": "That is one step too few.",
    "one too many": "That is one step too many.",
    "change": "That is the change alone, x_adv - x. Return the image.",
}


def _walk(gradient, x, start, ball, step_size, steps, flaw: str = "", *, clamp_first: bool = False) -> Tensor:
    """The right walk, or one with a flaw of FLAWS."""

    def back(z: Tensor) -> Tensor:
        centre = {"around start": start, "around zero": torch.zeros_like(x)}.get(flaw, x)
        if clamp_first:
            z = z.clamp(0, 1)
        if flaw not in ("unprojected", "neither"):
            z = centre + ball.project(z - centre)
        return z if flaw in ("unclamped", "neither") else z.clamp(0, 1)

    z = x if flaw == "from x" else start
    for _ in range(steps + {"one too few": -1, "one too many": 1}.get(flaw, 0)):
        slope = gradient(start if flaw == "still" else z)
        direction = {"raw": slope, "sign": slope.sign()}.get(flaw)
        direction = ball.steepest(slope) if direction is None else direction
        z = z + (-step_size if flaw == "descent" else step_size) * direction
        z = z if flaw == "late" else back(z)
    z = back(z) if flaw == "late" else z
    return z - x if flaw == "change" else z


def _judge_pgd(pgd: Callable[..., Any]) -> str | None:
    if not callable(pgd):
        return f"pgd must be a function of gradient, x, start, ball, step_size and steps, and yours is a {type(pgd).__name__}."
    for seed, ball in [(0, Linf(0.2)), (1, L2(0.4))]:
        net, x = _small_net(seed), _images(6, seed)
        y = torch.randint(4, (6,), generator=torch.Generator().manual_seed(seed))
        for parameter in net.parameters():
            parameter.data.mul_(4)  # a steeper landscape: the slope turns along the way
        calls = [0]

        def gradient(images: Tensor, net: nn.Module = net, y: Tensor = y, calls: list[int] = calls) -> Tensor:
            calls[0] += 1
            return finite_differences(net, images.detach(), y)

        start = (x + ball.random_start(x, torch.Generator().manual_seed(seed))).clamp(0, 1)
        given = x.clone(), start.clone()
        try:
            answer = attempted(pgd(gradient, *given, ball, 0.5 * ball.eps, 5))
        except Borrowed:
            return BORROWED
        asked = calls[0]
        if complaint := _not_a_tensor(answer, x):
            return complaint
        if not (torch.equal(given[0], x) and torch.equal(given[1], start)):
            return "Your function changes the x or the start it was given. Write z = z + ..., which makes a new tensor, not z += ..."
        if complaint := _wrong_walk(answer.detach(), asked, gradient, net, x, y, start, ball):
            return complaint
    return None


def _wrong_walk(
    answer: Tensor,
    asked: int,
    gradient: Callable[[Tensor], Tensor],
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    start: Tensor,
    ball: Linf | L2,
) -> str | None:
    """What is wrong with where a walk of five steps has ended, if anything is."""
    setting = gradient, x, start, ball, 0.5 * ball.eps, 5
    name = "l_inf" if isinstance(ball, Linf) else "l_2"
    close = functools.partial(torch.allclose, answer, atol=1e-9)
    net._forward_pre_hooks.clear()
    with attack_mode(net):
        ours, _ = ascend(net, x, y, ball, start=start, steps=5, step_size=0.5 * ball.eps, loss=cross_entropy)
    if close(_walk(*setting)) or close(_walk(*setting, clamp_first=True)):
        return None
    if asked == 0:
        return "Your function never asks for a gradient: gradient(x_adv) gives it, at the images x_adv."
    for flaw, said in FLAWS.items():
        if close(_walk(*setting, flaw)):
            return said
    low, high = answer.aminmax()
    if low < -1e-9 or high > 1 + 1e-9:
        return f"In the {name} ball, your pixels run from {low:.2f} to {high:.2f}; those of an image run from 0 to 1."
    if (far := ball.norm(answer - x).max()) > ball.eps * (1 + 1e-6):
        return f"One of your images lies {far:.3f} from x in {name}, outside the ball of eps = {ball.eps}."
    return (
        f"In the {name} ball your walk ends elsewhere than samlib's from the same start: up to {(answer - ours).abs().max():.3f} "
        f"off in one pixel, after asking for {asked} gradients where there are 5 steps."
    )


pgd = Exercise(
    "perturbing_the_input/pgd",
    _judge_pgd,
    "With slopes from finite differences it goes where samlib's PGD goes, in both balls. Nothing in it says which ball: "
    "lesson 02 puts weights in it.",
    [
        "Begin at start. Each step: gradient where you are, one steepest step, back into the ball, back into [0, 1].",
        "ball.project wants the difference from x, and gives a difference back.",
        "In the loop: z = z + step_size * ball.steepest(gradient(z)), then z = (x + ball.project(z - x)).clamp(0, 1).",
    ],
)

# --- exercise 3: where to start ------------------------------------------------------------------------------------


@contextmanager
def _ball_withheld() -> Iterator[None]:
    """samlib's own random start raises inside."""
    with mock.patch.object(L2, "random_start", side_effect=Borrowed):
        yield


def _judge_start(l2_start: Callable[[Tensor, float, torch.Generator], Any]) -> str | None:
    if not callable(l2_start):
        return f"l2_start must be a function of x, eps and generator, and yours is a {type(l2_start).__name__}."

    def draw(like: Tensor, eps: float, seed: int) -> Any:
        with _ball_withheld():
            return attempted(l2_start(like, eps, torch.Generator().manual_seed(seed)))

    for shape in [(4000, 1, 1, 2), (4000, 1, 1, 3), (500, 1, 8, 8)]:
        like, eps = torch.full(shape, 0.5, dtype=torch.float64), 0.5
        try:
            answer = draw(like, eps, 0)
            again = draw(like, eps, 0)
        except Borrowed:
            return "That is samlib's own random start. Draw it yourself: a direction, then a radius."
        if complaint := _not_a_tensor(answer, like):
            return complaint
        if not torch.equal(answer, again):
            return "The same generator with the same seed gave two different draws: hand it to every draw, generator=generator."
        if complaint := _wrong_draw(answer.double().flatten(1), eps):
            return complaint
    return None


def _wrong_draw(delta: Tensor, eps: float) -> str | None:
    """What is wrong with a draw that should be uniform in the l_2 ball, if anything is. delta: (n, d)."""
    n, d = delta.shape
    radius = delta.norm(dim=1) / eps
    if (delta - 0.5).norm(dim=1).max() < eps * 1.0001 and radius.max() > 1.0001:
        return "Those are images. Return the change only: what is to be added to x."
    if radius.max() > 1.0001:
        return f"One of your changes is {radius.max() * eps:.3f} long, and eps is {eps}."
    if (delta.std(dim=0) < 1e-9).any() or torch.allclose(delta, delta[:1].expand_as(delta)):
        return "All images get the same change. Each needs a draw of its own."
    inner = (radius < 0.5 ** (1 / d)).double().mean().item()  # half of a uniform draw lies there
    sure = 5 * (0.25 / n) ** 0.5
    if inner < 1e-9 and radius.min() > 0.999:
        return "All of your starts lie on the surface. Directions are right; the radius must vary too."
    if (delta / delta.norm(dim=1, keepdim=True)).mean(0).abs().max() > 5 / (n * d) ** 0.5:
        return "Your directions lean to one side. torch.rand runs from 0 to 1; directions need both signs: torch.randn."
    shares = f"{100 * inner:.0f} % of your starts lie within {0.5 ** (1 / d):.2f} eps of the centre, and that part of a ball in {d} dimensions holds half of it"
    if abs((radius < 0.5).double().mean() - 0.5) < sure and d > 1 and abs(inner - 0.5) > sure:
        return f"The radius is drawn uniformly from 0 to eps, and so the starts crowd in the centre: {shares}."
    if abs(inner - 0.5) > sure:
        return f"The radius is not right: {shares}."
    if d == 2 and abs(torch.cos(4 * torch.atan2(delta[:, 1], delta[:, 0])).mean()) > 0.07:
        return "Your directions prefer the diagonals: a direction drawn from a cube is not uniform. torch.randn has no preferred one."
    return None


l2_start = Exercise(
    "perturbing_the_input/l2_start",
    _judge_start,
    "A uniform radius is right in one dimension only. In 64, nearly all of a ball lies close to its surface, and so do your starts.",
    [
        "A direction: torch.randn(x.shape, generator=generator), divided by its own length, image by image.",
        "The share of a ball of radius 1 in d dimensions that lies within r of its centre is r to the power d.",
        "With u uniform in [0, 1], the radius is eps * u ** (1 / d), where d is the number of pixels of one image.",
    ],
)

# --- exercise 4: an honest report ----------------------------------------------------------------------------------

EPS = 0.0625
# Named here, so that what an honest report is measured against stays what it is when samlib's own union grows.
UNION = (Attack("ce"), Attack("margin"), Attack("margin", targets=3))


@functools.cache
def _specimen() -> tuple[nn.Module, Tensor, Tensor, float]:
    """A small network with BatchNorm, images, labels, and its robust accuracy under samlib's attacks."""
    x_train, y_train, x_test, y_test = load_digits()
    net = small_resnet(seed=3)
    train(net, x_train, y_train, epochs=8, progress=False)
    x, y = x_test[:120], y_test[:120]
    return net, x, y, robust_accuracy(net, x, y, EPS, attacks=UNION)


class Witness:
    """Sees what images a network is shown, in pixels, and in which mode it is."""

    def __init__(self, net: nn.Module, x: Tensor) -> None:
        self.net, self.x = net, x.flatten(1)
        self.passes, self.in_training, self.outside, self.farthest = 0, False, 0.0, 0.0

    def __call__(self, _: nn.Module, args: tuple[Tensor, ...]) -> None:
        _attacks_itself()
        pixels = args[0].detach() * self.net.normalize.std + self.net.normalize.mean
        self.passes += 1
        self.in_training |= any(m.training for m in self.net.modules() if isinstance(m, nn.BatchNorm2d))
        self.outside = max(self.outside, float(-pixels.min()), float(pixels.max() - 1))
        nearest = torch.cdist(pixels.flatten(1), self.x, p=torch.inf).amin(1)
        self.farthest = max(self.farthest, float(nearest.max()))


def _judge_honest(honest: Callable[[nn.Module, Tensor, Tensor, float], Any]) -> str | None:
    if not callable(honest):
        return f"honest must be a function of net, x, y and eps, and yours is a {type(honest).__name__}."
    net, x, y, union = _specimen()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    witness = Witness(net, x)
    handle = net.conv1.register_forward_pre_hook(witness)
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
    if complaint := _wrong_images(witness, float(net.normalize.std)):
        return complaint
    if disturbed:
        return "Your function has changed the network's weights or its running statistics."
    if grads:
        return "Your attack has left gradients in the weights' .grad. torch.autograd.grad(loss, images) leaves none."
    if not still_training:
        return "The images are honest. One thing is left: the network came in training mode and goes back in evaluation mode."
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
            f"No pixel has moved by more than {witness.farthest:.4f}, which is eps times {std:.3f}, the spread that the network "
            "divides by: your eps is still one of normalised pixels."
        )
    if reach < 0.9:
        return f"No pixel has moved by more than {witness.farthest:.4f}, and {EPS} is allowed: steps times step size do not get there."
    return None


def _wrong_share(answer: Any, union: float, n: int, passes: int) -> str | None:
    """What is wrong with a robust accuracy, if anything is; `union` is samlib's, on the same n images."""
    share = float(answer)
    if not 0 <= share <= 1:
        return f"You report {share:g}; robust accuracy is a fraction in [0, 1]."
    if share > union + 0.04:
        return (
            f"The images are legal, but you report {share:.2f} after {passes} passes where samlib's attacks leave {union:.2f} of "
            f"these {n}. A few more steps?"
        )
    if share < union - 0.06:
        return f"You report {share:.2f}, and samlib's attacks leave {union:.2f}. Is it the share of images still read correctly?"
    return None


honest = Exercise(
    "perturbing_the_input/honest",
    _judge_honest,
    "Evaluation mode, pixels of [0, 1], enough steps, and the network as it was. The number is still only an upper bound.",
    [
        "In which mode is the network when it comes in, and what does BatchNorm do then?",
        "Work on x itself and call net(images): the network normalises inside, and eps is then one of pixels. Cut to [0, 1].",
        "The sum of all steps should be two to five times eps: 20 steps of eps / 5. Afterwards: net.train(), if it was so before.",
    ],
)

# --- looking back --------------------------------------------------------------------------------------------------

recall_bound = Question(
    "PGD with 100 steps and 20 restarts breaks none of 500 images at l_inf eps = 0.1. What follows?",
    {
        "the network is robust at 0.1": "It follows that this attack failed. Another loss, another start, another method may succeed.",
        "its robust accuracy at 0.1 is at most what was measured": "Each image that an attack breaks is certain. Those that stand are only not broken yet.",
        "it is robust, if the network was in evaluation mode": "Evaluation mode removes one fault. What stands is still only not broken yet.",
    },
    correct="its robust accuracy at 0.1 is at most what was measured",
)

recall_sign = Question(
    "The gradient is (0.01, −5). What is the steepest l_inf step of size 0.1?",
    {
        "(0.1, −0.1)": "Each pixel spends its own budget, however small its slope is.",
        "(0, −0.1)": "That leaves the first pixel's budget unused, and 0.01 · 0.1 on the table.",
        "(0.0002, −0.1)": "That is the l_2 step, along the gradient.",
    },
    correct="(0.1, −0.1)",
)

recall_threat = Question(
    "A network keeps 90 % of the digits at l_inf eps = 0.125. Someone shifts a digit by one pixel to the left. What do you know?",
    {
        "at least 90 % are read correctly: a shift is a small change": "A shift moves some pixels from 0 to 1. It is far outside the l_inf ball of 0.125.",
        "nothing: a shift is outside the ball": "The promise covers one ball. A shift, a rotation, a shadow are other threats.",
        "about 90 %, as robustness carries over": "It may or may not. Measure it; the ball says nothing about it.",
    },
    correct="nothing: a shift is outside the ball",
)
