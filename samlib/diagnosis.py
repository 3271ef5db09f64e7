"""Is the robustness real? Checks for gradient masking, as one table with a verdict for each.

A model can hide its adversarial images from an attack without removing them: by vanishing gradients, by a staircase, by
noise. Each leaves a trace that an honest model does not (Athalye et al. 2018, arXiv 1802.00420; Carlini et al. 2019,
arXiv 1902.06705). A table without suspicion proves nothing; one with suspicion says that the number must not be
believed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samlib.ascent import Model, attack_mode
from samlib.attacks import default_generator, pgd
from samlib.balls import make_ball
from samlib.batches import Batches, predict
from samlib.checks import check_classifier_input, check_count, check_model, check_number
from samlib.losses import cross_entropy, make_loss, margin
from samlib.random_search import square
from samlib.reports import html_table, text_table

# Accuracies of attacks that should agree differ by this much by chance on some two hundred images.
SLACK = 0.03

# Networks trained on the digits lead by 7 to 13. From about 17 on float32 rounds the softmax to 1; from 104 on every
# part of the gradient of cross-entropy is 0.
LARGEST_LEAD = 40.0


@dataclass(frozen=True)
class Check:
    """One row: what was checked, what was measured, "ok", "suspicious" or "not checked", and why it matters."""

    name: str
    measured: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Diagnosis:
    """The checks of a model. `print` it, or leave it at the end of a cell."""

    checks: tuple[Check, ...]

    HEAD = ("check", "measured", "verdict", "why it matters")

    @property
    def suspicious(self) -> bool:
        """Whether any check is."""
        return any(check.verdict == "suspicious" for check in self.checks)

    def _summary(self) -> str:
        found = [check.name for check in self.checks if check.verdict == "suspicious"]
        if found:
            return f"Suspicious: {', '.join(found)}. Do not believe the robust accuracy of this model."
        return "Nothing suspicious. (That is no proof: a better attack may still exist.)"

    def _cells(self) -> list[tuple[str, ...]]:
        return [(c.name, c.measured, c.verdict, c.why) for c in self.checks]

    def __str__(self) -> str:
        return f"{text_table(self.HEAD, self._cells(), right_from=4)}\n{self._summary()}"

    def _repr_html_(self) -> str:
        return html_table(self._summary(), self.HEAD, self._cells(), right_from=4)


def diagnose(
    model: Model,
    x: Tensor,
    y: Tensor,
    eps: float,
    norm: str = "linf",
    other: Model | None = None,
    images: int = 200,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Diagnosis:
    """Check for signs that the robustness of `model` is only hidden from the attack.

    Plain PGD on cross-entropy, the attack that most robustness is claimed against, is compared with what should follow
    from it.

    Args:
        model: images (n, ...) -> logits (n, classes); it normalises inside and is judged in evaluation mode.
        x, y: images with pixels in [0, 1], float32 or float64, (n, ...); labels, int64, (n,).
        eps: radius in pixels of [0, 1] at which robustness is claimed; best one at which a part of the images falls.
        norm: "linf" or "l2".
        other: another model for the same data, such as one with another seed, whose adversarial images are tried on
            `model`.
        images: at most so many are used, evenly spaced.
        batch_size: images attacked at once; by the size of an image if None.
        generator: draws the attacks; a fresh one with seed 0 if None.

    Raises:
        ValueError, TypeError: an argument is not as said above, or the model returns something else than logits.
        RuntimeError: the model fails on some batch.
    """
    check_classifier_input(model, x, y)
    eps = check_number("eps", eps, open_low=True)
    make_ball(norm, eps)
    if other is not None:
        check_model(other, x)
    images = check_count("images", images)
    batches = Batches(x, batch_size)
    rows = torch.linspace(0, len(x) - 1, min(images, len(x)), device=x.device).round().long()
    seed = int(torch.randint(2**62, (), generator=(g := default_generator(generator)), device=g.device))
    return Diagnosis(tuple(_Checkup(model, x[rows].detach(), y[rows], eps, norm, batches, seed).checks(other)))


class _Checkup:
    """The checks of one model on some images."""

    def __init__(self, model: Model, x: Tensor, y: Tensor, eps: float, norm: str, batches: Batches, seed: int) -> None:
        self.model, self.x, self.y, self.eps, self.norm = model, x, y, eps, norm
        self.batches, self.seed = batches, seed
        self.all = torch.arange(len(x), device=x.device)

    def predict(self, model: Model, x: Tensor) -> Tensor:
        """Logits, (n, classes)."""
        with attack_mode(model), torch.no_grad():
            return predict(model, x, self.y, self.batches)

    def attack(
        self, model: Model, how: Callable[..., Tensor] = pgd, eps: float | None = None, **settings: Any
    ) -> Tensor:
        """The adversarial images of `model`, in its own precision."""
        eps = self.eps if eps is None else eps
        x = self.x.double() if settings.pop("double", False) else self.x
        generator = torch.Generator().manual_seed(self.seed)
        if how is pgd:
            settings = {"steps": 40, "step_size": eps / 4} | settings

        def batch(rows: Tensor) -> Tensor:
            return how(model, x[rows], self.y[rows], eps, self.norm, generator=generator, **settings)

        return self.batches.joined(batch, self.all[: len(x)])

    def right(self, x: Tensor, model: Model | None = None) -> Tensor:
        """Which images are classified correctly, bool, (n,)."""
        return self.predict(self.model if model is None else model, x).argmax(1) == self.y

    def share(self, which: Tensor) -> float:
        return float(which.double().mean())

    def checks(self, other: Model | None) -> list[Check]:
        clean = self.predict(self.model, self.x)
        by_steps = [self.right(self.attack(self.model, steps=1, step_size=self.eps, random_start=False))]
        by_steps += [self.right(self.attack(self.model, steps=steps)) for steps in (10, 40)]
        by_margin = self.right(self.attack(self.model, loss="margin"))
        left = by_steps[-1] & by_margin
        steps = [self.share(right) for right in by_steps]
        random = self.randomness()
        return [
            self.at_zero(clean.argmax(1) == self.y),
            self.along_eps(steps[-1]),
            self.at_large_eps(),
            self.along_steps(steps),
            self.by_another_loss(steps[-1], self.share(by_margin)),
            self.zero_gradients(),
            self.logit_scale(clean),
            self.without_gradients(left),
            random,
            self.mode(random.verdict == "suspicious"),
            self.precision(steps[-1]),
            self.transfer(other, left),
        ]

    # ---- the checks, each a row -------------------------------------------------------------------------------------

    def at_zero(self, clean: Tensor) -> Check:
        still = self.right(self.attack(self.model, eps=0.0, steps=3, step_size=0.0))
        return _check(
            "eps 0",
            f"{_percent(self.share(still))} attacked with eps 0, {_percent(self.share(clean))} clean",
            bool((still != clean).any()),
            "an attack that may change nothing must find nothing",
        )

    def along_eps(self, here: float) -> Check:
        found = [self.share(self.right(self.attack(self.model, eps=f * self.eps))) for f in (0.5, 2)]
        curve = [found[0], here, found[1]]
        return _check(
            "more eps",
            f"{_list(curve)} at eps / 2, eps, 2 eps",
            any(b > a + SLACK for a, b in itertools.pairwise(curve)),
            "a larger ball holds the smaller one: accuracy must fall",
        )

    def at_large_eps(self) -> Check:
        # half the pixel range: every image can be made the same grey, so no model can be right on all of them
        eps = float(make_ball(self.norm, 0.0).norm(torch.full_like(self.x[:1], 0.5)))
        found = self.share(self.right(self.attack(self.model, eps=eps, step_size=eps / 10)))
        return _check(
            "large eps",
            f"{_percent(found)} at eps {eps:g}",
            found > 0.05,
            "every image may become plain grey there: what is not broken was not attacked",
        )

    def along_steps(self, curve: list[float]) -> Check:
        return _check(
            "more steps",
            f"{_list(curve)} after 1, 10, 40 steps",
            curve[2] > min(curve[:2]) + SLACK,
            "the path must lead uphill: more steps must not do worse",
        )

    def by_another_loss(self, by_ce: float, by_margin: float) -> Check:
        return _check(
            "margin loss",
            f"{_percent(by_margin)} by the margin, {_percent(by_ce)} by cross-entropy",
            by_ce > by_margin + SLACK,
            "cross-entropy dies where the model is certain; the margin does not",
        )

    def zero_gradients(self) -> Check:
        zero = {name: self.share(self.gradient_is_zero(name)) for name in ("ce", "margin")}
        return _check(
            "zero gradients",
            f"{_percent(zero['ce'])} of cross-entropy, {_percent(zero['margin'])} of the margin",
            max(zero.values()) > 0.02,
            "a zero gradient shows no way, though there may be one",
        )

    def gradient_is_zero(self, loss: str) -> Tensor:
        objective = make_loss(loss)

        def batch(rows: Tensor) -> Tensor:
            x = self.x[rows].clone().requires_grad_()
            (gradient,) = torch.autograd.grad(objective(self.model(x), self.y[rows]).sum(), x)
            return gradient.flatten(1).abs().amax(1) == 0

        with attack_mode(self.model):
            return self.batches.joined(batch, self.all)

    def logit_scale(self, clean: Tensor) -> Check:
        lead = float(-margin(clean, self.y).median())
        certain = self.share(cross_entropy(clean.float(), self.y) == 0)
        return _check(
            "logit scale",
            f"the right logit leads by {lead:.3g} (median); cross-entropy is exactly 0 on {_percent(certain)}",
            lead > LARGEST_LEAD,
            "large logits round the softmax to 1, and its gradient to 0",
        )

    def without_gradients(self, left: Tensor) -> Check:
        more = left & ~self.right(self.attack(self.model, square, queries=300))
        return _check(
            "no gradients",
            f"random search breaks {_percent(self.share(more))} that PGD did not break",
            self.share(more) > SLACK,
            "who sees the gradients must not do worse than who does not",
        )

    def randomness(self) -> Check:
        first, second = (self.predict(self.model, self.x) for _ in range(2))
        changed = self.share(first.argmax(1) != second.argmax(1))
        apart = float((first - second).abs().max() / first.abs().max().clamp(min=1e-12))
        return _check(
            "randomness",
            f"same images twice: logits differ by {_percent(apart)}, {_percent(changed)} other answers",
            apart > 1e-3,
            "each step of an attack sees another model; average over the noise",
        )

    def mode(self, random: bool) -> Check:
        name, why = "evaluation mode", "an answer must not depend on the other images of the batch"
        if random:
            return Check(name, "its answers are random", "not checked", why)
        stuck = []
        if isinstance(self.model, nn.Module):
            with attack_mode(self.model):
                stuck = [type(module).__name__ for module in self.model.modules() if module.training]
        together = self.predict(self.model, self.x)
        half = len(self.x) // 2 or 1
        apart = float((together[:half] - self.predict(self.model, self.x[:half])).abs().max())
        apart /= float(together.abs().max().clamp(min=1e-12))
        detail = f"; still in training mode: {', '.join(sorted(set(stuck)))}" if stuck else ""
        measured = f"logits differ by {_percent(apart)} in half a batch{detail}"
        return _check(name, measured, apart > 1e-3 or bool(stuck), why)

    def precision(self, single: float) -> Check:
        name, why = "float64", "what rounding hides in float32 is still there"
        if not isinstance(self.model, nn.Module) or self.x.dtype == torch.float64:
            reason = "the images are float64 already" if isinstance(self.model, nn.Module) else "model is no nn.Module"
            return Check(name, reason, "not checked", why)
        try:
            with torch.inference_mode(False):  # a copy made there would have no gradients
                model = copy.deepcopy(self.model).double()
            double = self.share(self.right(self.attack(model, double=True), model))
        except (RuntimeError, TypeError) as error:  # a layer or a device without float64, or one that cannot be copied
            return Check(name, f"{type(error).__name__} in float64", "not checked", why)
        measured = f"{_percent(double)} in float64, {_percent(single)} in {str(self.x.dtype)[6:]}"
        return _check(name, measured, single > double + SLACK, why)

    def transfer(self, other: Model | None, left: Tensor) -> Check:
        name, why = "transfer", "who knows the model must not do worse than who does not"
        if other is None:
            return Check(name, "no other model was given", "not checked", why)
        more = left & ~self.right(self.attack(other))
        measured = f"another model's adversarial images break {_percent(self.share(more))} that PGD did not break"
        return _check(name, measured, self.share(more) > SLACK, why)


def _check(name: str, measured: str, suspicious: bool, why: str) -> Check:
    return Check(name, measured, "suspicious" if suspicious else "ok", why)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _list(values: list[float]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in values) + " %"
