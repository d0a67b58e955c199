"""The meta-loss of one unroll, and the weights of its steps."""

from __future__ import annotations

import math

import tensorflow as tf

NAMED_WEIGHTS = ("constant", "rising", "last")
"""Step weights that have a name."""


def step_weights(weights: str | list[float], num_steps: int) -> tf.Tensor:
    """Returns the weights w_t of the losses of one unroll.

    Args:
        weights: `"constant"` for ones, `"rising"` for a straight line from
            0.2 to 1.8, `"last"` for the last step only, or one number for each
            of f(theta_0), ..., f(theta_T).
        num_steps: The number of updates T.

    Returns:
        A float32 tensor of shape [num_steps + 1].

    Raises:
        ValueError: If the weights are none of these.
    """
    if isinstance(weights, str):
        if weights == "constant":
            return tf.ones([num_steps + 1])
        if weights == "rising":
            return tf.linspace(0.2, 1.8, num_steps + 1)
        if weights == "last":
            return tf.one_hot(num_steps, num_steps + 1)
    elif (
        isinstance(weights, (list, tuple))
        and len(weights) == num_steps + 1
        and all(isinstance(weight, (int, float)) for weight in weights)
    ):
        if 0 <= min(weights) and 0 < sum(weights) < math.inf:
            return tf.constant(weights, tf.float32)
    raise ValueError(
        f"Step weights {weights!r} are not accepted; give "
        f"{', '.join(map(repr, NAMED_WEIGHTS))} or {num_steps + 1} numbers of "
        "0 or more, not all of them 0."
    )


def meta_loss(losses: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sums the losses of one unroll: `L = sum_t w_t f(theta_t)`.

    Source: Andrychowicz et al. 2016, equation 3.

    Args:
        losses: Shape [steps, ...]; independent functions are averaged.
        weights: The weights w_t, shape [steps].

    Returns:
        A scalar.
    """
    functions = tf.range(1, tf.rank(losses))
    per_step = tf.reduce_mean(losses, axis=functions)
    return tf.reduce_sum(tf.cast(weights, losses.dtype) * per_step)
