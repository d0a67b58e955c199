"""Tests of l2l_tf/problems/vgg_features.py."""

import socket
import time

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import connection
from l2l_tf.problems import feature_networks
from l2l_tf.problems import vgg_features

CHANNELS = {1: [64] * 2, 2: [128] * 2, 3: [256] * 4, 4: [512] * 4, 5: [512] * 4}


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory):
    """Returns a folder of Keras with weights as Keras has them in its file."""
    random = np.random.default_rng(0)
    home = tmp_path_factory.mktemp("keras")
    path = home / "models" / vgg_features.FILE
    path.parent.mkdir()
    before = 3
    with h5py.File(path, "w") as file:
        names = []
        for block, channels in CHANNELS.items():
            for index, width in enumerate(channels, start=1):
                name = f"block{block}_conv{index}"
                names.append(name.encode())
                group = file.create_group(name)
                shapes = {
                    f"{name}_W_1:0": (3, 3, before, width),
                    f"{name}_b_1:0": (width,),
                }
                group.attrs["weight_names"] = [n.encode() for n in shapes]
                for weight, shape in shapes.items():
                    # What is filled takes no room in the file.
                    values = group.create_dataset(
                        weight, shape, "f4", fillvalue=1e-3
                    )
                    std = np.sqrt(2 / (9 * before))
                    few = values[..., :8].shape
                    values[..., :8] = random.normal(0, std, few)
                before = width
        file.attrs["layer_names"] = names
    return home


@pytest.fixture(name="no_network")
def _no_network(monkeypatch):
    """A machine without a network, on which Keras must not try to download."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(keras.utils, "get_file", None)


def test_features_are_those_of_keras(home, monkeypatch, no_network):
    del no_network
    monkeypatch.setenv("KERAS_HOME", str(home))
    network = vgg_features.vgg19()
    assert len(network.names) == 16
    path = vgg_features.weights_path()
    model = keras.applications.VGG19(include_top=False, weights=str(path))
    names = [*network.terms.style_layers, network.terms.content_layer]
    whole = keras.Model(
        model.input, [model.get_layer(name).output for name in names]
    )
    images = np.random.default_rng(1).random([1, 32, 32, 3]).astype(np.float32)
    prepared = keras.applications.vgg19.preprocess_input(255.0 * images)
    expected = whole(prepared)
    found = network(tf.constant(images), names)
    for name, values in zip(names, expected, strict=True):
        assert np.std(values) > 0
        np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-2)


def test_missing_weights_are_told_at_once(tmp_path, monkeypatch, no_network):
    del no_network
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(connection.DataNotFoundError) as error:
        feature_networks.load("vgg19")
    assert time.monotonic() - began < 5.0
    for hint in ("VGG19", str(tmp_path), "'small'"):
        assert hint in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_a_damaged_file_is_told(tmp_path, monkeypatch, content):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = vgg_features.weights_path()
    path.parent.mkdir()
    if content is None:  # The weights of another network.
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = []
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="VGG19; remove it.*'small'"):
        vgg_features.vgg19()
