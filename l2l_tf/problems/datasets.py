"""Image classification data, decoded once into memory, in disjoint splits."""

from __future__ import annotations

import functools
import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from l2l_tf.problems import connection

_DEFAULT_DATA_DIR = "~/tensorflow_datasets"

DataNotFoundError = connection.DataNotFoundError


class Images(NamedTuple):
    """One split of a data set.

    Attributes:
        images: Pixels, shape [examples, height, width, channels].
        labels: Class numbers, int32 of shape [examples].
        scale: Factor that maps the pixels to [0, 1].
    """

    images: np.ndarray
    labels: np.ndarray
    scale: float


class Dataset(NamedTuple):
    """The three splits of a data set, which share no example."""

    train: Images
    validation: Images
    test: Images
    num_classes: int


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads an image classification data set.

    Args:
        name: `"digits"` for scikit-learn's embedded digits, or the name of
            any image classification set in TensorFlow Datasets.
        data_dir: Folder of prepared TFDS data sets; by default the
            environment's `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    Returns:
        The splits. The last sixth of a TFDS train split is for validation:
        the last 10,000 images of MNIST.

    Raises:
        DataNotFoundError: If the data are not there and cannot be fetched.
        ValueError: If the name is not that of an image classification set.
    """
    if name == "digits":
        return _load_digits()
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or _DEFAULT_DATA_DIR
    return _load_tfds(name, str(pathlib.Path(folder).expanduser()))


@functools.cache
def _load_digits() -> Dataset:
    from sklearn import datasets

    digits = datasets.load_digits()
    # The file is sorted by writer: without a shuffle no split would hold
    # the hands of another. The splits are of one size, since a few hundred
    # images fewer make an easier problem: they are soon learned by heart.
    order = np.random.RandomState(0).permutation(len(digits.target))
    images = digits.images[order, :, :, np.newaxis].astype(np.uint8)
    labels = digits.target[order].astype(np.int32)
    train, validation, test = (
        Images(*part, 1.0 / 16.0)
        for part in zip(
            np.split(images, 3),
            np.split(labels, 3),
            strict=True,
        )
    )
    return Dataset(train, validation, test, num_classes=10)


@functools.cache
def _load_tfds(name: str, data_dir: str) -> Dataset:
    # Both are slow to import, and only needed here.
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # A name may go on with a configuration or a version.
    folder = pathlib.Path(data_dir, re.split("[/:]", name)[0])
    is_prepared = any(folder.rglob("dataset_info.json"))
    if not is_prepared:
        _check_download(name, data_dir)
    load = functools.partial(
        tfds.load,
        name,
        split=["train", "test"],
        data_dir=data_dir,
        as_supervised=True,
        batch_size=-1,
        with_info=True,
    )
    # Decoding is a one-off; it should not occupy a GPU.
    with tf.device("cpu"):
        try:
            try:
                splits, info = load(download=not is_prepared)
            except AssertionError:
                # What is prepared is another version.
                _check_download(name, data_dir)
                splits, info = load(download=True)
            (images, labels), test = tfds.as_numpy(splits)
        except tf.errors.NotFoundError as error:
            raise DataNotFoundError(
                f"The data set {name!r} in {data_dir!r} lacks files: "
                f"{error.message}"
            ) from error
        except (ValueError, KeyError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"TFDS's {name!r} is not an image classification set with "
                "train and test splits and images of one size: "
                f"{str(error).splitlines()[0]}"
            ) from error
    if images.ndim != 4 or "label" not in info.features:
        raise ValueError(
            f"TFDS's {name!r} is not an image classification set: its inputs "
            f"have shape {images.shape[1:]}, not [height, width, channels]."
        )
    num_validation = len(images) // 6
    split = functools.partial(_images, scale=1.0 / 255.0)
    return Dataset(
        split(images[:-num_validation], labels[:-num_validation]),
        split(images[-num_validation:], labels[-num_validation:]),
        split(*test),
        info.features["label"].num_classes,
    )


def _images(images: np.ndarray, labels: np.ndarray, scale: float) -> Images:
    return Images(images, labels.astype(np.int32), scale)


def _check_download(name: str, data_dir: str) -> None:
    """Raises at once where TFDS would retry a hopeless download for minutes."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    if re.split("[/:]", name)[0] not in known:
        raise ValueError(
            f"Unknown data set {name!r}; accepted: 'digits', and the names "
            "of image classification sets in TensorFlow Datasets, such as "
            "'mnist', 'fashion_mnist', 'kmnist', 'cifar10'."
        )
    connection.check(
        f"The data set {name!r} is not in {data_dir!r} and cannot be "
        "downloaded without a network. Point --data_dir or the environment "
        "variable TFDS_DATA_DIR to a folder of prepared TFDS data, or connect "
        "to the internet once; without either, --problem=digits needs no data."
    )
