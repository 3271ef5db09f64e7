"""The measured tables: which settings, how often and on which splits of the data, and what is tuned for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samlib.runs.trials import WEAK_TO_STRONG, Curves, Done, Job, Measure, Setting, Sharpness, Strengths
from samlib.runs.tuning import Ladder, Plan, Search, Study, Tuning, by_clean, by_robust, tuned


@dataclass(frozen=True)
class Group:
    """Some settings of a table: on which splits, with which seeds, and what is measured."""

    settings: Callable[[int, Path], list[Setting]]  # for a split; what was tuned is read from the folder
    measure: Measure
    splits: tuple[int, ...]
    seeds: range


@dataclass(frozen=True)
class Table:
    """Settings, each run with every seed on every split and measured on the test images."""

    groups: tuple[Group, ...]

    def jobs(self, done: Done, folder: Path, seeds: int | None = None) -> list[Job]:
        """All that the table consists of; with `seeds` only so many of each setting on each split."""
        return [
            Job(setting, part, seed, group.measure)
            for group in self.groups
            for part in group.splits
            for setting in group.settings(part, folder)
            for seed in group.seeds[:seeds]
        ]

    def protocol(self, done: Done, folder: Path) -> dict[str, Any]:
        """How it was done, and the settings; one that was tuned for each split is given for each."""
        variants: dict[str, dict[str, Any]] = {}
        for job in self.jobs(done, folder, seeds=1):
            variants.setdefault(job.setting.name, {})[f"split {job.split}"] = asdict(job.setting)
        return {
            "data": "scikit-learn digits, 1,200 train / 597 test, stratified",
            **self.groups[0].measure.protocol(),
            "groups": [
                {
                    "settings": [setting.name for setting in group.settings(group.splits[0], folder)],
                    "splits": list(group.splits),
                    "seeds": list(group.seeds),
                }
                for group in self.groups
            ],
            "settings": {
                name: next(iter(found.values()))
                if all(one == next(iter(found.values())) for one in found.values())
                else found
                for name, found in variants.items()
            },
        }


THREE, FIVE = (0, 1, 2), (0, 1, 2, 3, 4)  # splits of the data


def fresh(seeds: int) -> range:
    """So many seeds that no tuning has seen: what is chosen is measured with them."""
    return range(10, 10 + seeds)


# ---- ladders ---------------------------------------------------------------------------------------------------------
# Each with the values that a search begins with; every search of a study begins with as many tries.

LR = Ladder((0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0), start=(0.1, 0.3))
LR_ALONE = Ladder(LR.values, start=(0.03, 0.1, 0.3))
MOMENTUM = Ladder((0.0, 0.5, 0.8, 0.9, 0.95, 0.98), start=(0.8, 0.9))
WEIGHT_DECAY = Ladder((0.0, 5e-4, 1.5e-3, 5e-3, 1.5e-2, 5e-2, 1.5e-1), start=(5e-4, 5e-3))
LENGTH = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6, 2.4, 3.2)
RHO = Ladder(LENGTH, start=(0.1, 0.2, 0.4))
SIGMA = Ladder((0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8), start=(0.1, 0.2, 0.4))
EPS = {
    "linf": Ladder((0.015625, 0.03125, 0.0625, 0.09375, 0.125, 0.1875, 0.25, 0.375), start=(0.0625, 0.125, 0.1875)),
    "l2": Ladder((0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0), start=(0.25, 0.5, 1.0)),
}

# ---- the claim: methods for one network ------------------------------------------------------------------------------

METHODS_TUNING = Study(
    tuple(
        Search(name, training, ladders | {"weight_decay": WEIGHT_DECAY})
        for name, training, ladders in (
            ("SGD", {"method": "sgd"}, {"lr": LR_ALONE, "momentum": MOMENTUM}),
            ("SAM", {"method": "sam"}, {"rho": RHO, "lr": LR}),
            ("AT", {"method": "at"}, {"eps": EPS["linf"], "lr": LR}),
            ("AT, 1 step", {"method": "at", "attack_steps": 1}, {"eps": EPS["linf"], "lr": LR}),
            ("input noise", {"method": "input_noise"}, {"sigma": SIGMA, "lr": LR}),
        )
    ),
    Plan(tries=22, survivors=(6, 4), reserve=5, extra=6),
    Curves({"linf": (0.125,)}),
    {"clean": by_clean("linf 0.125"), "robust": by_robust("linf 0.125")},
)


# SAM for the last quarter of the epochs: as many tries, on the same splits.
LATE_TUNING = Study(
    (
        Search(
            "SAM, last quarter",
            {"method": "sam", "begin": 0.75},
            {"rho": RHO, "lr": LR, "weight_decay": WEIGHT_DECAY},
        ),
    ),
    METHODS_TUNING.plan,
    METHODS_TUNING.measure,
    METHODS_TUNING.criteria,
)


def common_methods(part: int, folder: Path) -> list[Setting]:
    """The methods at one learning rate and weight decay, and the referee's controls."""
    common = [Setting("SGD", {"method": "sgd"})]
    common += [Setting(f"SAM {rho:g}", {"method": "sam", "rho": rho}) for rho in (0.05, 0.1, 0.2, 0.4, 0.8)]
    common += [Setting(f"AT linf {eps:g}", {"method": "at", "eps": eps}) for eps in (0.125, 0.25)]
    common += [Setting("AT l2 0.5", {"method": "at", "eps": 0.5, "norm": "l2"})]
    common += [Setting("AT+SAM", {"method": "at+sam", "eps": 0.125, "rho": 0.1})]
    return [
        *common,
        Setting("SGD, 4x as long", {"method": "sgd", "epochs": 240}),
        Setting("weight noise 0.4", {"method": "weight_noise", "rho": 0.4}),
        Setting("input noise 0.2", {"method": "input_noise", "sigma": 0.2}),
    ]


