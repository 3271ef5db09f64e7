"""What lesson 03 shows: the curves of robust accuracy, the race, clean against robust accuracy, the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from IPython.display import HTML, Markdown
from torch import Tensor

import samlib
from samlib.course import results, style, widgets
from samlib.course.lessons.sam_alone.pictures import Costs, Group, LayerGains, Method, Race, RobustCurves, TradeOff
from samlib.course.results import Result

RADII = (0.0, 0.0625, 0.125, 0.1875, 0.25)  # l_inf
LEVELS = (0, 2, 4, 5, 6)  # which of the measured radii have a tick and a digit, in both norms
RHO = (0.05, 0.1, 0.2, 0.4, 0.8)
LAYERS = {  # what SAM's ascent step perturbs: its name at the control, and the layers' names
    "all": ("all layers", ["fc1", "fc2", "fc3"]),
    "first": ("the first layer", ["fc1"]),
    "rest": ("the others", ["fc2", "fc3"]),
}
OTHERS = {  # setting: (its name at the curve, what it does)
    "AT linf 0.125": ("AT", "trained on attacks\nwithin l_inf 0.125"),
    "AT l2 0.5": ("AT", "trained on attacks\nwithin l_2 0.5"),
    "input noise 0.2": ("input noise", "on the training pixels"),
    "weight noise 0.4": ("weight noise", "a random direction"),
}
CAPTIONS = {
    "linf": "eps: largest change of any pixel (0 paper, 1 ink), and what SGD says of a digit so attacked",
    "l2": "eps: length of the change of all pixels (l_2), and what SGD says of a digit so attacked",
}

Data = tuple[Tensor, Tensor, Tensor, Tensor]  # x_train, y_train, x_test, y_test


def robust_curves(methods: Result) -> widgets.Live:
    """Robust accuracy over eps of SGD, SAM and another method, the lead of SAM at one eps, and every run there.

    Args:
        methods: the table "methods" of `samlib.course.results`.
    """
    with style.look():
        picture = RobustCurves(style.figure(4.46), LEVELS)
    digits = {norm: attacked_digit(norm) for norm in CAPTIONS}

    def draw(rho: float, level: int, norm: str, other: str) -> str:
        eps, _ = results.curve(methods, "SGD", norm)
        groups = [group(methods, name, norm, level) for name in ("SGD", f"SAM {rho:g}", other)]
        gaps = {i: lead(*(float(g.runs[:, i].mean()) for g in groups[:2])) for i in LEVELS}
        picture.show_digits([eps[i] for i in LEVELS], *digits[norm], CAPTIONS[norm])
        picture.show(eps, groups, level, list(gaps.values()))
        means = ", ".join(
            f"{written(name)} {g.runs[:, level].mean():.0f} %"
            for name, g in zip(("SGD", f"SAM {rho:g}", other), groups, strict=True)
        )
        where = f"{written(norm)} eps {eps[level]:g}"
        return f"Robust accuracy at {where}, means of ten runs: {means}. SAM beside SGD: {gaps[level]}."

    radii, _ = results.curve(methods, "SGD", "linf")
    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHO, 0.4),
        "level": widgets.choice_slider(
            "eps: radius (l_inf or l_2)", [(f"{radii[i]:g} or {4 * radii[i]:g}", i) for i in LEVELS[1:]], 4
        ),
        "norm": widgets.toggle("norm of the attack", [("l_inf", "linf"), ("l_2", "l2")], "linf"),
        "other": widgets.dropdown("another method", [(written(name), name) for name in OTHERS], "AT linf 0.125"),
    }
    return widgets.live(picture.fig, draw, controls)


def group(methods: Result, setting: str, norm: str, level: int) -> Group:
    """The runs of a setting, with the words for them at one of the radii."""
    runs = 100 * np.array(results.curve(methods, setting, norm)[1])
    name, said = OTHERS.get(setting, (setting.split()[0], "as usual"))
    if name == "SAM":
        said = f"rho = {setting.split()[1]}"
        unfit = sum(value < 0.9 for value in results.values(methods, setting, "training accuracy"))
        said += f"\n{unfit} of {len(runs)} did not fit" if unfit else ""
    mean, half = results.interval(runs[:, level].tolist())
    return Group(name, said, style.of(setting), runs, f"{mean:.1f} ± {half:.1f}", f"{runs[:, 0].mean():.1f}")


def lead(sgd: float, sam: float) -> str:
    """By how much SAM's robust accuracy exceeds SGD's, both in per cent, in words: "+11 points", "−1 point"."""
    sign, points = "+" if sam > sgd else "−", abs(sam - sgd)
    if points < 0.05:
        return "no gap"
    if points < 0.95:
        return f"{sign}{points:.1f} points"
    return f"{sign}{points:.0f} point{'s' if points >= 1.5 else ''}"


@cache
def attacked_digit(norm: str) -> tuple[np.ndarray, list[int]]:
    """A digit attacked within the eps of each level, (levels, 8, 8), and what an SGD network then says of it."""
    x_train, y_train, x_test, y_test = samlib.load_digits()
    model = samlib.mlp(seed=0)
    samlib.train(model, x_train, y_train, "sgd", epochs=20, seed=0, progress=False)
    chosen = int((y_test == 5).nonzero()[0])
    x, y = x_test[chosen : chosen + 1].repeat(len(RADII), 1, 1, 1), y_test[chosen].repeat(len(RADII))
    eps = torch.tensor(RADII) * {"linf": 1, "l2": 4}[norm]
    attacked = samlib.pgd(model, x, y, eps, norm=norm, steps=20)
    return attacked[:, 0].numpy(), model(attacked).argmax(1).tolist()


def table(methods: Result, names: Sequence[str], measures: Sequence[str]) -> Markdown:
    """The mean of each setting's runs and the half width of its 95 % interval, in per cent."""
    lines = [f"| network | {' | '.join(map(written, measures))} |", "|---" * (len(measures) + 1) + "|"]
    for name in names:
        found = [results.interval(results.values(methods, name, measure)) for measure in measures]
        cells = [f"{100 * mean:.1f} ± {100 * half:.1f}".replace(" ", "\N{NO-BREAK SPACE}") for mean, half in found]
        lines.append(f"| {' | '.join([written(name), *cells])} |")
    return Markdown("\n".join(lines))


