"""What BatchNorm may do in SAM's second pass: three policies, and the recorded runs that show what each breaks.

python -m samlib.course.lessons.perturbing_the_parameters.batchnorm        trains all again, writes batchnorm.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samlib.attacks import attack_mode
from samlib.data import load_digits
from samlib.evaluation import accuracy, robust_accuracy
from samlib.models import small_resnet
from samlib.sam import SAM

POLICIES = ("first pass only", "both passes", "evaluation mode")
RHOS, SEEDS = (0.0, 0.1, 0.4), (0, 1, 2)
EPOCHS, DROPS = 15, (11, 13)  # epochs in all, and those after which lr falls to a tenth
EPS = 0.0625
FILE = Path(__file__).with_suffix(".json")


def take_step(sam: SAM, net: nn.Module, backward: Callable[[], Tensor], policy: str) -> Tensor:
    """One step of SAM; returns the loss before it.

    Args:
        sam: around the optimizer of net. With `model=net` it keeps the running statistics from the second pass.
        net: in training mode.
        backward: clears the gradients, takes the forward and backward pass of a batch and returns its loss.
        policy: of POLICIES; "evaluation mode" normalises the second pass by the running statistics.
    """
    loss = backward()
    sam.first_step()
    net.train(policy != "evaluation mode")
    backward()
    net.train()
    sam.second_step()
    return loss


def train_with(policy: str, rho: float, seed: int, epochs: int = EPOCHS) -> tuple[nn.Module, list[float], list[float]]:
    """Train the small ResNet on the digits by SAM; lr falls to a tenth after 11 epochs, to a hundredth after 13.

    Returns:
        The network in evaluation mode; after each epoch the mean training loss (in training mode, before each step)
        and the accuracy on the test images (in evaluation mode).
    """
    x, y, x_test, y_test = load_digits()
    net = small_resnet(seed=seed)
    base = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    sam = SAM(base, rho=rho, model=net if policy == "first pass only" else None)
    schedule = torch.optim.lr_scheduler.MultiStepLR(sam, DROPS, gamma=0.1)
    generator = torch.Generator().manual_seed(seed)
    losses, clean = [], []
    for _ in range(epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(x), generator=generator).split(128):

            def backward(rows: Tensor = rows) -> Tensor:
                sam.zero_grad()
                loss = F.cross_entropy(net(x[rows]), y[rows])
                loss.backward()
                return loss.detach()

            total += take_step(sam, net, backward, policy) * len(rows)
        schedule.step()
        losses.append(float(total) / len(x))
        clean.append(accuracy(net, x_test, y_test))
    return net.eval(), losses, clean


@torch.no_grad()
def variance_ratios(net: nn.Module, x: Tensor) -> list[float]:
    """For each channel of the last BatchNorm layer, `net.bn`: its running variance over what the variance is on x.

    x: all training images (n, ...), taken as one batch through the network in training mode; net stays as it was.
    """
    seen: list[Tensor] = []
    last = net.get_submodule("bn")
    assert isinstance(last, nn.BatchNorm2d)
    assert last.running_var is not None
    before = {name: value.clone() for name, value in net.state_dict().items()}
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with attack_mode(net):  # puts the modes back
        net.train()
        net(x)
    hook.remove()
    net.load_state_dict(before)
    return [float(v) for v in last.running_var / seen[0].var((0, 2, 3))]


def run(policy: str, rho: float, seed: int) -> dict[str, Any]:
    """Train one network and measure it: one row of the file."""
    x, _, x_test, y_test = load_digits()
    net, losses, clean = train_with(policy, rho, seed)
    found = {"loss": losses, "clean": clean, "variance ratios": variance_ratios(net, x)}
    measured = {name: [float(f"{value:.4g}") for value in values] for name, values in found.items()}
    robust = robust_accuracy(net, x_test, y_test, EPS, budget="quick")
    return {"policy": policy, "rho": rho, "seed": seed, **measured, "robust": float(f"{robust:.4g}")}


def rows_of(rows: list[dict[str, Any]], policy: str, rho: float | None = None) -> list[dict[str, Any]]:
    """The runs of one policy, at one rho or at all."""
    return [row for row in rows if row["policy"] == policy and rho in (None, row["rho"])]


def load() -> list[dict[str, Any]]:
    """The recorded runs, one for each policy, rho and seed."""
    rows: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["runs"]
    return rows


def record() -> None:
    """Train and measure all, and write the file."""
    from samlib.runs.provenance import describe

    torch.set_num_threads(1)
    rows = [run(policy, rho, seed) for policy in POLICIES for rho in RHOS for seed in SEEDS]
    head = describe(f"python -m {__spec__.name}") | {
        "data": "scikit-learn digits, 1,200 train / 597 test, split 0",
        "training": f"small_resnet, {EPOCHS} epochs, batches of 128, lr 0.1, momentum 0.9, weight decay 5e-4; "
        f"lr a tenth after {DROPS[0]} epochs, a hundredth after {DROPS[1]}",
        "attack": f"robust_accuracy, budget quick, l_inf eps {EPS}, all test images",
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    FILE.write_text(json.dumps(head, indent=1)[:-2] + f',\n "runs": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    record()
