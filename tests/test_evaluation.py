"""Clean and robust accuracy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import samlib
from samlib.evaluation import Attack, accuracy, robust_accuracy, robust_curve, survivors


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


def test_at_eps_zero_robust_accuracy_is_clean_accuracy(trained, digits):
    assert robust_accuracy(trained["sgd"], *digits[2:], eps=0.0) == accuracy(trained["sgd"], *digits[2:])


@pytest.mark.parametrize("name", ["sgd", "sam", "at"])
def test_robust_accuracy_is_at_most_a_point_above_autoattack(trained, digits, name):
    torchattacks = pytest.importorskip("torchattacks")
    model, x, y = trained[name], digits[2], digits[3]
    theirs = torchattacks.AutoAttack(model, norm="Linf", eps=0.125, n_classes=10, seed=0)(x, y)
    assert (theirs - x).abs().max() <= 0.125 + 1e-6
    assert robust_accuracy(model, x, y, 0.125) <= accuracy(model, theirs.clamp(0, 1), y) + 0.01


def test_an_example_survives_only_if_no_attack_of_the_union_breaks_it(trained, digits):
    x, y = digits[2][:200], digits[3][:200]
    attacks = (Attack("ce"), Attack("margin"))
    alone = [survivors(trained["sam"], x, y, 0.125, attacks=[attack]) for attack in attacks]
    both = survivors(trained["sam"], x, y, 0.125, attacks=attacks)
    assert (both <= alone[0]).all()
    assert both.sum() <= min(a.sum() for a in alone) + 1  # the second attack draws other starts here than alone


def test_later_attacks_see_only_survivors(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    left = int(survivors(model, x, y, 0.125, attacks=[Attack("ce")]).sum())
    sizes = []
    handle = model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    survivors(model, x, y, 0.125, attacks=[Attack("ce"), Attack("margin")])
    handle.remove()
    correct = round(accuracy(model, x, y) * len(x))
    assert sizes[0] == len(x)
    assert set(sizes[1:]) == {correct, left}


def test_targets_cover_the_likely_wrong_classes_and_never_the_label(digits, device):
    class Recorder(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum((1, 2, 3)), 0.5 * x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], 1)

    x, y = digits[2][:5], torch.zeros(5, dtype=torch.long, device=device)
    assert survivors(Recorder(), x, y, 0.1, attacks=[Attack("margin", steps=3, targets=9)]).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_curve_starts_at_clean_accuracy_never_rises_and_agrees_with_single_evaluations(trained, digits, norm):
    x, y, model = digits[2][:300], digits[3][:300], trained["sam"]
    radii = [0.0, 0.05, 0.1, 0.2] if norm == "linf" else [0.0, 0.2, 0.5, 1.0]
    curve = robust_curve(model, x, y, radii, norm)
    assert curve[0] == accuracy(model, x, y)
    assert curve == sorted(curve, reverse=True)
    for radius, value in zip(radii, curve, strict=True):
        assert value == pytest.approx(robust_accuracy(model, x, y, radius, norm), abs=0.01)


def test_the_batch_size_hardly_matters_and_the_seed_fixes_the_rest(trained, digits):
    x, y, model = digits[2], digits[3], trained["sgd"]
    assert robust_accuracy(model, x, y, 0.125) == robust_accuracy(model, x, y, 0.125)
    assert robust_accuracy(model, x, y, 0.125, batch_size=100) == pytest.approx(
        robust_accuracy(model, x, y, 0.125), abs=0.01
    )


def test_each_example_may_have_its_own_eps(trained, digits, device):
    x, y = digits[2][:100], digits[3][:100]
    eps = torch.zeros(100, device=device)
    eps[50:] = 0.5
    stands = survivors(trained["sgd"], x, y, eps)
    assert stands[:50].float().mean() > 0.9
    assert not stands[50:].any()


def test_nothing_is_attacked_once_nothing_stands(trained, digits):
    assert robust_accuracy(trained["sgd"], *digits[2:], eps=1.0) == 0
    assert robust_curve(trained["sgd"], *digits[2:], eps=[1.0, 2.0]) == [0, 0]
