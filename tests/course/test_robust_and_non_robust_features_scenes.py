"""Lesson 07: what its scenes compute, and that their pictures say and show what was computed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from samlib import toy
from samlib.course import pictures, style, widgets
from samlib.course.lessons import robust_and_non_robust_features as lesson
from samlib.course.lessons.robust_and_non_robust_features import (
    batches,
    maps,
    shift_maps,
    shifts,
    two_radii,
    valley,
    votes,
)

P, ETA, D = 0.95, 0.2, 50


def ends(scene: widgets.Live) -> list[dict]:
    """The scene's own values, and those with one control at either end."""
    here = {name: control.value for name, control in scene.controls.items()}
    options = {name: widgets.choices(control) for name, control in scene.controls.items()}
    return [here, *(here | {name: values[end]} for name, values in options.items() for end in (0, -1))]


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


def test_the_attack_shifts_every_vote_against_its_label_and_leaves_the_robust_feature():
    robust, before, y = votes.attacked_examples(40, P, ETA, D, 0.0)
    same, after, _ = votes.attacked_examples(40, P, ETA, D, 0.1)
    assert np.array_equal(robust, same)
    assert np.allclose(y * (before - after), 0.1 * D)


def test_the_first_scene_says_what_it_shows():
    scene = lesson.attacked_votes()
    for values in ends(scene):
        alt = look_at(scene, values)
        standard, adversarial = votes.choices(**values)
        said = numbers(alt)
        assert said[0] == pytest.approx(standard.w_1, rel=6e-3)
        assert said[-2:] == pytest.approx([standard.clean, standard.attacked], rel=6e-2)
        assert ("infinite" in alt) == (values["eps"] >= values["eta"]) == np.isinf(adversarial.w_1)


def test_crosses_mark_what_the_standard_classifier_gets_wrong():
    picture = votes.VotesAndErrors(style.figure(4.0))
    robust, cast, y = np.array([1.0, 1.0, -1.0]), np.array([3.0, -5.0, 5.0]), np.array([1.0, 1.0, -1.0])
    standard, adversarial = votes.Choice(4.0, 2.0, 7.0), votes.Choice(9.0, 3.0, 5.0)
    picture.show_examples(robust, cast, y, standard, adversarial, 0.1)
    assert picture.wrong.get_ydata().tolist() == [-5.0, 5.0]  # votes beyond 4 against the robust feature
    curve = np.full(votes.W_1.shape, 6.0)
    picture.show_errors(curve, 2 * curve, standard, adversarial, 0.1)
    assert picture.gap.line.get_ydata() == [2.0, 7.0]
    assert picture.bottoms["AT"].get_xdata() == [9.0]
    assert picture.attacked.get_ydata()[0] == 12.0


# ---- section 2: the valley -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rho"), [("A", 4.0), ("B", 3.0), ("F1", 1.5)])
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
    for name in shifts.DEFINITIONS:
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
    assert valley.level_chord("F1", optimum, P, D, rho) is None


@pytest.mark.slow
def test_the_second_scene_says_what_it_shows():
    scene = lesson.optimum_shift()
    for values in [*ends(scene), {"name": "F1", "rho": 4.0, "p": 0.95, "d": 20}]:
        alt = look_at(scene, values)
        optima = {n: valley.optimum_or_nan(n, values["p"], values["d"], values["rho"]) for n in shifts.DEFINITIONS}
        star = toy.standard_optimum(values["p"], ETA)
        assert f"definition {values['name']}: " in alt
        for name, optimum in optima.items():
            change = f"{100 * (optimum / star - 1):+.1f} %" if np.isfinite(optimum) else "without bound"
            assert f"{name} {change}" in alt
        own = optima[values["name"]]
        assert (f"w* = {star:.2f}, SAM {own:.2f}" if np.isfinite(own) else "no optimum") in alt


def test_a_chord_is_drawn_only_where_there_is_one():
    picture = shifts.ValleyAndShifts(style.figure(3.9))
    clean = 2 + np.abs(shifts.W_1 - 7)
    picture.show_valley(clean, clean + 1, (7.0, 2.0), (8.0, 3.0), (4.0, 12.0), 4.0)
    assert picture.chord.get_xdata() == (4.0, 12.0)
    assert picture.chord.get_ydata() == [3.0, 3.0]
    assert picture.heading.title.get_text() == "SAM moves to the robust feature"
    picture.show_valley(clean, clean + 1, (7.0, 2.0), (np.nan, np.nan), None, 4.0)
    assert np.isnan(picture.chord.get_xdata()).all()
    assert picture.heading.title.get_text() == "SAM has no finite optimum"
    changes = {name: np.array([1.0, 2.0, 3.0, 4.0, 5.0, 99.0]) for name in shifts.DEFINITIONS}
    picture.show_changes(changes, "A", 5)
    assert picture.here.get_ydata().tolist() == [60.0]  # at the edge of the picture


