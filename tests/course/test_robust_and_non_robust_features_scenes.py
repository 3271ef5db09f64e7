"""Lesson 07: what its scenes compute, and that their pictures say and show what was computed."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.lessons import robust_and_non_robust_features as lesson
from samlib.course.lessons.robust_and_non_robust_features import batches, price, shifts, valley, votes
from tests.course import scenes

P, ETA, D = 0.95, 0.2, 50


def ends(scene: widgets.Live) -> list[dict]:
    """The scene's own values, and those with one control at either end."""
    here = {name: control.value for name, control in scene.controls.items()}
    options = {name: widgets.choices(control) for name, control in scene.controls.items()}
    return [here, *(here | {name: values[end]} for name, values in options.items() for end in (0, -1))]


def states(scene: widgets.Live) -> int:
    return int(np.prod([len(widgets.choices(control)) for control in scene.controls.values()]))


def numbers(alt: str) -> list[float]:
    return [float(word.replace("−", "-")) for word in re.findall(r"(?<![_\w])[-+−]?\d+(?:\.\d+)?(?:e-\d+)?", alt)]


def look_at(scene: widgets.Live, values: dict) -> str:
    """Move a scene, draw it, and return its text."""
    with style.look():
        alt = scene.draw(**values)
    scene.picture.fig.pixels()
    return alt


# ---- section 1: votes and errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "eta", "d", "eps"), [(0.95, 0.2, 50, 0.1), (0.8, 0.4, 10, 0.25), (0.99, 0.1, 200, 0.05)])
def test_each_training_chooses_the_lowest_point_of_its_error(p, eta, d, eps):
    standard, adversarial = votes.choices(p, eta, d, eps)
    w = np.linspace(0, 60, 60_001)
    assert standard.w_1 == pytest.approx(w[np.argmin(toy.clean_error(w, p, eta, d))], abs=2e-2)
    assert adversarial.attacked <= 100 * toy.attacked_error(w, p, eta, d, eps).min() * (1 + 1e-6)
    assert standard.attacked == pytest.approx(100 * toy.attacked_error(standard.w_1, p, eta, d, eps))


def test_once_the_votes_mean_is_gone_no_weight_of_the_robust_feature_is_too_large():
    _, adversarial = votes.choices(P, ETA, D, ETA)
    assert adversarial.w_1 == np.inf
    assert adversarial.attacked == pytest.approx(100 * (1 - P))  # wrong where the robust feature is


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_the_two_bells_cross_at_the_optimum_whatever_d_is(eps):
    optimum = toy.adversarial_optimum(P, ETA, eps)
    for d in votes.DS:
        bells = votes.bells(np.array([-optimum, -optimum + 0.5]), P, ETA, d, eps)
        assert bells[1][0] == pytest.approx(bells[-1][0])
        assert bells[1][1] > bells[-1][1]  # above the threshold +1 is the more frequent label
        assert votes.reach(P, ETA, d) > max(ETA * d, toy.standard_optimum(P, ETA))


def test_the_bells_hold_the_classifiers_error():
    standard = toy.standard_optimum(P, ETA)
    grid = np.linspace(-80, 80, 16_001)
    bells = votes.bells(grid, P, ETA, D, 0.1)
    wrong = bells[1][grid < -standard].sum() + bells[-1][grid > -standard].sum()
    assert wrong / sum(bell.sum() for bell in bells.values()) == pytest.approx(
        toy.attacked_error(standard, P, ETA, D, 0.1), rel=2e-3
    )


def test_the_first_scene_says_what_it_shows():
    scene = lesson.attacked_votes()
    for values in ends(scene):
        alt = look_at(scene, values)
        standard, adversarial = votes.choices(**values)
        said = numbers(alt)
        assert said[0] == pytest.approx(standard.w_1, rel=6e-3)
        assert said[-2:] == pytest.approx([standard.clean, standard.attacked], rel=6e-2)
        assert ("infinite" in alt) == (values["eps"] >= values["eta"]) == np.isinf(adversarial.w_1)


