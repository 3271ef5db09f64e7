"""The exercises of lesson 04, Is it real?"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samlib.attacks import ascend, attack_mode, pgd
from samlib.balls import Linf
from samlib.checks import check_classifier_input, check_model
from samlib.course.exercise import Exercise, Question, attempted
from samlib.data import load_digits
from samlib.evaluation import accuracy
from samlib.losses import make_loss, margin
from samlib.masking import noise_input, quantise_input, scale_logits
from samlib.models import mlp
from samlib.training import train

EPS = 0.125  # l_inf, in pixels of [0, 1], as in the lesson

# ---- what a judge looks at -------------------------------------------------------------------------------------------


@functools.cache
def _network_and_digits() -> tuple[nn.Module, Tensor, Tensor]:
    """A small network that classifies digits and resists no attack, and a hundred digits; trained once."""
    x_train, y_train, x_test, y_test = load_digits()
    net = mlp((64,), seed=7)
    train(net, x_train, y_train, epochs=20, seed=7, progress=False)
    return net.eval(), x_test[:100], y_test[:100]


def _robust_count(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> int:
    return round(len(x) * accuracy(model, x, y))


def zero_gradients(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, loss: str = "ce") -> float:
    """Share of images at which the gradient of the loss is exactly zero in every pixel, in [0, 1]."""
    check_classifier_input(model, x, y)
    with attack_mode(model):
        pixels = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(make_loss(loss)(model(pixels), y).sum(), pixels)
    return float((gradient.flatten(1).abs().amax(1) == 0).double().mean())


# ---- a loss that no scale fools --------------------------------------------------------------------------------------


class _AllNegative(nn.Module):
    """The logits of a network, all lowered alike until the largest of an image is -1: no answer changes."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net(x)
        return logits - logits.detach().amax(1, keepdim=True) - 1


def _robust_after(loss: Callable[..., Any], factor: float, lowered: bool = False) -> int:
    """How many of the hundred digits 20 steps of PGD on `loss` leave, the logits times `factor`, or lowered below 0."""
    net, x, y = _network_and_digits()
    model = _AllNegative(net) if lowered else scale_logits(net, factor)

    def objective(logits: Tensor, labels: Tensor, _: Tensor | None = None) -> Tensor:
        return attempted(loss(logits, labels))

    with attack_mode(model):
        x_adv, _ = ascend(model, x, y, Linf(EPS), start=x, steps=20, step_size=EPS / 4, loss=objective, keep="last")
    return _robust_count(model, x_adv, y)


def _judge_loss(loss: Callable[..., Any]) -> str | None:
    if not callable(loss):
        return f"It must be a function of logits and labels, and yours is a {type(loss).__name__}."
    net, x, y = _network_and_digits()
    with torch.no_grad():
        logits = net(x).requires_grad_()
    with torch.enable_grad():
        values = attempted(loss(logits, y))
    if not isinstance(values, Tensor):
        return f"It must return a tensor, and yours returned a {type(values).__name__}."
    if values.numel() not in (1, len(y)):
        return f"For {len(y)} images yours returned {tuple(values.shape)}; it must be one number for each image, (n,)."
    if not values.requires_grad:
        return "No gradient leads back from your loss to the logits: argmax, detach and comparisons cut the way."
    if not values.isfinite().all():
        return "Your loss is not finite on some digits; a logarithm of a rounded 0, perhaps?"
    best = _robust_after(lambda z, labels: margin(z, labels), 1.0)
    as_it_is, times_30, times_10000 = (_robust_after(loss, factor) for factor in (1.0, 30.0, 1e4))
    clean = _robust_count(net, x, y)
    if as_it_is >= clean - 5:
        return (
            f"PGD on your loss breaks next to nothing: {as_it_is} of 100 digits are robust, {clean} before the attack. "
            "It must be large where the network gets it wrong. Is its sign right? Does the best wrong logit really "
            "leave out the right one?"
        )
    if as_it_is > best + 15:
        return (
            f"PGD on your loss leaves {as_it_is} of 100 digits, and another one leaves {best}: it leads uphill only "
            "for a part of the digits."
        )
    if times_30 > as_it_is + 10:
        return (
            f"As the network is, {as_it_is} of 100 digits are robust; with its logits times 30, {times_30}. Your loss "
            "still goes through something that saturates, such as a softmax."
        )
    if times_10000 > as_it_is + 10:
        return (
            f"Times 30 it still works ({times_30} of 100 are robust), times 10,000 no more ({times_10000}): a fixed "
            "temperature, or more bits, only moves the scale at which it dies. Let no factor matter."
        )
    lower = _robust_after(loss, 1.0, lowered=True)
    if lower > as_it_is + 10:
        return (
            f"As the network is, {as_it_is} of 100 digits are robust; with all logits lowered below 0, {lower}. Do you "
            "put a 0 in place of the right logit? It is then the largest. Only differences of logits tell who wins."
        )
    return None


