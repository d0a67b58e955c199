"""Tests of l2l_tf/rules/learned/frames.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import frames

_FUNCTIONS, _SIZE = 2, 3


def _gradients(steps=4, growth=0.1):
    draw = np.random.RandomState(0)
    sizes = np.array([3.0, 0.2])[:, np.newaxis]
    return [
        sizes * growth**step * draw.standard_normal((_FUNCTIONS, _SIZE))
        for step in range(steps)
    ]


def _run(frame, gradients, respond):
    """Runs a frame around a function of its features."""
    state = frame.initial((1, _FUNCTIONS, _SIZE), tf.float64)
    found = []
    for gradient in gradients:
        columns = tf.reshape(tf.constant(gradient), [1, -1])
        features, known = frame.enter(columns, state)
        updates, state = frame.leave(respond(features), known)
        found.append((features.numpy(), updates.numpy()))
    return found


def _reference(gradients, respond, with_pairs):
    """The definition, a function at a time."""
    found = []
    before = update = np.zeros((_FUNCTIONS, _SIZE))
    pairs = np.zeros((_FUNCTIONS, 2, _SIZE))
    for step, gradient in enumerate(gradients):
        features, updates = [], []
        for f in range(_FUNCTIONS):
            sizes = [
                np.sqrt(np.mean(g[f] ** 2)) for g in (gradient, gradients[0])
            ]
            rows = [np.array([gradient[f], update[f]]) / min(sizes)]
            y = gradient[f] - before[f]
            pair = np.array([y, update[f]]) / np.sqrt(np.mean(y**2))
            pair = np.clip(pair, -10, 10) if step else np.zeros([2, _SIZE])
            rows += [pair, pairs[f].copy()] if with_pairs else []
            pairs[f] = pair
            rows = np.clip(np.concatenate(rows), -10, 10)
            features.append(rows)
            updates.append(min(sizes) * respond(rows)[0])
        before, update = gradient, np.array(updates)
        found.append(
            (np.concatenate(features, axis=1), update.reshape([1, -1]))
        )
    return found


@pytest.mark.parametrize("growth", [0.02, 0.5, 3.0])
@pytest.mark.parametrize("name", ["relative", "secant"])
def test_features_and_updates_are_their_definition(name, growth):
    def respond(features):
        return -0.5 * features[:1] + 0.1 * features[1:2] + features[-1:] ** 2

    gradients = _gradients(growth=growth)
    expected = _reference(gradients, respond, name == "secant")
    ours = _run(frames.FRAMES.build(name), gradients, respond)
    for a, b in zip(ours, expected, strict=True):
        for tensor, value in zip(a, b, strict=True):
            np.testing.assert_allclose(tensor, value, rtol=1e-9, atol=1e-15)


def test_relative_updates_grow_with_the_function():
    gradients = _gradients()
    rule = learned.CoordinatewiseDeepLSTM(
        layers=[3], frame="relative", preprocessing="identity", dtype="float64"
    )
    found = []
    for factor in (1.0, 1e-4):
        state = rule.initial_state_of_functions(gradients[:1], _FUNCTIONS)
        for gradient in gradients:
            [update], state = rule([factor * gradient], state)
        found.append(update / factor)
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_zero_gradients_move_nothing():
    zeros = [np.zeros((_FUNCTIONS, _SIZE))] * 2

    def respond(features):
        return features[:1] + 1.0

    *still, (features, updates) = _run(
        frames.Relative(), [*zeros, *_gradients()[:1]], respond
    )
    for given, moved in still:
        assert not np.any(given)
        assert np.max(np.abs(moved)) < 1e-12
    # The first gradient that is not zero sets the scale.
    sizes = np.sqrt(np.mean(_gradients()[0] ** 2, axis=1))
    expected = _gradients()[0] + sizes[:, np.newaxis]
    np.testing.assert_allclose(updates.ravel(), expected.ravel(), rtol=1e-9)


def test_a_frame_takes_one_number_for_each_gradient():
    with pytest.raises(ValueError, match="one number .* 'rnnprop'.* 2"):
        learned.CoordinatewiseDeepLSTM(frame="relative", inputs="rnnprop")
    with pytest.raises(ValueError, match="Unknown frame 'none'; accepted"):
        learned.CoordinatewiseDeepLSTM(frame="none")
