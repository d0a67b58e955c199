"""What the three LSTM rules have in common: columns in, columns out.

A rule arranges all gradients into one matrix of columns, feeds it to one
deep LSTM and arranges the outputs back. The subclasses differ only in what a
column is: one coordinate, one convolution kernel or one vector.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf import preprocessing as preprocessing_lib
from l2l_tf.rules import base
from l2l_tf.rules import deep_lstm


class LSTMRule(base.UpdateRule):
    """A learned rule: one deep LSTM shared by all columns.

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(
        self,
        rows: int,
        layers: Sequence[int] = (20, 20),
        preprocessing: str = "log_and_sign",
        preprocessing_options: Mapping[str, float] | None = None,
        scale: float = 0.1,
        initializer: deep_lstm.Initializer = "default",
        seed: int = 0,
        dtype: str = "float32",
        name: str | None = None,
    ):
        """Creates the rule and its weights.

        Args:
            rows: Gradients per column.
            layers: Hidden units of each LSTM layer; empty for a linear rule.
            preprocessing: A name in `l2l_tf.preprocessing.FUNCTIONS`.
            preprocessing_options: Options of that function, such as `p`.
            scale: Factor on the network's outputs.
            initializer: Initial values, see `l2l_tf.rules.deep_lstm.DeepLSTM`.
            seed: Seed of the initial values.
            dtype: Type of weights, state and arithmetic.
            name: The module's name.
        """
        super().__init__(name=name)
        if any(int(units) != units or units < 1 for units in layers):
            raise ValueError(
                f"layers must be a list of positive integers, or empty for a "
                f"linear rule; received {list(layers)}."
            )
        options = dict(preprocessing_options or {})
        self._preprocess = preprocessing_lib.get(preprocessing, **options)
        # A proxy, since `tf.Module` would wrap a plain dict and its lists.
        self._config = types.MappingProxyType(
            {
                "layers": [int(units) for units in layers],
                "preprocessing": preprocessing,
                "preprocessing_options": options,
                "scale": scale,
                "initializer": initializer,
                "seed": seed,
                "dtype": dtype,
            }
        )
        self.rows = rows
        self.scale = scale
        self.dtype = tf.as_dtype(dtype)
        self.network = deep_lstm.DeepLSTM(
            rows * preprocessing_lib.NUM_FEATURES[preprocessing],
            rows,
            self._config["layers"],
            initializer,
            seed,
            self.dtype,
        )

    @abc.abstractmethod
    def to_columns(self, tensor: tf.Tensor) -> tf.Tensor:
        """Arranges a parameter's gradient as columns.

        Args:
            tensor: A gradient, of the parameter's shape.

        Returns:
            The same numbers, shape [rows, columns].
        """

    @abc.abstractmethod
    def from_columns(
        self, columns: tf.Tensor, shape: Sequence[int]
    ) -> tf.Tensor:
        """Undoes `to_columns`.

        Args:
            columns: Shape [rows, columns].
            shape: The parameter's shape.

        Returns:
            The same numbers in that shape.
        """

    def initial_state(self, params: Sequence[tf.Tensor]) -> base.State:
        """See base class."""
        return self.initial_columns(sum(self._num_columns(p) for p in params))

    def __call__(
        self, gradients: Sequence[tf.Tensor], state: base.State
    ) -> tuple[list[tf.Tensor], base.State]:
        """See base class."""
        columns = [
            tf.cast(self.to_columns(gradient), self.dtype)
            for gradient in gradients
        ]
        updates, state = self.update_columns(tf.concat(columns, 1), state)
        sizes = [self._num_columns(gradient) for gradient in gradients]
        return [
            tf.cast(self.from_columns(update, gradient.shape), gradient.dtype)
            for update, gradient in zip(
                tf.split(updates, sizes, axis=1), gradients, strict=True
            )
        ], state

    def initial_columns(self, num_columns: int | tf.Tensor) -> list[tf.Tensor]:
        """Returns the initial state of a number of columns."""
        return self.network.initial_state(num_columns)

    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """Proposes updates for gradients that are arranged as columns.

        Args:
            gradients: Shape [rows, columns].
            state: As `initial_columns` returns it.

        Returns:
            Updates of shape [rows, columns], and the next state.
        """
        outputs, state = self.network(self._preprocess(gradients), state)
        return outputs * tf.cast(self.scale, self.dtype), state

    def config(self) -> dict[str, Any]:
        """See base class."""
        return dict(self._config)

    def _num_columns(self, tensor: tf.Tensor) -> int:
        return tensor.shape.num_elements() // self.rows
