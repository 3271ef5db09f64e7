"""Section 3: four networks and their claims under four attacks; the checks' verdicts side by side."""

from __future__ import annotations

from collections.abc import Mapping

from IPython.display import HTML, Markdown

from samlib.course import plots, widgets
from samlib.course.lessons.is_it_real.pictures import Claims
from samlib.course.lessons.is_it_real.trials import Trials
from samlib.diagnosis import Diagnosis

STYLES = dict(zip("ABCD", ("orange", "grey", "green", "blue"), strict=True))


def curve(trials: Trials, network: str, attack: str, steps: int) -> list[int]:
    """How many digits of a network an attack leaves, at eps 0 and at every other."""
    return [trials.clean[network], *(trials.robust(network, attack, steps, eps) for eps in trials.eps)]


def claims(trials: Trials, claimed: Mapping[str, int]) -> widgets.Live:
    """What an attack leaves of four networks over eps, and at one eps beside what their authors claim."""
    fig = widgets.figure(8.4, 3.7)
    over = plots.Curves(
        fig.add_axes((0.08, 0.14, 0.47, 0.78)), STYLES, "eps, l_inf radius in pixels", "digits that stand, of 100"
    )
    over.ax.set(xlim=(-0.01, 0.51), ylim=(-3, 116))
    over.ax.set_yticks(range(0, 101, 20))
    over.ax.legend(frameon=False, loc="upper right", ncols=4)
    place = fig.add_axes((0.64, 0.14, 0.35, 0.78))
    beside = Claims(place, {name: (claimed[name], STYLES[name]) for name in trials.networks})

    def draw(attack: str, steps: int, eps: float) -> str:
        """The curves of one attack, and a point of them."""
        over.show(
            [0, *trials.eps],
            {name: curve(trials, name, attack, steps) for name in trials.networks},
            eps,
            f"{attack}, {steps} steps",
        )
        counts = [trials.robust(name, attack, steps, eps) for name in trials.networks]
        beside.show(counts, f"at eps = {eps:g}; ticks: claimed at 0.125")
        found = ", ".join(f"{name} {count}" for name, count in zip(trials.networks, counts, strict=True))
        return f"{attack}, {steps} steps, l_inf eps {eps:g}. Digits of 100 that stand: {found}."

    controls = {
        "attack": widgets.dropdown("attack", trials.attacks, "PGD ce"),
        "steps": widgets.choice_slider("steps (10 queries each)", trials.steps, 10),
        "eps": widgets.choice_slider("eps: l_inf radius, in pixels", [(f"{e:g}", e) for e in trials.eps], 0.125),
    }
    return widgets.live(fig, draw, controls)


def over_eps(trials: Trials, steps: int, eps: float) -> HTML:
    """What each attack leaves over eps, a panel for each attack; the text has the counts at one eps."""
    fig = widgets.figure(8.4, 2.9)
    for panel, attack in zip(fig.subplots(1, len(trials.attacks), sharey=True), trials.attacks, strict=True):
        for name, look in STYLES.items():
            values = curve(trials, name, attack, steps)
            panel.plot([0, *trials.eps], values, label=name, markersize=4, **plots.STYLES[look])
        panel.set_title(attack, fontsize=10)
        panel.set_xlabel("eps (l_inf)")
        plots.percent_axis(panel, "digits that stand, of 100" if attack == trials.attacks[0] else "")
    panel.legend(frameon=False, fontsize=8.5, ncols=2)
    fig.subplots_adjust(left=0.075, right=0.99, top=0.9, bottom=0.17, wspace=0.08)
    found = {
        attack: ", ".join(f"{name} {trials.robust(name, attack, steps, eps)}" for name in trials.networks)
        for attack in trials.attacks
    }
    said = "; ".join(f"{attack}: {counts}" for attack, counts in found.items())
    return widgets.still(fig, f"Digits that stand at l_inf {eps:g}. {said}.")


def verdicts(reports: Mapping[str, Diagnosis]) -> Markdown:
    """A row for each check, a column for each network: ✘ suspicious, · not, ? not checked."""
    marks = {"ok": "·", "suspicious": "**✘**", "not checked": "?"}
    lines = [f"| check | {' | '.join(reports)} |", "|---" * (len(reports) + 1) + "|"]
    for rows in zip(*(report.checks for report in reports.values()), strict=True):
        lines.append(f"| {rows[0].name} | {' | '.join(marks[row.verdict] for row in rows)} |")
    return Markdown("\n".join(lines))
