"""How long a step takes: SGD, SAM, SAM in the first layer, a PGD step, and an epoch, on whatever device there is.

    python -m benchmarks.step_times [--device cuda] [--batch-size 128] [--repeats 20]

Times are medians after a warm-up, with the device waited for; a PGD step stands beside a forward pass with the gradient
of the input, which is all that it needs. The epoch is one of `samlib.train` by SGD on ten batches of random images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import samlib
from samlib.ascent import ascend, attack_mode
from samlib.balls import Linf
from samlib.losses import cross_entropy
from samlib.reports import text_table

NETWORKS = {"small_resnet": (samlib.small_resnet, (1, 8, 8)), "preact_resnet18": (samlib.preact_resnet18, (3, 32, 32))}


def best_device() -> torch.device:
    """The accelerator that is there, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def wait_for(device: torch.device) -> None:
    """A GPU returns before it is done; wait until it is."""
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()


def milliseconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The median time of a call, after a warm-up of a quarter as many."""
    times = []
    for repeat in range(-max(repeats // 4, 1), repeats):
        wait_for(device)
        start = time.perf_counter()
        call()
        wait_for(device)
        if repeat >= 0:
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def optimizer_step(model: nn.Module, x: Tensor, y: Tensor, rho: float, rest: float) -> Callable[[], object]:
    """A training step: SGD for rho 0, else SAM with `rho` in the first convolution and `rest` in the other layers."""
    groups = [{"params": [], "rho": rho}, {"params": [], "rho": rest}]
    for name, p in model.named_parameters():
        groups[not name.startswith("conv1.")]["params"].append(p)
    sgd = torch.optim.SGD(groups, lr=1e-3, momentum=0.9, weight_decay=5e-4)
    optimizer = samlib.SAM(sgd, model=model) if rho else sgd

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return lambda: optimizer.step(closure)


def measure(name: str, device: torch.device, batch_size: int, repeats: int) -> list[tuple[str, ...]]:
    """One row for each kind of step: network, what, milliseconds, and as a multiple of what it should be near."""
    build, shape = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(10 * batch_size, *shape, generator=generator).to(device)
    y = torch.randint(10, (10 * batch_size,), generator=generator).to(device)
    batch, labels, model = x[:batch_size], y[:batch_size], build().to(device).train()

    def clock(call: Callable[[], object], times: int = repeats) -> float:
        return milliseconds(call, device, times)

    steps = {"SGD": (0.0, 0.0), "SAM": (0.05, 0.05), "SAM, first layer": (0.05, 0.0)}
    found = {kind: clock(optimizer_step(model, batch, labels, *rho)) for kind, rho in steps.items()}

    def input_gradient() -> None:
        inputs = batch.clone().requires_grad_()
        torch.autograd.grad(cross_entropy(model(inputs), labels).sum(), inputs)

    def pgd_steps() -> None:
        ascend(model, batch, labels, Linf(0.03), start=batch, steps=10, step_size=0.01, loss=cross_entropy)

    with attack_mode(model):
        found["forward + input gradient"] = clock(input_gradient)
        found["PGD step"] = clock(pgd_steps, max(repeats // 5, 1)) / 10
    found["epoch of ten batches"] = clock(
        lambda: samlib.train(model, x, y, epochs=1, batch_size=batch_size, progress=False), max(repeats // 5, 1)
    )
    beside = {"SAM": "SGD", "SAM, first layer": "SGD", "PGD step": "forward + input gradient"}
    rows = [
        (kind, f"{ms:.2f}", f"{ms / found[beside[kind]]:.2f}" if kind in beside else "") for kind, ms in found.items()
    ]
    return [(name, *row) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_times")
    parser.add_argument("--device", type=torch.device, default=best_device(), help="cpu, cuda or mps")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    how = parser.parse_args()
    device = torch.cuda.get_device_name(how.device) if how.device.type == "cuda" else str(how.device)
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads, batches of {how.batch_size}")
    rows = [row for name in how.networks for row in measure(name, how.device, how.batch_size, how.repeats)]
    print(text_table(("network", "step", "ms", "times the plain one"), rows, right_from=2))


if __name__ == "__main__":
    main()
