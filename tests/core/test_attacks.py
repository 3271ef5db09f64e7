"""FGSM, PGD, APGD and Square: budgets, side effects, strength, cost, and agreement with peers."""

from __future__ import annotations

import contextlib
import copy
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import samlib
from samlib.ascent import apgd_ascent
from samlib.attacks import apgd, attack_mode, fgsm, pgd
from samlib.balls import make_ball
from samlib.batches import default_batch_size
from samlib.losses import LOSSES, cross_entropy, margin
from samlib.random_search import square
from tests.norms import NORMS, NORMS_AND_EPS, typical_eps

PEERS = [("linf", 0.125), ("l2", 0.5)]  # the norms that torchattacks has


def dual_norm(w: torch.Tensor, norm: str) -> torch.Tensor:
    """The most that <w, v> is over vectors v of norm 1."""
    return (make_ball(norm, 1.0).steepest(w[None])[0] * w).sum()


def linear_classifier(weight: torch.Tensor) -> nn.Module:
    """Two classes, z = (0, w . x): for it the nearest adversarial image has a closed form."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([torch.zeros_like(weight), weight]))
        model[1].bias.zero_()
    return model.to(weight.device, weight.dtype)


# ---- budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(
    ("norm", "eps"), [(norm, factor * eps) for norm, eps in NORMS_AND_EPS for factor in (0, 1, 10)]
)
def test_the_budget_and_the_pixel_range_hold(trained, digits, norm, eps, autocast, device):
    x, y = digits[2][:100], digits[3][:100]
    context = torch.autocast(device.type, torch.bfloat16) if autocast else contextlib.nullcontext()
    with context:
        attacks = [fgsm(trained["sgd"], x, y, eps, norm)]
        attacks += [pgd(trained["sgd"], x, y, eps, norm, loss=loss, restarts=2) for loss in LOSSES]
    for x_adv in attacks:
        assert x_adv.dtype == torch.float32
        assert (make_ball(norm, eps).norm(x_adv - x) <= eps + 1e-6).all()
        assert x_adv.min() >= 0
        assert x_adv.max() <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_each_example_may_have_its_own_eps(trained, digits, norm, device):
    x, y = digits[2][:64], digits[3][:64]
    eps = torch.linspace(0, 0.3, 64, device=device)
    norms = make_ball(norm, eps).norm(pgd(trained["sgd"], x, y, eps, norm, restarts=3) - x)
    assert norms[0] == 0
    assert (norms <= eps + 1e-6).all()
    assert (norms[1:] > 0.5 * eps[1:]).all()


# ---- side effects ----------------------------------------------------------------------------------------------------


def test_an_attack_leaves_model_input_and_generators_as_they_were(digits, device):
    model = samlib.small_resnet().to(device).train()
    model.bn.eval()  # frozen on purpose
    x, y = digits[2][:16].clone(), digits[3][:16]
    model(x).sum().backward()
    model.conv1.weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    modes = [module.training for module in model.modules()]
    global_state, x_before = torch.get_rng_state(), x.clone()

    pgd(model, x, y, 0.1, restarts=2)

    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(torch.equal(gradients[name], p.grad) for name, p in model.named_parameters())
    assert [module.training for module in model.modules()] == modes
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["conv1.weight"]
    assert torch.equal(torch.get_rng_state(), global_state)
    assert torch.equal(x, x_before)
    assert x.grad is None


def test_everything_is_restored_when_the_model_raises(digits, device):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            raise ArithmeticError

    model = Broken().to(device).train()
    with pytest.raises(ArithmeticError):
        pgd(model, digits[2][:4], digits[3][:4], 0.1)
    assert model.training
    assert model.layer.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_an_attack_works_where_gradients_are_switched_off(trained, digits, context):
    x, y = digits[2][:32], digits[3][:32]
    with context():
        inside = pgd(trained["sgd"], x, y, 0.1)
    assert torch.equal(inside, pgd(trained["sgd"], x, y, 0.1))


def test_the_same_seed_gives_the_same_attack_and_another_seed_another(trained, digits):
    def attack(generator=None):
        return pgd(trained["sgd"], digits[2][:32], digits[3][:32], 0.1, steps=1, generator=generator)

    assert torch.equal(attack(), attack())
    assert torch.equal(attack(), attack(torch.Generator().manual_seed(0)))
    assert not torch.equal(attack(), attack(torch.Generator().manual_seed(1)))


def test_the_model_is_attacked_in_evaluation_mode(digits, device):
    model = samlib.small_resnet().to(device)
    x, y = digits[2][:16], digits[3][:16]
    assert torch.equal(pgd(model.train(), x, y, 0.1), pgd(model.eval(), x, y, 0.1))


@pytest.mark.parametrize("attack", [pgd, apgd])
def test_later_runs_give_an_image_what_they_give_it_beside_others(trained, digits, attack, device):
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    model, x, y = copy.deepcopy(trained["sgd"]).double(), digits[2].double(), digits[3]
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    results = [
        attack(model, torch.cat([some, x[:20]]), torch.cat([of, y[:20]]), 0.1, steps=3, restarts=4, generator=generator)
        for (some, of), generator in zip(
            ((x[20:40], y[20:40]), (x[20:40], (y[20:40] + 1) % 10)), generators, strict=True
        )
    ]  # the others are still robust after some runs, or misread from the first
    assert torch.allclose(results[0][20:], results[1][20:], atol=1e-12)
    assert not torch.equal(results[0][:20], results[1][:20])
    assert torch.equal(generators[0].get_state(), generators[1].get_state())


ATTACKS = {
    "fgsm": fgsm,
    "pgd": functools.partial(pgd, restarts=3, steps=4),
    "apgd": functools.partial(apgd, restarts=3, steps=4),
    "square": functools.partial(square, queries=40),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_batch_size_changes_no_result_and_too_large_a_batch_is_halved(trained, digits, attack, norm, device):
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    model, x, y = copy.deepcopy(trained["sgd"]).double(), digits[2][:40].double(), digits[3][:40]
    eps = torch.linspace(0.5, 1, 40, device=device).double() * typical_eps(norm)
    sizes = []

    def small_machine(x):
        sizes.append(len(x))
        if len(x) > 11:
            raise MemoryError
        return model(x)

    whole = attack(model, x, y, eps, norm)
    for size in (40, 7, 1):
        assert torch.allclose(attack(model, x, y, eps, norm, batch_size=size), whole, atol=1e-9)
    assert torch.allclose(attack(small_machine, x, y, eps, norm), whole, atol=1e-9)
    assert sizes[:3] == [40, 20, 10]
    assert max(sizes[3:]) == 10
    with pytest.raises(ValueError, match="batch_size is 0"):
        attack(model, x, y, eps, norm, batch_size=0)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_many_images_go_through_the_model_in_batches(attack, device):
    sizes = []
    model = samlib.mlp((4,)).to(device)
    model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    x, y = torch.rand(2100, 1, 8, 8, device=device), torch.zeros(2100, dtype=torch.long, device=device)
    attack(model, x, y, 0.01)
    assert max(sizes) == default_batch_size(x) == 1024


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_result_does_not_hang_on_the_graph_of_its_arguments(trained, digits, attack):
    x, y = digits[2][:6].clone().requires_grad_(), digits[3][:6]
    eps = torch.full((6,), 0.1, device=x.device, requires_grad=True)
    assert not attack(trained["sgd"], x, y, eps).requires_grad
    assert not pgd(trained["sgd"], x, y, 0.1, step_size=eps / 4).requires_grad


def test_an_image_is_attacked_alike_alone_and_in_a_batch(trained, digits):
    x, y = digits[2][:8], digits[3][:8]
    together = pgd(trained["sgd"], x, y, 0.1, random_start=False)
    alone = torch.cat([pgd(trained["sgd"], x[i : i + 1], y[i : i + 1], 0.1, random_start=False) for i in range(8)])
    assert torch.allclose(together, alone, atol=1e-6)


# ---- strength --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("norm", NORMS)
def test_on_a_linear_model_an_attack_succeeds_just_beyond_the_optimum_and_never_below(norm, loss, device):
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(25, generator=generator, dtype=torch.float64)
    x = (0.5 + 0.02 * torch.randn(200, 1, 5, 5, generator=generator, dtype=torch.float64)).to(device)
    w = w.to(device)
    model = linear_classifier(w)
    score = x.flatten(1) @ w
    y = (score > 0).long()
    # The distance of x to the plane w . x = 0 is |w . x| over the dual norm of w. No pixel meets 0 or 1 on the way.
    optimum = score.abs() / dual_norm(w, norm)
    assert optimum.max() < 0.4

    for factor, broken in [(0.95, False), (1.05, True)]:
        x_adv = pgd(model, x, y, factor * optimum, norm, steps=40, loss=loss)
        assert ((model(x_adv).argmax(1) != y) == broken).all()


@pytest.mark.parametrize(("norm", "eps"), NORMS_AND_EPS)
def test_the_best_iterate_is_at_least_as_good_as_the_last(trained, digits, norm, eps):
    x, y = digits[2], digits[3]
    for name, loss in LOSSES.items():
        values = {}
        for keep in ("best", "last"):
            x_adv = pgd(trained["sam"], x, y, eps, norm, steps=7, step_size=2 * eps, loss=name, keep=keep)
            with torch.no_grad():
                values[keep] = loss(trained["sam"](x_adv), y)
        assert (values["best"] >= values["last"] - 1e-6).all()
        assert (values["best"] > values["last"]).any()


def test_more_steps_and_restarts_never_break_fewer_images(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    one = model(pgd(model, x, y, 0.1, steps=3)).argmax(1) != y
    three = model(pgd(model, x, y, 0.1, steps=3, restarts=4)).argmax(1) != y
    assert (three | ~one).all()  # what one run breaks stays broken
    assert three.sum() > one.sum()


def test_restarts_touch_only_examples_that_are_still_robust(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    first = pgd(model, x, y, 0.1, steps=3)
    broken = model(first).argmax(1) != y
    seen = []
    handle = model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    again = pgd(model, x, y, 0.1, steps=3, restarts=2)
    handle.remove()
    assert torch.equal(again[broken], first[broken])
    assert min(seen) == int((~broken).sum())


def test_a_targeted_attack_reaches_its_target(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    targets = (y + 3) % 10
    for loss in ("ce", "margin"):
        x_adv = pgd(model, x, y, 2.0, "l2", steps=40, loss=loss, targets=targets)
        assert (model(x_adv).argmax(1) == targets).float().mean() > 0.9
    logits = model(pgd(model, x, y, 2.0, "l2", steps=40, loss="dlr", targets=targets))  # the target must beat y only
    assert (logits.gather(1, targets[:, None]) > logits.gather(1, y[:, None])).float().mean() > 0.9
    assert torch.equal(y, digits[3])


@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("attack", [pgd, apgd])
def test_with_targets_every_attack_goes_on_until_it_reaches_them(trained, digits, attack, loss):
    x, y, model = digits[2][:200], digits[3][:200], trained["sgd"]
    targets = (y + 3) % 10
    reached = model(attack(model, x, y, 2.0, "l2", steps=40, loss=loss, targets=targets)).argmax(1) == targets
    assert reached.float().mean() > 0.9
    once, often = (
        model(attack(model, x, y, 1.0, "l2", steps=3, loss=loss, targets=targets, restarts=runs)).argmax(1) == targets
        for runs in (1, 8)
    )
    assert (often | ~once).all()
    assert often.sum() > once.sum()


def test_an_ascent_may_be_content_with_any_wrong_class_and_is_done_sooner(trained, digits):
    x, y, model = digits[2][:200], digits[3][:200], trained["sgd"]
    eps, shown = torch.full_like(x[:, 0, 0, 0], 0.1), []

    def counted(x):
        shown[-1] += len(x)
        return model(x)

    for any_class in (False, True):
        shown.append(0)
        with attack_mode(model):
            x_adv = apgd_ascent(
                counted, x, y, eps, "linf", start=x, steps=30, loss=margin, targets=(y + 3) % 10, any_class=any_class
            )
    assert shown[1] < shown[0]
    assert robust(model, x_adv, y).sum() < robust(model, x, y).sum()


@pytest.mark.parametrize(
    ("targets", "middle", "end"),
    [(None, (0.45, 0.5, 0.05), (0.4, 0.3, 0.3)), (1, (0.3, 0.4, 0.3), (0.5, 0.45, 0.05))],
)
@pytest.mark.parametrize("attack", [pgd, functools.partial(pgd, restarts=2)])
def test_a_broken_iterate_is_better_than_one_of_higher_loss(attack, targets, middle, end, device):
    """The image's one pixel goes from .5 over .6, where the model errs, to .7, where the cross-entropy is higher."""
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    known = torch.tensor([(0.6, 0.2, 0.2), middle, end], dtype=torch.float64, device=device)

    def model(x):
        place = 10 * x - 5
        left = place.detach().long().clamp(0, 1).squeeze(1)
        return 7 + (known[left] + (known[left + 1] - known[left]) * (place - left[:, None])).log()

    x, y = torch.full((1, 1), 0.5, dtype=torch.float64, device=device), torch.zeros(1, dtype=torch.long, device=device)
    how = {"steps": 2, "step_size": 0.1, "random_start": False, "targets": None if targets is None else y + targets}
    assert attack(model, x, y, 0.2, keep="last", **how).item() == pytest.approx(0.7)
    assert attack(model, x, y, 0.2, **how).item() == pytest.approx(0.6)


