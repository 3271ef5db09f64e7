"""What a teacher needs beside the lessons.

    python scripts/teaching.py pack 00 03 class --out class.zip   the learner's notebooks, without solutions
    python scripts/teaching.py draw 12345                         a student's mini-study; --run also makes its runs
    python scripts/teaching.py grade hand-ins                     the evidence of *find the fake*, a file a student
    python scripts/teaching.py sheet --seed 7                     the test after the course, in another order
    python scripts/teaching.py key --seed 7                       and its key
    python scripts/teaching.py measure                            memory and time of each lesson; --kernels 10: at once

`pack` and `measure` need jupytext beside what `make lab` installs.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import itertools
import random
import re
import string
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
KEY = ROOT / "scripts" / "teaching" / "key.toml"
AFTER = ROOT / "docs" / "teaching" / "after.md"
ITEM = re.compile(r"^## (?P<id>Q\d+)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
TIER = re.compile(r"^- \*\*(?P<name>[a-d]|[1-4])\*\* (?P<text>.*(?:\n  .*)*)", re.MULTILINE)


class Refused(Exception):
    """What was asked for cannot be done; the message says why, in one line."""


def builder() -> Any:
    """notebooks/build.py, as a module."""
    sys.path.insert(0, str(ROOT / "notebooks"))
    try:
        import build
    except ImportError as error:
        raise Refused(f"{error.name} is missing: python -m pip install {error.name}") from error
    return build


# ---- hand-outs -------------------------------------------------------------------------------------------------------


def chosen_sources(names: Sequence[str], build: Any) -> list[Path]:
    """The sources of lessons by their numbers, or "class" or "all"."""
    known = {source.stem[:2]: source for source in build.sources()} | {"class": build.CLASS}
    names = list(known) if list(names) == ["all"] else list(dict.fromkeys(names))
    if unknown := [name for name in names if name not in known]:
        raise Refused(f"There is no lesson {', '.join(unknown)}; there are {', '.join(known)}, or all.")
    return [known[name] for name in names]


@functools.cache
def published(build: Any) -> dict[str, tuple[str, str]]:
    """Every published solution by name, with the stub that it replaces."""
    found = {}
    for source in build.sources():
        for stub, solution in itertools.pairwise(build.read(source).cells):
            if name := build.exercise_name(solution):
                found[name] = (solution.source, stub.source)
    return found


def faults_of(notebook: Any, solutions: Mapping[str, tuple[str, str]], build: Any) -> list[str]:
    """Why a notebook must not be handed out: lines of solutions, outputs."""
    whole = "\n".join(cell.source for cell in notebook.cells)
    faults = []
    for name, (solution, stub) in solutions.items():
        lines = build.leaks(notebook, solution, stub)
        if lines or solution in whole:
            faults.append(f"it holds the solution of {name}: {(lines or solution.splitlines())[0]}")
    if any(cell.get("outputs") for cell in notebook.cells):
        faults.append("it holds outputs")
    return faults


def pack(names: Sequence[str], out: Path) -> list[str]:
    """Write a zip file of the learner's notebooks of some lessons, with the glossary that they link to.

    Returns:
        The names of the files in it.

    Raises:
        Refused: a lesson is unknown, or a notebook holds a line of any published solution. Nothing is written then.
    """
    build = builder()
    solutions, texts = published(build), {}
    for source in chosen_sources(names, build):
        notebook = build.make(source, solved=False)
        if faults := faults_of(notebook, solutions, build):
            raise Refused(f"{source.stem} is not packed, nor is anything else: {faults[0]}")
        texts[f"notebooks/{source.stem}.ipynb"] = build.nbformat.writes(notebook) + "\n"
    texts["docs/glossary.md"] = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    cpu = "python -m pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
    texts["README.txt"] = (
        "Open the notebooks on Colab (their badges), or here, with Python 3.10 or newer:\n\n"
        f'    python -m pip install "samlib[lab] @ git+{build.REPOSITORY}"\n    jupyter lab notebooks\n\n'
        f"On Linux or Windows without an NVIDIA GPU, this first saves gigabytes:\n\n    {cpu}\n"
    )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in texts.items():
            file.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)  # without a date: the same bytes each time
    return list(texts)


# ---- the mini-study --------------------------------------------------------------------------------------------------

QUESTIONS = {  # the question, and the two methods by name
    "SAM or SGD": {"SGD": {"method": "sgd"}, "SAM": {"method": "sam", "rho": 0.4}},
    "SAM or noise on the pixels": {
        "noise": {"method": "input_noise", "sigma": 0.2},
        "SAM": {"method": "sam", "rho": 0.4},
    },
    "SAM with its ascent step in the first layer, or in the later ones": {
        "later layers": {"method": "sam", "rho": 0.4, "perturb": ["fc2", "fc3"]},
        "first layer": {"method": "sam", "rho": 0.4, "perturb": ["fc1"]},
    },
    "SAM with rho 0.2, or with rho 0.4": {
        "rho 0.2": {"method": "sam", "rho": 0.2},
        "rho 0.4": {"method": "sam", "rho": 0.4},
    },
}
SEEDS = range(5)


def drawn(number: str, term: str = "") -> dict[str, Any]:
    """What a student number draws: the question, the split, the size of the training set, eps.

    The same number and term draw the same on every machine.
    """
    number = number.strip()
    if not re.fullmatch(r"[\w-]{1,40}", number):
        raise Refused(f"The student number is {number[:40]!r}; it may hold letters, digits, - and _, up to 40.")
    draw = random.Random(int.from_bytes(hashlib.sha256(f"{term}/{number}".encode()).digest()[:8], "big"))
    return {
        "question": draw.choice(list(QUESTIONS)),
        "split": draw.randrange(1, 10_000),
        "images": draw.choice([300, 500, 700, 900, 1100]),
        "eps": draw.choice([0.0625, 0.09375, 0.125]),
        "digits": draw.randrange(1, 10_000),
    }


def assignment(number: str, term: str = "") -> str:
    """A student's mini-study, in words and lines of code."""
    mine = drawn(number, term)
    methods = "\n".join(f"    {name}: method = {method!r}" for name, method in QUESTIONS[mine["question"]].items())
    return f"""\
Mini-study of {number.strip()}

Which network is the more robust: {mine["question"]}?
Robust accuracy is of all 597 test images, l_inf eps {mine["eps"]:g}, budget "quick"; seeds 0 to {len(SEEDS) - 1}.
Note clean and training accuracy too.

    x_train, y_train, x_test, y_test = samlib.load_digits(seed={mine["split"]})
    x_train, y_train = x_train[:{mine["images"]}], y_train[:{mine["images"]}]

One run:

    model = samlib.mlp(seed=seed)
    samlib.train(model, x_train, y_train, **method, seed=seed, progress=False)
    samlib.robust_accuracy(model, x_test, y_test, {mine["eps"]:g}, budget="quick")

The two methods:

{methods}

For *find the fake*, these hundred digits, in place of the first hundred:

    rows = torch.randperm(597, generator=torch.Generator().manual_seed({mine["digits"]}))[:100]
    x, y = x_test[rows], y_test[rows]     # x_test, y_test of samlib.load_digits(), as in lesson 04

Hand in the form's first part before you train anything."""


