"""Tests of l2l_tf/problems/networks.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import networks


@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
def test_an_mlp_is_linear_layers_with_activations_between(activation):
    network = networks.mlp([5, 4], 3, activation)()
    inputs = tf.random.stateless_normal([7, 2, 6], [1, 2])
    outputs = network(inputs)
    hidden = tf.reshape(inputs, [7, 12])
    for layer in range(3):
        bias, weights = network.trainable_variables[2 * layer : 2 * layer + 2]
        hidden = hidden @ weights + bias
        if layer < 2:
            hidden = networks.ACTIVATIONS[activation](hidden)
    assert outputs.shape == (7, 3)
    np.testing.assert_allclose(outputs, hidden, rtol=1e-5)


def test_every_call_makes_a_new_network():
    make = networks.mlp([], 3)
    first, second = make(), make()
    first(tf.zeros([1, 2]))
    second(tf.zeros([1, 2]))
    assert first.variables[0] is not second.variables[0]


@pytest.mark.parametrize(
    ("hidden_layers", "activation", "message"),
    [
        ([0], "relu", r"hidden_layers.*\[0\]"),
        (3, "relu", "hidden_layers.*3"),
        ([3], "nope", "'relu'.*'nope'"),
    ],
)
def test_what_makes_no_sense_is_refused(hidden_layers, activation, message):
    with pytest.raises(ValueError, match=message):
        networks.mlp(hidden_layers, 3, activation)
