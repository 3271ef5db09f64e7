"""What the scenes of lesson 04 compute and show."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import samlib
from samlib.course import results, style, widgets
from samlib.course.lessons import is_it_real as lesson
from samlib.course.lessons.is_it_real.fakes import curve, suspects
from samlib.course.lessons.is_it_real.five_attacks import spread
from samlib.course.lessons.is_it_real.logit_scale import LOSSES, largest_slopes, smallest_number
from samlib.course.lessons.is_it_real.trials import Trials, in_words

ATTACKS = {
    "FGSM": lambda net, x, y, eps, steps: samlib.fgsm(net, x, y, eps),
    "PGD ce": lambda net, x, y, eps, steps: samlib.pgd(net, x, y, eps, steps=steps),
    "PGD margin": lambda net, x, y, eps, steps: samlib.pgd(net, x, y, eps, steps=steps, loss="margin"),
    "APGD ce": lambda net, x, y, eps, steps: samlib.apgd(net, x, y, eps, steps=steps),
    "random search": lambda net, x, y, eps, steps: samlib.square(net, x, y, eps, queries=steps),
}


@pytest.fixture(scope="module")
def digits():
    x_train, y_train, x, y = samlib.load_digits()
    return x_train, y_train, x[:20], y[:20]


@pytest.fixture(scope="module")
def net(digits):
    net = samlib.mlp((32,))
    samlib.train(net, *digits[:2], epochs=15, progress=False)
    return net.eval()


@pytest.fixture(scope="module")
def five(net, digits):
    nets = {"SGD": net, "SAM": net, "AT": samlib.mlp((32,), seed=1).eval()}
    return lesson.try_attacks(ATTACKS, nets, *digits[2:], eps=[0.0625, 0.125, 0.25], steps=[1, 10])


@pytest.fixture(scope="module")
def four(net, digits):
    attacks = {name: ATTACKS[name] for name in ("PGD ce", "PGD margin")}
    models = lesson.four_networks(net, net)
    return lesson.try_attacks(attacks, models, *digits[2:], eps=[0.0625, 0.125, 0.25, 0.5], steps=[1, 10, 40])


@pytest.fixture(scope="module")
def scaled(net, digits):
    return lesson.attack_scaled(net, *digits[2:], 0.125)


@pytest.fixture(scope="module")
def level():
    return lesson.by_strength(results.load("attacks"))


# ---- trials ----------------------------------------------------------------------------------------------------------


class Threshold(nn.Module):
    """Class 1 where the first pixel is above a half, else 0."""

    def forward(self, x):
        first = x.flatten(1)[:, 0]
        return torch.stack([0.5 - first, first - 0.5], dim=1)


@pytest.fixture
def tried() -> Trials:
    x = torch.tensor([0.1, 0.45, 0.55, 0.9]).view(4, 1, 1, 1)
    attacks = {
        "up": lambda net, x, y, eps, steps: x + eps.view(-1, 1, 1, 1) * steps,
        "down": lambda net, x, y, eps, steps: x - eps.view(-1, 1, 1, 1) * steps,
    }
    return lesson.try_attacks(attacks, {"threshold": Threshold()}, x, torch.tensor([0, 0, 1, 1]), [0.1, 0.5], [1, 2])


def test_each_attack_is_tried_at_every_eps_with_every_number_of_steps(tried):
    assert tried.clean == {"threshold": 4}
    images, answers = tried.attacked("threshold", "up", 2, 0.1)
    torch.testing.assert_close(images.flatten(), torch.tensor([0.3, 0.65, 0.75, 1.1]))
    assert answers.tolist() == [0, 1, 1, 1]
    assert [tried.robust("threshold", attack, 1, 0.1) for attack in ("up", "down")] == [3, 3]
    assert tried.robust("threshold", "up", 1, 0.5) == 2


def test_an_image_is_robust_to_all_if_no_attack_with_any_number_of_steps_breaks_it(tried):
    assert tried.robust_to_all("threshold", 0.1) == 2
    assert tried.robust_to_all("threshold", 0.5) == 0


def test_an_eps_that_was_not_tried_is_an_error(tried):
    with pytest.raises(ValueError, match="not in"):
        tried.robust("threshold", "up", 1, 0.3)


def test_steps_are_counted_in_words():
    assert [in_words(1), in_words(10)] == ["1 step", "10 steps"]


# ---- five attacks ----------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0.1, 20))
def test_names_are_spread_apart_in_order_and_stay_around_their_values(heights, apart):
    heights = sorted(heights)
    moved = spread(heights, apart)
    assert (np.diff(moved) >= apart - 1e-9).all()
    assert moved.mean() == pytest.approx(np.mean(heights))
    if (np.diff(heights) >= apart).all():
        assert moved == pytest.approx(heights)


def ends(live: widgets.Live) -> list[dict]:
    """Each control at its first and at its last value, the others where they are."""
    return [
        {name: side}
        for name, control in live.controls.items()
        for side in widgets.choices(control)[:: len(widgets.choices(control)) - 1]
    ]


def drawn(live: widgets.Live, **values) -> tuple[str, np.ndarray]:
    """The text and the pixels at these values."""
    with style.look():
        alt = live.draw(**{name: control.value for name, control in live.controls.items()} | values)
    return alt, live.picture.fig.pixels().copy()


def check_pictures(live: widgets.Live) -> None:
    """At both ends of every control there is a text, and what moves alone leaves the picture as when all is drawn."""
    for values in ends(live):
        alt, pixels = drawn(live, **values)
        assert len(alt.split()) > 5
        fig, moving = live.picture.fig, live.picture.fig.moving
        fig.moving = []
        assert np.abs(fig.pixels().astype(int) - pixels).mean() < 0.02, values
        fig.moving = moving


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", text)]


@pytest.mark.slow
def test_the_bars_of_five_attacks_say_what_was_found(five):
    live = lesson.five_attacks(five)
    check_pictures(live)
    alt, _ = drawn(live, network="AT", attack="FGSM", steps=1, eps=0.25)
    counts = [five.robust("AT", attack, 1, 0.25) for attack in ATTACKS]
    for attack, count in zip(ATTACKS, counts, strict=True):
        assert f"{attack} {count}" in alt
    assert alt.startswith("AT, l_inf eps 0.25, 1 step,")
    assert alt.endswith(f"all together {five.robust_to_all('AT', 0.25)}.")


def test_the_still_of_all_steps_says_what_each_attack_leaves_in_the_end(five):
    html = lesson.over_steps(five, 0.125).data
    for network in five.networks:
        assert f"{network}: FGSM {five.robust(network, 'FGSM', 10, 0.125)}" in html
        assert f"all {five.robust_to_all(network, 0.125)}" in html


# ---- the logits' scale -----------------------------------------------------------------------------------------------


def test_the_largest_slope_of_the_margin_of_a_linear_network_is_a_difference_of_its_rows():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    slopes = largest_slopes(net, "margin", torch.rand(5, 1, 3, 3), torch.tensor([0, 1, 0, 1, 1]))
    torch.testing.assert_close(slopes, (net[1].weight[0] - net[1].weight[1]).abs().max().expand(5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_below_the_smallest_number_there_is_only_zero(dtype):
    smallest = torch.tensor(smallest_number(dtype), dtype=dtype)
    assert smallest > 0
    assert smallest / 2 == 0


def test_leads_and_slopes_of_the_margin_grow_with_the_factor_and_those_of_the_dlr_stay(scaled):
    at = {(loss, scale): scaled[scale, loss, 64] for loss in LOSSES for scale in (1, 10)}
    for loss in LOSSES:
        assert at[loss, 10].leads == pytest.approx(10 * at[loss, 1].leads, rel=1e-4)
    assert at["margin", 10].slopes == pytest.approx(10 * at["margin", 1].slopes, rel=1e-4)
    assert at["dlr", 10].slopes == pytest.approx(at["dlr", 1].slopes, rel=1e-4)


def test_in_float32_the_gradient_of_the_cross_entropy_is_zero_where_the_lead_is_too_large_for_it(scaled):
    for scale in lesson.SCALES:
        run = scaled[scale, "ce", 32]
        assert (run.slopes[run.leads > 115] == 0).all()
        assert (run.slopes[(run.leads > 0) & (run.leads < 85)] > 0).all()
        assert run.zero == (run.slopes == 0).sum()
    assert scaled[30, "ce", 32].zero > 10 > scaled[30, "ce", 64].zero == 0


def test_the_factor_hides_digits_from_the_cross_entropy_alone(scaled, net, digits):
    x, y = digits[2:]
    for loss in ("margin", "dlr"):
        assert abs(scaled[30, loss, 32].robust - scaled[1, loss, 32].robust) <= 5
    assert scaled[30, "ce", 32].robust > scaled[1, "ce", 32].robust + 20
    by_hand = samlib.pgd(net, x, y, 0.125, steps=40, step_size=0.125 / 4)
    assert scaled[1, "ce", 32].robust == 100 * samlib.accuracy(net, by_hand, y)


def test_attacking_scaled_logits_leaves_the_network_in_its_type(net):
    assert all(parameter.dtype == torch.float32 for parameter in net.parameters())


@pytest.mark.slow
def test_the_picture_of_the_scale_says_what_pgd_leaves_and_how_many_gradients_are_zero(scaled):
    live = lesson.logit_scale(scaled)
    check_pictures(live)
    alt, _ = drawn(live, scale=30, loss="ce", bits=32)
    run = scaled[30, "ce", 32]
    assert f"cross-entropy {run.robust:.0f}" in alt
    assert alt.endswith(f"has {run.zero} gradients of exactly 0.")
    assert lesson.three_scales(scaled).data.count("<img") == 3


# ---- four networks ---------------------------------------------------------------------------------------------------


def test_a_curve_over_eps_starts_at_the_clean_count(four):
    values = curve(four, "B", "PGD ce", 10)
    assert values[0] == four.clean["B"]
    assert values[2] == four.robust("B", "PGD ce", 10, 0.125)
    assert len(values) == 5


@pytest.mark.slow
def test_the_picture_of_the_claims_says_what_is_robust(four):
    live = lesson.claims(four, dict.fromkeys("ABCD", 15))
    check_pictures(live)
    alt, _ = drawn(live, attack="PGD margin", steps=40, eps=0.5)
    assert alt.startswith("PGD margin, 40 steps, l_inf eps 0.5.")
    assert numbers(alt)[-4:] == [four.robust(name, "PGD margin", 40, 0.5) for name in "ABCD"]
    assert f"D {four.robust('D', 'PGD ce', 40, 0.125)}" in lesson.over_eps(four, 40, 0.125).data


def test_no_suspect_is_drawn_in_the_look_of_what_it_is():
    looks = suspects()
    assert looks["B"] is not style.AT  # the robust one
    assert looks["C"] is not style.NOISE
    assert len({look.color for look in looks.values()}) == 4


def test_the_verdicts_have_a_row_for_each_check_and_a_column_for_each_network(net, digits):
    x, y = digits[2:]
    reports = {name: samlib.diagnose(net, x, y, 0.125) for name in "AB"}
    head, _, *rows = lesson.verdicts(reports).data.split("\n")
    assert head == "| check | A | B |"
    checks = reports["A"].checks
    marks = {"ok": "·", "suspicious": "**✘**", "not checked": "?"}
    assert rows == [f"| {check.name} | {marks[check.verdict]} | {marks[check.verdict]} |" for check in checks]


# ---- leads -----------------------------------------------------------------------------------------------------------


def test_a_lead_is_the_difference_of_means_with_two_standard_errors_of_it():
    level = {"SGD": {"PGD": np.array([1.0, 3.0])}, "SAM 0.4": {"PGD": np.array([10.0, 10.0, 13.0])}}
    gain, error = lesson.lead(level, "SAM 0.4 over SGD", "PGD")
    assert gain == pytest.approx(9)
    assert error == pytest.approx(2 * math.sqrt(2 / 2 + 3 / 3))


def test_attacks_stand_in_the_order_of_what_they_leave(level):
    both = [level["SGD"][attack].mean() + level["SAM 0.4"][attack].mean() for attack in level["SGD"]]
    assert both == sorted(both, reverse=True)
    assert all(list(runs) == list(level["SGD"]) for runs in level.values())
    assert {setting for pair in lesson.PAIRS.values() for setting in pair} <= set(level)


def test_the_protocol_names_every_part_of_every_attack():
    table = results.load("attacks")
    lines = lesson.protocol(table).split("\n")
    assert [line[:15].strip() for line in lines if line[0] != " "] == list(table["protocol"]["attacks"])
    assert max(map(len, lines)) <= 88, "a page of 1280 pixels breaks longer ones at a letter"
    said = re.sub(r",\n +", ", ", lesson.protocol(table))
    assert "apgd margin 20 × 9 targets, square margin 300, square margin 5000" in said
    union = next(line for line in lines if line.startswith("PGD union"))
    assert union.endswith("pgd ce 40, pgd margin 40, pgd margin 40 × 3 targets")


@pytest.mark.slow
def test_the_picture_of_the_leads_says_both_means_and_the_lead(level):
    live = lesson.leads(level)
    check_pictures(live)
    for pair, (one, other) in lesson.PAIRS.items():
        alt, _ = drawn(live, pair=pair, attack="standard")
        gain, error = lesson.lead(level, pair, "standard")
        assert f"{one} {level[one]['standard'].mean():.1f} %" in alt
        assert f"{other} {level[other]['standard'].mean():.1f} %" in alt
        assert alt.endswith(f"lead {gain:.1f} ± {error:.1f} points.")
    assert lesson.two_leads(level).data.count("<img") == 2


# ---- the report ------------------------------------------------------------------------------------------------------


class Counts:
    """Trials in which every count is written down."""

    attacks = tuple(ATTACKS)

    def __init__(self, **found: int) -> None:
        self.found = found

    def robust(self, network: str, attack: str, steps: int, eps: float) -> int:
        assert steps == 40
        return self.found.get(f"{network}_{round(1000 * eps)}", 0) + self.attacks.index(attack)


def test_the_report_is_made_of_the_lessons_figures():
    five, fakes = Counts(SGD_125=30, AT_125=70), Counts(A_125=10, D_125=85, D_250=80, D_500=60)
    lines = lesson.report(five, fakes, (20.2, 1.9)).split("\n")
    assert len(lines) == 6 + len(lesson.REASONS)
    assert lines[0].endswith("86 of 100 digits are robust at eps 0.125, 81 at 0.25, 61 at 0.5.")
    assert "73 of 100" in lines[1]
    assert lines[1].endswith("400 queries: 74.")
    assert "leaves 12 of 100, random search 14" in lines[2]
    assert lines[3].endswith("Five attacks leave 30, 31, 32, 33, 34 of 100. We report 32, their mean.")
    assert "SAM leads by 20 ± 2 points" in lines[4]
