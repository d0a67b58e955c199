"""Tests of l2l_tf/meta_gradients/meta_loss.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_gradients import meta_loss

_SEED = tf.constant([1, 2])


def test_step_weights():
    for step_weights, expected in [
        ("constant", [1, 1, 1, 1]),
        ("rising", [0.2, 0.2 + 1.6 / 3, 0.2 + 3.2 / 3, 1.8]),
        ("last", [0, 0, 0, 1]),
        ([0, 0.5, 2, 0], [0, 0.5, 2, 0]),
        ((1, 2, 3, 4), [1, 2, 3, 4]),
    ]:
        tensor = meta_loss.step_weights(step_weights, 3)
        np.testing.assert_allclose(tensor, expected, rtol=1e-6)
        assert tensor.dtype == tf.float32


@pytest.mark.parametrize(
    "step_weights",
    [
        "first",
        [],
        [1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0, -0.1],
        [0.0] * 4,
        [1.0, 1.0, 1.0, float("nan")],
        [1.0, 1.0, 1.0, float("inf")],
    ],
    ids=str,
)
def test_other_step_weights_are_refused(step_weights):
    with pytest.raises(ValueError, match="Step weights.*'last' or 4 numbers"):
        meta_loss.step_weights(step_weights, 3)


@pytest.mark.parametrize("functions", [(), (5,), (2, 3)])
def test_the_meta_loss_is_the_weighted_sum_of_means(functions):
    losses = tf.random.stateless_normal([3, *functions], _SEED)
    step_weights = [0.5, 0.0, 2.0]
    expected = sum(
        weight * np.mean(step)
        for weight, step in zip(step_weights, losses, strict=True)
    )
    np.testing.assert_allclose(
        meta_loss.meta_loss(losses, tf.constant(step_weights)),
        expected,
        rtol=1e-5,
    )