def tuned_methods(part: int, folder: Path) -> list[Setting]:
    """All methods as tuned on this split."""
    return tuned(folder, "tuning", part)


def tuned_late(part: int, folder: Path) -> list[Setting]:
    """SAM for the last quarter as tuned on this split; beside methods' "SAM, tuned" and "SGD, tuned"."""
    return tuned(folder, "late_tuning", part)


def sharpened(part: int, folder: Path) -> list[Setting]:
    """SGD, SAM and AT of growing strength, whose sharpness is measured."""
    sam = [Setting(f"SAM {rho:g}", {"method": "sam", "rho": rho}) for rho in (0.05, 0.1, 0.2, 0.4)]
    at = [Setting(f"AT linf {eps:g}", {"method": "at", "eps": eps}) for eps in (0.03125, 0.0625, 0.125)]
    return [Setting("SGD", {"method": "sgd"}), *sam, *at]


def attacked(part: int, folder: Path) -> list[Setting]:
    """What is attacked by weaker and stronger attacks: SGD and SAM as usual and tuned, and what beats both."""
    wanted = ["SGD", "SAM 0.4", "AT linf 0.125", "input noise 0.2", "SGD, tuned (robust)", "SAM, tuned (robust)"]
    known = {setting.name: setting for setting in common_methods(part, folder) + tuned_methods(part, folder)}
    return [known[name] for name in wanted]


# ---- layers ----------------------------------------------------------------------------------------------------------

# On this network pixels and first-layer weights translate exactly.
PLAIN_MLP = {"hidden": (48, 48), "mean": 0.0, "std": 1.0}
# Network: its function, architecture, epochs, first layer, the rest.
LAYERS: dict[str, tuple[str, dict[str, Any], int, list[str], list[str]]] = {
    "MLP": ("mlp", PLAIN_MLP, 60, ["fc1"], ["fc2", "fc3"]),
    "ResNet": ("small_resnet", {}, 30, ["conv1"], ["group1", "group2", "bn", "fc"]),
}


def parts_of(net: str) -> dict[str, dict[str, Any]]:
    """SAM on all layers, on the first alone, on all but the first."""
    *_, first, rest = LAYERS[net]
    return {"all": {}, "first": {"perturb": first}, "rest": {"perturb": rest}}


