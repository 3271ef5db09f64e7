"""The exercises of lesson 08: right answers of several kinds, wrong ones by their symptoms, open ones."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from samlib.course.exercise import CORRECT, NOT_ATTEMPTED, WRONG, Question
from samlib.course.lessons import at_the_papers_scale as room
from samlib.course.lessons.at_the_papers_scale import exercises as lesson
from samlib.course.lessons.at_the_papers_scale import questions
from samlib.course.lessons.at_the_papers_scale import verdict_form as verdict
from samlib.course.lessons.at_the_papers_scale.evidence import Evidence, Found
from samlib.course.lessons.at_the_papers_scale.report import FINDINGS, MOVES
from tests.course.answers import check, solved

RIGHT = {number: number in MOVES for number in FINDINGS}


def test_moves_accepts_the_published_solution_and_no_other():
    check(lesson.moves, solved("at_the_papers_scale/moves", "moves"), CORRECT)
    for number in FINDINGS:
        check(lesson.moves, RIGHT | {number: not RIGHT[number]}, WRONG, f"Finding {number}: {lesson.WHY[number]}")


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        ([True] * 8, "must be a dict"),
        ({1: True}, "with the keys 1, 2, 3"),
        (RIGHT | {3: "no"}, "Finding 3: say True or False"),
        (dict.fromkeys(FINDINGS, True), "3 of 8 are not right"),
    ],
)
def test_moves_says_what_is_wrong(answer, symptom):
    check(lesson.moves, answer, WRONG, symptom)


def by_hand(net, mean, std):
    layers = copy.deepcopy(net)

    def logits(x):
        z = (x - mean) / std
        for name, layer in layers.named_children():
            z = z if name == "normalize" else layer(z)
        return z

    return logits


class InFront(nn.Module):
    """Undoes the network's own normalisation beforehand."""

    def __init__(self, net, mean, std):
        super().__init__()
        self.net, self.mean, self.std = copy.deepcopy(net), mean, std

    def forward(self, x):
        own = self.net.normalize
        return self.net((x - self.mean) / self.std * own.std + own.mean)


@pytest.mark.parametrize("answer", [solved("at_the_papers_scale/behind", "behind", copy=copy), by_hand, InFront])
def test_behind_accepts_every_right_way(answer):
    check(lesson.behind, answer, CORRECT)


def in_place(net, mean, std):
    net.normalize.mean.fill_(mean)
    net.normalize.std.fill_(std)
    return net


def changed(net, mean, std):
    return in_place(copy.deepcopy(net), mean, std)


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (in_place, "change a copy"),
        (lambda net, mean, std: copy.deepcopy(net), "still its own"),
        (lambda net, mean, std: lambda x: net((x - mean) / std), "normalises twice"),
        (lambda net, mean, std: changed(net, std, mean), "have changed places"),
        (lambda net, mean, std: changed(net, mean, std**2), "not those of the same weights"),
        (lambda net, mean, std: 3.0, "must return a network"),
        ("net", "must be a function"),
    ],
)
def test_behind_says_what_is_wrong(answer, symptom):
    check(lesson.behind, answer, WRONG, symptom)


SPREAD = np.array([-0.1, 0.0, 0.1])


def found(mean):
    return Found(("SGD", "SAM"), SPREAD, SPREAD + mean, SPREAD + mean)


ROWS = {"a": found(1), "b": found(1), "c": found(0), "d": found(2), "e": found(-1), "f": found(0), "g": None}
ROWS |= {"h": found(-30)}
SIGNED = {1: ("supported", "b"), 2: ("open", "c"), 3: ("refuted", "h"), 4: ("refuted", "e"), 5: ("open", "f")}
SIGNED |= {6: ("open", "g")}


def test_a_verdict_follows_its_evidence_whatever_the_tables_hold():
    assert verdict.judge_verdict(SIGNED, ROWS) is None
    assert verdict.judge_verdict(SIGNED | {4: ("supported", "e")}, ROWS | {"e": found(1)}) is None
    assert verdict.judge_verdict(SIGNED | {6: ("supported", "g")}, ROWS | {"g": found(1)}) is None


def test_the_published_verdict_is_right_for_the_tables_that_there_are():
    rows = room.evidence_rows(Evidence())
    check(lesson.verdict, solved("at_the_papers_scale/verdict", "verdict", rows=rows), CORRECT)


def test_one_seed_leaves_a_line_open():
    alone = Found(("SGD", "SAM"), SPREAD[:1], SPREAD[2:], SPREAD[2:])
    assert (alone.says, alone.half, str(alone)) == ("open", None, "+0.1")
    assert verdict.judge_verdict(SIGNED | {1: ("open", "b")}, ROWS | {"b": alone}) is None


@pytest.mark.parametrize(
    ("line", "answer", "symptom"),
    [
        (4, ("refuted", "d"), "It differs in: attack."),
        (2, ("open", "b"), "It differs in: methods or tuning."),
        (6, ("open", "e"), "It differs in: data set, methods or tuning."),
        (3, ("refuted", "c"), "names the two methods"),
        (5, ("supported", "f"), "The interval of its evidence goes from"),
        (6, ("supported", "g"), "not measured"),
        (1, ("true", "b"), "none of supported, refuted, open"),
        (1, ("open", "z"), "there is no evidence 'z'"),
        (1, "open", "give two things"),
    ],
)
def test_a_verdict_says_what_is_wrong(line, answer, symptom):
    assert symptom in verdict.judge_verdict(SIGNED | {line: answer}, ROWS)


def test_a_verdict_needs_every_line():
    assert "must be a dict with the keys 1, 2" in verdict.judge_verdict({1: ("open", "a")}, ROWS)


@pytest.mark.parametrize(
    ("exercise", "open_answer"),
    [
        (lesson.moves, ...),
        (lesson.moves, dict.fromkeys(FINDINGS, ...)),
        (lesson.behind, lambda net, mean, std: ...),
        (lesson.verdict, dict.fromkeys(range(1, 7), (..., ...))),
        (lesson.verdict, dict.fromkeys(range(1, 7), ...)),
    ],
)
def test_an_open_answer_is_told_apart(exercise, open_answer):
    check(exercise, open_answer, NOT_ATTEMPTED)


@pytest.mark.parametrize("name", [name for name, value in vars(questions).items() if isinstance(value, Question)])
def test_every_choice_has_its_reason(name):
    asked = getattr(questions, name)
    assert asked.correct in asked.choices
    assert all(len(said.split()) > 2 for said in asked.choices.values())


@pytest.mark.parametrize(
    ("gain", "right"), [(1, "above zero"), (0, "holds zero"), (-1, "below zero")], ids=["ahead", "open", "behind"]
)
def test_the_bet_on_cifar_is_settled_by_the_table(gain, right):
    asked = questions._bet_on_the_part(found(gain))
    assert right in asked.correct
    assert f"{found(gain)} points, 3 seeds" in asked.choices[asked.correct]


def test_another_normalisation_is_the_one_in_the_name_of_the_fault():
    """The means over the colours of both data sets' figures, as the public code has them."""
    from samlib.course.lessons.at_the_papers_scale import planted as faults

    std10, std100 = torch.tensor([0.2471, 0.2435, 0.2616]), torch.tensor([0.2673, 0.2564, 0.2762])
    mean10, mean100 = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.5071, 0.4865, 0.4409])
    assert float((std10 / std100).mean()) == pytest.approx(faults.STD_FACTOR, abs=5e-4)
    assert float((mean10 - mean100).mean()) == pytest.approx(faults.MEAN_SHIFT, abs=5e-4)
