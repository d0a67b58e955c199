"""Tests of l2l_tf/rules/replaying.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules import replaying


class _Rule(base.UpdateRule):
    """Counts steps, averages gradients, and mixes both parameters."""

    def __init__(self):
        super().__init__()
        self.rate = tf.Variable(0.3, dtype=tf.float64)
        self.decay = tf.Variable(0.8, dtype=tf.float64)
        self.unused = tf.Variable([1.0, 2.0], dtype=tf.float64)

    def initial_state(self, params):
        return {
            "step": tf.constant(0),
            "means": [tf.zeros_like(param) for param in params],
        }

    def __call__(self, gradients, state):
        step = state["step"] + 1
        means = [
            tf.tanh(self.decay * m + g)
            for m, g in zip(state["means"], gradients, strict=True)
        ]
        norm = tf.linalg.global_norm(means) / tf.cast(step, tf.float64)
        updates = [-self.rate * norm * mean for mean in means]
        return updates, {"step": step, "means": means}

    def config(self):
        return {}


def _sequence(kind):
    return [
        tf.random.stateless_normal([6, *shape], [index, kind], dtype=tf.float64)
        for index, shape in enumerate([[3, 2], [4]])
    ]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_equals_automatic_differentiation_of_the_loop(jit_compile):
    rule = _Rule()
    gradients, cotangents = _sequence(0), _sequence(1)
    _, state = rule(
        [g[0] for g in gradients],
        rule.initial_state([g[0] for g in gradients]),
    )

    def run(replay):
        return tf.function(
            lambda: replay(
                rule, rule.trainable_variables, gradients, state, cotangents
            ),
            jit_compile=jit_compile,
        )()

    expected = run(base.replay_steps)
    assert sum(np.any(tensor != 0) for tensor in expected) == 2
    for a, b in zip(expected, run(replaying.replay_steps), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
