"""The gradient of a deep LSTM's weights over a recorded sequence, by hand.

Automatic differentiation keeps all gates of all steps and reads them back,
which takes longer than to compute them again. Here only hidden and cell
states are kept. Biases are a column of the weights, so that their gradients
come with one product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from l2l_tf.rules.learned import lstm

Mixer = Callable[[tf.Tensor], tf.Tensor]
"""A linear function of hidden states that is its own transpose."""


def weights_gradient(
    weights: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    features: tf.Tensor,
    state: Sequence[tf.Tensor],
    cotangents: tf.Tensor,
    mixers: Sequence[Mixer] | None = None,
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
        mixers: What each LSTM layer's hidden state goes through before anyone
            reads it, itself at the next step included; by default nothing.

    Returns:
        Gradients of the weights, and of the biases.
    """
    num_steps = features.shape[0]
    mixers = mixers or [tf.identity] * (len(weights) - 1)
    states, last = _record_states(weights, biases, features, state, mixers)
    joined = [
        tf.concat(pair, axis=1) for pair in zip(weights, biases, strict=True)
    ]

    def body(step, after, state_gradients, gradients):
        step -= 1
        before = [array[step] for array in states]
        inputs = [features[step], *after[::2]]
        state_gradients, gradients = list(state_gradients), list(gradients)
        cotangent = cotangents[step]
        gradients[-1] += lstm.product(cotangent, lstm.with_ones(inputs[-1]))
        from_above = tf.matmul(weights[-1], cotangent, transpose_a=True)
        for index in reversed(range(len(weights) - 1)):
            hidden, cell = 2 * index, 2 * index + 1
            gradient, from_above, *state_gradients[hidden : cell + 1] = (
                lstm.step_gradient(
                    joined[index],
                    inputs[index],
                    before[hidden],
                    before[cell],
                    after[cell],
                    mixers[index](from_above + state_gradients[hidden]),
                    state_gradients[cell],
                )
            )
            gradients[index] += gradient
        return step, before, state_gradients, gradients

    gradients = tf.while_loop(
        lambda step, *_: step > 0,
        body,
        (
            num_steps,
            last,
            [tf.zeros_like(tensor) for tensor in last],
            [tf.zeros_like(tensor) for tensor in joined],
        ),
        maximum_iterations=num_steps,
    )[-1]
    return [g[:, :-1] for g in gradients], [g[:, -1:] for g in gradients]


def _record_states(weights, biases, features, state, mixers):
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
            hidden, cell = lstm.step(
                inputs,
                *state[2 * index : 2 * index + 2],
                weights[index],
                biases[index],
            )
            inputs = mixers[index](hidden)
            after += [inputs, cell]
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
