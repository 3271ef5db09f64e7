"""The scene that opens the course: the same perturbation in the input and in the weights, and who else feels it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.pictures import Sheet, grey, signed
from samlib.duality import weight_equivalent
from samlib.layers import mlp_parts

UNITS, OTHERS = 4, 8

Attacks = Mapping[tuple[str, float], Tensor]  # (network, eps) -> images (10, 1, 8, 8)


def hero(
    nets: Mapping[str, nn.Sequential], x: Tensor, y: Tensor, chosen: Sequence[int], attacked: Attacks
) -> widgets.Live:
    """The perturbation of one digit in its pixels and in the first layer's weights, at every eps.

    Args:
        nets: {"SGD": ..., "SAM": ...}, as `samlib.mlp(hidden=(48, 48), mean=0, std=1)` makes them, in double precision.
        x, y: digits that both classify correctly, float64 (n, 1, 8, 8) and int64 (n,).
        chosen: which of them are shown, one of each class.
        attacked: {(network, eps): the chosen digits under attack, (10, 1, 8, 8)}.
    """
    with style.look():
        picture = HeroPicture(style.figure(5.62))
    flat, radii = x.flatten(1), sorted({eps for _, eps in attacked})

    def draw(eps: float, digit: int, network: str) -> str:
        """Both perturbations, what they do to this digit, and what they do to all others."""
        net, clean = nets[network], flat[chosen[digit]]
        dx = attacked[network, eps][digit].flatten() - clean
        largest = attacked[network, radii[-1]][digit].flatten() - clean  # the same units at every eps
        state = both_ways(net, clean, dx, largest)
        others, shares = neighbours(flat, chosen[digit])
        said = answers(net, state["W + dW"], flat)
        wrong = said != y
        wrong[chosen[digit]] = False
        picture.show_digit(state)
        picture.show_others(flat[others].numpy(), shares.numpy(), said[others].tolist(), wrong[others].tolist())
        picture.show_counts(int(wrong.sum()), len(x) - 1)
        top, by_weights = int(np.argmax(state["by input"])), int(np.argmax(state["by weights"]))
        return (
            f"eps {eps:g}, digit {digit}, network {network}: with the perturbation in the input "
            f"the network says {top}, with it in the weights {by_weights}, "
            f"both with {100 * state['by input'][top]:.0f} %. "
            f"Of {len(x) - 1} other digits, untouched, {int(wrong.sum())} are misclassified by the changed weights."
        )

    controls = {
        "eps": widgets.choice_slider("eps: length of the perturbation dx (l_2)", radii, 0.75),
        "digit": widgets.choice_slider("digit", range(10), 3),
        "network": widgets.toggle("network trained with", list(nets), "SGD"),
    }
    return widgets.live(picture.fig, draw, controls)


@torch.no_grad()
def both_ways(net: nn.Sequential, x: Tensor, dx: Tensor, largest: Tensor) -> dict[str, np.ndarray]:
    """Everything that the upper part of the picture shows. x, dx, largest: (64,); `largest` chooses the units shown."""
    _, first, after = mlp_parts(net)
    weight, bias, rest = first.weight.detach(), first.bias, nn.Sequential(*after)
    d_weight = weight_equivalent(weight, dx, x)
    units = (weight @ largest).abs().topk(UNITS).indices.sort().values
    by_input, by_weights = weight @ (x + dx) + bias, (weight + d_weight) @ x + bias
    before = weight @ x + bias
    return {
        "x": x.numpy(),
        "dx": dx.numpy(),
        "W": weight[units].numpy(),
        "dW": d_weight[units].numpy(),
        "W + dW": (weight + d_weight).numpy(),
        "units": units.numpy(),
        "z by input": (by_input - before).numpy(),
        "z by weights": (by_weights - before).numpy(),
        "before": rest(before).softmax(0).numpy(),
        "by input": rest(by_input).softmax(0).numpy(),
        "by weights": rest(by_weights).softmax(0).numpy(),
    }


def shares_felt(x: Tensor, others: Tensor) -> Tensor:
    """The share of x's perturbation that others feel through the weights, <x, x'> / ||x||²: (64,), (n, 64) -> (n,)."""
    return others @ x / (x @ x)


def neighbours(flat: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """Eight digits between the one most like digit i and the least, and the share that each feels."""
    felt = shares_felt(flat[i], flat)
    order = felt.argsort(descending=True)
    order = order[order != i]
    places = (torch.linspace(0, 1, OTHERS).square() * (len(order) - 1)).long()
    return order[places], felt[order[places]]


@torch.no_grad()
def answers(net: nn.Sequential, weight: np.ndarray, flat: Tensor) -> Tensor:
    """The class that the network gives each digit with `weight` in its first layer, (n,)."""
    _, first, after = mlp_parts(net)
    return nn.Sequential(*after)(flat @ torch.from_numpy(weight).T + first.bias).argmax(1)


class HeroPicture:
    """Two ways to the same answer above, other digits below."""

    ROWS = (50, 248)  # the tops of the two ways
    OTHER = tuple(232 + 76 * i for i in range(OTHERS))  # the left edges of the other digits
    BARS, FULL = 722, 60  # left edge and length of a probability of 1

    def __init__(self, fig: style.Canvas) -> None:
        self.fig, self.sheet = fig, Sheet(fig)
        self._words_above()
        self._words_below()
        fig.moving = [self.sheet.painting, self.answer, self.percent, self.before, self.count, *self.felt, *self.said]

    def _words_above(self) -> None:
        text, arrow = self.sheet.text, self.sheet.arrow
        first, second = self.ROWS
        text(14, first - 26, "Perturb the input", bold=True, fontsize=style.CAPTION, color=style.AT.dark)
        text(14, second - 26, "Perturb the weights", bold=True, fontsize=style.CAPTION, color=style.SAM.dark)
        for x, words in ((50, "digit $x$"), (149, "$dx$"), (248, "$x + dx$")):
            text(x, first + 114, words, ha="center")
        for x, words in ((99, "+"), (198, "=")):
            text(x, first + 64, words, ha="center", fontsize=style.CAPTION)
        text(371, first + 50, "the same weights", ha="center", quiet=True)
        arrow((290, first + 59), (450, first + 59), style.AT.color)
        text(517, first + 134, "weights $W$", ha="center")
        text(517, first - 10, "four of 48 units", ha="center", quiet=True)

        text(50, second + 114, "digit $x$", ha="center")
        text(133, second + 50, "the same digit", ha="center", quiet=True)
        arrow((92, second + 59), (174, second + 59), style.SAM.color)
        for x, words in ((239, "$W$"), (379, "$dW = W\\,dx\\,x^{\\mathsf{T}}/\\Vert x\\Vert^2$"), (517, "$W + dW$")):
            text(x, second + 139, words, ha="center")
        for x, words in ((306, "+"), (451, "=")):
            text(x, second + 64, words, ha="center", fontsize=style.CAPTION)
        text(379, second - 10, "a ghost of the digit (×4)", ha="center", quiet=True)

        for top, look, words in ((first, style.AT, "$W\\,dx$"), (second, style.SAM, "$dW\\,x$")):
            arrow((582, top + 59), (604, top + 59), look.color)
            text(637, top + 108, words, ha="center")
            arrow((670, top + 59), (704, top + 59), look.color)
        text(637, first + 14, "change of the\nfeatures", ha="center", quiet=True, va="bottom", linespacing=1.15)
        text(637, (first + second) // 2 + 57, "=", ha="center", fontsize=style.CAPTION * 1.5, rotation=90, va="center")
        self.answer = text(826, first - 26, bold=True, fontsize=style.CAPTION, ha="right")
        for k in range(10):
            text(self.BARS - 8, self._bar_top(k) + 14, str(k), ha="right", quiet=True)
        self.percent = text(0, 0)
        self.before = text(826, 0, "before", quiet=True, ha="right")

    def _words_below(self) -> None:
        text = self.sheet.text
        self.sheet.rule(412)
        text(14, 434, "Other digits, untouched", bold=True, fontsize=style.CAPTION)
        text(
            self.OTHER[0],
            434,
            "share of the perturbation that each feels: $\\langle x, x'\\rangle/\\Vert x\\Vert^2$",
            quiet=True,
        )
        text(14, 462, "when the input is perturbed", color=style.AT.dark)
        text(14, 478, "none of them changes", quiet=True)
        text(14, 512, "when the weights are perturbed", color=style.SAM.dark)
        self.count = text(14, 528, quiet=True)
        self.felt = [text(x, 538, quiet=True) for x in self.OTHER]
        self.said = [text(x, 553) for x in self.OTHER]

    def _bar_top(self, k: int) -> int:
        return self.ROWS[0] + 2 + 31 * k

    def show_digit(self, state: dict[str, np.ndarray]) -> None:
        """The two ways for the chosen digit; `state` is of `both_ways`."""
        (first, second), tile = self.ROWS, self.sheet.tile
        x, dx = (state[name].reshape(8, 8) for name in ("x", "dx"))
        tile(14, first + 23, grey(x))
        tile(113, first + 23, signed(dx, 0.5), frame=style.AT.color)
        tile(212, first + 23, grey(x + dx))
        tile(14, second + 23, grey(x))
        self.sheet.frame(320, second, 118, 118, style.SAM.color)
        for left, top, values, largest in (
            (458, first, state["W"], 0.6),
            (180, second, state["W"], 0.6),
            (320, second, state["dW"], 0.15),
            (458, second, state["W"] + state["dW"], 0.6),
        ):
            for k, unit in enumerate(values):
                place = left + 62 * (k % 2), top + 62 * (k // 2)
                tile(*place, signed(unit.reshape(8, 8), largest), cell=7)
        for top, name in ((first, "z by input"), (second, "z by weights")):
            tile(613, top + 27, signed(state[name].reshape(8, 6), 1.5), cell=8)
        self._show_bars(state)

    def _show_bars(self, state: dict[str, np.ndarray]) -> None:
        sheet, (before, ours, theirs) = self.sheet, (state[n] for n in ("before", "by weights", "by input"))
        sheet.clear(self.BARS - 2, self._bar_top(0) - 2, 840 - self.BARS + 2, 31 * 10)
        sheet.bar(self.BARS - 1, self._bar_top(0) - 2, 1, 31 * 10 - 8, style.QUIET)
        for k in range(10):
            top = self._bar_top(k)
            for share, height, offset, color in (
                (before[k], 22, 0, style.PALE),
                (theirs[k], 9, 2, style.AT.color),
                (ours[k], 9, 11, style.SAM.color),
            ):
                sheet.bar(self.BARS, top + offset, round(self.FULL * share), height, color)
        was, top = int(before.argmax()), int(theirs.argmax())
        self.answer.set_text(f"Same answer: {top}")
        end = self.BARS + self.FULL * max(theirs[top], before[top] if top == was else 0)
        self.percent.set_text(f"{100 * theirs[top]:.0f} %")
        self.percent.set_position((end + 4, self._bar_top(top) + 15))
        self.before.set_visible(top != was)
        self.before.set_position((826, self._bar_top(was) + 15))

    def show_others(self, images: np.ndarray, shares: np.ndarray, said: list[int], wrong: list[bool]) -> None:
        """Other digits (8, 64), what each feels, what the changed network says, and whether that is wrong."""
        for i, left in enumerate(self.OTHER):
            self.sheet.tile(left, 446, grey(images[i].reshape(8, 8)), 7, frame=style.SAM.color if wrong[i] else "")
            self.sheet.bar(left, 515, 56, 7, style.PALE)
            self.sheet.bar(left, 515, round(56 * min(float(shares[i]), 1.0)), 7, style.SAM.color)
            self.felt[i].set_text(f"{100 * shares[i]:.0f} %")
            self.said[i].set_text(f"says {said[i]}")
            self.said[i].set(
                color=style.SAM.dark if wrong[i] else style.QUIET, fontweight="bold" if wrong[i] else "normal"
            )

    def show_counts(self, wrong: int, all_: int) -> None:
        """How many of all others the changed weights misclassify."""
        self.count.set_text(f"{wrong} of {all_} misclassified")
