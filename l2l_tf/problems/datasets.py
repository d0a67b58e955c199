"""Image classification data, decoded once into memory, in disjoint splits."""

from __future__ import annotations

import functools
import os
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from l2l_tf.core import checks
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
    """The three splits of a data set, which share no example.

    Attributes:
        train: What is trained on.
        validation: What decides between trainings.
        test: What results are told of.
        num_classes: How many classes the labels are of.
        name: What the data set is called, and its version.
    """

    train: Images
    validation: Images
    test: Images
    num_classes: int
    name: str = ""

    def describe(self) -> str:
        """Returns in words what it is, and how large its splits are."""
        sizes = (
            f"{split} {len(getattr(self, split).labels):,}"
            for split in ("train", "validation", "test")
        )
        shape = "x".join(map(str, self.train.images.shape[1:]))
        return (
            f"{self.name}: images of {shape} in {self.num_classes} classes; "
            f"{', '.join(sizes)}"
        )


def load(
    name: str, data_dir: str | None = None, num_validation: int | None = None
) -> Dataset:
    """Loads an image classification data set.

    Args:
        name: `"digits"` for scikit-learn's embedded digits, or the name of
            any image classification set in TensorFlow Datasets.
        data_dir: Folder of prepared TFDS data sets; by default the
            environment's `TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        num_validation: How many images at the end of a TFDS train split are
            for validation; by default a sixth, the last 10,000 of MNIST. The
            splits of digits are thirds.

    Returns:
        The splits.

    Raises:
        DataNotFoundError: If the data are not there and cannot be fetched.
        ValueError: If the name is not that of an image classification set, or
            the number leaves none for training.
    """
    if name == "digits":
        return _load_digits()
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or _DEFAULT_DATA_DIR
    return _split_tfds(
        name, str(pathlib.Path(folder).expanduser()), num_validation
    )


def select(dataset: Dataset, labels: Sequence[int]) -> Dataset:
    """Returns the images of some classes, which are numbered anew.

    Args:
        dataset: A data set.
        labels: The classes to keep; the first becomes class 0, and so on.

    Returns:
        The splits, with copies of their images.

    Raises:
        ValueError: If these are not two or more of its classes.
    """
    classes = range(dataset.num_classes)
    is_list = isinstance(labels, (list, tuple))
    if (
        not is_list
        or len(labels) < 2
        or len(set(labels)) < len(labels)
        or not all(label in classes for label in labels)
    ):
        raise ValueError(
            "labels must be a list of two or more different classes between 0 "
            f"and {classes[-1]}; received {labels!r}."
        )
    numbers = np.full([dataset.num_classes], -1, np.int32)
    numbers[list(labels)] = np.arange(len(labels))

    def of(split: Images) -> Images:
        own = numbers[split.labels]
        return Images(split.images[own >= 0], own[own >= 0], split.scale)

    return Dataset(
        of(dataset.train),
        of(dataset.validation),
        of(dataset.test),
        len(labels),
        dataset.name,
    )


@functools.cache
def _load_digits() -> Dataset:
    import sklearn
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
    name = f"digits of scikit-learn {sklearn.__version__}"
    return Dataset(train, validation, test, 10, name)


@functools.cache
def _split_tfds(
    name: str, data_dir: str, num_validation: int | None
) -> Dataset:
    train, test, num_classes, full_name = _load_tfds(name, data_dir)
    size = len(train.labels)
    if num_validation is None:
        num_validation = size // 6
    if checks.integer("num_validation", num_validation) >= size:
        raise ValueError(
            f"num_validation must be less than the {size} images of the train "
            f"split of {name!r}; received {num_validation}."
        )
    bound = size - num_validation
    return Dataset(
        Images(train.images[:bound], train.labels[:bound], train.scale),
        Images(train.images[bound:], train.labels[bound:], train.scale),
        test,
        num_classes,
        full_name,
    )


@functools.cache
def _load_tfds(name: str, data_dir: str) -> tuple[Images, Images, int, str]:
    """Returns two splits, the number of classes, and name and version."""
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
    train, test = (
        Images(images, labels.astype(np.int32), 1.0 / 255.0)
        for images, labels in ((images, labels), test)
    )
    return train, test, info.features["label"].num_classes, info.full_name


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
        "downloaded without a network. Point data_dir or the environment "
        "variable TFDS_DATA_DIR to a folder of prepared TFDS data, or connect "
        "to the internet once; without either, problem=digits needs no data."
    )
