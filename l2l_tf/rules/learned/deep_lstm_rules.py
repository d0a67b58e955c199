"""The learned rules: one deep LSTM on coordinates, kernels or vectors."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.rules import base
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm
from l2l_tf.rules.learned import deep_lstm_gradient
from l2l_tf.rules.learned import preprocessing as preprocessing_lib


class DeepLSTMRule(columns.ColumnwiseRule):
    """A deep LSTM whose weights are shared by all columns.

        u_t, h_{t+1} = scale * LSTM(preprocess(g_t), h_t)

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(
        self,
        arrangement: columns.Arrangement,
        layers: Sequence[int] = (20, 20),
        preprocessing: str = "log_and_sign",
        preprocessing_options: Mapping[str, float] | None = None,
        scale: float = 0.1,
        initializer: deep_lstm.Initializer = "default",
        seed: int = 0,
        dtype: str = "float32",
    ):
        """Creates the rule and its weights.

        Args:
            arrangement: What a column is.
            layers: Hidden units of each LSTM layer; empty for a linear rule.
            preprocessing: A name in `preprocessing.FUNCTIONS`.
            preprocessing_options: Options of that function, such as `p`.
            scale: Factor on the network's outputs.
            initializer: Initial values, see `deep_lstm.DeepLSTM`.
            seed: Seed of the initial values.
            dtype: Type of weights, state and arithmetic.

        Raises:
            ValueError: If a value is refused.
        """
        super().__init__(arrangement, checks.floating_dtype("dtype", dtype))
        layers = checks.integers("layers", layers)
        seed = checks.integer("seed", seed, minimum=0)
        scale = checks.number("scale", scale)
        options = preprocessing_options or {}
        if not isinstance(options, Mapping):
            raise ValueError(
                "preprocessing_options must be a mapping such as {'p': 10}; "
                f"received {options!r}."
            )
        options = dict(options)
        self._preprocess = preprocessing_lib.get(preprocessing, **options)
        # Made when asked for: `tf.Module` would wrap a dict and its lists.
        self._config = functools.partial(
            dict,
            layers=layers,
            preprocessing=preprocessing,
            preprocessing_options=options,
            scale=scale,
            initializer=initializer,
            seed=seed,
            dtype=dtype,
        )
        self.scale = scale
        self.network = deep_lstm.DeepLSTM(
            arrangement.rows * preprocessing_lib.NUM_FEATURES[preprocessing],
            arrangement.rows,
            layers,
            initializer,
            seed,
            self.dtype,
        )

    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """See base class."""
        return self.network.initial_state(num_columns)

    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """See base class."""
        outputs, state = self.network(self._preprocess(gradients), state)
        return outputs * tf.constant(self.scale, self.dtype), state

    def replay_columns(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """See base class."""
        network = self.network
        own = [*network.weights, *network.biases]
        if type(self).update_columns is not DeepLSTMRule.update_columns or (
            len(self.trainable_variables) != len(own)
        ):
            # What a subclass computes, it computes otherwise.
            return super().replay_columns(gradients, state, cotangents)
        weights, biases = deep_lstm_gradient.weights_gradient(
            [tf.convert_to_tensor(w) for w in network.weights],
            [tf.convert_to_tensor(b) for b in network.biases],
            tf.map_fn(self._preprocess, gradients),
            state,
            cotangents * tf.constant(self.scale, self.dtype),
        )
        found = {
            variable.ref(): gradient
            for variable, gradient in zip(own, [*weights, *biases], strict=True)
        }
        return [found[variable.ref()] for variable in self.trainable_variables]

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {**self.arrangement.config(), **self._config()}


class CoordinatewiseDeepLSTM(DeepLSTMRule):
    """Applies one small LSTM to every coordinate of every parameter.

    The update of a coordinate depends on that coordinate's gradients only,
    and not on the order of coordinates.

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(self, **options):
        """Creates the rule; options as in `DeepLSTMRule`."""
        super().__init__(columns.Coordinates(), **options)


class KernelwiseDeepLSTM(DeepLSTMRule):
    """Applies one LSTM to every k x k kernel of convolutions.

    Its input is the whole kernel's gradient, its output the whole kernel's
    update.

    Source: google-deepmind/learning-to-learn, `networks.KernelDeepLSTM`.
    """

    def __init__(self, kernel_shape: Sequence[int], **options):
        """Takes the kernels' shape; other options as in `DeepLSTMRule`."""
        super().__init__(columns.Kernels(kernel_shape), **options)


class VectorwiseDeepLSTM(DeepLSTMRule):
    """Applies one LSTM to whole vectors, so that coordinates can interact.

    A parameter's last axis is the vector; its leading axes count independent
    vectors that share the weights.

    Source: google-deepmind/learning-to-learn, `networks.StandardDeepLSTM`.
    """

    def __init__(self, size: int, **options):
        """Takes the vectors' length; other options as in `DeepLSTMRule`."""
        super().__init__(columns.Vectors(size), **options)
