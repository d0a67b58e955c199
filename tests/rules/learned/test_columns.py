"""Tests of l2l_tf/rules/learned/columns.py."""

import re

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import columns

_ARRANGEMENTS = {
    "coordinatewise": (columns.Coordinates(), [(), (1,), (4,), (2, 3, 4)]),
    "kernelwise": (columns.Kernels([2, 3]), [(2, 3, 1, 1), (2, 3, 4, 5)]),
    "vectorwise": (columns.Vectors(4), [(4,), (3, 4), (2, 3, 4)]),
    "vectorwise_1": (columns.Vectors(1), [(), (1,), (3, 1)]),
}


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Different numbers, so that any exchange shows."""
    return np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_columns_come_back_as_they_went(name):
    arrangement, shapes = _ARRANGEMENTS[name]
    for shape in shapes:
        tensor = tf.constant(_numbers(shape))
        matrix = arrangement.to_columns(tensor)
        num_columns = arrangement.num_columns(tensor.shape)
        assert matrix.shape == (arrangement.rows, num_columns)
        np.testing.assert_array_equal(
            arrangement.from_columns(matrix, tensor.shape), tensor
        )


def test_a_column_is_a_kernel():
    tensor = _numbers((2, 3, 4, 5))
    matrix = columns.Kernels([2, 3]).to_columns(tf.constant(tensor)).numpy()
    kernels = {tuple(tensor[:, :, i, o].flat) for i, o in np.ndindex(4, 5)}
    assert set(map(tuple, matrix.T)) == kernels


def test_a_column_is_a_vector_along_the_last_axis():
    tensor = _numbers((2, 3, 4))
    matrix = columns.Vectors(4).to_columns(tf.constant(tensor)).numpy()
    vectors = {tuple(tensor[i, j]) for i, j in np.ndindex(2, 3)}
    assert set(map(tuple, matrix.T)) == vectors


@pytest.mark.parametrize(
    ("arrangement", "shape"),
    [
        (columns.Kernels([2, 3]), ()),
        (columns.Kernels([2, 3]), (2, 3)),
        (columns.Kernels([2, 3]), (3, 2, 4, 5)),
        (columns.Kernels([2, 3]), (4, 5, 2, 3)),
        (columns.Vectors(4), (1,)),
        (columns.Vectors(4), (4, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arrangement, shape):
    received = re.escape(f"; received one of shape {shape}")
    with pytest.raises(ValueError, match=f"{arrangement.name}.*{received}"):
        arrangement.num_columns(shape)


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_configurations_rebuild_arrangements(name):
    arrangement, _ = _ARRANGEMENTS[name]
    again = columns.make_arrangement(arrangement.config())
    assert type(again) is type(arrangement)
    assert again.config() == arrangement.config()
    assert again.rows == arrangement.rows


class _RunningSum(columns.ColumnwiseRule):
    """Updates by the sum of all gradients so far."""

    def initial_columns(self, num_columns):
        return tf.zeros([self.arrangement.rows, num_columns], self.dtype)

    def update_columns(self, gradients, state):
        return gradients + state, gradients + state

    def config(self):
        return {}


def test_a_columnwise_rule_gives_every_parameter_its_own_columns():
    rule = _RunningSum(columns.Vectors(4), "float64")
    shapes = [(3, 4), (4,), (2, 1, 4)]
    state = rule.initial_state([tf.zeros(shape) for shape in shapes])
    totals = [np.zeros(shape, "float32") for shape in shapes]
    for step in range(3):
        gradients = [_numbers(shape) * 10**step for shape in shapes]
        updates, state = rule([tf.constant(g) for g in gradients], state)
        totals = [t + g for t, g in zip(totals, gradients, strict=True)]
        for update, total in zip(updates, totals, strict=True):
            np.testing.assert_array_equal(update, total)
            assert update.dtype == tf.float32  # The gradient's.
    assert state.dtype == tf.float64  # The rule's.