def layers_study(net: str, plan: Plan, eps: float, lr: Ladder, alone: Ladder, rho: Ladder) -> Study:
    """The rho that suits each choice of layers, with its learning rate; for SGD learning rate and momentum."""
    model, architecture, epochs, *_ = LAYERS[net]
    sgd = {"lr": alone, "momentum": MOMENTUM}
    kinds = [(f"{net} SGD", {"method": "sgd", "epochs": epochs}, sgd)] + [
        (f"{net} {name}", {"method": "sam", "epochs": epochs, **part}, {"rho": rho, "lr": lr})
        for name, part in parts_of(net).items()
    ]
    searches = tuple(Search(name, training, ladders, model, architecture) for name, training, ladders in kinds)
    return Study(searches, plan, Curves({"linf": (eps,)}), {"robust": by_robust(f"linf {eps:g}")})


LAYERS_TUNING = (
    layers_study("MLP", Plan(15, survivors=(4, 2), reserve=3, extra=5), 0.125, LR, LR_ALONE, RHO),
    # a run takes ten times as long: fewer tries, and two seeds
    layers_study(
        "ResNet", Plan(7, survivors=(3,), reserve=2, extra=3), 0.0625, LR, LR, Ladder(LENGTH, start=(0.1, 0.4))
    ),
)


def common_layers(net: str) -> list[Setting]:
    """Which layers SAM perturbs, with rho 0.4."""
    model, architecture, epochs, *_ = LAYERS[net]
    sam = {"method": "sam", "rho": 0.4, "epochs": epochs}
    return [
        Setting(f"{net} SGD", {"method": "sgd", "epochs": epochs}, model, architecture),
        *(Setting(f"{net} {name}", {**sam, **which}, model, architecture) for name, which in parts_of(net).items()),
    ]


def layers_groups(net: str, measure: Curves, seeds: int) -> tuple[Group, Group]:
    """With rho 0.4, and each choice of layers as tuned on its split."""
    return (
        Group(lambda part, folder: common_layers(net), measure, THREE, range(seeds)),
        Group(lambda part, folder: tuned(folder, "layers_tuning", part, net), measure, THREE, fresh(seeds)),
    )


# ResNet: SAM's ascent step in the normalisation layers alone, tuned as the other choices of layers are.
NORMS = ("bn", "group*.bn*")
NORMS_TUNING = Study(
    (
        Search(
            "ResNet norms",
            {"method": "sam", "epochs": LAYERS["ResNet"][2], "perturb": list(NORMS)},
            {"rho": Ladder(LENGTH, start=(0.1, 0.4)), "lr": LR},
            "small_resnet",
        ),
    ),
    LAYERS_TUNING[1].plan,
    LAYERS_TUNING[1].measure,
    LAYERS_TUNING[1].criteria,
)


def tuned_norms(part: int, folder: Path) -> list[Setting]:
    """The normalisation layers alone as tuned on this split; beside the table layers."""
    return tuned(folder, "norms_tuning", part)


# ---- alpha: from SAM's ascent step in the first layer to the attack on the input -------------------------------------


def family() -> dict[str, dict[str, Any]]:
    """Perturbations of each example's first features, from SAM's direction to the attack's; and SAM's in batches."""
    along: dict[str, dict[str, Any]] = {f"alpha {a:g}": {"alpha": a} for a in (0.0, 0.25, 0.5, 0.75, 1.0)}
    return along | {f"batches of {m}": {"m": m} for m in (8, 128)}


def alpha_study() -> Study:
    """The lengths, and eps for AT in its two norms and with a single step, each with its learning rate."""
    length = Ladder(LENGTH, start=(0.2, 0.4, 0.8))
    kinds: list[tuple[str, dict[str, Any], dict[str, Ladder]]]
    kinds = [("SGD", {"method": "sgd"}, {"lr": LR_ALONE, "momentum": MOMENTUM})]
    for name, direction in family().items():
        number = "perturbation.r" if "alpha" in direction else "perturbation.rho"
        kinds.append((name, {"method": "sgd", "perturbation": direction}, {number: length, "lr": LR}))
    for norm in ("linf", "l2"):
        for steps, said in ((7, ""), (1, ", 1 step")):
            training = {"method": "at", "norm": norm, "attack_steps": steps}
            kinds.append((f"AT {norm}{said}", training, {"eps": EPS[norm], "lr": LR}))
    searches = tuple(Search(name, training, ladders, "mlp", PLAIN_MLP) for name, training, ladders in kinds)
    plan = Plan(15, survivors=(4, 2), reserve=3, extra=5)
    return Study(searches, plan, Curves({"linf": (0.125,)}), {"robust": by_robust("linf 0.125")})


