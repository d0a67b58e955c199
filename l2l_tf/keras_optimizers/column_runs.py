"""How a model's variables share blocks of a columnwise rule's state."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.keras_optimizers import column_rows

MANY_ROWS = 4096
"""A variable of so many rows may get gradients of a few of them."""


@dataclasses.dataclass
class Run:
    """Consecutive variables whose columns lie side by side.

    Attributes:
        indices: Which variables.
        counts: Columns of each.
        has_rows: Whether it is one variable of many rows, whose state lies
            with columns along the first axis.
        state: Where in the list of all state its own begins and ends; set by
            who makes it.
    """

    indices: tuple[int, ...]
    counts: tuple[int, ...]
    has_rows: bool
    state: tuple[int, int] = (0, 0)

    @property
    def size(self) -> int:
        """All columns."""
        return sum(self.counts)

    @property
    def sizes(self) -> list[int]:
        """Columns of each block."""
        if self.has_rows:
            return [self.size]
        # Without columns, one block that is empty.
        return column_blocks.sizes(self.size) or [0]

    def shape(self, numbers: int, size: int) -> tuple[int, int]:
        """Returns the shape of some numbers of state for some columns."""
        return (size, numbers) if self.has_rows else (numbers, size)

    def update(
        self,
        update: column_blocks.BlockUpdate,
        gradients: tf.Tensor,
        active: tf.Tensor,
        state: Sequence[tf.Variable],
    ) -> tf.Tensor:
        """Updates the state of all columns in place.

        Args:
            update: What `column_blocks.make_update` returned.
            gradients: Shape [rows, columns].
            active: Whether columns are updated, shape [] or [columns].
            state: The run's state.

        Returns:
            Updates, shape [rows, columns].
        """
        if self.has_rows:
            return column_rows.update_all(update, gradients, active, state)
        per_block = len(state) // len(self.sizes)
        blocks = [
            state[start : start + per_block]
            for start in range(0, len(state), per_block)
        ]
        return column_blocks.update_blocks(update, gradients, active, blocks)


def make_runs(
    counts: Sequence[int], shapes: Sequence[tuple[int, ...]]
) -> list[Run]:
    """Returns runs of variables; one of many rows has a run of its own.

    Args:
        counts: Columns of each variable.
        shapes: Its shape.
    """
    keys = [
        index if len(shape) > 1 and shape[0] >= MANY_ROWS else -1
        for index, shape in enumerate(shapes)
    ]
    runs = []
    for key, group in itertools.groupby(range(len(counts)), keys.__getitem__):
        indices = tuple(group)
        own = tuple(counts[index] for index in indices)
        runs.append(Run(indices, own, has_rows=key >= 0))
    return runs


def named_rows(gradient: tf.IndexedSlices, num_rows: int) -> tf.Tensor:
    """Returns which rows a gradient names, shape [num_rows]."""
    ones = tf.ones_like(gradient.indices, tf.int32)
    return tf.math.unsorted_segment_sum(ones, gradient.indices, num_rows) > 0


def spread(active: tf.Tensor, count: int) -> tf.Tensor:
    """Returns for each of a variable's columns whether it is active.

    Args:
        active: Shape [], or [num_rows].
        count: Columns of the variable, the same number in each row.
    """
    if active.shape.rank == 0:
        return tf.fill([count], active)
    return tf.repeat(active, count // active.shape[0])
