"""Convolutional networks, as `networks.mlp` makes multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.problems import networks

_EPSILON = 1e-3


def convnet(
    num_outputs: int,
    channels: Sequence[int] = (16, 16, 16),
    kernel_size: int = 5,
    units: Sequence[int] = (32,),
    batch_norm: bool = True,
) -> networks.MakeModule:
    """Returns a function that makes a convolutional network.

    Each convolution is followed by batch normalisation, ReLU and max-pooling
    over 2 x 2 pixels, each dense layer by batch normalisation and ReLU.

    Args:
        num_outputs: Units of the last layer, which is linear.
        channels: Output channels of each convolution.
        kernel_size: Height and width of the kernels.
        units: Units of each dense layer before the last.
        batch_norm: Whether to normalise at all.

    Returns:
        The function. The module takes images, shape [batch, height, width,
        channels].

    Raises:
        ValueError: If a value is refused.

    Source: Andrychowicz et al. 2016, section 3.3.
    """
    channels = checks.integers("channels", channels)
    kernel_size = checks.integer("kernel_size", kernel_size)
    units = checks.integers("units", units)
    return lambda: _ConvNet(
        channels, kernel_size, [*units, num_outputs], batch_norm
    )


class _ConvNet(snt.Module):
    """Convolutions, then dense layers, the last of which is linear."""

    def __init__(
        self,
        channels: Sequence[int],
        kernel_size: int,
        units: Sequence[int],
        batch_norm: bool,
    ):
        super().__init__(name="convnet")
        normalise = BatchStatistics if batch_norm else _Identity
        self._convolutions = [
            (
                snt.Conv2D(size, kernel_size, name=f"convolution_{index}"),
                normalise(name=f"convolution_norm_{index}"),
            )
            for index, size in enumerate(channels)
        ]
        self._dense = [
            (
                snt.Linear(size, name=f"dense_{index}"),
                normalise(name=f"dense_norm_{index}"),
            )
            for index, size in enumerate(units[:-1])
        ]
        self._logits = snt.Linear(units[-1], name="logits")

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        hidden = images
        for convolve, normalise in self._convolutions:
            hidden = normalise(convolve(hidden))
            # The same as after ReLU, which then has a quarter to do.
            hidden = tf.nn.relu(tf.nn.max_pool2d(hidden, 2, 2, "SAME"))
        hidden = snt.flatten(hidden)
        for apply, normalise in self._dense:
            hidden = tf.nn.relu(normalise(apply(hidden)))
        return self._logits(hidden)


@snt.allow_empty_variables
class _Identity(snt.Module):
    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs


class BatchStatistics(snt.Module):
    """Batch normalisation by the minibatch's own mean and variance, always.

        y = scale (x - mean) / sqrt(variance + epsilon) + offset

    Means and variances are those of each channel, the last axis. There are no
    moving averages, hence no state.
    """

    @snt.once
    def _initialize(self, inputs: tf.Tensor):
        shape = inputs.shape[-1:]
        self.scale = tf.Variable(tf.ones(shape, inputs.dtype), name="scale")
        self.offset = tf.Variable(tf.zeros(shape, inputs.dtype), name="offset")

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the inputs, normalised; shape [batch, ..., channels]."""
        self._initialize(inputs)
        if inputs.dtype != tf.float32:
            mean, variance = tf.nn.moments(
                inputs, list(range(inputs.shape.rank - 1))
            )
            return tf.nn.batch_normalization(
                inputs, mean, variance, self.offset, self.scale, _EPSILON
            )
        # One kernel where the formula takes a dozen passes over memory; it is
        # for images of float32 alone.
        images = tf.reshape(inputs, [-1, 1, 1, inputs.shape[-1]])
        if inputs.shape.rank == 4:
            images = inputs
        outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
            images,
            self.scale,
            self.offset,
            epsilon=_EPSILON,
            is_training=True,
        )
        return tf.reshape(outputs, tf.shape(inputs))