loss = Exercise(
    "is_it_real/loss",
    _judge_loss,
    "About as many digits fall whether the logits are multiplied by 1, 30 or 10,000, or all lowered below 0. None of "
    "it changes an answer, so it must change no evaluation.",
    [
        "What tells you, whatever the scale, that the network is about to be wrong? Which of two logits is the larger.",
        "The best wrong logit minus the right one. Its gradient never passes through a softmax.",
        "logits.gather(1, y[:, None]).squeeze(1) is the right logit; logits.scatter(1, y[:, None], "
        "-torch.inf).amax(1) the best of the others.",
    ],
)

# ---- find the fake ---------------------------------------------------------------------------------------------------

REAL = "B"
CLAIMS = {"A": "PGD margin", "B": "PGD ce", "C": "random search", "D": "PGD ce"}  # the attack that each author shows
_WHAT_WAS_WRONG = {
    "A": "Its gradient is exactly 0, whatever the loss: nothing that follows gradients moves. Ask for answers instead.",
    "C": (
        "It gives another answer each time, so that a search which listens to single answers is led astray. Steps that "
        "add up average over it."
    ),
    "D": "Its logits are so far apart that the cross-entropy has no gradient left. Another loss has one.",
}


class Sealed(nn.Module):
    """A network whose inside is not shown. (It can be looked at, of course; that spoils the exercise.)"""

    def __init__(self, name: str, inside: nn.Module) -> None:
        super().__init__()
        self.name, self.inside = name, inside

    def __repr__(self) -> str:
        return f"network {self.name}, sealed"

    def forward(self, x: Tensor) -> Tensor:
        return self.inside(x)


def four_networks(plain: nn.Module, robust: nn.Module) -> dict[str, nn.Module]:
    """Networks A to D: the robust one, and the plain one behind each of three disguises.

    Args:
        plain: a network trained without attacks, images -> logits.
        robust: one trained against them.
    """
    insides = {
        "A": quantise_input(plain, 9),
        "B": robust,
        "C": noise_input(plain, 0.1),
        "D": scale_logits(plain, 30),
    }
    return {name: Sealed(name, inside).eval() for name, inside in insides.items()}


def _usual_answer(model: nn.Module, x: Tensor, asked: int = 25) -> Tensor:
    """The class that a network says most often, (n,): one that answers at random is asked again and again."""
    with attack_mode(model), torch.no_grad():
        return torch.stack([model(x).argmax(1) for _ in range(asked)]).mode(0).values


def _evidence(name: str, images: Any, x: Tensor) -> Tensor | str:
    """Attacked images as a tensor, or what is wrong with their form."""
    try:
        images = torch.as_tensor(images).detach().to(x.dtype)
    except (TypeError, ValueError, RuntimeError):
        return f"{name} is {images!r}; it must be 'robust', or images that the network misclassifies."
    if images.shape != x.shape:
        return f"{name}: your images have shape {tuple(images.shape)}; hand in one for each digit, {tuple(x.shape)}."
    if not images.isfinite().all() or images.min() < 0 or images.max() > 1:
        return f"{name}: some pixels are outside [0, 1]; these are no images."
    far = float((images - x).abs().max())
    if far > EPS + 1e-4:
        return f"{name}: some pixel moves by {far:.3f}; the attacker may use {EPS}. That is evidence of another threat."
    return images


