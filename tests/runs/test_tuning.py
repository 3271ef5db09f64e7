"""Tuning: as many tries for every method, wider where the best lies at an edge, the poor ones dropped early."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from samlib.runs.tables import TABLES
from samlib.runs.trials import Curves, Setting
from samlib.runs.tuning import (
    LEAST_CLEAN,
    Ladder,
    Plan,
    Search,
    Study,
    Tuning,
    by_clean,
    by_robust,
    chosen,
    needed,
    tuned,
)

LR = Ladder((0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4), start=(0.2, 0.4))
RHO = Ladder((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), start=(0.2, 0.3, 0.4))
SEARCH = Search("SAM", {"method": "sam"}, {"lr": LR, "rho": RHO})
PLAN = Plan(tries=20, survivors=(6, 3), reserve=5, extra=12)
ROBUST = by_robust("linf 0.125")


def hill(top, height=0.6, clean=0.97, noise=None):
    """A measure without training: robust accuracy falls by a tenth with each rung from `top`."""

    def measure(point, seed):
        away = sum(abs(a - b) for a, b in zip(point, top, strict=True))
        return {"clean": clean, "linf 0.125": height - away / 10 + (noise(point, seed) if noise else 0)}

    return measure


def search(measure, plan=PLAN, criteria=(ROBUST,), of=SEARCH):
    """Follow a search to its end: {try: what each seed gave}."""
    results = {}
    while steps := needed(of, plan, criteria, results):
        assert len(set(steps)) == len(steps)
        for point, seed in steps:
            assert len(results.setdefault(point, [])) == seed  # seeds come in their order, none twice
            results[point].append(measure(point, seed))
    return results


@pytest.mark.parametrize("top", [(2, 2), (3, 3), (5, 1), (0, 0)])
def test_every_search_takes_the_same_number_of_tries_wherever_its_best_lies(top):
    results = search(hill(top))
    assert len(results) == PLAN.tries
    assert SEARCH.edges(chosen(ROBUST, results), results) in ([], ["rho"])  # rho ends above 0
    seeds = Counter(len(runs) for runs in results.values())
    assert seeds[3] >= 3
    assert seeds[2] + seeds[3] >= 6


def test_a_best_at_an_edge_of_the_first_grid_widens_the_search_until_it_lies_inside():
    results = search(hill((5, 6)))
    best = chosen(ROBUST, results)
    assert PLAN.tries < len(results) <= PLAN.tries + PLAN.extra  # farther away than the usual tries go
    assert best == (5, 6)  # two rungs above the highest lr, and three above the highest rho, of the first grid
    assert SEARCH.edges(best, results) == []


def test_what_stays_at_an_edge_is_said():
    assert SEARCH.edges((7, 6), search(hill((7, 6)))) == ["lr"]  # the ladder ends there
    assert SEARCH.edges((0, 3), search(hill((0, 3)))) == []  # below a value of 0 there is nothing
    few = search(hill((5, 6)), Plan(tries=8, survivors=(2,), reserve=0, extra=0))
    assert SEARCH.edges(chosen(ROBUST, few), few) != []


def test_the_best_of_one_seed_that_others_do_not_confirm_is_not_chosen_and_its_neighbours_are_tried():
    lucky, top = (2, 1), (4, 4)

    def luck(point, seed):
        return 0.7 if point == lucky and seed == 0 else 0.0

    results = search(hill(top, noise=luck))
    assert len(results[lucky]) >= 2  # the best with one seed, it got a second
    best = chosen(ROBUST, results)
    assert best == top
    assert SEARCH.edges(best, results) == []


def test_poor_tries_are_dropped_with_one_seed():
    results = search(hill((3, 3)))
    order = sorted(results, key=lambda point: -results[point][0]["linf 0.125"])
    assert all(len(results[point]) == 1 for point in order[12:])
    assert all(len(results[point]) == 3 for point in order[:1])
    assert sum(map(len, results.values())) <= PLAN.tries + 2 * 9  # and not three times as many


def test_by_robust_takes_only_what_still_reads_clean_images_and_by_clean_what_reads_most():
    def measure(point, seed):
        return {"clean": 0.99 - 0.02 * point[1], "linf 0.125": 0.1 * point[1]}  # a longer rho costs clean digits

    clean, robust = by_clean("linf 0.125"), ROBUST
    results = search(measure, criteria=(clean, robust))
    assert chosen(clean, results)[1] == 0
    best = chosen(robust, results)
    assert best[1] == 2  # clean .95; rho one rung further is more robust, and reads .93
    assert measure(best, 0)["clean"] >= LEAST_CLEAN
    assert any(point[1] == 3 for point in results)


def test_each_criterion_has_its_share_of_the_seeds():
    def measure(point, seed):
        return {"clean": 0.96 + 0.001 * point[0], "linf 0.125": 0.1 * point[1] - 0.01 * point[0]}

    results = search(measure, criteria=(by_clean("linf 0.125"), ROBUST))
    full = [point for point, runs in results.items() if len(runs) == 3]
    assert max(point[0] for point in full) == max(point[0] for point in results)
    assert max(point[1] for point in full) == max(point[1] for point in results)


def test_a_try_says_its_numbers_and_trains_with_them():
    family = Search("alpha 0", {"method": "sgd", "perturbation": {"alpha": 0.0}}, {"perturbation.r": RHO, "lr": LR})
    assert family.setting((1, 3)) == Setting(
        'alpha 0 | {"perturbation.r": 0.2, "lr": 0.4}',
        {"method": "sgd", "perturbation": {"alpha": 0.0, "r": 0.2}, "lr": 0.4},
    )
    assert family.training == {"method": "sgd", "perturbation": {"alpha": 0.0}}


def study(*searches):
    return Study(searches, PLAN, Curves({"linf": (0.125,)}), {"robust": ROBUST})


def finished(tuning, measure):
    """The rows of a tuning whose runs give what `measure` says: {key: row}."""
    done = {}
    while left := [job for job in tuning.jobs(done, Path()) if job.key() not in done]:
        done |= {job.key(): {"measured": measure(job)} for job in left}
    return done


def test_a_table_of_tuning_goes_on_from_any_point_and_writes_what_later_tables_take(tmp_path):
    sam, noise = SEARCH, Search("noise", {"method": "input_noise"}, {"lr": LR, "sigma": RHO})
    tuning = Tuning((study(sam, noise),), splits=(0, 1))

    def measure(job):
        strength = job.setting.training.get("rho", job.setting.training.get("sigma"))
        away = abs(strength - (0.6 if job.split else 0.3)) + abs(job.setting.training["lr"] - 0.4)
        return {"clean": 0.97, "linf 0.125": 0.6 - away}

    done = finished(tuning, measure)
    jobs = tuning.jobs(done, Path())
    assert {job.key() for job in jobs} == set(done)
    assert all(job.validation == 200 for job in jobs)
    half = dict(list(done.items())[: len(done) // 2])
    assert finished(tuning, measure).keys() == done.keys()
    assert {job.key() for job in tuning.jobs(half, Path())} <= set(done)

    protocol = tuning.protocol(done, Path())
    (tmp_path / "tuning.json").write_text(json.dumps({"protocol": protocol}))
    for part, best in ((0, 0.3), (1, 0.6)):
        settings = {setting.name: setting.training for setting in tuned(tmp_path, "tuning", part)}
        assert settings["SAM, tuned (robust)"] == {"method": "sam", "rho": best, "lr": 0.4}
        assert settings["noise, tuned (robust)"] == {"method": "input_noise", "sigma": best, "lr": 0.4}
    for name in ("SAM", "noise"):
        for part in (0, 1):
            choice = protocol["chosen"][name][f"split {part}"]
            assert choice["tries"] == PLAN.tries
            assert choice["robust"]["edges"] == []
    assert [setting.name for setting in tuned(tmp_path, "tuning", 0, "SAM")] == ["SAM, tuned (robust)"]
    with pytest.raises(ValueError, match="nothing for split 2"):
        tuned(tmp_path, "tuning", 2)
    with pytest.raises(ValueError, match="make it first: python -m samlib results layers_tuning"):
        tuned(tmp_path, "layers_tuning", 0)


def test_every_method_of_every_study_is_treated_alike():
    for name, table in TABLES.items():
        for part in table.studies if isinstance(table, Tuning) else ():
            assert len({len(search.start()) for search in part.searches}) == 1, name
            assert len({len(search.ladders) for search in part.searches}) == 1, name
            for search_ in part.searches:
                for ladder in search_.ladders.values():
                    assert list(ladder.values) == sorted(set(ladder.values))
                    rungs = ladder.begin()
                    assert rungs[0] > 0, "room to go down"
                    assert rungs[-1] < len(ladder.values) - 2, "room to go up"
