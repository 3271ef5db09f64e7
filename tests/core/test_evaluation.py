"""Clean and robust accuracy: strength, what is attacked again, batch sizes, interruption, odd models."""

from __future__ import annotations

import copy
import inspect
import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import samlib
from samlib import masking
from samlib.balls import make_ball, project_pixels
from samlib.batches import default_batch_size
from samlib.evaluation import accuracy, evaluate, robust_accuracy, robust_curve, robust_mask
from samlib.unions import BUDGETS, PATIENCE, PGD_UNION, RUGGED, Attack
from tests.norms import NORMS, typical_eps

QUICK = (Attack("ce", steps=5, kind="apgd"), Attack("margin", steps=4, targets=2, kind="apgd"))
EVERY_KIND = (
    Attack("ce", steps=5),
    Attack("margin", steps=5, kind="apgd", restarts=2),
    Attack("dlr", steps=3, targets=2, kind="apgd"),
    Attack("margin", queries=40, kind="square"),
)


def test_what_an_attack_does_not_say_is_as_in_its_function():
    for kind, function in {"pgd": samlib.pgd, "apgd": samlib.apgd, "square": samlib.square}.items():
        default = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        attack = Attack(kind=kind)
        assert attack.size == default["queries" if kind == "square" else "steps"]
        assert attack.loss_name == default["loss"]
        assert attack.restarts == default.get("restarts", 1)
        assert bool(attack.targets) == bool(default.get("targets"))


@pytest.mark.parametrize("kind", ["pgd", "apgd", "square"])
def test_an_attack_alone_is_as_strong_as_its_function(trained, some, kind):
    x, y = some
    attacked = getattr(samlib, kind)(trained["sgd"], x, y, 0.08)
    assert robust_accuracy(trained["sgd"], x, y, 0.08, attacks=[Attack(kind=kind)]) == pytest.approx(
        accuracy(trained["sgd"], attacked, y), abs=0.02
    )


def test_the_step_of_pgd_is_a_share_of_eps(trained, some):
    def robust(share):
        return robust_accuracy(trained["sgd"], *some, 0.08, attacks=[Attack(steps=5, relative_step_size=share)])

    assert robust(None) == robust(2.5 / 5) < robust(1e-3) - 0.2


@pytest.fixture
def some(digits):
    """A hundred and twenty test digits."""
    return digits[2][:120], digits[3][:120]


def test_accuracy_is_the_share_classified_correctly_in_evaluation_mode(trained, digits, device):
    model, x, y = trained["sgd"], digits[2], digits[3]
    expected = (model(x).argmax(1) == y).float().mean().item()
    assert accuracy(model, x, y) == pytest.approx(expected)
    assert accuracy(model, x, y, batch_size=7) == pytest.approx(expected)
    net = samlib.small_resnet().to(device).train()
    before = net.bn.running_mean.clone()
    accuracy(net, x, y)
    assert net.training
    assert torch.equal(before, net.bn.running_mean)


# ---- strength --------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("name", ["sgd", "at", "scaled"])
def test_the_standard_budget_is_at_most_half_a_point_above_autoattack(trained, digits, name):
    """The record over twelve models and more is benchmarks/results/autoattack.json."""
    torchattacks = pytest.importorskip("torchattacks")
    x, y = digits[2][:200], digits[3][:200]
    model = masking.scale_logits(trained["sgd"], 30) if name == "scaled" else trained[name]
    theirs = torchattacks.AutoAttack(model.eval(), norm="Linf", eps=0.125, n_classes=10, seed=0)(x, y)
    theirs = project_pixels(make_ball("linf", 0.125), x, theirs)
    assert robust_accuracy(model, x, y, 0.125) <= accuracy(model, theirs, y) + 0.005


