"""A further norm: what is missing is named, what is there works, and nothing leaves its ball unseen."""

from __future__ import annotations

import pytest
import torch

import samlib
from samlib import balls, random_search
from samlib.attacks import apgd, fgsm, pgd
from samlib.balls import Ball, check_inside, make_ball, per_example
from samlib.evaluation import evaluate, robust_accuracy
from samlib.random_search import square
from samlib.unions import Attack
from tests.norms import NORMS, typical_eps


class L1(Ball):
    """All vectors whose entries' sizes sum to at most `eps`."""

    def norm(self, delta):
        return delta.flatten(1).abs().sum(1)

    def random_start(self, like, generator):
        """Uniform: the gaps between sorted uniform numbers, with random signs."""
        n, d = len(like), like[0].numel()
        cuts = torch.rand(n, d, generator=generator, dtype=torch.float64).sort(1).values
        sizes = torch.diff(torch.cat([torch.zeros(n, 1, dtype=torch.float64), cuts], 1), dim=1)
        signs = 2.0 * torch.randint(2, (n, d), generator=generator) - 1
        return per_example(self.eps, like) * (signs * sizes).to(like.device, like.dtype).view_as(like)

    def steepest(self, gradient):
        """All in the largest entry."""
        flat = gradient.flatten(1).nan_to_num(nan=0.0)
        best = flat.abs().argmax(1, keepdim=True)
        return torch.zeros_like(flat).scatter(1, best, flat.gather(1, best).sign()).view_as(gradient)

    def project(self, delta):
        """Every entry shrinks by the same amount, down to 0 (Duchi et al. 2008)."""
        flat = delta.flatten(1)
        eps = self.eps if isinstance(self.eps, torch.Tensor) else torch.full_like(flat[:, 0], self.eps)
        sizes = flat.abs().sort(dim=1, descending=True).values
        shrink = (sizes.cumsum(1) - eps[:, None]) / torch.arange(1, flat.shape[1] + 1, device=flat.device)
        amount = shrink.masked_fill(sizes <= shrink, -torch.inf).amax(1, keepdim=True).clamp(min=0)
        amount = torch.where(eps[:, None] > 0, amount, sizes[:, :1])
        return (flat.sign() * (flat.abs() - amount).clamp(min=0)).view_as(delta)


@pytest.fixture
def l1(monkeypatch):
    """A ball and no moves, whatever the registries hold."""
    monkeypatch.setitem(balls.BALLS, "l1", L1)
    monkeypatch.delitem(random_search.MOVES, "l1", raising=False)
    return typical_eps("l1")


def test_a_further_norm_works_in_everything_that_needs_its_ball_only(trained, digits, l1):
    x, y = digits[2][:60], digits[3][:60]
    assert l1 == 2.0
    attacks = [fgsm(trained["sgd"], x, y, l1, "l1"), apgd(trained["sgd"], x, y, l1, "l1", steps=20)]
    attacks += [pgd(trained["sgd"], x, y, l1, "l1", steps=20, step_size=0.5)]
    for x_adv in attacks:
        assert (L1(l1).norm(x_adv - x) <= l1 + 1e-5).all()
        assert x_adv.min() >= 0
        assert x_adv.max() <= 1
        assert not torch.equal(x_adv, x)
    union = [Attack("margin", steps=20), Attack("margin", steps=20, kind="apgd")]
    x, y = digits[2][:200], digits[3][:200]
    assert robust_accuracy(trained["sgd"], x, y, l1, "l1", attacks=union) < samlib.accuracy(trained["sgd"], x, y) - 0.2
    model = samlib.mlp().to(x.device)
    history = samlib.train(model, x, y, "at", eps=l1, norm="l1", epochs=2, progress=False)
    assert history["loss"][1] < history["loss"][0]


def test_random_search_says_that_it_has_no_moves_for_a_norm(trained, digits, l1):
    x, y = digits[2][:10], digits[3][:10]
    with pytest.raises(ValueError, match=r"norm is 'l1'.*no moves, only for 'linf', 'l2'.*random_search\.MOVES"):
        square(trained["sgd"], x, y, l1, "l1")
    called = []
    for function in (evaluate, robust_accuracy):  # before anything is attacked, not after half of it
        model = lambda x: called.append(len(x)) or trained["sgd"](x)  # noqa: E731
        with pytest.raises(ValueError, match=r"norm is 'l1'.*'square'"):
            function(model, x, y, l1, "l1")
    assert not called


@pytest.mark.parametrize("piece", sorted(Ball.__abstractmethods__))
def test_a_ball_that_lacks_a_piece_is_told_which(monkeypatch, trained, digits, piece):
    pieces = {name: getattr(L1, name) for name in Ball.__abstractmethods__ if name != piece}
    for kind in (type("Half", (Ball,), pieces), type("Half", (), pieces)):  # a subclass, and a class of one's own
        monkeypatch.setitem(balls.BALLS, "half", kind)
        with pytest.raises(ValueError, match=rf"norm is 'half'.*Half, has no {piece}"):
            pgd(trained["sgd"], *digits[2:], 0.1, "half")


@pytest.mark.parametrize("moves", ["linf", "l2"])
def test_moves_that_leave_the_ball_are_an_error_never_a_number(monkeypatch, trained, digits, l1, moves):
    monkeypatch.setitem(random_search.MOVES, "l1", random_search.MOVES[moves])
    x, y = digits[2][:30], digits[3][:30]
    with pytest.raises(RuntimeError, match=r"norm 'l1': the attack left \d+ of 30 images outside"):
        square(trained["sgd"], x, y, l1, "l1", queries=300)
    with pytest.raises(RuntimeError, match="norm 'l1': the attack left"):
        robust_accuracy(trained["sgd"], x, y, l1, "l1", attacks=[Attack("margin", queries=300, kind="square")])


def test_a_ball_that_does_not_project_is_an_error(monkeypatch, trained, digits):
    monkeypatch.setitem(balls.BALLS, "loose", type("Loose", (L1,), {"project": lambda self, delta: delta}))
    for attack in (pgd, apgd):
        with pytest.raises(RuntimeError, match="norm 'loose': the attack left"):
            attack(trained["sgd"], digits[2][:20], digits[3][:20], 0.5, "loose", steps=5)


@pytest.mark.parametrize("norm", NORMS)
def test_rounding_is_no_breach_and_a_breach_is(norm):
    x = torch.rand(4, 3, 32, 32)
    eps = torch.tensor([0.0, 1e-3, 0.3, 2.0])
    ball = make_ball(norm, eps)
    edge = (x + ball.project(torch.randn_like(x))).clamp(0, 1)
    assert torch.equal(check_inside(norm, eps, x, edge), edge)
    for wrong in (edge + 1e-3 * (x < 0.5), torch.full_like(x, torch.nan), x - 1.5 * (x < 0.5)):
        with pytest.raises(RuntimeError, match=f"norm '{norm}'"):
            check_inside(norm, eps, x, wrong)
