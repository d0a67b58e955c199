"""Trained rules as Keras optimizers."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.keras_optimizers import description
from l2l_tf.keras_optimizers import diagnostics as diagnostics_lib
from l2l_tf.keras_optimizers import guarded_optimizer
from l2l_tf.keras_optimizers import memory
from l2l_tf.keras_optimizers import routed_optimizer
from l2l_tf.rules.learned import columns
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer

_STATE_DTYPES = (None, "float32", "bfloat16", "float64")
_NONFINITE = ("skip", "raise")


@keras.saving.register_keras_serializable(package="l2l_tf")
class LearnedOptimizer(keras.optimizers.Optimizer):
    """A trained update rule, used like any Keras optimizer.

        [g_t, h_{t+1}] = m(grad f(theta_t), h_t)
        theta += learning_rate * (g_t - weight_decay * theta)

    All variables are updated by one call of the rule; its LSTM's state is
    part of the optimizer's variables, and is saved and restored with them.
    A step with a gradient that is not finite changes neither parameters nor
    state.

    Example:
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(optimizer=LearnedOptimizer("digits"), loss="mse")

    Source: Andrychowicz et al. 2016, section 2.
    """

    def __new__(cls, optimizer=None, *args, fallback=None, **options):
        """Returns a wrapper around learned optimizers, if one is asked for."""
        if isinstance(optimizer, Mapping):
            made = _routed(cls, optimizer, *args, **options)
        elif fallback is not None:
            made = cls(optimizer, *args, **options)
        else:
            return super().__new__(cls)
        if fallback is None:
            return made
        return guarded_optimizer.GuardedOptimizer(made, fallback)

    def __init__(
        self,
        optimizer: str | os.PathLike | Mapping[str, Any],
        learning_rate: float
        | keras.optimizers.schedules.LearningRateSchedule = 1.0,
        name: str = "learned_optimizer",
        *,
        state_dtype: str | None = None,
        nonfinite: str = "skip",
        jit_compile: bool = True,
        fallback: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ):
        """Loads the rule.

        Args:
            optimizer: The name of a bundled optimizer, or the path of a
                folder that `scripts/train.py` or `scripts/export.py` wrote.
                Also names, paths or Keras optimizers by regular expressions
                over variables' paths: a `RoutedOptimizer`, which gives the
                other arguments to each learned optimizer.
            learning_rate: Factor on the rule's updates. The rule chooses its
                step sizes itself, so that 1 is right unless there is a reason.
            name: The optimizer's name.
            state_dtype: In what the LSTM's state is kept between steps; by
                default the rule's own type. "bfloat16" halves it.
            nonfinite: What a gradient that is not finite does: "skip" warns
                once, "raise" raises, where XLA compiles the training step at
                the end of `fit` only.
            jit_compile: Whether XLA compiles the update, also in a training
                step that it does not compile; not for several replicas.
            fallback: What goes on where the learned rule stops descending: a
                `GuardedOptimizer`.
            **kwargs: Further arguments of `keras.optimizers.Optimizer`.

        Raises:
            SavedOptimizerError: If the optimizer is missing, damaged or not
                to be trusted.
            ValueError: If an argument is not accepted.
        """
        del fallback  # `__new__` saw to it.
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        _check_one_of("state_dtype", state_dtype, _STATE_DTYPES)
        _check_one_of("nonfinite", nonfinite, _NONFINITE)
        folder = metadata_lib.find(optimizer)
        metadata = metadata_lib.read(folder)
        if metadata["rule"]["rule"] == "routed":
            raise metadata_lib.SavedOptimizerError(
                f"{os.fspath(optimizer)!r} holds several rules for the "
                f"parameters of one problem, {metadata['rule']}; accepted: an "
                "optimizer with one rule for all variables."
            )
        rule = saved_optimizer.load(folder)
        # XLA reads no variable of another device, as replicas would.
        is_one = self._distribution_strategy.num_replicas_in_sync == 1
        update = column_blocks.make_update(rule, jit_compile and is_one)
        # A name stays a name; a path must be found from any folder.
        self._optimizer = os.fspath(optimizer)
        if pathlib.Path(optimizer).expanduser().exists():
            self._optimizer = str(folder.resolve())
        self.state_dtype = state_dtype
        self.nonfinite = nonfinite
        self.jit_compile = jit_compile
        # Behind functions, since Keras would save the weights of a module
        # as if they were state.
        self._get_rule = lambda: rule
        self._get_update = lambda: update
        self._get_metadata = lambda: metadata
        reporter = diagnostics_lib.Reporter(
            self._optimizer,
            description.horizon(metadata),
            raises=nonfinite == "raise",
        )
        self._get_reporter = lambda: reporter

    @property
    def rule(self) -> columns.ColumnwiseRule:
        """The update rule."""
        return self._get_rule()

    @property
    def diagnostics(self) -> dict[str, tf.Tensor]:
        """Numbers about the last step, and how many steps were skipped.

        `update_norm` is the proposed update's, before the learning rate;
        `cosine` is that of the angle between it and the gradient.
        """
        self._check_built()
        values = tf.convert_to_tensor(self._diagnostics.value)
        return dict(zip(diagnostics_lib.NAMES, tf.unstack(values), strict=True))

    @property
    def state(self) -> list[keras.Variable]:
        """The LSTM's state, columns along the last axis."""
        self._check_built()
        return list(self._state)

    def describe(self) -> str:
        """Returns what the optimizer is, was trained on, and beat."""
        with tf.init_scope():
            first = self.rule.initial_columns(1)
        return description.describe(
            self._optimizer,
            self._get_metadata(),
            sum(column.shape[0] for column in first),
        )

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the LSTM's state for all variables.

        Args:
            variables: The model's trainable variables.

        Raises:
            ValueError: If a variable's shape does not fit the rule, or the
                state does not fit into memory.
        """
        if self.built:
            return
        arrange = self.rule.arrangement
        # Each variable's share of the columns.
        self._counts = tuple(arrange.num_columns(v.shape) for v in variables)
        sizes = column_blocks.sizes(sum(self._counts))
        # A column's first state is the same for all columns.
        with tf.init_scope():
            first = [
                tf.convert_to_tensor(t) for t in self.rule.initial_columns(1)
            ]
        dtype = self.state_dtype or self.rule.dtype.name
        numbers = sum(column.shape[0] for column in first)
        rule_bytes = self.rule.dtype.size
        memory.check(
            num_parameters=arrange.rows * sum(sizes),
            state_bytes=numbers * sum(sizes) * tf.as_dtype(dtype).size,
            # Old state, new state and gates, in the rule's own type.
            block_bytes=3 * numbers * max(sizes, default=0) * rule_bytes,
            state_dtype=dtype,
        )
        super().build(variables)
        self._diagnostics = self.add_variable(
            (len(diagnostics_lib.NAMES),), name="diagnostics", dtype="float32"
        )
        self._state = [
            self.add_variable(
                (column.shape[0], size),
                initializer=_Repeat(column),
                dtype=dtype,
                name=f"state_{block}_{index}",
            )
            for block, size in enumerate(sizes)
            for index, column in enumerate(first)
        ]
        self._state_per_block = len(first)

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        return {
            **super().get_config(),
            "optimizer": self._optimizer,
            "state_dtype": self.state_dtype,
            "nonfinite": self.nonfinite,
            "jit_compile": self.jit_compile,
        }

    def apply(self, grads, trainable_variables=None) -> None:
        """See base class."""
        super().apply(grads, trainable_variables)
        if tf.executing_eagerly():
            self.report()

    def finalize_variable_values(self, var_list) -> None:
        """See base class; called at the end of `fit`."""
        super().finalize_variable_values(var_list)
        self.report()

    def _check_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} has no state before its first step; call "
                "build(model.trainable_variables) to make one."
            )

    def report(self) -> None:
        """Warns, once, of skipped steps and of a run far beyond the horizon.

        Called at the end of `fit`, in loops that run eagerly and by
        `LearnedOptimizerMonitor`; a compiled loop of your own calls it.

        Raises:
            FloatingPointError: If steps were skipped since the last report,
                and `nonfinite` is "raise".
        """
        if self.built:
            self._get_reporter().report(
                steps=int(keras.ops.convert_to_numpy(self.iterations)),
                skipped=int(self.diagnostics["skipped_steps"]),
            )

    def load_own_variables(self, store) -> None:
        """See base class."""
        super().load_own_variables(store)
        if self.built:
            self._get_reporter().forget(int(self.diagnostics["skipped_steps"]))

    def _apply_weight_decay(self, variables) -> None:
        """Leaves the decay to the update, which may be skipped."""

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
        decays = [
            self.weight_decay if self._use_weight_decay(variable) else None
            for variable in variables
        ]
        distribution.extended.update(
            variables[0],
            lambda _, *args: self._update_all(indices, decays, *args),
            args=(
                list(gradients),
                list(variables),
                [state.value for state in self._state],
                self._diagnostics.value,
                learning_rate,
            ),
            group=False,
        )

    def _update_all(
        self,
        indices,
        decays,
        gradients,
        variables,
        state,
        diagnostics,
        learning_rate,
    ) -> None:
        """Applies the rule to variables, given by their indices."""
        arrange, dtype = self.rule.arrangement, self.rule.dtype
        # Variables without a gradient keep their state as it is.
        parts = [tf.zeros([arrange.rows, n], dtype) for n in self._counts]
        for index, gradient in zip(indices, gradients, strict=True):
            # Gradients of embeddings come as slices.
            dense = tf.cast(tf.convert_to_tensor(gradient), dtype)
            parts[index] = arrange.to_columns(dense)
        columns_in = tf.concat(parts, axis=1)
        is_finite = tf.reduce_all(tf.math.is_finite(columns_in))
        if self.nonfinite == "raise":
            tf.debugging.Assert(
                is_finite, [diagnostics_lib.NOT_FINITE], name="finite"
            )
        per_block = self._state_per_block
        updates = column_blocks.update_blocks(
            self._get_update(),
            columns_in,
            is_finite & self._with_gradient(indices),
            [
                state[start : start + per_block]
                for start in range(0, len(state), per_block)
            ],
        )
        split = tf.split(updates, self._counts, axis=1)
        for index, decay, variable in zip(
            indices, decays, variables, strict=True
        ):
            update = arrange.from_columns(split[index], variable.shape)
            update = tf.cast(update, variable.dtype)
            if decay is not None:
                update -= tf.where(is_finite, decay * variable, 0)
            variable.assign_add(tf.cast(learning_rate, update.dtype) * update)
        diagnostics.assign(
            diagnostics_lib.diagnose(
                columns_in, updates, is_finite, diagnostics
            )
        )

    def _with_gradient(self, indices: Sequence[int]) -> tf.Tensor:
        """Returns which columns have a gradient; one True if all have."""
        if len(indices) == len(self._counts):
            return tf.constant(True)
        return tf.concat(
            [
                tf.fill([count], index in indices)
                for index, count in enumerate(self._counts)
            ],
            axis=0,
        )


class _Repeat(keras.initializers.Initializer):
    """Fills a matrix with copies of one column."""

    def __init__(self, column: tf.Tensor):
        self._column = column

    def __call__(self, shape, dtype=None):
        return tf.cast(tf.broadcast_to(self._column, shape), dtype)


def _routed(
    make,
    routes,
    learning_rate=1.0,
    name="routed_optimizer",
    loss_scale_factor=None,
    **options,
) -> routed_optimizer.RoutedOptimizer:
    """Makes the learned optimizers that routes name."""
    made = {}
    for index, (pattern, value) in enumerate(routes.items()):
        if isinstance(value, (str, os.PathLike)):
            # Logs go by names.
            own_name = f"learned_optimizer_{index}"
            value = make(value, learning_rate, own_name, **options)
        made[pattern] = value
    return routed_optimizer.RoutedOptimizer(made, name, loss_scale_factor)


def _check_one_of(name: str, value: Any, accepted: Sequence[Any]) -> None:
    if value not in accepted:
        raise ValueError(
            f"{name} must be one of {list(accepted)}; received {value!r}."
        )
