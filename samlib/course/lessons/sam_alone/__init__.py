"""The lesson *SAM alone*: its exercises, its questions and its scenes."""

from samlib.course.lessons.sam_alone.exercises import (
    bet_on_the_gain,
    bet_on_the_loss,
    gain,
    layers,
    recall_noise,
    recall_report,
    recall_units,
    step,
)
from samlib.course.lessons.sam_alone.preregistered import commit
from samlib.course.lessons.sam_alone.scenes import (
    RADII,
    clean_against_robust,
    gain_by_layers,
    race,
    robust_curves,
    table,
    what_each_costs,
)

__all__ = [
    "RADII",
    "bet_on_the_gain",
    "bet_on_the_loss",
    "clean_against_robust",
    "commit",
    "gain",
    "gain_by_layers",
    "layers",
    "race",
    "recall_noise",
    "recall_report",
    "recall_units",
    "robust_curves",
    "step",
    "table",
    "what_each_costs",
]
