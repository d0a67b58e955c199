"""Any update rule, at work on a model's variables."""

from __future__ import annotations

import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from l2l_tf.keras_optimizers import diagnostics
from l2l_tf.keras_optimizers import memory
from l2l_tf.keras_optimizers import rule_part
from l2l_tf.rules import base

_KEPT = 64


class GeneralPart(rule_part.RulePart):
    """Calls a rule as it is: all variables together, no blocks.

    Variables without a gradient have a gradient of zero for the rule, and stay
    where they are. The state has the types that the rule gives it.
    """

    def make_state(self, owner, variables) -> list[keras.Variable]:
        """See base class."""
        is_one = tf.distribute.get_strategy().num_replicas_in_sync == 1
        self._call = _make_call(
            self.rule, self.options.jit_compile and is_one, self.options.steps
        )
        self._check_memory(variables)
        if self.options.state_dtype is not None:
            warnings.warn(
                f"{self.label!r} keeps its state in its own types; "
                f"state_dtype={self.options.state_dtype!r} changes that of "
                "rules that treat each coordinate alone.",
                stacklevel=2,
            )
        with tf.init_scope():
            params = [tf.zeros(v.shape, v.dtype) for v in variables]
            first = self.rule.initial_state(params)
            # TensorFlow lifts initializers, not tensors, out of a function.
            flat = [
                tf.convert_to_tensor(t).numpy() for t in tf.nest.flatten(first)
            ]
        # No tensors, which would be a second copy of all state.
        self._nest = tf.nest.map_structure(lambda _: None, first)
        self._dtypes = [v.dtype for v in variables]
        return [
            owner.add_variable(
                tuple(value.shape),
                initializer=_Constant(value),
                dtype=value.dtype.name,
                name=f"state_{index}",
            )
            for index, value in enumerate(flat)
        ]

    def _check_memory(self, variables) -> None:
        """Refuses a state that does not fit, before any of it is made."""
        specs = [tf.TensorSpec(v.shape, v.dtype) for v in variables]
        state = tf.function(
            lambda params: self.rule.initial_state(params), autograph=False
        ).get_concrete_function(specs)
        outputs = [tf.TensorSpec.from_tensor(t) for t in state.outputs]
        size = sum(
            (t.shape.num_elements() or 0) * t.dtype.size for t in outputs
        )
        memory.check(
            num_parameters=self.num_parameters,
            state_bytes=size,
            # The next state lies beside the old one.
            block_bytes=size,
            state_dtype="its own types",
            may_halve=False,
        )

    def propose(self, indices, gradients, is_finite, state):
        """See base class."""
        given = dict(zip(indices, gradients, strict=True))
        dense = [
            tf.cast(tf.convert_to_tensor(given[index]), dtype)
            if index in given
            else tf.zeros(shape, dtype)
            for index, (shape, dtype) in enumerate(
                zip(self._shapes, self._dtypes, strict=True)
            )
        ]
        old = [tf.convert_to_tensor(tensor) for tensor in state]
        updates, new = self._call(
            dense, tf.nest.pack_sequence_as(self._nest, old), is_finite
        )
        for tensor, value in zip(state, tf.nest.flatten(new), strict=True):
            tensor.assign(value)
        measured = diagnostics.combine(
            [
                diagnostics.measure(dense[index], updates[index])
                for index in indices
            ]
        )
        return [
            rule_part.Proposal(updates[index], is_finite) for index in indices
        ], measured


@functools.lru_cache(_KEPT)
def _make_call(rule: base.UpdateRule, jit_compile: bool, steps: int | None):
    """Returns what all optimizers of one rule and length share."""

    def call(gradients, state, is_finite):
        if steps is not None:
            # At each step, since state that was saved may know another length.
            state = rule.with_horizon(state, gradients, steps)
        updates, new = rule(gradients, state)
        return tf.nest.map_structure(
            lambda value, before: tf.where(is_finite, value, before),
            (updates, new),
            ([tf.zeros_like(update) for update in updates], state),
            check_types=False,
        )

    return tf.function(call, jit_compile=jit_compile, autograph=False)


class _Constant(keras.initializers.Initializer):
    def __init__(self, value: np.ndarray):
        self._value = value

    def __call__(self, shape, dtype=None):
        return tf.constant(self._value, dtype, shape)