def find_the_fake(models: Mapping[str, nn.Module], x: Tensor, y: Tensor) -> Exercise:
    """The exercise on networks of `four_networks`, l_inf 0.125: "robust", or images that break the network, for each.

    Args:
        models: the four.
        x, y: digits to attack, (n, ...), and labels, (n,).
    """
    for model in models.values():
        check_model(model, x)
        check_classifier_input(model, x, y)

    def judge(found: Mapping[str, Any]) -> str | None:
        if not isinstance(found, Mapping) or set(found) != set(models):
            return f"Give a dict with the keys {', '.join(map(repr, models))}."
        if all(answer is ... for answer in found.values()):
            attempted(None)
        for name, answer in found.items():
            if answer is ...:
                return f"{name} is still open."
            complaint = _judge_one(name, answer, models[name], x, y)
            if complaint:
                return complaint
        return None

    return Exercise(
        "is_it_real/fakes",
        judge,
        "Three fakes, each convicted by images that anyone can check, and one acquitted for want of evidence. The two "
        "are not alike: images prove; that nothing was found does not.",
        [
            "The widget shows which attack breaks which network. Make the same images: samlib.pgd, samlib.square, or "
            "samlib.pgd on another network.",
            "One needs another loss (loss='margin'), one an attack that follows no gradient (samlib.square, "
            "queries=400), one just PGD with 40 steps.",
            "found = "
            "{'A': samlib.square(...), 'B': 'robust', 'C': samlib.pgd(...), 'D': samlib.pgd(..., loss='margin')}, "
            "each on its own network.",
        ],
    )


def _judge_one(name: str, answer: Any, model: nn.Module, x: Tensor, y: Tensor) -> str | None:
    """What is wrong with the answer on one network, if anything is."""
    if isinstance(answer, str):
        said = answer.strip().lower()
        if said == "fake":
            return f"You call {name} a fake. Prove it: put the images in place of the word."
        if said != "robust":
            return f"{name} is {answer!r}; it must be 'robust', or images that the network misclassifies."
        if name != REAL:
            return (
                f"You let {name} pass. One of the attacks of this lesson breaks more than half of its digits. "
                f"{_WHAT_WAS_WRONG[name]}"
            )
        return None
    images = _evidence(name, answer, x)
    if isinstance(images, str):
        return images
    left = round(100 * float((_usual_answer(model, images) == y).double().mean()))
    if name == REAL:
        return (
            f"You accuse {name}, and {left} of 100 digits are robust to your images. The strongest attack here leaves "
            "nearly as many: there is no evidence against it."
        )
    if left > 50:
        return (
            f"On {name} your images leave {left} of 100 digits; that convicts nobody. Try another attack, or another "
            "loss."
        )
    return None


# ---- a fake that passes a check --------------------------------------------------------------------------------------


def _judge_disguise(disguise: Callable[[nn.Module], Any]) -> str | None:
    if not callable(disguise):
        return f"It must be a function of a network, and yours is a {type(disguise).__name__}."
    original, x, y = _network_and_digits()
    net = copy.deepcopy(original)
    model = attempted(disguise(net))
    if not callable(model):
        return f"It must return a network, a function of images, and yours returned a {type(model).__name__}."
    with torch.no_grad():
        attempted(model(x))
    easy = pgd(original, x, y, EPS, steps=40, step_size=EPS / 4, loss="margin")
    for images, which in ((x, "the digits"), (easy, "attacked digits")):
        with torch.no_grad():
            same = float((model(images).argmax(1) == original(images).argmax(1)).double().mean())
        if same < 0.99:
            return (
                f"On {which} your network gives another answer than net on {100 * (1 - same):.0f} of 100. Change no "
                "answer, only what an attacker sees of the way there."
            )
    pixels = x.clone().requires_grad_()
    with torch.enable_grad():
        logits = model(pixels)
        way_back = logits.requires_grad and torch.autograd.grad(logits.sum(), pixels, allow_unused=True)[0] is not None
    if not way_back:
        return (
            "No gradient at all leads back from the answers to the pixels, and an attack would say so at once. There "
            "must be one, and it must lie."
        )
    for kind in ("ce", "margin"):
        zero = zero_gradients(model, x, y, kind)
        if zero > 0.02:
            return (
                f"The check finds it: on {100 * zero:.0f} of 100 digits the gradient of the loss ({kind}) is exactly "
                "0. It must not be 0, it must lie."
            )
    left = {
        kind: _robust_count(model, pgd(model, x, y, EPS, steps=40, step_size=EPS / 4, loss=kind), y)
        for kind in ("ce", "margin")
    }
    for kind, standing in left.items():
        if standing < 80:
            return (
                f"PGD on the loss ({kind}) still finds its way too often: {standing} of 100 digits are robust, and it "
                "takes 80 to look robust."
            )
    if any(not torch.equal(a, b) for a, b in zip(original.parameters(), net.parameters(), strict=True)):
        return "You changed the weights of net itself; leave it as it is, and wrap it."
    return None


