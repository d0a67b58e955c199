"""Work on columns, block by block.

Sums over columns run in lanes side by side. What a block needs stays in the
second-level cache, and memory does not grow with the number of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import randomness

# Columns per block, so that the states of 20 steps fit the cache.
_BLOCK = 256
_VECTOR = 16

# Columns whose step is made at once: what it needs besides states is as large.
_WIDE = 2**20


def sum_over_columns(
    function: Callable[[Any, tf.Tensor], Sequence[tf.Tensor]],
    given: Any,
    cotangents: tf.Tensor,
    like: Sequence[tf.Tensor | tf.Variable],
    num_lanes: int,
    jit_compile: bool,
) -> list[tf.Tensor]:
    """Returns the sum of a function over columns.

    Args:
        function: Returns tensors that are sums over the columns it is given,
            zeros for columns whose cotangents are zero.
        given: Its first argument: a nest of tensors with columns along the
            last axis.
        cotangents: Its second argument, of the same kind.
        like: What the results look like.
        num_lanes: Parts of the columns that are worked at side by side.
        jit_compile: Whether XLA compiles a lane.

    Returns:
        What the function would return for all columns at once, to rounding.
    """
    num_columns = cotangents.shape[-1]
    num_lanes, num_blocks, block = _divide(num_columns, num_lanes)
    lane = num_blocks * block
    padding = num_lanes * lane - num_columns
    # Copies of a column are as harmless as that column itself.
    given = tf.nest.map_structure(
        lambda tensor: _pad(tensor, tensor[..., -1:], padding), given
    )
    last = tf.zeros_like(cotangents[..., -1:])
    sequence = given, _pad(cotangents, last, padding)

    def sum_over_lane(sequence):
        def body(index, sums):
            results = function(*_cut(sequence, index * block, block))
            return index + 1, [
                total + result
                for total, result in zip(sums, results, strict=True)
            ]

        return tf.while_loop(
            lambda index, _: index < num_blocks,
            body,
            (0, [tf.zeros_like(tensor) for tensor in like]),
            maximum_iterations=num_blocks,
        )[1]

    if jit_compile or num_lanes > 1:
        # Traced once for all lanes; a single one needs no trace of its own.
        sum_over_lane = tf.function(
            sum_over_lane, jit_compile=jit_compile, autograph=False
        )
    results = [
        sum_over_lane(_cut(sequence, index * lane, lane))
        for index in range(num_lanes)
    ]
    return [tf.add_n(parts) for parts in zip(*results, strict=True)]


def step(
    function: Callable[[tf.Tensor, Any], tuple[tf.Tensor, Any]],
    inputs: tf.Tensor,
    state: Any,
    block: int = _WIDE,
) -> tuple[tf.Tensor, Any]:
    """Returns what a function of inputs and state makes of each column.

    Args:
        function: Returns values and the next state, of independent columns.
        inputs: A tensor with columns along the last axis.
        state: A nest of such tensors.
        block: Columns that it is called with at once, at most.

    Returns:
        What the function would return for all columns at once.
    """
    num_columns = inputs.shape[-1]
    if num_columns is None or num_columns <= block:
        return function(inputs, state)
    results = [
        function(*_cut((inputs, state), start, min(block, num_columns - start)))
        for start in range(0, num_columns, block)
    ]
    return tf.nest.map_structure(
        lambda *parts: tf.concat(parts, axis=-1), *results
    )


def sample(
    given: Any, cotangents: tf.Tensor, fraction: float, seed: tf.Tensor
) -> tuple[Any, tf.Tensor]:
    """Draws columns, so that sums over them keep their mean.

    Args:
        given: A nest of tensors with columns along the last axis.
        cotangents: Another, which sums are linear in.
        fraction: The share of columns to draw; at least one is drawn.
        seed: A seed, int32 of shape [2].

    Returns:
        Both for the columns drawn, with cotangents that are larger by the
        number of columns for each that is drawn.
    """
    num_columns = cotangents.shape[-1]
    num_samples = max(1, round(fraction * num_columns))
    chosen = randomness.sample_positions(num_columns, num_samples, seed)
    given, cotangents = tf.nest.map_structure(
        lambda tensor: tf.gather(tensor, chosen, axis=-1), (given, cotangents)
    )
    factor = tf.constant(num_columns / num_samples, cotangents.dtype)
    return given, cotangents * factor


def _divide(num_columns: int, num_lanes: int) -> tuple[int, int, int]:
    """Returns how many lanes, blocks in each, and columns in each of those."""
    lane = -(-num_columns // num_lanes)
    num_blocks = -(-lane // _BLOCK)
    block = -(-lane // num_blocks)
    if block > _VECTOR:
        block = -(-block // _VECTOR) * _VECTOR
    return -(-num_columns // (num_blocks * block)), num_blocks, block


def _pad(tensor: tf.Tensor, column: tf.Tensor, count: int) -> tf.Tensor:
    if not count:
        return tensor
    copies = tf.broadcast_to(column, [*column.shape[:-1], count])
    return tf.concat([tensor, copies], axis=-1)


def _cut(nest: Any, start: int | tf.Tensor, size: int) -> Any:
    """Cuts columns out of tensors that have them along their last axis."""

    def cut(tensor):
        head = tensor.shape[:-1]
        return tf.slice(tensor, [0] * len(head) + [start], [*head, size])

    return tf.nest.map_structure(cut, nest)
