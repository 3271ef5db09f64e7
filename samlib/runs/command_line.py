"""The command line: `python -m samlib results` remakes the measured tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from samlib.runs import tables


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; `python -m samlib --help` lists them."""
    parser = argparse.ArgumentParser(prog="python -m samlib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    results = commands.add_parser("results", help="train, attack and write the measured tables of the lessons")
    results.add_argument("table", nargs="*", help=f"{', '.join(tables.TABLES)}; all, in this order, if none is named")
    results.add_argument("--seeds", type=int, help="runs of each setting (default: the table's own number)")
    results.add_argument("--workers", type=int, help="parallel processes (default: one for each core)")
    results.add_argument("--folder", type=Path, help="where to write (default: samlib/course/results)")
    options = parser.parse_args(arguments)
    unknown = set(options.table) - set(tables.TABLES)
    if unknown:
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(tables.TABLES)}")
    for table in options.table or tables.TABLES:
        print("wrote", tables.make_table(table, options.seeds, options.workers, options.folder))
