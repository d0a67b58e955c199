"""Tests of l2l_tf/problems/convnet.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import convnet


def _in_keras(channels, kernel_size, units, batch_norm) -> keras.Model:
    def normalise():
        return [keras.layers.BatchNormalization()] * batch_norm

    layers = [keras.Input([12, 10, 3])]
    for size in channels:
        layers.append(keras.layers.Conv2D(size, kernel_size, padding="same"))
        layers += [*normalise(), keras.layers.ReLU()]
        layers.append(keras.layers.MaxPooling2D(2, padding="same"))
    layers.append(keras.layers.Flatten())
    for size in units:
        layers += [keras.layers.Dense(size), *normalise(), keras.layers.ReLU()]
    return keras.Sequential([*layers, keras.layers.Dense(4)])


@pytest.mark.parametrize(
    ("channels", "kernel_size", "units", "batch_norm"),
    [([3, 5], 5, [6], True), ([4], 3, [], True), ([2, 3], 2, [5, 4], False)],
)
def test_outputs_and_gradients_equal_those_of_keras(
    channels, kernel_size, units, batch_norm
):
    module = convnet.convnet(4, channels, kernel_size, units, batch_norm)()
    images = tf.random.stateless_normal([7, 12, 10, 3], [1, 2])
    labels = tf.constant([0, 1, 2, 3, 3, 0, 1])
    module(images)
    # Whatever the order: of negative scales, maxima become minima.
    for index, variable in enumerate(module.trainable_variables):
        noise = tf.random.stateless_normal(variable.shape, [index, 3])
        variable.assign_add(noise)
    model = _in_keras(channels, kernel_size, units, batch_norm)
    layers = [layer for layer in model.layers if layer.weights]
    modules = [
        part
        for pairs in (module._convolutions, module._dense)
        for pair in pairs
        for part in pair
        if part.variables
    ] + [module._logits]
    ours = []
    for layer, part in zip(layers, modules, strict=True):
        pair = (
            [part.scale, part.offset]
            if isinstance(part, convnet.BatchStatistics)
            else [part.w, part.b]
        )
        ours += pair
        for theirs, value in zip(layer.trainable_variables, pair, strict=True):
            theirs.assign(value)
    assert len(ours) == len(module.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(True)
    with tf.GradientTape(persistent=True) as tape:
        outputs = module(images)
        expected = model(images, training=True)
        losses = [cross_entropy(labels, out) for out in (outputs, expected)]
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)
    theirs = [variable.value for variable in model.trainable_variables]
    for a, b in zip(
        tape.gradient(losses[0], ours),
        tape.gradient(losses[1], theirs),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4)


def test_the_papers_network_has_22_762_parameters():
    module = convnet.convnet(10)()
    assert module(tf.zeros([2, 32, 32, 3])).shape == [2, 10]
    sizes = [int(tf.size(variable)) for variable in module.trainable_variables]
    assert sum(sizes) == 22_762
    assert len(module.variables) == len(sizes)  # No moving averages.
    ranks = [variable.shape.rank for variable in module.trainable_variables]
    assert ranks.count(4) == 3


@pytest.mark.parametrize("shape", [[40, 3], [10, 6, 5, 3]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batch_statistics_normalise_each_channel(shape, dtype):
    module = convnet.BatchStatistics()
    inputs = 5 + 3 * tf.random.stateless_normal(shape, [1, 2], dtype=dtype)
    axes = tuple(range(len(shape) - 1))
    outputs = module(inputs).numpy()
    assert outputs.dtype == dtype and outputs.shape == tuple(shape)
    np.testing.assert_allclose(outputs.mean(axes), 0, atol=1e-5)
    variance = inputs.numpy().var(axes)
    expected = variance / (variance + 1e-3)
    np.testing.assert_allclose(outputs.var(axes), expected, rtol=1e-5)
    module.scale.assign([2, -1, 0.5])
    module.offset.assign([1, 0, -1])
    np.testing.assert_allclose(
        module(inputs),
        outputs * module.scale.numpy() + module.offset.numpy(),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": [8, 0]}, r"channels.*\[8, 0\]"),
        ({"kernel_size": 0}, "kernel_size.*0"),
        ({"units": 3}, "units.*3"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        convnet.convnet(10, **options)
