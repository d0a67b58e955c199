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
from l2l_tf.rules import replaying
from l2l_tf.rules.learned import arrangements
from l2l_tf.rules.learned import averaging
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm
from l2l_tf.rules.learned import frames
from l2l_tf.rules.learned import inputs as inputs_lib
from l2l_tf.rules.learned import outputs as outputs_lib
from l2l_tf.rules.learned import preprocessing as preprocessing_lib


class DeepLSTMRule(columns.ColumnwiseRule):
    """A deep LSTM whose weights are shared by all columns.

        x_t = preprocess(inputs(grad_0, ..., grad_t))
        v_t, h_{t+1} = scale * LSTM(x_t, h_t)
        g_t = outputs(v_t)

    With averaging cells, what these give is averaged over all columns at each
    step; columns are then not independent.

    Source: Andrychowicz et al. 2016, section 2.1 and appendix B.1.
    """

    independent_columns = True

    def __init__(
        self,
        arrangement: arrangements.Arrangement,
        num_read: int = 0,
        num_written: int = 0,
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
        averaging_cells: int | Sequence[int] = 0,
        frame: str = "absolute",
        skip: bool = False,
    ):
        """Creates the rule and its weights.

        Args:
            arrangement: What a column is.
            num_read: What the network is given for each column beside its
                features.
            num_written: What it gives beside values.
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
            averaging_cells: How many cells of each layer are averaging ones, a
                number or one for each layer.
            frame: A name in `frames.FRAMES`: in what units columns see
                gradients and give values.
            skip: Whether the linear layer is given the features, too, so that
                no cell bounds what it makes of them.

        Raises:
            ValueError: If a value is refused.
        """
        preprocess = preprocessing_lib.PREPROCESSING.build(
            preprocessing,
            **checked_options("preprocessing_options", preprocessing_options),
        )
        super().__init__(
            arrangement,
            checks.floating_dtype("dtype", dtype),
            inputs_lib.INPUTS.build(
                inputs, **checked_options("inputs_options", inputs_options)
            ),
            outputs_lib.OUTPUTS.build(
                outputs, **checked_options("outputs_options", outputs_options)
            ),
        )
        layers = checks.integers("layers", layers)
        cells = averaging.check_cells(
            "averaging_cells", averaging_cells, layers
        )
        seed = checks.seed("seed", seed)
        scale = checks.number_of("scale", scale, self.dtype)
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
            averaging_cells=list(cells),
            frame=frame,
            skip=checks.boolean("skip", skip),
        )
        self.frame = frames.FRAMES.build(frame)
        if self.frame.has_state and self.inputs.num_features > 1:
            raise ValueError(
                f"The frame {frame!r} takes one number for each gradient; "
                f"received the inputs {inputs!r}, which are "
                f"{self.inputs.num_features}."
            )
        self._shares = any(cells) or self.frame.has_state
        if self._shares:
            self.independent_columns = False
        self.scale = scale
        self._preprocess = preprocess
        num_features = (
            self.inputs.num_features
            * self.frame.num_features
            * preprocess.num_features
        )
        self.network = deep_lstm.DeepLSTM(
            arrangement.rows * num_features + num_read,
            arrangement.rows + num_written,
            layers,
            initializer,
            seed,
            self.dtype,
            averaging_cells=cells,
            skip=skip,
        )

    def initial_columns(self, num_columns: int | tf.Tensor) -> base.State:
        """See base class."""
        if not self._shares:
            return self.network.initial_state(num_columns)
        return self.initial_columns_of_functions(num_columns, 1)

    def initial_columns_of_functions(
        self, num_columns: int | tf.Tensor, num_functions: int
    ) -> base.State:
        """See base class."""
        if not self._shares:
            return self.initial_columns(num_columns)
        state = self.network.initial_state(num_columns, num_functions)
        if not self.frame.has_state:
            return state
        rows = self.arrangement.rows * self.inputs.num_features
        shape = rows, num_functions, num_columns // num_functions
        return state, self.frame.initial(shape, self.dtype)

    def num_functions_of(self, state: base.State) -> int | tf.Tensor:
        """See base class."""
        if not self._shares:
            return 1
        if self.frame.has_state:
            return averaging.size(state[1][0], 1)
        return self.network.num_functions(state)

    def update_columns(
        self, gradients: tf.Tensor, state: base.State
    ) -> tuple[tf.Tensor, base.State]:
        """See base class."""
        lstm, around = state if self.frame.has_state else (state, [])
        given, known = self.frame.enter(gradients, around)
        outputs, lstm = self.network(self._preprocess(given), lstm)
        values = outputs * tf.constant(self.scale, self.dtype)
        values, around = self.frame.leave(values, known)
        return values, (lstm, around) if self.frame.has_state else lstm

    def replay_columns(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """See base class; by the network's own gradient, if it has one."""
        by_hand = getattr(self.network, "weights_gradient", None)
        if by_hand is None:
            return super().replay_columns(gradients, state, cotangents)
        # A frame holds updates, so that features depend on weights.
        if self.frame.has_state or self._config()["skip"]:
            return self._replay_step_by_step(gradients, state, cotangents)
        results = by_hand(
            tf.map_fn(self._preprocess, gradients),
            state,
            cotangents * tf.constant(self.scale, self.dtype),
        )
        found = zip(self.network.trainable_variables, results, strict=True)
        # Weights that a subclass adds outside of the network get zeros.
        return gradients_lib.in_order(self.trainable_variables, found)

    def _replay_step_by_step(
        self, gradients: tf.Tensor, state: base.State, cotangents: tf.Tensor
    ) -> list[tf.Tensor]:
        """Does what `replay_columns` does; right for any `update_columns`."""

        def step(gradients, state):
            values, state = self.update_columns(gradients[0], state)
            return [values], state

        return replaying.replay_steps(
            step, self.trainable_variables, [gradients], state, [cotangents]
        )

    def config(self) -> dict[str, Any]:
        """See base class."""
        return {
            "rule": self.rule_name,
            **self.arrangement.config(),
            **self._config(),
        }

    def describe(self) -> str:
        """See base class."""
        config = self._config()
        layers, cells = config["layers"], config["averaging_cells"]
        averages = f" with averaging cells {cells}" if any(cells) else ""
        with tf.init_scope():
            state = tf.nest.flatten(self.network.initial_state(1))
        # Averages are of all columns together.
        numbers = sum(tensor.shape[0] for tensor in state) - sum(cells)
        return (
            f"An LSTM with layers {layers}{averages} on every "
            f"{self.arrangement.unit}; numbers of state for each: {numbers}."
        )


@registry.register_rule("coordinatewise")
class CoordinatewiseDeepLSTM(DeepLSTMRule):
    """Applies one small LSTM to every coordinate of every parameter.

    The update of a coordinate does not depend on the order of coordinates;
    without averaging cells it depends on that coordinate's gradients only.

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


def checked_options(
    name: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns options that may be None as a dictionary.

    Raises:
        ValueError: If they are something else.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(
            f"{name} must be a mapping such as {{'p': 10}}; received "
            f"{options!r}."
        )
    return dict(options or {})
