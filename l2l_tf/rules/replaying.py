"""Replays that keep the states of a sequence, and compute the rest again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base

Step = Callable[
    [list[tf.Tensor], base.State], tuple[list[tf.Tensor], base.State]
]
"""An update rule: `updates, state = step(gradients, state)`."""


def replay_steps(
    step: Step,
    variables: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor],
    state: base.State,
    cotangents: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Differentiates `sum_t <u_t, c_t>` over recorded gradients.

    Automatic differentiation of the whole loop keeps all that each step
    computed. Here the states before the steps are kept; on the way back each
    step is made once more, and differentiated by itself.

    Args:
        step: The rule.
        variables: Its weights.
        gradients: For each parameter, what the rule is given, shape
            [steps, ...].
        state: The rule's state before the first step.
        cotangents: For each parameter, the c_t, shape [steps, ...].

    Returns:
        One tensor for each variable, as `base.replay_steps` returns them.
    """
    num_steps = gradients[0].shape[0]
    states = _states(step, gradients, state)
    zero = tf.UnconnectedGradients.ZERO

    def body(index, after, sums):
        index -= 1
        before = tf.nest.map_structure(lambda array: array[index], states)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            moving = _floating(before)
            tape.watch([*variables, *moving])
            updates, following = step([g[index] for g in gradients], before)
            results = [*updates, *_floating(following)]
        found = tape.gradient(
            results,
            [*variables, *moving],
            output_gradients=[
                tf.cast(c[index], u.dtype)
                for c, u in zip(cotangents, updates, strict=True)
            ]
            + list(after),
            unconnected_gradients=zero,
        )
        count = len(variables)
        sums = [a + b for a, b in zip(sums, found[:count], strict=True)]
        return index, found[count:], sums

    return tf.while_loop(
        lambda index, *_: index > 0,
        body,
        (
            num_steps,
            [tf.zeros_like(tensor) for tensor in _floating(state)],
            [tf.zeros_like(variable) for variable in variables],
        ),
        maximum_iterations=num_steps,
    )[-1]


def _states(step: Step, gradients: Sequence[tf.Tensor], state: base.State):
    """Returns the states before each step, stacked."""
    num_steps = gradients[0].shape[0]

    def body(index, state, arrays):
        arrays = tf.nest.map_structure(
            lambda array, tensor: array.write(index, tensor), arrays, state
        )
        _, state = step([g[index] for g in gradients], state)
        return index + 1, state, arrays

    arrays = tf.nest.map_structure(
        lambda tensor: tf.TensorArray(
            tensor.dtype, num_steps, element_shape=tensor.shape
        ),
        state,
    )
    _, _, arrays = tf.while_loop(
        lambda index, *_: index < num_steps,
        body,
        (0, state, arrays),
        maximum_iterations=num_steps,
    )
    return tf.nest.map_structure(lambda array: array.stack(), arrays)


def _floating(nest: Any) -> list[tf.Tensor]:
    """Returns the tensors that can be differentiated."""
    return [t for t in tf.nest.flatten(nest) if t.dtype.is_floating]
