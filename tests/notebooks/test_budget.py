"""A lesson fits into its class and its evening at home, and speaks the field's language."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import nbformat
import pytest
import torch

import samlib
from samlib.duality import at_layer, dz_by_sam_step

ROOT = Path(__file__).resolve().parents[2]


def load(name):
    """A program of the notebooks' folder, as a module."""
    spec = importlib.util.spec_from_file_location(f"notebooks_{name}", ROOT / "notebooks" / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look it up there
    spec.loader.exec_module(module)
    return module


build, budget = load("build"), load("budget")
each_lesson = pytest.mark.parametrize("source", build.sources(), ids=lambda path: path.stem)

# Words of this course's own that lead to no literature; the field's terms say the same.
PRIVATE = [
    r"kick(s|ed)?",
    r"climb(s|ed|ing)?",
    r"stretch(es|ed|ing)?",
    r"misread(s)?",
    r"err(s|ed)?",
    r"surviv(e|es|ed|or|ors)",
    r"left standing",
    r"look(s|ing)? again",
    r"blind search",
    r"dear ones",
    r"loud(ly)?",
    r"shout(s)?",
    r"dilut(e|es|ed|ion)",
    r"slices?",
    r"aim(s|ed)?",
    r"relatives of",
]


def private_words(text: str) -> list[str]:
    """The course's own words in a text, code and formulas left out."""
    plain = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", " ", text, flags=re.DOTALL)
    return [found[0] for word in PRIVATE for found in re.finditer(rf"\b{word}\b", plain, re.IGNORECASE)]


def cells(*texts):
    """Markdown where a text begins with a letter or a mark; code where it begins with `>`."""
    return [
        nbformat.v4.new_code_cell(text[1:]) if text.startswith(">") else nbformat.v4.new_markdown_cell(text)
        for text in texts
    ]


def test_words_widgets_questions_and_code_count_and_exercises_by_their_minutes():
    lesson = cells(
        "# one two three four",
        ">lesson.bet.ask()",
        ">a = 1\n\nlesson.moves(a)",
        "five\n### Exercise 1 · Write it (easy, 7 minutes)\nwords at home",
        ">def f(): ...",
        ">lesson.f.check(f)",
        "six\n<details>\n<summary>More</summary>\n</details>\nseven",
        "### Sources\nA. Author",
    )
    counted = budget.count(lesson, {"moves"})
    assert (counted.words, counted.widgets, counted.questions, counted.lines) == (8, 1, 1, 2)
    assert counted.exercises == [7]
    assert counted.home == 9 + 3 + 3 + 4
    assert counted.in_class == pytest.approx(8 / 130 + 2 / 15 + 4 + 1)
    assert counted.faults(stated=10) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"words": 130 * 46}, "50 minutes in class; at most 45"),
        ({"words": 130 * 21}, "its header says 10 minutes; rounded up to five it takes 25"),
        ({"exercises": [20, 30]}, "50 minutes of exercises; at most 45"),
        ({"exercises": [4]}, "none under 5"),
        ({"exercises": []}, "no exercise"),
        ({"widgets": 0}, "no widget"),
    ],
)
def test_what_is_over_a_limit_or_missing_is_named(change, fault):
    usual = {"words": 130 * 5, "widgets": 1, "exercises": [10]}
    assert budget.Budget(**usual).faults(stated=10) == []
    assert any(fault in said for said in budget.Budget(**usual | change).faults(stated=10))


def test_a_private_word_is_found_and_code_is_left_alone():
    assert private_words("SAM's climb is long; `climb` and $climb$ are code") == ["climb"]
    assert private_words("error, aimless, sliced, the climate") == []


def test_widgets_are_found_by_what_they_return(tmp_path):
    (tmp_path / "a.py").write_text("def moves() -> widgets.Live: ...\ndef still() -> HTML: ...\ndef f(): ...\n")
    assert budget.widgets_of(tmp_path) == {"moves"}


def counted(source):
    """What a lesson asks for, as its learner's copy stands; and its facts."""
    notebook = build.make(source, solved=False)
    rooms = budget.LESSONS.iterdir() if source == build.CLASS else [budget.LESSONS / source.stem[3:]]
    widgets = set().union(*(budget.widgets_of(room) for room in rooms if room.is_dir()))
    return budget.count(notebook.cells[2:], widgets), notebook.metadata["samlib"]


@each_lesson
def test_a_lesson_keeps_within_its_minutes(source):
    asked, facts = counted(source)
    assert asked.faults(facts["minutes"]) == []


def test_all_lessons_together_keep_within_the_words():
    lessons = [source for source in build.sources() if source.name < "08"]
    assert sum(asked.words + asked.home for asked, _ in map(counted, lessons)) <= budget.WORDS


def test_the_single_class_keeps_within_its_minutes():
    asked, facts = counted(build.CLASS)
    assert facts["minutes"] - 30 < asked.in_class + asked.at_home <= facts["minutes"] - 15 == 75, "the rest is for talk"


@pytest.mark.parametrize("source", [*build.sources(), build.CLASS], ids=lambda path: path.stem)
def test_a_lesson_speaks_the_fields_language(source):
    cells = build.make(source, solved=False).cells
    found = {word for cell in cells if cell.cell_type == "markdown" for word in private_words(cell.source)}
    assert found == set(), "words of this course's own that lead to no literature"


GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\| ([^|]+?) \| [^|]+ \| (\d\d) \|$", GLOSSARY, re.MULTILINE)


def test_the_glossary_explains_each_term_once():
    names = [term for term, _ in TERMS]
    assert len(set(names)) == len(names) > 25


@pytest.mark.parametrize(("term", "lesson"), TERMS, ids=[term for term, _ in TERMS])
def test_a_term_of_the_glossary_stands_in_the_lesson_that_it_names(term, lesson):
    source = next(path for path in build.sources() if path.name.startswith(lesson))
    text = " ".join(source.read_text(encoding="utf-8").replace("\n# ", " ").split()).lower()
    for word in re.sub(r" \([^)]*\)", "", term).split(", "):
        assert word.lower() in text, f"lesson {lesson} does not use {word!r}"


@pytest.mark.slow
def test_what_rho_is_in_the_small_network_is_as_the_glossary_says():
    assert "about a third as long as the digit after SGD, and longer after SAM" in GLOSSARY
    x, y, *_ = samlib.load_digits()
    share = []
    for how in ({"method": "sgd"}, {"method": "sam", "rho": 0.4}):
        net = samlib.mlp((48, 48), mean=0.0, std=1.0)
        samlib.train(net, x, y, **how, progress=False)
        seen = at_layer(net.double(), x.double(), y)
        way_back = torch.linalg.pinv(seen.weight).T
        dx = [
            dz_by_sam_step(g, v, 0.4, bias=True) @ way_back
            for g, v in zip(seen.g.split(128)[:9], seen.x.split(128)[:9], strict=True)
        ]
        share.append((torch.cat(dx).norm(dim=1) / seen.x[: 9 * 128].norm(dim=1)).mean())
    assert 0.28 < share[0] < 0.39
    assert share[1] > 1.3 * share[0]
