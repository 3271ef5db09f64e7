"""The lesson *at the paper's scale*: its exercises and questions, its scenes, and what they are computed from."""

from samlib.course.lessons.at_the_papers_scale.audit_scene import audit
from samlib.course.lessons.at_the_papers_scale.costs import cost
from samlib.course.lessons.at_the_papers_scale.evidence import ATTACKS, PAIRS, TUNED, USUAL, Evidence
from samlib.course.lessons.at_the_papers_scale.exercises import behind, moves, verdict
from samlib.course.lessons.at_the_papers_scale.faults_scene import faults, shift
from samlib.course.lessons.at_the_papers_scale.grids import command, write_grid
from samlib.course.lessons.at_the_papers_scale.live import one_run_each
from samlib.course.lessons.at_the_papers_scale.planted import NOT_TUNED, ONE_SEED, not_tuned, plant, single_runs
from samlib.course.lessons.at_the_papers_scale.questions import (
    bet_on_the_cost,
    bet_on_the_faults,
    bet_on_the_part,
    recall_fault,
    recall_interval,
    recall_missing,
)
from samlib.course.lessons.at_the_papers_scale.report import findings, protocol, whole_cost
from samlib.course.lessons.at_the_papers_scale.verdict_form import evidence_rows, form

__all__ = [
    "ATTACKS",
    "NOT_TUNED",
    "ONE_SEED",
    "PAIRS",
    "TUNED",
    "USUAL",
    "Evidence",
    "audit",
    "behind",
    "bet_on_the_cost",
    "bet_on_the_faults",
    "bet_on_the_part",
    "command",
    "cost",
    "evidence_rows",
    "faults",
    "findings",
    "form",
    "moves",
    "not_tuned",
    "one_run_each",
    "plant",
    "protocol",
    "recall_fault",
    "recall_interval",
    "recall_missing",
    "shift",
    "single_runs",
    "verdict",
    "whole_cost",
    "write_grid",
]
