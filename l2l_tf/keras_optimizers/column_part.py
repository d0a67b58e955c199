"""A rule that treats columns alike, at work on a model's variables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.keras_optimizers import diagnostics
from l2l_tf.keras_optimizers import memory
from l2l_tf.keras_optimizers import rule_part
from l2l_tf.keras_optimizers import sliced_rows

_MANY_ROWS = 4096


class ColumnPart(rule_part.RulePart):
    """Updates all columns of all variables in one call, in blocks.

    A gradient that comes as slices, such as an embedding's, updates the rows
    that it names; parameters and state of the others are neither read nor
    written.
    """

    def make_state(self, owner, variables) -> list[keras.Variable]:
        """See base class.

        Raises:
            ValueError: If a variable's shape does not fit the rule, or the
                state does not fit into memory.
        """
        # XLA reads no variable of another device, as replicas would.
        is_one = tf.distribute.get_strategy().num_replicas_in_sync == 1
        self._update_block = column_blocks.make_update(
            self.rule, self.options.jit_compile and is_one
        )
        arrange = self.rule.arrangement
        counts = [arrange.num_columns(shape) for shape in self._shapes]
        self._runs = _make_runs(counts, self._shapes)
        sizes = [
            size for run in self._runs for size in column_blocks.sizes(run.size)
        ]
        # A column's first state is the same for all columns.
        with tf.init_scope():
            first = [
                tf.convert_to_tensor(t) for t in self.rule.initial_columns(1)
            ]
        dtype = self.options.state_dtype or self.rule.dtype.name
        numbers = sum(column.shape[0] for column in first)
        memory.check(
            num_parameters=arrange.rows * sum(sizes),
            state_bytes=numbers * sum(sizes) * tf.as_dtype(dtype).size,
            # Old state, new state and gates, in the rule's own type.
            block_bytes=3
            * numbers
            * max(sizes, default=0)
            * self.rule.dtype.size,
            state_dtype=dtype,
        )
        self._per_block = len(first)
        return [
            owner.add_variable(
                (column.shape[0], size),
                initializer=_Repeat(column),
                dtype=dtype,
                name=f"state_{block}_{index}",
            )
            for block, size in enumerate(sizes)
            for index, column in enumerate(first)
        ]

    def propose(self, indices, gradients, is_finite, state):
        """See base class."""
        given = dict(zip(indices, gradients, strict=True))
        blocks = [
            state[start : start + self._per_block]
            for start in range(0, len(state), self._per_block)
        ]
        proposals, measured = {}, []
        for run in self._runs:
            count = len(column_blocks.sizes(run.size))
            own, blocks = blocks[:count], blocks[count:]
            here = {i: given[i] for i in run.indices if i in given}
            some = {i: g for i, g in here.items() if self._is_sliced(i, g)}
            dense = {i: g for i, g in here.items() if i not in some}
            if dense:
                found, seen = self._all_columns(run, own, dense, is_finite)
                proposals |= found
                measured.append(seen)
            for index, slices in some.items():
                found, seen = self._rows(run, own, index, slices, is_finite)
                proposals[index] = found
                measured.append(seen)
        return [proposals[index] for index in indices], diagnostics.combine(
            measured
        )

    def _all_columns(self, run, blocks, given, is_finite):
        """Proposes for all columns of some of a run's variables."""
        arrange, dtype = self.rule.arrangement, self.rule.dtype
        columns = tf.concat(
            [
                # Variables without a gradient keep their state as it is.
                arrange.to_columns(tf.cast(given[index], dtype))
                if index in given
                else tf.zeros([arrange.rows, count], dtype)
                for index, count in zip(run.indices, run.counts, strict=True)
            ],
            axis=1,
        )
        active = is_finite
        if len(given) < len(run.indices):
            has_gradient = [
                tf.fill([count], index in given)
                for index, count in zip(run.indices, run.counts, strict=True)
            ]
            active = is_finite & tf.concat(has_gradient, axis=0)
        updates = column_blocks.update_blocks(
            self._update_block, columns, active, blocks
        )
        split = tf.split(updates, run.counts, axis=1)
        proposals = {
            index: rule_part.Proposal(
                arrange.from_columns(columns_of, self._shapes[index]), is_finite
            )
            for index, columns_of in zip(run.indices, split, strict=True)
            if index in given
        }
        return proposals, diagnostics.measure(columns, updates)

    def _rows(self, run, blocks, index, slices, is_finite):
        """Proposes for the rows of one variable that have a gradient."""
        arrange, shape = self.rule.arrangement, self._shapes[index]
        found = sliced_rows.distinct(slices, shape[0])
        values = tf.cast(found.values, self.rule.dtype)
        per_row = run.counts[run.indices.index(index)] // shape[0]
        offset = sum(run.counts[: run.indices.index(index)])
        positions = found.positions[:, tf.newaxis] * per_row
        positions += offset + tf.range(per_row)
        active = is_finite & found.used
        columns = arrange.to_columns(values)
        updates = column_blocks.update_some(
            self._update_block,
            columns,
            tf.repeat(active, per_row),
            tf.reshape(positions, [-1]),
            blocks,
        )
        proposal = rule_part.Proposal(
            arrange.from_columns(updates, [-1, *shape[1:]]),
            tf.reshape(active, [-1] + [1] * (len(shape) - 1)),
            found.positions,
        )
        return proposal, diagnostics.measure(columns, updates)

    def _is_sliced(self, index: int, gradient) -> bool:
        """Returns whether a gradient names rows that make whole columns."""
        if not isinstance(gradient, tf.IndexedSlices):
            return False
        row = (1, *self._shapes[index][1:])
        try:
            self.rule.arrangement.num_columns(row)
        except ValueError:
            return False
        return True


class _Run(NamedTuple):
    """Consecutive variables whose columns share blocks of state."""

    indices: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.counts)


def _make_runs(
    counts: Sequence[int], shapes: Sequence[tuple[int, ...]]
) -> list[_Run]:
    """Gives variables of many rows blocks of their own.

    Where such a variable's gradients name some rows, no block is updated.
    """
    runs = []
    keys = [
        index if len(shape) > 1 and shape[0] >= _MANY_ROWS else None
        for index, shape in enumerate(shapes)
    ]
    for _, group in itertools.groupby(range(len(counts)), keys.__getitem__):
        indices = tuple(group)
        runs.append(_Run(indices, tuple(counts[i] for i in indices)))
    return runs


class _Repeat(keras.initializers.Initializer):
    """Fills a matrix with copies of one column."""

    def __init__(self, column: tf.Tensor):
        self._column = column

    def __call__(self, shape, dtype=None):
        return tf.cast(tf.broadcast_to(self._column, shape), dtype)