def test_the_recorded_benchmark_says_what_the_package_promises():
    """python -m benchmarks.autoattack: strength on twelve models, speed on two, curves of eight radii."""
    record = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "autoattack.json").read_text())
    assert {"command", "commit", "date", "versions", "hardware", "protocol"} <= set(record)
    models = record["models"]
    assert len({row["model"] for row in models}) >= 12
    for row in models:
        assert row["images"] >= 500
        masked = "," in row["model"]
        assert row["samlib"] <= row["autoattack"] + (0 if masked else 0.005), row["model"]
    assert sum("," in row["model"] for row in models) >= 6
    for row in record["speed"]:
        assert row["autoattack seconds"] > 3 * row["samlib seconds"]
        assert row["samlib"] <= row["autoattack"] + 0.005
    for row in record["curves"]:
        assert len(row["eps"]) == 8
        assert row["largest difference"] <= 0.005
        assert row["seconds"] <= 4 * max(row["seconds alone"])


@pytest.mark.long
@pytest.mark.parametrize("norm", NORMS)
def test_budgets_are_ordered_by_strength_and_cost(trained, digits, norm):
    x, y, eps = digits[2][:300], digits[3][:300], typical_eps(norm)
    quick, standard = (evaluate(trained["sam"], x, y, eps, norm, budget) for budget in ("quick", "standard"))
    pgd = robust_accuracy(trained["sam"], x, y, eps, norm, attacks=PGD_UNION)
    assert standard.robust <= min(quick.robust, pgd) + 0.005
    assert quick.robust <= standard.robust + 0.03
    passes = [sum(row.forward + row.backward for row in report.attacks) for report in (quick, standard)]
    assert 2 * passes[0] < passes[1]


def runs_of(model, x, attack, **more):
    """What one attack leaves, and how often it looked at an image."""
    report = evaluate(model, x, torch.zeros(len(x), dtype=torch.long), 0.1, attacks=[replace(attack, **more)])
    return report.robust_mask, report.attacks[0].forward


def test_a_search_without_success_is_given_up():
    def never(x):
        return torch.tensor([1.0, 0.0, 0.0]) + 0 * x.flatten(1).sum(1, keepdim=True)

    x, attack = torch.full((16, 1, 4, 4), 0.5), Attack("margin", steps=1, kind="apgd")
    _, once = runs_of(never, x, attack)
    assert runs_of(never, x, attack, restarts=50, while_it_pays=True)[1] == PATIENCE * once
    assert runs_of(never, x, attack, restarts=2, while_it_pays=True)[1] == 2 * once


def test_a_search_goes_on_while_it_pays():
    """It is the attack repeated up to the first PATIENCE runs in a row that break nothing."""

    def rugged(x):
        top = torch.sin(300 * x.flatten(1).sum(1)) - 0.97
        return torch.stack([torch.zeros_like(top), top], 1)

    x, attack = torch.rand((60, 1, 4, 4), generator=torch.Generator().manual_seed(0)), Attack("ce", 1, kind="apgd")
    x = x[rugged(x).argmax(1) == 0]
    left = [int(runs_of(rugged, x, attack, restarts=n)[0].sum()) for n in range(1, 31)]
    quiet = next(n for n in range(PATIENCE, 30) if left[n] == left[n - PATIENCE])
    found, _ = runs_of(rugged, x, attack, restarts=30, while_it_pays=True)
    assert quiet > PATIENCE + 2
    assert int(found.sum()) == left[quiet]


def test_an_attack_says_when_a_search_is_made_and_when_it_is_given_up():
    said = " ".join(Attack.__doc__.split())
    assert f"after {PATIENCE} runs in a row" in said
    assert f"more than one image in {1 / RUGGED:.0f}, or the last of them more than one in {10 / RUGGED:.0f}" in said


def test_a_search_is_made_on_rugged_networks_alone(trained, some):
    """Rugged is one on which late attacks break what the first three left."""
    strong, weak = Attack("margin", steps=20, kind="apgd"), Attack("ce", steps=1, relative_step_size=1e-6)
    search = Attack("ce", steps=5, kind="apgd", restarts=2, while_it_pays=True)
    for attacks, looked in (((strong, strong, weak, weak), False), ((weak, weak, weak, strong), True)):
        report = evaluate(trained["sgd"], *some, 0.05, attacks=(*attacks, search))
        assert report.robust > 0.1
        assert bool(report.attacks[-1].forward) == looked


