"""Tests of l2l_tf/meta_training/meta_optimizer.py."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_training import meta_optimizer

_SHAPES = [(3, 2), (2,), ()]
_RATE = tf.constant(0.125)


def _normals(step, scale=1.0):
    return [
        scale * tf.random.stateless_normal(shape, [step, index])
        for index, shape in enumerate(_SHAPES)
    ]


def _optimizer(**options):
    phi = [tf.Variable(value) for value in _normals(-1)]
    return phi, meta_optimizer.MetaOptimizer(phi, **options)


def _values(phi, optimizer):
    """All that an update may change, save the counts of skipped ones."""
    return [v.numpy() for v in (*phi, *tf.nest.flatten(optimizer.state))]


def test_it_equals_kerass_adam():
    phi, optimizer = _optimizer()
    twin = keras.optimizers.Adam(float(_RATE), epsilon=1e-8)
    variables = [keras.Variable(v) for v in phi]
    apply = tf.function(optimizer.apply, autograph=False)
    for step in range(20):
        gradients = _normals(step, 10.0 ** (step % 3))
        rate = float(_RATE) / (1 + step)  # A schedule's.
        norm = apply(tf.constant(1.0), gradients, tf.constant(rate))
        twin.learning_rate = rate
        twin.apply(gradients, variables)
        flat = np.concatenate([np.ravel(g) for g in gradients])
        np.testing.assert_allclose(norm, np.linalg.norm(flat), rtol=1e-5)
        for variable, expected in zip(phi, variables, strict=True):
            np.testing.assert_allclose(
                variable, expected.value, rtol=1e-4, atol=1e-6
            )
    assert int(optimizer.skipped) == 0


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["loss", 0, 1, 2])
def test_what_is_not_finite_changes_nothing(where, bad, clip):
    phi, optimizer = _optimizer(gradient_clip_norm=clip)
    one = tf.constant(1.0)
    optimizer.apply(one, _normals(0), _RATE)
    before = _values(phi, optimizer)
    loss, gradients = one, _normals(1)
    if where == "loss":
        loss = tf.constant(bad)
    else:
        gradient = np.array(gradients[where])
        gradient.flat[0] = bad
        gradients[where] = tf.constant(gradient)
    optimizer.apply(loss, gradients, _RATE)
    for value, expected in zip(_values(phi, optimizer), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert int(optimizer.skipped) == 1


def test_skipped_updates_are_counted():
    _, optimizer = _optimizer()
    counts = []
    for loss in (1.0, math.nan, math.nan, 1.0, math.nan):
        optimizer.apply(tf.constant(loss), _normals(0), _RATE)
        counts.append((int(optimizer.skipped), int(optimizer.skipped_in_a_row)))
    assert counts == [(0, 0), (1, 1), (2, 2), (2, 0), (3, 1)]


def test_training_goes_on_after_a_skip_as_if_nothing_had_been():
    (phi, optimizer), (others, other) = _optimizer(), _optimizer()
    for step in range(3):
        for loss in (1.0, math.nan):
            optimizer.apply(tf.constant(loss), _normals(step), _RATE)
        other.apply(tf.constant(1.0), _normals(step), _RATE)
    for a, b in zip(
        _values(phi, optimizer), _values(others, other), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_long_gradients_are_shortened_and_short_ones_are_not():
    (phi, optimizer), (others, other) = (
        _optimizer(gradient_clip_norm=2.0),
        _optimizer(),
    )
    for step, scale in enumerate([100.0, 1e-3, 10.0]):
        gradients = _normals(step, scale)
        length = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
        factor = min(1.0, 2.0 / length)
        norm = optimizer.apply(tf.constant(1.0), gradients, _RATE)
        np.testing.assert_allclose(norm, length, rtol=1e-5)  # Before clipping.
        other.apply(tf.constant(1.0), [factor * g for g in gradients], _RATE)
        for a, b in zip(phi, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_its_state_is_not_trainable():
    phi, optimizer = _optimizer()
    trainable = {id(v) for v in optimizer.trainable_variables}
    assert trainable <= {id(v) for v in phi}
    assert len(tf.nest.flatten(optimizer.state)) == 2 + 2 * len(phi)
