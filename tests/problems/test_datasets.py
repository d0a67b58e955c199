"""Tests of l2l_tf/problems/datasets.py."""

import os
import re
import socket
import time

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from l2l_tf.problems import datasets as data
from tests import prepared_data

_needs_mnist = prepared_data.needs("mnist")


def _examples(images: data.Images) -> list[tuple[bytes, int]]:
    return [
        (image.tobytes(), int(label))
        for image, label in zip(images.images, images.labels, strict=True)
    ]


def test_digits_are_split_without_loss_or_overlap():
    loaded = data.load("digits")
    parts = [_examples(split) for split in loaded[:3]]
    assert [len(part) for part in parts] == [599, 599, 599]
    digits = datasets.load_digits()
    pixels = digits.images.astype(np.uint8)
    assert sorted(sum(parts, [])) == sorted(
        (image.tobytes(), int(label))
        for image, label in zip(pixels, digits.target, strict=True)
    )
    train, validation, test = map(set, parts)
    assert not train & validation and not train & test and not validation & test


def test_digits_are_images_of_known_scale_and_classes():
    loaded = data.load("digits")
    for split in loaded[:3]:
        assert split.images.shape[1:] == (8, 8, 1)
        assert split.labels.dtype == np.int32
        assert np.max(split.images) * split.scale == 1.0
        # Shuffled: each class has its share of each split.
        shares = np.bincount(split.labels, minlength=10) / len(split.labels)
        np.testing.assert_allclose(shares, 0.1, atol=0.04)
    assert loaded.num_classes == 10


def test_data_are_loaded_once():
    assert data.load("digits") is data.load("digits")


@_needs_mnist
def test_mnists_last_10_000_training_images_are_for_validation():
    # Written after TFDS's own instructions for reading a split.
    import tensorflow_datasets as tfds

    loaded = data.load("mnist")
    sizes = [len(split.labels) for split in loaded[:3]]
    assert sizes == [50_000, 10_000, 10_000]
    expected = tfds.load(
        "mnist",
        split="train[50000:]",
        batch_size=-1,
        download=False,
        data_dir=os.environ["TFDS_DATA_DIR"],
    )
    np.testing.assert_array_equal(loaded.validation.images, expected["image"])
    np.testing.assert_array_equal(loaded.validation.labels, expected["label"])
    # The test set's first labels, known to all who have seen MNIST in TFDS.
    assert loaded.num_classes == 10
    assert loaded.train.scale == 1 / 255
    assert loaded.train.images.dtype == np.uint8


@_needs_mnist
def test_mnist_is_decoded_once(monkeypatch):
    import tensorflow_datasets as tfds

    first = data.load("mnist")
    monkeypatch.delattr(tfds, "load")
    assert data.load("mnist") is first
    assert data.load("mnist", os.environ["TFDS_DATA_DIR"]) is first


@pytest.fixture(name="no_network")
def _no_network(monkeypatch):
    """A machine without a network, on which TFDS must not try to download."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.parametrize("by", ["argument", "environment", "default"])
def test_missing_data_are_told_at_once(no_network, monkeypatch, tmp_path, by):
    import tensorflow_datasets as tfds

    del no_network
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.delattr(tfds, "load")
    folder = tmp_path
    if by == "environment":
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    if by == "default":
        monkeypatch.setenv("HOME", str(tmp_path))
        folder = tmp_path / "tensorflow_datasets"
    began = time.monotonic()
    with pytest.raises(data.DataNotFoundError) as error:
        data.load("mnist", str(folder) if by == "argument" else None)
    assert time.monotonic() - began < 5.0
    for hint in ("'mnist'", "TFDS_DATA_DIR", " data_dir ", " problem=digits"):
        assert hint in str(error.value)
    assert str(folder) in str(error.value)
    assert not any(tmp_path.rglob("*"))


def test_an_unknown_data_set_is_refused(no_network, tmp_path):
    del no_network
    with pytest.raises(ValueError, match="'nope'.*'digits'.*'mnist'"):
        data.load("nope", str(tmp_path))


def test_a_set_that_holds_no_images_is_refused(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    (tmp_path / "rows" / "1.0.0").mkdir(parents=True)
    (tmp_path / "rows" / "1.0.0" / "dataset_info.json").touch()
    rows = (tf.zeros([60, 4]), tf.zeros([60], tf.int64))
    info = type("Info", (), {"features": {"label": None}})
    monkeypatch.setattr(tfds, "load", lambda *_, **__: ([rows, rows], info))
    with pytest.raises(ValueError, match=r"'rows'.*image.*\(4,\)"):
        data.load("rows", str(tmp_path))


@_needs_mnist
def test_a_set_tells_its_name_version_and_sizes():
    said = data.load("mnist", num_validation=5_000).describe()
    assert re.fullmatch(
        r"mnist/\d\.\d\.\d: images of 28x28x1 in 10 classes; "
        "train 55,000, validation 5,000, test 10,000",
        said,
    )
    two = data.select(data.load("digits"), [3, 8]).describe()
    assert two.startswith("digits of scikit-learn ") and "in 2 classes" in two