def test_cross_entropy_alone_is_fooled_by_scaled_logits_and_the_margin_is_not(trained, digits):
    class Scaled(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return 30 * self.model(x)

    x, y, model = digits[2], digits[3], trained["sgd"]
    robust = {
        (loss, scaled): (net(pgd(net, x, y, 0.125, steps=40, loss=loss)).argmax(1) == y).float().mean().item()
        for loss in ("ce", "margin")
        for scaled, net in ((False, model), (True, Scaled(model)))
    }
    assert robust["ce", True] > robust["ce", False] + 0.3
    assert abs(robust["margin", True] - robust["margin", False]) < 0.03


# ---- peers -----------------------------------------------------------------------------------------------------------


def peer_attack(model, x, y, norm, eps, step_size, steps):
    """The same attack by torchattacks, its guard against division by zero made too small to matter."""
    torchattacks = pytest.importorskip("torchattacks")
    if norm == "linf":
        return torchattacks.PGD(model, eps=eps, alpha=step_size, steps=steps, random_start=False)(x, y)
    return torchattacks.PGDL2(model, eps=eps, alpha=step_size, steps=steps, random_start=False, eps_for_division=1e-30)(
        x, y
    )


@pytest.mark.parametrize(("norm", "eps"), PEERS)
@pytest.mark.parametrize("double", [True, False])
def test_pgd_agrees_with_torchattacks_and_its_best_iterate_is_no_worse(trained, digits, norm, eps, double):
    model, x, y = copy.deepcopy(trained["sam"]), digits[2], digits[3]
    if double:
        model, x = model.double(), x.double()
    theirs = peer_attack(model, x, y, norm, eps, eps / 4, 10)
    ours = pgd(model, x, y, eps, norm, steps=10, step_size=eps / 4, random_start=False, keep="last")
    best = pgd(model, x, y, eps, norm, steps=10, step_size=eps / 4, random_start=False, keep="best")
    # In float32 the sign of a gradient entry may hang on the last bit; an image in a hundred may then go another way.
    alike = (ours - theirs).abs().flatten(1).amax(1) <= 1e-6
    assert alike.all() if double else alike.float().mean() > 0.99
    ours_best, theirs_last = cross_entropy(model(best), y), cross_entropy(model(theirs), y)
    assert (ours_best >= theirs_last - (1e-6 if double else 1e-5)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_fgsm_is_one_full_step_along_the_finite_difference_gradient(digits, norm, device):
    model = samlib.mlp(hidden=(16,), seed=4).double().to(device)
    x, y = 0.2 + 0.6 * digits[2][:5].double(), digits[3][:5]
    gradient, h = torch.zeros_like(x), 1e-6
    for i in range(64):
        e = torch.zeros(64, dtype=torch.float64, device=device)
        e[i] = h
        e = e.view(1, 1, 8, 8)
        gradient.view(5, 64)[:, i] = (cross_entropy(model(x + e), y) - cross_entropy(model(x - e), y)) / (2 * h)
    step = make_ball(norm, 1.0).steepest(gradient)
    assert torch.allclose(fgsm(model, x, y, 0.1, norm), x + 0.1 * step, atol=1e-6)


# ---- cost ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [samlib.mlp, samlib.small_resnet])
@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_pgd_step_costs_two_forward_passes(build, keep, digits, device):
    model, x, y = build().to(device).eval(), digits[2][:8], digits[3][:8]

    def flops(steps=None):
        with FlopCounterMode(display=False) as counter:
            pgd(model, x, y, 0.1, steps=steps, keep=keep) if steps else model(x)
        return counter.get_total_flops()

    assert (flops(20) - flops(10)) / 10 <= 2.02 * flops()


@pytest.mark.slow
def test_a_compiled_model_computes_no_weight_gradient_in_an_attack(digits, device):
    from torch._dynamo.backends.common import aot_autograd

    products = []

    def count_products(graph, _):
        products.append(sum("mm" in str(node.target) for node in graph.graph.nodes))
        return graph.forward

    def products_of_backward(run):
        products.clear()
        torch._dynamo.reset()
        model = samlib.mlp().to(device)
        run(torch.compile(model, backend=aot_autograd(fw_compiler=lambda g, _: g.forward, bw_compiler=count_products)))
        return max(products)

    x, y = digits[2][:8], digits[3][:8]

    def unfrozen(model):
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(cross_entropy(model(leaf), y).sum(), leaf)

    assert products_of_backward(lambda model: pgd(model, x, y, 0.1, steps=2)) == 3  # one for each of the three layers
    assert products_of_backward(unfrozen) > 3  # the count does see weight gradients where there are any


def test_an_attack_mode_inside_another_ends_where_it_began(device):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).to(device).train()
    with attack_mode(model):
        with attack_mode(model):
            assert not model.training
        assert not model[1].training
        assert not any(p.requires_grad for p in model.parameters())
    assert model[1].training
    assert all(p.requires_grad for p in model.parameters())


def test_margin_restarts_are_judged_by_success(trained, digits):
    x, y, model = digits[2], digits[3], trained["at"]
    x_adv = pgd(model, x, y, 0.2, steps=5, restarts=3, loss="margin")
    value = margin(model(x_adv), y)
    assert torch.equal(value > 0, model(x_adv).argmax(1) != y)
    assert (value > 0).any()


# ---- APGD and Square -------------------------------------------------------------------------------------------------


def robust(model, x_adv, y):
    with torch.no_grad():
        return model(x_adv).argmax(1) == y


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from([(3, 1, 8, 8), (2, 3, 5, 7), (4, 12), (2, 6, 4), (1, 2, 1, 3)]),
    eps=st.sampled_from([0.0, 1e-3, 0.1, 0.7, 5.0]),
    steps=st.integers(1, 12),
    seed=st.integers(0, 1000),
    vary=st.booleans(),
)
def test_apgd_and_square_stay_in_ball_and_pixel_range(norm, shape, eps, steps, seed, vary, device):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator).round(decimals=1).to(device)  # some pixels are 0 or 1
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), 5)).to(device)
    y = torch.randint(5, shape[:1], generator=generator).to(device)
    radius = eps * torch.linspace(0, 1, len(x), device=device) if vary else eps
    before = x.clone()
    attacked = [apgd(model, x, y, radius, norm, steps, "dlr", generator=generator)]
    attacked += [apgd(model, x, y, radius, norm, steps, targets=(y + 1) % 5, restarts=2, generator=generator)]
    attacked += [square(model, x, y, radius, norm, 5 * steps, generator=generator)]
    for x_adv in attacked:
        assert x_adv.shape == x.shape
        assert (make_ball(norm, radius).norm(x_adv - x) <= torch.as_tensor(radius, device=device) + 1e-6).all()
        assert x_adv.min() >= 0
        assert x_adv.max() <= 1
    assert torch.equal(x, before)


