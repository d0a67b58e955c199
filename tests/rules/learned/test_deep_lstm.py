"""Tests of l2l_tf/rules/learned/deep_lstm.py."""

import math

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.rules.learned import deep_lstm


def _sonnet_twin(network: deep_lstm.DeepLSTM) -> snt.DeepRNN:
    """Sonnet's network with the same weights, for columns as a batch."""
    lstms = [snt.LSTM(units) for units in network.layers]
    linear = snt.Linear(network.weights[-1].shape[0])
    twin = snt.DeepRNN([*lstms, linear])
    inputs = network.weights[0].shape[1] - network.layers[0]
    twin(tf.zeros([1, inputs]), twin.initial_state(1))

    def in_sonnets_order(gates):
        i, f, o, g = np.split(gates, 4)
        return np.concatenate([i, f, g, o]).T

    for lstm, weights, bias in zip(
        lstms, network.weights, network.biases, strict=False
    ):
        size = lstm.input_to_hidden.shape[0]
        ordered = in_sonnets_order(weights.numpy())
        lstm.input_to_hidden.assign(ordered[:size])
        lstm.hidden_to_hidden.assign(ordered[size:])
        lstm.b.assign(in_sonnets_order(bias.numpy())[0])
    linear.w.assign(tf.transpose(network.weights[-1]))
    linear.b.assign(network.biases[-1][:, 0])
    return twin


@pytest.mark.parametrize("layers", [[5], [4, 6]])
def test_it_equals_sonnets_lstm(layers):
    network = deep_lstm.DeepLSTM(3, 2, layers, initializer=0.5)
    for bias in network.biases:
        bias.assign_add(tf.random.stateless_normal(bias.shape, [0, 1]))
    twin = _sonnet_twin(network)
    state, twin_state = network.initial_state(7), twin.initial_state(7)
    for step in range(5):
        features = tf.random.stateless_normal([3, 7], [1, step])
        outputs, state = network(features, state)
        expected, twin_state = twin(tf.transpose(features), twin_state)
        np.testing.assert_allclose(outputs, tf.transpose(expected), atol=2e-6)
    for ours, theirs in zip(state, tf.nest.flatten(twin_state), strict=True):
        np.testing.assert_allclose(ours, tf.transpose(theirs), atol=2e-6)


def test_without_layers_it_is_linear():
    network = deep_lstm.DeepLSTM(3, 2, [], initializer=1.0)
    network.biases[0].assign([[1.0], [-2.0]])
    features = tf.random.stateless_normal([3, 7], [1, 2])
    outputs, state = network(features, network.initial_state(7))
    expected = network.weights[0].numpy() @ features.numpy() + [[1.0], [-2.0]]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    assert state == []


def test_the_papers_network_has_5141_weights():
    network = deep_lstm.DeepLSTM(2, 1, [20, 20])
    sizes = [v.shape.num_elements() for v in network.trainable_variables]
    assert sum(sizes) == 5_141


def test_default_weights_are_a_truncated_gaussian_of_the_fan_in():
    network = deep_lstm.DeepLSTM(100, 100, [300])
    for weights in network.weights:
        scaled = weights.numpy() * math.sqrt(weights.shape[1])
        assert abs(scaled.mean()) < 0.02
        # 0.8796: the deviation of a Gaussian that is cut at two deviations.
        assert scaled.std() == pytest.approx(0.8796, rel=0.02)
        assert 1.9 < np.abs(scaled).max() <= 2.0


def test_a_number_is_the_deviation_of_all_weights():
    network = deep_lstm.DeepLSTM(100, 100, [100], initializer=0.03)
    for weights in network.weights:
        assert abs(weights.numpy().mean()) < 1e-3
        assert weights.numpy().std() == pytest.approx(0.03, rel=0.03)
        assert np.abs(weights).max() > 0.09  # Not cut.


def test_zeros():
    for weights in deep_lstm.DeepLSTM(3, 2, [4], initializer="zeros").weights:
        np.testing.assert_array_equal(weights, tf.zeros_like(weights))


@pytest.mark.parametrize("initializer", ["default", "zeros", 0.5])
def test_only_the_forget_gates_bias_starts_at_one(initializer):
    network = deep_lstm.DeepLSTM(3, 2, [2], initializer)
    lstm, linear = network.biases
    np.testing.assert_array_equal(lstm[:, 0], [0, 0, 1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(linear[:, 0], [0, 0])


def test_draws_depend_on_the_seed_and_the_layer():
    def draw(seed):
        weights = deep_lstm.DeepLSTM(8, 1, [8, 8], seed=seed).weights
        return [w.numpy() for w in weights]

    first, again, other = draw(1), draw(1), draw(2)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.any(first[0] == other[0])
    assert not np.any(first[0] == first[1])


@pytest.mark.parametrize("initializer", ["nope", -1.0, math.nan, None])
def test_unknown_initializers_are_refused(initializer):
    with pytest.raises(ValueError, match="initializer.*'default', 'zeros'"):
        deep_lstm.DeepLSTM(3, 2, [4], initializer)


@pytest.mark.parametrize("layers", [[], [4, 3]])
def test_its_gradient_comes_in_the_order_of_its_variables(layers):
    network = deep_lstm.DeepLSTM(3, 2, layers, 0.5, dtype=tf.float64)
    draw = lambda shape, seed: tf.random.stateless_normal(  # noqa: E731
        shape, [seed, 5], dtype=tf.float64
    )
    features, cotangents = draw([4, 3, 7], 0), draw([4, 2, 7], 1)
    first = state = network.initial_state(7)
    with tf.GradientTape() as tape:
        total = 0.0
        for step in range(4):
            outputs, state = network(features[step], state)
            total += tf.reduce_sum(outputs * cotangents[step])
    expected = tape.gradient(total, network.trainable_variables)
    actual = network.weights_gradient(features, first, cotangents)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
