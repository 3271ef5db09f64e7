"""Makes the readable pages of the course in build/site: lessons that play with no kernel, glossary, package, results.

    make site

Lessons are run once and kept in build/site-kept for as long as nothing that they depend on changes.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pages
import slides
from export import HERE, ROOT, STATES, build, export
from nbclient.exceptions import CellExecutionError

import samlib
from samlib.course import results
from samlib.unions import BUDGETS, Attack

HERO = "hero"
MODULES = {
    "Training": ("sam", "training"),
    "Attacks": ("attacks", "unions", "random_search", "balls", "losses", "ascent"),
    "Evaluation": ("evaluation", "reports", "diagnosis", "masking"),
    "How the two relate": ("duality", "sharpness", "toy", "toy_definitions"),
    "Data and networks": ("data", "models", "layers"),
}

TEACHING = [f"teaching/{name}" for name in ("plans", "before", "after", "assessment", "class_of_forty", "slides")]
# What the theme leaves out, and who uses a keyboard or a screen reader needs: what scrolls can be focused, and what
# there are two of has a name.
FOR_EVERYONE = {
    "<pre><span></span>": '<pre tabindex="0"><span></span>',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    '<aside class="sidebar-drawer"': '<aside aria-label="All pages" class="sidebar-drawer"',
    '<aside class="toc-drawer': '<aside aria-label="This page" class="toc-drawer',
}
# A formula in a line, with the punctuation around it, which belongs to no other line.
IN_LINE = re.compile(r'[(“]?<math [^>]*display="inline">.*?</math>[.,;:!?)’”]*', re.DOTALL)


def make(lessons: Sequence[Path], out: Path, work: Path, kept: Path) -> list[pages.Page]:
    """Make the site of some lessons.

    Args:
        lessons: their sources.
        out: where the pages go, index.html first; replaced.
        work: what Sphinx reads is written here; replaced.
        kept: lessons that were run, to be used again.

    Raises:
        CellExecutionError: a lesson fails.
        ValueError: a widget's state is missing, or Sphinx finds fault with the pages.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, len(lessons))) as pool:  # each runs in a kernel of its own
        from_the_end = lessons[::-1]  # the single class comes last and takes longest
        places = list(pool.map(lambda source: export(source, kept), from_the_end))[::-1]
    for folder in (out, work):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "static", work / "static")
    shutil.copy(HERE / "conf.py", work)
    made = []
    for source, place in zip(lessons, places, strict=True):
        page = pages.Page(source, place, out)
        write(work / "lessons" / f"{source.stem}.md", page.text())
        made.append(page)
    if (states := count_states(made)) > STATES:
        raise ValueError(f"The widgets have {states} states together; at most {STATES} are allowed.")
    slides.publish(places, out / "slides")
    write_other_pages(lessons, made, work, out)
    run_sphinx(work, out, whole=list(lessons) == [*build.sources(), build.CLASS])
    copy_notebooks(lessons, out)
    return made


def count_states(made: Sequence[pages.Page]) -> int:
    """States of all widgets; those of the single class are lessons' own."""
    lessons = [page for page in made if page.source != build.CLASS]
    return sum(len(player["states"]) for page in lessons for player in page.players.values())


def run_sphinx(work: Path, out: Path, whole: bool) -> None:
    """Make HTML of what `work` holds. Any warning is an error; in a part of the course, links to the rest are none."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(work / "doctrees")]
    command += [] if whole else ["-D", "suppress_warnings=misc.highlighting_failure,myst.xref_missing"]
    done = subprocess.run([*command, str(work), str(out)], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"Sphinx has found fault with the pages:\n{done.stderr}")
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for theirs, ours in FOR_EVERYONE.items():
            text = text.replace(theirs, ours)
        text = IN_LINE.sub(r'<span class="unbroken">\g<0></span>', text)
        page.write_text(text, encoding="utf-8")


def write_other_pages(lessons: Sequence[Path], made: Sequence[pages.Page], work: Path, out: Path) -> None:
    """Home, glossary, package, results, runs, and the teachers'."""
    home = (HERE / "text" / "index.md").read_text(encoding="utf-8")
    heroes = [(page, page.players[HERO]) for page in made if HERO in page.players]
    page, hero = heroes[0] if heroes else (None, None)
    home = home.replace("<!-- hero -->", pages.raw(pages.player(HERO, hero, ".")) if page else "")
    home = home.replace("<!-- claim -->", claim())
    home = home.replace(
        "<!-- lessons -->", build.table_of_lessons(lessons, lambda source: f"lessons/{source.stem}.md")
    ).replace("REPOSITORY", build.REPOSITORY)
    home = home.replace("TEACHING", "\n".join(TEACHING)).replace("NAME", build.REPOSITORY.rpartition("/")[2])
    write(work / "index.md", home.replace("LESSONS", "\n".join(f"lessons/{source.stem}" for source in lessons)))
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, work)
    for name in ("glossary", "runs", *TEACHING):
        text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        text = slides.with_pictures(text, out / "slides")
        write(work / f"{name}.md", re.sub(r"\]\(\.\./\.\./notebooks/(\w+)\.ipynb\)", r"](../lessons/\1.md)", text))
    write(work / "api.md", package_page())
    write(work / "results.md", how_made())


