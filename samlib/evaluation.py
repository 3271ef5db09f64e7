"""Clean and robust accuracy.

Robust accuracy is estimated from above: an image counts as robust while no attack has broken it. One attack flatters
some models (cross-entropy the certain ones, gradients the flat ones), so the worst over a union is reported, and each
later attack works only on images that the earlier ones did not break. What an attack returns is judged by a forward
pass of its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from samlib.ascent import Model, apgd_ascent, ascend, attack_mode
from samlib.attacks import default_generator, one_for_each
from samlib.balls import check_inside, make_ball, per_example, project_pixels, random_numbers
from samlib.batches import Batches, out_of_memory, predict
from samlib.checks import check_choice, check_classifier_input, check_logits, check_number, check_radius
from samlib.files import hash_tensors, load_whole, save_whole
from samlib.losses import make_loss, margin
from samlib.random_search import draw_proposals, moves_in, random_search
from samlib.reports import Report, Row
from samlib.unions import BUDGETS, PATIENCE, RUGGED, Attack

BLOCK = 16  # images whose random starts are drawn together


# ---- clean accuracy --------------------------------------------------------------------------------------------------


def accuracy(model: Model, x: Tensor, y: Tensor, batch_size: int | None = None) -> float:
    """Share of images that the model, in evaluation mode, classifies correctly, in [0, 1].

    Args:
        model: images (n, ...) -> logits (n, classes).
        x, y: images with pixels in [0, 1], float32 or float64, (n, ...); labels, int64, (n,).
        batch_size: images in one forward pass; by the size of an image if None.
    """
    check_classifier_input(model, x, y)
    batches = Batches(x, batch_size)
    with attack_mode(model), torch.no_grad():
        logits = predict(_Counted(model), x, y, batches)
    return float((logits.argmax(1) == y).double().mean())


class _Counted:
    """The model, with its passes counted in images, and an error of its own told apart from ours."""

    def __init__(self, model: Model) -> None:
        self.model, self.forward, self.backward = model, 0, 0

    def __call__(self, x: Tensor) -> Tensor:
        try:
            logits = self.model(x)
        except Exception as error:
            if out_of_memory(error):
                raise
            raise RuntimeError(
                f"model raised {type(error).__name__} on a batch of {len(x)} images, shape {tuple(x.shape)}: {error} "
                "An evaluation shows the model batches of any size from 1 to batch_size, since only images that are "
                "still robust are attacked: let the model take each of them, or wrap it in a function that pads the "
                "batch and cuts the logits."
            ) from error
        self.forward += len(x)
        if x.requires_grad:
            self.backward += len(x)
            if not isinstance(logits, Tensor) or not logits.requires_grad:
                raise ValueError(
                    "model returned logits that do not depend on x by differentiable operations; no gradient can be "
                    "taken. Attacks of kind 'square' need none."
                )
        return logits


# ---- the evaluation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pass:
    """One run of one attack: towards one rank of the wrong classes, or untargeted."""

    index: int
    attack: int
    run: int
    rank: int | None
    seed: int
    first: bool  # of its attack


class _Evaluation:
    """An evaluation, one batch at a time. For each image it knows which passes there were, and which broke it."""

    FORMAT = "samlib.evaluation 2"

    def __init__(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        eps: float | Tensor,
        norm: str,
        attacks: tuple[Attack, ...],
        batches: Batches,
        generator: torch.Generator,
    ) -> None:
        self.raw_model, self.model = model, _Counted(model)
        self.x, self.y, self.norm, self.attacks, self.batches = x.detach(), y, norm, attacks, batches
        with attack_mode(model), torch.no_grad():
            logits = predict(self.model, x, y, batches)
            some = min(batches.size, 64)
            first, second = (predict(self.model, x[:some], y[:some], batches) for _ in range(2))
        self.random = not torch.allclose(first, second, rtol=1e-3, atol=1e-3)
        self.margins = margin(logits, y).float().cpu()
        self.noise = float((margin(first, y[:some]) - margin(second, y[:some])).abs().mean())
        self.correct = logits.argmax(1) == y
        wrong_first = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
        self.ranking = wrong_first[:, :-1]  # the wrong classes, likely ones first
        order = [
            (i, run, rank)
            for i, attack in enumerate(attacks)
            for run in range(attack.restarts)
            for rank in (range(min(attack.targets, self.ranking.shape[1])) if attack.targets else [None])
        ]
        seeds = torch.randint(2**62, (len(order),), generator=generator, device=generator.device).tolist()
        self.passes = [
            _Pass(k, i, run, rank, seed, first=k == 0 or order[k - 1][0] != i)
            for k, ((i, run, rank), seed) in enumerate(zip(order, seeds, strict=True))
        ]
        self.rows = [Row(str(attack), attack.size) for attack in attacks]
        self.begin(one_for_each(eps, x), self.correct)

    def begin(self, eps: Tensor, attacked: Tensor) -> None:
        """Nothing is done yet: attack these images, bool, (n,), each in its ball of radius eps, (n,)."""
        self.eps, self.attacked = eps, attacked
        self.done = torch.zeros_like(attacked, dtype=torch.long)  # passes that each image has had, or did not need
        self.broken_by = torch.full_like(self.done, -1)

    @property
    def robust_mask(self) -> Tensor:
        return self.attacked & (self.broken_by < 0)

    def waiting(self, one: _Pass) -> Tensor:
        """The images that this pass is still to attack. In a ball of radius 0 there is nothing to look for."""
        return (self.robust_mask & (self.done <= one.index) & (self.eps > 0)).nonzero().squeeze(1)

    def masked(self, before: _Pass) -> bool:
        """Whether earlier random search broke more than one in a hundred of those that it tried."""
        earlier = zip(self.attacks[: before.attack], self.rows, strict=False)
        return any(attack.kind == "square" and row.broke > 0.01 * row.tried for attack, row in earlier)

    def pays(self, before: _Pass) -> bool:
        """Whether the network is rugged (see `Attack`), and this search has not been without success for long."""
        broke = [self.passes[i] for i in self.broken_by.tolist() if i >= 0]
        plain = next(i for i, attack in enumerate(self.attacks) if attack.while_it_pays)
        late = [sum(one.attack == i for one in broke) / max(int(self.attacked.sum()), 1) for i in range(plain)]
        rugged = not late or sum(late[3:]) > RUGGED or late[-1] > RUGGED / 10
        last = max((one.run for one in broke if one.attack == before.attack and one.run < before.run), default=-1)
        return rugged and before.run - last <= PATIENCE

    def needed(self, one: _Pass) -> bool:
        attack = self.attacks[one.attack]
        return (not attack.if_masked or self.masked(one)) and (not attack.while_it_pays or self.pays(one))

    def run(self, after_batch: Callable[[], None] = lambda: None, on_pass: Callable[[], None] = lambda: None) -> None:
        """All that is left to do; `after_batch` is called whenever something is done."""
        with attack_mode(self.raw_model):
            for one in self.passes:
                if self.needed(one):
                    rows = self.waiting(one)
                    if len(rows):
                        self._run_pass(one, rows, after_batch)
                on_pass()

    def _run_pass(self, one: _Pass, rows: Tensor, after_batch: Callable[[], None]) -> None:
        row, model, start = self.rows[one.attack], self.model, time.perf_counter()
        model.forward = model.backward = 0
        for batch, broken in self.batches.each(lambda rows: self._attack(one, rows), rows):
            self.broken_by[batch[broken]] = one.index
            self.done[batch] = one.index + 1
            now = time.perf_counter()
            if one.first:
                row.tried += len(batch)
            row.broke += int(broken.sum())
            row.forward, row.backward = row.forward + model.forward, row.backward + model.backward
            row.seconds += now - start
            start, model.forward, model.backward = now, 0, 0
            after_batch()

    def _start(self, one: _Pass, rows: Tensor) -> Tensor:
        """Where a pass begins, (batch, ...): a random point of the ball; for APGD of its surface (a corner in l_inf).

        Many ascents from far apart end in more places than as many from inside: on networks whose loss is rugged they
        break about twice as many of the images that a first one left. Drawn for blocks of neighbours, whichever of them
        are in the batch: so neither its size nor who else is in it changes what an image is given.
        """
        starts, ball = [], make_ball(self.norm, 1.0)
        for block in (rows // BLOCK).unique().tolist():
            x, eps = (of[block * BLOCK : (block + 1) * BLOCK] for of in (self.x, self.eps))
            generator = torch.Generator().manual_seed(one.seed + block)
            if self.attacks[one.attack].kind == "apgd":
                offset = ball.steepest(random_numbers(torch.randn, x, x.shape, generator))
            else:
                offset = ball.random_start(x, generator)
            starts.append((x + per_example(eps, x) * offset).clamp(0, 1)[rows[rows // BLOCK == block] % BLOCK])
        return torch.cat(starts)

    def _attack(self, one: _Pass, rows: Tensor) -> Tensor:
        """Attack some images. Returns which of them the model errs on when it is shown the result once more, (batch,).

        A model with noise inside must not be left at the first error, which may be luck: there the image of highest
        loss counts.
        """
        attack, x, y, eps = self.attacks[one.attack], self.x[rows], self.y[rows], self.eps[rows]
        few = self.ranking.shape[1] + 1 < (3 if one.rank is None else 4)
        loss = make_loss("margin" if attack.loss_name == "dlr" and few else attack.loss_name)
        stop = not self.random
        targets = None if one.rank is None else self.ranking[rows, one.rank]
        if attack.kind == "square":
            proposals = draw_proposals(x, self.norm, attack.size, torch.Generator().manual_seed(one.seed))
            x_adv = random_search(self.model, x, y, eps, self.norm, proposals=proposals, loss=loss, stop=stop)
        else:
            how: Any = {"start": self._start(one, rows), "steps": attack.size, "loss": loss, "targets": targets}
            if attack.kind == "apgd":
                climb = partial(apgd_ascent, self.model, x, y, norm=self.norm, stop=stop, any_class=True)
                if attack.detour:
                    far = climb(attack.detour * eps, **how | {"steps": (attack.size + 1) // 2})
                    how["start"] = project_pixels(make_ball(self.norm, eps), x, far)
                x_adv = climb(eps, **how)
            else:
                ball, step_size = make_ball(self.norm, eps), (attack.relative_step_size or 2.5 / attack.size) * eps
                x_adv, _ = ascend(self.model, x, y, ball, **how, step_size=step_size, keep="best")
        check_inside(self.norm, eps, x, x_adv)
        with torch.no_grad():
            logits = self.model(x_adv)
        check_logits(logits, y)
        return logits.argmax(1) != y

    # -- what can be put away and taken up again

    @cached_property
    def identity(self) -> dict[str, str]:
        """What must agree for an evaluation to be the same, besides the model's answers. The batch size need not."""
        parameters = self.raw_model.parameters() if isinstance(self.raw_model, nn.Module) else ()
        return {
            "model": hash_tensors(*parameters),
            "images and labels": hash_tensors(self.x, self.y),
            "eps": hash_tensors(self.eps),
            "norm": self.norm,
            "attacks": "; ".join(map(repr, self.attacks)),
            "seed": str([one.seed for one in self.passes]),
        }

    def answers_as(self, state: dict[str, Any]) -> bool:
        """Whether the model does, up to rounding; or if it draws random numbers, up to what they change in a call."""
        if self.random:
            apart = float((self.margins - state["margins"]).abs().mean())
            return apart <= 1.5 * min(self.noise, state["noise"])
        usual = float(state["margins"].abs().median())
        return torch.allclose(self.margins, state["margins"], rtol=0.01, atol=0.01 * usual)

    def state(self) -> dict[str, Any]:
        return {
            "format": self.FORMAT,
            "identity": self.identity,
            "margins": self.margins,
            "noise": self.noise,
            "correct": self.correct.cpu(),
            "done": self.done.cpu(),
            "broken_by": self.broken_by.cpu(),
            "rows": [vars(row).copy() for row in self.rows],
        }

    def take_up(self, state: Any, name: str) -> None:
        """Go on from a state; `name` says in errors where it came from."""
        if not isinstance(state, dict) or state.get("format") != self.FORMAT:
            raise ValueError(
                f"{name} was not written by this version of samlib.evaluate; "
                "choose another name for this evaluation's file, or remove the old one."
            )
        ours, theirs = self.identity, state["identity"]
        differ = [key for key in ours if ours[key] != theirs.get(key)]
        if not {"model", "images and labels"} & set(differ) and not self.answers_as(state):
            differ.insert(0, "model")
        if differ:
            raise ValueError(
                f"{name} belongs to another evaluation: {', '.join(differ)} differ. "
                "Choose another name for this evaluation's file, or remove the old one."
            )
        for key in ("correct", "done", "broken_by"):
            setattr(self, key, state[key].to(self.y.device))
        self.attacked, self.rows = self.correct, [Row(**row) for row in state["rows"]]

    def report(self) -> Report:
        low, high = self.eps.aminmax()
        robust = self.robust_mask
        return Report(
            clean=float(self.correct.double().mean()),
            robust=float(robust.double().mean()),
            robust_mask=robust,
            attacks=self.rows,
            eps=float(low) if low == high else (float(low), float(high)),
            norm=self.norm,
        )


