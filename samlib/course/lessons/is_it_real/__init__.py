"""The lesson *is it real?*: its exercises and questions, its scenes, and what they are computed from."""

from samlib.course.lessons.is_it_real.exercises import (
    CLAIMS,
    REASONS,
    bet_on_the_key,
    bet_on_the_lead,
    bet_on_the_scale,
    bet_on_the_search,
    disguise,
    find_the_fake,
    four_networks,
    liar,
    loss,
    recall_bars,
    recall_fails,
    recall_masking,
    referee,
)
from samlib.course.lessons.is_it_real.fakes import claims, over_eps, verdicts
from samlib.course.lessons.is_it_real.five_attacks import five_attacks, over_steps
from samlib.course.lessons.is_it_real.leads import PAIRS, by_strength, lead, leads, protocol, two_leads
from samlib.course.lessons.is_it_real.logit_scale import SCALES, attack_scaled, logit_scale, three_scales
from samlib.course.lessons.is_it_real.report import report
from samlib.course.lessons.is_it_real.trials import try_attacks

__all__ = [
    "CLAIMS",
    "PAIRS",
    "REASONS",
    "SCALES",
    "attack_scaled",
    "bet_on_the_key",
    "bet_on_the_lead",
    "bet_on_the_scale",
    "bet_on_the_search",
    "by_strength",
    "claims",
    "disguise",
    "find_the_fake",
    "five_attacks",
    "four_networks",
    "lead",
    "leads",
    "liar",
    "logit_scale",
    "loss",
    "over_eps",
    "over_steps",
    "protocol",
    "recall_bars",
    "recall_fails",
    "recall_masking",
    "referee",
    "report",
    "three_scales",
    "try_attacks",
    "two_leads",
    "verdicts",
]
