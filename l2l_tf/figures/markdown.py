"""Tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_SMALL = 0.01  # Three decimals say little of what is below.
_LARGE, _ASTRAY = 1e3, 1e6  # Decimals say nothing of what is above.


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
    return _as_precise_as(value, value)


def loss_and_error(value: float | None, error: float | None) -> str:
    """Returns a loss and its standard error, as precise as the loss is."""
    return f"{loss(value)} ± {_as_precise_as(value, error)}"


def ratio(numerator: float | None, denominator: float | None) -> str:
    """Returns a ratio, or nothing where there is none."""
    if not (is_finite(numerator) and is_finite(denominator) and denominator):
        return ""
    return f"{numerator / denominator:.3f}"


def number(value: float | None) -> str:
    """Returns a number as it was typed, or nothing."""
    return "" if value is None else f"{value:g}"


def _as_precise_as(reference: float | None, value: float | None) -> str:
    """Returns a number with as many decimals as suit another one."""
    if not is_finite(value):
        return "diverged"
    if is_finite(reference) and 0 < abs(reference) < _SMALL:
        return f"{value:.3g}"
    if is_finite(reference) and _LARGE <= abs(reference) < _ASTRAY:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < _ASTRAY else f"{value:.1e}"
