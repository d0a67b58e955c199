"""Where examples of sampled tasks come from: image sets, random teachers."""

from __future__ import annotations

import abc
import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import datasets

SYNTHETIC = "synthetic"
"""The name of all that needs no data set."""

IMAGE_SIZES = {"digits": (8,), "mnist": (14, 7), "cifar10": (8,)}
"""Sides, in pixels, to which the images of a set are reduced."""

_MAX_IMAGES = 10_000
_NUM_EXAMPLES = 512  # that a teacher has labelled, in each draw
_MIN_SUBSET = 64


class Source(abc.ABC):
    """Examples for one kind of loss; all its methods are pure.

    Attributes:
        shape: The shape of an input.
        num_outputs: How many outputs a network needs.
        loss: The name of the loss.
    """

    shape: tuple[int, ...]
    num_outputs: int
    loss: str

    @abc.abstractmethod
    def sample_task(self, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Draws what stays the same in a run; `unit` is among it.

        The unit is the loss of the best constant output, as far as it is
        known beforehand: a loss of 1 is one that nothing was learned for.
        """

    @abc.abstractmethod
    def sample_batch(
        self, split: str, task: base.Nest, size: int, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws inputs and targets."""


class ImageSource(Source):
    """Images of a data set, reduced; a subset of them in each draw."""

    def __init__(self, name: str, side: int, target: str):
        """Takes the data.

        Args:
            name: One of `IMAGE_SIZES`.
            side: The images' height and width, in pixels.
            target: What is learned: `"label"`, `"pixels"` by squared errors,
                or `"coins"`, pixels as probabilities.
        """
        self._splits, num_classes = _reduced(name, side)
        images, _ = self._splits["train"]
        self.shape = tuple(images.shape[1:])
        pixels = images.numpy()
        self._mean, self._std = float(pixels.mean()), float(pixels.std())
        self._target = target
        means = pixels.mean(axis=0)
        if target == "label":
            self.num_outputs, self._unit = num_classes, math.log(num_classes)
            self.loss = "sparse_categorical_crossentropy"
        elif target == "pixels":
            self.num_outputs = pixels[0].size
            self._unit = float(pixels.var(axis=0).mean())
            self.loss = "mean_squared_error"
        else:
            self.num_outputs = pixels[0].size
            means = np.clip(means, 1e-6, 1 - 1e-6)
            entropy = means * np.log(means) + (1 - means) * np.log(1 - means)
            self._unit = -float(entropy.mean())
            self.loss = "binary_crossentropy"

    def sample_task(self, seed):
        """See base class; half of the draws standardise their pixels."""
        coins = tf.random.stateless_uniform([3], seed)
        is_standard = coins[0] < 0.5
        factor = tf.where(is_standard, 1.0 / self._std, 1.0)
        unit = tf.constant(self._unit)
        if self._target == "pixels":
            unit *= factor**2
        return {
            "unit": unit,
            "factor": factor,
            "shift": tf.where(is_standard, self._mean, 0.0),
            # Where the subset begins, and its size on a logarithmic scale.
            "subset": coins[1:],
        }

    def sample_batch(self, split, task, size, seed):
        """See base class; drawn from the subset with replacement."""
        images, labels = self._splits[split]
        total = images.shape[0]
        ratio = total / min(_MIN_SUBSET, total)
        begin, share = tf.unstack(task["subset"])
        subset = total * tf.pow(ratio, -share)
        places = tf.random.stateless_uniform([size], seed) * subset
        chosen = tf.cast(begin * total + places, tf.int32) % total
        pixels, labels = tf.gather(images, chosen), tf.gather(labels, chosen)
        inputs = (pixels - task["shift"]) * task["factor"]
        targets = {"label": labels, "pixels": inputs, "coins": pixels}
        return inputs, (
            labels
            if self._target == "label"
            else tf.reshape(targets[self._target], [size, -1])
        )


class TeacherSource(Source):
    """Random inputs, labelled by a random network; new ones in each draw.

    Splits differ in the seeds of their runs, hence in their teachers.
    """

    def __init__(
        self, shape: tuple[int, ...], num_outputs: int, is_classifier: bool
    ):
        """Takes shapes.

        Args:
            shape: `(numbers,)`, or `(steps, numbers)` for sequences, which a
                recurrent teacher reads.
            num_outputs: Classes, or numbers to predict.
            is_classifier: Whether targets are classes.
        """
        self.shape = shape
        self.num_outputs = num_outputs
        self._is_classifier = is_classifier
        self.loss = (
            "sparse_categorical_crossentropy"
            if is_classifier
            else "mean_squared_error"
        )

    def sample_task(self, seed):
        """See base class; inputs and noise are of different sizes."""
        draw = _Draws(seed)
        width = 16
        sizes = tf.exp(draw.uniform([self.shape[-1]], -1.0, 1.0))
        inputs = draw.normal([_NUM_EXAMPLES, *self.shape])
        steps = tf.reshape(inputs, [_NUM_EXAMPLES, -1, self.shape[-1]])
        weights = draw.normal([self.shape[-1], width])
        weights *= 2.0 / math.sqrt(self.shape[-1])
        recurrent = draw.normal([width, width]) / math.sqrt(width)
        hidden = tf.zeros([_NUM_EXAMPLES, width])
        for step in tf.unstack(steps, axis=1):
            hidden = tf.tanh(step @ weights + hidden @ recurrent)
        outputs = hidden @ draw.normal([width, self.num_outputs])
        mean, variance = tf.nn.moments(outputs, [0])
        outputs = (outputs - mean) * tf.math.rsqrt(variance + 1e-6)
        noise = draw.uniform([], 0.0, 0.5)
        outputs += noise * draw.normal(outputs.shape)
        task = {"inputs": inputs * sizes}
        if self._is_classifier:
            targets = tf.argmax(outputs, axis=1, output_type=tf.int32)
            unit = tf.constant(math.log(self.num_outputs))
        else:
            targets = outputs * tf.exp(draw.uniform([], -1.0, 1.0))
            unit = tf.reduce_mean(tf.math.reduce_variance(targets, 0))
        return {**task, "targets": targets, "unit": unit}

    def sample_batch(self, split, task, size, seed):
        """See base class."""
        del split
        chosen = tf.random.stateless_uniform(
            [size], seed, 0, _NUM_EXAMPLES, tf.int32
        )
        return (
            tf.gather(task["inputs"], chosen),
            tf.gather(task["targets"], chosen),
        )


class _Draws:
    """Random numbers, each from a seed of its own."""

    def __init__(self, seed: tf.Tensor):
        self._seed = seed
        self._count = 0

    def normal(self, shape: Any) -> tf.Tensor:
        return tf.random.stateless_normal(shape, self._next())

    def uniform(self, shape: Any, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, self._next(), low, high)

    def _next(self) -> tf.Tensor:
        self._count += 1
        return randomness.fold_in(self._seed, self._count)


@functools.cache
def _reduced(
    name: str, side: int
) -> tuple[dict[str, tuple[tf.Tensor, tf.Tensor]], int]:
    """Returns the splits of an image set, and its number of classes."""
    loaded = datasets.load(name)

    def reduce(split: datasets.Images) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = split.images[:_MAX_IMAGES].astype(np.float32) * split.scale
        count, height, _, channels = pixels.shape
        shape = [count, side, height // side, side, height // side, channels]
        means = pixels.reshape(shape).mean(axis=(2, 4))
        return tf.constant(means), tf.constant(split.labels[:_MAX_IMAGES])

    splits = {split: reduce(getattr(loaded, split)) for split in base.SPLITS}
    return splits, loaded.num_classes
