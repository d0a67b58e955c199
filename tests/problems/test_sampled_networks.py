"""Tests of l2l_tf/problems/sampled_networks.py, against Keras's layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import sampled_networks as networks

_SEED = tf.constant([3, 4])


def _values(layer):
    """Returns random values for the parameters of a layer."""
    return [
        tf.random.stateless_normal(p.shape, [index, 7]) * 0.5
        for index, p in enumerate(layer.parameters)
    ]


def _inputs(*shape):
    return tf.random.stateless_normal(shape, [1, 1])


def _keras(layers, shape, values):
    model = keras.Sequential([keras.Input(shape), *layers])
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    return model


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("index", range(len(networks.ACTIVATIONS)))
def test_mlp_is_that_of_keras(norm, index):
    layer = networks.mlp(3, [4], 2, norm)
    values, inputs = _values(layer), _inputs(5, 3)
    normalise = {
        "none": [],
        "layer": [keras.layers.LayerNormalization(epsilon=1e-3)],
        "batch": [keras.layers.BatchNormalization(epsilon=1e-3)],
    }[norm]
    activation = networks.ACTIVATIONS[index]
    model = _keras(
        [
            keras.layers.Dense(4),
            *normalise,
            keras.layers.Activation(activation),
            keras.layers.Dense(2),
        ],
        [3],
        values,
    )
    ours = layer.apply(values, inputs, networks.activation(tf.constant(index)))
    expected = model(inputs, training=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_convnet_is_that_of_keras():
    layer = networks.convnet((5, 5, 2), [3, 4], 2, "none")
    values, inputs = _values(layer), _inputs(2, 5, 5, 2)
    model = _keras(
        [
            keras.layers.Conv2D(3, 3, 2, "same", activation="tanh"),
            keras.layers.Conv2D(4, 3, 2, "same", activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ],
        [5, 5, 2],
        values,
    )
    ours = layer.apply(values, inputs, tf.tanh)
    np.testing.assert_allclose(ours, model(inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", networks.CELLS)
def test_recurrent_layer_is_that_of_keras(cell):
    layer = networks.recurrent(3, 4, 2, cell)
    values, inputs = _values(layer), _inputs(2, 6, 3)
    make = {
        "simple": keras.layers.SimpleRNN,
        "gru": lambda units: keras.layers.GRU(units, reset_after=True),
        "lstm": keras.layers.LSTM,
    }[cell]
    kernel, recurrent, bias, *rest = values
    keras_bias = bias
    if cell == "gru":
        # Keras has a second bias, of the recurrent part.
        keras_bias = tf.stack([bias, tf.zeros_like(bias)])
    if cell == "lstm":
        # Ours is added to one in the forget gate.
        keras_bias = bias + tf.repeat([0.0, 1.0, 0.0, 0.0], 4)
    model = _keras(
        [make(4), keras.layers.Dense(2)],
        [6, 3],
        [kernel, recurrent, keras_bias, *rest],
    )
    ours = layer.apply(values, inputs, tf.tanh)
    np.testing.assert_allclose(ours, model(inputs), rtol=1e-4, atol=1e-5)


def test_images_are_read_by_rows():
    layer = networks.recurrent(6, 4, 2, "gru")
    values, images = _values(layer), _inputs(2, 5, 3, 2)
    rows = tf.reshape(images, [2, 5, 6])
    np.testing.assert_array_equal(
        layer.apply(values, images, tf.tanh),
        layer.apply(values, rows, tf.tanh),
    )


def test_half_of_the_starts_are_those_of_keras():
    parameters = networks.mlp(20, [30], 5, "layer").parameters
    limit = np.sqrt(6.0 / 50.0)
    num_glorot, stds = 0, []
    for index in range(40):
        seed = randomness.fold_in(_SEED, index)
        kernel, bias, scale, offset, *_ = networks.draw_start(parameters, seed)
        np.testing.assert_array_equal(bias, np.zeros(30))
        np.testing.assert_array_equal(scale, np.ones(30))
        np.testing.assert_array_equal(offset, np.zeros(30))
        if np.abs(kernel).max() <= limit and np.std(kernel) == pytest.approx(
            limit / np.sqrt(3.0), rel=0.1
        ):
            num_glorot += 1
        else:
            stds.append(np.std(kernel) * np.sqrt(20.0))
    assert 10 <= num_glorot <= 30
    # Cut at two deviations, a Gaussian has 0.88 of its own.
    assert 0.85 * 0.88 * np.sqrt(0.5) < min(stds)
    assert max(stds) < 1.15 * 0.88 * np.sqrt(2.5)
    assert max(stds) > 1.3 * min(stds)


def test_recurrent_kernels_are_orthogonal():
    parameters = networks.recurrent(3, 4, 2, "lstm").parameters
    kernel = networks.draw_start(parameters, _SEED)[1]
    np.testing.assert_allclose(
        tf.matmul(kernel, kernel, transpose_b=True), np.eye(4), atol=1e-5
    )