disguise = Exercise(
    "is_it_real/disguise",
    _judge_disguise,
    "Every answer is the same as before, so every adversarial image is still there. No gradient is 0, and PGD finds "
    "next to nothing. A check looks for traces of known tricks; whoever knows the check leaves another trace.",
    [
        "The value must stay; only the gradient may change. x.detach() has the value of x and no gradient.",
        "What would PGD do if every gradient pointed the other way? What if it were that of another function?",
        "2 * x.detach() - x has the value x and the slope -1.",
    ],
)

# ---- referee a report ------------------------------------------------------------------------------------------------

REASONS = {
    "fine": "says what was done; nothing speaks against it",
    "large eps": "the accuracy must fall to almost nothing at large eps",
    "search beats gradients": "an attack without gradients must not beat one with them",
    "mean": "the worst attack on each image counts, not the mean of attacks",
    "one ball": "says something about more than the ball that was attacked",
    "seeds": "the error bar covers the seeds, and the sentence claims more",
}
FAULTS = {1: "large eps", 2: "fine", 3: "search beats gradients", 4: "mean", 5: "seeds", 6: "one ball"}
_WHY = {
    1: (
        "Follow the figures to eps = 0.5, where every digit may become plain grey. Could any network still classify "
        "most of them?"
    ),
    2: (
        "The search without gradients does no better than PGD, up to a digit or two, and every setting is named. An "
        "honest line, if no proof."
    ),
    3: "Compare the two attacks. Which one knows more, and which one breaks more?",
    4: "Somebody attacks. Would they use the four attacks in turn, or whichever works on the image at hand?",
    5: "What did the ten runs have in common? The attack, the data, the network.",
    6: "The attack had a norm and a radius. Does the sentence keep to them?",
}


def _judge_referee(answer: Mapping[int, Any]) -> str | None:
    if not isinstance(answer, Mapping) or set(answer) != set(FAULTS):
        return "Give a dict with the keys 1 to 6, the numbers of the lines."
    if all(value is ... for value in answer.values()):
        attempted(None)
    for line, said in answer.items():
        if said is ...:
            return f"Line {line} is still open."
        if not isinstance(said, str) or said not in REASONS:
            return f"Line {line} is {said!r}; it must be one of {', '.join(map(repr, REASONS))}."
    wrong = [line for line, said in answer.items() if said != FAULTS[line]]
    if wrong:
        line = wrong[0]
        return (
            f"{6 - len(wrong)} of 6 lines are judged rightly. Read line {line} once more, which you call "
            f"{answer[line]!r}: {_WHY[line]}"
        )
    return None


referee = Exercise(
    "is_it_real/referee",
    _judge_referee,
    "None of the five faults needs a new experiment to be found, only figures held against each other, and the "
    "sentence against the figures. A report that gives too few of them for that has a fault of its own.",
    [
        "For each line, ask which two figures must be in order: eps and 2 eps, one step and forty, with gradients and "
        "without.",
        "One line is fine. Of the other five, three show a number that is wrong, and two a number that is right and a "
        "sentence that says too much.",
        "The last two lines are the ones that say too much: of the seeds, and of the ball.",
    ],
)

# ---- the predictions -------------------------------------------------------------------------------------------------

