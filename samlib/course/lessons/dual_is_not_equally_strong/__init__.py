"""The lesson *Dual is not equally strong*: its exercises and questions, its scenes, and what they compute."""

from samlib.course.lessons.dual_is_not_equally_strong.exercises import (
    bet_on_alpha,
    bet_on_the_ball,
    bet_on_the_training,
    recall_outgrown,
    recall_shares,
    recall_strength,
    shares,
    shares_of_the_lead,
    steepness,
)
from samlib.course.lessons.dual_is_not_equally_strong.members import ALPHAS, UNITS, family, members
from samlib.course.lessons.dual_is_not_equally_strong.trained import (
    SETTINGS,
    direction_and_ball,
    ladder,
    lead,
    runs_in_ball,
    runs_of,
    table,
)

__all__ = [
    "ALPHAS",
    "SETTINGS",
    "UNITS",
    "bet_on_alpha",
    "bet_on_the_ball",
    "bet_on_the_training",
    "direction_and_ball",
    "family",
    "ladder",
    "lead",
    "members",
    "recall_outgrown",
    "recall_shares",
    "recall_strength",
    "runs_in_ball",
    "runs_of",
    "shares",
    "shares_of_the_lead",
    "steepness",
    "table",
]