@pytest.mark.parametrize("norm", NORMS)
def test_a_detour_through_a_wider_ball_ends_in_the_true_one(trained, some, norm):
    """Every image is checked against its ball; alone it is about as strong as without."""
    eps, attack = typical_eps(norm), Attack("margin", steps=20, kind="apgd")
    straight, detour = (
        robust_accuracy(trained["sgd"], *some, eps, norm, attacks=[replace(attack, detour=by)]) for by in (None, 3)
    )
    assert detour == pytest.approx(straight, abs=0.03)


@pytest.mark.long
def test_random_search_sees_through_quantised_pixels_and_then_gets_more_queries(trained, digits):
    x, y = digits[2][:60], digits[3][:60]
    model = masking.quantise_input(trained["sgd"], 9)
    report = evaluate(model, x, y, 0.125)
    *gradients, search, more = report.attacks
    assert sum(row.broke for row in gradients) < 0.25 * 60  # by luck: starts on the surface are many random searches
    assert search.broke > 0.2 * 60
    assert more.tried == search.tried - search.broke
    honest = evaluate(trained["sgd"], x, y, 0.125)
    assert honest.attacks[-1].tried == 0
    assert report.robust <= honest.robust + 0.25


def test_noise_inside_the_model_does_not_make_it_robust(trained, some):
    noisy = masking.noise_input(trained["sgd"], 0.1)
    assert robust_accuracy(noisy, *some, 0.125, budget="quick") <= robust_accuracy(trained["sgd"], *some, 0.125) + 0.05


def test_an_example_is_robust_only_if_no_attack_of_the_union_breaks_it(trained, digits):
    x, y = digits[2][:200], digits[3][:200]
    attacks = (Attack("ce"), Attack("margin"))
    alone = [robust_mask(trained["sam"], x, y, 0.125, attacks=[attack]) for attack in attacks]
    both = robust_mask(trained["sam"], x, y, 0.125, attacks=attacks)
    assert (both <= alone[0]).all()
    assert both.sum() <= min(a.sum() for a in alone) + 1  # the second attack draws other starts here than alone


# ---- only robust images, and the report ------------------------------------------------------------------------------


def test_later_attacks_see_only_robust_images_and_the_report_counts_what_was_done(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    sizes = []
    handle = model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    report = evaluate(model, x, y, 0.125, attacks=[Attack("ce", steps=9), Attack("margin", steps=4, targets=2)])
    handle.remove()
    first, second = report.attacks
    correct = round(report.clean * len(x))
    assert first.tried == correct
    assert second.tried == correct - first.broke
    assert report.robust == pytest.approx((second.tried - second.broke) / len(x))
    assert int(report.robust_mask.sum()) == second.tried - second.broke
    assert first.forward == 11 * correct  # nine steps, the last iterate, and the judgement
    assert first.backward == 9 * correct
    assert sum(sizes) == len(x) + 2 * 64 + sum(row.forward for row in report.attacks)
    assert all(row.seconds > 0 for row in report.attacks)


def test_the_report_can_be_read_as_text_and_as_html(trained, some):
    report = evaluate(trained["sgd"], *some, 0.125, attacks=EVERY_KIND)
    text, page = str(report), report._repr_html_()
    for row in report.attacks:
        assert row.attack in text
        assert row.attack in page
    assert f"robust {100 * report.robust:.1f} %" in text
    assert f"robust {100 * report.robust:.1f} %" in page
    assert "APGD dlr, 2 targets, 3 steps" in text
    assert len({len(line.split("  ")[0]) for line in text.splitlines()}) > 1
    assert page.count("<tr>") == 2 + len(EVERY_KIND)


def test_targets_cover_the_likely_wrong_classes_and_never_the_label(digits, device):
    class ThreeClasses(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum((1, 2, 3)), 0.5 * x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], 1)

    x, y = digits[2][:5], torch.zeros(5, dtype=torch.long, device=device)
    report = evaluate(ThreeClasses(), x, y, 0.1, attacks=[Attack("margin", steps=3, targets=9)])
    assert report.robust_mask.all()
    assert report.attacks[0].backward == 2 * 3 * 5  # two wrong classes