def written(name: str) -> str:
    """A name of the tables, with its norm as a text writes it."""
    return name.replace("linf", "l_inf").replace("l2", "l_2")


def race(train_and_attack: Callable[..., list[float]], data: Data) -> widgets.Work:
    """Two networks from the same weights and batches, trained with SGD and with SAM, and then attacked.

    Args:
        train_and_attack: (data, method, seed, on_epoch) -> robust accuracy at each of RADII. `method` holds the keyword
            arguments of `samlib.train`, `on_epoch` is to be called with its history after each of 60 epochs.
        data: handed to it.
    """
    with style.look():
        picture = Race(style.figure(3.1), RADII, epochs=60)

    def work(report: Callable[[str], None], rho: float, layers: str, seed: int) -> str:
        """Train and attack one after the other; what earlier presses found stays in the picture."""
        said = f"rho {rho:g}" + ("" if layers == "all" else f" in {LAYERS[layers][0]}")
        picture.start(f"{said}, seed {seed}")
        found: dict[str, list[float]] = {}
        sam = {"method": "sam", "rho": rho} | ({} if layers == "all" else {"perturb": LAYERS[layers][1]})
        for name, method in (("SGD", {"method": "sgd"}), ("SAM", sam)):

            def on_epoch(history: dict[str, list[float]], name: str = name) -> None:
                losses = history["loss"]
                if len(losses) % 10 == 0:
                    picture.show_loss(name, losses)
                    report(f"The training loss of {name} after {len(losses)} epochs is {losses[-1]:.4f}.")

            found[name] = [100 * value for value in train_and_attack(data, method, seed, on_epoch)]
            picture.show_robust(name, found[name])
        at_sgd, at_sam = found["SGD"][2], found["SAM"][2]
        picture.show_gap(2, lead(at_sgd, at_sam))
        return f"Robust accuracy at l_inf 0.125: SGD {at_sgd:.0f} %, SAM with {said} {at_sam:.0f} %."

    controls = {
        "rho": widgets.choice_slider("rho: radius in weight space", RHO, 0.4),
        "layers": widgets.toggle(
            "SAM's ascent step is in", [(said, name) for name, (said, _) in LAYERS.items()], "all"
        ),
        "seed": widgets.choice_slider("seed of weights and batches", range(5), 0),
    }
    return widgets.Work("Train both networks", 12, work, picture.fig, controls, recorded={"rho": (0.1, 0.4, 0.8)})


PATHS = {  # from SGD, the first of each, to more of what a method does: settings and their names
    "SAM": {"SAM 0.05": "", "SAM 0.1": "SAM, rho 0.1", "SAM 0.2": "", "SAM 0.4": "SAM, rho 0.4"},
    "AT": {"AT linf 0.125": "AT, eps 0.125", "AT linf 0.25": "AT, eps 0.25"},
    "input noise": {"input noise 0.2": "input noise"},
    "weight noise": {"weight noise 0.4": "weight noise"},
}


