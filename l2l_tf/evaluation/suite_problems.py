"""Keras problems that no optimizer is trained on: the suite `general`.

Plain Keras models with Keras's own starts, each a registered function: a new
problem is a new function here. Where a small set would soon be learned by
heart, labels are smoothed or some are wrong: a ratio of losses near zero would
outweigh all others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from l2l_tf.core import registry
from l2l_tf.problems import datasets

layers = keras.layers

_CROSSENTROPY = functools.partial(
    keras.losses.SparseCategoricalCrossentropy, from_logits=True
)
_MAX_CODED = 20_000  # images of the autoencoder


class SuiteProblem(NamedTuple):
    """A model, and what it is trained on.

    Attributes:
        make_model: Returns a new model, which draws its start from Keras's
            global seed.
        loss: The loss.
        inputs: All inputs, along the first axis.
        targets: Their targets.
        batch_size: Examples per minibatch.
    """

    make_model: Callable[[], keras.Model]
    loss: keras.losses.Loss
    inputs: np.ndarray
    targets: np.ndarray
    batch_size: int


PROBLEMS: registry.Registry[Callable[[], SuiteProblem]] = registry.Registry(
    "problem of the suite", "l2l_tf.evaluation"
)
"""Functions that load the data and return the problem."""


@PROBLEMS.register("cifar10-convnet-bn")
def _cifar10_convnet() -> SuiteProblem:
    return _classifier("cifar10", 64, lambda: _convnet((32, 32, 3), 16))


@PROBLEMS.register("mnist-convnet-bn")
def _mnist_convnet() -> SuiteProblem:
    return _classifier("mnist", 64, lambda: _convnet((28, 28, 1), 8))


@PROBLEMS.register("mnist-mlp")
def _mnist_mlp() -> SuiteProblem:
    return _classifier(
        "mnist",
        128,
        lambda: _stacked(
            (28, 28, 1),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ),
    )


@PROBLEMS.register("mnist-logistic")
def _mnist_logistic() -> SuiteProblem:
    return _classifier(
        "mnist",
        128,
        lambda: _stacked(
            (28, 28, 1),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(10),
        ),
    )


@PROBLEMS.register("mnist-separable")
def _mnist_separable() -> SuiteProblem:
    return _classifier(
        "mnist",
        64,
        lambda: _stacked(
            (28, 28, 1),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, 2, "same", activation="relu"),
            layers.SeparableConv2D(16, 3, 2, "same", activation="relu"),
            layers.SeparableConv2D(32, 3, 2, "same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ),
    )


@PROBLEMS.register("mnist-autoencoder")
def _mnist_autoencoder() -> SuiteProblem:
    images = datasets.load("mnist").train.images[:_MAX_CODED]
    images = images.reshape([len(images), -1]).astype(np.float32) / 255.0
    return SuiteProblem(
        lambda: _stacked(
            (784,),
            layers.Dense(64, activation="relu"),
            layers.Dense(16),
            layers.Dense(64, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ),
        keras.losses.BinaryCrossentropy(),
        images,
        images,
        64,
    )


@PROBLEMS.register("breast-cancer-mlp")
def _breast_cancer() -> SuiteProblem:
    from sklearn import datasets as tables

    inputs, targets = tables.load_breast_cancer(return_X_y=True)
    return SuiteProblem(
        lambda: _stacked(
            (30,),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        _standardised(inputs),
        targets[:, np.newaxis].astype(np.float32),
        32,
    )


@PROBLEMS.register("diabetes-mlp")
def _diabetes() -> SuiteProblem:
    from sklearn import datasets as tables

    inputs, targets = tables.load_diabetes(return_X_y=True)
    return SuiteProblem(
        lambda: _stacked(
            (10,), layers.Dense(32, activation="tanh"), layers.Dense(1)
        ),
        keras.losses.MeanSquaredError(),
        _standardised(inputs),
        _standardised(targets[:, np.newaxis]),
        32,
    )


@PROBLEMS.register("friedman-residual")
def _friedman() -> SuiteProblem:
    from sklearn import datasets as tables

    inputs, targets = tables.make_friedman1(2_000, noise=0.5, random_state=0)

    def make_model():
        inputs = hidden = keras.Input((10,))
        hidden = layers.Dense(32)(hidden)
        for _ in range(3):
            inside = layers.LayerNormalization()(hidden)
            inside = layers.Dense(32, activation="gelu")(inside)
            hidden = layers.Add()([hidden, layers.Dense(32)(inside)])
        outputs = layers.Dense(1)(layers.LayerNormalization()(hidden))
        return keras.Model(inputs, outputs)

    return SuiteProblem(
        make_model,
        keras.losses.MeanSquaredError(),
        _standardised(inputs),
        _standardised(targets[:, np.newaxis]),
        64,
    )


@PROBLEMS.register("outliers-mlp")
def _outliers() -> SuiteProblem:
    """Every twentieth target is off by ten deviations or so."""
    rng = np.random.default_rng(1)
    inputs = rng.uniform(-2.0, 2.0, [2_000, 4])
    clean = np.sin(2.0 * inputs[:, :1]) * inputs[:, 1:2] + inputs[:, 2:3] ** 2
    targets = _standardised(clean + 0.1 * rng.normal(size=clean.shape))
    is_off = rng.uniform(size=clean.shape) < 0.05
    targets += is_off * rng.normal(0.0, 10.0, clean.shape)
    return SuiteProblem(
        lambda: _stacked(
            (4,),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ),
        keras.losses.Huber(),
        inputs.astype(np.float32),
        targets.astype(np.float32),
        64,
    )


@PROBLEMS.register("spirals-deep")
def _spirals() -> SuiteProblem:
    """Two spirals, by seven narrow layers; a tenth of the labels is wrong."""
    rng = np.random.default_rng(2)
    labels = np.arange(2_000) % 2
    radii = np.sqrt(rng.uniform(0.02, 1.0, 2_000))
    angles = 8.0 * radii + np.pi * labels
    inputs = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
    inputs += 0.02 * rng.normal(size=inputs.shape)
    labels = np.where(rng.uniform(size=2_000) < 0.1, 1 - labels, labels)
    return SuiteProblem(
        lambda: _stacked(
            (2,),
            *(layers.Dense(16, activation="relu") for _ in range(7)),
            layers.Dense(2),
        ),
        _CROSSENTROPY(),
        2.0 * inputs.astype(np.float32),
        labels.astype(np.int32),
        64,
    )


@PROBLEMS.register("waves-gru")
def _waves() -> SuiteProblem:
    """The next value of a sum of two sines in noise, at each step."""
    rng = np.random.default_rng(3)
    phases = rng.uniform(0.0, 2 * np.pi, [2_000, 1, 2])
    speeds = rng.uniform(0.2, 1.2, [2_000, 1, 2])
    steps = np.arange(17.0)[np.newaxis, :, np.newaxis]
    values = np.sin(phases + speeds * steps).sum(axis=2, keepdims=True)
    values += 0.05 * rng.normal(size=values.shape)
    values = values.astype(np.float32)
    return SuiteProblem(
        lambda: _stacked(
            (16, 1),
            # Of fixed length, so that it needs no loop inside the loop.
            layers.GRU(24, return_sequences=True, unroll=True),
            layers.Dense(1),
        ),
        keras.losses.MeanSquaredError(),
        values[:, :-1],
        values[:, 1:],
        32,
    )


@PROBLEMS.register("sorting-transformer")
def _sorting() -> SuiteProblem:
    """Twelve letters out of ten are to be sorted, by one block."""
    rng = np.random.default_rng(4)
    inputs = rng.integers(0, 10, [4_000, 12]).astype(np.int32)

    def make_model():
        letters = keras.Input((12,), dtype="int32")
        hidden = layers.Embedding(10, 24)(letters)
        hidden = _Places()(hidden)
        inside = layers.LayerNormalization()(hidden)
        inside = layers.MultiHeadAttention(2, 12)(inside, inside)
        hidden = layers.Add()([hidden, inside])
        inside = layers.LayerNormalization()(hidden)
        inside = layers.Dense(48, activation="gelu")(inside)
        hidden = layers.Add()([hidden, layers.Dense(24)(inside)])
        return keras.Model(
            letters, layers.Dense(10)(layers.LayerNormalization()(hidden))
        )

    return SuiteProblem(
        make_model, _CROSSENTROPY(), inputs, np.sort(inputs, axis=1), 32
    )


@PROBLEMS.register("markov-embedding")
def _markov() -> SuiteProblem:
    """The next word of a text in which two words decide on the third."""
    rng = np.random.default_rng(5)
    chain = rng.dirichlet(np.full(40, 0.05), [40, 40]).cumsum(axis=2)
    text = [0, 1]
    for draw in rng.uniform(size=6_000):
        following = np.searchsorted(chain[text[-2], text[-1]], draw)
        text.append(int(min(following, 39)))
    words = np.array(text, np.int32)
    windows = np.lib.stride_tricks.sliding_window_view(words, 4)
    return SuiteProblem(
        lambda: _stacked(
            (3,),
            layers.Embedding(40, 12),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.Dense(40),
            dtype="int32",
        ),
        _CROSSENTROPY(),
        np.ascontiguousarray(windows[:, :3]),
        np.ascontiguousarray(windows[:, 3]),
        64,
    )


class _Places(layers.Layer):
    """Adds a vector for each place of a sequence."""

    def build(self, input_shape):
        """Makes the vectors, which begin as those of `Embedding`."""
        self.table = self.add_weight(
            shape=input_shape[1:], initializer="uniform", name="table"
        )

    def call(self, inputs):
        """Returns the sum."""
        return inputs + self.table


def _classifier(
    name: str, batch_size: int, make_model: Callable[[], keras.Model]
) -> SuiteProblem:
    # Small integers, which the models rescale.
    images, labels, _ = datasets.load(name).train
    return SuiteProblem(make_model, _CROSSENTROPY(), images, labels, batch_size)


def _convnet(shape: tuple[int, ...], channels: int) -> keras.Model:
    """Returns three convolutions with batch normalisation."""
    parts = []
    for factor in (1, 2, 2):
        parts += [
            layers.Conv2D(factor * channels, 3, 2, "same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    return _stacked(
        shape,
        layers.Rescaling(1 / 255),
        *parts,
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    )


def _stacked(
    shape: tuple[int, ...], *parts: keras.Layer, **options: Any
) -> keras.Model:
    return keras.Sequential([keras.Input(shape, **options), *parts])


def _standardised(values: np.ndarray) -> np.ndarray:
    return ((values - values.mean(0)) / values.std(0)).astype(np.float32)
