"""What the scenes of lesson 04 compute and show."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import samlib
from samlib.course import results, style, widgets
from samlib.course.lessons import is_it_real as lesson
from samlib.course.lessons.is_it_real.exercises import REASONS
from samlib.course.lessons.is_it_real.fakes import curve, suspects
from samlib.course.lessons.is_it_real.flatness import Path, loss_and_shape, plain
from samlib.course.lessons.is_it_real.logit_scale import LOSSES, SMALLEST, largest_slopes
from samlib.course.lessons.is_it_real.rivals import RUNS, rivals_of, shown_digits
from samlib.course.lessons.is_it_real.trials import Trials, in_words
from tests.course.scenes import draw

ATTACKS = {
    "PGD ce": lambda net, x, y, eps, steps: samlib.pgd(net, x, y, eps, steps=steps),
    "PGD margin": lambda net, x, y, eps, steps: samlib.pgd(net, x, y, eps, steps=steps, loss="margin"),
    "random search": lambda net, x, y, eps, steps: samlib.square(net, x, y, eps, queries=steps),
    "transfer": lambda net, x, y, eps, steps: samlib.fgsm(net, x, y, eps),
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
def tried_rivals(net, digits):
    return {name: lesson.try_rivals(net, *digits[2:], 0.125, steps=10) for name in ("SGD", "SAM")}


@pytest.fixture(scope="module")
def four(net, digits):
    models = lesson.four_networks(net, net)
    return lesson.try_attacks(ATTACKS, models, *digits[2:], eps=[0.0625, 0.125, 0.25, 0.5], steps=[1, 10, 40])


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


# ---- rivals ----------------------------------------------------------------------------------------------------------


class Scores(nn.Module):
    """Three pixels are the logits."""

    def forward(self, x):
        return x.flatten(1)


def test_rivals_are_the_wrong_classes_the_likeliest_first():
    x = torch.tensor([[0.2, 0.9, 0.5], [0.2, 0.1, 0.5]]).view(2, 1, 1, 3)
    assert rivals_of(Scores(), x, torch.tensor([1, 2])).tolist() == [[2, 0], [0, 1]]


def test_what_is_left_falls_with_every_run_and_the_first_run_is_that_of_pgd(tried_rivals, net, digits):
    x, y = digits[2:]
    tried = tried_rivals["SAM"]
    assert set(tried.left) == {"margin", "ce", "targets"}
    for left in tried.left.values():
        assert len(left) == RUNS
        assert (np.diff(left) <= 0).all()
    for loss in ("margin", "ce"):
        once = samlib.pgd(net, x, y, 0.125, steps=10, step_size=0.125 / 4, loss=loss)
        assert tried.left[loss][0] == pytest.approx(100 * samlib.accuracy(net, once, y))
    assert tried.left["margin"][0] == pytest.approx(100 * float((~tried.broken[:, 0]).double().mean()))
    assert tried.left["targets"][-1] == pytest.approx(100 * float((~tried.broken[:, 1:].any(1)).double().mean()))
    towards = samlib.pgd(
        net, x, y, 0.125, steps=10, step_size=0.125 / 4, loss="margin", targets=rivals_of(net, x, y)[:, 3]
    )
    torch.testing.assert_close(tried.images[:, 4], towards)


def test_the_digits_to_look_at_differ_and_the_overlooked_come_first(tried_rivals):
    tried = tried_rivals["SAM"]
    shown = shown_digits(tried)
    assert len(set(shown)) == len(shown)
    overlooked = int(tried.overlooked.sum())
    assert tried.overlooked[shown[: min(5, overlooked)]].all()


@pytest.mark.slow
def test_the_picture_of_the_rivals_says_what_is_left_and_which_rivals_break_the_digit(tried_rivals):
    live = lesson.rivals(tried_rivals)
    check_pictures(live)
    tried, digit = tried_rivals["SAM"], live.controls["digit"].value
    alt, _ = drawn(live, network="SAM", runs=9, digit=digit)
    assert alt.startswith("SAM, 9 runs each")
    assert f"one rival after the other {tried.left['targets'][-1]:.1f}" in alt
    named = [int(r) for r in tried.rivals[digit][tried.broken[digit, 1:]]]
    assert alt.endswith(f"broken by naming {', '.join(map(str, named)) or 'none of them'}.")


# ---- a flat place ----------------------------------------------------------------------------------------------------


def test_loss_slope_and_curvature_are_those_of_automatic_differentiation(net, digits):
    x, y = digits[2][:3], digits[3][:3]
    answers, confidence, loss, slope, curvature = loss_and_shape(net, x, y)
    for i in range(3):

        def objective(pixels, label=y[i : i + 1]):
            return nn.functional.cross_entropy(net(pixels), label)

        pixels = x[i : i + 1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(pixels), pixels)
        hessian = torch.autograd.functional.hessian(objective, x[i : i + 1]).view(64, 64)
        assert loss[i] == pytest.approx(objective(x[i : i + 1]).item(), rel=1e-4)
        assert slope[i] == pytest.approx(float(gradient.abs().sum()), rel=1e-3)
        assert curvature[i] == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-2, abs=1e-6)
    with torch.no_grad():
        p = net(x).softmax(1)
    torch.testing.assert_close(confidence, p.amax(1))
    assert answers.tolist() == p.argmax(1).tolist()


def test_the_curvature_does_not_know_the_label(net, digits):
    x, y = digits[2], digits[3]
    torch.testing.assert_close(loss_and_shape(net, x, y)[4], loss_and_shape(net, x, (y + 1) % 10)[4])


def test_a_path_leads_from_the_digit_through_the_attacked_image_and_on(net, digits):
    x, y = digits[2:]
    x_adv = samlib.pgd(net, x, y, 0.125, steps=10)
    path = lesson.follow(net, x, x_adv, y)
    broken = (net(x).argmax(1) == y) & (net(x_adv).argmax(1) != y)
    assert path.labels.tolist() == y[broken].tolist()
    torch.testing.assert_close(path.images[lesson.FURTHER.index(0)], x[broken])
    torch.testing.assert_close(path.images[lesson.FURTHER.index(1)], x_adv[broken])
    assert 0 <= path.images.min() <= path.images.max() <= 1
    assert (path.answers[0] == path.labels).all()
    assert path.median("loss").shape == (len(lesson.FURTHER),)
    assert isinstance(path, Path)
    again = lesson.follow_attacks({"SGD": net}, x, y, 0.125)["SGD"]
    assert len(again.labels) >= len(path.labels) - 2  # 40 steps instead of 10


@pytest.mark.slow
def test_the_picture_of_the_way_says_loss_and_curvature_at_the_place(net, digits):
    x, y = digits[2:]
    path = lesson.follow(net, x, samlib.pgd(net, x, y, 0.125, steps=10), y)
    live = lesson.along_the_attack({"SGD": path, "SAM": path}, 0.125)
    check_pictures(live)
    bend = path.median("curvature")
    for at, place in enumerate(lesson.FURTHER):
        alt = draw(live, network="SAM", place=place)  # no words on each other
        assert alt.startswith(f"SAM, largest change of a pixel {0.125 * place:.3g}: ")
        assert f"median curvature {plain(bend[at])}, {plain(bend[at] / bend[0])} times that at 0." in alt
    assert [plain(value) for value in (123.4, 0.0123)] == ["120", "0.012"]


def test_what_the_runs_leave_and_overlook_is_said_for_each_network(tried_rivals):
    lines = lesson.in_words(tried_rivals).split("\n")
    for (name, one), said, overlooked in zip(tried_rivals.items(), lines[::2], lines[1::2], strict=True):
        assert said.startswith(f"{name}, % robust to 1 run -> 9 runs: margin {one.left['margin'][0]:.1f} -> ")
        assert overlooked.endswith(f" {int(one.overlooked.sum())} of 20 digits")


# ---- the logits' scale -----------------------------------------------------------------------------------------------


def test_the_largest_slope_of_the_margin_of_a_linear_network_is_a_difference_of_its_rows():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    slopes = largest_slopes(net, "margin", torch.rand(5, 1, 3, 3), torch.tensor([0, 1, 0, 1, 1]))
    torch.testing.assert_close(slopes, (net[1].weight[0] - net[1].weight[1]).abs().max().expand(5))


def test_below_the_smallest_number_there_is_only_zero():
    smallest = torch.tensor(SMALLEST)
    assert smallest > 0
    assert smallest / 2 == 0


def test_leads_and_slopes_of_the_margin_grow_with_the_factor_and_those_of_the_dlr_stay(scaled):
    at = {(loss, scale): scaled[scale, loss] for loss in LOSSES for scale in (1, 10)}
    for loss in LOSSES:
        assert at[loss, 10].leads == pytest.approx(10 * at[loss, 1].leads, rel=1e-4)
    assert at["margin", 10].slopes == pytest.approx(10 * at["margin", 1].slopes, rel=1e-4)
    assert at["dlr", 10].slopes == pytest.approx(at["dlr", 1].slopes, rel=1e-4)


def test_in_float32_the_gradient_of_the_cross_entropy_is_zero_where_the_lead_is_too_large_for_it(scaled):
    for scale in lesson.SCALES:
        run = scaled[scale, "ce"]
        assert (run.slopes[run.leads > 115] == 0).all()
        assert (run.slopes[(run.leads > 0) & (run.leads < 85)] > 0).all()
        assert run.zero == (run.slopes == 0).sum()
    assert scaled[30, "ce"].zero > 10 > scaled[2, "ce"].zero == 0


def test_the_factor_hides_digits_from_the_cross_entropy_alone(scaled, net, digits):
    x, y = digits[2:]
    for loss in ("margin", "dlr"):
        assert abs(scaled[30, loss].robust - scaled[1, loss].robust) <= 5
    assert scaled[30, "ce"].robust > scaled[1, "ce"].robust + 20
    by_hand = samlib.pgd(net, x, y, 0.125, steps=40, step_size=0.125 / 4)
    assert scaled[1, "ce"].robust == 100 * samlib.accuracy(net, by_hand, y)


@pytest.mark.slow
def test_the_picture_of_the_scale_says_what_pgd_leaves_and_how_many_gradients_are_zero(scaled):
    live = lesson.logit_scale(scaled)
    check_pictures(live)
    alt, _ = drawn(live, scale=30, loss="ce")
    run = scaled[30, "ce"]
    assert f"cross-entropy {run.robust:.0f}" in alt
    assert alt.endswith(f"has {run.zero} gradients of exactly 0.")


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
    black = [draw_black(live, eps) for eps in (0.0625, 0.125, 0.25)]
    assert black == [0, 4, 0], "the claims are of one eps, and stand beside no other"


def draw_black(live: widgets.Live, eps: float) -> int:
    """How many black lines, claims, are seen at an eps."""
    drawn(live, eps=eps)
    lines = [line for ax in live.picture.fig.axes for line in ax.lines]
    return sum(line.get_visible() and line.get_color() == style.INK for line in lines)


def test_no_suspect_is_drawn_in_the_look_of_what_it_is():
    looks = suspects()
    assert looks["B"] is not style.AT  # the robust one
    assert looks["C"] is not style.NOISE
    assert len({look.color for look in looks.values()}) == 4


def test_the_verdicts_have_a_row_for_each_check_and_a_column_for_each_network(net, digits):
    x, y = digits[2:]
    reports = {name: samlib.diagnose(net, x, y, 0.125) for name in "AB"}
    found = lesson.verdicts(reports).data
    assert found.startswith("<details><summary>"), "folded, since it gives the exercise away"
    rows = re.findall(r"<tr>(.*?)</tr>", found)
    assert rows[0] == "<td>check</td><td>A</td><td>B</td>"
    marks = {"ok": "·", "suspicious": "<b>✘</b>", "not checked": "?"}
    for row, check in zip(rows[1:], reports["A"].checks, strict=True):
        assert row == f"<td>{check.name}</td>" + 2 * f"<td>{marks[check.verdict]}</td>"


# ---- leads -----------------------------------------------------------------------------------------------------------


def test_a_lead_is_the_mean_difference_of_the_seeds_with_its_interval():
    level = {"SGD": {"PGD": np.array([1.0, 3.0, 2.0])}, "SAM 0.4": {"PGD": np.array([10.0, 12.0, 14.0])}}
    assert lesson.differences(level, "SAM 0.4 over SGD", "PGD").tolist() == [9, 9, 12]
    gain, half = lesson.lead(level, "SAM 0.4 over SGD", "PGD")
    assert gain == pytest.approx(10)
    assert half == pytest.approx(4.302653 * 1.0, rel=1e-5)  # t of 2 degrees of freedom times s / √3


def test_attacks_stand_in_the_order_of_what_they_leave(level):
    both = [level["SGD"][attack].mean() + level["SAM 0.4"][attack].mean() for attack in level["SGD"]]
    assert both == sorted(both, reverse=True)
    assert all(list(runs) == list(level["SGD"]) for runs in level.values())
    assert {setting for pair in lesson.PAIRS.values() for setting in pair} <= set(level)


def test_the_table_has_every_pair_and_the_doubts_are_those_of_the_runs(level):
    said = lesson.table_of_leads(level, ["FGSM", "standard"]).split("\n")
    assert [line[:27].strip() for line in said] == ["", *lesson.PAIRS]
    gain, half = lesson.lead(level, "SAM 0.4 over SGD", "standard")
    assert said[1].endswith(f"{gain:.1f} ± {half:.1f}")
    found, runs = lesson.doubts(level, 597), level["SAM 0.4"]
    share = runs["standard"].mean() / 100
    assert found["mean"] == pytest.approx(100 * share)
    assert found["digits"] == pytest.approx(196 * np.sqrt(share * (1 - share) / 597))
    assert found["attack"] == pytest.approx(runs["FGSM"].mean() - 100 * share)
    tuned = lesson.lead(level, "SAM over SGD, both tuned", "standard")[0]
    assert found["tuning"] == pytest.approx(tuned - gain)
    assert f"{found['mean']:.1f} ± {found['seeds']:.1f} %" in lesson.doubts_in_words(found)


def test_other_threats_are_the_tables_and_the_networks_own(net, digits):
    x, y = digits[2:]
    found = lesson.other_threats(net, x, y)
    moved = torch.zeros_like(x)
    moved[..., 1:] = x[..., :-1]
    assert found["of shifted digits"] == pytest.approx(100 * samlib.accuracy(net, moved, y))
    assert found["in its l_inf ball"] > 75 > 5 > found["in the l_2 ball of 1"]


def test_the_protocol_names_every_part_of_every_attack():
    table = results.load("attacks")
    lines = lesson.protocol(table).split("\n")
    assert [line[:15].strip() for line in lines if line[0] != " "] == list(table["protocol"]["attacks"])
    assert max(map(len, lines)) <= 88, "a page of 1280 pixels breaks longer ones at a letter"
    said = re.sub(r",\n +", ", ", lesson.protocol(table))
    assert "apgd dlr 20 × 9 targets, apgd margin 20 × 9 targets by a wider ball, apgd margin 10 × 9 targets" in said
    assert "by a wider ball up to 15 runs, apgd ce 20 up to 50 runs" in said
    assert said.endswith("square margin 300, square margin 5000")
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


# ---- the report ------------------------------------------------------------------------------------------------------


class Counts:
    """Trials in which every count is written down."""

    attacks, networks = tuple(ATTACKS), tuple("ABCD")

    def __init__(self, **found: int) -> None:
        self.found = found

    def robust(self, network: str, attack: str, steps: int, eps: float) -> int:
        assert steps == 40
        return self.found.get(f"{network}_{round(1000 * eps)}", 0) + self.attacks.index(attack)


def test_the_report_is_made_of_the_lessons_figures():
    tested = Counts(A_125=10, B_125=70, C_125=30, D_125=85, D_250=80, D_500=60)
    lines = lesson.report(tested, (20.2, 1.9)).split("\n")
    assert len(lines) == 6 + len(REASONS)
    assert lines[0].endswith("85 of 100 digits are robust at eps 0.125, 80 at 0.25, 60 at 0.5.")
    assert "70 of 100" in lines[1]
    assert lines[1].endswith("400 queries: 72.")
    assert "leaves 11 of 100, random search 12" in lines[2]
    assert lines[3].endswith("Four attacks leave 30, 31, 32, 33 of 100. We report 32, their mean.")
    assert "SAM leads by 20 ± 2 points" in lines[4]
