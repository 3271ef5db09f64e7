"""The bets of lesson 08, and its questions to look back."""

from __future__ import annotations

from samlib.course.exercise import Question
from samlib.course.lessons.at_the_papers_scale.evidence import USUAL, Evidence, Found


def _bet_on_the_part(found: Found | None) -> Question:
    """Its right answer is what the table says: a better table may change it."""
    said = "not measured yet" if found is None else f"Measured: {found} points, {found.number}."
    choices = {
        "SAM leads, and the interval lies above zero": "supported",
        "the interval holds zero": "open",
        "SAM falls behind, and the interval lies below zero": "refuted",
    }
    right = "open" if found is None else found.says
    (correct,) = (choice for choice, word in choices.items() if word == right)
    return Question(
        "2,000 images of CIFAR-10, a narrow PreActResNet-18, a few seeds: SAM (rho 0.2) beside SGD at l_inf 1/255, "
        "under <tt>standard</tt>. What comes out?",
        dict.fromkeys(choices, said),
        correct,
    )


bet_on_the_part = _bet_on_the_part(Evidence().find("CIFAR-10, a part", USUAL, "standard", "smaller"))

bet_on_the_faults = Question(
    "Which of these moves the mean of <i>SAM minus SGD</i> most, on our digits at l_inf 0.125?",
    {
        "scoring behind another normalisation than the attack's": (
            "It moves both methods alike, by less than a point. What it does to colour images is not shown by that."
        ),
        "five steps of APGD-T in place of a union of attacks": (
            "It moves both methods alike, by less than a point: weak by its name only, on these networks."
        ),
        "keeping the last epoch, unchosen": "By about a point: the late epochs differ little.",
        "leaving SGD untuned": "The one that no line of code shows: it moves the difference by about three points.",
    },
    correct="leaving SGD untuned",
)

bet_on_the_cost = Question(
    "PreActResNet-18, width 64, on a CPU: SAM's ascent step perturbs the first layer alone. By passes its step takes "
    "5/3 of SGD's. And by the clock?",
    {
        "about as counted": "On the wide network, yes; on small ones what is not counted weighs more.",
        "hardly more than SGD: one layer is little": (
            "The gradient for one layer needs the way back through all of them; only the other weights' are saved."
        ),
        "as much as all of SAM": "The gradients for the other weights are saved, a sixth of SAM's passes.",
    },
    correct="about as counted",
)

recall_fault = Question(
    "You find a fault in a published script. What comes before you write of it?",
    {
        "show that the difference which is claimed depends on it": (
            "Plant it in code of your own and measure. Name file and commit, and what you do not know."
        ),
        "conclude that the claim is wrong": "A fault that moves both sides alike leaves their difference as it was.",
        "nothing; a fault is a fault": "Then a wrong divisor in a log would weigh as much as an untuned baseline.",
    },
    correct="show that the difference which is claimed depends on it",
)

recall_missing = Question(
    "A row of your table needs a GPU that you do not have. What do you write in it?",
    {
        "the number of a smaller run": "It answers another question; give it a row of its own.",
        "the paper's number": "That has its own column, with page and table, and was measured by another protocol.",
        "not measured, and the command that fills it": "So that whoever has the GPU can finish your table.",
    },
    correct="not measured, and the command that fills it",
)

recall_interval = Question(
    "SAM minus SGD is +6 ± 7 points, over three seeds. What do you sign?",
    {
        "supported: the mean is positive": "Other seeds might well have given a negative one.",
        "refuted: the interval holds zero": "It holds +13 as well. What was not shown is not thereby false.",
        "open: more seeds are needed": "And their spread tells how many: the half width falls as 1/√n, or faster.",
    },
    correct="open: more seeds are needed",
)
