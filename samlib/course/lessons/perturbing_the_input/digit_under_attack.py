"""The third scene: a digit of 64 pixels under attack, step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samlib.attacks import pgd
from samlib.balls import make_ball
from samlib.course import plots, widgets
from samlib.course.lessons.perturbing_the_input.one_step import NORMS
from samlib.course.lessons.perturbing_the_input.paths import pgd_path
from samlib.course.lessons.perturbing_the_input.pictures import RED, Probabilities, Track

RADII = (0.03125, 0.0625, 0.125, 0.1875, 0.25)  # l_inf; the l_2 radii are four times these
STEPS = 20


def chosen_digits(net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """One digit of each class that the network classifies correctly with a little to spare: it withstands l_inf 0.02.

    Args:
        net: images -> logits, in the precision of x.
        x, y: digits (n, 1, 8, 8) and labels, int64 (n,).

    Returns:
        Digits (10, 1, 8, 8), and their labels, 0 to 9.
    """
    with torch.no_grad():
        spared = net(pgd(net, x, y, 0.02, steps=5)).argmax(1) == y
        spared &= net(x).argmax(1) == y
    chosen = torch.stack([(spared & (y == k)).nonzero()[2, 0] for k in range(10)])
    return x[chosen], y[chosen]


def digit_under_attack(net: nn.Module, digits: Tensor, labels: Tensor) -> widgets.Live:
    """A digit, its change and its logits after each step of PGD on the cross-entropy, 20 steps of eps / 8 from the digit.

    Args:
        net: images -> logits (n, 10), in the precision of the digits.
        digits, labels: of `chosen_digits`.
    """
    paths = {}
    for _, norm in NORMS:
        for level, eps in enumerate(RADII):
            radius = eps * (4 if norm == "l2" else 1)
            paths[norm, level] = pgd_path(net, digits, labels, make_ball(norm, radius), STEPS, radius / 8)
    with torch.no_grad():
        scores = {key: net(path.flatten(0, 1)).view(STEPS + 1, 10, 10) for key, path in paths.items()}

    fig = widgets.figure(8.4, 4.5)
    mosaic = plots.Mosaic(fig.add_axes([0.0, 0.55, 1.0, 0.56]), 1, 3, outlined=True)
    bars = Probabilities(fig.add_axes([0.08, 0.11, 0.42, 0.42]))
    bars.bars[0].axes.set(ylim=(-14, 20), xlabel="class", ylabel="logit")
    track = Track(fig.add_axes([0.6, 0.11, 0.38, 0.42]), "loss (log scale)", 1e-7, 60, 0.6931, "probability 1/2")
    track.ax.set_yscale("log")
    track.ax.set_yticks([1e-6, 1e-4, 1e-2, 1], ["1e-6", "1e-4", "0.01", "1"])
    track.ax.minorticks_off()

    def draw(digit: int, norm: str, level: int, step: int) -> str:
        clean, now = digits[digit, 0], paths[norm, level][step, digit, 0]
        logits = scores[norm, level][:, digit]
        name, eps = ("l_2", 4 * RADII[level]) if norm == "l2" else ("l_inf", RADII[level])
        said = int(logits[step].argmax())
        tiles = {
            (0, 0): (plots.grey(clean.numpy()), f"the digit, a {digit}", "black"),
            (0, 1): (plots.signed((now - clean).numpy(), 0.3), f"change, {name} ≤ {eps:g}", "black"),
            (0, 2): (plots.grey(now.numpy()), f"the network says {said}", "black" if said == digit else RED),
        }
        mosaic.show(tiles)
        bars.show(logits[step].numpy(), logits[0].numpy(), digit)
        cost = (logits.logsumexp(1) - logits[:, digit]).clamp(min=2e-7).numpy()
        track.show(cost, step)
        return (
            f"A {digit} after {step} steps of PGD, {name} eps {eps:g}: loss {cost[step]:.2g}, the network says {said}."
        )

    levels = [(f"{e:g} or {4 * e:g}", i) for i, e in enumerate(RADII)]
    controls = {
        "digit": widgets.choice_slider("digit", range(10), 3),
        "norm": widgets.toggle("norm", NORMS, "linf"),
        "level": widgets.choice_slider("eps: radius, in pixels", levels, 2),
        "step": widgets.choice_slider("step", range(STEPS + 1), STEPS),
    }
    return widgets.live(fig, draw, controls)
