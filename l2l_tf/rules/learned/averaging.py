"""Global averaging cells: what an LSTM's coordinates tell each other.

Columns belong to functions, as many to each, and lie function by function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks


def check_cells(
    name: str, cells: Any, layers: Sequence[int]
) -> tuple[int, ...]:
    """Returns the number of averaging cells of each layer.

    Args:
        name: What the option is called, for messages.
        cells: A number for each layer, or one for all of them.
        layers: The cells of each layer, in all.

    Raises:
        ValueError: If the numbers are no such numbers.
    """
    counts = (
        cells if isinstance(cells, (list, tuple)) else [cells] * len(layers)
    )
    if len(counts) != len(layers):
        raise ValueError(
            f"{name} must be a number, or one for each of the layers "
            f"{list(layers)}; received {cells!r}."
        )
    for count, units in zip(counts, layers, strict=True):
        if checks.integer(name, count, minimum=0) > units:
            raise ValueError(
                f"{name} must be at most the cells of each layer, "
                f"{list(layers)}; received {cells!r}."
            )
    return tuple(int(count) for count in counts)


def pack(
    hidden: tf.Tensor, count: int, num_functions: int | tf.Tensor
) -> list[tf.Tensor]:
    """Averages the last cells' activations over the columns of each function.

        out_kf = mean over the columns i of function f of  hidden_ki

    Source: Andrychowicz et al. 2016, appendix B.1.

    Args:
        hidden: What the cells give, shape [cells, columns].
        count: How many cells are averaging ones.
        num_functions: How many functions the columns belong to.

    Returns:
        The other cells' activations, shape [cells - count, columns]; then, if
        there are any, the averages, shape [count, num_functions].
    """
    if not count:
        return [hidden]
    own, rest = tf.split(hidden, [hidden.shape[0] - count, count], axis=0)
    groups = tf.reshape(rest, [count, num_functions, -1])
    return [own, tf.reduce_mean(groups, axis=2)]


def unpack(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Gives each column its own activations and its function's averages.

    Args:
        parts: What `pack` returned.

    Returns:
        Shape [cells, columns].
    """
    own, *averages = parts
    if not averages:
        return own
    copies = size(own, 1) // size(averages[0], 1)
    return tf.concat([own, tf.repeat(averages[0], copies, axis=1)], axis=0)


def mix(
    hidden: tf.Tensor, count: int, num_functions: int | tf.Tensor
) -> tf.Tensor:
    """Replaces the last cells' activations by their averages.

    The matrix that does this to columns is its own transpose, so that the
    same function takes gradients back.

    Args:
        hidden: See `pack`.
        count: See `pack`.
        num_functions: See `pack`.

    Returns:
        Shape [cells, columns].
    """
    return unpack(pack(hidden, count, num_functions))


def size(tensor: tf.Tensor, axis: int) -> int | tf.Tensor:
    """Returns a tensor's size along an axis, a number if that is known."""
    known = tensor.shape[axis]
    return tf.shape(tensor)[axis] if known is None else known