@pytest.mark.parametrize(("norm", "eps"), NORMS_AND_EPS)
def test_more_of_apgd_or_square_never_ends_lower(trained, digits, norm, eps):
    """The same seed, so the same start: what is kept is the best on the way, and what is broken stays so."""
    x, y, model = digits[2][:200], digits[3][:200], trained["at"]
    for attack, few, many in ((apgd, 1, 20), (square, 1, 100)):
        name = "steps" if attack is apgd else "queries"
        start, end = (attack(model, x, y, eps, norm, **{name: number}, loss="margin") for number in (few, many))
        if attack is apgd:
            values = [margin(model(x_adv), y) for x_adv in (start, end)]
            assert (values[1] >= values[0] - 1e-6)[values[1] <= 0].all()
        assert not (robust(model, end, y) & ~robust(model, start, y)).any()
        assert robust(model, end, y).sum() < robust(model, x, y).sum()


@pytest.mark.long
@pytest.mark.parametrize("name", ["sgd", "sam", "at"])
@pytest.mark.parametrize(("norm", "eps"), NORMS_AND_EPS)
def test_apgd_is_no_weaker_than_pgd_at_equal_cost_and_square_is_weaker_than_both(trained, digits, name, norm, eps):
    x, y, model = digits[2], digits[3], trained[name]
    by_apgd, by_pgd = (
        robust(model, attack(model, x, y, eps, norm, steps=25, loss="margin"), y).sum().item() for attack in (apgd, pgd)
    )
    assert by_apgd <= by_pgd + 2, f"in {norm}, APGD with steps along the ball's `steepest` is weaker than PGD"
    by_square = robust(model, square(model, x, y, eps, norm, queries=300), y).sum().item()
    assert by_apgd - 2 <= by_square < 0.99 * robust(model, x, y).sum().item()


