"""The lesson *robust and non-robust features*: its exercises and questions, its scenes, and what it computes in the simplified model."""

from samlib.course.lessons.robust_and_non_robust_features.exercises import (
    best,
    bet_on_the_attack,
    bet_on_the_batch,
    bet_on_the_lean,
    bet_on_the_menu,
    bet_on_the_price,
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
from samlib.course.lessons.robust_and_non_robust_features.scenes import (
    all_shift_maps,
    definitions,
    optimum_shift,
    radii_and_price,
    shift_by_batch_size,
    shift_map,
    summary,
    train_by_batch_size,
    votes_and_errors,
)
from samlib.course.lessons.robust_and_non_robust_features.training import train_classifier
from samlib.course.lessons.robust_and_non_robust_features.valley import worst_error

__all__ = [
    "all_shift_maps",
    "best",
    "bet_on_the_attack",
    "bet_on_the_batch",
    "bet_on_the_lean",
    "bet_on_the_menu",
    "bet_on_the_price",
    "change_maps",
    "definitions",
    "doubling",
    "equivalent_eps",
    "leading_order",
    "middle",
    "optimum_shift",
    "radii_and_price",
    "recall_flat",
    "recall_moves",
    "recall_units",
    "shift_by_batch_size",
    "shift_map",
    "summary",
    "to_the_right",
    "train_by_batch_size",
    "train_classifier",
    "votes_and_errors",
    "worst_error",
]
