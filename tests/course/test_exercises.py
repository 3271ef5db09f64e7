"""What all exercises and questions have in common, in whatever room of the course they are.

That a published solution is accepted by its check is seen where the lesson is run: at the end of its tested copies.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from samlib.course import lessons
from samlib.course.exercise import NOT_ATTEMPTED, WRONG, Exercise, Question, solutions
from samlib.course.lessons.write_the_attack_into_the_weights import exercises as write_the_attack

SOURCES = {path.stem[3:]: path for path in Path(__file__).parents[2].glob("notebooks/source/[0-9]*.py")}


def found(kind: type) -> dict[str, Exercise | Question]:
    """Every exercise, or question, that a room exports or its module `exercises` holds, by room and name."""
    rooms = [module.name for module in pkgutil.iter_modules(lessons.__path__) if module.ispkg]
    return {
        f"{room}/{name}": value
        for room in rooms
        for module in (f"{lessons.__name__}.{room}.exercises", f"{lessons.__name__}.{room}")
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, kind)
    }


EXERCISES, QUESTIONS = found(Exercise), found(Question)


def test_every_lesson_has_a_room_with_exercises_and_questions_and_every_room_a_lesson():
    for pieces in (EXERCISES, QUESTIONS):
        assert {name.split("/")[0] for name in pieces} == set(SOURCES)


@pytest.mark.parametrize(("place", "exercise"), EXERCISES.items(), ids=EXERCISES)
def test_an_exercise_is_checked_in_its_lesson_under_its_own_name(place, exercise):
    room, name = place.split("/")
    assert exercise.name.replace(" ", "_") == place, (
        f"`{name}` in {room}/exercises.py says that it is {exercise.name!r}"
    )
    source = SOURCES[room]
    assert re.search(rf"\b{name}\.check\(", source.read_text(encoding="utf-8")), f"no {name}.check() in {source.name}"


@pytest.mark.parametrize("place", QUESTIONS)
def test_a_question_is_asked_in_its_lesson(place):
    room, name = place.split("/")
    source = SOURCES[room]
    assert re.search(rf"\b{name}\.ask\(", source.read_text(encoding="utf-8")), f"no {name}.ask() in {source.name}"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_open_answer_is_not_attempted_and_help_is_there(exercise):
    exercise = dataclasses.replace(exercise)  # one that nobody has asked for a hint yet
    for nothing in (..., None):
        assert exercise.check(nothing).status == NOT_ATTEMPTED
    assert len(exercise.hints) >= 2
    first = exercise.hint().text
    assert "Hint 1 of" in first
    last = [exercise.hint().text for _ in range(5)][-1]
    assert last.startswith(f"Hint {len(exercise.hints)}")
    assert exercise.solution().text == solutions()[exercise.name]


def test_a_verdict_shows_itself_as_text_and_as_html():
    verdict = Exercise("t", lambda answer: "a < b" if answer else None, "Well done.", ["h"]).check(1)
    assert repr(verdict) == "✘ Wrong. a < b"
    assert "a &lt; b" in verdict._repr_html_()
    assert 'role="status"' in verdict._repr_html_()


def test_an_error_in_the_answer_is_told_to_the_learner_and_does_not_escape():
    verdict = write_the_attack.cheapest.check(lambda W, dx, x: W @ W)
    assert verdict.status == WRONG
    assert "RuntimeError" in verdict.message


def test_a_question_is_answered_only_after_the_commitment():
    question = Question("Which?", {"a": "since a", "b": "not b"}, correct="a")
    for choice, mark in [("a", "✔"), ("b", "✘")]:
        box = question.ask()
        _, options, commit, answer = box.children
        assert options.value is None
        assert commit.disabled
        options.value = choice
        assert "since" not in answer.value
        commit.click()
        assert mark in answer.value
        assert "since a" in answer.value
        assert options.disabled
    with pytest.raises(ValueError, match="correct is 'c'"):
        Question("Which?", {"a": "", "b": ""}, correct="c").ask()


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_every_choice_of_a_question_gets_a_reason(question):
    assert question.correct in question.choices
    assert len(question.choices) >= 3, "a question has at least three choices"
    short = [choice for choice, reason in question.choices.items() if len(reason) <= 20]
    assert short == [], "the reason is too short to be one (20 characters) for these choices"
