"""The gradient of a deep LSTM's weights over a recorded sequence, by hand.

Automatic differentiation keeps all gates of all steps and reads them back,
which takes longer than to compute them again. Here only hidden and cell
states are kept, and everything is shaped for XLA: biases are a column of the
weights, so that their gradients come with one product; and a gate's rows are
told apart by masks, because XLA does not vectorise arithmetic inside a
concatenation.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from l2l_tf.rules.learned import deep_lstm


def weights_gradient(
    weights: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    features: tf.Tensor,
    state: Sequence[tf.Tensor],
    cotangents: tf.Tensor,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Differentiates `sum_t <y_t, c_t>` with respect to weights and biases.

    y_t are the outputs of a `DeepLSTM` whose state starts at `state`; nothing
    else depends on the weights.

    Source: Hochreiter and Schmidhuber 1997; backpropagation through time.

    Args:
        weights: Each LSTM layer's, from the bottom, then the linear layer's.
        biases: Likewise.
        features: The inputs x_t, shape [steps, input_size, columns].
        state: Hidden and cell state of each layer before the first step.
        cotangents: The c_t, shape [steps, output_size, columns].

    Returns:
        Gradients of the weights, and of the biases.
    """
    num_steps = features.shape[0]
    states, last = _record_states(weights, biases, features, state)
    joined = [
        tf.concat(pair, axis=1) for pair in zip(weights, biases, strict=True)
    ]

    def body(step, after, slopes, gradients):
        step -= 1
        before = [array[step] for array in states]
        inputs = [features[step], *after[::2]]
        gradients, slopes = list(gradients), list(slopes)
        cotangent = cotangents[step]
        gradients[-1] += _product(cotangent, _with_ones(inputs[-1]))
        slope = tf.matmul(weights[-1], cotangent, transpose_a=True)
        for index in reversed(range(len(weights) - 1)):
            hidden, cell = 2 * index, 2 * index + 1
            gradient, slope, slopes[hidden], slopes[cell] = lstm_step_gradient(
                joined[index],
                inputs[index],
                before[hidden],
                before[cell],
                after[cell],
                slope + slopes[hidden],
                slopes[cell],
            )
            gradients[index] += gradient
        return step, before, slopes, gradients

    zeros = [tf.zeros_like(tensor) for tensor in last]
    gradients = [tf.zeros_like(tensor) for tensor in joined]
    gradients = tf.while_loop(
        lambda step, *_: step > 0,
        body,
        (num_steps, last, zeros, gradients),
        maximum_iterations=num_steps,
    )[-1]
    return [g[:, :-1] for g in gradients], [g[:, -1:] for g in gradients]


def lstm_step_gradient(
    weights: tf.Tensor,
    inputs: tf.Tensor,
    hidden: tf.Tensor,
    cell: tf.Tensor,
    next_cell: tf.Tensor,
    hidden_slope: tf.Tensor,
    cell_slope: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Differentiates one `l2l_tf.rules.learned.deep_lstm.lstm_step`.

    The slope of a gate s = sigmoid(a) is s (1 - s), that of the candidate
    g = tanh(a) is 1 - g^2.

    Args:
        weights: Shape [4 * hidden_size, input_size + hidden_size + 1]; the
            last column is the bias.
        inputs: Shape [input_size, columns].
        hidden: The state before the step, shape [hidden_size, columns].
        cell: Likewise.
        next_cell: The cell state after the step.
        hidden_slope: Slope with respect to the hidden state after the step.
        cell_slope: Slope with respect to the cell state after the step, not
            by way of that hidden state.

    Returns:
        The slopes with respect to weights, inputs, hidden and cell.
    """
    input_size, dtype = inputs.shape[0], inputs.dtype
    units, columns = hidden.shape
    at = tf.reshape(tf.eye(4, dtype=dtype), [4, 4, 1, 1])  # i, f, o, g
    joined = _with_ones(tf.concat([inputs, hidden], axis=0))
    product = tf.matmul(weights, joined)
    gates = tf.sigmoid(product)  # of all rows, though g's are not used
    i, f, o, _ = tf.split(gates, 4, axis=0)
    g = tf.tanh(product[3 * units :])
    activity = tf.tanh(next_cell)
    cell_slope += hidden_slope * o * (1.0 - activity * activity)
    slope = cell_slope * (at[0] * g + at[1] * cell + at[3] * i)
    slope += at[2] * (hidden_slope * activity)
    gates = tf.reshape(gates, [4, units, columns])
    slope *= (1.0 - at[3]) * gates * (1.0 - gates) + at[3] * (1.0 - g * g)
    slope = tf.reshape(slope, [4 * units, columns])
    below = tf.matmul(weights, slope, transpose_a=True)
    return (
        _product(slope, joined),
        below[:input_size],
        below[input_size:-1],
        cell_slope * f,
    )


def _record_states(weights, biases, features, state):
    """Returns the states before each step, stacked, and the one after all."""
    num_steps = features.shape[0]

    def body(step, state, arrays):
        arrays = [
            array.write(step, tensor)
            for array, tensor in zip(arrays, state, strict=True)
        ]
        return step + 1, advance(features[step], state), arrays

    def advance(inputs, state):
        after = []
        for index in range(len(weights) - 1):
            after += deep_lstm.lstm_step(
                inputs,
                *state[2 * index : 2 * index + 2],
                weights[index],
                biases[index],
            )
            inputs = after[-2]
        return after

    arrays = [
        tf.TensorArray(tensor.dtype, num_steps, element_shape=tensor.shape)
        for tensor in state
    ]
    _, state, arrays = tf.while_loop(
        lambda step, *_: step < num_steps,
        body,
        (0, list(state), arrays),
        maximum_iterations=num_steps,
    )
    return [array.stack() for array in arrays], state


def _with_ones(rows: tf.Tensor) -> tf.Tensor:
    return tf.concat([rows, tf.ones_like(rows[:1])], axis=0)


def _product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return tf.matmul(left, right, transpose_b=True)
