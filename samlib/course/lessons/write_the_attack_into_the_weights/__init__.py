"""The lesson *Write the attack into the weights*: its scenes, its exercises and its questions."""

from samlib.course.lessons.write_the_attack_into_the_weights.exercises import (
    bet_on_the_others,
    bet_on_the_points,
    bet_on_the_templates,
    cheapest,
    recall_ghost,
    recall_rank,
    recall_units,
    spare,
)
from samlib.course.lessons.write_the_attack_into_the_weights.gradients import two_gradients
from samlib.course.lessons.write_the_attack_into_the_weights.margins import margins_lost, who_moves
from samlib.course.lessons.write_the_attack_into_the_weights.two_places import CHANGES, hero

__all__ = [
    "CHANGES",
    "bet_on_the_others",
    "bet_on_the_points",
    "bet_on_the_templates",
    "cheapest",
    "hero",
    "margins_lost",
    "recall_ghost",
    "recall_rank",
    "recall_units",
    "spare",
    "two_gradients",
    "who_moves",
]
