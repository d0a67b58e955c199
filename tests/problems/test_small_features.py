"""Tests of l2l_tf/problems/small_features.py."""

import numpy as np
import pytest

from l2l_tf.core import files
from l2l_tf.problems import datasets
from l2l_tf.problems import feature_training
from l2l_tf.problems import small_features
from tests import prepared_data


def test_embedded_weights_are_those_that_the_metadata_tell_of():
    told = files.read_json(small_features.METADATA)
    content = small_features.WEIGHTS.read_bytes()
    assert len(content) < 10**6
    assert files.sha256(small_features.WEIGHTS, 10**6) == told["sha256"]
    assert told["channels"] == [list(c) for c in small_features.CHANNELS]
    assert told["test_accuracy"] >= 0.8


@prepared_data.needs("cifar10")
def test_embedded_weights_classify_as_well_as_is_told():
    test = datasets.load("cifar10").test
    some = test._replace(images=test.images[:500], labels=test.labels[:500])
    weights = small_features.read(small_features.WEIGHTS)
    assert feature_training.accuracy(weights, some) >= 0.8


def test_layers_have_the_channels_that_are_told():
    weights = small_features.read(small_features.WEIGHTS)
    before = 3
    for names, channels in zip(
        small_features.layer_names(), small_features.CHANNELS, strict=True
    ):
        for name, number in zip(names, channels, strict=True):
            shape = weights[f"{name}/kernel"].shape
            assert shape == (3, 3, before, number)
            assert weights[f"{name}/bias"].shape == (number,)
            before = number
    assert {values.dtype for values in weights.values()} == {np.dtype("f2")}


def test_written_weights_are_read_again(tmp_path):
    weights = small_features.read(small_features.WEIGHTS)
    paths = [
        small_features.write(tmp_path / name, weights) for name in ("a", "b")
    ]
    found = small_features.read(paths[0])
    assert list(found) == list(weights)
    for name, values in weights.items():
        np.testing.assert_array_equal(found[name], values)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_damaged_files_are_refused(tmp_path):
    whole = small_features.WEIGHTS.read_bytes()
    path = tmp_path / "weights.npz"
    for content in (b"", b"PK\x03\x04junk", whole[:1000], whole[:-9]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="'.*weights.npz' is damaged"):
            small_features.read(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    for name in ("one.npy", "other.npz"):
        with pytest.raises(ValueError, match="no weights of the embedded"):
            small_features.read(tmp_path / name)
