"""Section 1: how many digits each of five attacks leaves, and what its digits look like."""

from __future__ import annotations

from IPython.display import HTML

from samlib.course import plots, widgets
from samlib.course.lessons.is_it_real.pictures import Counts
from samlib.course.lessons.is_it_real.trials import Trials

SHOWN = (3, 4)  # rows and columns of digits


def five_attacks(trials: Trials) -> widgets.Live:
    """How many digits each attack leaves, beside some of its digits."""
    fig = widgets.figure(8.4, 3.8)
    place = fig.add_axes((0.165, 0.13, 0.35, 0.79))
    bars = Counts(place, trials.attacks, "digits that stand, of 100", "all together")
    mosaic = plots.Mosaic(fig.add_axes((0.55, 0.0, 0.45, 1.0)), *SHOWN)

    def draw(network: str, attack: str, steps: int, eps: float) -> str:
        """Bars for all attacks, and the digits of one."""
        counts = [trials.robust(network, a, steps, eps) for a in trials.attacks]
        together = trials.robust_to_all(network, eps)
        bars.show(counts, attack, together, f"{network}, eps = {eps:g}, {steps} steps")
        images, answers = trials.attacked(network, attack, steps, eps)
        tiles = {}
        for i in range(SHOWN[0] * SHOWN[1]):
            wrong = bool(answers[i] != trials.y[i])
            tiles[divmod(i, SHOWN[1])] = (
                plots.grey(images[i, 0].numpy()),
                f"says {answers[i]}{' ✘' * wrong}",
                plots.RED if wrong else "black",
            )
        mosaic.show(tiles)
        found = ", ".join(f"{a} {n}" for a, n in zip(trials.attacks, counts, strict=True))
        return (
            f"{network}, l_inf eps {eps:g}, {steps} steps, digits that stand of 100: {found}; all together {together}."
        )

    controls = {
        "network": widgets.toggle("network", trials.networks, "SGD"),
        "attack": widgets.dropdown("attack: its digits on the right", trials.attacks, "PGD ce"),
        "steps": widgets.choice_slider("steps (10 queries each)", trials.steps, 10),
        "eps": widgets.choice_slider("eps: l_inf radius, in pixels", [(f"{e:g}", e) for e in trials.eps], 0.125),
    }
    return widgets.live(fig, draw, controls)


def over_steps(trials: Trials, eps: float) -> HTML:
    """What each attack leaves with few steps and with many, a panel for each network."""
    fig = widgets.figure(8.4, 3.2)
    looks = {"PGD ce": "grey", "PGD margin": "blue", "APGD ce": "orange", "random search": "green"}
    for panel, name in zip(fig.subplots(1, 3, sharey=True), trials.networks, strict=True):
        fgsm = trials.robust(name, "FGSM", 1, eps)
        panel.plot([1], [fgsm], "*", color="black", markersize=9, label="FGSM")
        for attack, look in looks.items():
            counts = [trials.robust(name, attack, k, eps) for k in trials.steps]
            panel.plot(trials.steps, counts, label=attack, markersize=4, **plots.STYLES[look])
        panel.axhline(trials.robust_to_all(name, eps), color="#666666", linestyle="--", linewidth=1)
        panel.set(xscale="log", xlabel="steps (10 queries each)")
        panel.set_xticks(trials.steps, [str(k) for k in trials.steps])
        panel.minorticks_off()
        panel.set_title(name, fontsize=10)
        plots.percent_axis(panel, "digits that stand, of 100" if name == "SGD" else "")
    panel.legend(frameon=False, fontsize=8.5, loc="lower left")
    fig.subplots_adjust(left=0.07, right=0.99, top=0.91, bottom=0.15, wspace=0.08)
    most = trials.steps[-1]
    found = {
        name: ", ".join(f"{a} {trials.robust(name, a, most, eps)}" for a in trials.attacks) for name in trials.networks
    }
    said = "; ".join(f"{name}: {counts}, all {trials.robust_to_all(name, eps)}" for name, counts in found.items())
    return widgets.still(fig, f"{said}. Digits of 100 that stand, l_inf {eps:g}, after {most} steps.")