def _prepare(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str,
    budget: str,
    attacks: Sequence[Attack] | None,
    batch_size: int | None,
    generator: torch.Generator | None,
) -> _Evaluation:
    """Check what came from outside; nothing is attacked yet."""
    check_classifier_input(model, x, y)
    eps = check_radius("eps", eps, x)
    make_ball(norm, eps)
    batches = Batches(x, batch_size)
    check_choice("budget", budget, BUDGETS)
    attacks = BUDGETS[budget] if attacks is None else tuple(attacks) if isinstance(attacks, Iterable) else ()
    if not attacks or not all(isinstance(attack, Attack) for attack in attacks):
        raise TypeError(f"attacks is {attacks!r}; it must hold at least one samlib.unions.Attack.")
    if any(attack.kind == "square" for attack in attacks):
        moves_in(norm)
    return _Evaluation(model, x, y, eps, norm, attacks, batches, default_generator(generator))


def evaluate(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    budget: str = "standard",
    attacks: Sequence[Attack] | None = None,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> Report:
    """Robust accuracy with a report: what each attack tried, broke and cost. Other arguments as for `robust_accuracy`.

    With `checkpoint`, an interruption loses nothing but the batch at work: the same call goes on from the file, and its
    numbers are those of an uninterrupted evaluation. (A model that draws random numbers of its own starts those anew.)

    Args:
        checkpoint: file to save to after every batch and to go on from if it exists. It is taken up by the same images
            and settings, and by a model of the same parameters that answers alike.
        progress: show a progress bar over the passes (one for each attack, run and target).

    Raises:
        ValueError, TypeError: an argument is not as said, or the checkpoint is of another evaluation.
        RuntimeError: the model fails on some batch. A batch too large for the memory is halved instead.
        OSError: the checkpoint cannot be read or written.
    """
    evaluation = _prepare(model, x, y, eps, norm, budget, attacks, batch_size, generator)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        evaluation.take_up(load_whole(path, "checkpoint"), f"checkpoint={str(path)!r}")

    def save() -> None:
        if path is not None:
            save_whole(path, evaluation.state(), "checkpoint")

    with tqdm(total=len(evaluation.passes), desc=f"{norm} attacks", unit="pass", disable=not progress) as bar:

        def on_pass() -> None:
            bar.set_postfix(robust=f"{evaluation.robust_mask.double().mean():.1%}", refresh=False)
            bar.update()

        save()
        evaluation.run(save, on_pass)
    return evaluation.report()


def robust_mask(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    budget: str = "standard",
    attacks: Sequence[Attack] | None = None,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Which images are classified correctly and broken by no attack of the union: bool, (n,).

    Arguments as for `robust_accuracy`.
    """
    evaluation = _prepare(model, x, y, eps, norm, budget, attacks, batch_size, generator)
    evaluation.run()
    return evaluation.robust_mask


def robust_accuracy(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float | Tensor,
    norm: str = "linf",
    budget: str = "standard",
    attacks: Sequence[Attack] | None = None,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
) -> float:
    """Share of images that are classified correctly and that no attack of a union breaks, in [0, 1].

    An upper bound: what a stronger attack would find is not known. `diagnose` tells whether to trust it.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside and is attacked in evaluation mode.
        x, y: images with pixels in [0, 1], float32 or float64, (n, ...); labels, int64, (n,).
        eps: radius in pixels of [0, 1]; one number, or one for each image, (n,).
        norm: "linf" or "l2".
        budget: "standard", or "quick" at about a fifth of the cost (`BUDGETS` says which attacks).
        attacks: the union, in the order in which they are tried; the budget's if None.
        batch_size: images attacked at once; by the size of an image if None. It does not change the result.
        generator: seeds the attacks; a fresh one with seed 0 if None.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.
        RuntimeError: the model fails on some batch. A batch too large for the memory is halved instead.
    """
    return float(robust_mask(model, x, y, eps, norm, budget, attacks, batch_size, generator).double().mean())


# Where along a curve an image breaks, a cheap attack estimates well enough for the union to begin there.
SCOUT = (Attack("margin", steps=10, kind="apgd"),)


def robust_curve(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: Sequence[float],
    norm: str = "linf",
    budget: str = "standard",
    attacks: Sequence[Attack] | None = None,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Robust accuracy at each of several radii, in increasing order; other arguments as for `robust_accuracy`.

    What breaks an image breaks it in every larger ball too, and an image that is robust in a ball is so in every
    smaller one. So the union looks for the one radius from which on it breaks an image: it begins where a cheap attack
    lost it, goes down while it breaks the image, up while it does not, and leaves out the radii that are then decided.

    Each verdict of the union is the one that `robust_accuracy` gives at that radius, with the same random numbers. The
    curve can lie below single evaluations, where an attack fails in a ball although it succeeds in a smaller one, and
    above them, where one succeeds in a ball that was left out because it fails in a larger one. It never rises.

    Raises:
        ValueError: `eps` is empty or does not increase.
    """
    radii = [check_number("eps", e) for e in eps] if isinstance(eps, Iterable) else []
    if not radii or any(b <= a for a, b in itertools.pairwise(radii)):
        raise ValueError(f"eps is {eps}; it must hold at least one radius, in increasing order.")
    union = _prepare(model, x, y, radii[0], norm, budget, attacks, batch_size, generator)
    balls = torch.tensor(radii, dtype=x.dtype, device=x.device)

    def robust(evaluation: _Evaluation, level: Tensor, which: Tensor) -> Tensor:
        """Which of these images are robust at the level-th radius, (n,), of each."""
        evaluation.begin(balls[level - 1], which)
        evaluation.run()
        return evaluation.robust_mask

    # The number of radii at which an image is robust is at least `low`, at most `high`, and first guessed.
    low, high = torch.zeros_like(y), torch.where(union.correct, len(radii), 0)
    guess = torch.full_like(y, len(radii) // 2)
    if any(attack.kind != "square" for attack in union.attacks):  # else there may be no gradients to follow
        scout, guess = _prepare(model, x, y, radii[0], norm, budget, SCOUT, batch_size, None), low.clone()
        for i in range(len(radii)):
            guess += robust(scout, torch.full_like(y, i + 1), union.correct & (guess == i))
    while bool((open_ := low < high).any()):
        level = guess.clamp(low + 1, high)
        stood = robust(union, level, open_)
        low, high = torch.where(stood, level, low), torch.where(open_ & ~stood, level - 1, high)
    return [float((low > level).double().mean()) for level in range(len(radii))]
