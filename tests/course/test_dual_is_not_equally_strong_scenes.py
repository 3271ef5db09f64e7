"""Lesson 06: what its scenes compute, and what their pictures say in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import samlib
from samlib.course.lessons import dual_is_not_equally_strong as lesson
from samlib.course.lessons.dual_is_not_equally_strong.members import LENGTH
from samlib.course.widgets import choices
from samlib.duality import at_layer
from tests.course.scenes import draw, ends, same_when_drawn_whole


@pytest.fixture(scope="module")
def stage():
    """A network that is trained a little, under two names, and digits of all classes."""
    x, y, *_ = samlib.load_digits()
    net = samlib.mlp((12, 12), mean=0.0, std=1.0)
    samlib.train(net, x, y, "sgd", epochs=8, progress=False)
    return {"SGD": net.double(), "SAM": net}, x[:120].double(), y[:120]


# ---- the family ------------------------------------------------------------------------------------------------------


def test_members_are_equally_long_in_the_unit_that_they_are_named_for(stage):
    nets, x, y = stage
    members, seen = lesson.members(nets["SGD"], x, y), at_layer(nets["SGD"], x, y)
    features, pixels = lesson.UNITS
    for alpha in lesson.ALPHAS:
        dz = members[alpha, features].dx @ seen.weight.T
        assert torch.allclose(dz.norm(dim=1), LENGTH * seen.x.norm(dim=1))
        lengths = members[alpha, pixels].dx.norm(dim=1)
        assert torch.allclose(lengths, members[1.0, features].dx.norm(dim=1))
        same_way = F.cosine_similarity(members[alpha, pixels].dx, members[alpha, features].dx)
        assert torch.allclose(same_way, torch.ones_like(same_way))


def test_a_members_loss_is_that_of_the_network_on_the_changed_digits(stage):
    nets, x, y = stage
    member = lesson.members(nets["SGD"], x, y)[0.5, lesson.UNITS[0]]
    logits = nets["SGD"](x + member.dx.view_as(x)).detach()
    assert member.loss == pytest.approx(float(F.cross_entropy(logits, y)))
    assert torch.equal(member.classes, logits.argmax(1))


@pytest.mark.slow
def test_the_family_says_lengths_classes_and_losses(stage):
    nets, x, y = stage
    scene = lesson.family(nets, x, y)
    members = lesson.members(nets["SGD"], x, y)
    for values in ends(scene):
        alt = draw(scene, **values)
        shown = int((y == values["digit"]).nonzero()[3])
        for unit in lesson.UNITS:
            member = members[values["alpha"], unit]
            says = int(member.classes[shown])
            assert f"{unit}: {member.dx[shown].norm():.2f} long in pixels, classified as {says} " in alt
            assert f"mean loss {member.loss:.2f}" in alt
    assert same_when_drawn_whole(scene)


# ---- the ladder ------------------------------------------------------------------------------------------------------


def test_runs_of_the_family_come_with_their_own_length_or_with_one_for_all():
    for setting in lesson.SETTINGS:
        own, fixed = (lesson.runs_of(setting, "linf 0.125", length) for length in ("chosen", "0.2"))
        assert len(own) == len(fixed) == 9
        assert (own == fixed) == (not setting.startswith("alpha"))
    assert lesson.runs_of("SGD", "clean") == lesson.runs_of("SGD", "clean", "0.2")


def test_the_table_has_a_line_for_each_setting_and_the_lead_over_splits():
    lines = lesson.table().split("\n")
    assert [line[:16].strip() for line in lines[1:]] == list(lesson.SETTINGS)
    gain, half = lesson.lead("alpha 1", "alpha 0", "linf 0.125")
    assert gain == pytest.approx(
        100 * np.subtract(*(np.mean(lesson.runs_of(f"alpha {a}", "linf 0.125")) for a in "10"))
    )
    row = next(line for line in lines if line.startswith("alpha 1 "))
    assert f"{100 * np.mean(lesson.runs_of('alpha 1', 'linf 0.125')):.1f}" in row
    assert row.endswith(f"+{gain:.1f} ± {half:.1f}")
    assert "±" not in next(line for line in lines if line.startswith("alpha 0 "))


@pytest.mark.slow
def test_the_ladder_says_every_mean():
    scene = lesson.ladder()
    for values in ends(scene):
        alt = draw(scene, **values)
        for setting in lesson.SETTINGS:
            runs = lesson.runs_of(setting, values["measure"], values["length"])
            assert f"{setting} {100 * np.mean(runs):.0f} %" in alt
    assert same_when_drawn_whole(scene)


# ---- direction and ball ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_direction_and_ball_says_every_mean():
    scene = lesson.direction_and_ball()
    for values in ends(scene):
        alt = draw(scene, **values)
        for direction, name in (("sam", "SAM's direction"), ("attack", "the attack's")):
            for ball, said in (("l2", "l_2"), ("linf", "l_inf")):
                runs = lesson.runs_in_ball(direction, ball, values["measure"])
                assert f"{name} in {said} {100 * np.mean(runs):.0f} %" in alt
    assert same_when_drawn_whole(scene)


@pytest.mark.slow
def test_no_line_runs_through_a_number_of_direction_and_ball():
    scene = lesson.direction_and_ball()
    for measure in choices(scene.controls["measure"]):
        draw(scene, measure=measure)
        for ax in scene.picture.fig.axes:
            joining = [line for line in ax.lines if len(line.get_xdata()) == 2 and np.ptp(line.get_xdata()) > 0.9]
            assert len(joining) == 2
            for text in (text for text in ax.texts if text.get_text()[:1].isdigit()):
                box = text.get_window_extent(scene.picture.fig.canvas.get_renderer())
                for line in joining:
                    ends = ax.transData.transform(np.column_stack(line.get_data()))
                    way = ends[0] + np.linspace(0, 1, 200)[:, None] * (ends[1] - ends[0])
                    assert not any(box.contains(*point) for point in way), (measure, text.get_text())
