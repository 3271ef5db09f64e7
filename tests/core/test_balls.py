"""The l_inf and l_2 balls: start, steepest direction, projection."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from samlib import balls
from samlib.balls import L2, Linf, joint_l2_norm, make_ball, project_pixels

BALLS = list(balls.BALLS.values())


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("ball", BALLS)
def test_a_random_start_lies_in_the_ball_for_every_examples_own_radius(ball, device):
    eps = torch.linspace(0.01, 2, 50, device=device)
    delta = ball(eps).random_start(torch.zeros(50, 3, 4, 4, device=device), generator())
    assert (ball(eps).norm(delta) <= eps * (1 + 1e-6)).all()


@pytest.mark.parametrize("dimensions", [2, 64])
def test_the_l2_start_is_uniform_in_the_ball_not_in_the_radius(dimensions, device):
    radii = L2(1.0).random_start(torch.zeros(20_000, dimensions, device=device), generator()).norm(dim=1)
    # The share of a ball's volume within radius r is r^d.
    for share in (0.1, 0.5, 0.9):
        assert (radii <= share ** (1 / dimensions)).float().mean().item() == pytest.approx(share, abs=0.015)


def test_the_linf_start_is_uniform(device):
    delta = Linf(0.5).random_start(torch.zeros(1000, 64, device=device), generator())
    assert delta.mean().item() == pytest.approx(0, abs=0.005)
    assert delta.std().item() == pytest.approx(1 / math.sqrt(12), abs=0.003)


@pytest.mark.parametrize("ball", BALLS)
def test_no_direction_of_norm_one_is_steeper_than_the_steepest(ball, device):
    gradient = torch.randn(20, 30, device=device)
    best = (ball(1.0).steepest(gradient) * gradient).sum(1)
    assert torch.allclose(ball(1.0).norm(ball(1.0).steepest(gradient)), torch.ones(20, device=device))
    for _ in range(200):
        other = torch.randn(20, 30, device=device)
        other = other / ball(1.0).norm(other)[:, None]
        assert ((other * gradient).sum(1) <= best + 1e-5).all()


@pytest.mark.parametrize("ball", BALLS)
def test_a_zero_gradient_gives_no_direction_and_a_broken_one_no_nan(ball, device):
    gradient = torch.zeros(3, 5, device=device)
    gradient[1, 0] = math.nan
    gradient[2, 0] = math.inf
    direction = ball(1.0).steepest(gradient)
    assert torch.equal(direction[:2], torch.zeros(2, 5, device=device))
    assert torch.equal(direction[2], torch.tensor([1.0, 0, 0, 0, 0], device=device))


@given(st.integers(-44, 37))
def test_the_l2_direction_has_length_one_however_small_or_large_the_gradient(exponent):
    direction = torch.tensor([[3.0, -4.0]])
    assert torch.allclose(
        L2(1.0).steepest(direction / 4 * 10.0**exponent), direction / 5, atol=0.2 if exponent < -40 else 1e-6
    )


@pytest.mark.parametrize("ball", BALLS)
def test_projection_keeps_what_is_inside_and_brings_the_rest_to_the_boundary(ball, device):
    delta = torch.randn(40, 6, device=device)
    eps = ball(1.0).norm(delta) * torch.linspace(0.05, 2, 40, device=device)
    projected = ball(eps).project(delta)
    inside = ball(eps).norm(delta) <= eps
    assert 15 < inside.sum() < 25
    assert torch.equal(projected[inside], delta[inside])
    assert torch.allclose(ball(eps).norm(projected)[~inside], eps[~inside])


@pytest.mark.parametrize("ball", BALLS)
def test_projection_finds_the_nearest_point(ball, device):
    delta = 2 * torch.randn(30, 4, device=device)
    nearest = (ball(1.0).project(delta) - delta).norm(dim=1)
    for seed in range(100):
        point = ball(1.0).random_start(delta, torch.Generator().manual_seed(seed))
        assert ((point - delta).norm(dim=1) >= nearest - 1e-5).all()


@pytest.mark.parametrize("norm", balls.BALLS)
def test_projected_pixels_are_an_image_within_the_ball(norm, device):
    x = torch.rand(20, 1, 8, 8, device=device)
    ball = make_ball(norm, 0.3)
    x_adv = project_pixels(ball, x, x + torch.randn_like(x))
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert (ball.norm(x_adv - x) <= 0.3 + 1e-6).all()


def test_the_norm_of_a_vector_in_pieces_is_the_norm_of_the_whole(device):
    pieces = [torch.randn(4, 5, device=device), torch.randn(7, device=device), torch.randn((), device=device)]
    assert torch.allclose(joint_l2_norm(pieces), torch.cat([p.flatten() for p in pieces]).norm())


def test_the_norm_of_float16_pieces_does_not_overflow(device):
    assert joint_l2_norm([torch.full((100,), 60_000.0, device=device, dtype=torch.float16)]).item() == pytest.approx(
        6e5
    )


def test_an_unknown_norm_is_answered_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"norm is 'Linf'.*Did you mean 'linf'"):
        make_ball("Linf", 0.1)
