"""Gradients with respect to a rule's weights, put in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf


def in_order(
    variables: Sequence[tf.Variable],
    found: Iterable[tuple[tf.Variable, tf.Tensor]],
) -> list[tf.Tensor]:
    """Returns one gradient for each variable.

    Args:
        variables: The variables.
        found: Variables and their gradients in any order. Several gradients of
            one variable, which parts of a rule share, are summed.

    Returns:
        The gradients in the variables' order; zeros where none was found.
    """
    sums: dict[Any, tf.Tensor] = {}
    for variable, gradient in found:
        key = variable.ref()
        sums[key] = sums[key] + gradient if key in sums else gradient
    return [
        sums[v.ref()] if v.ref() in sums else tf.zeros_like(v)
        for v in variables
    ]
