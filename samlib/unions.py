"""Unions of attacks: what one attack of an evaluation is, and the budgets that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from samlib.checks import check_choice, check_count, check_number
from samlib.losses import make_loss


class Kind(NamedTuple):
    """The function behind a kind of attack: its name, its defaults (steps or queries), and what it does not take."""

    name: str
    loss: str
    size: int
    refused: tuple[str, ...]


KINDS = {
    "pgd": Kind("PGD", "ce", 10, ("queries", "detour")),
    "apgd": Kind("APGD", "ce", 100, ("queries", "relative_step_size")),
    "square": Kind("Square", "margin", 1000, ("relative_step_size", "targets", "detour")),
}


@dataclass(frozen=True)
class Attack:
    """One attack of a union: what is not given is as in the function, `pgd`, `apgd` or `square`, that `kind` names.

    `steps`: gradient steps; of "square" its `queries`, which are forward passes.
    `relative_step_size`: length of a step of "pgd" as a share of eps, since a union serves every radius (the function
    takes it in pixels). With `targets` = k the attack is run k times, each time towards the next most likely wrong
    class. `if_masked`: run only if a gradient-free attack before it broke more than one in a hundred of the images
    that it tried, none of them broken by gradients: then gradients are no guide here.
    `while_it_pays`: a search of up to `restarts` runs, given up after 4 runs in a row that break no image. It is run on
    rugged networks only, whose gradients end in many places: of the attacks before the searches, those from the fourth
    on broke more than one image in 40, or the last of them more than one in 400. "apgd" starts on the ball's
    surface; with a `detour` it first climbs, half as many steps, in a ball so many times as wide, and goes on from the
    nearest point of its own: so it finds weak spots that no ascent inside the ball leads to. Where "dlr" has too few
    classes (two; three with targets) the margin is taken.
    """

    loss: str | None = None
    steps: int | None = None
    relative_step_size: float | None = None
    restarts: int = 1
    targets: int = 0
    kind: str = "pgd"
    if_masked: bool = False
    queries: int | None = None
    while_it_pays: bool = False
    detour: float | None = None

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        make_loss(self.loss_name)
        for name, low in (("steps", 1), ("queries", 1), ("restarts", 1), ("targets", 0)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check_count(name, getattr(self, name), low))
        for name in ("relative_step_size", "detour"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), open_low=True)
        for name in KINDS[self.kind].refused:
            if getattr(self, name):
                raise ValueError(f"{name} is {getattr(self, name)}, but kind {self.kind!r} takes none; leave it out.")
        if self.steps and self.queries:
            raise ValueError(f"steps is {self.steps} and queries is {self.queries}; they mean the same: give one.")

    @property
    def loss_name(self) -> str:
        return KINDS[self.kind].loss if self.loss is None else self.loss

    @property
    def size(self) -> int:
        """Gradient steps, or queries."""
        return self.steps or self.queries or KINDS[self.kind].size

    def __str__(self) -> str:
        towards = f", {self.targets} targets" if self.targets else ""
        detour = f", by a ball {self.detour:g} times as wide" if self.detour else ""
        up_to = "up to " if self.while_it_pays else ""
        again = f", {up_to}{self.restarts} runs" if self.restarts > 1 else ""
        unit = "queries" if self.kind == "square" else "steps"
        return f"{KINDS[self.kind].name} {self.loss_name}{towards}, {self.size} {unit}{detour}{again}"


# Steps of eps / 4 are long enough for PGD to leave a bad region and, since the best iterate is kept, lose nothing: on
# the digits they break up to one image in a hundred more than steps of 2.5 eps / steps.
PGD_UNION = tuple(
    Attack(loss, steps=40, relative_step_size=0.25, targets=targets)
    for loss, targets in (("ce", 0), ("margin", 0), ("margin", 3))
)

RUGGED = 1 / 40  # share of images that only later attacks break, above which a network counts as rugged
PATIENCE = 4  # runs without success after which a search is given up

BUDGETS: dict[str, tuple[Attack, ...]] = {
    "quick": (
        Attack("margin", steps=20, kind="apgd"),
        Attack("ce", steps=20, kind="apgd"),
        Attack("margin", steps=10, targets=3, kind="apgd"),
        Attack("margin", queries=100, kind="square"),
    ),
    "standard": (
        Attack("margin", steps=100, kind="apgd"),
        Attack("ce", steps=40, kind="apgd"),
        Attack("dlr", steps=100, kind="apgd"),
        Attack("dlr", steps=20, targets=9, kind="apgd"),
        Attack("margin", steps=20, targets=9, kind="apgd", detour=3),
        # Nothing more is needed on most networks. A rugged one is searched from many starts.
        Attack("margin", steps=10, targets=9, restarts=15, kind="apgd", detour=3, while_it_pays=True),
        Attack("dlr", steps=20, targets=9, restarts=15, kind="apgd", detour=2, while_it_pays=True),
        Attack("ce", steps=20, restarts=50, kind="apgd", while_it_pays=True),
        Attack("margin", steps=20, restarts=50, kind="apgd", while_it_pays=True),
        Attack("dlr", steps=20, restarts=50, kind="apgd", while_it_pays=True),
        Attack("margin", queries=300, kind="square"),
        Attack("margin", queries=5000, kind="square", if_masked=True),
    ),
}
