"""The questions of this lesson: predictions before an experiment, and three to look back with."""

from __future__ import annotations

from samlib.course.exercise import Question

# ---- predictions -----------------------------------------------------------------------------------------------------

bet_on_the_cube = Question(
    "A digit has 64 pixels. Each may change by at most 0.125. How long, in Euclidean length, can the whole change "
    "become?",
    {
        "0.125": "That is a single pixel's share. Sixty-four of them add up, by their squares.",
        "1": "64 changes of 0.125 make √(64 · 0.125²) = 0.125 · √64 = 1.",
        "8": "64 · 0.125 = 8 is the sum of the changes; a Euclidean length is the root of the sum of their squares.",
    },
    correct="1",
)

bet_on_the_step = Question(
    "The gradient of the loss is (3, 1). No pixel may change by more than eps (l_inf). Which change raises the loss "
    "most?",
    {
        "eps · (1, 1/3), along the gradient": (
            "The second pixel could move three times as far, at no cost, and would raise the loss further."
        ),
        "eps · (1, 1), into the corner": "Each pixel has its own budget, so each spends all of it: eps · 3 + eps · 1.",
        "eps · (1, 0), all on the pixel that counts most": (
            "The budget of one pixel cannot be given to another: the second may move too."
        ),
    },
    correct="eps · (1, 1), into the corner",
)

bet_on_the_path = Question(
    "In the scene below: one step of length 0.25, or ten steps of 0.05, in the same l_inf ball of eps = 0.25. Which "
    "ends at the higher loss?",
    {
        "the one long step": (
            "It follows the slope at its start to the very end, and the slope does not stay what it was."
        ),
        "the ten short ones": "They ask for the slope anew at every step, and turn where it turns.",
        "both end in the same place: it is the same ball": (
            "The ball is the same, but it has many points, and the long step knows the slope at its start only."
        ),
    },
    correct="the ten short ones",
)

bet_on_the_steps = Question(
    "Three steps of eps / 10 break only a few of the 100 digits. How many will be broken by forty such steps, in the "
    "same ball?",
    {
        "a few more: it is the same eps": (
            "Three such steps walk 0.3 eps away from a random start. They have hardly seen the ball."
        ),
        "about 30": (
            "The ball was there to be used. What three steps did not break said more about the attack than about the "
            "network."
        ),
        "nearly all: enough steps break everything": (
            "The ball ends at eps. Within it, most digits withstand this attack."
        ),
    },
    correct="about 30",
)

# ---- looking back ----------------------------------------------------------------------------------------------------

recall_bound = Question(
    "PGD with 100 steps and 20 restarts leaves 400 of 500 images at l_inf eps = 0.1. What follows?",
    {
        "80 % of the images are robust": (
            "It follows that this attack failed on them. Another loss, another start, another method may succeed."
        ),
        "at most 400 of these 500 are robust": (
            "Each image that an attack breaks is certain. The others are only not broken yet."
        ),
        "80 % are robust, if the network was in evaluation mode": (
            "Evaluation mode removes one fault. What is not broken is still only not broken yet."
        ),
    },
    correct="at most 400 of these 500 are robust",
)

recall_sign = Question(
    "The gradient is (0.01, −5). What is the steepest l_inf step of size 0.1?",
    {
        "(0.1, −0.1)": "Each pixel spends its own budget, however small its slope is.",
        "(0, −0.1)": "That leaves the first pixel's budget unused, and 0.01 · 0.1 on the table.",
        "(0.0002, −0.1)": "That is the l_2 step, along the gradient.",
    },
    correct="(0.1, −0.1)",
)

recall_threat = Question(
    "A network keeps 90 % of the digits at l_inf eps = 0.125. Someone shifts a digit by one pixel to the left. What "
    "do you know?",
    {
        "at least 90 % are classified correctly: a shift is a small change": (
            "A shift moves some pixels from 0 to 1. It is far outside the l_inf ball of 0.125."
        ),
        "nothing: a shift is outside the ball": (
            "The promise covers one ball. A shift, a rotation, a shadow are other threats."
        ),
        "about 90 %, as robustness carries over": "It may or may not. Measure it; the ball says nothing about it.",
    },
    correct="nothing: a shift is outside the ball",
)
