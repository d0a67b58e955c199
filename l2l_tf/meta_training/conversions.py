"""What settings' values are converted to, or why they are refused.

Each function takes a setting's name and a value; it returns the value to keep,
or raises a ValueError that quotes what was received.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from l2l_tf.core import checks
from l2l_tf.core import options as options_lib
from l2l_tf.meta_gradients import registry as meta_gradients

SCHEDULES = ("constant", "cosine")

# The least and the greatest normal numbers of float32.
_FLOAT32_RANGE = (1.1754944e-38, 3.4028235e38)
Convert = Callable[[str, Any], Any]


def float32(name: str, value: Any, zero: bool = False) -> float:
    """Takes positive numbers that a float32 holds, and zero if it may be."""
    value = float(checks.number(name, value, 0.0, above=not zero))
    least, greatest = _FLOAT32_RANGE
    if value and not least <= value <= greatest:
        raise ValueError(
            f"{name} must be between {least:.2g} and {greatest:.2g}, the "
            f"numbers that float32 holds; received {value!r}."
        )
    return value


def fraction(name: str, value: Any) -> float:
    """Takes numbers above 0, up to 1."""
    value = float(checks.number(name, value, 0.0, above=True))
    if value > 1.0:
        raise ValueError(f"{name} must be at most 1; received {value!r}.")
    return value


def schedule(name: str, value: Any) -> str:
    """Takes the name of a schedule of the learning rate."""
    return checks.one_of(name, value, SCHEDULES)


def meta_gradient(name: str, value: Any) -> str:
    """Takes the name of an estimator of the meta-gradient."""
    del name
    meta_gradients.ESTIMATORS.get(value)
    return value


def options(name: str, value: Any) -> dict[str, Any]:
    """Takes options, also as text, see `l2l_tf.core.options`."""
    if isinstance(value, str):
        value = options_lib.parse(value, name)
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{name} must map names to values; received {value!r}."
        )
    return dict(value)


def step_weights(name: str, value: Any) -> Any:
    """Takes what `l2l_tf.meta_gradients.meta_loss.step_weights` does."""
    del name  # Checked with unroll_length.
    return tuple(value) if isinstance(value, list) else value


def optional(convert: Convert) -> Convert:
    """Returns a conversion that takes None as well."""
    return lambda name, value: None if value is None else convert(name, value)
