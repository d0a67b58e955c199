"""What an image has in common with another: content, style, and smoothness.

Source: Gatys et al. 2015, arXiv:1508.06576, section "Methods".
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

Features = Mapping[str, tf.Tensor]
"""Features of one image by layer, shape [1, height, width, channels]."""


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Returns how channels go together, whatever the place.

    G_ij = 1/M sum_k F_ik F_jk, over the M places of a layer. Gatys et al. sum;
    with the mean, images of different sizes can be compared.

    Args:
        features: Shape [1, height, width, channels].

    Returns:
        Shape [channels, channels].
    """
    columns = tf.reshape(features, [-1, features.shape[-1]])
    places = tf.cast(tf.shape(columns)[0], columns.dtype)
    return tf.matmul(columns, columns, transpose_a=True) / places


def gram_matrices(features: Features) -> dict[str, tf.Tensor]:
    """Returns the Gram matrix of each layer."""
    return {name: gram_matrix(values) for name, values in features.items()}


def content_loss(features: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Returns 1/2 sum (F - P)^2.

    Args:
        features: The image's features of one layer.
        content: Those of the image that it shall show, of the same shape.

    Returns:
        A scalar.
    """
    return 0.5 * tf.reduce_sum(tf.math.squared_difference(features, content))


def style_loss(features: Features, style: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the mean over layers of 1/(4 N^2) sum (G - A)^2.

    N is the number of a layer's channels. With sums over M places as G and A,
    as in Gatys et al., the factor is 1/(4 N^2 M^2).

    Args:
        features: The image's features by layer.
        style: Gram matrices, by layer, of the image whose style it shall have.

    Returns:
        A scalar.
    """
    losses = []
    for name, gram in style.items():
        difference = gram_matrix(features[name]) - gram
        channels = gram.shape[0]
        losses.append(
            tf.reduce_sum(tf.square(difference)) / (4.0 * channels**2)
        )
    return tf.add_n(losses) / len(losses)


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Returns the sum of squared differences between neighbouring pixels.

    Args:
        image: Shape [height, width, channels].

    Returns:
        A scalar.
    """
    down = image[1:, :] - image[:-1, :]
    right = image[:, 1:] - image[:, :-1]
    return tf.reduce_sum(tf.square(down)) + tf.reduce_sum(tf.square(right))
