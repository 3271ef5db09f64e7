"""The lesson *robust and non-robust features*: its exercises, its scenes, and what it computes."""

from samlib.course.lessons.robust_and_non_robust_features.batches import train_by_batch_size
from samlib.course.lessons.robust_and_non_robust_features.exercises import (
    bet_on_the_attack,
    bet_on_the_ball,
    bet_on_the_batch,
    bet_on_the_price,
    bet_on_the_shift,
    middle,
    recall_flat,
    recall_moves,
    recall_units,
    to_the_right,
    which_definition,
)
from samlib.course.lessons.robust_and_non_robust_features.leading import leading_order
from samlib.course.lessons.robust_and_non_robust_features.price import price_and_gain
from samlib.course.lessons.robust_and_non_robust_features.shifts import optimum_shift
from samlib.course.lessons.robust_and_non_robust_features.training import train_classifier
from samlib.course.lessons.robust_and_non_robust_features.valley import worst_error
from samlib.course.lessons.robust_and_non_robust_features.votes import attacked_votes

__all__ = [
    "attacked_votes",
    "bet_on_the_attack",
    "bet_on_the_ball",
    "bet_on_the_batch",
    "bet_on_the_price",
    "bet_on_the_shift",
    "leading_order",
    "middle",
    "optimum_shift",
    "price_and_gain",
    "recall_flat",
    "recall_moves",
    "recall_units",
    "to_the_right",
    "train_by_batch_size",
    "train_classifier",
    "which_definition",
    "worst_error",
]
