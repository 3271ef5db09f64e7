"""The lesson *Dual is not equally strong*: its exercises and questions, its scenes, and what they compute."""

from samlib.course.lessons.dual_is_not_equally_strong.aims import ALPHAS, UNITS, family, members
from samlib.course.lessons.dual_is_not_equally_strong.certificates import exact_proof, proof
from samlib.course.lessons.dual_is_not_equally_strong.exercises import (
    bet_on_alpha,
    bet_on_the_proof,
    bet_on_the_training,
    exact_radius,
    radius,
    recall_certificate,
    recall_outgrown,
    recall_strength,
    steepness,
)
from samlib.course.lessons.dual_is_not_equally_strong.trained import SETTINGS, ladder, runs_of

__all__ = [
    "ALPHAS",
    "SETTINGS",
    "UNITS",
    "bet_on_alpha",
    "bet_on_the_proof",
    "bet_on_the_training",
    "exact_proof",
    "exact_radius",
    "family",
    "ladder",
    "members",
    "proof",
    "radius",
    "recall_certificate",
    "recall_outgrown",
    "recall_strength",
    "runs_of",
    "steepness",
]
