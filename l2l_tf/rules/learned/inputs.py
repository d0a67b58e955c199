"""What a learned rule's network is given: functions of gradients alone.

They hold no weights, and may couple coordinates: a rule that is replayed reads
them from its records, so that its columns stay independent.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import registry
from l2l_tf.rules.learned import rms


class Inputs(abc.ABC):
    """A function of the gradients so far.

    Attributes:
        num_features: How many tensors it makes of each gradient.
        has_state: Whether it carries anything from step to step.
        is_recorded: Whether a replay reads what it returned; where the
            gradients themselves are returned, it need not.
    """

    num_features = 1
    has_state = False
    is_recorded = True

    def initial_state(
        self, params: Sequence[tf.Tensor], dtype: tf.DType
    ) -> Any:
        """Returns a nest of tensors for parameters; none by default."""
        del params, dtype
        return ()

    @abc.abstractmethod
    def __call__(
        self, gradients: Sequence[tf.Tensor], state: Any
    ) -> tuple[list[list[tf.Tensor]], Any]:
        """Returns `num_features` tensors for each gradient, and the next state.

        Args:
            gradients: One tensor for each parameter.
            state: The state that the previous step returned.
        """


INPUTS: registry.Registry[type[Inputs]] = registry.Registry(
    "inputs", "l2l_tf.rules.learned"
)


@INPUTS.register("gradient")
class Gradient(Inputs):
    """Gradients as they are."""

    is_recorded = False

    def __call__(self, gradients, state):
        """See base class."""
        return [[gradient] for gradient in gradients], state


@INPUTS.register("rms")
class RMS(Inputs):
    """Gradients over the root mean square of their tensor.

        x = grad / sqrt(mean(grad^2) + epsilon)

    Source: Celo2, arXiv 2602.19142.
    """

    def __init__(self, epsilon: float = 1e-20):
        """Takes a constant that keeps a tensor of zeros at zero."""
        self.epsilon = checks.number("epsilon", epsilon, 0.0, above=True)

    def __call__(self, gradients, state):
        """See base class."""
        return [[rms.normalise(g, self.epsilon)] for g in gradients], state


@INPUTS.register("rnnprop")
class RNNprop(Inputs):
    """Adam's direction, and the gradient in Adam's units.

        m = b1 m + (1 - b1) grad,       m_hat = m / (1 - b1^t)
        v = b2 v + (1 - b2) grad^2,     v_hat = v / (1 - b2^t)
        x = (m_hat, grad) / (sqrt(v_hat) + epsilon)

    Source: Lv et al. 2017, arXiv 1703.03633, section 4.
    """

    num_features = 2
    has_state = True

    def __init__(
        self,
        beta_1: float = 0.95,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
    ):
        """Takes the decays of the means, and a constant."""
        self.beta_1 = _decay("beta_1", beta_1)
        self.beta_2 = _decay("beta_2", beta_2)
        self.epsilon = checks.number("epsilon", epsilon, 0.0, above=True)

    def initial_state(self, params, dtype):
        """See base class."""
        return {
            "step": tf.constant(0, tf.int32),
            "m": [tf.zeros_like(param, dtype) for param in params],
            "v": [tf.zeros_like(param, dtype) for param in params],
        }

    def __call__(self, gradients, state):
        """See base class."""
        step = state["step"] + 1
        first, second, features = [], [], []
        for g, m, v in zip(gradients, state["m"], state["v"], strict=True):
            time = tf.cast(step, g.dtype)
            b1, b2, epsilon = (
                tf.constant(value, g.dtype)
                for value in (self.beta_1, self.beta_2, self.epsilon)
            )
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * tf.square(g)
            scale = tf.sqrt(v / (1 - b2**time)) + epsilon
            features.append([m / (1 - b1**time) / scale, g / scale])
            first.append(m)
            second.append(v)
        return features, {"step": step, "m": first, "v": second}


@INPUTS.register("rms_and_rnnprop")
class RMSAndRNNprop(RNNprop):
    """The gradient in units of its tensor, and in Adam's, see `RNNprop`.

    x = (grad / rms(grad), m_hat / sqrt(v_hat), grad / sqrt(v_hat))
    """

    num_features = 3
    _EPSILON = 1e-20

    def __call__(self, gradients, state):
        """See base class."""
        features, state = super().__call__(gradients, state)
        return [
            [rms.normalise(g, self._EPSILON), *own]
            for g, own in zip(gradients, features, strict=True)
        ], state


def _decay(name: str, value: float) -> float:
    checks.number(name, value, minimum=0.0)
    if value >= 1:
        raise ValueError(f"{name} must be below 1; received {value!r}.")
    return value
