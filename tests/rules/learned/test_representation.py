"""What rules that share information can represent, with weights set by hand."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import _bfgs
from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import memory_rules

_FITTED = pathlib.Path(__file__).with_name("fitted_bfgs.npz")
"""Written by `python benchmarks/fit_bfgs.py --output=...`."""

# Gates that are open or shut, to rounding.
_OPEN, _SHUT = 40.0, -40.0


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def _factors(least, most, num_kinks=60, num_others=40):
    """Writes min(1, 1 / sqrt(s)) as a sum of sigmoids of s.

    Returns:
        Their slopes, offsets and weights, and the constant.
    """
    # Many steep ones where the function has its kink.
    centres = np.exp(
        np.concatenate(
            [
                np.linspace(-0.4, 0.4, num_kinks),
                np.linspace(np.log(least) - 1, np.log(most) + 1, num_others),
            ]
        )
    )
    steepness = np.repeat([60.0, 4.0], [num_kinks, num_others])
    s = np.exp(
        np.concatenate(
            [
                np.linspace(np.log(least), np.log(most), 3000),
                np.linspace(-0.5, 0.5, 3000),
            ]
        )
    )
    target = np.minimum(1.0, s**-0.5)
    terms = _sigmoid(steepness * (s[:, np.newaxis] / centres - 1))
    matrix = np.column_stack([terms, np.ones(len(s))]) / target[:, np.newaxis]
    weights = np.linalg.lstsq(matrix, np.ones(len(s)), rcond=1e-9)[0]
    return steepness / centres, -steepness, weights[:-1], weights[-1]


def _clipping_rule(num_coordinates, clip_norm, rate, least, most):
    """Sets a rule's weights so that it clips by norm, and steps.

    Layer 1, with g times a small number e in all its candidates:
        h_1 = e g
        h_2, h_3 = sigmoid(+-2 e g) e g, whose averages differ by e^2 mean g^2
    Layer 2, from S = e^2 mean g^2 and e g:
        h_k = sigmoid(slope_k S + offset_k) e g
    Linear layer: their sum is min(1, c / |g|) e g.
    """
    slopes, offsets, weights, constant = _factors(least**2, most**2)
    small = 1e-3 / (most * clip_norm)
    units = len(slopes) + 1
    rule = learned.CoordinatewiseDeepLSTM(
        layers=[3, units],
        averaging_cells=[2, 0],
        preprocessing="identity",
        scale=-rate / small,
        initializer="zeros",
        dtype="float64",
    )
    w1, w2, w3 = (w.numpy() for w in rule.network.weights)
    b1, b2, b3 = (b.numpy() for b in rule.network.biases)
    # Rows are the gates i, f, o and the candidate, a row for each cell.
    b1[0:3], b1[3:6] = _OPEN, _SHUT
    w1[9:12, 0] = small
    b1[6] = _OPEN
    w1[7:9, 0] = 2 * small, -2 * small
    i, f, o, g = (slice(k * units, (k + 1) * units) for k in range(4))
    b2[i], b2[f] = _OPEN, _SHUT
    w2[g, 0] = 1.0
    # S over what it is where |g| = c.
    at_limit = small**2 * clip_norm**2 / num_coordinates
    w2[o, 1] = np.append(slopes, 0.0) / at_limit
    w2[o, 2] = -np.append(slopes, 0.0) / at_limit
    b2[o, 0] = np.append(offsets, _OPEN)
    w3[0] = np.append(weights, constant)
    for variable, value in zip(
        [*rule.network.weights, *rule.network.biases],
        [w1, w2, w3, b1, b2, b3],
        strict=True,
    ):
        variable.assign(value)
    return rule


def _without_averages(config):
    options = {**config, "averaging_cells": 0}
    del options["rule"]
    return options


def test_averaging_cells_clip_by_norm():
    num_coordinates, clip_norm, rate = 7, 2.0, 0.1
    rule = _clipping_rule(num_coordinates, clip_norm, rate, 0.05, 20.0)
    draw = np.random.RandomState(0)
    # The same weights, but what a coordinate is told is of itself alone.
    alone = learned.CoordinatewiseDeepLSTM(**_without_averages(rule.config()))
    for ours, theirs in zip(
        rule.trainable_variables, alone.trainable_variables, strict=True
    ):
        theirs.assign(ours)
    errors = []
    for norm in clip_norm * np.geomspace(0.05, 20, 101):
        g = draw.standard_normal(num_coordinates)
        g = tf.constant(norm * g / np.linalg.norm(g))
        [clipped], _ = tf.clip_by_global_norm([g], clip_norm)
        expected = -rate * clipped
        updates = [r([g], r.initial_state([g]))[0][0] for r in (rule, alone)]
        errors.append(
            [np.max(np.abs(u - expected)) / tf.norm(expected) for u in updates]
        )
    shared, unshared = np.max(errors, axis=0)
    assert shared < 1e-3 < 0.1 < unshared


class _BFGSController(tf.Module):
    """What the LSTM would have to compute, computed exactly.

    With one read head, an iteration takes two calls, since what is read comes
    one call later: the first asks for M g, the second writes and moves. H is
    the identity plus M. Everything is one number for each coordinate, or a
    mean over coordinates, as averaging cells give them.
    """

    def initial_state(self, num_columns, num_functions):
        del num_functions
        # Whether to move; g, s and H g of the iteration before.
        return [tf.zeros([1, num_columns], tf.float64) for _ in range(4)]

    def __call__(self, features, state):
        g, read = tf.split(features, 2, axis=0)
        moves, before, s, product = state
        zero = tf.zeros_like(g)
        if not np.any(moves):
            outputs = [zero, g, *([zero] * 6)]
            return tf.concat(outputs, 0), [moves + 1, before, s, product]

        def mean(a, b):
            return tf.reduce_mean(a * b)

        # H g before the update, and H y for y = g - before.
        found = g + read
        hy, sy = found - product, mean(s, g - before)
        if np.any(s):
            # H' = H + c s s^T - (H y s^T + s (H y)^T) / (n sy), in means.
            n = tf.cast(tf.size(g), tf.float64)
            c = (sy + mean(g - before, hy)) / (n * sy**2)
            left = [c * s, -hy / (n * sy), -s / (n * sy)]
            right = [s, s, hy]
        else:
            left = right = [zero] * 3
        n = tf.cast(tf.size(g), tf.float64)
        for a, b in zip(left, right, strict=True):
            found += n * a * mean(b, g)
        outputs = [-found, zero, *left, *right]
        return tf.concat(outputs, 0), [zero, g, -found, found]


def _memory_rule(**options):
    return memory_rules.NTMBFGS(
        preprocessing="identity",
        scale=1.0,
        dtype="float64",
        averaging_cells=2,
        **options,
    )


def _run(rule, seed, num_calls, matrix_of):
    """Returns theta and I + M before each second call, and after all."""
    gradient, theta = _bfgs.quadratic(seed).gradient, np.zeros(5)
    state, found = rule.initial_state([tf.constant(theta)]), []
    for call in range(num_calls + 1):
        if call % 2 == 0:
            found.append((theta, matrix_of(state)))
        [update], state = rule([tf.constant(gradient(theta))], state)
        theta = theta + update.numpy()
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_read_and_three_write_heads_are_inverse_bfgs(seed):
    rule = _memory_rule()
    rule.network = _BFGSController()

    def matrix_of(state):
        return np.eye(5) + state["memory"][0][0].numpy()

    # H of an iteration is written in its second call.
    ours = _run(rule, seed, 10, matrix_of)
    function = _bfgs.quadratic(seed)
    expected = _bfgs.inverse_bfgs(function.gradient, 5, 5)
    for (theta, _), (reference, _) in zip(ours, expected, strict=True):
        np.testing.assert_allclose(theta, reference, atol=1e-10)
    for (_, inverse), (_, reference) in zip(
        ours[1:], expected[:-1], strict=True
    ):
        np.testing.assert_allclose(inverse, reference, atol=1e-10)
    # It is near the inverse Hessian by then, which the identity is not.
    wanted = np.linalg.inv(function.hessian)
    assert np.max(np.abs(ours[-1][1] - wanted)) < 0.5 * np.max(
        np.abs(np.eye(5) - wanted)
    )


def test_weights_of_its_own_lstm_are_inverse_bfgs_on_a_function():
    rule = _memory_rule(layers=[20])
    with np.load(_FITTED) as fitted:
        for variable, name in zip(
            rule.trainable_variables, fitted.files, strict=True
        ):
            variable.assign(fitted[name])

    def memory_of(state):
        return state["memory"][0][0].numpy()

    ours = _run(rule, 0, 10, memory_of)
    steps = _bfgs.inverse_bfgs(_bfgs.quadratic(0).gradient, 5, 5)
    for (theta, _), (reference, _) in zip(ours, steps, strict=True):
        np.testing.assert_allclose(theta, reference, atol=1e-4)
    for (_, memory), (_, inverse) in zip(ours[1:], steps[:-1], strict=True):
        np.testing.assert_allclose(memory, inverse - np.eye(5), atol=1e-4)
