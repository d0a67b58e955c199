"""Tests of l2l_tf/rules/learned/lstm.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.rules.learned import lstm


def test_the_gradient_of_a_step_equals_automatic_differentiation():
    draw = lambda shape, index: tf.random.stateless_normal(  # noqa: E731
        shape, [index, 3], dtype=tf.float64
    )
    weights, bias = draw([12, 5], 0), draw([12, 1], 1)
    inputs, hidden, cell = draw([2, 4], 2), draw([3, 4], 3), draw([3, 4], 4)
    hidden_gradient, cell_gradient = draw([3, 4], 5), draw([3, 4], 6)
    sources = [weights, bias, inputs, hidden, cell]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        next_hidden, next_cell = lstm.step(inputs, hidden, cell, weights, bias)
        total = tf.reduce_sum(next_hidden * hidden_gradient)
        total += tf.reduce_sum(next_cell * cell_gradient)
    dw, db, *expected = tape.gradient(total, sources)
    actual = lstm.step_gradient(
        tf.concat([weights, bias], 1),
        inputs,
        hidden,
        cell,
        next_cell,
        hidden_gradient,
        cell_gradient,
    )
    for a, b in zip([tf.concat([dw, db], 1), *expected], actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