def common_alpha(part: int, folder: Path) -> list[Setting]:
    """The family at one length, 0.2."""
    return [
        Setting(f"{name}, r 0.2", {"method": "sgd", "perturbation": {**direction, "r": 0.2}}, "mlp", PLAIN_MLP)
        for name, direction in family().items()
        if "alpha" in direction
    ]


def tuned_alpha(part: int, folder: Path) -> list[Setting]:
    """Each member of the family with the length that suits it; beside SGD and AT."""
    return tuned(folder, "alpha_tuning", part)


# ---- direction and ball: one step in the pixels, along SAM's direction or the attack's, in either norm ---------------


def directions_study() -> Study:
    """For each direction and norm the eps that suits it, with its learning rate."""
    kinds = [
        (f"{direction}, {norm}", {"method": "sgd", "perturbation": {"direction": direction, "norm": norm}}, norm)
        for direction in ("sam", "attack")
        for norm in ("l2", "linf")
    ]
    searches = tuple(
        Search(name, training, {"perturbation.eps": EPS[norm], "lr": LR}, "mlp", PLAIN_MLP)
        for name, training, norm in kinds
    )
    plan = Plan(15, survivors=(4, 2), reserve=3, extra=5)
    return Study(searches, plan, Curves({"linf": (0.125,)}), {"robust": by_robust("linf 0.125")})


def tuned_directions(part: int, folder: Path) -> list[Setting]:
    """The four as tuned on this split; beside the table alpha."""
    return tuned(folder, "directions_tuning", part)


# ---- all tables ------------------------------------------------------------------------------------------------------

FINE = Curves(
    {
        "linf": (0.03125, 0.0625, 0.09375, 0.125, 0.1875, 0.25),
        "l2": (0.125, 0.25, 0.375, 0.5, 0.75, 1.0),
    }
)
COARSE = Curves({"linf": (0.0625, 0.125), "l2": (0.25, 0.5)})
LINF = Curves({"linf": (0.0625, 0.125)})
SHARPNESS = Sharpness(
    Curves({"linf": (0.125,)}), absolute=(0.01, 0.05, 0.1, 0.2, 0.4), relative=(0.002, 0.01, 0.02, 0.05, 0.1)
)
LADDER_OF_ATTACKS = Strengths(0.125, "linf", WEAK_TO_STRONG)

# In the order in which they are made: what is chosen by tuning comes after it.
TABLES: dict[str, Table | Tuning] = {
    "tuning": Tuning((METHODS_TUNING,), splits=FIVE),
    "methods": Table(
        (
            Group(common_methods, FINE, (0,), range(10)),
            Group(tuned_methods, LINF, FIVE, fresh(3)),
        )
    ),
    "attacks": Table((Group(attacked, LADDER_OF_ATTACKS, (0,), fresh(10)),)),
    "layers_tuning": Tuning(LAYERS_TUNING, splits=THREE),
    # on the slow network one radius and two seeds
    "layers": Table((*layers_groups("MLP", LINF, 3), *layers_groups("ResNet", Curves({"linf": (0.0625,)}), 2))),
    "alpha_tuning": Tuning((alpha_study(),), splits=THREE),
    "alpha": Table(
        (
            Group(common_alpha, COARSE, THREE, range(3)),
            Group(tuned_alpha, COARSE, THREE, fresh(3)),
        )
    ),
    "sharpness": Table((Group(sharpened, SHARPNESS, (0,), range(5)),)),
    "directions_tuning": Tuning((directions_study(),), splits=THREE),
    "directions": Table((Group(tuned_directions, COARSE, THREE, fresh(3)),)),
    "late_tuning": Tuning((LATE_TUNING,), splits=FIVE),
    "late": Table((Group(tuned_late, LINF, FIVE, fresh(3)),)),
    "norms_tuning": Tuning((NORMS_TUNING,), splits=THREE),
    "norms": Table((Group(tuned_norms, Curves({"linf": (0.0625,)}), THREE, fresh(2)),)),
}
