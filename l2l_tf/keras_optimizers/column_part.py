"""A rule that treats columns alike, at work on a model's variables."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.keras_optimizers import column_rows
from l2l_tf.keras_optimizers import column_runs
from l2l_tf.keras_optimizers import diagnostics
from l2l_tf.keras_optimizers import memory
from l2l_tf.keras_optimizers import rule_part
from l2l_tf.keras_optimizers import sliced_rows


class ColumnPart(rule_part.RulePart):
    """Updates all columns of all variables in one call, in blocks.

    A gradient that comes as slices, such as an embedding's, updates the rows
    that it names; parameters and state of the others stay. Where a variable
    has many rows, the others are not even read.

    Attributes:
        update: What updates a block.
    """

    def make_state(self, owner, variables) -> list[keras.Variable]:
        """See base class.

        Raises:
            ValueError: If a variable's shape does not fit the rule, or the
                state does not fit into memory.
        """
        # XLA reads no variable of another device, as replicas would.
        is_one = tf.distribute.get_strategy().num_replicas_in_sync == 1
        self.update = column_blocks.make_update(
            self.rule, self.options.jit_compile and is_one
        )
        arrange = self.rule.arrangement
        counts = [arrange.num_columns(shape) for shape in self._shapes]
        self._runs = column_runs.make_runs(counts, self._shapes)
        # A column's first state is the same for all columns.
        with tf.init_scope():
            first = [
                tf.convert_to_tensor(t) for t in self.rule.initial_columns(1)
            ]
        dtype = self.options.state_dtype or self.rule.dtype.name
        self._check_memory(first, dtype)
        state = []
        for run in self._runs:
            start = len(state)
            for size in run.sizes:
                state += [
                    owner.add_variable(
                        run.shape(column.shape[0], size),
                        initializer=_Repeat(column, run.has_rows),
                        dtype=dtype,
                        name=f"state_{len(state) + index}",
                    )
                    for index, column in enumerate(first)
                ]
            run.state = (start, len(state))
        return state

    def propose(self, indices, gradients, is_finite, state):
        """See base class."""
        given = dict(zip(indices, gradients, strict=True))
        proposals, measured = {}, []
        for run in self._runs:
            here = {i: given[i] for i in run.indices if i in given}
            if not here:
                continue
            own = state[slice(*run.state)]
            is_few = run.has_rows and self._is_sliced(*next(iter(here.items())))
            propose = self._some_rows if is_few else self._all_columns
            found, seen = propose(run, own, here, is_finite)
            proposals |= found
            measured.append(seen)
        return [proposals[index] for index in indices], diagnostics.combine(
            measured
        )

    def _check_memory(self, first: Sequence[tf.Tensor], dtype: str) -> None:
        """Refuses a state that does not fit, given that of one column."""
        numbers = sum(column.shape[0] for column in first)
        columns = sum(run.size for run in self._runs)
        largest = max((max(run.sizes) for run in self._runs), default=0)
        memory.check(
            num_parameters=self.rule.arrangement.rows * columns,
            state_bytes=numbers * columns * tf.as_dtype(dtype).size,
            # Old state, new state and gates, in the rule's own type.
            block_bytes=3
            * numbers
            * min(largest, column_blocks.BLOCK)
            * self.rule.dtype.size,
            state_dtype=dtype,
        )

    def _all_columns(self, run, state, given, is_finite):
        """Proposes for all columns of a run, of which some may be idle."""
        arrange, dtype = self.rule.arrangement, self.rule.dtype
        pieces, masks, is_whole = [], [], True
        for index, count in zip(run.indices, run.counts, strict=True):
            gradient = given.get(index)
            if gradient is None:
                # Variables without a gradient keep their state as it is.
                piece = tf.zeros([arrange.rows, count], dtype)
                mask, is_whole = tf.constant(False), False
            else:
                dense = tf.cast(tf.convert_to_tensor(gradient), dtype)
                piece, mask = arrange.to_columns(dense), is_finite
                if self._is_sliced(index, gradient):
                    rows = self._shapes[index][0]
                    mask &= column_runs.named_rows(gradient, rows)
                    is_whole = False
            pieces.append(piece)
            masks.append(mask)
        spread = map(column_runs.spread, masks, run.counts)
        active = is_finite if is_whole else tf.concat(list(spread), axis=0)
        columns = tf.concat(pieces, axis=1)
        updates = run.update(self.update, columns, active, state)
        split = tf.split(updates, run.counts, axis=1)
        proposals = {
            index: rule_part.Proposal(
                arrange.from_columns(part, self._shapes[index]),
                _as_rows(mask, self._shapes[index]),
            )
            for index, part, mask in zip(run.indices, split, masks, strict=True)
            if index in given
        }
        return proposals, diagnostics.measure(columns, updates)

    def _some_rows(self, run, state, given, is_finite):
        """Proposes for the rows of one variable that have a gradient."""
        [(index, slices)] = given.items()
        arrange, shape = self.rule.arrangement, self._shapes[index]
        found = sliced_rows.distinct(slices, shape[0])
        values = tf.cast(found.values, self.rule.dtype)
        per_row = run.size // shape[0]
        positions = found.positions[:, tf.newaxis] * per_row + tf.range(per_row)
        active = is_finite & found.used
        columns = arrange.to_columns(values)
        updates = column_rows.update_some(
            self.update,
            columns,
            tf.repeat(active, per_row),
            tf.reshape(positions, [-1]),
            state,
        )
        proposal = rule_part.Proposal(
            arrange.from_columns(updates, [-1, *shape[1:]]),
            _as_rows(active, shape),
            found.positions,
        )
        return {index: proposal}, diagnostics.measure(columns, updates)

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


def _as_rows(active: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Returns bools for rows so that they broadcast with a variable."""
    if active.shape.rank == 0:
        return active
    return tf.reshape(active, [-1] + [1] * (len(shape) - 1))


class _Repeat(keras.initializers.Initializer):
    """Fills a matrix with copies of one column, or of one row."""

    def __init__(self, column: tf.Tensor, is_row: bool):
        self._column = tf.transpose(column) if is_row else column

    def __call__(self, shape, dtype=None):
        return tf.cast(tf.broadcast_to(self._column, shape), dtype)
