"""Checks of plain values that users give."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

MAX_INT32 = 2**31 - 1
"""Counts end in tensors of this type."""

_FLOATS = ("float32", "float64", "bfloat16", "float16")


def integer(
    name: str, value: Any, minimum: int = 1, maximum: int = MAX_INT32
) -> int:
    """Returns an integer from `minimum` to `maximum`.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = int(value)  # NumPy's, too
    if not _is_integer(value) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of {minimum} or more; received "
            f"{value!r}."
        )
    if value > maximum:
        raise ValueError(f"{name} must be at most {maximum}; received {value}.")
    return int(value)


def seed(name: str, value: Any) -> int:
    """Returns a seed: two parts of 31 bits, where it becomes a tensor.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    return integer(name, value, minimum=0, maximum=2**62 - 1)


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
    return [integer(name, value) for value in values]


def number(
    name: str, value: Any, minimum: float = -math.inf, above: bool = False
) -> float:
    """Returns a finite number that is at least (or above) `minimum`.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    is_large = is_number(value) and (
        value > minimum if above else value >= minimum
    )
    if not is_large:
        bound = f" above {minimum:g}" if above else f" of {minimum:g} or more"
        raise ValueError(
            f"{name} must be a number{bound if minimum > -math.inf else ''}; "
            f"received {value!r}."
        )
    return value


def number_of(name: str, value: Any, dtype: Any) -> float:
    """Returns a number that a floating point type of TensorFlow holds.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    if abs(number(name, value)) > float(dtype.max):
        raise ValueError(
            f"{name} must be a number that {dtype.name} holds; received "
            f"{value}."
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


def one_of(name: str, value: Any, accepted: Sequence[Any]) -> Any:
    """Returns a value if it is one of those accepted.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    if not any(value is one or value == one for one in accepted):
        raise ValueError(
            f"{name} must be one of {list(accepted)}; received {value!r}."
        )
    return value


def floating_dtype(name: str, value: Any) -> str:
    """Returns the name of a floating point type.

    Raises:
        ValueError: If the value is something else; it is quoted by name.
    """
    return one_of(name, value, _FLOATS)


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite number that a float holds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # An integer that no float holds.
        return False


def _is_integer(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return is_number(value) and value == int(value)


def _is_positive_integer(value: Any) -> bool:
    return _is_integer(value) and value > 0