bet_on_the_rivals = Question(
    "PGD on the margin loss names no target: at each step it pushes whichever wrong class is ahead. On the SAM "
    "network, one run leaves some 40 % of the digits or more. You may spend eight more runs. What breaks the most?",
    {
        "eight more random starts": (
            "They break a few more. But most of them push the same class again, and end at the same place."
        ),
        "a run towards each wrong class": "Each digit then has nine attempts that differ in where they go.",
        "nothing does: the rest is robust": "Another few in a hundred fall, to other rivals.",
    },
    correct="a run towards each wrong class",
)

bet_on_the_flatness = Question(
    "Walk from a digit to its adversarial image, and as far again in the same direction. Where does the loss bend "
    "least?",
    {
        "at the digit: training has made it flat there": "Little there, because the network is sure. But it is surer "
        "still elsewhere.",
        "at the adversarial image": "Just past the boundary the network is unsure, and the loss bends most near there.",
        "at the far end": "There the network is sure and wrong, and the loss bends even less than at the digit.",
    },
    correct="at the far end",
)

bet_on_the_scale = Question(
    "Multiply all logits of the SGD network by 30. It gives the same answer to every image there is. PGD on the "
    "cross-entropy, 40 steps, left about a third of the digits before. Now it leaves …",
    {
        "a third, as before": "The network <i>is</i> as it was. But the attack does not see what it saw.",
        "about 60 of 100": (
            "At a factor of 15 it does. At 30 it leaves more than 80, and not one image is any safer than before."
        ),
        "more than 80 of 100": "And not one image is any safer than before.",
    },
    correct="more than 80 of 100",
)

bet_on_the_key = Question(
    "Before you try: which single attack breaks more than half of the digits of each fake, <i>and</i> finds on the "
    "robust network what the others find, within five digits?",
    {
        "PGD on the margin": "One of the fakes gives it no gradient at all.",
        "random search": "One of the fakes leads it by the nose.",
        "images made on another network": (
            "They do break all three fakes. But they flatter the robust network by nearly ten digits: they were not "
            "made for it."
        ),
        "none of them": "Each fake fools one kind. That is why an evaluation is a union of different attacks.",
    },
    correct="none of them",
)

bet_on_the_lead = Question(
    "With both sides tuned, the strongest union that we have shows a lead of SAM over SGD of about six points. Ten "
    "steps of PGD on the cross-entropy show …",
    {
        "more: weak attacks flatter SAM": "FGSM does: it shows twice as much. Ten steps go the other way.",
        "about as much": "The same attack can be weaker on one of the two. Here that is SGD.",
        "about half as much": "They overlook more of SGD's weak digits than of SAM's. Whom a weak attack favours is no "
        "law.",
    },
    correct="about half as much",
)

recall_fails = Question(
    "The strongest attack that you know leaves 80 of 100 digits. What have you shown?",
    {
        "that 80 % of the digits are safe in this ball": "An attack that fails proves nothing: another may succeed.",
        "that at most 80 % are": "Twenty broken digits are proof. The other eighty are a bound, from above.",
        "nothing at all": "You have proved twenty digits to be breakable. That is something.",
    },
    correct="that at most 80 % are",
)

recall_masking = Question(
    "A new defence is at 97 % under PGD, as many as without an attack. What do you do first?",
    {
        "take more steps of the same PGD": "If the gradient is 0, or lies, a thousand steps do not help.",
        "try an attack without gradients, another loss, and a very large eps": (
            "Three cheap ways to see whether the gradient, the loss or the number is at fault."
        ),
        "repeat it over ten seeds": "Ten seeds would agree: the fault is in the attack, and the same in all of them.",
    },
    correct="try an attack without gradients, another loss, and a very large eps",
)

recall_bars = Question(
    "Two methods, ten seeds each, all under PGD with ten steps, error bars of one point. Which doubt do these bars "
    "<i>not</i> answer?",
    {
        "whether the initial weights decided": "Those change with the seed: the bars cover them.",
        "whether the order of the batches decided": "That changes with the seed, too.",
        "whether the attack is kinder to one of the methods": (
            "All twenty runs share the attack. If it flatters one side, all ten seeds of that side are flattered."
        ),
    },
    correct="whether the attack is kinder to one of the methods",
)
