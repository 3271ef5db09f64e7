"""The runs of a table that is not whole yet, on disk: a line for each, and one for each session that made some."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samlib.runs.trials import Row


class Kept:
    """Rows by the key of their job, taken up from a file and added to it one by one.

    A line that was cut short is passed over, and the next one begins a line of its own.

    Args:
        path: the file; it need not exist.
        description: of this session, as `provenance.describe` gives it.
        other_sources: take up rows that were made by other code.

    Raises:
        ValueError: there are such rows, and `other_sources` is false.
    """

    def __init__(self, path: Path, description: dict[str, Any], other_sources: bool = False) -> None:
        self.path, self.description, self.session = path, description, name_of(description)
        self.rows: dict[str, Row] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        content = path.read_text(encoding="utf-8") if path.exists() else ""
        self.torn = bool(content) and not content.endswith("\n")
        for key, value in whole_lines(content):
            (self.rows if "measured" in value else self.sessions)[key] = value
        self.rows = {key: row for key, row in self.rows.items() if row.get("session") in self.sessions}
        others = [row for row in self.rows.values() if self.sources_of(row) != description["sources"]]
        if others and not other_sources:
            raise ValueError(
                f"{str(path)!r} keeps {len(others)} runs made by other sources, and those are not mixed unasked: "
                "go on from the commit that it names, delete the file to begin anew, or take them up with "
                "--other-sources; the table then says which sources made each run."
            )

    def sources_of(self, row: Row) -> str:
        """The hash of the code that made a row."""
        return str(self.sessions[row["session"]]["sources"])

    def add(self, key: str, row: Row) -> None:
        """Keep a row, on disk too."""
        signed = {**row, "session": self.session}
        new = {} if self.session in self.sessions else {self.session: self.description}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\n" * self.torn)
            file.writelines(json.dumps(item) + "\n" for item in (*new.items(), (key, signed)))
        self.rows[key], self.torn = signed, False
        self.sessions |= new


def name_of(description: dict[str, Any]) -> str:
    """A session's name: the same for the same command, sources, commit, day and machine."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:8]


def whole_lines(content: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and value of each line that is whole."""
    for line in content.splitlines():
        try:
            key, value = json.loads(line)
        except ValueError:
            continue
        if isinstance(key, str) and isinstance(value, dict):
            yield key, value
