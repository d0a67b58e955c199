"""The deep LSTM that all learned rules share."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.rules import gradients as gradients_lib
from l2l_tf.rules.learned import averaging
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

    With no layers it is the linear layer alone. The last cells of each layer
    may be averaging ones: what they give, to the layer above and to their own
    layer's next step, is averaged over the columns of each function.

    Source: Andrychowicz et al. 2016, section 2.1 and appendix B.1.
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
        averaging_cells: Sequence[int] | None = None,
        skip: bool = False,
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
            averaging_cells: How many of each layer's cells are averaging ones;
                by default none.
            skip: Whether the linear layer is given the features, too.
        """
        super().__init__(name=name)
        self.layers = tuple(layers)
        self.skip = skip
        self.averaging_cells = tuple(averaging_cells or [0] * len(self.layers))
        self.dtype = dtype
        self.weights, self.biases = [], []
        stream = randomness.stream(tf.constant([seed, 0]), "rule")
        size = input_size
        for index, units in enumerate((*self.layers, output_size)):
            is_lstm = index < len(self.layers)
            if skip and self.layers and not is_lstm:
                size += input_size
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

    def initial_state(
        self, num_columns: int | tf.Tensor, num_functions: int | tf.Tensor = 1
    ) -> list[tf.Tensor]:
        """Returns zeros: hidden and cell state of each layer in turn.

        Args:
            num_columns: Number of columns.
            num_functions: How many functions they belong to, as many to each;
                the columns lie function by function.

        Returns:
            Tensors of shape [hidden_size, num_columns], two for each layer. A
            layer with averaging cells has three: those of the other cells, the
            averages, of shape [averaging_cells, num_functions], and all cell
            states.
        """
        shapes: list[tuple[int, int | tf.Tensor]] = []
        for units, count in self._sizes():
            shapes.append((units - count, num_columns))
            shapes += [(count, num_functions)] if count else []
            shapes.append((units, num_columns))
        return [tf.zeros(tf.stack(shape), self.dtype) for shape in shapes]

    def num_functions(self, state: Sequence[tf.Tensor]) -> int | tf.Tensor:
        """Returns how many functions a state is for.

        Without averaging cells that makes no difference, and is 1.
        """
        averages = [p[1] for p, _ in self._layers_of(state) if len(p) > 1]
        return averaging.size(averages[0], 1) if averages else 1

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
        next_state, given = [], features
        num_functions = self.num_functions(state)
        for index, (parts, cell) in enumerate(self._layers_of(state)):
            hidden, cell = lstm.step(
                features,
                averaging.unpack(parts),
                cell,
                self.weights[index],
                self.biases[index],
            )
            count = self.averaging_cells[index]
            parts = averaging.pack(hidden, count, num_functions)
            next_state += [*parts, cell]
            features = averaging.unpack(parts)
        if self.skip and self.layers:
            features = tf.concat([features, given], axis=0)
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
            [
                tensor
                for parts, cell in self._layers_of(state)
                for tensor in (averaging.unpack(parts), cell)
            ],
            cotangents,
            [
                functools.partial(
                    averaging.mix,
                    count=count,
                    num_functions=self.num_functions(state),
                )
                for count in self.averaging_cells
            ],
        )
        found = zip(
            [*self.weights, *self.biases], [*weights, *biases], strict=True
        )
        return gradients_lib.in_order(self.trainable_variables, found)

    def _sizes(self) -> list[tuple[int, int]]:
        """Returns the cells of each layer, and how many are averaging ones."""
        return list(zip(self.layers, self.averaging_cells, strict=True))

    def _layers_of(
        self, state: Sequence[tf.Tensor]
    ) -> list[tuple[list[tf.Tensor], tf.Tensor]]:
        """Returns, for each layer, hidden state as packed, and cell state."""
        rest, layers = list(state), []
        for _, count in self._sizes():
            size = 2 if count else 1
            layers.append((rest[:size], rest[size]))
            rest = rest[size + 1 :]
        return layers


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