# ---- the same numbers, whatever the batches --------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
def test_the_batch_size_changes_nothing(trained, some, norm, device):
    """In float64, where the rounding of a batch of another size does not turn the sign of a gradient."""
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    model, x, y = copy.deepcopy(trained["sam"]).double(), some[0].double(), some[1]
    eps = typical_eps(norm)
    whole = evaluate(model, x, y, eps, norm, attacks=EVERY_KIND)
    assert 0 < whole.robust < whole.clean
    for batch_size in (7, 50):
        parts = evaluate(model, x, y, eps, norm, attacks=EVERY_KIND, batch_size=batch_size)
        assert torch.equal(parts.robust_mask, whole.robust_mask)
        assert [row.broke for row in parts.attacks] == [row.broke for row in whole.attacks]


@pytest.mark.parametrize("norm", NORMS)
def test_who_else_is_attacked_changes_nothing(trained, digits, norm, device):
    if device.type == "mps":
        pytest.skip("MPS has no float64")
    model, x, y = copy.deepcopy(trained["sam"]).double(), digits[2][:120].double(), digits[3][:120]
    attacks, eps = [Attack("ce", steps=3), Attack("margin", steps=3, kind="apgd")], typical_eps(norm)
    alone = torch.arange(120, device=device) % 3 == 0
    labels = y.where(alone, (y + 1) % 10)  # the others are misclassified: nothing is left to attack
    together, few = (robust_mask(model, x, labels, eps, norm, attacks=attacks) for labels in (y, labels))
    assert torch.equal(few[alone], together[alone])
    assert 0 < few.sum() < alone.sum()


PEAK = """
import resource, sys, torch, samlib
from samlib.unions import Attack
torch.set_num_threads(1)
x, y = torch.rand(600, 3, 96, 96), torch.zeros(600, dtype=torch.long)
model = torch.nn.Sequential(torch.nn.AvgPool2d(96), torch.nn.Flatten(), torch.nn.Linear(3, 2))
model[2].bias.data = torch.tensor([9.0, 0.0])
attacks = [Attack("ce", steps=1), Attack("margin", steps=1, kind="apgd"), Attack("margin", queries=2, kind="square")]
def evaluate(n):
    samlib.evaluate(model, x[:n], y[:n], 0.001, attacks=attacks, batch_size=8, checkpoint=sys.argv[1] + str(n))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print((-evaluate(8) + evaluate(600)) / (4 * x.numel()))
"""


@pytest.mark.long
def test_an_evaluation_needs_little_memory_beside_the_images(tmp_path):
    """What it has drawn or copied at any time: a batch's share, and not a copy of the data."""
    pytest.importorskip("resource")
    command = [sys.executable, "-c", PEAK, str(tmp_path / "evaluation")]
    assert float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) < 0.3


