"""The lesson *perturbing the input*: its exercises and questions, its scenes, and the attacks behind them."""

from samlib.course.lessons.perturbing_the_input.bound import upper_bound
from samlib.course.lessons.perturbing_the_input.digit import chosen_digits, digit_under_attack
from samlib.course.lessons.perturbing_the_input.exercises import (
    bet_on_the_cube,
    bet_on_the_path,
    bet_on_the_step,
    bet_on_the_steps,
    fgsm,
    honest,
    pgd,
    recall_bound,
    recall_sign,
    recall_threat,
)
from samlib.course.lessons.perturbing_the_input.faults import faults_chart, four_faults
from samlib.course.lessons.perturbing_the_input.paths import robust_on_the_way
from samlib.course.lessons.perturbing_the_input.plane import path_in_the_plane
from samlib.course.lessons.perturbing_the_input.steepest import one_step

__all__ = [
    "bet_on_the_cube",
    "bet_on_the_path",
    "bet_on_the_step",
    "bet_on_the_steps",
    "chosen_digits",
    "digit_under_attack",
    "faults_chart",
    "fgsm",
    "four_faults",
    "honest",
    "one_step",
    "path_in_the_plane",
    "pgd",
    "recall_bound",
    "recall_sign",
    "recall_threat",
    "robust_on_the_way",
    "upper_bound",
]
