"""Section 1: what is left by attacks that name a rival class, one after the other, and by as many that name none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.course import pictures, style, widgets

RUNS = 9  # a digit has so many wrong classes
WAYS = {"margin": "margin, restarts", "ce": "cross-entropy, restarts", "targets": "one rival after the other"}


@dataclass(frozen=True)
class Rivals:
    """What PGD leaves of some images after 1, 2, ... 9 runs, and where it led when a rival class was named.

    Args:
        x, y: the images, (n, ...), and their labels, (n,).
        left: {way: images robust to all runs so far, in percent, (9,)}. "margin" and "ce" name no class and start anew;
            "targets" is the margin loss towards one rival after the other.
        rivals: the wrong classes of each image, the likeliest first, (n, 9).
        images: after the first run on the margin, and after the run towards each rival, (n, 10, ...).
        logits: what the network makes of them, (n, 10, classes).
    """

    x: Tensor
    y: Tensor
    left: Mapping[str, np.ndarray]
    rivals: Tensor
    images: Tensor
    logits: Tensor

    @property
    def broken(self) -> Tensor:
        """Which runs get which image misclassified, (n, 10)."""
        return self.logits.argmax(2) != self.y[:, None]

    @property
    def overlooked(self) -> Tensor:
        """Which images a run towards some rival breaks, and the one that names none does not, (n,)."""
        return self.broken[:, 1:].any(1) & ~self.broken[:, 0]


@torch.no_grad()
def rivals_of(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The wrong classes of each image, the likeliest first, (n, classes - 1)."""
    return net(x).scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)[:, :-1]


def try_rivals(net: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int = 40) -> Rivals:
    """PGD with steps of eps / 4 in l_inf: nine runs that name no class on either loss, and a run towards each rival."""

    def run(x: Tensor, y: Tensor, loss: str = "margin", seed: int = 0, targets: Tensor | None = None) -> Tensor:
        start = torch.Generator().manual_seed(seed)
        return pgd(net, x, y, eps, steps=steps, step_size=eps / 4, loss=loss, targets=targets, generator=start)

    rivals, left = rivals_of(net, x, y), {}
    for loss in ("margin", "ce"):
        robust, counts = torch.arange(len(x)), []
        for seed in range(RUNS):  # only what is still robust is attacked once more
            answers = logits_of(net, run(x[robust], y[robust], loss, seed)).argmax(1)
            robust = robust[answers == y[robust]]
            counts.append(len(robust))
        left[loss] = 100 * np.array(counts) / len(x)
    images = torch.stack([run(x, y), *(run(x, y, targets=rivals[:, k]) for k in range(RUNS))], dim=1)
    logits = logits_of(net, images.flatten(0, 1)).unflatten(0, images.shape[:2])
    robust_so_far = (logits[:, 1:].argmax(2) == y[:, None]).cumprod(1)
    left["targets"] = 100 * robust_so_far.double().mean(0).numpy()
    return Rivals(x, y, left, rivals, images, logits)


def in_words(tried: Mapping[str, Rivals]) -> str:
    """What each way leaves after one run and after nine, and how many images the run without a target overlooks."""
    lines = []
    for name, one in tried.items():
        counts = (f"{way} {left[0]:.1f} -> {left[-1]:.1f}" for way, left in one.left.items())
        lines.append(f"{name}, % robust to 1 run -> {RUNS} runs: {', '.join(counts)}")
        overlooked = f"{int(one.overlooked.sum())} of {len(one.y)} digits"
        lines.append(f"  overlooked without a target, broken with one: {overlooked}")
    return "\n".join(lines)


@torch.no_grad()
def logits_of(net: nn.Module, x: Tensor) -> Tensor:
    """The logits of some images, (n, classes)."""
    return net(x)


def shown_digits(tried: Rivals) -> list[int]:
    """Eight images to look at: five that are overlooked, two that the likeliest rival breaks, one robust to all."""
    kinds = ((tried.overlooked, 5), (tried.broken[:, 1] & tried.broken[:, 0], 2), (~tried.broken.any(1), 1))
    return [int(i) for which, many in kinds for i in which.nonzero().flatten()[:many]]


