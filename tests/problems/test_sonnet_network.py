"""Tests of l2l_tf/problems/sonnet_network.py."""

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.problems import sonnet_network

INPUTS = np.arange(6, dtype="float32").reshape([3, 2])


class _Normalised(snt.Module):
    """A moving average of the inputs' mean, and what is above it."""

    def __init__(self):
        super().__init__()
        self._linear = snt.Linear(1)
        self._mean = tf.Variable(tf.zeros([2]), trainable=False)

    def __call__(self, inputs, is_training):
        if is_training:
            mean = tf.reduce_mean(inputs, axis=0)
            self._mean.assign(0.5 * self._mean + 0.5 * mean)
        return self._linear(inputs - self._mean)


def test_state_is_returned_and_not_kept():
    network = sonnet_network.Network(_Normalised, INPUTS)
    assert [name.split("/")[-1] for name in network.parameter_names()] == [
        "b",
        "w",
    ]
    params = [tf.constant([1.0]), tf.constant([[1.0], [10.0]])]
    for start in ([0.0, 0.0], [2.0, 2.0]):
        outputs, [mean] = network.apply(params, [tf.constant(start)], INPUTS)
        expected = 0.5 * np.array(start) + 0.5 * INPUTS.mean(axis=0)
        np.testing.assert_allclose(mean, expected)
        values = 1 + (INPUTS - expected) @ [[1.0], [10.0]]
        np.testing.assert_allclose(outputs, values, rtol=1e-6)


def test_a_module_without_parameters_is_refused():
    with pytest.raises(ValueError, match="no trainable variables"):
        sonnet_network.Network(lambda: snt.Sequential([tf.nn.relu]), INPUTS)
