"""Rules without weights that treat every parameter alike."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.rules import base


class ElementwiseRule(base.UpdateRule):
    """A rule without weights that treats every parameter alike.

    Subclasses write the mathematics for one parameter: `slots` names the
    tensors of state it needs, and `step` advances them.
    """

    is_baseline = True
    slots: tuple[str, ...] = ()

    def __init__(self, **options: float | tf.Tensor):
        """Stores the constants, which may be numbers or scalar tensors."""
        super().__init__()
        for name, value in options.items():
            if not tf.is_tensor(value):
                checks.number(name, value, minimum=0.0)
        self._options = options

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return {
            "step": tf.constant(0, tf.int32),
            "slots": [
                [self.initial_slot(slot, param) for slot in self.slots]
                for param in params
            ],
        }

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        step = state["step"] + 1
        updates, slots = [], []
        for gradient, old in zip(gradients, state["slots"], strict=True):
            constants = {
                name: constant(value, gradient.dtype)
                for name, value in self._options.items()
            }
            time = tf.cast(step, gradient.dtype)
            update, *new = self.step(gradient, time, *old, **constants)
            updates.append(update)
            slots.append(new)
        return updates, {"step": step, "slots": slots}

    def initial_slot(self, slot: str, param: tf.Tensor) -> tf.Tensor:
        """Returns a slot's value before the first step; zeros by default."""
        del slot
        return tf.zeros_like(param)

    @abc.abstractmethod
    def step(
        self, grad: tf.Tensor, t: tf.Tensor, *slots: tf.Tensor, **constants
    ) -> tuple[tf.Tensor, ...]:
        """Returns the update of one parameter and its next slots.

        Args:
            grad: The gradient.
            t: The number of this step, from 1.
            *slots: The slots, in the order of `slots`.
            **constants: The rule's constants, in the gradient's type.

        Returns:
            The update, then the next slots.
        """

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {"rule": self.rule_name} | {
            name: float(value) for name, value in self._options.items()
        }


def constant(value: float | tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns a number or a tensor as a tensor of the given type."""
    # A cast would take a Python number through float32.
    if tf.is_tensor(value):
        return tf.cast(value, dtype)
    return tf.constant(value, dtype)
