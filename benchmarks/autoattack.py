"""`robust_accuracy("standard")` beside AutoAttack as torchattacks has it: strength, time, and the cost of a curve.

    python -m benchmarks.autoattack [--cifar FOLDER] [--only models speed curves]

It writes benchmarks/results/autoattack.json. Parts left out keep what the file held. CIFAR-10 is taken from torchvision
(a download of 170 MB), or with --cifar from a folder that holds train/airplane/0001.png, ..., test/truck/0001.png.

Settings, fixed beforehand: torchattacks.AutoAttack(version="standard", seed=0) with its own defaults (APGD and targeted
APGD of 10 steps, targeted FAB of 10 steps, Square of 5,000 queries). Its images are first brought into ball and pixel
range, then judged by one forward pass, as ours are. All networks and evaluations have seed 0.

Why samlib has attacks of its own: torchattacks pins an old version of requests, so that it cannot be installed beside a
Jupyter of today; it takes several times as long; and its batches and the global random numbers decide its result.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchattacks
from torch import Tensor, nn

import samlib
from samlib.balls import make_ball, project_pixels
from samlib.files import write_atomically
from samlib.masking import noise_input, quantise_input, scale_logits
from samlib.models import CIFAR10_MEAN, CIFAR10_STD
from samlib.runs.provenance import describe

RESULT = Path(__file__).parent / "results" / "autoattack.json"
IMAGES = 500
EPS = {("mlp", "linf"): 0.125, ("resnet", "linf"): 0.0625, ("mlp", "l2"): 0.5}
CIFAR_EPS, CIFAR_IMAGES = 2 / 255, 200
MASKS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "logits x 30": lambda model: scale_logits(model, 30),
    "5 levels": lambda model: quantise_input(model, 5),
    "noise 0.1": lambda model: noise_input(model, 0.1),
}


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def autoattack(model: nn.Module, x: Tensor, y: Tensor, eps: float, norm: str) -> Tensor:
    """Which images stand after AutoAttack, bool, (n,)."""
    classes = model(x[:1]).shape[1]
    attack = torchattacks.AutoAttack(
        model, norm={"linf": "Linf", "l2": "L2"}[norm], eps=eps, version="standard", n_classes=classes, seed=0
    )
    x_adv = project_pixels(make_ball(norm, eps), x, attack(x, y))
    with torch.no_grad():
        return model(x_adv).argmax(1) == y


def compare(model: nn.Module, x: Tensor, y: Tensor, eps: float, norm: str) -> dict[str, Any]:
    """Both evaluations of one model, one after the other."""
    model.eval()
    ours, seconds = timed(lambda: samlib.evaluate(model, x, y, eps, norm))
    theirs, their_seconds = timed(lambda: autoattack(model, x, y, eps, norm))
    return {
        "norm": norm,
        "eps": eps,
        "images": len(x),
        "clean": ours.clean,
        "samlib": ours.robust,
        "autoattack": float(theirs.double().mean()),
        "samlib seconds": round(seconds, 2),
        "autoattack seconds": round(their_seconds, 2),
        "broken by": {row.attack: row.broke for row in ours.attacks},
    }


def networks() -> Iterator[tuple[str, str, nn.Module]]:
    """The digits networks: kind, name, network. The masks are put on the SGD ones."""
    x, y, _, _ = samlib.load_digits()
    for kind, build, epochs, rho in (("mlp", samlib.mlp, 60, 0.4), ("resnet", samlib.small_resnet, 30, 0.2)):
        for method, strength in (("sgd", {}), ("sam", {"rho": rho}), ("at", {"eps": EPS[kind, "linf"]})):
            model = build(seed=0)
            samlib.train(model, x, y, method, epochs=epochs, progress=False, **strength)
            yield kind, method, model
            if method == "sgd":
                for name, mask in MASKS.items():
                    yield kind, f"sgd, {name}", mask(model)


def all_models() -> list[dict[str, Any]]:
    """Twelve models in l_inf, and the three honest MLPs in l_2."""
    _, _, x, y = (part[:IMAGES] for part in samlib.load_digits())
    rows = []
    for kind, name, model in networks():
        for norm in ("linf", "l2"):
            if (kind, norm) in EPS and (norm == "linf" or name in ("sgd", "sam", "at")):
                row = {"model": f"{kind} {name}"} | compare(model, x, y, EPS[kind, norm], norm)
                rows.append(row)
                show(row)
    return rows


def cifar(folder: Path | None) -> tuple[str, tuple[Tensor, ...]]:
    """5,000 training images and some test images, every class alike."""
    if folder is None:
        source, parts = "CIFAR-10", samlib.load_cifar10()
    else:
        source = f"images of {folder.name}/"
        parts = [part for name in ("train", "test") for part in samlib.load_folder(folder / name)[:2]]
    some = []
    for x, y, size in ((*parts[:2], 5000), (*parts[2:], CIFAR_IMAGES)):
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:size]
        some += [x[rows].contiguous(), y[rows]]  # torchattacks takes no other memory layout
    return source, tuple(some)


def cifar_network(x: Tensor, y: Tensor) -> nn.Module:
    """A small ResNet for images of 32x32, trained briefly."""
    model = samlib.small_resnet(channels=3, mean=CIFAR10_MEAN, std=CIFAR10_STD)
    samlib.train(model, x, y, epochs=10, progress=False)
    return model


def speed(folder: Path | None) -> list[dict[str, Any]]:
    """Time on the digits SGD MLP and on a small ResNet of CIFAR's size."""
    x_train, y_train, x, y = samlib.load_digits()
    model = samlib.mlp()
    samlib.train(model, x_train, y_train, progress=False)
    rows = [{"model": "mlp sgd, digits"} | compare(model, x, y, 0.125, "linf")]
    show(rows[-1])
    source, (x_train, y_train, x, y) = cifar(folder)
    model = cifar_network(x_train, y_train)
    rows.append({"model": f"small_resnet sgd, {source}"} | compare(model, x, y, CIFAR_EPS, "linf"))
    show(rows[-1])
    for row in rows:
        row["times as fast"] = round(row["autoattack seconds"] / row["samlib seconds"], 2)
    return rows