def test_the_seed_decides_and_no_global_generator_is_touched(trained, digits, device):
    x, y, model = digits[2], digits[3], trained["sgd"]
    before = torch.get_rng_state()

    def robust(seed=None):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return robust_mask(model, x, y, 0.11, attacks=[Attack("ce", steps=1, kind="apgd")], generator=generator)

    assert torch.equal(robust(), robust(0))
    assert not torch.equal(robust(0), robust(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_example_may_have_its_own_eps(trained, digits, device):
    x, y = digits[2][:100], digits[3][:100]
    eps = torch.zeros(100, device=device)
    eps[50:] = 0.5
    report = evaluate(trained["sgd"], x, y, eps)
    assert report.robust_mask[:50].float().mean() > 0.9
    assert not report.robust_mask[50:].any()
    assert "eps 0 to 0.5" in str(report)


# ---- curves ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("name", "norm"), list(zip(itertools.cycle(["at", "sgd"]), NORMS, strict=False)))
def test_a_curve_starts_at_clean_accuracy_never_rises_and_agrees_with_single_evaluations(trained, digits, name, norm):
    x, y, model = digits[2][:200], digits[3][:200], trained[name]
    radii = [factor * typical_eps(norm) for factor in (0.0, 0.4, 0.8, 1.6)]
    curve = robust_curve(model, x, y, radii, norm)
    assert curve[0] == accuracy(model, x, y)
    assert curve == sorted(curve, reverse=True)
    for radius, value in zip(radii, curve, strict=True):
        assert value == pytest.approx(robust_accuracy(model, x, y, radius, norm), abs=0.0051)


def bounds(model, x, y, radii, norm, attacks):
    """Between what shares a curve may lie, by single evaluations: an image is robust in one and not in the next.

    There is one such place, but for images that the union breaks in a ball and not in a larger one.
    """
    says = torch.stack([robust_mask(model, x, y, radius, norm, attacks=attacks) for radius in radii])
    says = torch.cat([torch.ones_like(says[:1]), says, torch.zeros_like(says[:1])])
    level = torch.arange(len(radii) + 1, device=x.device)[:, None]
    breaks = says[:-1] & ~says[1:]
    first, last = torch.where(breaks, level, len(radii)).amin(0), torch.where(breaks, level, 0).amax(0)
    return [[float((end > k).double().mean()) for k in range(len(radii))] for end in (first, last)]


UNIONS = {
    "pgd": (Attack("ce", steps=1),),
    "apgd": (Attack("margin", steps=1, kind="apgd"),),
    "square": (Attack("margin", queries=3, kind="square"),),
    "strong": (Attack("margin", steps=20, kind="apgd"), Attack("ce", steps=20, kind="apgd")),
}


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("union", UNIONS)
def test_a_curve_is_what_the_union_says_however_weak_and_not_its_scout(trained, digits, union, norm):
    model, attacks = trained["sgd" if union == "strong" else "at"], UNIONS[union]
    x, y = digits[2][:200], digits[3][:200]
    radii = [factor * typical_eps(norm) for factor in (0.25, 0.5, 1.0, 1.5, 2.0)]
    curve = robust_curve(model, x, y, radii, norm, attacks=attacks)
    for low, high, value in zip(*bounds(model, x, y, radii, norm, attacks), curve, strict=True):
        assert low - 0.0051 <= value <= high + 0.0051  # one image by rounding, since the batches differ
        assert high - low < 0.05
    if union != "strong":
        assert curve[2] > 0.03 + robust_accuracy(model, x, y, radii[2], norm, budget="quick")


def test_a_curve_of_a_model_without_gradients(trained, some):
    def model(x):
        with torch.no_grad():
            return trained["sgd"](x)

    search, radii = [Attack("margin", queries=100, kind="square")], [0.0, 0.1, 0.2, 0.3]
    curve = robust_curve(model, *some, radii, attacks=search)
    for radius, value in zip(radii, curve, strict=True):
        assert value == pytest.approx(robust_accuracy(model, *some, radius, attacks=search), abs=0.02)
    assert curve[0] > curve[-1] + 0.2
    with pytest.raises(ValueError, match=r"Attacks of kind 'square' need none"):
        robust_curve(model, *some, radii)


@pytest.mark.long
def test_eight_radii_cost_at_most_four_times_one(trained, digits):
    """In passes, which no other process disturbs; the one is the middle of the eight."""
    x, y = digits[2][:200], digits[3][:200]
    model, passes = trained["sgd"], []
    handle = model.register_forward_pre_hook(lambda module, inputs: passes.append(len(inputs[0])))
    robust_accuracy(model, x, y, 0.1)
    one, passes[:] = sum(passes), []
    robust_curve(model, x, y, [0.025 * i for i in range(1, 9)])
    handle.remove()
    assert sum(passes) <= 4 * one


# ---- nothing left, nothing right -------------------------------------------------------------------------------------


def test_at_eps_zero_robust_accuracy_is_clean_accuracy(trained, digits):
    assert robust_accuracy(trained["sgd"], *digits[2:], eps=0.0) == accuracy(trained["sgd"], *digits[2:])


@pytest.mark.parametrize("budget", BUDGETS)
def test_nothing_is_attacked_once_nothing_stands(trained, digits, budget):
    report = evaluate(trained["sgd"], *digits[2:], eps=1.0, budget=budget)
    assert report.robust == 0
    assert report.attacks[-1].tried == 0
    assert robust_curve(trained["sgd"], *digits[2:], [1.0, 2.0], budget=budget) == [0, 0]


def test_where_everything_is_misread_nothing_is_tried(trained, some):
    x, y = some[0], (trained["sgd"](some[0]).argmax(1) + 1) % 10
    report = evaluate(trained["sgd"], x, y, 0.1)
    assert (report.clean, report.robust) == (0, 0)
    assert all(row.tried == row.forward == 0 for row in report.attacks)
    assert robust_curve(trained["sgd"], x, y, [0.0, 0.1]) == [0, 0]
    assert "clean 0.0 %" in str(report)


# ---- interruption ----------------------------------------------------------------------------------------------------


class Interrupts(nn.Module):
    """A model at whose n-th call the user presses Ctrl-C."""

    def __init__(self, model, after):
        super().__init__()
        self.model, self.left = model, after

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.model(x)


def same(first, second):
    return torch.equal(first.robust_mask, second.robust_mask) and [
        (row.tried, row.broke, row.forward, row.backward) for row in first.attacks
    ] == [(row.tried, row.broke, row.forward, row.backward) for row in second.attacks]


def test_an_interruption_always_goes_through(trained, some):
    with pytest.raises(KeyboardInterrupt):
        evaluate(Interrupts(trained["sam"], 12), *some, 0.125, attacks=EVERY_KIND, batch_size=50)


@pytest.mark.parametrize("after", [7, 16, 40, 70])
def test_an_interrupted_evaluation_goes_on_from_its_checkpoint(trained, some, after, tmp_path):
    file = tmp_path / "evaluation.pt"
    model = Interrupts(trained["sam"], after)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, *some, 0.125, attacks=EVERY_KIND, batch_size=50, checkpoint=file)
    done = sum(row["forward"] for row in torch.load(file, weights_only=True)["rows"])
    resumed = evaluate(model, *some, 0.125, attacks=EVERY_KIND, batch_size=50, checkpoint=file)
    whole = evaluate(model, *some, 0.125, attacks=EVERY_KIND, batch_size=50)
    assert same(resumed, whole)
    assert (after > 12) <= done < sum(row.forward for row in whole.attacks)
    calls = model.left
    again = evaluate(model, *some, 0.125, attacks=EVERY_KIND, batch_size=50, checkpoint=file)
    assert same(again, whole)
    assert calls - model.left == 5  # three batches of clean images, and one small one twice: nothing is attacked again


KILLED = """
import sys, torch, samlib
from samlib.unions import Attack
torch.set_num_threads(1)
x, y = (part[:200] for part in samlib.load_digits()[2:])
attacks = [Attack("ce", steps=300), Attack("margin", steps=300)]
report = samlib.evaluate(samlib.mlp(), x, y, 0.001, attacks=attacks, batch_size=10, checkpoint=sys.argv[1])
torch.save([report.robust_mask, [row.forward for row in report.attacks]], sys.argv[2])
"""


@pytest.mark.long
def test_a_killed_evaluation_goes_on_where_it_was(tmp_path):
    def run(name):
        command = [sys.executable, "-c", KILLED, str(tmp_path / name), str(tmp_path / f"{name}.result")]
        return subprocess.Popen(command)

    def done(name):
        file = tmp_path / name
        return file.exists() and torch.load(file, weights_only=True)["rows"][0]["forward"] > 0

    process, whole = run("killed"), run("whole")
    deadline = time.monotonic() + 120
    while not done("killed") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.result").exists()
    assert done("killed")
    assert run("killed").wait() == whole.wait() == 0
    resumed, uninterrupted = (torch.load(tmp_path / f"{name}.result") for name in ("killed", "whole"))
    assert torch.equal(resumed[0], uninterrupted[0])
    assert resumed[1] == uninterrupted[1]


def test_a_checkpoint_of_another_evaluation_is_refused(trained, some, tmp_path):
    x, y = some
    file = tmp_path / "evaluation.pt"
    evaluate(trained["sgd"], x, y, 0.1, attacks=QUICK, checkpoint=file)
    others = {
        "model": lambda: evaluate(trained["sam"], x, y, 0.1, attacks=QUICK, checkpoint=file),
        "images and labels": lambda: evaluate(trained["sgd"], 0.9 * x, y, 0.1, attacks=QUICK, checkpoint=file),
        "eps": lambda: evaluate(trained["sgd"], x, y, 0.2, attacks=QUICK, checkpoint=file),
        "norm": lambda: evaluate(trained["sgd"], x, y, 0.1, "l2", attacks=QUICK, checkpoint=file),
        "attacks": lambda: evaluate(trained["sgd"], x, y, 0.1, attacks=QUICK[:1], checkpoint=file),
        "seed": lambda: evaluate(
            trained["sgd"], x, y, 0.1, attacks=QUICK, checkpoint=file, generator=torch.Generator().manual_seed(1)
        ),
    }
    for what, call in others.items():
        with pytest.raises(ValueError, match=rf"belongs to another evaluation: .*{what}.* differ"):
            call()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        evaluate(trained["sgd"], x, y, 0.1, attacks=QUICK, checkpoint=file)
    torch.save({"format": "samlib.training 1"}, file)
    with pytest.raises(ValueError, match=r"was not written by this version of samlib\.evaluate"):
        evaluate(trained["sgd"], x, y, 0.1, attacks=QUICK, checkpoint=file)


class Tempered(nn.Module):
    """The logits times a plain attribute, which no state_dict and no repr shows."""

    def __init__(self, model, factor):
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, x):
        return self.factor * self.model(x)

    def get_extra_state(self):
        return {"factor": self.factor}

    def set_extra_state(self, state):
        self.factor = state["factor"]


