"""The deep LSTM that all learned rules share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.rules import gradients as gradients_lib
from l2l_tf.rules.learned import deep_lstm_gradient
from l2l_tf.rules.learned import lstm

try:
    from sonnet import Module
except ImportError:  # A trained rule is of use where Sonnet is missing.
    from tensorflow import Module

Initializer = str | float
"""`"default"`, `"zeros"`, or the standard deviation of a Gaussian."""


class DeepLSTM(Module):
    """A stack of LSTM layers and a linear layer, applied to every column.

    With no layers it is the linear layer alone.

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        layers: Sequence[int],
        initializer: Initializer = "default",
        seed: int = 0,
        dtype: tf.DType = tf.float32,
        name: str | None = None,
    ):
        """Creates the weights.

        Args:
            input_size: Features per column.
            output_size: Outputs per column.
            layers: Hidden units of each LSTM layer, from the bottom.
            initializer: `"default"` draws weights from a Gaussian of standard
                deviation 1 / sqrt(fan-in), cut at two deviations; a number
                draws all weights from a Gaussian of that deviation;
                `"zeros"` sets them to zero. Biases start at zero, the forget
                gate's at one.
            seed: Seed of the draw.
            dtype: Type of weights, state and arithmetic.
            name: The module's name.
        """
        super().__init__(name=name)
        self.layers = tuple(layers)
        self.dtype = dtype
        self.weights, self.biases = [], []
        stream = randomness.stream(tf.constant([seed, 0]), "rule")
        size = input_size
        for index, units in enumerate((*self.layers, output_size)):
            is_lstm = index < len(self.layers)
            shape = [4 * units, size + units] if is_lstm else [units, size]
            bias = tf.zeros([shape[0], 1], dtype)
            if is_lstm:
                bias += tf.repeat(tf.constant([0, 1, 0, 0], dtype), units)[
                    :, tf.newaxis
                ]
            label = f"lstm_{index}" if is_lstm else "linear"
            draw = _draw(initializer, shape, randomness.fold_in(stream, index))
            self.weights.append(
                tf.Variable(tf.cast(draw, dtype), name=f"{label}_w")
            )
            self.biases.append(tf.Variable(bias, name=f"{label}_b"))
            size = units

    def initial_state(self, num_columns: int | tf.Tensor) -> list[tf.Tensor]:
        """Returns zeros: hidden and cell state of each layer in turn.

        Args:
            num_columns: Number of columns.

        Returns:
            Tensors of shape [hidden_size, num_columns], two for each layer.
        """
        return [
            tf.zeros(tf.stack([units, num_columns]), self.dtype)
            for units in self.layers
            for _ in ("hidden", "cell")
        ]

    def __call__(
        self, features: tf.Tensor, state: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Advances all columns by one step.

        Args:
            features: Shape [input_size, columns].
            state: As `initial_state` returns it.

        Returns:
            Outputs of shape [output_size, columns], and the next state.
        """
        next_state = []
        for index in range(len(self.layers)):
            hidden, cell = lstm.step(
                features,
                *state[2 * index : 2 * index + 2],
                self.weights[index],
                self.biases[index],
            )
            next_state += [hidden, cell]
            features = hidden
        outputs = tf.matmul(self.weights[-1], features) + self.biases[-1]
        return outputs, next_state

    def weights_gradient(
        self,
        features: tf.Tensor,
        state: Sequence[tf.Tensor],
        cotangents: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Differentiates `sum_t <y_t, c_t>`, where y_t are the outputs.

        Args:
            features: The inputs, shape [steps, input_size, columns].
            state: The state before the first step.
            cotangents: The c_t, shape [steps, output_size, columns].

        Returns:
            One tensor for each trainable variable.
        """
        weights, biases = deep_lstm_gradient.weights_gradient(
            [tf.convert_to_tensor(w) for w in self.weights],
            [tf.convert_to_tensor(b) for b in self.biases],
            features,
            state,
            cotangents,
        )
        found = zip(
            [*self.weights, *self.biases], [*weights, *biases], strict=True
        )
        return gradients_lib.in_order(self.trainable_variables, found)


def _draw(
    initializer: Initializer, shape: Sequence[int], seed: tf.Tensor
) -> tf.Tensor:
    if initializer == "default":
        scale = 1.0 / math.sqrt(shape[1])
        return scale * tf.random.stateless_truncated_normal(shape, seed)
    if initializer == "zeros":
        return tf.zeros(shape)
    if isinstance(initializer, (int, float)) and initializer >= 0:
        return float(initializer) * tf.random.stateless_normal(shape, seed)
    raise ValueError(
        f"Unknown initializer {initializer!r}; accepted: 'default', 'zeros' "
        "or the standard deviation of a Gaussian, a number of 0 or more."
    )
