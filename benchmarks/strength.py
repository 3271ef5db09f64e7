"""`robust_accuracy("standard")` beside the strongest attack that can be put together, on nets made to escape it.

    python -m benchmarks.strength [--workers 2] [--only NAME ...]

It writes benchmarks/results/strength.json. The reference, image by image the worst of all parts: torchattacks' APGD on
cross-entropy and on DLR and targeted APGD (all 9 wrong classes), 100 steps each, targeted FAB of 100 steps, Square of
5,000 queries. Networks and the reference's verdicts are kept in build/strength, so that a change of `standard` is
measured in minutes. Seconds are CPU time of one thread: what else the machine does hardly changes them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torchattacks
from torch import Tensor, nn

import samlib
from benchmarks.escaping_nets import Net, nets
from samlib.balls import make_ball, project_pixels
from samlib.files import write_atomically
from samlib.runs.provenance import describe
from samlib.unions import BUDGETS, PGD_UNION

RESULT = Path(__file__).parent / "results" / "strength.json"
KEPT = Path(__file__).parents[1] / "build" / "strength"
MOST_ABOVE = 1 / 200


def reference(model: nn.Module, x: Tensor, y: Tensor, eps: float, norm: str) -> Iterator[tuple[str, Tensor, float]]:
    """Each part of the reference on the images that the ones before left: name, which images stand then, seconds."""
    common = {"norm": {"linf": "Linf", "l2": "L2"}[norm], "eps": eps, "seed": 0}
    parts: dict[str, Callable[[], torchattacks.attack.Attack]] = {
        "APGD-CE": lambda: torchattacks.APGD(model, loss="ce", steps=100, **common),
        "APGD-DLR": lambda: torchattacks.APGD(model, loss="dlr", steps=100, **common),
        "APGD-T": lambda: torchattacks.APGDT(model, steps=100, n_classes=10, **common),
        "FAB-T": lambda: torchattacks.FAB(model, steps=100, multi_targeted=True, n_classes=10, **common),
        "Square": lambda: torchattacks.Square(model, n_queries=5000, **common),
    }
    with torch.no_grad():
        stands = model(x).argmax(1) == y
    for name, build in parts.items():
        start = time.process_time()
        rows = stands.nonzero().squeeze(1)
        if len(rows):
            x_adv = project_pixels(make_ball(norm, eps), x[rows], build()(x[rows], y[rows]))
            with torch.no_grad():
                stands[rows] = model(x_adv).argmax(1) == y[rows]
        yield name, stands.clone(), time.process_time() - start


def prepared(net: Net) -> dict[str, Any]:
    """The trained network, its images and the reference's verdict, made once and kept."""
    torch.set_num_threads(1)
    path = KEPT / f"{net.name.replace(' ', '_')}.pt"
    model, x, y = net.build(seed=net.seed), *samlib.load_digits(seed=net.split)[2:]
    if path.exists():
        kept = torch.load(path, weights_only=True)
        model.load_state_dict(kept["weights"])
        return kept | {"model": model.eval(), "x": x, "y": y}
    model, x, y = net.trained()
    parts = list(reference(model, x, y, net.eps, net.norm))
    kept = {
        "weights": model.state_dict(),
        "reference": {name: stands for name, stands, _ in parts},
        "seconds": sum(seconds for *_, seconds in parts),
    }
    KEPT.mkdir(parents=True, exist_ok=True)
    torch.save(kept, path)
    return kept | {"model": model, "x": x, "y": y}


def compare(net: Net) -> dict[str, Any]:
    """One network's row."""
    torch.set_num_threads(1)
    kept = prepared(net)
    model, x, y = kept["model"], kept["x"], kept["y"]
    start = time.process_time()
    report = samlib.evaluate(model, x, y, net.eps, net.norm)
    seconds = time.process_time() - start
    union = samlib.robust_mask(model, x, y, net.eps, net.norm, attacks=PGD_UNION)
    stands = list(kept["reference"].values())[-1]
    return {
        "net": net.name,
        "norm": net.norm,
        "eps": net.eps,
        "images": len(x),
        "clean": round(report.clean, 4),
        "PGD union": round(float(union.double().mean()), 4),
        "standard": round(report.robust, 4),
        "reference": round(float(stands.double().mean()), 4),
        "images above": int(report.robust_mask.sum()) - int(stands.sum()),
        "seconds": round(seconds, 2),
        "reference seconds": round(kept["seconds"], 2),
        "standard broken by": {row.attack: row.broke for row in report.attacks},
        "reference stands after": {name: int(s.sum()) for name, s in kept["reference"].items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="networks at a time")
    parser.add_argument("--only", nargs="+", help="names of networks; the file is not written then")
    options = parser.parse_args()
    chosen = [net for net in nets() if not options.only or net.name in options.only]
    rows: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_by_name, net.name) for net in chosen]
        for future in as_completed(futures):
            row = future.result()
            rows[row["net"]] = row
            print(json.dumps(row), flush=True)
    ordered = [rows[net.name] for net in chosen]
    content = describe("python -m benchmarks.strength") | summary(ordered) | {"nets": ordered}
    content["versions"]["torchattacks"] = version("torchattacks")
    if not options.only:
        write_atomically(RESULT, (json.dumps(content, indent=1) + "\n").encode(), "results")
    print(json.dumps(summary(ordered), indent=1))


def _by_name(name: str) -> dict[str, Any]:
    """`compare`, with a name that can be sent to another process."""
    return compare(next(net for net in nets() if net.name == name))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is claimed: how far above the reference `standard` ever stands, and its share of the reference's time."""
    return {
        "standard": [str(attack) for attack in BUDGETS["standard"]],
        "networks": len(rows),
        "most images above": max(row["images above"] for row in rows),
        "allowed": MOST_ABOVE,
        "above": {row["net"]: row["images above"] for row in rows if row["images above"] > 0},
        "below": sum(row["images above"] < 0 for row in rows),
        "median times as fast": round(statistics.median(row["reference seconds"] / row["seconds"] for row in rows), 2),
    }


if __name__ == "__main__":
    main()
