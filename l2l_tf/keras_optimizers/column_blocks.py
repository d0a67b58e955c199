"""One step of a columnwise rule, a block of columns at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from l2l_tf.rules.learned import columns

BLOCK = 2**20
"""Columns per block: a step's temporary tensors are that wide at most."""

_KEPT = 256

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


def make_update(rule: columns.ColumnwiseRule, jit_compile: bool) -> BlockUpdate:
    """Returns a function that updates the columns of one block.

    It takes gradients of shape [rows, columns], which columns are active (a
    bool for each, or one for all) and the state, which may be kept in another
    type than the rule's. It returns updates and the next state. Columns that
    are not active have zero updates and keep their state.

    Args:
        rule: The rule.
        jit_compile: Whether XLA compiles it, which fuses gates and casts.
    """

    def update(gradients, active, state):
        kinds = [(t.shape, t.dtype) for t in (gradients, active, *state)]
        run = _compiled(rule, jit_compile, *(str(kind) for kind in kinds))
        return run(gradients, active, state)

    return update


@functools.lru_cache(_KEPT)
def _compiled(rule: columns.ColumnwiseRule, jit_compile: bool, *kinds: str):
    """Returns what all optimizers share that run a rule on like blocks."""
    del kinds

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


def update_some(
    update: BlockUpdate,
    gradients: tf.Tensor,
    active: tf.Tensor,
    positions: tf.Tensor,
    blocks: Blocks,
    block: int = BLOCK,
) -> tf.Tensor:
    """Updates the state of some columns in place, and reads no other.

    Args:
        update: What `make_update` returned.
        gradients: Shape [rows, k].
        active: Whether columns are updated, shape [k].
        positions: Where in the blocks the columns are, shape [k]; those of
            active columns differ.
        blocks: The state of all columns.
        block: Columns that are updated at a time.

    Returns:
        Updates, shape [rows, k].
    """
    length, updates = gradients.shape[1], []
    # None where a batch's size is unknown; then all are updated at a time.
    step = block if length else None
    for start in range(0, length or 1, block):
        part = slice(start, start + step if step else None)
        old = _gather(blocks, positions[part])
        proposed, new = update(gradients[:, part], active[part], old)
        updates.append(proposed)
        _add(
            blocks,
            positions[part],
            [after - before for after, before in zip(new, old, strict=True)],
        )
    return tf.concat(updates, axis=1)


def _gather(blocks: Blocks, positions: tf.Tensor) -> list[tf.Tensor]:
    found, start = None, 0
    for state in blocks:
        local, is_inside = _local(state, positions, start)
        values = [tf.gather(tensor, local, axis=1) for tensor in state]
        found = [
            tf.where(is_inside, value, other)
            for value, other in zip(values, found or values, strict=True)
        ]
        start += state[0].shape[-1]
    return found


def _add(
    blocks: Blocks, positions: tf.Tensor, changes: Sequence[tf.Tensor]
) -> None:
    """Adds to columns; adding, since unused columns share a position."""
    start = 0
    for state in blocks:
        local, is_inside = _local(state, positions, start)
        for tensor, change in zip(state, changes, strict=True):
            rows = tf.range(tensor.shape[0])
            indices = tf.stack(tf.meshgrid(rows, local, indexing="ij"), axis=-1)
            tensor.scatter_nd_add(indices, tf.where(is_inside, change, 0))
        start += state[0].shape[-1]


def _local(
    state: Sequence[tf.Variable], positions: tf.Tensor, start: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns positions in a block, and which of them it holds."""
    size = state[0].shape[-1]
    local = positions - start
    is_inside = (local >= 0) & (local < size)
    return tf.clip_by_value(local, 0, size - 1), is_inside
