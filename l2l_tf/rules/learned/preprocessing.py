"""Preprocessing of gradients before they enter a learned rule's network.

Each function is registered with the number of features that it makes of one
number; its options are its keyword arguments.
"""

from __future__ import annotations

import abc
import math

import numpy as np
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import registry

_MAX_P = 80


class Preprocessing(abc.ABC):
    """A function of numbers, each by itself.

    Attributes:
        num_features: How many features it makes of one number.
    """

    num_features = 1

    @abc.abstractmethod
    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """Maps gradients to features.

        Args:
            gradients: Shape [rows, columns].

        Returns:
            Features of shape [num_features * rows, columns].
        """


PREPROCESSING: registry.Registry[type[Preprocessing]] = registry.Registry(
    "preprocessing", "l2l_tf.rules.learned"
)


@PREPROCESSING.register("identity")
class Identity(Preprocessing):
    """Gradients as they are."""

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return gradients


@PREPROCESSING.register("clamp")
class Clamp(Preprocessing):
    """Clips every number: `min(max(g, min_value), max_value)`."""

    def __init__(self, min_value: float = -1.0, max_value: float = 1.0):
        """Takes the bounds."""
        self.min_value = checks.number("min_value", min_value)
        self.max_value = checks.number("max_value", max_value)

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return tf.clip_by_value(gradients, self.min_value, self.max_value)


@PREPROCESSING.register("rescale")
class Rescale(Preprocessing):
    """Multiplies every number by a constant."""

    def __init__(self, factor: float = 1.0):
        """Takes the constant."""
        self.factor = checks.number("factor", factor)

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """See base class."""
        return gradients * tf.constant(self.factor, gradients.dtype)


@PREPROCESSING.register("log_and_sign")
class LogAndSign(Preprocessing):
    """Splits gradients into magnitude and sign; magnitudes come first.

        (log|g| / p, sgn g)   if |g| >= exp(-p)
        (-1, exp(p) g)        otherwise

    Source: Andrychowicz et al. 2016, appendix A.
    """

    num_features = 2

    def __init__(self, p: float = 10.0):
        """Takes how small a gradient is when it is treated linearly."""
        self.p = _checked_p(p)

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """See base class."""
        threshold = tf.constant(math.exp(-self.p), gradients.dtype)
        magnitude = tf.abs(gradients)
        # The maximum keeps log's derivative finite where its value is not used.
        log = tf.math.log(tf.maximum(magnitude, threshold))
        linear = gradients * tf.constant(math.exp(self.p), gradients.dtype)
        large = magnitude >= threshold
        # A product, not a quotient: the graph optimizer rewrites division by a
        # constant, and eager and compiled results would differ in the last bit.
        first = tf.where(large, log * (1.0 / self.p), -tf.ones_like(gradients))
        second = tf.where(large, tf.sign(gradients), linear)
        return tf.concat([first, second], axis=0)


@PREPROCESSING.register("log_and_sign_smooth")
class LogAndSignSmooth(Preprocessing):
    """Splits gradients as the released code does; magnitudes come first.

        (max(log(|g| + eps) / p, -1), clip(exp(p) g, -1, 1))

    Source: google-deepmind/learning-to-learn, `preprocess.LogAndSign`.
    """

    num_features = 2

    def __init__(self, p: float = 5.0):
        """Takes how small a gradient is when it is treated linearly."""
        self.p = _checked_p(p)

    def __call__(self, gradients: tf.Tensor) -> tf.Tensor:
        """See base class."""
        epsilon = np.finfo(gradients.dtype.as_numpy_dtype).eps
        log = tf.math.log(tf.abs(gradients) + epsilon) * (1.0 / self.p)
        linear = gradients * tf.constant(math.exp(self.p), gradients.dtype)
        return tf.concat(
            [tf.maximum(log, -1.0), tf.clip_by_value(linear, -1.0, 1.0)], axis=0
        )


def _checked_p(p: float) -> float:
    checks.number("p", p, minimum=0.0, above=True)
    if p > _MAX_P:
        raise ValueError(
            f"p must be {_MAX_P} at most, since exp(-p) is no float32 beyond; "
            f"received {p!r}."
        )
    return p
