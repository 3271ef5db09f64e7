"""The grids behind the tables of this lesson: what `samlib table` is to run, as TOML."""

from __future__ import annotations

from pathlib import Path

_METHODS = """\
[methods.SGD]
method = "sgd"

[methods.SAM]
method = "sam"
rho = {rhos}

[methods."AT, 1 step"]
method = "at"
eps = "1/255"
attack_steps = 1

[methods."input noise"]
method = "input_noise"
sigma = "8/255"

"""

_TUNED = """\
[methods."SGD, tuned"]
method = "sgd"
tune.lr = [0.05, 0.1, 0.2]

[methods."SAM, tuned"]
method = "sam"
against = "SGD, tuned"
lr = 0.1
tune.rho = [0.1, 0.2, 0.4]

[tuning]
validation = 5000
seeds = 1
criterion = "PGD-10 linf 1/255"
least_clean = 0.5

"""

_EVALUATION = """\
[evaluation]
images = {images}
protocols."PGD-10".linf = ["1/255", "2/255"]
protocols.standard.linf = ["1/255", "2/255"]
"""

_AT_SCALE = """\
title = "{title}: the paper's network and schedule"
seeds = 5
reference = "SGD"

[common]
data = "{data}"
model = "preact_resnet18"
epochs = 100

"""

_PART = """\
title = "CIFAR-10 (JPEG quality 75), 2,000 training images, PreActResNet-18 of width 8, 25 epochs"
seeds = 3
reference = "SGD"

[common]
data = "folder:PATH"  # a folder with train/CLASS/IMAGE and test/CLASS/IMAGE
model = "preact_resnet18"
width = 8
images = 2000
augment = false
epochs = 25

"""


def _at_scale(title: str, data: str) -> str:
    methods = _METHODS.format(rhos="[0.05, 0.1, 0.2, 0.4]")
    return _AT_SCALE.format(title=title, data=data) + methods + _TUNED + _EVALUATION.format(images=1000)


GRIDS = {  # a table of samlib.course.results: its grid
    "cifar_cpu": _PART + _METHODS.format(rhos="[0.1, 0.2]") + _EVALUATION.format(images=150),
    "cifar_gpu": _at_scale("CIFAR-10", "cifar10"),
    "cifar100_gpu": _at_scale("CIFAR-100", "cifar100"),
}


def write_grid(name: str, folder: str | Path = ".") -> str:
    """Write a grid to NAME.toml in a folder; returns the command that runs it."""
    path = Path(folder) / f"{name}.toml"
    path.write_text(GRIDS[name], encoding="utf-8")
    return f"samlib table {path} --out tables/{name}"


def command(name: str) -> str:
    """What fills a table, once its grid is written."""
    return f"samlib table {name}.toml --out tables/{name}"
