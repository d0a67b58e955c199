"""A rule that is watched: it records its updates, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base


class Recording(base.UpdateRule):
    """Another rule, which records a pair: its own record, and its updates."""

    def __init__(self, rule: base.UpdateRule):
        """Takes the rule."""
        super().__init__()
        self._rule = rule

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return self._rule.initial_state(params)

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> base.State:
        """See base class."""
        return self._rule.initial_state_of_functions(params, num_functions)

    def with_horizon(
        self,
        state: base.State,
        params: Sequence[tf.Tensor],
        num_steps: int | tf.Tensor,
    ) -> base.State:
        """See base class."""
        return self._rule.with_horizon(state, params, num_steps)

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        return self._rule(gradients, state)

    def record(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State, base.Record]:
        """See base class; `(record, updates)`."""
        updates, state, record = self._rule.record(gradients, state)
        return updates, state, (record, list(updates))

    def config(self) -> dict[str, Any]:
        """See base class; the rule's."""
        return self._rule.config()
