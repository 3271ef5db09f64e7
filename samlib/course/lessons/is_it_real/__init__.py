"""The lesson *is it real?*: its exercises and questions, its scenes, and what they are computed from."""

from samlib.course.lessons.is_it_real.exercises import (
    CLAIMS,
    bet_on_the_flatness,
    bet_on_the_key,
    bet_on_the_lead,
    bet_on_the_rivals,
    bet_on_the_scale,
    disguise,
    find_the_fake,
    four_networks,
    loss,
    recall_bars,
    recall_fails,
    recall_masking,
    referee,
)
from samlib.course.lessons.is_it_real.fakes import claims, verdicts
from samlib.course.lessons.is_it_real.flatness import FURTHER, along_the_attack, follow, follow_attacks
from samlib.course.lessons.is_it_real.leads import (
    PAIRS,
    by_strength,
    differences,
    doubts,
    doubts_in_words,
    lead,
    leads,
    other_threats,
    protocol,
    table_of_leads,
)
from samlib.course.lessons.is_it_real.logit_scale import SCALES, attack_scaled, logit_scale
from samlib.course.lessons.is_it_real.report import report
from samlib.course.lessons.is_it_real.rivals import in_words, rivals, try_rivals
from samlib.course.lessons.is_it_real.trials import try_attacks

__all__ = [
    "CLAIMS",
    "FURTHER",
    "PAIRS",
    "SCALES",
    "along_the_attack",
    "attack_scaled",
    "bet_on_the_flatness",
    "bet_on_the_key",
    "bet_on_the_lead",
    "bet_on_the_rivals",
    "bet_on_the_scale",
    "by_strength",
    "claims",
    "differences",
    "disguise",
    "doubts",
    "doubts_in_words",
    "find_the_fake",
    "follow",
    "follow_attacks",
    "four_networks",
    "in_words",
    "lead",
    "leads",
    "logit_scale",
    "loss",
    "other_threats",
    "protocol",
    "recall_bars",
    "recall_fails",
    "recall_masking",
    "referee",
    "report",
    "rivals",
    "table_of_leads",
    "try_attacks",
    "try_rivals",
    "verdicts",
]
