"""How far back a rule looks: effects of earlier gradients on an update."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from l2l_tf.evaluation import proposals
from l2l_tf.rules import base as rules

_LEAST = 1e-15
"""Squares of much smaller gradients vanish in 32 bits."""


def effects(
    rule: rules.UpdateRule,
    gradients: Sequence[np.ndarray],
    steps: Sequence[int],
    num_back: int,
) -> np.ndarray:
    """Differentiates updates through the state by earlier gradients.

        effect_k = rms(du_t / dg_{t-k} * g_{t-k}) / rms(u_t),   k = 0, 1, ...

    The root mean squares are over coordinates. An effect of 0.1 means that
    one percent more of the gradient k steps ago changes the update by a tenth
    of a percent: where that gradient was large, so is one percent of it.

    Args:
        rule: A rule whose coordinates share nothing.
        gradients: For each parameter the gradients of a run, an array of shape
            [T, ...].
        steps: The updates t, counted from 0; none before num_back.
        num_back: How far to look back, K.

    Returns:
        Effects, shape [len(steps), K + 1].

    Raises:
        ValueError: If a step lies before num_back or beyond the run, or if
            the rule's coordinates share something.
    """
    if not gradients or not steps or num_back < 0:
        raise ValueError(
            "Looking back takes gradients, steps, and a number of steps back; "
            f"received {len(gradients)} parameters, the steps {list(steps)} "
            f"and {num_back}."
        )
    follower = proposals.Follower(rule)
    _check_separable(rule, follower, gradients)
    length = len(gradients[0])
    for step in steps:
        if not num_back <= step < length:
            raise ValueError(
                f"Looking {num_back} steps back takes steps from {num_back} "
                f"to {length - 1}; received {step}."
            )
    states = follower.follow(
        gradients, [step - num_back for step in steps]
    ).states

    @tf.function(autograph=False)
    def differentiate(window, state):
        # Each step's gradients are tensors of their own: a slice of all would
        # have a derivative of the whole's shape.
        history = [
            [values[k] for values in window] for k in range(num_back + 1)
        ]
        with tf.GradientTape() as tape:
            tape.watch(history)
            for past in history:
                updates, state = rule(past, state)
            total = tf.add_n([tf.reduce_sum(u) for u in updates])
        derivatives = tape.gradient(
            total, history, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        products = [
            _mean_square([_product(*p) for p in zip(*pair, strict=True)])
            for pair in zip(derivatives, history, strict=True)
        ]
        return tf.sqrt(tf.stack(products[::-1]) / _mean_square(updates))

    found = []
    for step in steps:
        first = step - num_back
        window = [tf.constant(g[first : step + 1]) for g in gradients]
        found.append(differentiate(window, states[first]).numpy())
    return np.stack(found)


def _check_separable(
    rule: rules.UpdateRule,
    follower: proposals.Follower,
    gradients: Sequence[np.ndarray],
) -> None:
    """Refuses rules of which the sum of updates tells too little.

    One coordinate of each parameter is given other gradients for two steps;
    all others must not notice.
    """
    first = [np.array(g[:2]) for g in gradients]
    other = [np.array(g) for g in first]
    for g in other:
        flat = g.reshape(len(g), -1)
        flat[:, 0] = 2.0 * flat[:, 0] + 1.0
    for a, b in zip(
        follower.follow(first).updates,
        follower.follow(other).updates,
        strict=True,
    ):
        rest = [u.reshape(len(u), -1)[:, 1:] for u in (a, b)]
        if not np.allclose(*rest, rtol=1e-5, atol=1e-9):
            raise ValueError(
                "Looking back takes rules whose coordinates share nothing; "
                f"received {rule.config()}, in which one coordinate's "
                "gradients change the updates of others by up to "
                f"{np.abs(rest[0] - rest[1]).max():.2g}."
            )


def _product(derivative: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Returns the product, zero where the gradient's square vanishes.

    There Adam's root has no derivative.
    """
    seen = tf.where(tf.abs(gradient) > _LEAST, gradient, 0.0)
    return tf.math.multiply_no_nan(derivative, seen)


def _mean_square(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the mean square over the coordinates of all tensors."""
    size = sum(tensor.shape.num_elements() for tensor in tensors)
    return tf.add_n([tf.reduce_sum(tf.square(x)) for x in tensors]) / size
