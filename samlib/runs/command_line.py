"""The command line, `samlib` or `python -m samlib`: runs, tables of runs, and the lessons' measured tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from samlib.batches import out_of_memory
from samlib.checks import check_choice, check_number
from samlib.runs import making, provenance
from samlib.runs import options as given
from samlib.runs.stopping import Terminated, minutes_left, terminable
from samlib.runs.sweep import Job
from samlib.runs.tables import TABLES


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; `samlib --help` lists them.

    Exit status 0: done; 2: bad input, in one line, and nothing is overwritten; 1: a run failed; 130 and 143: stopped by
    Ctrl-C and by SIGTERM, and the same command goes on.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog="samlib", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, (function, add_arguments) in COMMANDS.items():
        sub = commands.add_parser(name, help=function.__doc__, description=function.__doc__, allow_abbrev=False)
        add_arguments(sub)
        sub.set_defaults(run=function, known=[flag for action in sub._actions for flag in action.option_strings])
    with one_line_errors(parser, arguments):
        if arguments and not arguments[0].startswith("-"):
            check_choice("command", arguments[0], COMMANDS)
        options, unknown = parser.parse_known_args(arguments)
        if unknown:
            flag = unknown[0].partition("=")[0]
            check_choice("option" if flag.startswith("-") else "argument", flag, options.known)
        with terminable():
            options.run(options)


@contextmanager
def one_line_errors(parser: Parser, arguments: Sequence[str]) -> Iterator[None]:
    """What people can mend is said in a line, with the exit status that `main` promises."""
    name = " ".join(["samlib", *arguments[:1]])
    rank = int(os.environ.get("RANK", 0))
    who = f"{name} (process {rank})" if rank else name

    def end(status: int, text: str) -> NoReturn:
        parser.exit(status, f"{who}: {' '.join(text.split())}\n")

    try:
        yield
    except KeyboardInterrupt as error:
        how, status = ("SIGTERM", 143) if isinstance(error, Terminated) else ("Ctrl-C", 130)
        end(status, f"stopped by {how}; what is done is kept, and the same command goes on.")
    except (FloatingPointError, making.RunsFailed) as error:
        end(1, str(error))
    except (ValueError, TypeError, OSError) as error:
        end(2, str(error))
    except RuntimeError as error:
        if out_of_memory(error):
            end(2, f"out of memory: {error}. Take a smaller --batch-size, or a device with more.")
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            end(1, f"another process of this run has ended; the same command goes on from the checkpoint. ({error})")
        raise


def train(options: argparse.Namespace) -> None:
    """train a network, or go on where its folder's checkpoint stopped"""
    from samlib.evaluation import accuracy
    from samlib.runs.images import load_images
    from samlib.runs.measure import PAPER, measured_images, usual_measures
    from samlib.runs.run import train_run

    settings = given.settings_from(options)
    with given.engine_from(options) as engine:
        model, history = train_run(settings, options.out, engine, options.root)
        if not engine.ranks.first:
            return
        images = load_images(settings.data, settings.images, settings.validation, options.root).to(engine.device)
        x, y = measured_images(images)
        print(f"{options.out}: {len(history['loss'])} epochs, training accuracy {history['accuracy'][-1]:.1%}")
        print(f"clean accuracy {accuracy(model, x, y):.1%} ({len(x):,} images)")
        for measure in usual_measures(settings.data):
            if measure.protocol == PAPER and measure.norm == "linf":
                counts = measure.count(model, x[:1000], y[:1000], 0)
                for name, count in zip(measure.names(), counts, strict=True):
                    print(f"robust accuracy {count / len(x[:1000]):.1%} ({name}; samlib evaluate says more)")


def evaluate(options: argparse.Namespace) -> None:
    """measure how robust a run's network is, by the paper's protocol and by a reliable one"""
    from samlib.reports import text_table
    from samlib.runs.images import load_images, make_model
    from samlib.runs.measure import evaluate_run
    from samlib.runs.run import load_network, load_settings

    settings = load_settings(options.run_folder)
    measures = given.measures_from(options, settings.data)
    with given.engine_from(options) as engine:
        images = load_images(settings.data, settings.images, settings.validation, options.root).to(engine.device)
        model = make_model(settings, images).to(engine.device)
        epochs = load_network(options.run_folder, model)
        found = evaluate_run(options.run_folder, model, epochs, images, measures, options.images, engine.ranks)
        if engine.ranks.first:
            rows = [(name, f"{value:.1%}") for name, value in found["measured"].items()]
            print(f"{options.run_folder}: {epochs} of {settings.recipe.epochs} epochs, {found['images']:,} images")
            print(text_table(("protocol, norm, eps", "accuracy"), rows))


