"""One training loop: standard, SAM, adversarial (AT), both, and random noise on the input or on the weights.

The methods differ in two places only: on which images the loss is taken, and at which weights its gradient.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from samlib.attacks import ascend, attack_mode
from samlib.balls import make_ball, project_pixels, random_numbers
from samlib.checks import (
    check_choice,
    check_classifier_input,
    check_count,
    check_logits,
    check_not_probabilities,
    check_number,
)
from samlib.files import hash_tensors, load_whole, save_whole
from samlib.losses import cross_entropy
from samlib.models import select_parameters
from samlib.sam import SAM

METHODS = ("sgd", "sam", "at", "at+sam", "input_noise", "weight_noise")
Augmentation = Callable[[Tensor, torch.Generator], Tensor]
Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]
History = dict[str, list[float]]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes, apart from the data and the model. See `train`."""

    method: str
    rho: float | None
    eps: float | None
    norm: str | None
    sigma: float | None
    attack_steps: int | None
    perturb: tuple[str, ...] | None
    adaptive: bool
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    seed: int

    def __post_init__(self) -> None:
        if self.perturb is not None:
            if not isinstance(self.perturb, Iterable):
                raise TypeError(f"perturb is {self.perturb!r}; it must be names, such as ['fc1'], or None.")
            self._put("perturb", (self.perturb,) if isinstance(self.perturb, str) else tuple(self.perturb))
            if not self.perturb:
                raise ValueError("perturb is empty: SAM would perturb nothing; name a module, or take method 'sgd'.")
        check_choice("method", self.method, METHODS)
        self._needs("rho", "sam" in self.method or self.method == "weight_noise", "the length of the perturbation")
        self._needs("eps", "at" in self.method.split("+"), "the radius of the attack, in pixels of [0, 1]")
        self._needs("sigma", self.method == "input_noise", "the standard deviation of the noise, in pixels of [0, 1]")
        meaningless = {"norm": "at", "attack_steps": "at", "perturb": "sam", "adaptive": "sam"}
        for name, part in meaningless.items():
            value = getattr(self, name)
            if value not in (None, False) and part not in self.method.split("+"):
                raise ValueError(
                    f"{name} is {value!r}, but method {self.method!r} does not use it; take {part!r} or 'at+sam'."
                )
        if self.norm is not None:
            make_ball(self.norm, 0.0)
        for name in ("attack_steps", "epochs", "batch_size"):
            if getattr(self, name) is not None:
                self._put(name, check_count(name, getattr(self, name)))
        self._put("seed", check_count("seed", self.seed, low=0))
        self._put("lr", check_number("lr", self.lr, open_low=True))
        self._put("momentum", check_number("momentum", self.momentum, high=1))
        self._put("weight_decay", check_number("weight_decay", self.weight_decay))
        self._put("adaptive", bool(self.adaptive))

    def _put(self, name: str, value: Any) -> None:
        """Python's own number in place of numpy's, which no checkpoint could hold."""
        object.__setattr__(self, name, value)

    def _needs(self, name: str, used: bool, meaning: str) -> None:
        value = getattr(self, name)
        if used and value is None:
            raise ValueError(f"method {self.method!r} needs {name}, {meaning}.")
        if not used and value is not None:
            raise ValueError(f"{name} is {value}, but method {self.method!r} does not use it; leave it out.")
        if used:
            self._put(name, check_number(name, value))


