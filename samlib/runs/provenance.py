"""How a result came about: the command, the sources and their commit, the date, the versions, the hardware."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


def describe(command: str) -> dict[str, Any]:
    """Command, commit, whether samlib stood as in it, hash of the sources, date, versions, hardware."""
    return {
        "command": command,
        "commit": ask_git("rev-parse", "HEAD") or "unknown",
        "clean": is_clean(),
        "sources": sources(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "numpy", "scikit-learn")},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread for each run",
    }


def is_clean() -> bool | None:
    """Whether samlib, apart from the course, stands as in the last commit; None where git cannot say."""
    changes = ask_git("status", "--porcelain", "--", ".", ":(exclude)course")
    return None if changes is None else not changes


def ask_git(*question: str) -> str | None:
    """What git says about the folder of samlib; None where there is no git, or no repository."""
    try:
        return subprocess.check_output(["git", *question], cwd=PACKAGE, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.SubprocessError):
        return None


@functools.cache
def sources(start: str = "runs.trials") -> str:
    """A hash of all code that a run of a table can reach: the module that makes it, and what it imports of samlib.

    Of each module the syntax tree without docstrings is taken: a comment, a docstring or a line break changes nothing.
    """
    digest = hashlib.sha256()
    for path in sorted(reached(start)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and ast.get_docstring(node) is not None
            ):
                node.body = node.body[1:]
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def reached(start: str) -> set[Path]:
    """The files of samlib that importing one of its modules can reach, its own among them."""
    found: set[Path] = set()
    left = [PACKAGE.joinpath(*start.split("."))]
    while left:
        for path in (left[-1].with_suffix(".py"), left.pop() / "__init__.py"):
            # the package's own face imports all of it, for the user's sake
            if path.exists() and path not in found and path != PACKAGE / "__init__.py":
                found.add(path)
                left += imported_by(path)
    return found


def imported_by(path: Path) -> Iterator[Path]:
    """What a file imports of samlib, at its top or inside a function: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (PACKAGE.joinpath(*a.name.split(".")[1:]) for a in node.names if a.name.startswith("samlib."))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "samlib":
            module = PACKAGE.joinpath(*(node.module or "").split(".")[1:])
            yield from (module, *(module / alias.name for alias in node.names))
