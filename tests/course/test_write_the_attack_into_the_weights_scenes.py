"""Lesson 00: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import samlib
from samlib.course import widgets
from samlib.course.lessons import write_the_attack_into_the_weights as lesson
from samlib.course.lessons.write_the_attack_into_the_weights import margins, two_places
from samlib.duality import weight_equivalent
from tests.course import scenes

EPS = (0.0, 0.75, 1.5)


@pytest.fixture(scope="module")
def stage():
    """Two networks, digits that both classify correctly, one of each class, and attacks on these."""
    x_train, y_train, x, y = samlib.load_digits()
    nets = {}
    for name, how in (("SGD", {"method": "sgd"}), ("SAM", {"method": "sam", "rho": 0.4})):
        nets[name] = samlib.mlp(hidden=(48, 48), mean=0.0, std=1.0)
        samlib.train(nets[name], x_train, y_train, **how, epochs=15, progress=False)
        nets[name].double()
    x = x.double()
    right = torch.stack([net(x).argmax(1) == y for net in nets.values()]).all(0)
    x, y = x[right], y[right]
    chosen = [int((y == digit).nonzero()[3]) for digit in range(10)]
    attacked = {
        (name, eps): samlib.pgd(net, x[chosen], y[chosen], eps, "l2", steps=20, loss="margin")
        for name, net in nets.items()
        for eps in EPS
    }
    return nets, x, y, chosen, attacked


def test_both_ways_give_the_same_features_and_the_same_answer(stage):
    nets, x, _, chosen, attacked = stage
    clean = x[chosen[3]].flatten()
    dx = attacked["SGD", 0.75][3].flatten() - clean
    state = two_places.both_ways(nets["SGD"], clean, dx, dx, clean / (clean @ clean))
    assert np.allclose(state["by input"], state["by weights"], atol=1e-12)
    assert np.allclose(state["z by input"], state["z by weights"], atol=1e-12)
    assert not np.allclose(state["by input"], state["before"], atol=1e-3)
    assert np.allclose(state["dW"], np.outer(state["W"] @ dx.numpy(), state["x"]) / (state["x"] @ state["x"]))


def test_the_hero_says_what_the_networks_do(stage):
    nets, x, _, _, attacked = stage
    scene = lesson.hero(*stage)
    for values in ({"eps": 0.0, "digit": 3, "network": "SGD"}, {"eps": 1.5, "digit": 8, "network": "SAM"}):
        alt = scene.draw(**values, change="the shortest")
        net, digit = nets[values["network"]], values["digit"]
        said = int(net(attacked[values["network"], values["eps"]][digit : digit + 1]).argmax())
        assert f"the network says {said}, with it in the weights {said}," in alt
        wrong, similar = map(int, re.search(r"untouched, (\d+) are .*, (\d+) of them", alt).groups())
        assert (wrong == 0) == (values["eps"] == 0)
        assert wrong / 4 <= similar <= wrong
        assert f"Of {len(x) - 1} other digits" in alt
    assert scene.controls["eps"].options[-1][1] == 1.5


def test_a_change_that_spares_a_digit_does_the_same_to_this_one_and_nothing_to_the_other(stage):
    nets, x, _, chosen, attacked = stage
    flat, clean = x.flatten(1), x[chosen[3]].flatten()
    dx = attacked["SGD", 0.75][3].flatten() - clean
    order, _ = two_places.by_similarity(flat, chosen[3])
    row = two_places.sparing_row(clean, flat[order[0]])
    state = two_places.both_ways(nets["SGD"], clean, dx, dx, row)
    assert np.allclose(state["z by input"], state["z by weights"], atol=1e-12)
    assert np.allclose(state["dW"] @ flat[order[0]].numpy(), 0, atol=1e-12)
    scene = lesson.hero(*stage)
    assert "dW spares one" in scene.draw(eps=0.75, digit=3, network="SGD", change=lesson.CHANGES[1])


@pytest.mark.slow
def test_the_words_of_the_hero_have_room_and_drawing_what_moves_is_enough(stage):
    scene = lesson.hero(*stage)
    assert np.prod([len(widgets.choices(control)) for control in scene.controls.values()]) <= 200
    for values in scenes.ends(scene):
        scenes.draw(scene, **values)
        assert scenes.same_when_drawn_whole(scene, **values)


def test_others_go_from_the_most_similar_to_the_least_and_the_digit_itself_is_none_of_them(stage):
    _, x, _, chosen, _ = stage
    order, shares = two_places.by_similarity(x.flatten(1), chosen[4])
    felt = two_places.shares_felt(x[chosen[4]].flatten(), x.flatten(1))
    assert chosen[4] not in order.tolist()
    assert len(order) == len(x) - 1
    assert shares.diff().max() <= 0
    shown = two_places.shown_others(len(order))
    assert shown[:4] == [0, 1, 2, 3]
    assert len(set(shown)) == two_places.OTHERS
    assert shares[shown[-1]] == felt.min()


def test_what_others_feel_is_what_the_change_of_the_weights_does_to_them():
    generator = torch.Generator().manual_seed(0)
    W, dx, x = (torch.randn(*s, generator=generator) for s in ((5, 64), (64,), (64,)))
    others = torch.rand(3, 64, generator=generator)
    through_weights = others @ weight_equivalent(W, dx, x).T
    assert torch.allclose(through_weights, torch.outer(two_places.shares_felt(x, others), W @ dx), atol=1e-5)


def test_a_point_that_moves_and_the_line_that_moves_for_it_cost_it_the_same_margin():
    lost = lesson.margins_lost(0.6, 0)
    assert np.isclose(lost[0], 0.6 * np.linalg.norm(margins.NORMAL))
    moved = margins.attack_points(0.6, np.arange(8) == 0)
    assert np.isclose(
        margins.margins(moved, margins.NORMAL)[0], margins.margins(margins.POINTS, margins.NORMAL)[0] - lost[0]
    )
    assert lost.min() < 0  # others gain


def test_when_the_line_moves_for_all_no_point_loses_more_than_by_a_move_for_it_alone():
    together = lesson.margins_lost(0.6, *range(8))
    assert all(together[i] <= lesson.margins_lost(0.6, i)[i] + 1e-12 for i in range(8))
    assert (together > 0).all()


def test_who_moves_counts_what_is_misclassified_and_its_words_have_room():
    scene = lesson.who_moves()
    assert "0 of 8 misclassified" in scenes.draw(scene, eps=0.0, who="the point", how_many="one point")
    for who in ("the point", "the line"):
        said = "first point's margin -0.06, 1 of 8 misclassified"
        assert said in scenes.draw(scene, eps=0.6, who=who, how_many="one point")
    assert "0 of 8 misclassified" in scenes.draw(scene, eps=0.8, who="the line", how_many="all points")
