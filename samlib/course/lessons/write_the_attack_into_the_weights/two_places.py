"""The scene that opens the course: the same perturbation in the input and in the weights, and who else feels it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from samlib.course import style, widgets
from samlib.course.pictures import Sheet, grey, signed
from samlib.layers import mlp_parts

UNITS, OTHERS = 4, 8
CHANGES = ("the shortest", "spares one")  # what the control of dW offers

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
        picture = HeroPicture(style.figure(5.52))
    flat, radii = x.flatten(1), sorted({eps for _, eps in attacked})

    def draw(eps: float, digit: int, network: str, change: str) -> str:
        """Both perturbations, what they do to this digit, and what they do to all others."""
        net, clean, spares = nets[network], flat[chosen[digit]], change == CHANGES[1]
        dx = attacked[network, eps][digit].flatten() - clean
        largest = attacked[network, radii[-1]][digit].flatten() - clean  # the same units at every eps
        order, shares = by_similarity(flat, chosen[digit])
        row = sparing_row(clean, flat[order[0]]) if spares else clean / (clean @ clean)
        state = both_ways(net, clean, dx, largest, row)
        shares = flat[order] @ row
        said = answers(net, state["W + dW"], flat[order])
        wrong = said != y[order]
        total, alike, rest = int(wrong.sum()), int(wrong[: len(order) // 4].sum()), len(order)
        shown = shown_others(rest)
        picture.show_digit(state, spares)
        picture.show_others(flat[order][shown].numpy(), shares[shown].numpy(), said[shown].tolist(), wrong[shown])
        picture.show_counts(total, rest, alike)
        top, by_weights = int(np.argmax(state["by input"])), int(np.argmax(state["by weights"]))
        return (
            f"eps {eps:g}, digit {digit}, network {network}, dW {change}: with the perturbation in the input "
            f"the network says {top}, with it in the weights {by_weights}, "
            f"both with {100 * state['by input'][top]:.0f} %. "
            f"Of {rest} other digits, untouched, {total} are misclassified by the changed weights, "
            f"{alike} of them among the quarter most similar to this digit."
        )

    controls = {
        "eps": widgets.choice_slider("eps: length of the perturbation dx (l_2)", radii, 0.75),
        "digit": widgets.choice_slider("digit", range(10), 3),
        "network": widgets.toggle("network trained with", list(nets), "SGD"),
        "change": widgets.toggle("dW: change of weights", list(CHANGES), CHANGES[0]),
    }
    return widgets.live(picture.fig, draw, controls)


@torch.no_grad()
def both_ways(net: nn.Sequential, x: Tensor, dx: Tensor, largest: Tensor, row: Tensor) -> dict[str, np.ndarray]:
    """Everything that the upper part of the picture shows. x, dx, largest, row: (64,).

    `largest` chooses the units shown. The rows of dW are multiples of `row`, for which row @ x is 1: dW = W dx rowᵀ.
    """
    _, first, after = mlp_parts(net)
    weight, bias, rest = first.weight.detach(), first.bias, nn.Sequential(*after)
    d_weight = torch.outer(weight @ dx, row)
    units = (weight @ largest).abs().topk(UNITS).indices.sort().values
    by_input, by_weights = weight @ (x + dx) + bias, (weight + d_weight) @ x + bias
    return {
        "x": x.numpy(),
        "dx": dx.numpy(),
        "W": weight[units].numpy(),
        "dW": d_weight[units].numpy(),
        "W + dW": (weight + d_weight).numpy(),
        "z by input": by_input.numpy(),
        "z by weights": by_weights.numpy(),
        "before": rest(weight @ x + bias).softmax(0).numpy(),
        "by input": rest(by_input).softmax(0).numpy(),
        "by weights": rest(by_weights).softmax(0).numpy(),
    }


def shares_felt(x: Tensor, others: Tensor) -> Tensor:
    """The share of x's perturbation that others feel through the weights, <x, x'> / ||x||²: (64,), (n, 64) -> (n,)."""
    return others @ x / (x @ x)


def sparing_row(x: Tensor, other: Tensor) -> Tensor:
    """The shortest row (64,) with row @ x = 1 and row @ other = 0: that part of x which the other does not share."""
    part = x - (x @ other) / (other @ other) * other
    return part / (part @ part)


def by_similarity(flat: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """All of n digits (n, 64) but digit i, who feels most of its perturbation first: numbers and shares, (n - 1,)."""
    felt = shares_felt(flat[i], flat)
    order = felt.argsort(descending=True)
    order = order[order != i]
    return order, felt[order]


def shown_others(n: int) -> list[int]:
    """Which of n digits, sorted by similarity, the picture shows: the four first, and four at equal distances after."""
    half = OTHERS // 2
    return [*range(half), *(round((n - 1) * k / half) for k in range(1, half + 1))]


@torch.no_grad()
def answers(net: nn.Sequential, weight: np.ndarray, flat: Tensor) -> Tensor:
    """The class that the network gives each digit with `weight` in its first layer, (n,)."""
    _, first, after = mlp_parts(net)
    return nn.Sequential(*after)(flat @ torch.from_numpy(weight).T + first.bias).argmax(1)


class HeroPicture:
    """Two ways to the same answer above, other digits below."""

    ROWS = (46, 236)  # the tops of the two ways
    UNTOUCHED, GHOST, CHANGED = 150, 304, 458  # the left edges of W, dW and W + dW
    FEATURES = 617
    OTHER = tuple(232 + 76 * i for i in range(OTHERS))  # the left edges of the other digits
    BARS, FULL = 722, 60  # left edge and length of a probability of 1

    def __init__(self, fig: style.Canvas) -> None:
        self.fig, self.sheet = fig, Sheet(fig)
        self._words_input()
        self._words_weights()
        self._words_answer()
        self._words_below()
        counts = [self.count, self.alike]
        words = [self.answer, self.percent, self.before, self.ghost, self.formula, self.share]
        fig.moving = [self.sheet.painting, *words, *counts, *self.felt, *self.said]

    def _words_input(self) -> None:
        text, top = self.sheet.text, self.ROWS[0]
        text(14, top - 22, "Perturb the input", bold=True, fontsize=style.CAPTION, color=style.AT.dark)
        for x, words in ((50, "digit $x$"), (148, "$dx$"), (246, "$x + dx$")):
            text(x, top + 114, words, ha="center")
        for x, words in ((99, "+"), (197, "=")):
            text(x, top + 64, words, ha="center", fontsize=style.CAPTION)
        self.sheet.arrow((292, top + 59), (450, top + 59), style.AT.color)
        text(self.CHANGED + 59, top - 10, "four of 48 units", ha="center", quiet=True)
        text(self.CHANGED + 59, top + 136, "weights $W$", ha="center")
        text(self.CHANGED + 59, top + 152, "untouched", ha="center", quiet=True)

    def _words_weights(self) -> None:
        text, top = self.sheet.text, self.ROWS[1]
        text(14, top - 22, "Perturb the weights", bold=True, fontsize=style.CAPTION, color=style.SAM.dark)
        text(50, top + 114, "digit $x$", ha="center")
        text(50, top + 130, "untouched", ha="center", quiet=True)
        self.sheet.arrow((96, top + 59), (142, top + 59), style.SAM.color)
        for left, words in ((self.UNTOUCHED, "$W$"), (self.CHANGED, "$W + dW$")):
            text(left + 59, top + 140, words, ha="center")
        self.formula = text(self.GHOST + 59, top + 140, ha="center")
        for x, words in ((286, "+"), (440, "=")):
            text(x, top + 64, words, ha="center", fontsize=style.CAPTION)
        self.ghost = text(self.GHOST + 59, top - 14, ha="center", quiet=True)

    def _words_answer(self) -> None:
        text, middle = self.sheet.text, self.FEATURES + 24
        for top, look, words in zip(
            self.ROWS, (style.AT, style.SAM), ("$W(x + dx) + b$", "$(W + dW)x + b$"), strict=True
        ):
            self.sheet.arrow((584, top + 59), (609, top + 59), look.color)
            self.sheet.arrow((673, top + 59), (706, top + 59), look.color)
            text(middle, top + 15, "features", ha="center", quiet=True)
            text(middle, top + 111, words, ha="center")
        text(middle, sum(self.ROWS) // 2 + 60, "=", ha="center", va="center", fontsize=style.CAPTION * 1.5, rotation=90)
        self.answer = text(826, self.ROWS[0] - 22, bold=True, fontsize=style.CAPTION, ha="right")
        for k in range(10):
            text(self.BARS - 8, self._bar_top(k) + 14, str(k), ha="right", quiet=True)
        self.percent = text(0, 0)
        self.before = text(826, 0, "before", quiet=True, ha="right")

    def _words_below(self) -> None:
        text = self.sheet.text
        self.sheet.rule(400)
        text(14, 424, "Other digits, untouched", bold=True, fontsize=style.CAPTION)
        self.share = text(self.OTHER[0], 424, quiet=True)
        text(14, 452, "when the input is perturbed", color=style.AT.dark)
        text(14, 468, "none of them changes", quiet=True)
        text(14, 500, "when the weights are perturbed", color=style.SAM.dark)
        self.count, self.alike = text(14, 516, quiet=True), text(14, 532, quiet=True)
        self.felt = [text(x, 527, quiet=True) for x in self.OTHER]
        self.said = [text(x, 542) for x in self.OTHER]

    def _bar_top(self, k: int) -> int:
        return self.ROWS[0] + 2 + 31 * k

    def show_digit(self, state: dict[str, np.ndarray], spares: bool) -> None:
        """The two ways for the chosen digit; `state` is of `both_ways`, `spares` whether its dW spares another."""
        self.ghost.set_text("sparing the first one below" if spares else "a ghost of the digit (×4)")
        ghost = r"$dW = W\,dx\,x^{\mathsf{T}}/\Vert x\Vert^2$"
        self.formula.set_text(r"$dW\,x = W\,dx,\ \ dW\,x' = 0$" if spares else ghost)
        felt = r": $\langle x, x'\rangle/\Vert x\Vert^2$"
        self.share.set_text("share of the perturbation that each feels" + ("; the first is spared" if spares else felt))
        (first, second), tile = self.ROWS, self.sheet.tile
        x, dx = (state[name].reshape(8, 8) for name in ("x", "dx"))
        tile(14, first + 23, grey(x))
        tile(112, first + 23, signed(dx, 0.5), frame=style.AT.color)
        tile(210, first + 23, grey(x + dx))
        tile(14, second + 23, grey(x))
        self.sheet.frame(self.GHOST, second, 118, 118, style.SAM.color)
        for left, top, values, largest in (
            (self.CHANGED, first, state["W"], 0.6),
            (self.UNTOUCHED, second, state["W"], 0.6),
            (self.GHOST, second, state["dW"], 0.6 if spares else 0.15),
            (self.CHANGED, second, state["W"] + state["dW"], 0.6),
        ):
            for k, unit in enumerate(values):
                place = left + 62 * (k % 2), top + 62 * (k // 2)
                tile(*place, signed(unit.reshape(8, 8), largest), cell=7)
        for top, name in ((first, "z by input"), (second, "z by weights")):
            tile(self.FEATURES, top + 27, signed(state[name].reshape(8, 6), 3.0), cell=8)
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

    def show_others(self, images: np.ndarray, shares: np.ndarray, said: list[int], wrong: Tensor) -> None:
        """Other digits (8, 64), what each feels, what the changed network says, and whether that is wrong, (8,)."""
        for i, left in enumerate(self.OTHER):
            self.sheet.tile(left, 436, grey(images[i].reshape(8, 8)), 7, frame=style.SAM.color if wrong[i] else "")
            self.sheet.bar(left, 504, 56, 7, style.PALE)
            self.sheet.bar(left, 504, round(56 * min(max(float(shares[i]), 0.0), 1.0)), 7, style.SAM.color)
            self.felt[i].set_text(f"{100 * shares[i] + 0.0:.0f} %".replace("-0 ", "0 ").replace("-", "−"))
            self.said[i].set_text(f"says {said[i]}")
            self.said[i].set(
                color=style.SAM.dark if wrong[i] else style.QUIET, fontweight="bold" if wrong[i] else "normal"
            )

    def show_counts(self, wrong: int, all_: int, alike: int) -> None:
        """How many of all others the changed weights misclassify, and how many of these are the most similar."""
        self.count.set_text(f"{wrong} of {all_} misclassified")
        self.alike.set_text(f"{alike} in the most similar quarter" if wrong else "")
