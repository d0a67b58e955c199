"""Tests of l2l_tf/keras_optimizers/sliced_rows.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import sliced_rows


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "positions, num_rows",
    [([3, 1, 3, 0, 3], 50), ([2, 2], 50), ([0], 1), ([0, 1, 0, 1, 1], 2)],
)
def test_adds_up_the_slices_of_each_row(positions, num_rows, jit_compile):
    values = np.random.RandomState(0).randn(len(positions), 2).astype("float32")
    found = tf.function(
        lambda: sliced_rows.distinct(
            tf.IndexedSlices(
                values, tf.constant(positions, tf.int64), [num_rows, 2]
            ),
            num_rows,
        ),
        jit_compile=jit_compile,
    )()
    assert len(found.used) == min(len(positions), num_rows)
    expected = np.zeros([num_rows, 2])
    np.add.at(expected, positions, values)
    dense = np.zeros([num_rows, 2])
    rows = found.positions.numpy()[found.used]
    assert sorted(rows) == sorted(set(positions))
    dense[rows] = found.values.numpy()[found.used]
    np.testing.assert_allclose(dense, expected, rtol=1e-6)
    assert not np.any(found.values.numpy()[~found.used.numpy()])
    assert not np.any(found.positions.numpy()[~found.used.numpy()])


def test_no_slices_are_no_rows():
    found = sliced_rows.distinct(
        tf.IndexedSlices(tf.zeros([0, 2]), tf.zeros([0], tf.int32), [9, 2]), 9
    )
    assert not np.any(found.used)
