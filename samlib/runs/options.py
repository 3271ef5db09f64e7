"""The options of each command, and what is made of them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args, get_origin

from samlib.balls import BALLS
from samlib.checks import check_count
from samlib.runs.bench import NETWORKS, Ground
from samlib.runs.distributed import joined
from samlib.runs.engine import BY, DEVICES, Engine, pick_device
from samlib.runs.grid import EXAMPLE
from samlib.runs.measure import PAPER, PROTOCOLS, Measure, measures_of, usual_measures
from samlib.runs.settings import DATA, FRACTIONS, NAMES, TYPES, USUAL, Settings, make_settings
from samlib.runs.speed import COMPILE, Speed
from samlib.training import METHODS

FLAG: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
KINDS: dict[type, dict[str, Any]] = {bool: FLAG, int: {"type": int}, float: {"type": float}, tuple: {"nargs": "+"}}

# What a run's options mean, by their names in Settings; their types and most defaults are those of samlib.train.
HELP = {
    "data": f"{', '.join(DATA)}; PATH holds train/CLASS/IMAGE and test/CLASS/IMAGE (default: digits)",
    "model": "mlp, small_resnet or preact_resnet18 (default: mlp for the digits, else preact_resnet18)",
    "width": "of the mlp's hidden layers, or of preact_resnet18's first group",
    "images": "of the training set (default: all)",
    "validation": "training images set aside, to measure on in place of the test set (default: 0)",
    "augment": "pad, crop and flip the images (default: not the digits)",
    "method": f"{', '.join(METHODS)}",
    "rho": "radius in weight space: sam, weight_noise",
    "eps": "radius of the attack in pixels of [0, 1], such as 8/255: at",
    "norm": f"of the attack: {', '.join(BALLS)} (default: linf)",
    "sigma": "standard deviation of the noise on the pixels, such as 16/255: input_noise",
    "attack_steps": "PGD steps: at (default: 7)",
    "perturb": "modules whose weights SAM perturbs (default: all)",
    "adaptive": "ASAM in place of SAM",
    "epochs": "(default: 60 for the digits, else 100)",
    "batch_size": "over all processes together",
    "lr": "",
    "momentum": "",
    "weight_decay": "",
    "seed": "of initial weights, batches, noise and attacks",
}


def setting(name: str) -> dict[str, Any]:
    """What argparse must know of a setting, from its type, its default and HELP."""
    types = {get_origin(kind) or kind for kind in get_args(TYPES[name]) or (TYPES[name],)}
    kind = next((kind for of, kind in KINDS.items() if of in types and name not in FRACTIONS), {})
    usual = f" (default: {USUAL[name]})" if USUAL.get(name) is not None and "default" not in HELP[name] else ""
    return {"default": None, "help": f"{HELP[name]}{usual}".strip(), **kind}


def training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder; a begun run goes on")
    for name in NAMES:
        parser.add_argument(f"--{name.replace('_', '-')}", **setting(name))
    device(parser)
    speed(parser)
    processes(parser)


def evaluation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder that `samlib train --out` wrote")
    parser.add_argument("--protocol", nargs="+", help=f"{', '.join(PROTOCOLS)} (default: {PAPER} standard)")
    parser.add_argument("--norm", help=f"with --eps: {', '.join(BALLS)} (default: linf)")
    parser.add_argument("--eps", nargs="+", help="radii in pixels of [0, 1], such as 1/255 (default: by protocol)")
    parser.add_argument("--images", type=int, help="to measure on, at most (default: all that were held out)")
    device(parser)


def table(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "A grid's file, with all that it may hold:\n\n" + textwrap.indent(EXAMPLE, "  ")
    parser.add_argument("grid", type=Path, metavar="GRID.toml", help="methods, strengths and seeds; see below")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a begun table goes on; it may grow")
    parser.add_argument("--dry-run", action="store_true", help="say what is to be done and its cost; write nothing")
    parser.add_argument(
        "--minutes", type=float, help="end after so many, the most useful runs first, and write what there is"
    )
    parser.add_argument(
        "--part", default="1/1", metavar="i/n", help="do the i-th of n shares; others may work in DIR at the same time"
    )
    device(parser)
    speed(parser)


def bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="to store it as well; an earlier one is replaced")
    parser.add_argument(
        "--networks", nargs="+", default=list(NETWORKS), help="(default: both, small and as the paper's)"
    )
    parser.add_argument("--width", type=int, help="of preact_resnet18's first group (default: 64 on a GPU, else 8)")
    parser.add_argument("--batch-size", type=int, help="(default: 128 on a GPU, else 64)")
    parser.add_argument("--repeats", type=int, default=10, help="turns that are measured (default: 10)")
    parser.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)} (default: auto)")


def lessons_tables(parser: argparse.ArgumentParser) -> None:
    from samlib.runs.tables import TABLES

    parser.add_argument("table", nargs="*", help=f"{', '.join(TABLES)}; all, in this order, if none is named")
    parser.add_argument("--seeds", type=int, help="runs of each setting (default: the table's own number)")
    parser.add_argument("--workers", type=int, help="parallel processes (default: one for each core)")
    parser.add_argument("--folder", type=Path, help="where to write (default: samlib/course/results)")
    parser.add_argument("--other-sources", action="store_true", help="go on with runs that other code made")
    row = parser.add_argument_group("one row", "done again, and compared with what its table holds")
    row.add_argument("--row", metavar="SETTING", help='such as "SAM 0.4"')
    row.add_argument("--split", type=int, help="(default: all that the row has)")
    row.add_argument("--seed", type=int, help="(default: all that the row has)")
    row.add_argument("--write", action="store_true", help="put it in the place of what is stored")


def device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help=f"{', '.join(DEVICES)} (default: auto)")
    parser.add_argument("--root", default="data", help="where CIFAR is, or is downloaded to (default: data)")


def speed(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("speed", "on CUDA all but --compile are usual, elsewhere none")
    group.add_argument("--autocast", default=None, help="forward passes in bfloat16", **FLAG)
    group.add_argument("--channels-last", default=None, help="weights and features, channels last", **FLAG)
    group.add_argument("--tf32", default=None, help="float32 products with inputs of 10 bits", **FLAG)
    group.add_argument("--autotune", default=None, help="cuDNN tries its convolutions first", **FLAG)
    group.add_argument("--fused", default=None, help="the base optimizer's step in one kernel", **FLAG)
    group.add_argument("--compile", metavar="MODE", help=f"torch.compile: {', '.join(COMPILE)} (default: off)")


def processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many processes", "torchrun --nproc-per-node 8 -m samlib train ...")
    group.add_argument(
        "--ascent", default="batch", help=f"SAM's ascent by the gradient of: {', '.join(BY)} (default: batch)"
    )
    group.add_argument("--batchnorm", help=f"statistics of: {', '.join(BY)} (default: as --ascent)")


# ---- what is made of them --------------------------------------------------------------------------------------------


def settings_from(options: argparse.Namespace) -> Settings:
    return make_settings({name: getattr(options, name) for name in NAMES})


def grounds_from(options: argparse.Namespace) -> list[Ground]:
    """What a bench measures on."""
    on = pick_device(options.device)
    small = on.type == "cpu"
    batch_size = (64 if small else 128) if options.batch_size is None else options.batch_size
    width = (8 if small else 64) if options.width is None else options.width
    for name, value in (("repeats", options.repeats), ("batch_size", batch_size), ("width", width)):
        check_count(name, value)
    return [Ground(name, None if name == "small_resnet" else width, on, batch_size) for name in options.networks]


@contextmanager
def engine_from(options: argparse.Namespace) -> Iterator[Engine]:
    """Device, processes and flags; the processes part afterwards."""
    chosen = pick_device(options.device)
    flags = {name: getattr(options, name, None) for name in Speed.__dataclass_fields__}
    usual = Speed.usual(chosen, **flags)
    with joined(chosen) as ranks:
        yield Engine(chosen, ranks, usual, getattr(options, "ascent", "batch"), getattr(options, "batchnorm", None))


def measures_from(options: argparse.Namespace, data: str) -> tuple[Measure, ...]:
    """What is asked for; where radii are given, each protocol at them."""
    if options.eps is None:
        if options.norm is not None:
            raise ValueError(f"norm is {options.norm!r}, but no eps is given; add --eps.")
        usual = usual_measures(data)
        wanted = options.protocol or [measure.protocol for measure in usual]
        radii = {measure.norm: measure.radii for measure in reversed(usual)}
        found = {name: [measure for measure in usual if measure.protocol == name] for name in wanted}
        return tuple(
            measure for name, own in found.items() for measure in own or [Measure(name, "linf", radii["linf"])]
        )
    return measures_of(
        {name: {options.norm or "linf": options.eps} for name in options.protocol or (PAPER, "standard")}
    )
