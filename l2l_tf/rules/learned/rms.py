"""A tensor over its root mean square."""

from __future__ import annotations

import tensorflow as tf


def normalise(tensor: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Returns `x / sqrt(mean(x^2) + epsilon)`, with the mean over all of x.

    Args:
        tensor: The numbers x, of any shape.
        epsilon: Where the mean square is smaller, the result fades to zero.
    """
    mean_square = tf.reduce_mean(tf.square(tensor))
    return tensor * tf.math.rsqrt(
        mean_square + tf.constant(epsilon, tensor.dtype)
    )
