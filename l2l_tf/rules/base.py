"""The one interface of update rules, learned or hand-designed."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

State = Any
"""A nest of tensors that a rule carries from step to step."""


class UpdateRule(tf.Module, abc.ABC):
    """Maps gradients to updates, one step at a time.

        updates, state = rule(gradients, state)
        params = params + updates

    Both methods are pure functions of tensors: nothing is assigned, so a rule
    can be unrolled, differentiated, exported and compiled. Weights that can
    be trained are the module's `trainable_variables`.

    Source: Andrychowicz et al. 2016, section 1.
    """

    @abc.abstractmethod
    def initial_state(self, params: Sequence[tf.Tensor]) -> State:
        """Returns the state before the first step.

        Args:
            params: The optimizee's parameters, of any shapes. Only their
                shapes and types matter.

        Returns:
            A nest of tensors.
        """

    @abc.abstractmethod
    def __call__(
        self, gradients: Sequence[tf.Tensor], state: State
    ) -> tuple[list[tf.Tensor], State]:
        """Proposes one update for every parameter.

        Args:
            gradients: One tensor for each parameter, of its shape.
            state: The state that the previous step returned.

        Returns:
            The updates, to be added to the parameters, and the next state of
            the same structure as `state`.
        """

    @abc.abstractmethod
    def config(self) -> dict[str, Any]:
        """Returns what `l2l_tf.rules.registry.make_rule` rebuilds it from."""


def replay(
    step: Callable[[list[tf.Tensor], State], tuple[list[tf.Tensor], State]],
    variables: Sequence[tf.Variable],
    gradients: Sequence[tf.Tensor],
    state: State,
    cotangents: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Differentiates `sum_t <u_t, c_t>` over recorded gradients.

    Args:
        step: An update rule: `updates, state = step(gradients, state)`.
        variables: Its weights.
        gradients: For each parameter, what the rule is given, shape
            [steps, ...].
        state: The rule's state before the first step.
        cotangents: For each parameter, the c_t, shape [steps, ...].

    Returns:
        One tensor for each variable.
    """
    num_steps = gradients[0].shape[0]

    def body(index, total, state):
        updates, state = step([g[index] for g in gradients], state)
        for update, cotangent in zip(updates, cotangents, strict=True):
            product = tf.reduce_sum(update * cotangent[index])
            total += tf.cast(product, total.dtype)
        return index + 1, total, state

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        _, total, _ = tf.while_loop(
            lambda index, *_: index < num_steps,
            body,
            (0, tf.zeros([], cotangents[0].dtype), state),
            maximum_iterations=num_steps,
        )
    return tape.gradient(
        total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
