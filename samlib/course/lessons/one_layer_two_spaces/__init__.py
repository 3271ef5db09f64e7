"""The lesson *One layer, two spaces*: its exercises and questions, its scenes, and what they compute."""

from samlib.course.lessons.one_layer_two_spaces.batches import SIZES, dilution, drawn_and_real, shared_step
from samlib.course.lessons.one_layer_two_spaces.exercises import (
    GRADIENT,
    angle_between,
    bet_on_the_batch,
    bet_on_the_sandwich,
    bet_on_the_shape,
    eight_digits,
    losses_after_ascent,
    reach,
    recall_ball,
    recall_batch,
    recall_units,
    steps,
)
from samlib.course.lessons.one_layer_two_spaces.spaces import ball_and_ellipse, layer, three_layers, toy_loss
from samlib.course.lessons.one_layer_two_spaces.way_back import step_in_pixels
from samlib.course.lessons.one_layer_two_spaces.worst_losses import gradients, sandwich, sandwiches

__all__ = [
    "GRADIENT",
    "SIZES",
    "angle_between",
    "ball_and_ellipse",
    "bet_on_the_batch",
    "bet_on_the_sandwich",
    "bet_on_the_shape",
    "dilution",
    "drawn_and_real",
    "eight_digits",
    "gradients",
    "layer",
    "losses_after_ascent",
    "reach",
    "recall_ball",
    "recall_batch",
    "recall_units",
    "sandwich",
    "sandwiches",
    "shared_step",
    "step_in_pixels",
    "steps",
    "three_layers",
    "toy_loss",
]
