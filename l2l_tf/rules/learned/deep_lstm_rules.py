"""The learned rules: one deep LSTM on coordinates, kernels or vectors."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.rules import base
from l2l_tf.rules import gradients as gradients_lib
from l2l_tf.rules import registry
from l2l_tf.rules.learned import arrangements
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm
from l2l_tf.rules.learned import inputs as inputs_lib
from l2l_tf.rules.learned import outputs as outputs_lib
from l2l_tf.rules.learned import preprocessing as preprocessing_lib


class DeepLSTMRule(columns.ColumnwiseRule):
    """A deep LSTM whose weights are shared by all columns.

        x_t = preprocess(inputs(grad_0, ..., grad_t))
        v_t, h_{t+1} = scale * LSTM(x_t, h_t)
        g_t = outputs(v_t)

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    independent_columns = True

    def __init__(
        self,
        arrangement: arrangements.Arrangement,
        /,
        layers: Sequence[int] = (20, 20),
        preprocessing: str = "log_and_sign",
        preprocessing_options: Mapping[str, float] | None = None,
        scale: float = 0.1,
        initializer: deep_lstm.Initializer = "default",
        seed: int = 0,
        dtype: str = "float32",
        inputs: str = "gradient",
        inputs_options: Mapping[str, float] | None = None,
        outputs: str = "raw",
        outputs_options: Mapping[str, float] | None = None,
    ):
        """Creates the rule and its weights.

        Args:
            arrangement: What a column is.
            layers: Hidden units of each LSTM layer; empty for a linear rule.
            preprocessing: A name in `preprocessing.PREPROCESSING`.
            preprocessing_options: Its options, such as `p`.
            scale: Factor on the network's outputs.
            initializer: Initial values, see `deep_lstm.DeepLSTM`.
            seed: Seed of the initial values.
            dtype: Type of weights, state and arithmetic.
            inputs: A name in `inputs.INPUTS`: what is preprocessed.
            inputs_options: Its options, such as `beta_1`.
            outputs: A name in `outputs.OUTPUTS`: what is made of the scaled
                outputs.
            outputs_options: Its options, such as `size`.

        Raises:
            ValueError: If a value is refused.
        """
        preprocess = preprocessing_lib.PREPROCESSING.build(
            preprocessing,
            **_options("preprocessing_options", preprocessing_options),
        )
        super().__init__(
            arrangement,
            checks.floating_dtype("dtype", dtype),
            inputs_lib.INPUTS.build(
                inputs, **_options("inputs_options", inputs_options)
            ),
            outputs_lib.OUTPUTS.build(
                outputs, **_options("outputs_options", outputs_options)
            ),
        )
        layers = checks.integers("layers", layers)
        seed = checks.seed("seed", seed)
        scale = checks.number("scale", scale)
        if abs(scale) > float(self.dtype.max):
            raise ValueError(
                f"scale must be a number that {dtype} holds; received {scale}."
            )
        # Made when asked for: `tf.Module` would wrap a dict and its lists.
        self._config = functools.partial(
            dict,
            layers=layers,
            preprocessing=preprocessing,
            preprocessing_options=dict(preprocessing_options or {}),
            scale=scale,
            initializer=initializer,
            seed=seed,
            dtype=dtype,
            inputs=inputs,
            inputs_options=dict(inputs_options or {}),
            outputs=outputs,
            outputs_options=dict(outputs_options or {}),
        )
        self.scale = scale
        self._preprocess = preprocess
        num_features = self.inputs.num_features * preprocess.num_features
        self.network = deep_lstm.DeepLSTM(
            arrangement.rows * num_features,
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
        """See base class; by the network's own gradient, if it has one."""
        by_hand = getattr(self.network, "weights_gradient", None)
        if by_hand is None:
            return super().replay_columns(gradients, state, cotangents)
        results = by_hand(
            tf.map_fn(self._preprocess, gradients),
            state,
            cotangents * tf.constant(self.scale, self.dtype),
        )
        found = zip(self.network.trainable_variables, results, strict=True)
        # Weights that a subclass adds outside of the network get zeros.
        return gradients_lib.in_order(self.trainable_variables, found)

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {
            "rule": self.rule_name,
            **self.arrangement.config(),
            **self._config(),
        }

    def describe(self) -> str:
        """See base class."""
        with tf.init_scope():
            state = tf.nest.flatten(self.initial_columns(1))
        layers = self._config()["layers"]
        return (
            f"An LSTM with layers {layers} on every {self.arrangement.unit}; "
            "numbers of state for each: "
            f"{sum(tensor.shape[0] for tensor in state)}."
        )


@registry.register_rule("coordinatewise")
class CoordinatewiseDeepLSTM(DeepLSTMRule):
    """Applies one small LSTM to every coordinate of every parameter.

    The update of a coordinate depends on that coordinate's gradients only,
    and not on the order of coordinates.

    Source: Andrychowicz et al. 2016, section 2.1.
    """

    def __init__(self, **options):
        """Creates the rule; options as in `DeepLSTMRule`."""
        super().__init__(arrangements.Coordinates(), **options)


@registry.register_rule("kernelwise")
class KernelwiseDeepLSTM(DeepLSTMRule):
    """Applies one LSTM to every k x k kernel of convolutions.

    Its input is the whole kernel's gradient, its output the whole kernel's
    update.

    Source: google-deepmind/learning-to-learn, `networks.KernelDeepLSTM`.
    """

    def __init__(self, kernel_shape: Sequence[int], **options):
        """Takes the kernels' shape; other options as in `DeepLSTMRule`."""
        super().__init__(arrangements.Kernels(kernel_shape), **options)


@registry.register_rule("vectorwise")
class VectorwiseDeepLSTM(DeepLSTMRule):
    """Applies one LSTM to whole vectors, so that coordinates can interact.

    A parameter's last axis is the vector; its leading axes count independent
    vectors that share the weights.

    Source: google-deepmind/learning-to-learn, `networks.StandardDeepLSTM`.
    """

    def __init__(self, size: int, **options):
        """Takes the vectors' length; other options as in `DeepLSTMRule`."""
        super().__init__(arrangements.Vectors(size), **options)


def _options(name: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(
            f"{name} must be a mapping such as {{'p': 10}}; received "
            f"{options!r}."
        )
    return dict(options or {})
