"""What a run computes, in names and numbers: the same on the command line, in a grid's file and in a run's folder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from samlib.checks import check_choice, check_count
from samlib.models import MODELS
from samlib.training import Recipe, train

DATA = ("digits", "cifar10", "cifar100", "folder:PATH")


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes, but the device and how it is made fast.

    data: one of DATA.
    model: one of samlib.models.MODELS; width: of its hidden layers (mlp) or its first group (preact_resnet18).
    images: of the training set, as many of each class; all of them if None.
    validation: images of the training set that are set aside and measured on in place of the test set.
    augment: reflect-pad, crop and flip, as in the paper.
    recipe: the arguments of samlib.train.
    """

    data: str
    model: str
    width: int | None
    images: int | None
    validation: int
    augment: bool
    recipe: Recipe

    def __post_init__(self) -> None:
        check_data(self.data)
        check_choice("model", self.model, MODELS)
        if self.width is not None and "small" in self.model:
            raise ValueError(f"width is {self.width}, but model {self.model!r} has one size; leave it out.")
        for name, low in (("width", 1), ("images", 2), ("validation", 0)):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), low)
        if not isinstance(self.augment, bool):
            raise TypeError(f"augment is {self.augment!r}; it must be true or false.")

    def flat(self) -> dict[str, Any]:
        """Name -> value, without levels, as JSON can hold it."""
        own = {name: value for name, value in vars(self).items() if name != "recipe"}
        perturb = self.recipe.perturb
        return own | asdict(self.recipe) | {"perturb": None if perturb is None else list(perturb)}


NAMES = tuple(field.name for field in (*fields(Settings), *fields(Recipe)) if field.name != "recipe")
TYPES = get_type_hints(Settings) | get_type_hints(Recipe)
USUAL = {name: p.default for name, p in inspect.signature(train).parameters.items() if p.default is not p.empty}
FRACTIONS = ("eps", "sigma")  # lengths in pixels, which people write in 255ths
_DIGITS = {"model": "mlp", "augment": False}
_PICTURES = {"model": "preact_resnet18", "augment": True, "epochs": 100}


def make_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from names and values; what is not given, or None, is as for `samlib.train` and as suits the data.

    The digits are trained on by an mlp for 60 epochs, pictures by preact_resnet18 for 100 epochs, augmented.

    Raises:
        ValueError, TypeError: an unknown name, or a value that is not allowed.
    """
    for name in given:
        check_choice("setting", name, NAMES)
    known = {name: value for name, value in given.items() if value is not None}
    data = check_data(known.get("data", "digits"))
    usual = USUAL | {"width": None, "images": None, "validation": 0} | (_DIGITS if data == "digits" else _PICTURES)
    all_values = usual | known | {"data": data}
    for name in FRACTIONS:
        all_values[name] = as_number(all_values[name])
    recipe = Recipe(**{field.name: all_values[field.name] for field in fields(Recipe)})
    own = [field.name for field in fields(Settings) if field.name != "recipe"]
    return Settings(**{name: all_values[name] for name in own}, recipe=recipe)


def check_data(data: object) -> str:
    """The name of a data set: one of DATA."""
    if isinstance(data, str) and data.startswith("folder:") and data != "folder:":
        return data
    return check_choice("data", "folder" if data == "folder:" else data, DATA)


def as_number(value: Any) -> Any:
    """A fraction such as "8/255" as a number; anything else as it is.

    Raises:
        ValueError: a text that is neither a number nor a fraction.
    """
    if not isinstance(value, str):
        return value
    above, _, below = value.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{value!r} is no number; write .03 or 8/255.") from None


def as_text(eps: float) -> str:
    """A radius as people write it: in 255ths if it is a whole number of them, else as a decimal number."""
    steps = 255 * eps
    return f"{round(steps)}/255" if eps and abs(steps - round(steps)) < 1e-6 else f"{eps:g}"