def table(options: argparse.Namespace) -> None:
    """train and measure all runs of a grid, and write their table; what is done is not repeated"""
    from samlib.runs.costs import plan
    from samlib.runs.grid import read_grid
    from samlib.runs.summary import summarise, write_table
    from samlib.runs.sweep import Sweep, parse_part

    sweep, part = Sweep(read_grid(options.grid), options.out), parse_part(options.part)
    if options.minutes is not None:
        check_number("minutes", options.minutes, open_low=True)
    with given.engine_from(options) as engine:
        if options.dry_run:
            sweep.check(engine, options.root)
            print(plan(sweep, engine, options.root, part))
            return
        with minutes_left(options.minutes):
            sweep.prepare(engine, options.root)
            for task, job in sweep.work(engine, options.root, part, sys.stderr.isatty(), say=print):
                print(f"{task}: {said_of(job)}", flush=True)
        missing = sweep.missing()
        if missing and part != (1, 1):
            print(f"{len(missing)} runs of the table are missing; the last part to finish writes it.")
            return
        content = summarise(sweep, f"samlib table {options.grid.name}", engine.device)
        print("wrote", *write_table(sweep, content))
        if missing:
            print(f"{len(missing)} of {len(sweep.grid.tasks())} runs are missing; the same command goes on.")


def said_of(job: Job) -> str:
    """What was measured, in a line."""
    measured = job.measured()
    return ", ".join(f"{name} {value:.1%}" for name, value in measured.items()) if measured else "diverged"


def bench(options: argparse.Namespace) -> None:
    """time steps and epochs beside peers, in one run: ratios with their spread"""
    from samlib.reports import text_table
    from samlib.runs.bench import HEAD, lines, measure_all, write_bench

    grounds = given.grounds_from(options)
    write = write_bench(options.out)
    content = measure_all(grounds, options.repeats)
    print(text_table(HEAD, lines(content), right_from=3))
    for name, found in content["peers"].items():
        if found == "not installed":
            print(f"{name} is not installed: pip install --no-deps {name}")
    if options.out is not None:
        write(content, grounds[0].device)
        print("wrote", options.out)


def results(options: argparse.Namespace) -> None:
    """train, attack and write the measured tables of the lessons"""
    for table in options.table:
        check_choice("table", table, TABLES)
    if options.row is not None:
        remake_row(options)
        return
    if options.write or (options.split, options.seed) != (None, None):
        raise ValueError("--split, --seed and --write go with --row; --seeds says how many runs a table has.")
    if options.folder is None and not provenance.is_clean():
        print(
            "samlib is not as in its last commit, and no lesson takes a table made so: commit first.", file=sys.stderr
        )
    for table in options.table or TABLES:
        path = making.make_table(table, options.seeds, options.workers, options.folder, options.other_sources)
        print("wrote", path)


def remake_row(options: argparse.Namespace) -> None:
    """One row of a table again, beside what is stored."""
    from samlib.reports import text_table

    if len(options.table) != 1:
        raise ValueError(
            f"--row needs the one table that the row is in, not {len(options.table)}: {', '.join(TABLES)}."
        )
    which = (options.row, options.split, options.seed, options.write, options.workers, options.folder)
    runs = making.remake(options.table[0], *which)
    for job, stored, again in runs:
        rows = [
            (
                name,
                f"{stored['measured'][name]:.2%}",
                f"{value:.2%}",
                f"{100 * (value - stored['measured'][name]):+.2f}",
            )
            for name, value in again["measured"].items()
        ]
        print(f"{job}", text_table(("measure", "stored", "again", "points"), rows), sep="\n")
    same = sum(stored["measured"] == again["measured"] for _, stored, again in runs)
    print(f"{same} of {len(runs)} runs gave the same; {'written' if options.write else 'nothing was written'}")


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], None], Callable[[argparse.ArgumentParser], None]]] = {
    "train": (train, given.training),
    "evaluate": (evaluate, given.evaluation),
    "table": (table, given.table),
    "bench": (bench, given.bench),
    "results": (results, given.lessons_tables),
}
