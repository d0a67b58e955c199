"""Tests of l2l_tf/rules/gradients.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.rules import gradients


def test_gradients_are_ordered_and_summed_and_zero_where_there_is_none():
    a, b, c = (tf.Variable([value, value]) for value in (1.0, 2.0, 3.0))
    found = [
        (b, tf.constant([1.0, 2.0])),
        (a, tf.constant([3.0, 4.0])),
        (b, tf.constant([10.0, 20.0])),
    ]
    ordered = gradients.in_order([a, c, b], found)
    np.testing.assert_array_equal(ordered, [[3, 4], [0, 0], [11, 22]])
