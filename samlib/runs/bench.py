"""How long a step takes, and how much memory: samlib beside its peers and beside the limit, in one run.

Contenders take turns, so that whatever else the machine does meets all of them alike; a ratio is taken within each
turn, and its spread over the turns is told.
"""

from __future__ import annotations

import importlib
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.ascent import ascend, attack_mode
from samlib.balls import Linf
from samlib.checks import check_choice
from samlib.data import flip_and_crop
from samlib.files import write_atomically
from samlib.losses import cross_entropy
from samlib.models import preact_resnet18, small_resnet
from samlib.runs.engine import Engine, EngineRun, hardware
from samlib.runs.images import Images, as_pixels
from samlib.runs.provenance import describe
from samlib.runs.settings import make_settings
from samlib.runs.speed import Speed
from samlib.sam import SAM

PEERS = {"pytorch_optimizer": "SAM", "torchattacks": "PGD", "foolbox": "PGD"}
NETWORKS = ("small_resnet", "preact_resnet18")
RHO, EPS, STEPS = 0.05, 8 / 255, 10
Contenders = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Ground:
    """What is measured on: a network, random images of the shape of its data, and ten batches of them."""

    name: str
    width: int | None
    device: torch.device
    batch_size: int

    def __post_init__(self) -> None:
        check_choice("network", self.name, NETWORKS)

    def model(self) -> nn.Module:
        how = {} if self.width is None else {"width": self.width}
        built = small_resnet() if self.name == "small_resnet" else preact_resnet18(**how)
        return built.to(self.device).train()

    def images(self) -> Images:
        shape = (1, 8, 8) if self.name == "small_resnet" else (3, 32, 32)
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(256, (10 * self.batch_size, *shape), generator=generator, dtype=torch.uint8)
        y = torch.randint(10, (len(x),), generator=generator)
        y[:10] = torch.arange(10)
        few = (x[:10], y[:10])
        return Images(x, y, *few, (0.5,) * shape[0], (0.3,) * shape[0]).to(self.device)


def peer(package: str) -> Any | None:
    """A package that is measured beside, if it is installed."""
    try:
        return importlib.import_module(package)
    except ImportError:
        return None


# ---- the contenders --------------------------------------------------------------------------------------------------


def sgd(params: Any) -> torch.optim.SGD:
    """The base of all."""
    return torch.optim.SGD(params, lr=1e-3, momentum=0.9, weight_decay=5e-4)


def training_steps(ground: Ground) -> Contenders:
    """A step of SGD, of SAM, of SAM in the first layer, and of the peer's SAM, each on a network of its own."""
    images = ground.images()
    x, y = as_pixels(images.x[: ground.batch_size]), images.y[: ground.batch_size]

    def step(make: Callable[[nn.Module], torch.optim.Optimizer], first_pass: bool = False) -> Callable[[], object]:
        model = ground.model()
        optimizer = make(model)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        def call() -> None:
            if first_pass:  # which the peer leaves to its caller
                closure()
            optimizer.step(closure)  # type: ignore[arg-type]

        return call

    def first_layer(model: nn.Module) -> SAM:
        groups: list[dict[str, Any]] = [{"params": [], "rho": RHO}, {"params": [], "rho": 0.0}]
        for name, p in model.named_parameters():
            groups[not name.startswith("conv1.")]["params"].append(p)
        return SAM(sgd(groups), model=model)

    found = {
        "SGD step": step(lambda model: sgd(model.parameters())),
        "SAM step": step(lambda model: SAM(sgd(model.parameters()), rho=RHO, model=model)),
        "SAM step, first layer": step(first_layer),
    }
    other = peer("pytorch_optimizer")
    if other is not None:
        found["SAM step, pytorch_optimizer"] = step(
            lambda model: other.SAM(model.parameters(), sgd, rho=RHO), first_pass=True
        )
    return found