def test_apgd_takes_few_steps_well_where_pgd_with_tiny_steps_does_not(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    tiny = pgd(model, x, y, 0.125, steps=10, step_size=0.125 / 40, random_start=False)
    assert robust(model, apgd(model, x, y, 0.125, steps=10), y).sum() < robust(model, tiny, y).sum() - 30


@pytest.mark.parametrize(("norm", "eps"), PEERS)
def test_apgd_and_square_are_as_strong_as_those_of_torchattacks(trained, digits, norm, eps):
    torchattacks = pytest.importorskip("torchattacks")
    x, y, model = digits[2][:300], digits[3][:300], trained["sam"].eval()
    theirs = {"linf": "Linf", "l2": "L2"}[norm]
    pairs = [(torchattacks.APGD(model, norm=theirs, eps=eps, steps=20), apgd(model, x, y, eps, norm, steps=20))]
    if norm == "linf":
        peer = torchattacks.Square(model, norm=theirs, eps=eps, n_queries=200)
        pairs.append((peer, square(model, x, y, eps, norm, queries=200)))
    else:  # theirs cannot search images of 8x8 pixels in l_2: its tiles are empty
        image = torch.nn.functional.interpolate(x[:100], scale_factor=2)
        wide = nn.Sequential(nn.AvgPool2d(2), model)
        peer = torchattacks.Square(wide, norm=theirs, eps=2 * eps, n_queries=200)
        left = [
            robust(wide, x_adv, y[:100]).sum().item()
            for x_adv in (peer(image, y[:100]).clamp(0, 1), square(wide, image, y[:100], 2 * eps, norm, queries=200))
        ]
        assert left[1] <= left[0] + 3
    for peer, ours in pairs:
        assert robust(model, ours, y).sum() <= robust(model, peer(x, y).clamp(0, 1), y).sum() + 3


@pytest.mark.parametrize("attack", [apgd, square])
def test_an_image_is_searched_alike_alone_and_in_a_batch(trained, digits, attack, device):
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    model, x, y = copy.deepcopy(trained["sgd"]).double(), digits[2][:1].double(), digits[3][:1]
    others = digits[2][1:9].double()
    alone = attack(model, x, y, 0.08)
    together = attack(model, torch.cat([x, others]), torch.cat([y, digits[3][1:9]]), 0.08)
    assert torch.allclose(alone[0], together[0], atol=1e-9)


@pytest.mark.parametrize("attack", [apgd, square])
def test_apgd_and_square_stop_at_the_first_success_and_leave_no_trace(digits, trained, attack, device):
    model = samlib.small_resnet().to(device).train()
    model.bn.eval()
    x, y = digits[2][:16], digits[3][:16]
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    modes = [module.training for module in model.modules()]
    attack(model, x, y, 0.1)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)

    calls = []
    handle = trained["sgd"].register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    attack(trained["sgd"], digits[2], digits[3], 1.0)
    handle.remove()
    assert len(calls) < 40  # of 100 steps or 1,000 queries
    assert calls == sorted(calls, reverse=True)