def test_what_the_standard_classifier_gets_wrong_is_filled():
    picture = votes.BellsAndErrors(style.figure(4.0))
    grid = np.linspace(-20, 20, 41)
    before, after = (votes.bells(grid, P, ETA, 20, eps) for eps in (0.0, 0.1))
    picture.show_bells(grid, before, after, 4.0, 9.0)
    assert picture.wrong[1].get_xy()[:, 0].max() == -5.0
    assert picture.wrong[-1].get_xy()[:, 0].min() == -3.0
    assert picture.thresholds["AT"].get_visible()
    assert picture.names["AT"].get_text() == "AT: $+1$ above −9"
    picture.show_bells(grid, before, before, 4.0, 4.0)
    assert not picture.thresholds["AT"].get_visible()
    standard, adversarial = votes.Choice(4.0, 2.0, 7.0), votes.Choice(9.0, 3.0, 5.0)
    curve = np.full(votes.W_1.shape, 6.0)
    picture.show_errors(curve, 2 * curve, standard, adversarial, 0.1)
    assert picture.gap.line.get_ydata() == [2.0, 7.0]
    assert picture.bottoms["AT"].get_xdata() == [9.0]
    assert picture.attacked.get_ydata()[0] == 12.0


# ---- section 2: the valley -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rho"), [("A", 4.0), ("B", 3.0), ("F1", 1.5), ("F2", 0.25)])
def test_sams_optimum_is_the_lowest_point_of_the_worst_error(name, rho):
    found = minimize_scalar(lambda w: valley.worst_error(name, w, P, D, rho), bounds=(2, 20), method="bounded").x
    assert found == pytest.approx(toy.sam_optimum(P, ETA, D, rho, name), rel=1e-3)


def test_no_perturbation_in_the_ball_is_worse_than_the_worst_error():
    generator = np.random.default_rng(0)
    w_1, rho, d = 7.0, 3.0, 20
    steps = generator.normal(size=(4000, d + 1))
    steps *= rho / np.linalg.norm(steps, axis=1, keepdims=True)
    robust, others = w_1 + steps[:, 0], 1 + steps[:, 1:]
    size = np.linalg.norm(others, axis=1)
    errors = [
        toy.clean_error(r * np.sqrt(d) / s, P, ETA * m / s * np.sqrt(d), d)  # as d equal weights with another mean
        for r, m, s in zip(robust, others.sum(1) / d, size, strict=True)
    ]
    assert max(errors) <= valley.worst_error("B", w_1, P, d, rho) + 1e-9
    assert valley.worst_error("B", w_1, P, d, rho) > toy.clean_error(w_1, P, ETA, d)


def test_the_worst_error_takes_one_weight_or_many():
    for name in shifts.DEFINITIONS.values():
        many = valley.worst_error(name, np.array([5.0, 7.0]), P, D, 2.0)
        assert many.shape == (2,)
        assert float(valley.worst_error(name, 7.0, P, D, 2.0)) == pytest.approx(many[1])
    with pytest.raises(ValueError, match="definition is 'G'"):
        valley.worst_error("G", 7.0, P, D, 2.0)