def attack_steps(ground: Ground) -> Contenders:
    """PGD of ten steps, two peers', and ten times all that it needs: a forward pass and the gradient of the input."""
    images, model = ground.images(), ground.model().eval()
    x, y = as_pixels(images.x[: ground.batch_size]), images.y[: ground.batch_size]

    def limit() -> None:
        with attack_mode(model):
            for _ in range(STEPS):
                inputs = x.clone().requires_grad_()
                torch.autograd.grad(cross_entropy(model(inputs), y).sum(), inputs)

    def pgd() -> None:
        with attack_mode(model):
            ascend(model, x, y, Linf(EPS), start=x, steps=STEPS, step_size=EPS / 4, loss=cross_entropy)

    found: Contenders = {"forward + input gradient, ten times": limit, "PGD of ten steps": pgd}
    other = peer("torchattacks")
    if other is not None:
        attack = other.PGD(model, eps=EPS, alpha=EPS / 4, steps=STEPS, random_start=False)
        found["PGD of ten steps, torchattacks"] = lambda: attack(x, y)
    other = peer("foolbox")
    if other is not None:
        # it moves the network to a device of its own choice, unless it is told
        theirs = other.PyTorchModel(model, bounds=(0, 1), device=ground.device)
        run = other.attacks.LinfPGD(abs_stepsize=EPS / 4, steps=STEPS, random_start=False).run
        found["PGD of ten steps, foolbox"] = lambda: run(theirs, x, y, epsilon=EPS)
    return found


def epochs(ground: Ground) -> Contenders:
    """An epoch of ten augmented batches, by `samlib train`'s usual engine and by a plain loop in float32."""
    images, augment = ground.images(), flip_and_crop(2 if ground.name == "small_resnet" else 4)
    found: Contenders = {}
    for method, rho in (("sgd", None), ("sam", RHO)):
        settings = make_settings({"method": method, "rho": rho, "lr": 1e-3, "batch_size": ground.batch_size})
        model, engine = ground.model(), Engine(ground.device, speed=Speed.usual(ground.device))
        run = EngineRun(model, images, settings.recipe, augment, engine)

        def usual(run: EngineRun = run, model: nn.Module = model, engine: Engine = engine) -> None:
            with engine.applied(model):
                run.one_epoch()

        found[f"{method.upper()} epoch"] = usual
        found[f"{method.upper()} epoch, plain loop"] = plain_epoch(ground, images, rho)
    return found


def plain_epoch(ground: Ground, images: Images, rho: float | None) -> Callable[[], object]:
    """As it is written without thinking of speed, on images that lie on the device in float32."""
    model, augment = ground.model(), flip_and_crop(2 if ground.name == "small_resnet" else 4)
    optimizer: torch.optim.Optimizer = sgd(model.parameters())
    if rho is not None:
        optimizer = SAM(optimizer, rho=rho, model=model)
    x_all, y_all = as_pixels(images.x), images.y
    generator = torch.Generator(ground.device).manual_seed(0)

    def epoch() -> float:
        total = 0.0
        order = torch.randperm(len(x_all), generator=generator, device=ground.device)
        for rows in order.split(ground.batch_size):
            x, y = augment(x_all[rows], generator), y_all[rows]

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss

            total += optimizer.step(closure).item()  # type: ignore[arg-type,attr-defined]
        return total

    return epoch


PARTS: dict[str, tuple[Callable[[Ground], Contenders], dict[str, Sequence[str]]]] = {  # and which ratios are told
    "training": (
        training_steps,
        {
            "SAM step": ("SGD step", "SAM step, pytorch_optimizer"),
            "SAM step, first layer": ("SGD step",),
        },
    ),
    "attack": (
        attack_steps,
        {
            "PGD of ten steps": (
                "forward + input gradient, ten times",
                "PGD of ten steps, torchattacks",
                "PGD of ten steps, foolbox",
            )
        },
    ),
    "epochs": (epochs, {f"{m} epoch": (f"{m} epoch, plain loop",) for m in ("SGD", "SAM")}),
}


# ---- the measuring ---------------------------------------------------------------------------------------------------


