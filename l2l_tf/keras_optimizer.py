"""Trained rules as Keras optimizers."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from l2l_tf import metadata as metadata_lib
from l2l_tf import saved_optimizer
from l2l_tf.rules import columns


@keras.saving.register_keras_serializable(package="l2l_tf")
class LearnedOptimizer(keras.optimizers.Optimizer):
    """A trained update rule, used like any Keras optimizer.

        [g_t, h_{t+1}] = m(grad f(theta_t), h_t);  theta += learning_rate * g_t

    All variables are updated by one call of the rule; its LSTM's state is
    part of the optimizer's variables, and is saved and restored with them.

    Example:
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(optimizer=LearnedOptimizer("digits"), loss="mse")

    Source: Andrychowicz et al. 2016, section 2.
    """

    def __init__(
        self,
        optimizer: str | os.PathLike,
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        name: str = "learned_optimizer",
        **kwargs: Any,
    ):
        """Loads the rule.

        Args:
            optimizer: The name of a bundled optimizer, or the path of a
                folder that `scripts/train.py` or `scripts/export.py` wrote.
            learning_rate: Factor on the rule's updates. The rule chooses its
                step sizes itself, so that 1 is right unless there is a reason.
            name: The optimizer's name.
            **kwargs: Further arguments of `keras.optimizers.Optimizer`.

        Raises:
            SavedOptimizerError: If the optimizer is missing, damaged or not
                to be trusted.
        """
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        folder = metadata_lib.find(optimizer)
        config = metadata_lib.read(folder)["rule"]
        if config["rule"] == "routed":
            raise metadata_lib.SavedOptimizerError(
                f"{os.fspath(optimizer)!r} holds several rules for the "
                f"parameters of one problem, {config}; accepted: an optimizer "
                "with one rule for all variables."
            )
        rule = saved_optimizer.load(folder)
        # A name stays a name; a path must be found from any folder.
        self._optimizer = os.fspath(optimizer)
        if pathlib.Path(optimizer).expanduser().exists():
            self._optimizer = str(folder.resolve())
        # Behind a function, since Keras would save the weights of a module
        # as if they were state.
        self._get_rule = lambda: rule

    @property
    def rule(self) -> columns.ColumnwiseRule:
        """The update rule."""
        return self._get_rule()

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the LSTM's state for all variables.

        Args:
            variables: The model's trainable variables.

        Raises:
            ValueError: If a variable's shape does not fit the rule, or the
                model is distributed.
        """
        if self.built:
            return
        if tf.distribute.has_strategy():
            raise ValueError(
                "LearnedOptimizer runs on one device; received the strategy "
                f"{type(tf.distribute.get_strategy()).__name__}."
            )
        super().build(variables)
        counts = [self.rule.arrangement.num_columns(v.shape) for v in variables]
        ends = list(itertools.accumulate(counts))
        # Each variable's part of the columns.
        self._parts = tuple(zip([0, *ends], ends, strict=False))
        # A column's first state is the same for all columns.
        with tf.init_scope():
            first = self.rule.initial_columns(1)
        self._state = [
            self.add_variable(
                (column.shape[0], sum(counts)),
                initializer=_Repeat(column),
                dtype=column.dtype.name,
                name=f"state_{index}",
            )
            for index, column in enumerate(first)
        ]

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        return {**super().get_config(), "optimizer": self._optimizer}

    # Keras has no public hook for all variables at once: `update_step` gets
    # one of them.
    def _distributed_tf_update_step(
        self, distribution, grads_and_vars, learning_rate
    ):
        """Updates all variables by one call of the rule."""
        indexed = sorted(
            (self._get_variable_index(variable), gradient, variable)
            for gradient, variable in grads_and_vars
        )
        indices, gradients, variables = zip(*indexed, strict=True)
        distribution.extended.update(
            variables[0],
            lambda _, *args: self._update_all(indices, *args),
            args=(
                list(gradients),
                list(variables),
                [state.value for state in self._state],
                learning_rate,
            ),
            group=False,
        )

    def _update_all(
        self, indices, gradients, variables, state, learning_rate
    ) -> None:
        """Applies the rule to variables, given by their indices."""
        # Variables without a gradient keep their state as it is.
        parts = [self._parts[index] for index in indices]
        is_whole = len(parts) == len(self._parts)
        old = [tf.convert_to_tensor(tensor) for tensor in state]
        if not is_whole:
            old = [_take(tensor, parts) for tensor in old]
        # Gradients of embeddings come as slices.
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        updates, new = self.rule(dense, old)
        for variable, update in zip(variables, updates, strict=True):
            rate = tf.cast(learning_rate, variable.dtype)
            variable.assign_add(rate * tf.cast(update, variable.dtype))
        for tensor, value in zip(state, new, strict=True):
            tensor.assign(value if is_whole else _put(tensor, value, parts))


class _Repeat(keras.initializers.Initializer):
    """Fills a matrix with copies of one column."""

    def __init__(self, column: tf.Tensor):
        self._column = column

    def __call__(self, shape, dtype=None):
        return tf.cast(tf.broadcast_to(self._column, shape), dtype)


def _take(tensor: tf.Tensor, parts: Sequence[tuple[int, int]]) -> tf.Tensor:
    """Returns some parts of the columns, side by side."""
    return tf.concat([tensor[:, start:stop] for start, stop in parts], axis=1)


def _put(
    tensor: tf.Tensor, values: tf.Tensor, parts: Sequence[tuple[int, int]]
) -> tf.Tensor:
    """Undoes `_take`: puts values into some parts of the columns."""
    pieces, position, taken = [], 0, 0
    for start, stop in parts:
        size = stop - start
        pieces += [tensor[:, position:start], values[:, taken : taken + size]]
        position, taken = stop, taken + size
    return tf.concat([*pieces, tensor[:, position:]], axis=1)
