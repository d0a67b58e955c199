"""One step of a columnwise rule, a block of columns at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from l2l_tf.rules.learned import columns

BLOCK = 2**20
"""Columns per block: a step's temporary tensors are that wide at most."""

_KEPT = 64

BlockUpdate = Callable[..., tuple[tf.Tensor, list[tf.Tensor]]]

Blocks = Sequence[Sequence[tf.Variable]]
"""Each block's state, with columns along the last axis."""


def sizes(num_columns: int, block: int = BLOCK) -> list[int]:
    """Returns the sizes of the blocks that a number of columns makes.

    Args:
        num_columns: All columns.
        block: Columns per block; the last block may be smaller.
    """
    whole, rest = divmod(num_columns, block)
    return [block] * whole + [rest] * (rest > 0)


@functools.lru_cache(_KEPT)
def make_update(rule: columns.ColumnwiseRule, jit_compile: bool) -> BlockUpdate:
    """Returns a function that updates the columns of one block.

    It takes gradients of shape [rows, columns], which columns are active (a
    bool for each, or one for all) and the state, which may be kept in another
    type than the rule's. It returns updates and the next state. Columns that
    are not active have zero updates and keep their state. All optimizers of
    one rule share the function, and what is compiled of it.

    Args:
        rule: The rule.
        jit_compile: Whether XLA compiles it, which fuses gates and casts.
    """

    def update(gradients, active, state):
        updates, proposed = rule.update_columns(
            gradients, [tf.cast(tensor, rule.dtype) for tensor in state]
        )
        return tf.where(active, updates, 0), [
            tf.where(active, tf.cast(new, old.dtype), old)
            for new, old in zip(proposed, state, strict=True)
        ]

    return tf.function(update, jit_compile=jit_compile, autograph=False)


def update_blocks(
    update: BlockUpdate, gradients: tf.Tensor, active: tf.Tensor, blocks: Blocks
) -> tf.Tensor:
    """Updates the state of all blocks in place.

    Args:
        update: What `make_update` returned.
        gradients: Shape [rows, columns].
        active: Whether columns are updated, shape [] or [columns].
        blocks: Their state.

    Returns:
        Updates, shape [rows, columns].
    """
    updates, start = [], 0
    for state in blocks:
        stop = start + state[0].shape[-1]
        proposed, new = update(
            gradients[:, start:stop],
            active[start:stop] if active.shape.rank else active,
            [tf.convert_to_tensor(tensor) for tensor in state],
        )
        updates.append(proposed)
        for tensor, value in zip(state, new, strict=True):
            tensor.assign(value)
        start = stop
    return tf.concat(updates, axis=1)
