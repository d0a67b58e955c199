"""Stateless initial values for networks, as Sonnet initializers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import sonnet as snt
import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import randomness

InitialValues = str | float | Sequence[float]
"""How to draw a network's theta_0.

A number draws all parameters from a Gaussian of that standard deviation (the
paper's start is 0.01); a pair [low, high] first draws the deviation
log-uniformly between the two, once for each run. `"module"` draws as the
Sonnet modules would themselves (Gaussian of 1 / sqrt(fan-in), cut at two
deviations; zero biases), `"glorot_uniform"` as Keras's layers would.
"""

Draw = Callable[[Sequence[int], tf.DType, tf.Tensor], tf.Tensor]


class StatelessInitializer(snt.initializers.Initializer):
    """Draws each variable from a seed of its own."""

    def __init__(self, draw: Draw, seed: tf.Tensor):
        """Takes a function of shape, type and seed, and the first seed."""
        self._draw = draw
        self._seed = seed
        self._num_draws = 0

    def __call__(self, shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
        """See base class."""
        seed = randomness.fold_in(self._seed, self._num_draws)
        self._num_draws += 1
        return self._draw(shape, dtype, seed)


def initializers(
    kind: InitialValues, seed: tf.Tensor
) -> tuple[snt.initializers.Initializer, snt.initializers.Initializer]:
    """Returns initializers of weights and of biases for one run.

    Args:
        kind: See `InitialValues`.
        seed: A seed, int32 of shape [2].

    Returns:
        Two Sonnet initializers.
    """
    check(kind)
    weights_seed = randomness.stream(seed, "weights")
    if kind in ("module", "glorot_uniform"):
        draw = _fan_in_gaussian if kind == "module" else _glorot_uniform
        return (
            StatelessInitializer(draw, weights_seed),
            snt.initializers.Zeros(),
        )
    if isinstance(kind, (int, float)):
        std = tf.constant(kind, tf.float32)
    else:
        low, high = (math.log(bound) for bound in kind)
        exponent = tf.random.stateless_uniform(
            [], randomness.stream(seed, "std"), low, high
        )
        std = tf.exp(exponent)

    def gaussian(shape, dtype, seed):
        normal = tf.random.stateless_normal(shape, seed, dtype=dtype)
        return tf.cast(std, dtype) * normal

    return (
        StatelessInitializer(gaussian, weights_seed),
        StatelessInitializer(gaussian, randomness.stream(seed, "biases")),
    )


def check(kind: InitialValues) -> InitialValues:
    """Returns the value if it is accepted; otherwise raises a ValueError."""
    if isinstance(kind, str) and kind in ("module", "glorot_uniform"):
        return kind
    try:
        if isinstance(kind, (list, tuple)) and len(kind) == 2:
            low = checks.number("", kind[0], minimum=0.0, above=True)
            checks.number("", kind[1], minimum=low)
        else:
            checks.number("", kind, minimum=0.0)
        return kind
    except ValueError:
        pass
    raise ValueError(
        f"Unknown initial values {kind!r}; accepted: a standard deviation "
        "such as 0.01, a range of them such as [0.01, 0.1], 'module' or "
        "'glorot_uniform'."
    )


def _fan_in_gaussian(shape, dtype, seed):
    scale = 1.0 / math.sqrt(max(1, math.prod(shape[:-1])))
    return scale * tf.random.stateless_truncated_normal(
        shape, seed, dtype=dtype
    )


def _glorot_uniform(shape, dtype, seed):
    receptive = math.prod(shape[:-2])
    limit = math.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
    return tf.random.stateless_uniform(shape, seed, -limit, limit, dtype)
