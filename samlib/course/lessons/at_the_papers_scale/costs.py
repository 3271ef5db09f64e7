"""Section 4: what a step costs, counted in passes and measured in time."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from matplotlib.patches import Rectangle

from samlib.course import pictures, style, widgets

NETWORKS = {  # name at the control: file of benchmarks/results, network, width
    "small ResNet, 8×8 pixels": ("steps", "small_resnet", None),
    "PreActResNet-18, width 8": ("steps", "preact_resnet18", 8),
    "PreActResNet-18, width 64": ("steps_preact_resnet18", "preact_resnet18", 64),
}
STEPS = (1, 2, 5, 7, 10)  # of the attack in AT; the published code takes 5
PASSES = {"SGD": 3, "SAM, first layer": 5, "SAM": 6}  # for an image: forward, backward to pixels, backward to weights
SGD_PASSES = PASSES["SGD"]


@dataclass(frozen=True)
class Cost:
    """One kind of step, beside a step of SGD: passes as counted, time as measured, and its quartiles, if there are."""

    name: str
    passes: int
    time: float
    spread: tuple[float, float] | None = None

    @property
    def counted(self) -> float:
        """Passes, in units of a step of SGD."""
        return self.passes / SGD_PASSES


@functools.cache
def benchmarks() -> dict[str, Any]:
    """What `samlib bench` has measured: copies of two files of benchmarks/results, {file: content}."""
    file = resources.files(__package__ or "") / "costs.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def costs(network: str, steps: int) -> list[Cost]:
    """SGD, SAM in the first layer, SAM, AT with so many steps of attack, and an evaluation by PGD of ten steps.

    AT was not measured as a whole: its time is that of a step of SGD and of so many tenths of PGD's ten steps.
    """
    file, name, width = NETWORKS[network]
    (ground,) = (g for g in benchmarks()[file]["grounds"] if (g["network"], g["width"]) == (name, width))
    took = ground["milliseconds"]
    spread = {ratio["of"]: (ratio["low"], ratio["high"]) for ratio in ground["ratios"] if ratio["to"] == "SGD step"}

    def beside_sgd(what: str) -> float:
        return float(took[what] / took["SGD step"])

    at = 1 + steps / 10 * beside_sgd("PGD of ten steps")
    measured = {name: f"{name.replace('SAM', 'SAM step')}" for name in PASSES if name != "SGD"}
    return [
        Cost("SGD", SGD_PASSES, 1.0),
        *(Cost(name, PASSES[name], beside_sgd(step), spread[step]) for name, step in measured.items()),
        Cost(f"AT, {steps} step{'s' * (steps > 1)}", at_passes(steps), at),
    ]


def at_passes(steps: int) -> int:
    """Of a step of AT whose attack takes so many steps."""
    return SGD_PASSES + 2 * steps


def cost() -> widgets.Live:
    """Passes across, measured time upwards: on the line, counting passes tells the time."""
    largest = max(max(one.time, one.counted) for name in NETWORKS for one in costs(name, max(STEPS)))
    with style.look():
        picture = CostPicture(style.figure(2.85), largest)

    def draw(network: str, steps: int) -> str:
        found = costs(network, steps)
        picture.show(found)
        said = "; ".join(f"{one.name} {one.passes} passes, {one.time:.2f} times the time" for one in found)
        return f"{network}, beside a step of SGD: {said}."

    controls = {
        "network": widgets.dropdown("network", list(NETWORKS), "PreActResNet-18, width 64"),
        "steps": widgets.choice_slider("steps of AT's attack", STEPS, 1),
    }
    return widgets.live(picture.fig, draw, controls)


class CostPicture:
    """A row for each kind of step: a pale bar as long as its passes, and on it a mark at the time that it took."""

    HEIGHT = 0.52

    def __init__(self, fig: style.Canvas, largest: float) -> None:
        self.fig, rows = fig, len(PASSES) + 1
        self.ax = pictures.axes(fig, 150, 40, 480, 196)
        self.ax.set(xlim=(0, 1.03 * largest), ylim=(rows - 0.5, -0.5), yticks=[])
        self.ax.set_xlabel("in steps of SGD: bar as counted in passes, mark as measured in time")
        self.ax.grid(axis="x")
        pictures.Heading(fig, style.MARGIN, 22, "What a step costs", "on a CPU, one thread")
        self.bars = [Rectangle((0, i - self.HEIGHT / 2), 0, self.HEIGHT, linewidth=0) for i in range(rows)]
        for bar in self.bars:
            bar.set_facecolor(style.PALE)
            self.ax.add_patch(bar)
        self.marks = [self.ax.plot([], [], "|", markersize=20, markeredgewidth=2.6)[0] for _ in range(rows)]
        self.spreads = [self.ax.plot([], [], linewidth=1.4)[0] for _ in range(rows)]
        within = self.ax.get_yaxis_transform()
        words: dict[str, Any] = {"transform": within, "va": "center"}
        self.names = [self.ax.text(-0.02, i, "", ha="right", fontweight="bold", **words) for i in range(rows)]
        self.said = [self.ax.text(1.03, i, "", color=style.QUIET, **words) for i in range(rows)]

    def show(self, found: Sequence[Cost]) -> None:
        """The kinds of steps, the cheapest first."""
        rows = sorted(found, key=lambda one: one.passes)
        for i, (one, mark, spread) in enumerate(zip(rows, self.marks, self.spreads, strict=True)):
            look = style.of(one.name)
            self.bars[i].set_width(one.counted)
            mark.set_color(look.color)
            mark.set_data([one.time], [i])
            spread.set_color(look.color)
            spread.set_data(one.spread or (one.time, one.time), [i, i])
            self.names[i].set(text=one.name, color=look.dark)
            self.said[i].set_text(f"{one.passes} passes = {one.counted:.2f}; took {one.time:.2f}")