def rivals(tried: Mapping[str, Rivals]) -> widgets.Live:
    """What named and unnamed rivals leave over the number of runs, beside the runs towards the rivals of one digit."""
    with style.look():
        picture = RivalPicture(style.figure(3.3))

    def draw(network: str, runs: int, digit: int) -> str:
        here = tried[network]
        picture.show_left(here.left, runs, network)
        picture.show_runs(here, digit, runs)
        found = ", ".join(f"{WAYS[way]} {left[runs - 1]:.1f}" for way, left in here.left.items())
        reached = [str(int(here.rivals[digit, k])) for k in range(runs) if here.broken[digit, k + 1]]
        return (
            f"{network}, {runs} run{'s' * (runs > 1)} each, robust digits in percent: {found}. "
            f"This {int(here.y[digit])} is broken by naming {', '.join(reached) or 'none of them'}."
        )

    some = next(iter(tried.values()))
    at = shown_digits(tried["SAM"])
    controls = {
        "network": widgets.toggle("network", list(tried), "SAM"),
        "runs": widgets.choice_slider("runs: rivals named, or restarts", (1, 2, 3, 5, RUNS), 1),
        "digit": widgets.dropdown("digit on the right", [(f"a {int(some.y[i])}, no. {i}", i) for i in at], at[0]),
    }
    return widgets.live(picture.fig, draw, controls)


class RivalPicture:
    """A curve for each way to spend the runs; beside it a digit after a run that names no rival, and the others."""

    ROWS, COLUMNS = 2, 5  # tiles
    BELOW, ABOVE = 3, 15  # points of the axis around the lowest value

    def __init__(self, fig: style.Canvas) -> None:
        self.fig = fig
        ax = self.ax = pictures.axes(fig, 46, 40, 344, 244)
        self.left = pictures.Heading(fig, style.MARGIN, 22, axis=ax.yaxis)
        ax.set(xlim=(0.5, RUNS + 0.5), xticks=range(1, RUNS + 1), xlabel="runs of 40 steps, each on what is left")
        ax.grid(axis="y")
        self.here = pictures.shaded_place(ax)
        looks = {"margin": style.OTHER, "ce": style.NOISE, "targets": style.AT}
        self.curves = {way: pictures.RunCurve(ax, look) for way, look in looks.items()}
        self.labels = pictures.Labels(ax)
        self.right = pictures.Heading(fig, 436, 22)
        self.mosaic = pictures.Mosaic(fig, 446, 36, self.ROWS, self.COLUMNS, cell=7, across=80, down=122)
        sheet = self.mosaic.sheet
        self.leads = {place: sheet.text(x + 28, y + 72, ha="center") for place, (x, y) in self.mosaic.places.items()}
        sheet.text(436, 289, "Below a digit: the rival's logit minus the right one.", quiet=True)
        sheet.text(436, 307, "Orange: misclassified, as any class. Grey: not tried yet.", quiet=True)

    def show_left(self, left: Mapping[str, np.ndarray], runs: int, network: str) -> None:
        """{way: robust digits after each run, in percent}, and how many runs the learner spends."""
        self.left.show("Robust digits (%)", f"of the {network} network, of 200")
        lowest = np.floor(min(float(values.min()) for values in left.values()))
        low, high = lowest - self.BELOW, lowest + self.ABOVE
        self.ax.set_ylim(low, high)
        ticks = np.arange(5 * np.ceil(low / 5), high + 1, 5)
        self.ax.set_yticks(ticks)
        self.here.set_x(runs - 0.5)
        for way, values in left.items():
            self.curves[way].show(range(1, RUNS + 1), values)
        points = {way: curve.points for way, curve in self.curves.items()}
        hooks = {"margin": points["margin"][4:], "ce": points["ce"][:2], "targets": points["targets"][:2]}
        labels = [pictures.Label(WAYS[way], hook, self.curves[way].look) for way, hook in hooks.items()]
        grid = [(np.array([[0.5, tick], [RUNS + 0.5, tick]]), 0.4) for tick in ticks]
        self.labels.show(labels, [*points.values()], grid)

    def show_runs(self, tried: Rivals, digit: int, runs: int) -> None:
        """The digit after the run that names no rival, and after those that name the first so many."""
        logits, right = tried.logits[digit], int(tried.y[digit])
        self.right.show(f"This {right}, attacked", "margin loss, eps 0.125")
        pursued = int(logits[0].scatter(0, tried.y[digit], -torch.inf).argmax())
        tiles = {}
        for run, rival in enumerate([pursued, *tried.rivals[digit].tolist()]):
            place, done = divmod(run, self.COLUMNS), run <= runs
            image = tried.images[digit, run, 0].numpy() if done else np.full((8, 8), 0.1)
            wrong = done and bool(tried.broken[digit, run])
            tiles[place] = (
                pictures.grey(image),
                f"to {rival}" if run else "none named",
                style.AT.color if wrong else "",
            )
            lead = f"{logits[run, rival] - logits[run, right]:+.1f}".replace("-", "−")
            self.leads[place].set_text((lead if run else f"{rival}: {lead}") if done else "")
            self.leads[place].set_color(style.AT.dark if wrong else style.QUIET)
        self.mosaic.show(tiles)
