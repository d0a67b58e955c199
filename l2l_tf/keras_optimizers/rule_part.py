"""An update rule that moves some of the variables, all in one call."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from l2l_tf.keras_optimizers import description
from l2l_tf.keras_optimizers import diagnostics as diagnostics_lib
from l2l_tf.keras_optimizers import loading
from l2l_tf.keras_optimizers import parts
from l2l_tf.rules import base


class Proposal(NamedTuple):
    """What a rule proposes for one variable.

    Attributes:
        update: To be scaled by the learning rate and added.
        active: What of it counts, a bool for all or for each row; the rest of
            the update is zero.
        rows: Positions along the first axis, where some are updated only.
    """

    update: tf.Tensor
    active: tf.Tensor
    rows: tf.Tensor | None = None


class RulePart(parts.Part):
    """Keeps a rule's state, and applies what the rule proposes.

        theta += learning_rate * (g_t - weight_decay * theta)

    A step with a gradient that is not finite changes nothing.

    Attributes:
        rule: The update rule.
        label: What the user calls it.
        metadata: What is known of its training.
        state: Its state, a flat list.
    """

    def __init__(
        self,
        loaded: loading.Loaded,
        rule: base.UpdateRule,
        options: parts.Options,
    ):
        """Takes the rule, all of the saved optimizer or one of its parts."""
        self.label, self.metadata = loaded.label, loaded.metadata
        self.rule, self.options = rule, options
        self.state: list[keras.Variable] = []

    @abc.abstractmethod
    def make_state(self, owner, variables) -> list[keras.Variable]:
        """Makes the state for some variables."""

    @abc.abstractmethod
    def propose(
        self,
        indices: Sequence[int],
        gradients: parts.Gradients,
        is_finite: tf.Tensor,
        state: Sequence[tf.Variable],
    ) -> tuple[list[Proposal], tf.Tensor]:
        """Advances the state, and returns what to do.

        Args:
            indices: Which of the variables the gradients belong to.
            gradients: Their gradients.
            is_finite: Whether all of them are; if not, the state stays and
                updates are zero.
            state: The state's variables on this replica.

        Returns:
            One proposal for each gradient, and what
            `l2l_tf.keras_optimizers.diagnostics.measure` says of them.
        """

    def build(self, owner, variables) -> None:
        """See base class."""
        self._shapes = [tuple(variable.shape) for variable in variables]
        self.state = self.make_state(owner, variables)
        self._indices = {
            owner.key_of(variable): index
            for index, variable in enumerate(variables)
        }
        self._diagnostics = owner.add_variable(
            (len(diagnostics_lib.NAMES),), name="diagnostics", dtype="float32"
        )

    @property
    def num_parameters(self) -> int:
        """How many parameters it moves."""
        return sum(math.prod(shape) for shape in self._shapes)

    def step(self, owner, gradients, variables, learning_rate) -> None:
        """See base class."""
        context = tf.distribute.get_replica_context()
        if context is not None:
            gradients = context.all_reduce(
                tf.distribute.ReduceOp.SUM, list(gradients)
            )
        order = sorted(
            range(len(variables)),
            key=lambda i: self._indices[owner.key_of(variables[i])],
        )
        variables = [variables[position] for position in order]
        indices = [self._indices[owner.key_of(v)] for v in variables]
        decays = [owner.decay_of(variable) for variable in variables]
        arguments = (
            [gradients[position] for position in order],
            [parts.native(variable) for variable in variables],
            [variable.value for variable in self.state],
            self._diagnostics.value,
            learning_rate,
        )

        def update_all(strategy, *arguments):
            strategy.extended.update(
                arguments[1][0],
                lambda _, *local: self._update(indices, decays, *local),
                args=arguments,
                group=False,
            )

        tf.__internal__.distribute.interim.maybe_merge_call(
            update_all, tf.distribute.get_strategy(), *arguments
        )

    def describe(self) -> str:
        """See base class."""
        return description.describe(
            self.label, self.metadata, self.rule.describe()
        )

    def config(self) -> Any:
        """See base class."""
        return self.label

    def rules(self) -> list[parts.Part]:
        """See base class."""
        return [self]

    def diagnostics(self) -> tf.Tensor:
        """See base class."""
        return tf.convert_to_tensor(self._diagnostics.value)

    def _update(
        self, indices, decays, gradients, variables, state, seen, learning_rate
    ) -> None:
        """Updates variables and state on one replica."""
        is_finite = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(_values(g))) for g in gradients]
        )
        if self.options.nonfinite == "raise":
            tf.debugging.Assert(
                is_finite, [diagnostics_lib.NOT_FINITE], name="finite"
            )
        proposals, measured = self.propose(indices, gradients, is_finite, state)
        for proposal, decay, variable in zip(
            proposals, decays, variables, strict=True
        ):
            update = tf.cast(proposal.update, variable.dtype)
            rows = proposal.rows
            if decay is not None:
                old = variable if rows is None else tf.gather(variable, rows)
                update -= tf.where(proposal.active, decay * old, 0)
            update *= tf.cast(learning_rate, update.dtype)
            if rows is None:
                variable.assign_add(update)
            else:
                variable.scatter_add(tf.IndexedSlices(update, rows))
        seen.assign(diagnostics_lib.after(seen, measured, is_finite))


def _values(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    is_sliced = isinstance(gradient, tf.IndexedSlices)
    return gradient.values if is_sliced else gradient
