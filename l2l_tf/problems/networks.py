"""Networks: functions that return a function which makes a Sonnet module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sonnet as snt
import tensorflow as tf

from l2l_tf.core import checks

MakeModule = Callable[[], snt.Module]
"""Returns a new module, whose variables are made in its first call."""

ACTIVATIONS = {
    "sigmoid": tf.sigmoid,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "elu": tf.nn.elu,
    "gelu": tf.nn.gelu,
}


def mlp(
    hidden_layers: Sequence[int], num_outputs: int, activation: str = "sigmoid"
) -> MakeModule:
    """Returns a function that makes a multilayer perceptron.

    Args:
        hidden_layers: Units of each hidden layer.
        num_outputs: Units of the last layer, which is linear.
        activation: One of `ACTIVATIONS`.

    Returns:
        The function. The module flattens its inputs first.

    Raises:
        ValueError: If a value is refused.
    """
    hidden_layers = checks.integers("hidden_layers", hidden_layers)
    checks.one_of("activation", activation, sorted(ACTIVATIONS))

    def make_module() -> snt.Module:
        layers = snt.nets.MLP(
            [*hidden_layers, num_outputs], activation=ACTIVATIONS[activation]
        )
        return snt.Sequential([snt.Flatten(), layers])

    return make_module
