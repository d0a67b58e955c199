"""Training the embedded feature network as a classifier of small images.

Batch normalisation makes the training short; it is folded into the
convolutions afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import datasets
from l2l_tf.problems import small_features

_EPSILON = 1e-3
_AVERAGING = 0.9  # Of batch normalisation's moving averages.
_MOMENTUM = 0.9
_WEIGHT_DECAY = 5e-4
_WARM_UP = 0.25
_SHIFT = 4  # Pixels.
_EVALUATION_BATCH = 500


class Plan(NamedTuple):
    """How to train.

    Attributes:
        num_steps: Updates.
        batch_size: Images per update.
        peak_rate: The greatest learning rate.
        seed: Seed of all randomness.
    """

    num_steps: int
    batch_size: int = 128
    peak_rate: float = 0.1
    seed: int = 0


class Convolution(tf.Module):
    """A convolution, batch normalisation and a ReLU."""

    def __init__(self, kernel: np.ndarray):
        """Takes the first value of the kernel."""
        channels = kernel.shape[-1]
        self.kernel = tf.Variable(kernel)
        self.scale = tf.Variable(tf.ones([channels]))
        self.offset = tf.Variable(tf.zeros([channels]))
        self.mean = tf.Variable(tf.zeros([channels]), trainable=False)
        self.variance = tf.Variable(tf.ones([channels]), trainable=False)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Normalises by the batch's moments, and lets the averages follow."""
        hidden = tf.nn.conv2d(images, self.kernel, 1, "SAME")
        hidden, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            hidden, self.scale, self.offset, epsilon=_EPSILON
        )
        for average, value in ((self.mean, mean), (self.variance, variance)):
            average.assign(_AVERAGING * average + (1 - _AVERAGING) * value)
        return tf.nn.relu(hidden)

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the kernel and bias of the convolution that does the same.

        s (conv(x, K) - m) / sqrt(v + e) + o = conv(x, K f) + (o - m f),
        with f = s / sqrt(v + e)
        """
        factor = self.scale.numpy() / np.sqrt(self.variance.numpy() + _EPSILON)
        bias = self.offset.numpy() - self.mean.numpy() * factor
        return self.kernel.numpy() * factor, bias


class Training(tf.Module):
    """A training under way: the network, the optimizer's state, the step.

    Everything that it does at a step follows from the plan's seed and the
    step, so that it can be saved and restored at any of them.
    """

    def __init__(self, train: datasets.Images, num_classes: int, plan: Plan):
        """Begins.

        Args:
            train: Images to train on.
            num_classes: How many classes they have.
            plan: How to train.
        """
        super().__init__()
        random = np.random.default_rng(plan.seed)
        pixels = train.images * np.float32(train.scale)
        self._pixel_mean = np.mean(pixels, (0, 1, 2))
        self._pixel_std = np.std(pixels, (0, 1, 2))
        self._convolutions, channels = {}, 3
        for names, widths in zip(
            small_features.layer_names(), small_features.CHANNELS, strict=True
        ):
            for name, width in zip(names, widths, strict=True):
                kernel = _he_normal(random, [3, 3, channels, width])
                self._convolutions[name] = Convolution(kernel)
                channels = width
        self._kernel = tf.Variable(_he_normal(random, [channels, num_classes]))
        self._bias = tf.Variable(tf.zeros([num_classes]))
        self._velocities = [
            tf.Variable(tf.zeros(v.shape), trainable=False)
            for v in self.trainable_variables
        ]
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._train, self._plan = train, plan
        self._update = tf.function(self._make_update, autograph=False)

    def advance(self) -> float:
        """Makes an update and returns the loss before it."""
        plan, step = self._plan, int(self.step)
        per_epoch = len(self._train.labels) // plan.batch_size
        epoch, index = divmod(step, per_epoch)
        order = np.random.default_rng([plan.seed, epoch]).permutation(
            len(self._train.labels)
        )
        chosen = order[index * plan.batch_size :][: plan.batch_size]
        loss = self._update(
            tf.constant(self._train.images[chosen]),
            tf.constant(self._train.labels[chosen]),
            tf.constant(one_cycle(step, plan), tf.float32),
            randomness.run_seed(plan.seed, "train", step),
        )
        return float(loss)

    def weights(self) -> dict[str, np.ndarray]:
        """Returns the weights of the network without batch normalisation."""
        weights = {
            "mean": self._pixel_mean,
            "std": self._pixel_std,
            "logits/kernel": self._kernel.numpy(),
            "logits/bias": self._bias.numpy(),
        }
        for name, convolution in self._convolutions.items():
            kernel, bias = convolution.folded()
            weights |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
        return weights

    def _make_update(self, images, labels, rate, seed):
        pixels = tf.cast(images, tf.float32) * self._train.scale
        pixels = augmented((pixels - self._pixel_mean) / self._pixel_std, seed)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels, self._logits(pixels)
                )
            )
        variables = self.trainable_variables
        for variable, velocity, gradient in zip(
            variables,
            self._velocities,
            tape.gradient(loss, variables),
            strict=True,
        ):
            if variable.shape.rank > 1:
                gradient += _WEIGHT_DECAY * variable
            velocity.assign(_MOMENTUM * velocity + gradient)
            variable.assign_sub(rate * (gradient + _MOMENTUM * velocity))
        self.step.assign_add(1)
        return loss

    def _logits(self, hidden):
        for index, names in enumerate(small_features.layer_names()):
            if index > 0:
                hidden = tf.nn.avg_pool2d(hidden, 2, 2, "VALID")
            for name in names:
                hidden = self._convolutions[name](hidden)
        return tf.reduce_mean(hidden, [1, 2]) @ self._kernel + self._bias


def one_cycle(step: int, plan: Plan) -> float:
    """Returns the rate of a step: it rises to the peak, and falls to zero."""
    top = max(1, round(_WARM_UP * plan.num_steps))
    if step < top:
        return plan.peak_rate * (step + 1) / top
    return plan.peak_rate * (plan.num_steps - step) / (plan.num_steps - top + 1)


def augmented(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts each image by up to 4 pixels, and mirrors every other one.

    Args:
        images: Shape [images, height, width, channels].
        seed: A seed, int32 of shape [2].

    Returns:
        Images of that shape, their own mirror images beyond their borders.
    """
    number, width = tf.shape(images)[0], images.shape[2]
    shift = tf.random.stateless_uniform(
        [2, number],
        randomness.stream(seed, "shift"),
        -_SHIFT,
        _SHIFT + 1,
        tf.int32,
    )
    is_mirrored = (
        tf.random.stateless_uniform([number], randomness.stream(seed, "mirror"))
        < 0.5
    )
    x, y = tf.unstack(tf.cast(shift, tf.float32))
    one, zero = tf.ones_like(x), tf.zeros_like(x)
    # The pixel at (x, y) comes from (a x + b, y + c).
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(
            [
                tf.where(is_mirrored, -one, one),
                zero,
                tf.where(is_mirrored, width - 1.0 - x, x),
                *(zero, one, y, zero, zero),
            ],
            axis=1,
        ),
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="REFLECT",
    )


def accuracy(weights: small_features.Arrays, test: datasets.Images) -> float:
    """Returns the share of images that the network classifies correctly."""
    hits = 0
    for start in range(0, len(test.labels), _EVALUATION_BATCH):
        part = slice(start, start + _EVALUATION_BATCH)
        pixels = tf.cast(test.images[part], tf.float32) * test.scale
        found = tf.argmax(small_features.logits(weights, pixels), axis=1)
        hits += int(np.sum(found.numpy() == test.labels[part]))
    return hits / len(test.labels)


def _he_normal(random: np.random.Generator, shape: list[int]) -> np.ndarray:
    std = np.sqrt(2.0 / np.prod(shape[:-1]))
    return random.normal(0.0, std, shape).astype(np.float32)
