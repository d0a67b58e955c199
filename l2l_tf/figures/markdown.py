"""Tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table.

    Args:
        head: The columns' heads.
        rows: The cells of each row, as many as there are columns.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def is_finite(value: float | None) -> bool:
    """Returns whether a value is a finite number; None, as in JSON, is not."""
    return value is not None and math.isfinite(value)


def loss(value: float | None) -> str:
    """Returns a loss, or another number that diverges where a run does."""
    if not is_finite(value):
        return "diverged"
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.1e}"


def ratio(numerator: float | None, denominator: float | None) -> str:
    """Returns a ratio, or nothing where there is none."""
    if not (is_finite(numerator) and is_finite(denominator) and denominator):
        return ""
    return f"{numerator / denominator:.3f}"


def number(value: float | None) -> str:
    """Returns a number as it was typed, or nothing."""
    return "" if value is None else f"{value:g}"
