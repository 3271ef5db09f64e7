"""The lesson *perturbing the parameters*: its exercises and questions, its scenes, and the helpers that it shows."""

from samlib.course.lessons.perturbing_the_parameters.batchnorm_scene import batchnorm_in_the_second_pass, recorded
from samlib.course.lessons.perturbing_the_parameters.exercises import (
    bet_on_batchnorm,
    bet_on_flatness,
    bet_on_random,
    bet_on_the_rescaling,
    bet_on_the_valley,
    recall_flat,
    recall_two_passes,
    recall_unit,
    relative_step,
    rescale_layers,
    sam_step,
)
from samlib.course.lessons.perturbing_the_parameters.flat_and_robust import (
    SETTINGS,
    rank_correlation,
    sharpness_and_robustness,
)
from samlib.course.lessons.perturbing_the_parameters.rescaling import FACTORS, RADII, sharpness_of_one_function
from samlib.course.lessons.perturbing_the_parameters.valley import training_in_the_valley
from samlib.course.lessons.perturbing_the_parameters.weight_ball import (
    DIRECTIONS,
    loss_within_rho,
    losses_on_the_way,
    rise,
)

__all__ = [
    "DIRECTIONS",
    "FACTORS",
    "RADII",
    "SETTINGS",
    "batchnorm_in_the_second_pass",
    "bet_on_batchnorm",
    "bet_on_flatness",
    "bet_on_random",
    "bet_on_the_rescaling",
    "bet_on_the_valley",
    "loss_within_rho",
    "losses_on_the_way",
    "rank_correlation",
    "recall_flat",
    "recall_two_passes",
    "recall_unit",
    "recorded",
    "relative_step",
    "rescale_layers",
    "rise",
    "sam_step",
    "sharpness_and_robustness",
    "sharpness_of_one_function",
    "training_in_the_valley",
]