ANOTHER_MODEL = {
    "a plain attribute": lambda models: (Tempered(models["sgd"], 1.0), Tempered(models["sgd"], 1.1)),
    "two functions": lambda models: tuple((lambda x, m=models[name]: m(x)) for name in ("sgd", "sam")),
    "two functions of equal accuracy": lambda models: tuple((lambda x, f=f: f * models["sgd"](x)) for f in (1, 1.1)),
    "one image": lambda models: (
        models["sgd"],
        lambda x: models["sgd"](x).where(x.sum((1, 2, 3), keepdim=True)[..., 0, 0] < 26.2, 0.0),
    ),
    "two noises": lambda models: (masking.noise_input(models["sgd"], 0.1), masking.noise_input(models["sgd"], 0.3)),
    "noise and none": lambda models: (masking.noise_input(models["sgd"], 0.1), Tempered(models["sgd"], 1.0)),
    "other weights, random answers": lambda models: tuple(
        masking.noise_input(models[name], 0.1) for name in ("sgd", "sam")
    ),
}


@pytest.mark.parametrize("pair", ANOTHER_MODEL)
def test_a_checkpoint_knows_its_model_by_what_it_answers(trained, some, tmp_path, pair):
    """Each of the two takes up its own file, also in other batches, and neither the other's."""
    models = ANOTHER_MODEL[pair](trained)
    files = [tmp_path / "first", tmp_path / "second"]
    for model, file in zip(models, files, strict=True):
        report = evaluate(model, *some, 0.1, attacks=QUICK, checkpoint=file)
        again = evaluate(model, *some, 0.1, attacks=QUICK, checkpoint=file, batch_size=50)
        assert same(report, again)
        assert again.clean == report.clean
    for model, file in zip(models, reversed(files), strict=True):
        with pytest.raises(ValueError, match=r"belongs to another evaluation: model differ"):
            evaluate(model, *some, 0.1, attacks=QUICK, checkpoint=file)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_of_low_precision_takes_up_its_file_in_other_batches(trained, some, tmp_path, dtype):
    half = copy.deepcopy(trained["sgd"]).to(dtype)
    report, again = (
        evaluate(lambda x: half(x.to(dtype)), *some, 0.1, attacks=QUICK, checkpoint=tmp_path / "file", batch_size=size)
        for size in (120, 7)
    )
    assert same(report, again)


