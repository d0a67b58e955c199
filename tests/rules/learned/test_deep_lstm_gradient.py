"""Tests of l2l_tf/rules/learned/deep_lstm_gradient.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import deep_lstm
from l2l_tf.rules.learned import deep_lstm_gradient


def _draw(shape, index, dtype):
    return tf.random.stateless_normal(shape, [index, 3], dtype=dtype)


def _by_autodiff(network, features, state, cotangents):
    variables = [*network.weights, *network.biases]
    with tf.GradientTape() as tape:
        total = 0.0
        for inputs, cotangent in zip(features, cotangents, strict=True):
            outputs, state = network(inputs, state)
            total += tf.reduce_sum(outputs * cotangent)
    gradients = tape.gradient(
        total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return gradients[: len(network.weights)], gradients[len(network.weights) :]


def _by_hand(network, features, state, cotangents, jit_compile):
    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(weights, biases, features, state, cotangents):
        return deep_lstm_gradient.weights_gradient(
            weights, biases, features, state, cotangents
        )

    return run(
        [tf.identity(w) for w in network.weights],
        [tf.identity(b) for b in network.biases],
        features,
        state,
        cotangents,
    )


def _sequence(layers, steps, input_size, output_size, columns, dtype):
    network = deep_lstm.DeepLSTM(
        input_size, output_size, layers, initializer=0.7, dtype=dtype
    )
    for index, bias in enumerate(network.biases):
        bias.assign_add(_draw(bias.shape, 50 + index, dtype))
    return (
        network,
        _draw([steps, input_size, columns], 0, dtype),
        [
            _draw(tensor.shape, 10 + index, dtype)
            for index, tensor in enumerate(network.initial_state(columns))
        ],
        _draw([steps, output_size, columns], 1, dtype),
    )


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "layers, steps, input_size, output_size, columns",
    [
        ([20, 20], 20, 2, 1, 5),
        ([3], 1, 1, 1, 1),
        ([4, 2, 3], 6, 5, 3, 7),
        ([], 4, 3, 2, 5),
    ],
)
def test_equals_automatic_differentiation(
    layers, steps, input_size, output_size, columns, jit_compile
):
    sequence = _sequence(
        layers, steps, input_size, output_size, columns, tf.float64
    )
    for expected, actual in zip(
        _by_autodiff(*sequence), _by_hand(*sequence, jit_compile), strict=True
    ):
        for a, b in zip(expected, actual, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
            assert a.shape == b.shape


@pytest.mark.parametrize("bias", [0.0, -6.0, -12.0, 12.0])
def test_single_precision_loses_little(bias):
    sequence = _sequence([20, 20], 20, 2, 1, 9, tf.float32)
    for variable in sequence[0].biases[:-1]:
        # Input gates that are nearly shut, or wide open.
        shift = tf.concat([tf.fill([20, 1], bias), tf.zeros([60, 1])], 0)
        variable.assign_add(shift)
    for a, b in zip(
        tf.nest.flatten(_by_autodiff(*sequence)),
        tf.nest.flatten(_by_hand(*sequence, True)),
        strict=True,
    ):
        assert b.dtype == tf.float32
        assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(a)


def test_columns_without_cotangents_count_for_nothing():
    network, features, state, cotangents = _sequence(
        [3], 5, 2, 1, 6, tf.float64
    )
    cotangents *= tf.constant([1.0, 1, 1, 1, 0, 0], tf.float64)
    whole = _by_hand(network, features, state, cotangents, False)
    few = _by_hand(
        network,
        features[..., :4],
        [tensor[:, :4] for tensor in state],
        cotangents[..., :4],
        False,
    )
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), whole, few
    )
