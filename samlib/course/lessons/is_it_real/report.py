"""The invented report that exercise 4 referees, with figures from the lesson."""

from __future__ import annotations

from samlib.course.lessons.is_it_real.exercises import EPS, REASONS
from samlib.course.lessons.is_it_real.trials import Trials


def report(tested: Trials, lead: tuple[float, float]) -> str:
    """Six numbered lines, and the remarks to choose from.

    Args:
        tested: the trials of section 3.
        lead: SAM's over SGD under FGSM, and half its interval, in points.
    """
    left = {
        name: {attack: tested.robust(name, attack, 40, EPS) for attack in tested.attacks} for name in tested.networks
    }
    scaled = [tested.robust("D", "PGD ce", 40, eps) for eps in (EPS, 2 * EPS, 4 * EPS)]
    counts = list(left["C"].values())
    lines = [
        f"PGD ce, 40 steps: {scaled[0]} of 100 digits are robust at eps 0.125, "
        f"{scaled[1]} at 0.25, {scaled[2]} at 0.5.",
        f"PGD ce, 40 steps: {left['B']['PGD ce']} of 100 are robust at l_inf 0.125; random search, 400 queries: "
        f"{left['B']['random search']}.",
        f"PGD margin leaves {left['A']['PGD margin']} of 100, random search {left['A']['random search']}; "
        "gradients know more, so we report the first.",
        f"Four attacks leave {', '.join(map(str, counts))} of 100. We report {sum(counts) / len(counts):.0f}, their "
        "mean.",
        f"Under FGSM, SAM leads by {lead[0]:.0f} ± {lead[1]:.0f} points over ten seeds: it is that much more robust.",
        "AT keeps about 80 of 100 digits at l_inf 0.125: no small change of an image matters to it.",
    ]
    numbered = [f"{number}. {line}" for number, line in enumerate(lines, start=1)]
    return "\n".join(numbered + [f"   {reason!r:25} {text}" for reason, text in REASONS.items()])
