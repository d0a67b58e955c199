"""One step of an LSTM layer, and its gradient.

Tensors hold one column per sequence (a coordinate, a kernel or a vector), so
that a gate is one contiguous block of memory however many columns there are.
"""

from __future__ import annotations

import tensorflow as tf


def step(
    inputs: tf.Tensor,
    hidden: tf.Tensor,
    cell: tf.Tensor,
    weights: tf.Tensor,
    bias: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Advances one LSTM layer by one step.

        i, f, o, g = split(W [x; h] + b)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Source: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate);
    a forget bias of 1, as in Sonnet's `LSTM`, is the start of b.

    Args:
        inputs: Shape [input_size, columns].
        hidden: Shape [hidden_size, columns].
        cell: Shape [hidden_size, columns].
        weights: Shape [4 * hidden_size, input_size + hidden_size].
        bias: Shape [4 * hidden_size, 1]; the forget bias is part of it.

    Returns:
        The next hidden and cell state.
    """
    gates = tf.matmul(weights, tf.concat([inputs, hidden], axis=0)) + bias
    i, f, o, g = tf.split(gates, 4, axis=0)
    cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(cell), cell


def step_gradient(
    weights: tf.Tensor,
    inputs: tf.Tensor,
    hidden: tf.Tensor,
    cell: tf.Tensor,
    next_cell: tf.Tensor,
    hidden_gradient: tf.Tensor,
    cell_gradient: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Differentiates one `step`: from gradients of its results to all others.

    The derivative of a gate s = sigmoid(a) is s (1 - s), that of the candidate
    g = tanh(a) is 1 - g^2. A gate's rows are told apart by masks, because XLA
    does not vectorise arithmetic inside a concatenation.

    Args:
        weights: Shape [4 * hidden_size, input_size + hidden_size + 1]; the
            last column is the bias.
        inputs: Shape [input_size, columns].
        hidden: The state before the step, shape [hidden_size, columns].
        cell: Likewise.
        next_cell: The cell state after the step.
        hidden_gradient: With respect to the hidden state after the step.
        cell_gradient: With respect to the cell state after the step, but for
            its part in that hidden state.

    Returns:
        The gradients with respect to weights, inputs, hidden and cell.
    """
    input_size, dtype = inputs.shape[0], inputs.dtype
    units, columns = hidden.shape
    at = tf.reshape(tf.eye(4, dtype=dtype), [4, 4, 1, 1])  # i, f, o, g
    joined = with_ones(tf.concat([inputs, hidden], axis=0))
    sums = tf.matmul(weights, joined)
    gates = tf.sigmoid(sums)  # of all rows, though g's are not used
    i, f, o, _ = tf.split(gates, 4, axis=0)
    g = tf.tanh(sums[3 * units :])
    activity = tf.tanh(next_cell)
    cell_gradient += hidden_gradient * o * (1.0 - activity * activity)
    gates_gradient = cell_gradient * (at[0] * g + at[1] * cell + at[3] * i)
    gates_gradient += at[2] * (hidden_gradient * activity)
    gates = tf.reshape(gates, [4, units, columns])
    gates_gradient *= (1.0 - at[3]) * gates * (1.0 - gates) + at[3] * (
        1.0 - g * g
    )
    gates_gradient = tf.reshape(gates_gradient, [4 * units, columns])
    below = tf.matmul(weights, gates_gradient, transpose_a=True)
    return (
        product(gates_gradient, joined),
        below[:input_size],
        below[input_size:-1],
        cell_gradient * f,
    )


def with_ones(rows: tf.Tensor) -> tf.Tensor:
    """Returns rows with one more, of ones, for a bias."""
    return tf.concat([rows, tf.ones_like(rows[:1])], axis=0)


def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Returns `left right^T`, a sum over columns."""
    return tf.matmul(left, right, transpose_b=True)