def claim() -> str:
    """The README's picture of the claim, with its words."""
    (picture,) = re.findall(r"!\[.*\]\(docs/robust\.png\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    return f"{picture.replace('docs/', '')}\n\n{pages.raw(pages.TEMPLATES.larger('_images/robust.png'))}"


def package_page() -> str:
    """The page on the package, from its docstrings."""
    public = {name: getattr(samlib, name) for name in samlib.__all__}
    places = {name: f"{thing.__module__}.{name}" for name, thing in public.items() if hasattr(thing, "__qualname__")}
    names = ", ".join(
        f"{{py:obj}}`{name} <{place}>`" for name, place in sorted(places.items(), key=lambda n: n[0].lower())
    )
    listed = "\n\n".join(
        f"## {title}\n\n" + "\n\n".join(f"### samlib.{module}\n\n{of_module(module)}" for module in modules)
        for title, modules in MODULES.items()
    )
    return (HERE / "text" / "api.md").read_text(encoding="utf-8").replace("NAMES", names).replace("MODULES", listed)


def of_module(name: str) -> str:
    """The directive that documents a module, without what it has from another; after `unions`, its budgets."""
    module = importlib.import_module(f"samlib.{name}")
    foreign = [one for one in getattr(module, "__all__", ()) if imported(getattr(module, one), module)]
    without = f"\n   :exclude-members: {', '.join(foreign)}" if foreign else ""
    after = budgets() if name == "unions" else ""
    return f"```{{eval-rst}}\n.. automodule:: samlib.{name}\n   :members:{without}\n```\n\n{after}"


def imported(thing: Any, module: ModuleType) -> bool:
    """Whether a class or function of a module is another module's."""
    return getattr(thing, "__module__", module.__name__) != module.__name__


def budgets() -> str:
    """The attacks behind the name of each budget."""
    listed = "\n".join(f"- `{name}`: " + "; ".join(map(str, attacks)) + "." for name, attacks in BUDGETS.items())
    return f"""The budgets that have a name (`BUDGETS`). What is run *up to* so often is a search, for rugged networks
alone; the last attack of `standard` is run only where gradients mislead.

{listed}"""


def unbroken(text: str) -> str:
    """A text whose hyphens end no line."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}")


def how_made() -> str:
    """The page on how each measured table was made, from the tables themselves."""
    rows = ["| table | made by | commit | date | runs |", "| --- | --- | --- | --- | --- |"]
    for name in results.names():
        table = results.load(name)
        commit = table["commit"][:10] + ("" if table["clean"] else ", with changes")
        rows.append(
            f"| `{name}` | `{table['command']}` | {commit} | {unbroken(table['date'])} | {len(table['runs'])} |"
        )
    for name in results.GRIDS:
        if table := results.grid(name):
            runs = sum(len(row["seeds"]) for row in table["rows"])
            rows.append(
                f"| `{name}` | `{table['command']}` | {table['commit'][:10]} | {unbroken(table['date'])} | {runs} |"
            )
    versions = ", ".join(f"{library} {number}" for library, number in results.load("methods")["versions"].items())
    attacks = "\n".join(f"- {Attack(**attack)}" for attack in results.load("methods")["protocol"]["attacks"])
    return f"""# How the results were made

What a lesson states about trained networks it computes, or reads from one of these files, which hold every seed's
value. A figure in its text is held by a check in the lesson, which fails where it is no longer true. Each file is made
again by its command; those of `samlib table` hold the grid, too.

{chr(10).join(rows)}

Made with {versions}, on {results.load("methods")["hardware"]}. Robust accuracy is the share of test images that none of
these attacks breaks (table `methods`):

{attacks}

The table `tuning` and those whose name ends in `_tuning` hold how settings were chosen: on a part of the training
images that was set aside, with the same number of tries for each method. Test images were used for the final figures
alone.
"""


def copy_notebooks(lessons: Sequence[Path], out: Path) -> None:
    """The learner's copies, to be downloaded."""
    (out / "notebooks").mkdir()
    for source in lessons:
        write(
            out / "notebooks" / f"{source.stem}.ipynb", build.nbformat.writes(build.make(source, solved=False)) + "\n"
        )


def write(path: Path, text: str) -> None:
    """Write a text file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Make the whole site."""
    out = ROOT / "build" / "site"
    try:
        made = make([*build.sources(), build.CLASS], out, ROOT / "build" / "site-source", ROOT / "build" / "site-kept")
    except (ValueError, CellExecutionError) as error:
        sys.exit(str(error))
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 2**20
    print(
        f"{len(made)} lessons, {count_states(made)} states of their widgets, {size:.0f} MiB: open {out / 'index.html'}"
    )


if __name__ == "__main__":
    main()
