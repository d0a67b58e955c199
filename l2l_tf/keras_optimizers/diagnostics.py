"""Numbers about the last step."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

NAMES = ("update_norm", "gradient_norm", "cosine", "skipped_steps")
"""What `after` returns, in its order."""

NOT_FINITE = "LearnedOptimizer received a gradient that is not finite."


def measure(gradients: tf.Tensor, updates: tf.Tensor) -> tf.Tensor:
    """Returns norms of update and gradient, and the cosine between them.

    Args:
        gradients: Those of a step, of any shape.
        updates: What the rule proposed, of the same shape.

    Returns:
        The first numbers of `NAMES`.
    """
    gradient_norm, update_norm = tf.norm(gradients), tf.norm(updates)
    inner = tf.reduce_sum(gradients * updates)
    cosine = tf.math.divide_no_nan(inner, gradient_norm * update_norm)
    numbers = (update_norm, gradient_norm, cosine)
    return tf.stack([tf.cast(number, tf.float32) for number in numbers])


def combine(measured: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns what `measure` says of all, from what it said of parts."""
    if len(measured) == 1:
        return measured[0]
    update_norms, gradient_norms, cosines = tf.unstack(tf.stack(measured, 1))
    update_norm, gradient_norm = tf.norm(update_norms), tf.norm(gradient_norms)
    inner = tf.reduce_sum(update_norms * gradient_norms * cosines)
    cosine = tf.math.divide_no_nan(inner, gradient_norm * update_norm)
    return tf.stack([update_norm, gradient_norm, cosine])


def after(
    previous: tf.Tensor, measured: tf.Tensor, is_finite: tf.Tensor
) -> tf.Tensor:
    """Returns a number for each of `NAMES` after one more step.

    Args:
        previous: What the step before returned.
        measured: What `measure` returned.
        is_finite: Whether all gradients were finite.
    """
    skipped = previous[-1:] + tf.cast(~is_finite, previous.dtype)
    return tf.concat([measured, skipped], axis=0)
