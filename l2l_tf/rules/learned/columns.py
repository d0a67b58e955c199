"""Rules that see all parameters as one matrix of columns, in one call."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules.learned import arrangements
from l2l_tf.rules.learned import blocks
from l2l_tf.rules.learned import claims
from l2l_tf.rules.learned import inputs as inputs_lib
from l2l_tf.rules.learned import outputs as outputs_lib

_FAINT = 1e-6
"""Where a column's inputs are smaller, its value is, too."""


class ColumnwiseRule(base.UpdateRule):
    """A rule that runs on the columns of a matrix.

        x_t = inputs(grad_0, ..., grad_t)      without weights
        v_t, h_{t+1} = update_columns(x_t, h_t)
        g_t = outputs(v_t)                     without weights or state

    Where outputs enlarge small values, those of columns without a gradient
    fade: v_t is multiplied by min(1, s / 1e-6), where s is the greatest |x_t|
    of the column.

    Where columns are independent, it is replayed in blocks of columns or on a
    sample of them; else on all columns together. Inputs and outputs may couple
    columns either way.

    Where a draw holds several functions and columns are not independent, they
    lie function by function.

    Attributes:
        independent_columns: Whether a column's values and state depend on that
            column alone. A class that overrides `update_columns` says so anew,
            and `replay_columns` holds for the class that wrote it.
    """

    independent_columns = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "__call__" in own:
            cls.independent_columns = False
        if "update_columns" in own:
            if "independent_columns" not in own:
                cls.independent_columns = False
            if "replay_columns" not in own:
                cls.replay_columns = ColumnwiseRule.replay_columns

    def __init__(
        self,
        arrangement: arrangements.Arrangement,
        dtype: str,
        inputs: inputs_lib.Inputs | None = None,
        outputs: outputs_lib.Outputs | None = None,
    ):
        """Takes the parts.

        Args:
            arrangement: What a column is.
            dtype: The type of state and arithmetic.
            inputs: What the network is given; by default the gradient.
            outputs: What is made of its values; by default the update itself.
        """
        super().__init__()
        self.arrangement = arrangement
        self.dtype = tf.as_dtype(dtype)
        self.inputs = inputs or inputs_lib.Gradient()
        self.outputs = outputs or outputs_lib.Raw()

    @property
    def is_separable(self) -> bool:
        """See base class.

        So it is where columns are independent and neither inputs nor outputs
        couple them.
        """
        couples = self.inputs.is_recorded or self.outputs.is_recorded
        return self.independent_columns and not couples

    @abc.abstractmethod
    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """Returns the state of a number of columns before the first step.

        Columns are the last axis of each of its tensors.
        """

    def initial_columns_of_functions(
        self, num_columns: int | tf.Tensor, num_functions: int
    ) -> base.State:
        """Returns the state of columns that belong to several functions.

        A rule that shares information between columns overrides it, and
        `num_functions_of`.

        Args:
            num_columns: The number of columns, as many to each function.
            num_functions: The number of functions.
        """
        del num_functions
        return self.initial_columns(num_columns)

    def num_functions_of(self, state: base.State) -> int | tf.Tensor:
        """Returns how many functions the columns of a state belong to."""
        del state
        return 1

    @abc.abstractmethod
    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """Proposes values for inputs that are arranged as columns.

        Args:
            gradients: The inputs, shape [num_features * rows, columns]; by
                default the gradients.
            state: The state that the previous step returned.

        Returns:
            Values of shape [rows, columns], and the next state.
        """

    def replay_columns(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """Differentiates `sum_t <v_t, c_t>` over recorded inputs.

        Args:
            gradients: The inputs, shape [steps, num_features * rows, columns].
            state: The state before the first step.
            cotangents: The c_t, shape [steps, rows, columns].

        Returns:
            One tensor for each trainable variable.
        """

        def step(gradients, state):
            values, state = self.update_columns(gradients[0], state)
            return [values], state

        return base.replay_steps(
            step, self.trainable_variables, [gradients], state, [cotangents]
        )

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class; the columns' state, and the inputs' if any."""
        columns = self.initial_columns(sum(map(self._num_columns, params)))
        return self._with_inputs(columns, params)

    def initial_state_of_functions(
        self, params: Sequence[tf.Tensor], num_functions: int | None
    ) -> base.State:
        """See base class.

        Raises:
            ValueError: If a parameter's first axis does not count functions,
                and that makes a difference.
        """
        if num_functions is None or self.independent_columns:
            return self.initial_state(params)
        for param in params:
            if tuple(param.shape)[:1] != (num_functions,):
                raise ValueError(
                    f"With {num_functions} functions, the first axis of each "
                    "parameter must count them; received one of shape "
                    f"{tuple(param.shape)}."
                )
        num_columns = sum(map(self._num_columns, params))
        columns = self.initial_columns_of_functions(num_columns, num_functions)
        return self._with_inputs(columns, params)

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        updates, state, _, _ = self._step(gradients, state)
        return updates, state

    def record(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State, base.Record]:
        """See base class; inputs and values, where they are asked for."""
        updates, state, features, values = self._step(gradients, state)
        record: tuple[tf.Tensor, ...] = ()
        if self.inputs.is_recorded:
            record += (features,)
        if self.outputs.is_recorded:
            record += (values,)
        return updates, state, record

    def replay(
        self,
        gradients: Sequence[tf.Tensor],
        records: base.Record,
        state: base.State,
        cotangents: Sequence[tf.Tensor],
        options: base.ReplayOptions,
    ) -> list[tf.Tensor]:
        """See base class; in blocks where columns are independent.

        With what inputs and outputs gave on the way forward, neither of which
        holds weights, `sum_t <u_t, c_t>` is a sum over columns' values alone.
        """
        if not self.independent_columns:
            base.check_all_coordinates(self, options)
        records = list(records)
        columns = state[0] if self.inputs.has_state else state
        num_functions = self.num_functions_of(columns)
        features = (
            records.pop(0)
            if self.inputs.is_recorded
            else self._stack_columns(gradients, num_functions)
        )
        if self.outputs.is_recorded:
            pull_back = tf.function(
                lambda *sequence: self._pull_back(*sequence, num_functions),
                jit_compile=options.jit_compile,
                autograph=False,
            )
            factors = pull_back(records.pop(0), list(cotangents))
            if self.outputs.enlarges:
                factors *= _fade(features)
        else:
            factors = self._stack_columns(cotangents, num_functions)
        if not self.independent_columns:
            together = tf.function(
                lambda *sequence: self.replay_columns(*sequence),
                jit_compile=options.jit_compile,
                autograph=False,
            )
            return together(features, columns, factors)
        given = features, columns
        if options.coordinate_fraction < 1.0:
            given, factors = blocks.sample(
                given, factors, options.coordinate_fraction, options.seed
            )
        return blocks.sum_over_columns(
            lambda given, factors: self.replay_columns(*given, factors),
            given,
            factors,
            self.trainable_variables,
            options.num_lanes,
            options.jit_compile,
        )

    def check_claims(self, params: Sequence[tf.Tensor]) -> None:
        """See base class; that columns are independent, if it says so."""
        del params
        if self.independent_columns:
            claims.check_columns(self)
        claims.check_replay(self)

    def example_params(self) -> list[tf.Tensor]:
        """See base class."""
        return [tf.zeros(self.arrangement.example_shape())]

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """See base class.

        Where columns are all that there is to it, `update` takes gradients of
        shape [columns] or [rows, columns].
        """
        first = self.initial_columns(1)
        is_flat = all(t.shape.rank == 2 for t in tf.nest.flatten(first))
        if self.inputs.is_recorded or self.outputs.is_recorded or not is_flat:
            return super().functions()
        rows = self.arrangement.rows
        state = tf.nest.map_structure(
            lambda t: tf.TensorSpec([t.shape[0], None], t.dtype), first
        )

        def update(gradients, state):
            matrix = tf.reshape(gradients, [rows, -1])
            updates, state = self.update_columns(matrix, state)
            return tf.reshape(updates, tf.shape(gradients)), state

        shape = [None] if rows == 1 else [rows, None]
        gradients = tf.TensorSpec(shape, self.dtype, "gradients")
        return {
            "initial_state": tf.function(
                lambda num_columns: self.initial_columns(num_columns),
                input_signature=[tf.TensorSpec([], tf.int32, "num_columns")],
                autograph=False,
            ),
            "update": tf.function(
                update, input_signature=[gradients, state], autograph=False
            ),
        }

    def _step(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State, tf.Tensor, tf.Tensor]:
        """Returns updates, the next state, and features and values between."""
        has_state = self.inputs.has_state
        columns, others = state if has_state else (state, ())
        features, others = self.inputs(
            [tf.cast(gradient, self.dtype) for gradient in gradients], others
        )
        num_functions = self.num_functions_of(columns)
        matrix = self._to_columns(features, num_functions)
        update = self.update_columns
        values, columns = (
            blocks.step(update, matrix, columns)
            if self.independent_columns
            else update(matrix, columns)
        )
        if self.outputs.enlarges:
            values *= _fade(matrix)
        state = (columns, others) if has_state else columns
        values_of = self._by_parameter(values, gradients, num_functions)
        updates = self._updates(values_of, gradients)
        return updates, state, matrix, values

    def _with_inputs(
        self, columns: base.State, params: Sequence[tf.Tensor]
    ) -> base.State:
        """Returns the columns' state, and the inputs' if any."""
        if not self.inputs.has_state:
            return columns
        return columns, self.inputs.initial_state(params, self.dtype)

    def _to_columns(
        self,
        features: Sequence[Sequence[tf.Tensor]],
        num_functions: int | tf.Tensor,
    ) -> tf.Tensor:
        """Returns one matrix for some tensors of each parameter."""
        arrange = self.arrangement
        return _join(
            [
                tf.concat([arrange.to_columns(t) for t in tensors], axis=0)
                for tensors in features
            ],
            num_functions,
        )

    def _by_parameter(
        self,
        values: tf.Tensor,
        like: Sequence[tf.Tensor],
        num_functions: int | tf.Tensor,
    ) -> tf.Tensor:
        """Orders columns parameter by parameter, not function by function."""
        if len(like) == 1 or num_functions == 1:
            return values
        rows = values.shape[0]
        groups = tf.reshape(values, [rows, num_functions, -1])
        sizes = [self._num_columns(t) // num_functions for t in like]
        parts = tf.split(groups, sizes, axis=2)
        return tf.concat([tf.reshape(p, [rows, -1]) for p in parts], axis=1)

    def _updates(
        self, values: tf.Tensor, like: Sequence[tf.Tensor]
    ) -> list[tf.Tensor]:
        """Returns updates for parameters, given a matrix of values."""
        sizes = [self._num_columns(tensor) for tensor in like]
        parts = [
            self.arrangement.from_columns(part, _shape(tensor))
            for part, tensor in zip(
                tf.split(values, sizes, axis=1), like, strict=True
            )
        ]
        return [
            tf.cast(update, tensor.dtype)
            for update, tensor in zip(self.outputs(parts), like, strict=True)
        ]

    def _pull_back(
        self,
        values: tf.Tensor,
        cotangents: Sequence[tf.Tensor],
        num_functions: int | tf.Tensor,
    ) -> tf.Tensor:
        """Returns `J_N(v_t)^T c_t` as columns, shape [steps, rows, columns]."""

        def pull_back(step):
            matrix, factors = step
            with tf.GradientTape() as tape:
                tape.watch(matrix)
                values_of = self._by_parameter(matrix, factors, num_functions)
                updates = self._updates(values_of, factors)
            return tape.gradient(updates, matrix, output_gradients=factors)

        spec = tf.TensorSpec(values.shape[1:], values.dtype)
        return tf.map_fn(
            pull_back, (values, cotangents), fn_output_signature=spec
        )

    def _stack_columns(
        self, tensors: Sequence[tf.Tensor], num_functions: int | tf.Tensor
    ) -> tf.Tensor:
        """Returns all steps of tensors as columns."""
        parts = [
            tf.cast(self.arrangement.stack_columns(tensor), self.dtype)
            for tensor in tensors
        ]
        return _join(parts, num_functions)

    def _num_columns(self, tensor: tf.Tensor) -> int | tf.Tensor:
        shape = tf.TensorShape(tensor.shape)
        if shape.is_fully_defined():
            return self.arrangement.num_columns(shape)
        self.arrangement.check_shape(shape)
        return tf.size(tensor) // self.arrangement.rows


def _fade(features: tf.Tensor) -> tf.Tensor:
    """Returns 0 for columns of zeros, and 1 for all that are not faint."""
    largest = tf.reduce_max(tf.abs(features), axis=-2, keepdims=True)
    return tf.minimum(largest / tf.constant(_FAINT, features.dtype), 1.0)


def _join(
    parts: Sequence[tf.Tensor], num_functions: int | tf.Tensor
) -> tf.Tensor:
    """Joins parameters' columns, function by function, along the last axis."""
    if len(parts) == 1 or num_functions == 1:
        return tf.concat(parts, axis=-1)
    head = parts[0].shape[:-1]
    groups = [tf.reshape(part, [*head, num_functions, -1]) for part in parts]
    return tf.reshape(tf.concat(groups, axis=-1), [*head, -1])


def _shape(tensor: tf.Tensor) -> Sequence[int] | tf.Tensor:
    shape = tf.TensorShape(tensor.shape)
    return shape if shape.is_fully_defined() else tf.shape(tensor)
