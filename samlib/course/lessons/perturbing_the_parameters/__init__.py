"""The lesson *perturbing the parameters*: its exercises and questions, its scenes, and the helpers that it shows."""

from samlib.course.lessons.perturbing_the_parameters.exercises import (
    bet_on_random,
    bet_on_rho,
    bet_on_the_meter,
    bet_on_the_shares,
    bet_on_the_valley,
    disguise,
    recall_meter,
    recall_order,
    recall_two_passes,
    relative_step,
    sam_step,
)
from samlib.course.lessons.perturbing_the_parameters.layers import (
    share_of_each_layer,
    shares_absolute_and_relative,
    shares_of_rho,
)
from samlib.course.lessons.perturbing_the_parameters.rescaling import (
    FACTORS,
    RADII,
    sharpness_in_four_balls,
    sharpness_of_one_function,
)
from samlib.course.lessons.perturbing_the_parameters.runs import runs_at_each_rho
from samlib.course.lessons.perturbing_the_parameters.valley import sgd_and_sam_in_the_valley, training_in_the_valley
from samlib.course.lessons.perturbing_the_parameters.weight_ball import (
    DIRECTIONS,
    loss_after_each_step,
    loss_within_rho,
    losses_on_the_way,
    rise,
    three_directions,
)

__all__ = [
    "DIRECTIONS",
    "FACTORS",
    "RADII",
    "bet_on_random",
    "bet_on_rho",
    "bet_on_the_meter",
    "bet_on_the_shares",
    "bet_on_the_valley",
    "disguise",
    "loss_after_each_step",
    "loss_within_rho",
    "losses_on_the_way",
    "recall_meter",
    "recall_order",
    "recall_two_passes",
    "relative_step",
    "rise",
    "runs_at_each_rho",
    "sam_step",
    "sgd_and_sam_in_the_valley",
    "share_of_each_layer",
    "shares_absolute_and_relative",
    "shares_of_rho",
    "sharpness_in_four_balls",
    "sharpness_of_one_function",
    "three_directions",
    "training_in_the_valley",
]