@pytest.mark.parametrize(("name", "rho"), [("A", 4.0), ("B", 2.0)])
def test_the_chord_of_the_optimum_is_level_and_reaches_the_worst_error(name, rho):
    optimum = toy.sam_optimum(P, ETA, D, rho, name)
    errors = [toy.clean_error(end, P, ETA, D) for end in valley.level_chord(name, optimum, P, D, rho)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    assert errors[0] == pytest.approx(float(valley.worst_error(name, optimum, P, D, rho)), rel=1e-6)
    assert valley.level_chord(name, optimum + 0.5, P, D, rho) is None
    assert all(valley.level_chord(other, optimum, P, D, rho) is None for other in ("F1", "F2"))


def test_each_examples_own_worst_case_is_what_sampling_finds():
    x, y = (v.double().numpy() for v in toy.sample(40_000, P, ETA, 20, torch.Generator().manual_seed(0)))
    w = np.r_[7.0, np.ones(20)]
    lost = y * (x @ w) < 0.5 * np.linalg.norm(x, axis=1)
    assert valley.worst_error("F2", 7.0, P, 20, 0.5) == pytest.approx(lost.mean(), abs=0.005)


def test_two_switches_make_four_definitions():
    assert set(itertools.product(shifts.WEIGHTS, shifts.EXAMPLES)) == set(shifts.DEFINITIONS)
    assert list(shifts.DEFINITIONS.values()) == ["A", "B", "F1", "F2"]


@pytest.mark.slow
def test_the_second_scene_says_what_it_shows():
    scene = lesson.optimum_shift()
    assert states(scene) <= 200
    star = toy.standard_optimum(shifts.P, ETA)
    for values in ends(scene):
        alt = look_at(scene, values)
        letter = shifts.DEFINITIONS[values["weights"], values["examples"]]
        optima = {
            name: valley.optimum_or_nan(name, shifts.P, values["d"], values["rho"])
            for name in shifts.DEFINITIONS.values()
        }
        assert f"(definition {letter}): " in alt
        for name, optimum in optima.items():
            change = f"{shifts.signed_percent(100 * (optimum / star - 1))} %"
            assert f"{name} {change if np.isfinite(optimum) else 'without bound'}" in alt
        own = optima[letter]
        assert (f"w* = {star:.2f}, SAM {own:.2f}" if np.isfinite(own) else "no finite optimum") in alt


@pytest.mark.parametrize(
    ("change", "words"),
    [(10.61, "+10.6"), (-0.0067, "−0.007"), (0.22, "+0.22"), (-1.13, "−1.1"), (670.2, "+670"), (0.0, "0")],
)
def test_a_change_is_written_with_its_sign_and_two_digits_or_so(change, words):
    assert shifts.signed_percent(change) == words


def test_a_chord_is_drawn_only_where_there_is_one():
    picture = shifts.ValleyAndShifts(style.figure(4.0))
    clean = 2 + np.abs(shifts.W_1 - 7)
    picture.show_valley(clean, clean + 1, (7.0, 2.0), (8.0, 3.0), (4.0, 12.0))
    assert picture.chord.get_xdata() == (4.0, 12.0)
    assert picture.chord.get_ydata() == [3.0, 3.0]
    assert picture.heading.title.get_text() == "SAM gives the robust feature more weight"
    picture.show_valley(clean, clean + 1, (7.0, 2.0), (6.0, 3.0), (4.0, 12.0))
    assert picture.heading.title.get_text() == "SAM gives the robust feature less weight"
    picture.show_valley(clean, clean + 1, (7.0, 2.0), (np.nan, np.nan), None)
    assert np.isnan(picture.chord.get_xdata()).all()
    assert picture.heading.title.get_text() == "SAM has no finite optimum"
    changes = {name: np.array([1.0, 2.0, 3.0, 4.0, 99.0]) for name in shifts.DEFINITIONS.values()}
    picture.show_changes(changes, "A", 4)
    assert picture.here.get_ydata().tolist() == [60.0]  # at the edge of the picture


# ---- section 3: batches ----------------------------------------------------------------------------------------------


def test_the_button_trains_three_seeds_and_says_their_mean():
    asked = []

    def changes_of(m, learn_others, seeds):
        asked.append((m, learn_others, seeds))
        return np.array([10.0 + seeds[0]])

    work = lesson.train_by_batch_size(changes_of, {1: [36.0, 37.0, 38.0]})
    assert "Nothing has been trained" in work.picture.value
    work.click_and_wait()
    assert asked == [(4, False, [seed]) for seed in range(3)]
    assert "w_1 / w_j changes by 11.0 ± 2.5 %" in work.picture.value


def test_runs_are_marks_and_their_mean_a_bar():
    picture = batches.ShiftByBatchSize(style.figure(3.7), {batches.KEPT: 37.0, batches.LEARNED: 2.0})
    picture.show(batches.KEPT, 16, [12.0, 9.0, 12.0])
    picture.show(batches.KEPT, 16, [13.0, 9.0, 11.0])  # a second press takes the first one's place
    marks, bar = picture.marks[batches.KEPT, 16]
    assert marks.get_ydata().tolist() == [9.0, 11.0, 13.0]
    assert bar.get_ydata() == [11.0, 11.0]
    assert len(picture.marks) == 1
    assert not any(line.get_visible() for line in picture.ax.get_ygridlines())  # none through a label


def test_the_exact_changes_are_those_of_definitions_j_and_i():
    exact = batches.exact_changes()
    assert exact[batches.KEPT] == pytest.approx(37.0, abs=0.1)
    assert 1 < exact[batches.LEARNED] < 3


# ---- section 4: price and gain ---------------------------------------------------------------------------------------


def test_price_and_gain_are_differences_of_the_two_errors():
    trade, star = price.trade(D, 1.0, 0.1), toy.standard_optimum(P, ETA)
    there = star + trade.step
    assert there == pytest.approx(star / (1 - 1 / (ETA * D)))
    rise = toy.clean_error(there, P, ETA, D) - toy.clean_error(star, P, ETA, D)
    fall = toy.attacked_error(star, P, ETA, D, 0.1) - toy.attacked_error(there, P, ETA, D, 0.1)
    assert (trade.price, trade.gain) == pytest.approx((100 * rise, 100 * fall))


def test_the_gain_is_largest_where_sams_choice_is_that_of_adversarial_training():
    gains = [price.trade(20, rho, 0.05).gain for rho in (0.9, 1.0, 1.1)]  # eps = rho / d
    assert gains[1] == max(gains)
    assert price.trade(20, 2.0, 0.02).gain < 0  # far beyond


@pytest.mark.parametrize(("size", "words"), [(0.3312, "0.33"), (7.2e-5, "0.000072"), (230.4, "230"), (-0.5, "−0.5")])
def test_points_are_written_in_two_digits(size, words):
    assert price.points(size) == words


def test_the_fourth_scene_says_what_it_shows():
    scene = lesson.price_and_gain()
    assert states(scene) <= 200
    for values in [*ends(scene), {"rho": 2.0, "eps": 0.02, "d": 20}]:
        alt, trade = look_at(scene, values), price.trade(values["d"], values["rho"], values["eps"])
        assert f"clean error rises by {price.points(trade.price)} points" in alt
        said = f"under attack {'falls' if trade.gain > 0 else 'rises'} by {price.points(abs(trade.gain))} points"
        assert said in alt
        title = scene.picture.fig.axes[0].yaxis.label.get_text()
        assert title.startswith("The gain is" if trade.gain > 0 else "No gain")


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("make", [lesson.attacked_votes, lesson.optimum_shift, lesson.price_and_gain])
def test_words_have_room_at_both_ends_of_all_controls(make):
    scene = make()
    assert len(scene.controls) <= 4
    assert states(scene) <= 200
    for values in scenes.ends(scene):
        scenes.draw(scene, **values)


def test_the_outline_of_a_mark_is_round_on_the_page():
    ax = pictures.axes(style.figure(4.0), 48, 40, 400, 300)
    ax.set(xlim=(0, 10), ylim=(1e-3, 1), yscale="log")
    outline = pictures.around(ax, (5.0, 0.1), 6)
    reach = np.linalg.norm(ax.transData.transform(outline) - ax.transData.transform((5.0, 0.1)), axis=1)
    assert np.allclose(reach, 6 * style.DPI / style.SHOWN)
    assert pictures.around(ax, (np.nan, 0.1), 6).shape == (0, 2)