def test_a_checkpoint_that_is_a_folder_or_lies_in_none_is_an_os_error(trained, some, tmp_path):
    with pytest.raises(OSError, match=r"checkpoint=.* could not be read: Is a directory"):
        evaluate(trained["sgd"], *some, 0.1, attacks=QUICK, checkpoint=tmp_path)
    with pytest.raises(OSError, match=r"checkpoint=.* could not be written: No such file"):
        evaluate(trained["sgd"], *some, 0.1, attacks=QUICK, checkpoint=tmp_path / "none" / "file")


# ---- models that fail ------------------------------------------------------------------------------------------------


class Picky(nn.Module):
    """A model that raises, or answers NaN, on some batch sizes."""

    def __init__(self, model, sizes, error):
        super().__init__()
        self.model, self.sizes, self.error, self.seen = model, sizes, error, []

    def forward(self, x):
        self.seen.append(len(x))
        if len(x) in self.sizes:
            raise self.error
        return self.model(x)


def test_a_model_that_fails_on_some_batch_size_is_named_with_it(trained, some):
    size = 120 - round(120 * (1 - accuracy(trained["sgd"], *some)))
    model = Picky(trained["sgd"], {size, 100}, IndexError("no such row"))
    wanted = rf"model raised IndexError on a batch of ({size}|100) images.*no such row.*from 1 to batch_size.*pads"
    with pytest.raises(RuntimeError, match=wanted):
        evaluate(model, *some, 0.1, batch_size=100)