def train(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    method: str = "sgd",
    *,
    rho: float | None = None,
    eps: float | None = None,
    norm: str | None = None,
    sigma: float | None = None,
    attack_steps: int | None = None,
    perturb: Sequence[str] | None = None,
    adaptive: bool = False,
    epochs: int = 60,
    batch_size: int = 128,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    seed: int = 0,
    augment: Augmentation | None = None,
    loss: Objective | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    progress: bool = True,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train `model` in place by SGD with momentum; lr falls to a tenth at 75 %, a hundredth at 90 % of the epochs.

    Args:
        model: images (n, ...) -> logits (n, classes), on the device of the data.
        x, y: images with pixels in [0, 1], float32, (n, ...); labels, int64, (n,). They stay on their device.
        method: "sgd"; "sam" (needs rho); "at", adversarial training on PGD images (needs eps); "at+sam" (both);
            "input_noise", Gaussian noise on the pixels (needs sigma); "weight_noise", the gradient taken at weights
            moved in a random direction by rho, the control for SAM (needs rho).
        rho: radius in weight space, l_2 over the weights that are perturbed.
        eps, norm: radius of the attack in pixels of [0, 1], and its norm, "linf" (if None) or "l2".
        sigma: standard deviation of the input noise, in pixels of [0, 1]. Noisy pixels are cut to [0, 1].
        attack_steps: PGD steps for "at" (7 if None), each of 2.5 * eps / attack_steps, from a random start, against the
            model in evaluation mode.
        perturb: names of the modules or parameters whose weights SAM perturbs, such as `["fc1"]`, or patterns of names
            such as `["*bn*"]`; None for all. A name is a full one; compiling or wrapping a model changes none.
        adaptive: ASAM's relative perturbation instead of SAM's.
        epochs, batch_size, lr, momentum, weight_decay: of SGD. The last batch of an epoch may be smaller.
        seed: of batches, augmentation, noise, attack and dropout; the initial weights have their own. torch's global
            generator is put back afterwards.
        augment: (images, generator) -> images, such as data.flip_and_crop().
        loss: (model, images, labels) -> (what is minimised, logits (n, classes)), such as
            runs.feature_training.perturbed_cross_entropy(...); the mean cross-entropy if None.
        checkpoint: file to save to after every `checkpoint_every` epochs and to resume from if it exists. A resumed run
            ends with the weights of an uninterrupted one, bit for bit on the CPU. It must be the same run: initial
            weights, data, device, loss, augmentation and every setting.
        progress: show a progress bar.
        on_epoch: called with the history after each epoch.

    Returns:
        The history, a list with one value for each epoch under "loss" and "accuracy" (means over the epoch's batches,
        on the images trained on), "lr", and "seconds".

    Raises:
        ValueError, TypeError: an argument is not as said above, or the checkpoint is of another run or no checkpoint.
        FloatingPointError: the loss of an epoch is not finite; the last checkpoint stays.
        OSError: the checkpoint cannot be written.
    """
    given = locals()
    recipe = Recipe(**{field.name: given[field.name] for field in fields(Recipe)})
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a {type(model).__name__}; it must be a torch.nn.Module.")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("model has no parameter to train: there is none, or all are frozen; model.requires_grad_().")
    for name, function in (("loss", loss), ("augment", augment)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} is {function!r}; it must be a function or None.")
    check_classifier_input(model, x, y)
    checkpoint_every = check_count("checkpoint_every", checkpoint_every)
    with attack_mode(model), torch.no_grad():
        logits = model(x[:32])
    check_logits(logits, y[:32])
    check_not_probabilities(logits)
    if int(y.max()) >= (classes := logits.shape[1]):
        raise ValueError(f"y holds the label {int(y.max())}, but model has {classes} classes: 0 .. {classes - 1}.")
    run = Run(model, x, y, recipe, augment, loss)
    file = None if checkpoint is None else Checkpoint(Path(checkpoint), run)
    run.complete(file, checkpoint_every, progress, on_epoch)
    return run.history


def mean_cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The loss that is minimised unless another is given, and the logits."""
    logits = model(x)
    return F.cross_entropy(logits, y), logits


def check_loss(found: Any) -> tuple[Tensor, Tensor]:
    """What a loss has returned: the mean loss, which weights can lower, and the logits."""
    pair = isinstance(found, tuple) and len(found) == 2 and all(isinstance(part, Tensor) for part in found)
    if not pair or found[0].ndim or not found[0].requires_grad:
        came = f"a loss of shape {tuple(found[0].shape)}" if pair else f"a {type(found).__name__}"
        raise ValueError(
            f"loss returned {came}; it must return the mean loss, a tensor () that depends on the model's weights by "
            "differentiable operations (no detach or no_grad in loss or model), and the logits."
        )
    return found


class Run:
    """A training run: model, data, optimizer, schedule, generator and history, one epoch at a time.

    `images`, `share`, `passes` and `total` are for engines that keep the images otherwise, or share out the batches.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        recipe: Recipe,
        augment: Augmentation | None,
        loss: Objective | None,
    ) -> None:
        self.model, self.x, self.y, self.recipe, self.augment = model, x, y, recipe, augment
        self.loss = loss or mean_cross_entropy
        self.start = hash_tensors(*(value for value in model.state_dict().values() if isinstance(value, Tensor)))
        self.generator = torch.Generator(x.device).manual_seed(recipe.seed)
        self.global_state: Tensor | None = None  # of torch's global generator on the device, once a run goes on
        self.optimizer = make_optimizer(model, recipe)
        milestones = [math.ceil(recipe.epochs * 3 / 4), math.ceil(recipe.epochs * 9 / 10)]
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, milestones, gamma=0.1)
        self.history: History = {"loss": [], "accuracy": [], "lr": [], "seconds": []}

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history["loss"])

    def complete(
        self,
        file: Checkpoint | None = None,
        checkpoint_every: int = 1,
        progress: bool = True,
        on_epoch: Callable[[History], None] | None = None,
    ) -> None:
        """Go on from the file, if there is one, to the last epoch; `train` says what the arguments mean."""
        if file is not None:
            file.load()
        was_training = [(module, module.training) for module in self.model.modules()]
        self.model.train()
        epochs = self.recipe.epochs
        try:
            bar = tqdm(total=epochs, initial=self.epoch, desc=self.recipe.method, unit="epoch", disable=not progress)
            with bar, self.own_randomness(), torch.inference_mode(False), torch.enable_grad():
                while self.epoch < epochs:
                    self.one_epoch()
                    bar.update()
                    bar.set_postfix(loss=f"{self.history['loss'][-1]:.3f}", refresh=False)
                    if file is not None and (self.epoch % checkpoint_every == 0 or self.epoch == epochs):
                        file.save()
                    if on_epoch is not None:
                        on_epoch(self.history)
        finally:
            self.optimizer.zero_grad()
            for module, training in was_training:
                module.training = training

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """While it lasts, torch's global generator, which dropout draws from, is this run's own."""
        kind = self.x.device.type
        devices = [] if kind == "cpu" else [self.x.device.index or 0]
        with torch.random.fork_rng(devices, device_type=kind if devices else "cuda"):
            torch.manual_seed(self.recipe.seed)
            if self.global_state is not None:
                self.set_global_state(self.global_state)
            yield

    def get_global_state(self) -> Tensor:
        """The state of the generator that dropout draws from."""
        kind = self.x.device.type
        return torch.get_rng_state() if kind == "cpu" else torch.get_device_module(kind).get_rng_state()

    def set_global_state(self, state: Tensor) -> None:
        """Put that generator where it was."""
        kind = self.x.device.type
        (torch if kind == "cpu" else torch.get_device_module(kind)).set_rng_state(state.cpu())

    def batches(self) -> tuple[Tensor, ...]:
        """The examples' numbers in a random order, in batches; a single last one, too few for BatchNorm, joins."""
        order = torch.randperm(len(self.x), generator=self.generator, device=self.x.device)
        batches = order.split(self.recipe.batch_size)
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches = (*batches[:-2], order[-1 - len(batches[-2]) :])
        return batches

    def one_epoch(self) -> None:
        """Every example once, in batches of a random order."""
        start = time.perf_counter()
        lr = self.optimizer.param_groups[0]["lr"]
        loss_sum = torch.zeros((), device=self.x.device)
        correct = torch.zeros((), device=self.x.device)
        for rows in self.batches():
            x, y = self.training_batch(rows)
            batch_loss, logits = self.one_step(x, y)
            loss_sum += batch_loss * len(y)
            correct += (logits.argmax(1) == y).sum()
        loss, accuracy = (value / len(self.x) for value in self.total(torch.stack((loss_sum, correct))).tolist())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss} in epoch {self.epoch + 1} of {self.recipe.epochs}; "
                "try a smaller lr, rho or eps, or look for broken images."
            )
        self.schedule.step()
        self.history["loss"].append(loss)
        self.history["accuracy"].append(accuracy)
        self.history["lr"].append(lr)
        self.history["seconds"].append(time.perf_counter() - start)

    def training_batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The images that the loss is taken on, augmented, noisy or attacked, and their labels.

        Random numbers are drawn for the whole batch, so that they are the same for whoever takes a share of it.
        """
        recipe, x, y = self.recipe, self.images(rows), self.y[rows]
        if self.augment is not None:
            x = self.augment(x, self.generator)
        if recipe.sigma is not None:
            x = (x + recipe.sigma * random_numbers(torch.randn, x, x.shape, self.generator)).clamp(0, 1)
        if recipe.eps is None:
            return self.share(x), self.share(y)
        ball, steps = make_ball(recipe.norm or "linf", recipe.eps), recipe.attack_steps or 7
        start = project_pixels(ball, x, x + ball.random_start(x, self.generator))
        x, y, start = self.share(x), self.share(y), self.share(start)
        with attack_mode(self.model):
            x_adv, _ = ascend(
                self.model, x, y, ball, start=start, steps=steps, step_size=2.5 * recipe.eps / steps, loss=cross_entropy
            )
        return x_adv, y

    def images(self, rows: Tensor) -> Tensor:
        """Some images of the training set, float, in [0, 1]."""
        return self.x[rows]

    def share(self, batch: Tensor) -> Tensor:
        """What this process takes of a batch."""
        return batch

    def total(self, sums: Tensor) -> Tensor:
        """The sums over all shares of an epoch."""
        return sums

    def passes(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Forward and backward; the loss and the logits."""
        loss, logits = check_loss(self.loss(self.model, x, y))
        loss.backward()
        return loss.detach(), logits.detach()

    def one_step(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step on a batch. Returns the loss and the logits at the unperturbed weights."""
        found: list[tuple[Tensor, Tensor]] = []

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            found.append(self.passes(x.clone(), y))  # a model may write over its images, and SAM shows them twice
            return found[-1][0]

        rho = self.recipe.rho if self.recipe.method == "weight_noise" else None
        step = closure if rho is None else self._at_random_weights(closure, rho)
        self.optimizer.step(step)  # type: ignore[arg-type]  # torch's own closures return tensors
        return found[0]

    def _at_random_weights(self, closure: Callable[[], Tensor], rho: float) -> Callable[[], Tensor]:
        """The closure, called at weights moved by rho in a random direction of weight space."""

        def moved() -> Tensor:
            weights: list[Tensor] = [p for p in self.model.parameters() if p.requires_grad]
            noise = [random_numbers(torch.randn, w, w.shape, self.generator) for w in weights]
            length = torch.stack([n.norm() for n in noise]).norm()
            before = [w.detach().clone() for w in weights]
            try:
                with torch.no_grad():
                    torch._foreach_add_(weights, list(torch._foreach_mul(noise, rho / length)))
                return closure()
            finally:
                with torch.no_grad():
                    torch._foreach_copy_(weights, before)

        return moved


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, inside SAM where the method asks for it; parameters that are not perturbed get a group with rho 0."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": weights}]
    if recipe.perturb is not None:
        perturbed = {id(p) for name in recipe.perturb for p in named_weights(model, name)}
        groups = [
            {"params": [p for p in weights if id(p) in perturbed], "rho": recipe.rho},
            {"params": [p for p in weights if id(p) not in perturbed], "rho": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
    sgd = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    if recipe.rho is None or "sam" not in recipe.method:
        return sgd
    return SAM(sgd, rho=recipe.rho, adaptive=recipe.adaptive, model=model)


def named_weights(model: nn.Module, name: str) -> list[nn.Parameter]:
    """The parameters that a name or a pattern of names stands for, but for frozen ones.

    Raises:
        ValueError: there are none, or all are frozen.
    """
    free = [p for p in select_parameters(model, [name], "perturb").values() if p.requires_grad]
    if not free:
        raise ValueError(f"perturb names {name!r}, whose weights are frozen; SAM would perturb nothing there.")
    return free


class Checkpoint:
    """A run's file: written whole or not at all, and read only by the run that it belongs to."""

    FORMAT = "samlib.training 1"

    def __init__(self, path: Path, run: Run) -> None:
        self.path, self.run = path, run

    def _identity(self) -> dict[str, Any]:
        """What must agree for a resumed run to be the same run."""
        run, recipe = self.run, asdict(self.run.recipe)
        return {
            **recipe,
            "perturb": recipe["perturb"] and list(recipe["perturb"]),
            "data": hash_tensors(run.x, run.y),
            "initial weights": run.start,
            "loss": describe_function(run.loss),
            "augment": describe_function(run.augment),
            "device": run.x.device.type,
        }

    def save(self) -> None:
        """Write beside the file and move over it, so that it is whole at every moment."""
        run = self.run
        content = {
            "format": self.FORMAT,
            "identity": self._identity(),
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "schedule": run.schedule.state_dict(),
            "generator": run.generator.get_state(),
            "global generator": run.get_global_state(),
            "history": run.history,
        }
        save_whole(self.path, content, "checkpoint")

    def load(self) -> None:
        """Continue from the file, if there is one."""
        if not self.path.parent.is_dir():
            raise OSError(f"checkpoint={str(self.path)!r} is to be in a folder that is not there; make it first.")
        if not self.path.exists():
            return
        run = self.run
        saved = load_whole(self.path, "checkpoint", run.x.device)
        if not isinstance(saved, dict) or saved.get("format") != self.FORMAT:
            raise ValueError(
                f"checkpoint={str(self.path)!r} was not written by samlib.train; "
                "choose another name for this run's file."
            )
        ours = self._identity()
        differ = [name for name in ours if ours[name] != saved["identity"].get(name)]
        if differ:
            detail = "; ".join(f"{name}: {saved['identity'].get(name)!r} there, {ours[name]!r} here" for name in differ)
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another run ({detail}); "
                "choose another name for this run's file."
            )
        try:
            run.model.load_state_dict(saved["model"])
        except RuntimeError as error:
            raise ValueError(f"checkpoint={str(self.path)!r} belongs to another model: {error}") from error
        run.optimizer.load_state_dict(saved["optimizer"])
        run.schedule.load_state_dict(saved["schedule"])
        run.generator.set_state(saved["generator"].cpu())
        run.global_state = saved["global generator"]
        run.history.update(saved["history"])


def describe_function(function: Any) -> str:
    """What tells one function from another across processes: its name, and the values that it was made with."""
    if not hasattr(function, "__qualname__"):
        return (
            repr(function)
            if isinstance(function, (str, int, float, tuple, type(None)))
            else type(function).__qualname__
        )
    made_with = [describe_function(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    return f"{function.__module__}.{function.__qualname__}({', '.join(made_with)})"
