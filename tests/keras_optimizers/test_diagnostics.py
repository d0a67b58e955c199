"""Tests of l2l_tf/keras_optimizers/diagnostics.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.keras_optimizers import diagnostics


def test_norms_cosine_and_count():
    gradients = np.array([[3.0, -4.0]], "float32")
    updates = np.array([[-3.0, 0.0]], "float32")
    numbers = diagnostics.after(
        tf.constant([9.0, 9.0, 9.0, 2.0]),
        diagnostics.measure(gradients, updates),
        tf.constant(True),
    )
    np.testing.assert_allclose(numbers, [3, 5, -9 / 15, 2], rtol=1e-6)
    numbers = diagnostics.after(
        numbers,
        diagnostics.measure(gradients, 0 * updates),
        tf.constant(False),
    )
    np.testing.assert_allclose(numbers, [0, 5, 0, 3], rtol=1e-6)
    assert len(numbers) == len(diagnostics.NAMES)


def test_numbers_of_parts_combine_to_those_of_the_whole():
    random = np.random.RandomState(0).randn(2, 9).astype("float32")
    gradients, updates = random
    whole = diagnostics.measure(gradients, updates)
    parts = [slice(0, 2), slice(2, 3), slice(3, 9)]
    combined = diagnostics.combine(
        [diagnostics.measure(gradients[p], updates[p]) for p in parts]
    )
    np.testing.assert_allclose(combined, whole, rtol=1e-5)
    np.testing.assert_allclose(
        diagnostics.combine([0 * whole, 0 * whole]), np.zeros(3)
    )