def clean_against_robust(methods: Result) -> HTML:
    """Clean against robust accuracy: every run, every mean, and the path of SAM and of AT as their radius grows."""
    with style.look():
        picture = TradeOff(style.figure(4.3))

        def runs(name: str) -> np.ndarray:
            return 100 * np.array([results.values(methods, name, measure) for measure in ("clean", "linf 0.125")]).T

        start = Method("SGD", style.SGD, runs("SGD"))
        paths = [
            [Method(label, style.of(kind), runs(name)) for name, label in steps.items()]
            for kind, steps in PATHS.items()
        ]
        picture.show(start, paths)
    return widgets.still(
        picture.fig,
        "Clean against robust accuracy: SAM up and right of SGD, input noise further up, AT 0.125 far up and right, "
        "AT 0.25 left.",
    )


PARTS = {  # what SAM's ascent step perturbs, as the tables name it: how it is named in the picture
    "SGD": "SGD",
    "all": "SAM, all",
    "first": "first layer",
    "rest": "the others",
    "norms": "norm layers",
}


def gain_by_layers(layers: Result, norms: Result) -> HTML:
    """Robust accuracy when SAM perturbs some layers, each choice as tuned: an MLP and a small ResNet.

    Args:
        layers, norms: the tables of these names; the ResNet's normalisation layers stand in the second.
    """
    said = []
    with style.look():
        picture = LayerGains(style.figure(3.3))
        for i, (net, measure) in enumerate((("MLP", "linf 0.125"), ("ResNet", "linf 0.0625"))):
            runs = {
                name: 100
                * np.array(results.values(norms if part == "norms" else layers, f"{net} {part}{TUNED}", measure))
                for part, name in PARTS.items()
                if net == "ResNet" or part != "norms"
            }
            both = {"runs": layers["runs"] + norms["runs"]}
            gains = {
                name: tuple(100 * v for v in results.lead(both, f"{net} {part}{TUNED}", f"{net} SGD{TUNED}", measure))
                for part, name in PARTS.items()
                if name in runs and part != "SGD"
            }
            picture.show(i, net, f"l_inf {measure.split()[1]}", runs, gains)
            means = [
                f"{name} {values.mean():.0f} %" + (" ({:+.0f} ± {:.0f})".format(*gains[name]) if name in gains else "")
                for name, values in runs.items()
            ]
            said.append(f"{net}, robust accuracy at {measure}: {', '.join(means)}.")
    return widgets.still(picture.fig, " ".join(said))


PASSES = {  # for an image, on average over training: forward 1, backward 1 for the features and 1 for the weights
    "SGD": 3,
    "input noise": 3,
    "SAM, last quarter": 3.75,
    "AT, 1 step": 5,
    "SAM": 6,
    "AT": 17,
}
TUNED = ", tuned (robust)"
STARTS = {"at once": "SAM", "in the last quarter": "SAM, last quarter"}  # when SAM starts, and its setting


def what_each_costs(methods: Result, late: Result) -> widgets.Live:
    """Each method as tuned: passes for an image, clean and robust accuracy on each split and the 95 % interval.

    Args:
        methods, late: the tables of these names; SAM in the last quarter of the epochs stands in the second.
    """
    found = {"runs": methods["runs"] + late["runs"]}
    with style.look():
        picture = Costs(style.figure(3.5), len(PASSES) - 1)

    def draw(criterion: str, start: str) -> str:
        names = ["SGD", "input noise", STARTS[start], "AT, 1 step", "AT"]
        names.sort(key=lambda name: PASSES[name])
        robust, clean = (
            [on_splits(found, f"{name}, tuned ({criterion})", measure) for name in names]
            for measure in ("linf 0.125", "clean")
        )
        rows = list(zip(names, (PASSES[name] for name in names), robust, clean, strict=True))
        picture.show(rows, f"all tuned for {criterion} accuracy")
        said = [f"{name} {cost:g} passes, robust {np.mean(at):.1f} %" for name, cost, at, _ in rows]
        return f"Tuned for {criterion} accuracy, at l_inf 0.125: {'; '.join(said)}."

    controls = {
        "criterion": widgets.toggle(
            "all tuned for", [("clean accuracy", "clean"), ("robust accuracy", "robust")], "clean"
        ),
        "start": widgets.toggle("SAM starts", list(STARTS), "at once"),
    }
    return widgets.live(picture.fig, draw, controls)


def on_splits(found: Result, setting: str, measure: str) -> list[float]:
    """The mean over seeds on each split of the data, in per cent."""
    return [100 * float(np.mean(runs)) for runs in results.by_split(found, setting, measure).values()]
