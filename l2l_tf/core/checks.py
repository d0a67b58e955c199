"""Checks of plain values that users give."""

from __future__ import annotations

import math
from typing import Any


def integer(name: str, value: Any, minimum: int = 1) -> int:
    """Returns an integer that is at least `minimum`.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    if not _is_integer(value) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of {minimum} or more; received "
            f"{value!r}."
        )
    return int(value)


def integers(name: str, values: Any, length: int | None = None) -> list[int]:
    """Returns a list of positive integers, of a given length if there is one.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    is_list = isinstance(values, (list, tuple))
    is_fit = is_list and length in (None, len(values))
    if not is_fit or not all(_is_positive_integer(v) for v in values):
        count = "a list" if length is None else f"a list of {length}"
        raise ValueError(
            f"{name} must be {count} of positive integers; received {values!r}."
        )
    return [int(value) for value in values]


def number(
    name: str, value: Any, minimum: float = -math.inf, above: bool = False
) -> float:
    """Returns a finite number that is at least (or above) `minimum`.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    is_large = _is_number(value) and (
        value > minimum if above else value >= minimum
    )
    if not is_large:
        bound = f" above {minimum:g}" if above else f" of {minimum:g} or more"
        raise ValueError(
            f"{name} must be a number{bound if minimum > -math.inf else ''}; "
            f"received {value!r}."
        )
    return value


def boolean(name: str, value: Any) -> bool:
    """Returns a truth value.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; received {value!r}.")
    return value


def floating_dtype(name: str, value: Any) -> str:
    """Returns the name of a floating point type.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    accepted = ("float32", "float64", "bfloat16", "float16")
    if value not in accepted:
        raise ValueError(
            f"{name} must be one of {list(accepted)}; received {value!r}."
        )
    return value


def _is_integer(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _is_positive_integer(value: Any) -> bool:
    return _is_integer(value) and value > 0


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )
