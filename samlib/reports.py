"""What an evaluation found, as a table: in text, or in HTML at the end of a notebook's cell."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass
class Row:
    """What one attack did: images tried and broken, its steps (or queries), passes in images, and time."""

    attack: str
    steps: int
    tried: int = 0
    broke: int = 0
    forward: int = 0
    backward: int = 0
    seconds: float = 0.0


@dataclass
class Report:
    """What an evaluation found. `print` it, or leave it at the end of a cell.

    Attributes:
        clean, robust: shares of the images, in [0, 1].
        robust_mask: which images are classified correctly and not broken, bool, (n,).
        attacks: one row for each attack.
    """

    clean: float
    robust: float
    robust_mask: Tensor
    attacks: list[Row]
    eps: float | tuple[float, float]
    norm: str

    HEAD = ("attack", "tried", "broke", "passes forward", "backward", "seconds")

    def _cells(self) -> list[tuple[str, ...]]:
        rows = [
            (r.attack, f"{r.tried:,}", f"{r.broke:,}", f"{r.forward:,}", f"{r.backward:,}", f"{r.seconds:.2f}")
            for r in self.attacks
        ]
        total = [sum(getattr(r, name) for r in self.attacks) for name in ("broke", "forward", "backward")]
        seconds = sum(r.seconds for r in self.attacks)
        return [*rows, ("all", f"{len(self.robust_mask):,}", *(f"{value:,}" for value in total), f"{seconds:.2f}")]

    def _summary(self) -> str:
        eps = f"{self.eps:g}" if isinstance(self.eps, float) else f"{self.eps[0]:g} to {self.eps[1]:g}"
        return (
            f"{self.norm}, eps {eps}, {len(self.robust_mask):,} images: clean {100 * self.clean:.1f} %, "
            f"robust {100 * self.robust:.1f} %"
        )

    def __str__(self) -> str:
        return f"{self._summary()}\n{text_table(self.HEAD, self._cells())}"

    def _repr_html_(self) -> str:
        return html_table(self._summary(), self.HEAD, self._cells())


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], right_from: int = 1) -> str:
    """Columns in line; from column `right_from` on, flush right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [
            c.rjust(w) if i >= right_from else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], right_from: int = 1) -> str:
    """The same as an HTML table."""

    def line(row: Sequence[str], tag: str) -> str:
        sides = ["left" if i < right_from else "right" for i in range(len(row))]
        cells = (f'<{tag} style="text-align:{s}">{html.escape(c)}</{tag}>' for c, s in zip(row, sides, strict=True))
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<p>{html.escape(caption)}</p><table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"
