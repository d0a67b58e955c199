"""What style transfer is asked for, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from l2l_tf.core import checks
from l2l_tf.problems import feature_networks

_MAX_WEIGHT = 1e12


def terms(
    defaults: feature_networks.Terms, **given: Any
) -> feature_networks.Terms:
    """Returns terms, with what is not None in place of the defaults.

    Args:
        defaults: The network's own.
        **given: Values by field.

    Raises:
        ValueError: If a value is refused; it is quoted by name.
    """
    chosen = defaults._replace(
        **{name: value for name, value in given.items() if value is not None}
    )
    layers = chosen.style_layers
    if not isinstance(layers, (list, tuple)) or not layers:
        raise ValueError(
            f"style_layers must be a list of layers; received {layers!r}."
        )
    names = ("content_weight", "style_weight", "smoothness_weight")
    weights = [
        checks.number(name, getattr(chosen, name), 0.0) for name in names
    ]
    for name, weight in zip(names, weights, strict=True):
        # Times the number of pixels, and squares of features.
        if weight > _MAX_WEIGHT:
            raise ValueError(
                f"{name} must be at most {_MAX_WEIGHT:g}; received {weight!r}."
            )
    if not any(weights):
        raise ValueError(
            f"One of {', '.join(names)} must be above 0; received {weights}."
        )
    return chosen._replace(style_layers=list(layers))


def loss_factors(value: Sequence[float]) -> list[float]:
    """Returns a range of factors on the loss.

    Raises:
        ValueError: If the value is something else than two numbers above 0.
    """
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 2
        or not all(checks.is_number(factor) for factor in value)
        or not 0 < value[0] <= value[1] < math.inf
    ):
        raise ValueError(
            "loss_factors must be two numbers above 0, the lesser one first; "
            f"received {value!r}."
        )
    return [float(factor) for factor in value]
