"""The replay identity: dL/dphi without differentiating the optimizee twice.

With the optimizee's gradients held constant, parameters enter the meta-loss
only through theta_{t+1} = theta_t + u_t, so that

    dL/du_t  =  c_t  =  sum_{s>t} w_s grad f(theta_s),
    dL/dphi  =  d/dphi sum_t <u_t(phi; grad_0, ..., grad_t), c_t>,

where all of grad_0, ..., grad_T were computed on the way forward. How the sum
is differentiated is up to the rule, see `UpdateRule.replay`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.rules import base as rules

# One for each core: smaller than what XLA would share out by itself.
_LANES = min(os.cpu_count() or 1, 16)


def weights_gradient(
    rule: rules.UpdateRule,
    gradients: Sequence[tf.Tensor],
    state: rules.State,
    weights: tf.Tensor,
    fraction: float = 1.0,
    seed: tf.Tensor | None = None,
    jit_compile: bool = True,
    records: rules.Record = (),
) -> list[tf.Tensor]:
    """Returns dL/dphi of an unroll from the gradients that it recorded.

    Args:
        rule: The update rule.
        gradients: For each parameter, grad f(theta_0), ..., grad f(theta_T),
            shape [steps + 1, ...].
        state: The rule's state before the first step.
        weights: The weights w_t of f(theta_t), shape [steps + 1].
        fraction: The share of coordinates to replay; with less than 1 the
            result is an unbiased estimate.
        seed: Draws the coordinates, int32 of shape [2].
        jit_compile: Whether XLA compiles the replay.
        records: What the rule recorded, see `UpdateRule.record`.

    Returns:
        One tensor for each trainable variable of the rule.

    Raises:
        ValueError: If a fraction is asked of a rule that needs all of them.
    """
    return rule.replay(
        [gradient[:-1] for gradient in gradients],
        records,
        state,
        [cotangents(gradient, weights) for gradient in gradients],
        rules.ReplayOptions(fraction, seed, _LANES, jit_compile),
    )


def cotangents(gradients: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Returns `c_t = sum_{s>t} w_s grad f(theta_s)`.

    Args:
        gradients: At theta_0, ..., theta_T, shape [steps + 1, ...].
        weights: The weights w_t, shape [steps + 1].

    Returns:
        c_0, ..., c_{T-1}, shape [steps, ...].
    """
    ones = [1] * (gradients.shape.rank - 1)
    weights = tf.reshape(tf.cast(weights, gradients.dtype), [-1, *ones])
    return tf.cumsum((weights * gradients)[1:], axis=0, reverse=True)