def curves() -> list[dict[str, Any]]:
    """Eight radii at once, beside each of the eight on its own."""
    _, _, x, y = (part[:IMAGES] for part in samlib.load_digits())
    rows = []
    for kind, name, model in networks():
        if name not in ("sgd", "sam", "at", "sgd, logits x 30") or (kind == "resnet" and name != "sgd"):
            continue
        model.eval()
        radii = [EPS[kind, "linf"] * i / 4 for i in range(1, 9)]
        curve, seconds = timed(lambda model=model, radii=radii: samlib.robust_curve(model, x, y, radii))
        single = [timed(lambda model=model, eps=eps: samlib.robust_accuracy(model, x, y, eps)) for eps in radii]
        rows.append(
            {
                "model": f"{kind} {name}",
                "eps": radii,
                "curve": curve,
                "seconds": round(seconds, 2),
                "alone": [value for value, _ in single],
                "seconds alone": [round(s, 2) for _, s in single],
                "largest difference": max(abs(a - b) for a, (b, _) in zip(curve, single, strict=True)),
            }
        )
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, help="a folder with train/ and test/, one folder for each class in each")
    parser.add_argument(
        "--only", nargs="+", choices=("models", "speed", "curves"), default=["models", "speed", "curves"]
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    content = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    content |= describe("python -m benchmarks.autoattack")
    content["versions"]["torchattacks"] = version("torchattacks")
    content["protocol"] = {
        "data": f"the first {IMAGES} of the 597 test digits (speed: all of them, and {CIFAR_IMAGES} CIFAR images)",
        "seeds": "0 everywhere",
        "autoattack": "torchattacks, version='standard', its defaults, seed=0; "
        "images brought into the ball and judged by us",
        "samlib": [str(attack) for attack in samlib.unions.BUDGETS["standard"]],
    }
    parts = {"models": all_models, "speed": lambda: speed(arguments.cifar), "curves": curves}
    for name in arguments.only:
        content[name] = parts[name]()
        RESULT.parent.mkdir(exist_ok=True)
        write_atomically(RESULT, (json.dumps(content, indent=1) + "\n").encode(), "results")


if __name__ == "__main__":
    main()
