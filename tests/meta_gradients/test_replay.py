"""Tests of l2l_tf/meta_gradients/replay.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.meta_gradients import replay
from l2l_tf.rules.learned import deep_lstm_rules as learned

_STEPS = 5
_WEIGHTS = tf.constant([0.3, 1.7, 0.0, 0.9, 2.1, 0.4])


def _gradients(shape, index=0):
    return tf.random.stateless_normal(
        [_STEPS + 1, *shape], [index, 0], dtype=tf.float64
    )


def _later(gradient, step):
    return sum(
        float(_WEIGHTS[s]) * gradient[s].numpy()
        for s in range(step + 1, _STEPS + 1)
    )


def test_cotangents_are_sums_of_later_gradients():
    for shape in [3, 2], []:
        gradient = _gradients(shape)
        actual = replay.cotangents(gradient, _WEIGHTS)
        expected = [_later(gradient, step) for step in range(_STEPS)]
        np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_the_rule_is_differentiated_over_what_was_recorded():
    rule = learned.CoordinatewiseDeepLSTM(
        layers=[3], initializer=0.5, dtype="float64"
    )
    gradients = [_gradients([7, 3]), _gradients([], 1)]
    state = first = rule.initial_state([g[0] for g in gradients])
    with tf.GradientTape() as tape:
        total = 0.0
        for step in range(_STEPS):
            updates, state = rule([g[step] for g in gradients], state)
            for update, gradient in zip(updates, gradients, strict=True):
                total += tf.reduce_sum(update * _later(gradient, step))
    expected = tape.gradient(total, rule.trainable_variables)
    actual = tf.function(
        lambda: replay.weights_gradient(rule, gradients, first, _WEIGHTS)
    )()
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
