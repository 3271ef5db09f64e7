"""The lesson *One layer, two spaces*: its exercises and questions, its scenes, and what they compute."""

from samlib.course.lessons.one_layer_two_spaces.batches import SIZES, shared_step, shared_step_curves
from samlib.course.lessons.one_layer_two_spaces.exercises import (
    GRADIENT,
    angle_between,
    bet_on_the_batch,
    bet_on_the_sandwich,
    bet_on_the_shape,
    bet_on_the_way_back,
    eight_digits,
    losses_after_ascent,
    recall_batch,
    recall_flat,
    recall_units,
    refute,
    steps,
)
from samlib.course.lessons.one_layer_two_spaces.spaces import ball_and_ellipse, layer, toy_loss
from samlib.course.lessons.one_layer_two_spaces.way_back import shared_with, two_ways, way_back
from samlib.course.lessons.one_layer_two_spaces.worst_losses import gradients, rise_per_length, sandwich, sandwiches

__all__ = [
    "GRADIENT",
    "SIZES",
    "angle_between",
    "ball_and_ellipse",
    "bet_on_the_batch",
    "bet_on_the_sandwich",
    "bet_on_the_shape",
    "bet_on_the_way_back",
    "eight_digits",
    "gradients",
    "layer",
    "losses_after_ascent",
    "recall_batch",
    "recall_flat",
    "recall_units",
    "refute",
    "rise_per_length",
    "sandwich",
    "sandwiches",
    "shared_step",
    "shared_step_curves",
    "shared_with",
    "steps",
    "toy_loss",
    "two_ways",
    "way_back",
]
