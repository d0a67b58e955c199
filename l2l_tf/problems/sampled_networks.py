"""Small networks as pure functions, whose activation is chosen in each draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import randomness

Activate = Callable[[tf.Tensor], tf.Tensor]
"""An activation, see `activation`."""

ACTIVATIONS = (tf.nn.relu, tf.tanh, tf.sigmoid, tf.nn.gelu, tf.nn.elu)
NORMALISATIONS = ("none", "layer", "batch")
CELLS = ("simple", "gru", "lstm")

_GATES = {"simple": 1, "gru": 3, "lstm": 4}
_EPSILON = 1e-3


class Parameter(NamedTuple):
    """What is known of a parameter before it is drawn.

    Attributes:
        name: Its name.
        shape: Its shape.
        start: `"weight"`, `"recurrent"`, or the number that all begin with.
    """

    name: str
    shape: tuple[int, ...]
    start: str | float = "weight"


class Layer(NamedTuple):
    """A layer, or a network of them.

    Attributes:
        parameters: Its parameters.
        apply: Maps their values, inputs and the activation to outputs.
    """

    parameters: list[Parameter]
    apply: Callable[[Sequence[tf.Tensor], tf.Tensor, Activate], tf.Tensor]

    @property
    def size(self) -> int:
        """How many coordinates the parameters have."""
        return sum(math.prod(p.shape) for p in self.parameters)


def activation(index: tf.Tensor) -> Activate:
    """Returns one of `ACTIVATIONS`, by a number that is a tensor."""
    return lambda inputs: tf.gather(
        tf.stack([function(inputs) for function in ACTIVATIONS]), index
    )


def sequential(layers: Sequence[Layer]) -> Layer:
    """Returns the layers, one after the other."""

    def apply(values, inputs, activate):
        for layer in layers:
            count = len(layer.parameters)
            inputs = layer.apply(values[:count], inputs, activate)
            values = values[count:]
        return inputs

    return Layer([p for layer in layers for p in layer.parameters], apply)


def mlp(
    num_inputs: int, widths: Sequence[int], num_outputs: int, norm: str
) -> Layer:
    """Returns a multilayer perceptron, which flattens its inputs first.

    Args:
        num_inputs: Numbers in an input.
        widths: Units of each hidden layer.
        num_outputs: Units of the last layer, which is linear.
        norm: One of `NORMALISATIONS`, before each activation.
    """
    flatten = Layer(
        [], lambda values, x, activate: tf.reshape(x, [x.shape[0], -1])
    )
    layers = [flatten]
    for index, width in enumerate(widths):
        layers += [
            _dense(f"dense_{index}", num_inputs, width),
            _normalise(f"norm_{index}", width, norm),
            _ACTIVATE,
        ]
        num_inputs = width
    return sequential([*layers, _dense("outputs", num_inputs, num_outputs)])


def convnet(
    shape: Sequence[int], channels: Sequence[int], num_outputs: int, norm: str
) -> Layer:
    """Returns convolutions of 3x3 pixels and stride 2, and a linear layer.

    Args:
        shape: Height, width and channels of images.
        channels: Output channels of each convolution.
        num_outputs: Units of the last layer.
        norm: One of `NORMALISATIONS`, before each activation.
    """
    height, width, depth = shape
    layers = []
    for index, size in enumerate(channels):
        layers += [
            _convolution(f"convolution_{index}", depth, size),
            _normalise(f"norm_{index}", size, norm),
            _ACTIVATE,
        ]
        height, width, depth = -(-height // 2), -(-width // 2), size
    return sequential(
        [*layers, mlp(height * width * depth, (), num_outputs, "none")]
    )


def recurrent(
    num_inputs: int, units: int, num_outputs: int, cell: str
) -> Layer:
    """Returns a recurrent layer, and a linear one on its last output.

    Args:
        num_inputs: Numbers at a step of a sequence; images are read by rows.
        units: Units of the recurrent layer.
        num_outputs: Units of the last layer.
        cell: One of `CELLS`, as Keras defines them.
    """
    gates = _GATES[cell] * units
    parameters = [
        Parameter("recurrent/kernel", (num_inputs, gates)),
        Parameter("recurrent/recurrent_kernel", (units, gates), "recurrent"),
        Parameter("recurrent/bias", (gates,), 0.0),
    ]

    def apply(values, inputs, activate):
        del activate
        kernel, recurrent_kernel, bias = values
        steps = tf.reshape(inputs, [*inputs.shape[:2], num_inputs])
        seen = tf.einsum("bti,ij->tbj", steps, kernel) + bias
        state = (tf.zeros([steps.shape[0], units]),) * 2
        # Written out: a loop inside the unroll's loop would be slow.
        for index in range(steps.shape[1]):
            state = _STEPS[cell](seen[index], state, recurrent_kernel)
        return state[0]

    return sequential(
        [Layer(parameters, apply), _dense("outputs", units, num_outputs)]
    )


def draw_start(
    parameters: Sequence[Parameter], seed: tf.Tensor
) -> list[tf.Tensor]:
    """Draws values to start from.

    Half of the draws have Keras's starts: Glorot and Bengio's uniform weights.
    In the others weights are Gaussian, truncated at two deviations, of a
    variance of 0.39 to 1.94 over the fan-in, which takes in the starts of
    Glorot and of LeCun and ends beside that of He. Recurrent kernels are
    orthogonal, as Keras's, and all else is as `Parameter.start` says.

    Args:
        parameters: The parameters.
        seed: A seed, int32 of shape [2].

    Returns:
        A tensor for each.
    """
    coins = tf.random.stateless_uniform([2], randomness.stream(seed, "kind"))
    gain = 0.5 * tf.pow(5.0, coins[1])
    values = []
    for index, (_, shape, start) in enumerate(parameters):
        own = randomness.fold_in(seed, index)
        if start == "recurrent":
            values.append(_orthogonal(shape, own))
        elif start == "weight":
            receptive = math.prod(shape[:-2])
            fan_in, fan_out = (receptive * size for size in shape[-2:])
            limit = math.sqrt(6.0 / (fan_in + fan_out))
            glorot = tf.random.stateless_uniform(shape, own, -limit, limit)
            normal = tf.random.stateless_truncated_normal(shape, own)
            normal *= tf.sqrt(gain / fan_in)
            values.append(tf.where(coins[0] < 0.5, glorot, normal))
        else:
            values.append(tf.fill(shape, float(start)))
    return values


def _dense(name: str, num_inputs: int, units: int) -> Layer:
    return Layer(
        [
            Parameter(f"{name}/kernel", (num_inputs, units)),
            Parameter(f"{name}/bias", (units,), 0.0),
        ],
        lambda values, x, activate: x @ values[0] + values[1],
    )


def _convolution(name: str, depth: int, channels: int) -> Layer:
    return Layer(
        [
            Parameter(f"{name}/kernel", (3, 3, depth, channels)),
            Parameter(f"{name}/bias", (channels,), 0.0),
        ],
        lambda values, x, activate: (
            tf.nn.conv2d(x, values[0], 2, "SAME") + values[1]
        ),
    )


def _normalise(name: str, size: int, norm: str) -> Layer:
    if norm == "none":
        return Layer([], lambda values, x, activate: x)

    def apply(values, x, activate):
        last = x.shape.rank - 1
        axes = [last] if norm == "layer" else list(range(last))
        mean, variance = tf.nn.moments(x, axes, keepdims=True)
        scale, offset = values
        return tf.nn.batch_normalization(
            x, mean, variance, offset, scale, _EPSILON
        )

    return Layer(
        [
            Parameter(f"{name}/scale", (size,), 1.0),
            Parameter(f"{name}/offset", (size,), 0.0),
        ],
        apply,
    )


_ACTIVATE = Layer([], lambda values, x, activate: activate(x))


def _simple_step(seen, state, kernel):
    hidden = tf.tanh(seen + state[0] @ kernel)
    return hidden, hidden


def _gru_step(seen, state, kernel):
    hidden = state[0]
    update, reset, new = tf.split(seen, 3, axis=1)
    update_h, reset_h, new_h = tf.split(hidden @ kernel, 3, axis=1)
    update = tf.sigmoid(update + update_h)
    new = tf.tanh(new + tf.sigmoid(reset + reset_h) * new_h)
    hidden = update * hidden + (1.0 - update) * new
    return hidden, hidden


def _lstm_step(seen, state, kernel):
    hidden, cell = state
    enter, forget, new, leave = tf.split(seen + hidden @ kernel, 4, axis=1)
    # A bias of one, which Keras puts into the parameter.
    cell = tf.sigmoid(forget + 1.0) * cell + tf.sigmoid(enter) * tf.tanh(new)
    return tf.sigmoid(leave) * tf.tanh(cell), cell


_STEPS = {"simple": _simple_step, "gru": _gru_step, "lstm": _lstm_step}


def _orthogonal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Returns a matrix with orthonormal rows; shape is wider than high."""
    normal = tf.random.stateless_normal(shape[::-1], seed)
    q, r = tf.linalg.qr(normal)
    return tf.transpose(q * tf.sign(tf.linalg.diag_part(r)))
