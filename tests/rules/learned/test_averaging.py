"""Tests of l2l_tf/rules/learned/averaging.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import averaging


def _hidden(cells=5, columns=6):
    return tf.random.stateless_normal(
        [cells, columns], [1, 2], dtype=tf.float64
    )


def test_each_function_has_averages_of_its_own():
    hidden = _hidden()
    own, averages = averaging.pack(hidden, 2, num_functions=3)
    np.testing.assert_array_equal(own, hidden[:3])
    assert averages.shape == [2, 3]
    mixed = averaging.mix(hidden, 2, num_functions=3)
    for cell in range(2):
        for function in range(3):
            columns = hidden[3 + cell, 2 * function : 2 * function + 2]
            mean = np.mean(columns)
            np.testing.assert_allclose(averages[cell, function], mean)
            mixed_columns = mixed[3 + cell, 2 * function : 2 * function + 2]
            np.testing.assert_allclose(mixed_columns, [mean, mean])
    np.testing.assert_array_equal(mixed[:3], hidden[:3])


def test_without_averaging_cells_nothing_changes():
    hidden = _hidden()
    [own] = averaging.pack(hidden, 0, num_functions=1)
    np.testing.assert_array_equal(averaging.unpack([own]), hidden)


@pytest.mark.parametrize("count", [2, 5])
def test_mixing_is_its_own_transpose(count):
    hidden, other = _hidden(), tf.square(_hidden())
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        mixed = averaging.mix(hidden, count, num_functions=2)
    back = tape.gradient(mixed, hidden, output_gradients=other)
    np.testing.assert_allclose(
        back, averaging.mix(other, count, num_functions=2), rtol=1e-12
    )


def test_sizes_may_be_unknown_while_tracing():
    @tf.function(
        input_signature=[
            tf.TensorSpec([5, None], tf.float64),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def mix(hidden, num_functions):
        return averaging.mix(hidden, 2, num_functions)

    np.testing.assert_array_equal(
        mix(_hidden(), 3), averaging.mix(_hidden(), 2, 3)
    )


def test_cells_are_a_number_or_one_for_each_layer():
    assert averaging.check_cells("cells", 5, [20, 10]) == (5, 5)
    assert averaging.check_cells("cells", [0, 10], [20, 10]) == (0, 10)
    assert averaging.check_cells("cells", 3, []) == ()
    for refused in (11, [1], [1, 2, 3], -1, 0.5, "5", [1, None]):
        with pytest.raises(ValueError, match="cells must be"):
            averaging.check_cells("cells", refused, [20, 10])
