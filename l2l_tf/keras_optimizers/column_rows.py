"""One step of a columnwise rule where a few columns of many are updated.

State lies with columns along the first axis, where reading and writing a few
of them is ten times as fast as along the last one.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks

State = Sequence[tf.Variable]
"""Tensors of shape [columns, numbers]."""


def update_all(
    update: column_blocks.BlockUpdate,
    gradients: tf.Tensor,
    active: tf.Tensor,
    state: State,
    block: int = column_blocks.BLOCK,
) -> tf.Tensor:
    """Updates the state of all columns in place, a block at a time.

    Args:
        update: What `column_blocks.make_update` returned.
        gradients: Shape [rows, columns].
        active: Whether columns are updated, shape [].
        state: Their state.
        block: Columns that are updated at a time.

    Returns:
        Updates, shape [rows, columns].
    """
    updates, count = [], state[0].shape[0]
    for start in range(0, count, block):
        part = slice(start, start + block)
        whole = count <= block
        old = [
            tf.transpose(tensor if whole else tensor[part]) for tensor in state
        ]
        proposed, new = update(gradients[:, part], active, old)
        updates.append(proposed)
        for tensor, value in zip(state, new, strict=True):
            target = tensor if whole else tensor[part]
            target.assign(tf.transpose(value))
    return tf.concat(updates, axis=1)


def update_some(
    update: column_blocks.BlockUpdate,
    gradients: tf.Tensor,
    active: tf.Tensor,
    positions: tf.Tensor,
    state: State,
    block: int = column_blocks.BLOCK,
) -> tf.Tensor:
    """Updates the state of some columns in place, and reads no other.

    Args:
        update: What `column_blocks.make_update` returned.
        gradients: Shape [rows, k].
        active: Whether columns are updated, shape [k].
        positions: Where the columns are, shape [k]; those of active columns
            differ.
        state: The state of all columns.
        block: Columns that are updated at a time.

    Returns:
        Updates, shape [rows, k].
    """
    # Where a batch's size is unknown, all are updated at a time.
    length = gradients.shape[1] or 1
    step = block if gradients.shape[1] else None
    updates = []
    for start in range(0, length, block):
        part = slice(start, start + step if step else None)
        old = [
            tf.transpose(tf.gather(tensor, positions[part])) for tensor in state
        ]
        proposed, new = update(gradients[:, part], active[part], old)
        updates.append(proposed)
        for tensor, before, after in zip(state, old, new, strict=True):
            # Adding, since columns that are not active may share a position.
            change = tf.transpose(after - before)
            tensor.scatter_add(tf.IndexedSlices(change, positions[part]))
    return tf.concat(updates, axis=1)