def study(number: str, term: str = "") -> dict[str, dict[str, list[float]]]:
    """A student's mini-study: robust, clean and training accuracy of every run of the two methods, in per cent."""
    import torch

    import samlib

    torch.set_num_threads(1)
    mine = drawn(number, term)
    x_train, y_train, x_test, y_test = samlib.load_digits(seed=mine["split"])
    x_train, y_train = x_train[: mine["images"]], y_train[: mine["images"]]
    found: dict[str, dict[str, list[float]]] = {}
    for name, method in QUESTIONS[mine["question"]].items():
        found[name] = {"robust": [], "clean": [], "training": []}
        for seed in SEEDS:
            model = samlib.mlp(seed=seed)
            samlib.train(model, x_train, y_train, **method, seed=seed, progress=False)
            robust = samlib.robust_accuracy(model, x_test, y_test, mine["eps"], budget="quick")
            shares = (robust, samlib.accuracy(model, x_test, y_test), samlib.accuracy(model, x_train, y_train))
            for values, share in zip(found[name].values(), shares, strict=True):
                values.append(100 * share)
    return found


def told(found: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """The runs of a mini-study in words: every run, and each difference with its 95 % interval over seeds."""
    from samlib.course import results

    (one, first), (other, second) = found.items()
    lines = []
    for measure in first:
        for name, runs in ((one, first[measure]), (other, second[measure])):
            lines.append(f"{measure:8} {name}: {' '.join(f'{value:.1f}' for value in runs)}")
        mean, half = results.interval([b - a for a, b in zip(first[measure], second[measure], strict=True)])
        lines.append(f"{measure:8} {other} minus {one}: {mean:+.1f} ± {half:.1f} points")
    return lines


# ---- find the fake ---------------------------------------------------------------------------------------------------

LARGEST = 1_000_000  # bytes of a hand-in
MEMBER = 500_000  # bytes of one network's evidence, unpacked; a hundred digits in 64 bits take 51,328


class Broken(Exception):
    """A hand-in that cannot be read; the message says what is wrong with it."""


def plain(text: object, most: int = 160) -> str:
    """A text for one line of a terminal: what came from a hand-in can move no cursor."""
    line = "".join(c if c.isprintable() else "?" for c in str(text))
    return line if len(line) <= most else line[:most] + " ..."


def read_hand_in(path: Path, networks: Iterable[str]) -> dict[str, Any]:
    """The answers in a .npz file: an array or a text for each network. Nothing in it is run, and no pickle is read.

    Raises:
        Broken: it is no such file, too large, or holds something else.
    """
    if path.is_symlink() or not path.is_file():
        raise Broken("it is no file")
    if path.suffix != ".npz":
        raise Broken("it is not a .npz file, and was not opened")
    if not path.stat().st_size:
        return {}
    if path.stat().st_size > LARGEST:
        raise Broken(f"it has {path.stat().st_size:,} bytes; at most {LARGEST:,} are read")
    answers: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            wanted = list(networks)
            if strange := [name for name in names if name not in wanted]:
                raise Broken(f"it holds {plain(strange[0], 30)!r}; it may hold {', '.join(wanted)}")
            if len(set(names)) < len(names):
                raise Broken("it holds one name twice")
            for member, name in zip(members, names, strict=True):
                if member.file_size > MEMBER:
                    raise Broken(f"{name} has {member.file_size:,} bytes unpacked; at most {MEMBER:,} are read")
                answers[name] = read_array(name, file.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise Broken(f"it cannot be read ({type(error).__name__}: {plain(error, 80)})") from error
    return answers


def read_array(name: str, data: bytes) -> Any:
    """An array or a text from the bytes of a .npy file, or ... where they hold Python objects, which are not read.

    The header is believed only where the bytes bear it out.
    """
    import numpy as np

    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise Broken(f"{name} is written in a format that is not read here")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    rest = data[stream.tell() :]
    if dtype.hasobject:  # what an answer that was left open becomes; it would have to be unpickled, so it stays shut
        return ...
    if dtype.kind not in "biufU" or dtype.itemsize == 0:
        raise Broken(f"{name} holds values of type {plain(dtype, 30)}; hand in images, or 'robust'")
    if any(n < 0 for n in shape) or len(rest) != int(np.prod([dtype.itemsize, *shape], dtype=object)):
        raise Broken(f"{name} does not hold what its header says")
    array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "U":
        if array.size != 1 or dtype.itemsize > 80:
            raise Broken(f"{name} holds a text that is not 'robust'")
        return str(array.reshape(-1)[0])
    return array.astype(np.float32)  # a copy: what numpy reads from bytes cannot be written to


def the_four() -> tuple[dict[str, Any], Any, Any]:
    """Lesson 04's networks A to D, trained as the lesson does, and the test digits with their labels."""
    import torch

    import samlib
    from samlib.course.lessons import is_it_real as lesson

    torch.set_num_threads(1)
    x_train, y_train, x_test, y_test = samlib.load_digits()
    nets = {}
    for name, strength in {"SGD": {}, "AT": {"eps": 0.125}}.items():
        nets[name] = samlib.mlp()
        samlib.train(nets[name], x_train, y_train, name.lower(), **strength, progress=False)
        nets[name].eval()
    return lesson.four_networks(nets["SGD"], nets["AT"]), x_test, y_test


def verdict(path: Path, models: Mapping[str, Any], x: Any, y: Any) -> tuple[str, str]:
    """What a hand-in is, one of right, wrong, empty and broken, and why, in one line."""
    from samlib.course.lessons.is_it_real import exercises

    try:
        answers = read_hand_in(path, models)
    except Broken as error:
        return "broken", f"{error}."
    if all(answer is ... for answer in answers.values()):
        return "empty", "No network is judged."
    said = {}
    for name, model in models.items():
        answer = answers.get(name, ...)
        complaint = f"{name} is open." if answer is ... else exercises._judge_one(name, answer, model, x, y)
        if complaint:
            said[name] = plain(complaint, 400)
    if not said:
        return "right", f"{len(models)} of {len(models)}."
    return "wrong", f"{len(models) - len(said)} of {len(models)}. {' '.join(said.values())}"


def grade(folder: Path, own_digits: bool = False, term: str = "") -> list[tuple[str, str, str]]:
    """The verdict on every hand-in of a folder: the file's name, what it is, and why.

    Args:
        folder: with a .npz file for each student, named by the student's number.
        own_digits: each number has drawn a hundred digits of its own (`draw`); else the lesson's hundred.
        term: that they were drawn with.
    """
    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder; it must hold a .npz file for each student.")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not files:
        raise Refused(f"{folder} is empty; it must hold a .npz file for each student.")
    import torch

    models, x_test, y_test = the_four()
    lines = []
    for path in files:
        rows = torch.arange(100)
        if own_digits:
            try:
                seed = drawn(path.stem, term)["digits"]
            except Refused as error:
                lines.append((plain(path.name), "broken", f"Its name is no student number. {plain(error)}"))
                continue
            rows = torch.randperm(len(x_test), generator=torch.Generator().manual_seed(seed))[:100]
        lines.append((plain(path.name), *verdict(path, models, x_test[rows], y_test[rows])))
    return lines


# ---- the test after the course ---------------------------------------------------------------------------------------


def items() -> dict[str, dict[str, Any]]:
    """The items of docs/teaching/after.md: text, answers a to c or d, reasons 1 to 3 or 4."""
    found = {}
    for item in ITEM.finditer(AFTER.read_text(encoding="utf-8")):
        tiers = {tier["name"]: re.sub(r"\s+", " ", tier["text"]).strip() for tier in TIER.finditer(item["text"])}
        question = item["text"].split("\n- **", 1)[0].strip()
        found[item["id"]] = {
            "text": question,
            "answers": {name: text for name, text in tiers.items() if name.isalpha()},
            "reasons": {name: text for name, text in tiers.items() if name.isdigit()},
        }
    return found


def key() -> dict[str, dict[str, str]]:
    """For each item: the right answer and reason, the misconception, the lesson and control that settle it."""
    return tomllib.loads(KEY.read_text(encoding="utf-8"))


def arranged(seed: int | None) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """The items in the order of a seed: id, and for answers and reasons {new name: name on the page}."""
    draw, order = random.Random(seed), list(items().items())
    if seed is not None:
        draw.shuffle(order)
    found = []
    for name, item in order:
        tiers = []
        for tier, letters in (("answers", string.ascii_lowercase), ("reasons", string.digits[1:])):
            old = list(item[tier])
            if seed is not None:
                draw.shuffle(old)
            tiers.append(dict(zip(letters, old, strict=False)))
        found.append((name, *tiers))
    return found


def sheet(seed: int | None) -> str:
    """The test as a page, items, answers and reasons in the order of a seed."""
    known, parts = items(), []
    for i, (name, answers, reasons) in enumerate(arranged(seed), start=1):
        lines = [f"### {i}", "", known[name]["text"], ""]
        lines += [f"- **{new}** {known[name]['answers'][old]}" for new, old in answers.items()]
        lines += ["", "Because:", ""]
        lines += [f"- **{new}** {known[name]['reasons'][old]}" for new, old in reasons.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def key_lines(seed: int | None) -> list[str]:
    """The key, in the order of a seed."""
    known, lines = key(), []
    for i, (name, answers, reasons) in enumerate(arranged(seed), start=1):
        entry = known[name]
        answer = next(new for new, old in answers.items() if old == entry["answer"])
        reason = next(new for new, old in reasons.items() if old == entry["reason"])
        lines.append(f"{i:2} ({name})  {answer}, {reason}   not: {entry['misconception']}")
        lines.append(f"           settled by lesson {entry['lesson']}: {entry['control']}")
    return lines


# ---- the command line ------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """The commands."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    one = commands.add_parser("pack", help="the learner's notebooks of some lessons as a zip file")
    one.add_argument("lessons", nargs="+", help="numbers of lessons, class, or all")
    one.add_argument("--out", type=Path, required=True, help="the zip file")
    one = commands.add_parser("draw", help="a student's mini-study")
    one.add_argument("number", help="the student number")
    one.add_argument("--term", default="", help="a word of your own: another draws other data")
    one.add_argument("--run", action="store_true", help="make its ten runs as well, in less than a minute")
    one = commands.add_parser("grade", help="check the evidence of find the fake")
    one.add_argument("folder", type=Path, help="a .npz file for each student")
    one.add_argument("--own-digits", action="store_true", help="each on the hundred digits that `draw` gave")
    one.add_argument("--term", default="", help="as for draw")
    for name, what in (("key", "the key of the test after the course"), ("sheet", "that test in another order")):
        one = commands.add_parser(name, help=what)
        one.add_argument("--seed", type=int, help="of the order; without it, as on the page")
    one = commands.add_parser("measure", help="memory and time of each lesson")
    one.add_argument("lessons", nargs="*", help="numbers of lessons, or class; all without")
    one.add_argument("--kernels", type=int, help="so many kernels of one lesson at once")
    one.add_argument("--lesson", default="04", help="that lesson")
    one.add_argument("--first-cell", action="store_true", help="the first cell's time where samlib is not installed")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 2 where it was asked for something that cannot be done."""
    asked = parser().parse_args(arguments)
    try:
        run(asked)
    except Refused as error:
        print(f"teaching.py {asked.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has seen enough
        return 0
    except OSError as error:
        print(f"teaching.py {asked.command}: {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    return 0


def run(asked: argparse.Namespace) -> None:
    """Run a command and print what it found."""
    if asked.command == "pack":
        print(f"wrote {asked.out}:", *pack(asked.lessons, asked.out), sep="\n  ")
    elif asked.command == "draw":
        print(assignment(asked.number, asked.term))
        if asked.run:
            print("", *told(study(asked.number, asked.term)), sep="\n")
    elif asked.command == "grade":
        lines = grade(asked.folder, asked.own_digits, asked.term)
        width = max(len(name) for name, *_ in lines)
        print(*(f"{name:{width}}  {what:6}  {why}" for name, what, why in lines), sep="\n")
        kinds = [what for _, what, _ in lines]
        print(", ".join(f"{kinds.count(kind)} {kind}" for kind in ("right", "wrong", "empty", "broken")))
    elif asked.command == "key":
        print(*key_lines(asked.seed), sep="\n")
    elif asked.command == "sheet":
        print(sheet(asked.seed), end="")
    else:
        import costs

        if asked.kernels:
            costs.many_kernels(asked.kernels, asked.lesson, builder())
        elif asked.first_cell:
            costs.first_cell(builder())
        else:
            costs.each_lesson(asked.lessons, builder())


if __name__ == "__main__":
    sys.modules["teaching"] = sys.modules["__main__"]  # what costs.py refuses is to be known here
    sys.exit(main())
