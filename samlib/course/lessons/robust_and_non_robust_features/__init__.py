"""The lesson *robust and non-robust features*: its exercises, its scenes, and what it computes."""

from samlib.course.lessons.robust_and_non_robust_features.batches import (
    mean_and_interval,
    shift_by_batch_size,
    train_by_batch_size,
)
from samlib.course.lessons.robust_and_non_robust_features.exercises import (
    best,
    bet_on_the_attack,
    bet_on_the_batch,
    bet_on_the_menu,
    bet_on_the_price,
    bet_on_the_shift,
    doubling,
    middle,
    recall_flat,
    recall_moves,
    recall_units,
    to_the_right,
)
from samlib.course.lessons.robust_and_non_robust_features.leading import leading_order
from samlib.course.lessons.robust_and_non_robust_features.maps import change_maps
from samlib.course.lessons.robust_and_non_robust_features.radii import equivalent_eps
from samlib.course.lessons.robust_and_non_robust_features.shift_maps import all_shift_maps, definitions, shift_map
from samlib.course.lessons.robust_and_non_robust_features.shifts import optimum_shift
from samlib.course.lessons.robust_and_non_robust_features.training import train_classifier
from samlib.course.lessons.robust_and_non_robust_features.two_radii import radii_and_price
from samlib.course.lessons.robust_and_non_robust_features.valley import worst_error
from samlib.course.lessons.robust_and_non_robust_features.votes import attacked_votes

__all__ = [
    "all_shift_maps",
    "attacked_votes",
    "best",
    "bet_on_the_attack",
    "bet_on_the_batch",
    "bet_on_the_menu",
    "bet_on_the_price",
    "bet_on_the_shift",
    "change_maps",
    "definitions",
    "doubling",
    "equivalent_eps",
    "leading_order",
    "mean_and_interval",
    "middle",
    "optimum_shift",
    "radii_and_price",
    "recall_flat",
    "recall_moves",
    "recall_units",
    "shift_by_batch_size",
    "shift_map",
    "to_the_right",
    "train_by_batch_size",
    "train_classifier",
    "worst_error",
]
