"""The meta-loss of one unroll, and its step weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

NAMES = ("constant", "rising", "last")
"""Step weights that have a name."""

_TINY = float(np.finfo(np.float32).tiny)
_HUGE = float(np.finfo(np.float32).max)


def step_weights(choice: str | Sequence[float], num_steps: int) -> tf.Tensor:
    """Returns the step weights w_t of one unroll.

    Args:
        choice: `"constant"` for ones, `"rising"` for a straight line from
            0.2 to 1.8, `"last"` for the last step only, or one number for each
            of f(theta_0), ..., f(theta_T).
        num_steps: The number of updates T.

    Returns:
        A float32 tensor of shape [num_steps + 1].

    Raises:
        ValueError: If the choice is none of these.
    """
    if isinstance(choice, str):
        if choice == "constant":
            return tf.ones([num_steps + 1])
        if choice == "rising":
            return tf.linspace(0.2, 1.8, num_steps + 1)
        if choice == "last":
            return tf.one_hot(num_steps, num_steps + 1)
    elif (
        isinstance(choice, (list, tuple))
        and len(choice) == num_steps + 1
        and all(isinstance(weight, (int, float)) for weight in choice)
    ):
        if 0 <= min(choice) and _TINY <= sum(choice) <= _HUGE:
            return tf.constant(choice, tf.float32)
    raise ValueError(
        f"Step weights {choice!r} are not accepted; give "
        f"{', '.join(map(repr, NAMES))} or {num_steps + 1} numbers of "
        "0 or more, not all of them 0."
    )


def meta_loss(losses: tf.Tensor, step_weights: tf.Tensor) -> tf.Tensor:
    """Sums the losses of one unroll: `L = sum_t w_t f(theta_t)`.

    Source: Andrychowicz et al. 2016, equation 3.

    Args:
        losses: Shape [steps, ...]; independent functions are averaged.
        step_weights: The w_t, shape [steps].

    Returns:
        A scalar; of float32 where losses have fewer digits.
    """
    if losses.dtype.size < tf.float32.size:
        losses = tf.cast(losses, tf.float32)
    functions = tf.range(1, tf.rank(losses))
    per_step = tf.reduce_mean(losses, axis=functions)
    return tf.reduce_sum(tf.cast(step_weights, losses.dtype) * per_step)
