"""The while loop of an unroll: evaluates, differentiates, updates, records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

Evaluate = Callable[[list[tf.Tensor], Any, tf.Tensor], problems.Outcome]
"""Maps parameters, the model's state and a step's number to an outcome."""

Advance = Callable[
    [list[tf.Tensor], rules.State], tuple[list[tf.Tensor], rules.State, Any]
]
"""Maps gradients and the rule's state to updates, state and a record."""


class Position(NamedTuple):
    """What the loop carries from step to step.

    Attributes:
        params: The parameters theta.
        rule_state: The update rule's state h.
        model_state: The problem's own state.
    """

    params: list[tf.Tensor]
    rule_state: rules.State
    model_state: problems.Nest


class Seen(NamedTuple):
    """What was seen at theta_0, ..., theta_T, along leading axes of T + 1.

    Attributes:
        losses: f(theta_t).
        gradients: Its gradients, unless they are not kept.
        metrics: The problem's metrics, unless they are not kept.
    """

    losses: Any
    gradients: list[Any]
    metrics: dict[str, Any]


class Loop(NamedTuple):
    """A number of steps.

    Attributes:
        advance: The update rule.
        num_steps: The number of updates T.
        second_derivatives: Whether gradients depend on earlier updates.
        keep_gradients: Whether gradients and records are kept.
        keep_metrics: Whether metrics are kept.
        outcome: Shapes and types of what an evaluation gives.
    """

    advance: Advance
    num_steps: int
    second_derivatives: bool
    keep_gradients: bool
    keep_metrics: bool
    outcome: problems.Outcome

    def run(
        self, evaluate: Evaluate, start: Position
    ) -> tuple[Position, Seen, problems.Nest]:
        """Makes the updates.

        Args:
            evaluate: The optimizee; steps are counted from 0.
            start: Where to start from.

        Returns:
            The position after the last update, what was seen on the way, and
            the rule's records along leading axes of T.
        """
        freeze = tf.identity if self.second_derivatives else tf.stop_gradient

        def differentiate(params, model_state, index):
            with tf.GradientTape() as tape:
                tape.watch(params)
                outcome = evaluate(params, model_state, index)
            # The sum over independent functions, hence each its own gradient.
            gradients = tape.gradient(
                outcome.loss,
                params,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return outcome, [
                # Of an unknown shape where `tf.py_function` computes it.
                tf.ensure_shape(freeze(gradient), param.shape)
                for gradient, param in zip(gradients, params, strict=True)
            ]

        def body(index, seen, records, position):
            params, rule_state, model_state = position
            outcome, gradients = differentiate(params, model_state, index)
            updates, rule_state, record = self.advance(gradients, rule_state)
            seen = _write(seen, index, self._select(outcome, gradients))
            records = _write(records, index, record)
            position = Position(
                [p + u for p, u in zip(params, updates, strict=True)],
                rule_state,
                tf.nest.map_structure(freeze, outcome.model_state),
            )
            return index + 1, seen, records, position

        last = self.num_steps
        seen = _arrays(self._select(self.outcome, start.params), last + 1)
        _, seen, records, end = tf.while_loop(
            lambda index, *_: index < last,
            body,
            (0, seen, _arrays(self._record(start), last), start),
            maximum_iterations=last,
        )
        # The next unroll begins with this same evaluation and advances the
        # model's state by it; here it only measures.
        if self.keep_gradients:
            outcome, gradients = differentiate(
                end.params, end.model_state, last
            )
        else:
            outcome, gradients = evaluate(end.params, end.model_state, last), []
        seen = _write(seen, last, self._select(outcome, gradients))
        return end, _stack(seen), _stack(records)

    def _select(self, outcome, gradients) -> Seen:
        """Returns what is kept of an evaluation."""
        return Seen(
            outcome.loss,
            list(gradients) if self.keep_gradients else [],
            dict(outcome.metrics) if self.keep_metrics else {},
        )

    def _record(self, start: Position) -> problems.Nest:
        """Returns shapes and types of the rule's record."""
        if not self.keep_gradients:
            return ()
        traced = trace(self.advance, start.params, start.rule_state)
        return specs(traced.structured_outputs[2])


def trace(function: Callable[..., problems.Nest], *arguments: problems.Nest):
    """Traces a function aside: a call would leave its operations in the graph.

    Args:
        function: The function.
        *arguments: What it would be called with, or their shapes and types.

    Returns:
        Its concrete function.
    """
    return tf.function(function, autograph=False).get_concrete_function(
        *specs(arguments)
    )


def specs(nest: problems.Nest) -> problems.Nest:
    """Returns the shapes and types of tensors."""
    return tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), nest
    )


def _arrays(like: problems.Nest, size: int) -> problems.Nest:
    """Returns an array for each tensor, of its shape and type."""
    return tf.nest.map_structure(
        lambda tensor: tf.TensorArray(
            tensor.dtype, size, element_shape=tensor.shape
        ),
        like,
    )


def _write(arrays: problems.Nest, index: tf.Tensor, values: problems.Nest):
    return tf.nest.map_structure(
        lambda array, value: array.write(index, value), arrays, values
    )


def _stack(arrays: problems.Nest) -> problems.Nest:
    return tf.nest.map_structure(lambda array: array.stack(), arrays)
