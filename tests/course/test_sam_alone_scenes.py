"""Lesson 03: what its scenes compute, what their pictures say in words, and that no words lie on one another."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from samlib.course import results, style, widgets
from samlib.course.lessons import sam_alone as lesson
from samlib.course.lessons.sam_alone import scenes
from samlib.course.lessons.sam_alone.pictures import RobustCurves
from tests.course import scenes as scenes_of_all


@pytest.fixture(scope="module")
def methods():
    return results.load("methods")


@pytest.fixture(scope="module")
def curves(methods):
    return lesson.robust_curves(methods)


def mean(methods, setting, measure):
    return 100 * np.mean(results.values(methods, setting, measure))


@pytest.mark.parametrize(
    ("sgd", "sam", "words"),
    [
        (30.3, 41.6, "+11 points"),
        (30.0, 31.2, "+1 point"),
        (31.2, 30.0, "−1 point"),
        (88.5, 55.2, "−33 points"),
        (97.9, 98.3, "+0.4 points"),
        (0.0, 0.0, "no gap"),
    ],
)
def test_the_lead_is_rounded_as_it_is_read(sgd, sam, words):
    assert scenes.lead(sgd, sam) == words


@pytest.mark.slow
def test_the_alt_text_holds_the_means_of_the_runs_at_both_ends_of_each_control(methods, curves):
    ends = [(values[0], values[-1]) for values in map(widgets.choices, curves.controls.values())]
    for rho, level, norm, other in itertools.product(*ends):
        alt = curves.draw(rho=rho, level=level, norm=norm, other=other)
        radius = results.curve(methods, "SGD", norm)[0][level]
        measure = f"{norm} {radius:g}" if radius else "clean"
        said = dict(re.findall(r"((?:SGD|SAM|AT|\w+ noise)[^,:]*?) (\d+) %", alt))
        names = {scenes.written(name): name for name in ("SGD", f"SAM {rho:g}", other)}
        assert said == {shown: f"{mean(methods, name, measure):.0f}" for shown, name in names.items()}
        gap = scenes.lead(mean(methods, "SGD", measure), mean(methods, f"SAM {rho:g}", measure))
        assert alt.endswith(f"SAM beside SGD: {gap}.")


def test_the_scene_has_at_most_200_states_and_starts_where_the_bet_is(curves):
    assert np.prod([len(widgets.choices(control)) for control in curves.controls.values()]) <= 200
    alt = curves.draw(**{name: control.value for name, control in curves.controls.items()})
    assert "l_inf eps 0.125" in alt
    assert "+11 points" in alt


@pytest.mark.slow
def test_a_picture_does_not_depend_on_the_one_before_it(methods):
    at = {"rho": 0.2, "level": 2, "other": "input noise 0.2"}
    pictures = []
    for before in ([], [{**at, "norm": "linf", "rho": 0.8}], [{**at, "norm": "l2", "other": "AT l2 0.5"}]):
        scene = lesson.robust_curves(methods)
        for values in [*before, {**at, "norm": "l2"}]:
            scene.draw(**values)
            pixels = scene.picture.fig.pixels().astype(int)
        pictures.append(pixels)
    assert all(np.array_equal(pictures[0], picture) for picture in pictures[1:])


def test_a_group_says_how_many_of_its_runs_did_not_fit(methods):
    unfit = sum(value < 0.9 for value in results.values(methods, "SAM 0.8", "training accuracy"))
    assert f"{unfit} of 10 did not fit" in scenes.group(methods, "SAM 0.8", "linf", 4).said
    assert "fit" not in scenes.group(methods, "SAM 0.4", "linf", 4).said


def test_a_group_shows_the_interval_of_its_mean(methods):
    middle, half = results.interval([100 * v for v in results.values(methods, "SAM 0.4", "linf 0.125")])
    assert scenes.group(methods, "SAM 0.4", "linf", 4).shown == f"{middle:.1f} ± {half:.1f}"


@pytest.mark.parametrize(("norm", "scale"), [("linf", 1), ("l2", 4)])
def test_the_digit_is_attacked_within_each_eps_and_at_last_misclassified(norm, scale):
    images, said = scenes.attacked_digit(norm)
    change = (images - images[0]).reshape(len(images), -1)
    length = np.abs(change).max(1) if norm == "linf" else np.linalg.norm(change, axis=1)
    assert np.all(length <= scale * np.array(lesson.RADII) + 1e-5)
    assert images.min() >= 0
    assert images.max() <= 1
    assert said[0] == 5
    assert said[-1] != 5


@pytest.mark.parametrize("rho", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("other", ["AT linf 0.125", "weight noise 0.4"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_words_lie_neither_on_a_mean_curve_nor_on_other_words(methods, rho, other, norm):
    eps, _ = results.curve(methods, "SGD", norm)
    with style.look():
        picture = RobustCurves(style.figure(4.46), scenes.LEVELS)
        for level in scenes.LEVELS:
            groups = [scenes.group(methods, name, norm, level) for name in ("SGD", f"SAM {rho:g}", other)]
            picture.show(eps, groups, level, ["+11 points"] * len(scenes.LEVELS))
            texts = [text for block in picture.labels.blocks for text in (block.text, block.said)]
            boxes = [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]
            assert len(boxes) == 7
            for a, b in itertools.combinations(boxes, 2):
                across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
                assert min(across, down) <= 4  # pixels of the picture: the air above and below letters
            for curve in picture.curves:
                corners = picture.ax.transData.transform(curve.points)
                line = np.concatenate([np.linspace(a, b, 100) for a, b in itertools.pairwise(corners)])
                assert not any(((line > (box.x0, box.y0)) & (line < (box.x1, box.y1))).all(1).any() for box in boxes)


def test_the_table_gives_mean_and_interval(methods):
    lines = lesson.table(methods, ["SGD", "SAM 0.4"], ["clean", "linf 0.125"]).data.splitlines()
    assert lines[0] == "| network | clean | l_inf 0.125 |"
    middle, half = results.interval(results.values(methods, "SAM 0.4", "linf 0.125"))
    assert lines[-1].replace("\N{NO-BREAK SPACE}", " ").endswith(f"| {100 * middle:.1f} ± {100 * half:.1f} |")


@pytest.mark.slow
def test_the_race_trains_both_alike_shows_their_lead_and_keeps_what_it_found():
    asked = []

    def train_and_attack(data, method, seed, on_epoch):
        asked.append((data, method, seed))
        history = {"loss": []}
        for epoch in range(60):
            history["loss"].append(1 / (epoch + 1))
            on_epoch(history)
        return [0.9, 0.8, 0.3 if method["method"] == "sgd" else 0.4, 0.1, 0.0]

    scene = lesson.race(train_and_attack, "digits")
    scene.click_and_wait()
    assert asked == [("digits", {"method": "sgd"}, 0), ("digits", {"method": "sam", "rho": 0.4}, 0)]
    assert "SGD 30 %, SAM with rho 0.4 40 %" in scene.picture.value
    first = scene.picture.value
    scene.click_and_wait()
    assert scene.picture.value != first, "the earlier press stands behind the new one as thin lines"
    assert len(asked) == 4


@pytest.mark.slow
def test_the_still_pictures_say_what_the_tables_hold(methods):
    names = ("SGD", "SAM 0.4", "AT linf 0.125", "AT linf 0.25", "input noise 0.2")
    clean, robust = ({name: mean(methods, name, measure) for name in names} for measure in ("clean", "linf 0.125"))
    assert clean["AT linf 0.25"] < clean["SGD"] < clean["SAM 0.4"] < clean["AT linf 0.125"]
    assert robust["SGD"] < robust["SAM 0.4"] < robust["input noise 0.2"] < robust["AT linf 0.125"]
    assert "SAM up and right of SGD" in lesson.clean_against_robust(methods).data


@pytest.mark.slow
def test_the_race_hands_on_which_layers_are_perturbed():
    asked = []

    def train_and_attack(data, method, seed, on_epoch):
        asked.append(method)
        return [0.9, 0.8, 0.3, 0.1, 0.0]

    scene = lesson.race(train_and_attack, "digits")
    for layers, said in (("first", "rho 0.4 in the first layer"), ("rest", "rho 0.4 in the others")):
        scene.controls["layers"].value = layers
        scene.click_and_wait()
        assert asked[-1] == {"method": "sam", "rho": 0.4, "perturb": scenes.LAYERS[layers][1]}
        assert f"SAM with {said} 30 %" in scene.picture.value


def test_the_layers_picture_says_the_means_of_the_runs_as_tuned():
    layers, norms = results.load("layers"), results.load("norms")
    alt = re.search('alt="([^"]*)"', lesson.gain_by_layers(layers, norms).data)[1]
    mlp = mean(layers, "MLP first, tuned (robust)", "linf 0.125")
    assert f"first layer {mlp:.0f} %" in alt
    points, half = results.lead(layers, "MLP first, tuned (robust)", "MLP SGD, tuned (robust)", "linf 0.125")
    assert f"first layer {mlp:.0f} % ({100 * points:+.0f} ± {100 * half:.0f})" in alt
    alone = mean(norms, "ResNet norms, tuned (robust)", "linf 0.0625")
    assert f"norm layers {alone:.0f} %" in alt


def test_the_picture_of_costs_gives_means_over_splits_with_their_interval_and_its_words_have_room(methods):
    scene = lesson.what_each_costs(methods, results.load("late"))
    for values in scenes_of_all.ends(scene):
        alt = scenes_of_all.draw(scene, **values)
        name = scenes.STARTS[values["start"]]
        table = results.load("late") if "quarter" in name else methods
        runs = results.by_split(table, f"{name}, tuned ({values['criterion']})", "linf 0.125").values()
        middle, half = results.interval([100 * sum(found) / len(found) for found in runs])
        assert f"{name} {scenes.PASSES[name]:g} passes, robust {middle:.1f} %" in alt
        words = {text.get_text() for ax in scene.picture.fig.axes for text in ax.texts}
        assert f"{middle:.1f} ± {half:.1f}" in words
        assert scenes_of_all.same_when_drawn_whole(scene, **values)


def test_passes_are_those_of_a_step():
    forward = features = weights = 1
    plain, attack = forward + features + weights, forward + features
    costs = {"SGD": plain, "SAM": 2 * plain, "AT": 7 * attack + plain, "AT, 1 step": attack + plain}
    costs |= {"input noise": plain, "SAM, last quarter": 0.75 * plain + 0.25 * 2 * plain}
    assert costs == scenes.PASSES
