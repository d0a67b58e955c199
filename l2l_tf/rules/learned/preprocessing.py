"""Preprocessing of gradients before they enter a learned rule.

Every function maps gradients of shape [rows, columns] to features of shape
[features * rows, columns]; `NUM_FEATURES` tells how many features each makes
of one number.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks


def identity(gradients: tf.Tensor) -> tf.Tensor:
    """Returns the gradients as they are.

    Args:
        gradients: Shape [rows, columns].

    Returns:
        The same tensor.
    """
    return gradients


def clamp(
    gradients: tf.Tensor, min_value: float = -1.0, max_value: float = 1.0
) -> tf.Tensor:
    """Clips every coordinate: `min(max(g, min_value), max_value)`.

    Args:
        gradients: Shape [rows, columns].
        min_value: The lower bound.
        max_value: The upper bound.

    Returns:
        Features of the same shape.
    """
    return tf.clip_by_value(gradients, min_value, max_value)


def rescale(gradients: tf.Tensor, factor: float = 1.0) -> tf.Tensor:
    """Multiplies every coordinate by a constant.

    Args:
        gradients: Shape [rows, columns].
        factor: The constant.

    Returns:
        Features of the same shape.
    """
    return gradients * tf.constant(factor, gradients.dtype)


def log_and_sign(gradients: tf.Tensor, p: float = 10.0) -> tf.Tensor:
    """Splits gradients into magnitude and sign.

        (log|g| / p, sgn g)   if |g| >= exp(-p)
        (-1, exp(p) g)        otherwise

    Source: Andrychowicz et al. 2016, appendix A.

    Args:
        gradients: Shape [rows, columns].
        p: How small a gradient may be before it is treated linearly.

    Returns:
        Features of shape [2 * rows, columns], magnitudes first.
    """
    threshold = tf.constant(math.exp(-p), gradients.dtype)
    magnitude = tf.abs(gradients)
    # The maximum keeps log's derivative finite where its value is not used.
    log = tf.math.log(tf.maximum(magnitude, threshold))
    linear = gradients * tf.constant(math.exp(p), gradients.dtype)
    large = magnitude >= threshold
    # A product, not a quotient: the graph optimizer rewrites division by a
    # constant, and eager and compiled results would differ in the last bit.
    first = tf.where(large, log * (1.0 / p), -tf.ones_like(gradients))
    second = tf.where(large, tf.sign(gradients), linear)
    return tf.concat([first, second], axis=0)


def log_and_sign_smooth(gradients: tf.Tensor, p: float = 5.0) -> tf.Tensor:
    """Splits gradients as the released code does.

        (max(log(|g| + eps) / p, -1), clip(exp(p) g, -1, 1))

    Source: google-deepmind/learning-to-learn, `preprocess.LogAndSign`.

    Args:
        gradients: Shape [rows, columns].
        p: How small a gradient may be before it is treated linearly.

    Returns:
        Features of shape [2 * rows, columns], magnitudes first.
    """
    epsilon = np.finfo(gradients.dtype.as_numpy_dtype).eps
    log = tf.math.log(tf.abs(gradients) + epsilon) * (1.0 / p)
    linear = gradients * tf.constant(math.exp(p), gradients.dtype)
    return tf.concat(
        [tf.maximum(log, -1.0), tf.clip_by_value(linear, -1.0, 1.0)], axis=0
    )


FUNCTIONS: dict[str, Callable[..., tf.Tensor]] = {
    "identity": identity,
    "clamp": clamp,
    "rescale": rescale,
    "log_and_sign": log_and_sign,
    "log_and_sign_smooth": log_and_sign_smooth,
}

_MAX_P = 80

NUM_FEATURES = {name: 1 for name in FUNCTIONS} | {
    "log_and_sign": 2,
    "log_and_sign_smooth": 2,
}


def get(name: str, **options) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a preprocessing function with its options bound.

    Args:
        name: One of `FUNCTIONS`.
        **options: The function's own options, such as `p=10`.

    Returns:
        A function from gradients to features.

    Raises:
        ValueError: If the name or an option is unknown or a value refused.
    """
    if name not in FUNCTIONS:
        raise ValueError(
            f"Unknown preprocessing {name!r}; accepted: {sorted(FUNCTIONS)}."
        )
    accepted = list(inspect.signature(FUNCTIONS[name]).parameters)[1:]
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        raise ValueError(
            f"Unknown options {unknown} for preprocessing {name!r}; "
            f"accepted: {accepted}."
        )
    for option, value in options.items():
        if option == "p":
            checks.number(option, value, minimum=0.0, above=True)
            if value > _MAX_P:
                raise ValueError(
                    f"p must be {_MAX_P} at most, since exp(-p) is no float32 "
                    f"beyond; received {value!r}."
                )
        else:
            checks.number(option, value)
    return functools.partial(FUNCTIONS[name], **options)
