"""Lesson 00: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import samlib
from samlib.course.lessons import write_the_attack_into_the_weights as lesson
from samlib.course.lessons.write_the_attack_into_the_weights import margins, two_places

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
    state = two_places.both_ways(nets["SGD"], clean, dx, dx)
    assert np.allclose(state["by input"], state["by weights"], atol=1e-12)
    assert np.allclose(state["z by input"], state["z by weights"], atol=1e-12)
    assert not np.allclose(state["by input"], state["before"], atol=1e-3)
    assert np.allclose(state["dW"], np.outer(state["W"] @ dx.numpy(), state["x"]) / (state["x"] @ state["x"]))


def test_the_hero_says_what_the_networks_do(stage):
    nets, x, _, _, attacked = stage
    scene = lesson.hero(*stage)
    for values in ({"eps": 0.0, "digit": 3, "network": "SGD"}, {"eps": 1.5, "digit": 8, "network": "SAM"}):
        alt = scene.draw(**values)
        net, digit = nets[values["network"]], values["digit"]
        said = int(net(attacked[values["network"], values["eps"]][digit : digit + 1]).argmax())
        assert f"the network says {said}, with it in the weights {said}," in alt
        wrong = int(re.search(r"untouched, (\d+) are misclassified", alt)[1])
        assert (wrong == 0) == (values["eps"] == 0)
        assert f"Of {len(x) - 1} other digits" in alt
    assert scene.controls["eps"].options[-1][1] == 1.5


def test_what_stands_still_in_the_hero_is_what_a_full_drawing_shows(stage):
    scene = lesson.hero(*stage)
    fig = scene.picture.fig
    for values in ({"eps": 0.0, "digit": 1, "network": "SAM"}, {"eps": 1.5, "digit": 5, "network": "SGD"}):
        scene.draw(**values)
        quick, moving = fig.pixels().copy(), fig.moving
        fig.moving = []
        whole, fig.moving = fig.pixels().copy(), moving
        assert np.abs(quick.astype(int) - whole).mean() < 0.05


def test_neighbours_range_from_the_most_alike_to_the_least_and_leave_the_digit_itself_out(stage):
    _, x, _, chosen, _ = stage
    others, shares = two_places.neighbours(x.flatten(1), chosen[4])
    felt = two_places.shares_felt(x[chosen[4]].flatten(), x.flatten(1))
    assert chosen[4] not in others.tolist()
    assert shares.diff().max() <= 0
    assert shares[-1] == felt.min()


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


def test_who_moves_counts_the_wrong_ones():
    scene = lesson.who_moves()
    assert "0 of 8 wrong" in scene.draw(0.0, "the point", "one point")
    assert "8 of 8 wrong" not in scene.draw(1.4, "the line", "all points")
    for who in ("the point", "the line"):
        assert "first point's margin -0.06, 1 of 8 wrong" in scene.draw(0.6, who, "one point")
