"""Making a table: its runs in parallel processes, each kept as soon as it is done, and the file that holds them all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from samlib.checks import check_choice, check_count
from samlib.files import write_atomically
from samlib.runs.kept import Kept, name_of
from samlib.runs.provenance import describe, sources
from samlib.runs.tables import TABLES
from samlib.runs.trials import Job, Row, run_job

# Where the lessons read their figures from.
RESULTS = Path(__file__).parents[1] / "course" / "results"


class RunsFailed(RuntimeError):
    """Which runs of a table failed, and how to go on."""


def make_table(
    table: str,
    seeds: int | None = None,
    workers: int | None = None,
    folder: Path | None = None,
    other_sources: bool = False,
) -> Path:
    """Run what a table needs and write it. Started again after an interruption, it does only what is left.

    Every run that is done is a line of NAME.jsonl at once, which can be committed; the whole table replaces it.

    Args:
        table: one of TABLES.
        seeds: runs of each setting on each split; the table's own number if None.
        workers: processes; one for each core if None.
        folder: where the files go, and where what was tuned is read from; samlib/course/results if None.
        other_sources: take up kept runs that other code made; the table says which sources made each run.

    Raises:
        ValueError: an argument is not as said above, or kept runs were made by other sources.
        RunsFailed: some did. The others are done and kept.
    """
    check_choice("table", table, TABLES)
    seeds = None if seeds is None else check_count("seeds", seeds)
    folder = RESULTS if folder is None else folder
    description = describe(f"python -m samlib results {table}" + ("" if seeds is None else f" --seeds {seeds}"))
    kept = Kept(folder / f"{table}.jsonl", description, other_sources)
    while True:  # a tuning needs more once it knows more
        jobs = TABLES[table].jobs(kept.rows, folder, seeds)
        left = {job.key(): job for job in jobs if job.key() not in kept.rows}
        if not left:
            break
        run_all(list(left.values()), kept.add, description["sources"], workers, table)
    runs = [{"setting": job.setting.name, "key": job.key(), **kept.rows[job.key()]} for job in jobs]
    sessions = {name: kept.sessions[name] for name in dict.fromkeys(run["session"] for run in runs)}
    protocol = TABLES[table].protocol(kept.rows, folder)
    path = folder / f"{table}.json"
    write_table(path, {**description, "sessions": sessions, "protocol": protocol, "runs": runs})
    kept.path.unlink(missing_ok=True)
    return path


class Remade(NamedTuple):
    """A run of a table, what the table's file says of it, and what it gave when it was done again."""

    job: Job
    stored: Row
    again: Row


def remake(
    table: str,
    setting: str,
    split: int | None = None,
    seed: int | None = None,
    write: bool = False,
    workers: int | None = None,
    folder: Path | None = None,
) -> list[Remade]:
    """Do the runs of one setting again, all or those of one split or seed, to be compared with what is stored.

    Args:
        table, setting: the table, and the name of the setting in it.
        split, seed: which runs; all if None.
        write: put what they gave in the place of what is stored.
        workers, folder: as for `make_table`.

    Raises:
        ValueError: there is no such table, file, setting or run.
        RunsFailed: one did.
    """
    folder = RESULTS if folder is None else folder
    path = folder / f"{check_choice('table', table, TABLES)}.json"
    if not path.exists():
        raise ValueError(f"{str(path)!r} is not there; make it first: python -m samlib results {table}")
    content = json.loads(path.read_text(encoding="utf-8"))
    check_choice("row", setting, dict.fromkeys(run["setting"] for run in content["runs"]))
    stored = {run.get("key"): run for run in content["runs"]}
    jobs = {
        job.key(): job
        for job in TABLES[table].jobs(stored, folder)
        if job.setting.name == setting and split in (None, job.split) and seed in (None, job.seed)
    }
    if not jobs or not jobs.keys() <= stored.keys():
        raise ValueError(
            f"row {setting!r}, split {split}, seed {seed}: {table!r} has no such run, or it is defined or measured "
            "otherwise today than when its file was made; then make the whole table anew."
        )
    description, again = describe(f"python -m samlib results {table} --row {setting!r}"), dict[str, Row]()
    run_all(list(jobs.values()), again.__setitem__, description["sources"], workers, table)
    if write:
        session = name_of(description)
        for i, run in enumerate(content["runs"]):
            if run["setting"] == setting and run["key"] in again:
                content["runs"][i] = {"setting": setting, "key": run["key"], **again[run["key"]], "session": session}
        content["sessions"][session] = description
        write_table(path, content)
    return [Remade(job, stored[key], again[key]) for key, job in jobs.items()]


def run_all(
    jobs: Sequence[Job], keep: Callable[[str, Row], None], expected: str, workers: int | None, name: str
) -> None:
    """Run jobs side by side and keep what each gives under its key. One that fails stops no other.

    Raises:
        RunsFailed: some did.
    """
    failed: list[tuple[Job, Exception]] = []
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool:
        try:
            futures = {pool.submit(run_signed, job, expected): job for job in jobs}
            for future in tqdm(as_completed(futures), total=len(jobs), desc=name, unit="run"):
                job = futures[future]
                try:
                    row = future.result()
                except Exception as error:
                    failed.append((job, error))
                else:
                    keep(job.key(), row)
        except BaseException:  # Ctrl-C, a full disk: what waits is not begun
            pool.shutdown(cancel_futures=True)
            raise
    if failed:
        job, why = failed[0]
        raise RunsFailed(
            f"{len(failed)} of {len(jobs)} runs of {name!r} failed; the first, {job}: {type(why).__name__}: {why}. "
            "All others are done and kept, and the same command does only what is left."
        ) from why


def run_signed(job: Job, expected: str) -> Row:
    """Run a job, if the code in this process is the one that the table says has made it."""
    if sources() != expected:
        raise RuntimeError("the sources were changed while the table was being made")
    return run_job(job)


def write_table(path: Path, content: dict[str, Any]) -> None:
    """The content as JSON with each run on a line of its own."""
    head = json.dumps({**content, "runs": []}, indent=1).removesuffix("[]\n}")
    runs = ",\n  ".join(json.dumps(run) for run in content["runs"])
    write_atomically(path, f"{head}[\n  {runs}\n ]\n}}\n".encode(), "folder")
