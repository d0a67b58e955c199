"""What moves a model's variables: the one interface of all its kinds."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from l2l_tf.keras_optimizers import diagnostics as diagnostics_lib
from l2l_tf.keras_optimizers import trial

Gradients = Sequence[tf.Tensor | tf.IndexedSlices]


class Options(NamedTuple):
    """How learned rules are run; see `LearnedOptimizer`.

    Attributes:
        state_dtype: In what an LSTM's state is kept, None for the rule's type.
        nonfinite: What a gradient that is not finite does.
        jit_compile: Whether XLA compiles the rule.
        steps: How long training will be, for rules that follow a schedule;
            None for the length that they were saved with.
    """

    state_dtype: str | None = None
    nonfinite: str = "skip"
    jit_compile: bool = True
    steps: int | None = None


class Part(abc.ABC):
    """Moves some of the variables of a `LearnedOptimizer`, its owner.

    The owner clips, averages, accumulates and counts, once for all parts, and
    owns the variables that parts make: what is saved and restored is one flat
    list.  Parts are none of Keras's or TensorFlow's objects, so that neither
    saves them a second time.

    Attributes:
        fallback: The part that goes on where this one is worse, if any.
        settings: How the two are compared.
    """

    fallback: Part | None = None
    settings: trial.Settings | None = None

    @abc.abstractmethod
    def build(
        self,
        owner: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
    ) -> None:
        """Makes the state for the variables that the part will move."""

    @abc.abstractmethod
    def step(
        self,
        owner: keras.optimizers.Optimizer,
        gradients: Gradients,
        variables: Sequence[keras.Variable],
        learning_rate: tf.Tensor,
    ) -> None:
        """Moves variables, in a replica's context.

        Args:
            owner: The optimizer.
            gradients: Those of this replica.
            variables: Some of those the part was built with.
            learning_rate: The owner's.
        """

    def begin(
        self,
        owner: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
    ) -> None:
        """Makes what depends on the owner's own state, after `build`."""
        del owner, variables

    def finish(self) -> None:
        """Ends a step, after the owner averaged parameters."""
        return

    def leave_out(self, loss: tf.Tensor) -> None:
        """Takes the loss of a step that an optimizer around this left out."""
        del loss

    def end(self, owner: keras.optimizers.Optimizer) -> None:
        """Gives the model the parameters to keep, when training ends."""
        del owner

    def diagnostics(self) -> tf.Tensor:
        """Returns what `l2l_tf.keras_optimizers.diagnostics.after` does.

        It tells of all rules inside together.
        """
        seen = [part.diagnostics() for part in self.rules()]
        if not seen:
            return tf.zeros([len(diagnostics_lib.NAMES)])
        skipped = tf.reduce_max([numbers[-1:] for numbers in seen], axis=0)
        measured = diagnostics_lib.combine([numbers[:-1] for numbers in seen])
        return tf.concat([measured, skipped], axis=0)

    @abc.abstractmethod
    def describe(self) -> str:
        """Returns what the part is, in words."""

    @abc.abstractmethod
    def config(self) -> Any:
        """Returns what `l2l_tf.keras_optimizers.routes.make_part` takes."""

    def rules(self) -> list[Part]:
        """Returns the parts that run a rule of this package."""
        return []

    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Returns the Keras optimizers inside."""
        return []


def path_of(variable: keras.Variable | tf.Variable) -> str:
    """Returns by what a variable is routed and called."""
    return getattr(variable, "path", variable.name)


def native(variable: keras.Variable | tf.Variable) -> tf.Variable:
    """Returns TensorFlow's own variable."""
    is_keras = isinstance(variable, keras.Variable)
    return variable.value if is_keras else variable