# ---- section 3: the maps ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_maps():
    """Of the definitions that are quick to solve."""
    solvers = toy.sam_optimum, lesson.leading_order
    return {name: tuple(maps._map(solve, name) for solve in solvers) for name in ("A", "B", "E", "F1")}


def test_a_change_is_measured_in_percent_of_the_standard_optimum():
    star = np.sqrt(0.7 * maps.D)
    p = 1 / (1 + np.exp(-2 * maps.ETA * star))
    assert toy.standard_optimum(p, maps.ETA) == pytest.approx(star)
    moved = toy.sam_optimum(p, maps.ETA, maps.D, 0.5, "A")
    assert maps.change(toy.sam_optimum, "A", 0.7, 0.5) == pytest.approx(100 * (moved / star - 1))
    assert maps.change(toy.sam_optimum, "E", 0.7, 0.5) == 0.0
    assert np.isnan(maps.change(toy.sam_optimum, "F2", 4.0, 0.9))  # no finite optimum


def test_a_map_has_a_row_for_each_share_and_tells_up_from_down(few_maps):
    exact, leading = few_maps["B"]
    assert exact.shape == leading.shape == (len(maps.SHARES), len(maps.RHOS))
    for row, share in enumerate(maps.SHARES):
        assert (np.sign(exact[row]) == (1 if share > 2 else -1)).all()
    assert sum(maps.counts(exact)) == exact.size
    assert maps.counts(few_maps["E"][0]) == (0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (10.61, "+10.6"),
        (-0.0067, "−0.007"),
        (0.22, "+0.22"),
        (-1.13, "−1.1"),
        (670.2, "+670"),
        (0.0, "0"),
    ],
)
def test_a_change_is_written_with_its_sign_and_two_digits_or_so(change, words):
    assert maps.signed_percent(change) == words


def test_shades_are_a_factor_of_ten_apart_green_up_and_purple_down():
    colours = shift_maps.shades(np.array([-2.0, -0.5, 0.005, 0.5, 2.0, np.nan]))
    red, green, blue = colours.T
    assert (green[3:5] > np.maximum(red, blue)[3:5]).all()
    assert (green[:2] < np.minimum(red, blue)[:2]).all()
    assert (np.ptp(colours[[2, 5]], axis=1) < 0.01).all()  # white, and grey
    assert colours[0].sum() < colours[1].sum() < colours[2].sum()
    assert np.array_equal(shift_maps.shades(np.array([0.12])), shift_maps.shades(np.array([0.95])))


def test_the_third_scene_says_what_it_shows(few_maps):
    scene = lesson.shift_map(few_maps)
    assert scene.controls["name"].options == tuple(toy.DEFINITIONS)
    for name in few_maps:
        for share in (maps.SHARES[0], maps.SHARES[-1]):
            alt = look_at(scene, {"name": name, "share": share})
            row = few_maps[name][0][maps.SHARES.index(share)]
            assert alt.startswith(f"Definition {name}: {shift_maps.summed_up(few_maps[name][0])}.")
            for rho, change in zip(maps.RHOS, row, strict=True):
                assert f"{maps.signed_percent(change)} % at {rho:g}" in alt
    assert shift_maps.summed_up(few_maps["B"][0]) == "w_1 goes up in 12, down in 24 of 36 squares"
    assert shift_maps.summed_up(few_maps["F1"][0]) == "w_1 goes up everywhere"
    assert shift_maps.summed_up(few_maps["E"][0]) == "w_1 never moves"


def test_what_stands_still_in_the_map_is_what_a_full_drawing_shows(few_maps):
    scene = lesson.shift_map(few_maps)
    fig = scene.picture.fig
    for values in ({"name": "A", "share": 4.0}, {"name": "B", "share": 0.03}):
        look_at(scene, values)
        quick, moving = fig.pixels().copy(), fig.moving
        fig.moving = []
        whole, fig.moving = fig.pixels().copy(), moving
        assert np.abs(quick.astype(int) - whole).mean() < 0.05