def test_square_needs_no_gradient_and_asks_no_more_than_it_may(trained, digits, device):
    calls = []

    def model(x):
        calls.append(len(x))
        with torch.no_grad():
            return trained["at"](x)

    x, y = digits[2][:50], digits[3][:50]
    x_adv = square(model, x, y, 0.05, queries=60)
    assert len(calls) == 60
    assert max(calls) == 50
    assert (x_adv != x).flatten(1).any(1).all()


@pytest.mark.parametrize("norm", NORMS)
def test_on_a_linear_model_apgd_succeeds_just_beyond_the_optimum(norm, device):
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(25, generator=generator, dtype=torch.float64)
    x = (0.5 + 0.02 * torch.randn(200, 1, 5, 5, generator=generator, dtype=torch.float64)).to(device)
    model, score = linear_classifier(w.to(device)), x.flatten(1) @ w.to(device)
    y = (score > 0).long()
    optimum = score.abs() / dual_norm(w, norm).to(device)
    for factor, broken in [(0.95, False), (1.05, True)]:
        for loss in ("ce", "margin"):
            assert (robust(model, apgd(model, x, y, factor * optimum, norm, loss=loss), y) != broken).all()
        if norm == "linf":  # the optimum is a corner of the cube, and random search goes from corner to corner
            found = ~robust(model, square(model, x, y, factor * 1.05 * optimum, norm, queries=2000), y)
            assert found.float().mean() > 0.9 if broken else not found.any()


