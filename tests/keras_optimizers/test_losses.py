"""Tests of l2l_tf/keras_optimizers/losses.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import losses


def _follow(values):
    record = tf.zeros([3])
    for value in values:
        record = losses.follow(record, tf.constant(value, tf.float32))
    return record.numpy()


def test_running_mean_begins_as_the_plain_one():
    values = np.random.RandomState(0).rand(30)
    np.testing.assert_allclose(
        _follow(values[:7]), [values[0], values[:7].mean(), 7], rtol=1e-5
    )
    expected = values[:10].mean()
    for value in values[10:]:
        expected += 0.1 * (value - expected)
    np.testing.assert_allclose(
        _follow(values), [values[0], expected, 30], rtol=1e-5
    )


@pytest.mark.parametrize(
    "values, warns",
    [
        ([], False),
        ([2.0] * 30, False),
        ([2.0] + [20.0] * 100, False),
        ([2.0] + [30.0] * 100, True),
        ([-1.0] + [8.0] * 100, False),
        ([-1.0] + [10.0] * 100, True),
        ([2.0, 1e6] + [1.0] * 200, False),
        ([2.0, np.nan, 1.0], True),
        ([2.0, 1.0, np.inf], True),
    ],
)
def test_losses_that_explode(values, warns):
    assert (losses.warning(_follow(values)) is not None) == warns


def test_wrappers_pass_losses_on_once():
    class Noting(keras.optimizers.SGD):
        def take_note(self, loss):
            noted.append(float(loss))

    noted = []
    losses.pass_on()
    losses.pass_on()
    scaled = keras.optimizers.LossScaleOptimizer(Noting(), initial_scale=4.0)
    assert float(scaled.scale_loss(tf.constant(2.0))) == 8.0
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(Noting(), {"a": keras.optimizers.SGD()})
    )
    assert float(several.scale_loss(tf.constant(3.0))) == 3.0
    assert noted == [2.0, 3.0]