def test_all_maps_in_one_picture_are_told_apart_in_words(few_maps):
    shown = lesson.all_shift_maps(few_maps).data
    assert "A up; B both ways; E never moves; F1 up." in shown


def test_the_table_names_every_definition():
    table = lesson.definitions().data
    assert all(f"| {name} | {said} |" in table for name, said in toy.DEFINITIONS.items())


# ---- section 4: batches ----------------------------------------------------------------------------------------------


def test_the_interval_of_the_mean_is_students():
    mean, half = lesson.mean_and_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.303 / np.sqrt(3), rel=1e-3)  # two degrees of freedom
    with pytest.raises(ValueError, match="at least two runs"):
        lesson.mean_and_interval([1.0])


def test_the_button_trains_three_seeds_and_says_their_mean():
    asked = []

    def changes_of(m, rhos, learn_others, seeds):
        asked.append((m, rhos, learn_others, seeds))
        return [np.array([10.0 + seeds[0]])]

    work = lesson.train_by_batch_size(changes_of)
    assert "Nothing has been trained" in work.picture.value
    work.click_and_wait()
    assert asked == [(16, [0.3], False, [seed]) for seed in range(3)]
    assert "w_1 / w_j changes by 11.0 ± 2.5 %" in work.picture.value


def test_runs_are_marks_and_their_mean_a_bar():
    picture = batches.ShiftByBatchSize(style.figure(3.7), {batches.KEPT: 37.0, batches.LEARNED: 2.0}, "Runs")
    picture.show(batches.KEPT, 16, [12.0, 9.0, 12.0])
    picture.show(batches.KEPT, 16, [13.0, 9.0, 11.0])  # a second press takes the first one's place
    marks, bar = picture.marks[batches.KEPT, 16]
    assert marks.get_ydata().tolist() == [9.0, 11.0, 13.0]
    assert bar.get_ydata() == [11.0, 11.0]
    assert len(picture.marks) == 1


def test_the_still_says_every_mean():
    shown = lesson.shift_by_batch_size({1: np.array([30.0, 40.0])}, {16: np.array([1.0, 2.0])}).data
    assert "others kept: 35.0 % at m = 1; all learned: 1.5 % at m = 16." in shown


def test_the_exact_changes_are_those_of_definitions_j_and_i():
    exact = batches.exact_changes()
    assert exact[batches.KEPT] == pytest.approx(37.0, abs=0.1)
    assert 1 < exact[batches.LEARNED] < 3


# ---- section 5: radii ------------------------------------------------------------------------------------------------


def test_each_relation_gives_the_eps_whose_optimum_is_sams():
    relations = two_radii.relations()
    star = toy.standard_optimum(P, ETA)
    for k in (0, 12, 24):
        rho = two_radii.RADII[k]
        assert toy.adversarial_optimum(P, ETA, relations["F1"][k]) == pytest.approx(
            toy.sam_optimum(P, ETA, D, rho, "F1")
        )
        moved = toy.sam_optimum(P, ETA, D, two_radii.UNIT * rho, "J")
        assert two_radii.eps_of_change(100 * (moved / star - 1)) == pytest.approx(relations["J"][k])
    assert relations["A"][12] < 0.1 * relations["F1"][12]


def test_the_last_picture_is_drawn_from_runs():
    runs = [np.array([8.0, 9.0, 10.0]), np.array([33.0, 34.0, 38.0])]
    step = np.geomspace(0.03, 1, 6)
    shown = lesson.radii_and_price({1: runs, 16: runs}, step, 1e-4 * step**2, 1e-3 * step).data
    assert "four relations of eps and rho" in shown


def test_the_outline_of_a_mark_is_round_on_the_page():
    ax = pictures.axes(style.figure(4.0), 48, 40, 400, 300)
    ax.set(xlim=(0, 10), ylim=(1e-3, 1), yscale="log")
    outline = pictures.around(ax, (5.0, 0.1), 6)
    reach = np.linalg.norm(ax.transData.transform(outline) - ax.transData.transform((5.0, 0.1)), axis=1)
    assert np.allclose(reach, 6 * style.DPI / style.SHOWN)
    assert pictures.around(ax, (np.nan, 0.1), 6).shape == (0, 2)