@pytest.mark.parametrize("attack", [samlib.pgd, samlib.apgd, samlib.square])
def test_a_model_that_writes_over_its_images_is_attacked_as_one_that_does_not(attack, digits):
    x, y = digits[2][:20], digits[3][:20]
    model = samlib.mlp((16,), mean=0.0, std=1.0).to(x.device)
    size = {"queries": 30} if attack is samlib.square else {"steps": 5}
    kept = x.clone()
    found = attack(lambda images: model(images.mul_(0.5)), x, y, 0.1, **size)
    assert torch.equal(found, attack(lambda images: model(images * 0.5), x, y, 0.1, **size))
    assert torch.equal(x, kept)


def test_counts_may_come_from_numpy(digits):
    x, y = digits[2][:10], digits[3][:10]
    model = samlib.mlp((16,)).to(x.device)
    three = np.int64(3)
    assert torch.equal(samlib.apgd(model, x, y, 0.1, steps=three), samlib.apgd(model, x, y, 0.1, steps=3))
    assert torch.equal(samlib.pgd(model, x, y, 0.1, steps=three), samlib.pgd(model, x, y, 0.1, steps=3))
    union = [samlib.evaluation.Attack(steps=three, kind="apgd", restarts=np.int64(2))]
    assert union[0] == samlib.evaluation.Attack(steps=3, kind="apgd", restarts=2)
    assert type(union[0].restarts) is int


def test_logits_of_whole_numbers_are_refused(digits):
    x, y = digits[2][:10], digits[3][:10]
    model = samlib.mlp((16,)).to(x.device)
    with pytest.raises(TypeError, match=r"model returned torch.int64; logits must be floating-point numbers"):
        samlib.accuracy(lambda images: model(images).long(), x, y)