def wait_for(device: torch.device) -> None:
    """A GPU returns before it is done; wait until it is."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize()


def in_turns(contenders: Contenders, device: torch.device, repeats: int) -> dict[str, list[float]]:
    """Seconds of every call, the contenders in turns, after one turn to warm up."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats + 1):
        for name, call in contenders.items():
            wait_for(device)
            start = time.perf_counter()
            call()
            wait_for(device)
            if turn:
                times[name].append(time.perf_counter() - start)
    return times


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """The median over the turns, and the quartiles; of a few turns the extremes."""
    found = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    low, _, high = statistics.quantiles(found, n=4) if len(found) > 4 else (found[0], 0.0, found[-1])
    return {"median": round(statistics.median(found), 3), "low": round(low, 3), "high": round(high, 3)}


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most memory that a call holds at once, beyond what was held before."""
    call()  # what is made once, momentum for instance
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(profile_memory=True) as profile:
        call()
    kineto: Any = profile.profiler
    events = [e for e in kineto.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def measure(ground: Ground, repeats: int) -> dict[str, Any]:
    """Milliseconds of every contender, ratios, and megabytes of the training steps."""
    found: dict[str, Any] = {"network": ground.name, "width": ground.width, "milliseconds": {}, "ratios": []}
    for name, (make, ratios) in PARTS.items():
        contenders = make(ground)
        times = in_turns(contenders, ground.device, repeats)
        found["milliseconds"] |= {key: round(1000 * statistics.median(value), 3) for key, value in times.items()}
        found["ratios"] += [
            {"of": ours, "to": other, **ratio(times[ours], times[other])}
            for ours, others in ratios.items()
            for other in others
            if other in times
        ]
        if name == "training" and ground.device.type in ("cpu", "cuda"):
            peaks = {key: peak_bytes(call, ground.device) for key, call in contenders.items()}
            found["megabytes"] = {key: round(peak / 2**20, 2) for key, peak in peaks.items()}
    return found


def measure_all(grounds: Sequence[Ground], repeats: int) -> dict[str, Any]:
    """All grounds, and which peers there were."""
    return {
        "peers": {name: version(name) if peer(name) else "not installed" for name in PEERS},
        "batch_size": grounds[0].batch_size,
        "repeats": repeats,
        "spread": "quartiles over the turns, of four turns or fewer the extremes",
        "grounds": [measure(ground, repeats) for ground in grounds],
    }


def write_bench(path: Path | None) -> Callable[[dict[str, Any], torch.device], None]:
    """What stores a result there; whether it may is known before anything is measured.

    Raises:
        ValueError: the place is a folder, or in none, or holds something else than an earlier result.
    """
    if path is not None and path.is_dir():
        raise ValueError(f"out={str(path)!r} is a folder; name a file.")
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"out={str(path)!r} is to be in a folder that is not there; make it first.")
    if path is not None and path.exists():
        try:
            ours = "samlib bench" in json.loads(path.read_text(encoding="utf-8"))["command"]
        except (ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise ValueError(f"out={str(path)!r} is no result of samlib bench; name another file.")

    def write(content: dict[str, Any], device: torch.device) -> None:
        made = describe("samlib bench") | {"hardware": hardware(device)}
        if path is not None:
            write_atomically(path, (json.dumps(made | content, indent=1) + "\n").encode(), "out")

    return write


HEAD = ("network", "what", "beside", "times as long", "spread")


def lines(content: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows for people: the ratios, then the memory."""
    rows: list[tuple[str, ...]] = []
    for ground in content["grounds"]:
        name = ground["network"] + ("" if ground["width"] is None else f", width {ground['width']}")
        for one in ground["ratios"]:
            spread = f"{one['low']:.2f} to {one['high']:.2f}"
            rows.append((name, one["of"], one["to"], f"{one['median']:.2f}", spread))
        for step, megabytes in ground.get("megabytes", {}).items():
            rows.append((name, step, "memory at its peak", f"{megabytes:,.1f} MiB", ""))
    return rows