OUT_OF_MEMORY = ["MPS backend out of memory", "DefaultCPUAllocator: can't allocate memory", "CUDNN_STATUS_ALLOC_FAILED"]


@pytest.mark.slow
@pytest.mark.parametrize("message", OUT_OF_MEMORY)
def test_a_batch_too_large_for_the_memory_is_halved_once_and_for_all(trained, some, message):
    model = Picky(trained["sgd"], range(33, 1000), RuntimeError(message))
    expected = evaluate(trained["sgd"], *some, 0.125, attacks=EVERY_KIND)
    assert torch.equal(evaluate(model, *some, 0.125, attacks=EVERY_KIND).robust_mask, expected.robust_mask)
    assert [size for size in model.seen if size > 32] == [120, 60]
    assert 30 in model.seen
    model.seen.clear()
    assert accuracy(model, *some) == expected.clean
    assert model.seen == [120, 60, 30, 30, 30, 30]
    model.seen.clear()
    samlib.diagnose(model, *some, 0.125)
    assert [size for size in model.seen if size > 32] == [120, 60]
    with pytest.raises(RuntimeError, match="out of memory"):
        accuracy(Picky(trained["sgd"], range(1, 1000), RuntimeError("CUDA out of memory")), *some)


def test_the_default_batch_suits_the_images():
    sizes = {shape: default_batch_size(torch.zeros(1, *shape)) for shape in ((1, 8, 8), (3, 32, 32), (3, 224, 224))}
    assert list(sizes.values()) == [1024, 296, 42]


def test_nan_logits_are_an_error_in_clean_images_and_in_attacked_ones(trained, some):
    class Overflows(nn.Module):
        def __init__(self, model, above):
            super().__init__()
            self.model, self.above = model, above

        def forward(self, x):
            return self.model(x).where(x.flatten(1).amax(1, keepdim=True) <= self.above, torch.nan)

    with pytest.raises(ValueError, match=r"model returned NaN logits for \d+ of 120 images"):
        evaluate(Overflows(trained["sgd"], 0.5), *some, 0.1)
    x = 0.9 * some[0]
    with pytest.raises(ValueError, match=r"model returned NaN logits for \d+ of \d+ images"):
        evaluate(Overflows(trained["sgd"], 0.95), x, some[1], 0.1, attacks=[Attack("margin", queries=3, kind="square")])


def test_a_model_without_gradients_can_be_searched_only(trained, some):
    def model(x):
        with torch.no_grad():
            return trained["sgd"](x)

    with pytest.raises(ValueError, match=r"do not depend on x .* Attacks of kind 'square' need none"):
        evaluate(model, *some, 0.1)
    search = [Attack("margin", queries=50, kind="square")]
    assert robust_accuracy(model, *some, 0.2, attacks=search) < accuracy(model, *some)
