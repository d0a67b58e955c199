"""Tests of l2l_tf/problems/feature_networks.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import feature_networks

RANDOM = np.random.default_rng(0)
TERMS = feature_networks.Terms("c", ["a"])


def _layer(name, channels_in, channels_out):
    return feature_networks.Layer(
        name,
        tf.constant(
            RANDOM.normal(size=[3, 3, channels_in, channels_out]), tf.float32
        ),
        tf.constant(RANDOM.normal(size=[channels_out]), tf.float32),
    )


@pytest.fixture(name="blocks")
def _blocks():
    return [[_layer("a", 3, 4), _layer("b", 4, 5)], [_layer("c", 5, 2)]]


def test_features_are_those_of_the_same_layers_in_keras(blocks):
    network = feature_networks.FeatureNetwork(
        blocks, tf.nn.max_pool2d, lambda x: 2.0 * x - 1.0, TERMS
    )
    images = RANDOM.random([2, 6, 8, 3]).astype(np.float32)
    hidden, expected = 2.0 * images - 1.0, {}
    for index, block in enumerate(blocks):
        if index:
            hidden = keras.layers.MaxPooling2D()(hidden)
        for layer in block:
            convolution = keras.layers.Conv2D(
                layer.bias.shape[0], 3, padding="same", activation="relu"
            )
            convolution.build(hidden.shape)
            convolution.set_weights([layer.kernel, layer.bias])
            hidden = convolution(hidden)
            expected[layer.name] = hidden
    found = network(tf.constant(images), ["a", "b", "c"])
    assert set(found) == set(expected) == set(network.names)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


def test_layers_behind_the_last_one_are_not_computed(blocks):
    network = feature_networks.FeatureNetwork(
        blocks, tf.nn.avg_pool2d, tf.identity, TERMS
    )

    def count(*names):
        graph = (
            tf.function(network, autograph=False)
            .get_concrete_function(tf.TensorSpec([1, 4, 4, 3]), list(names))
            .graph
        )
        return sum(o.type == "Conv2D" for o in graph.get_operations())

    assert count("c") == 3 and count("b") == 2
    # A block is the least that is skipped.
    assert count("a", "a") == 2


def test_depth_counts_the_poolings_before_a_layer(blocks):
    network = feature_networks.FeatureNetwork(
        blocks, tf.nn.avg_pool2d, tf.identity, TERMS
    )
    assert [network.depth(name) for name in "abc"] == [0, 0, 1]
    with pytest.raises(ValueError, match="'conv9'.*a, b, c"):
        network.depth("conv9")


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="'vgg16'.*small, vgg19"):
        feature_networks.load("vgg16")
