"""Tests of l2l_tf/rules/learned/inputs.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import inputs

_SHAPES = [[4, 3], [], [5]]


def _gradients(step, dtype="float64"):
    return [
        tf.random.stateless_normal(shape, [step, index], dtype=dtype)
        * 10.0 ** (index - 1)
        for index, shape in enumerate(_SHAPES)
    ]


def _run(function, num_steps=4):
    state = function.initial_state(_gradients(0), tf.float64)
    for step in range(num_steps):
        features, new = function(_gradients(step), state)
        tf.nest.assert_same_structure(state, new)
        state = new
    return features


@pytest.mark.parametrize("name", inputs.INPUTS.names())
def test_what_is_announced_holds(name):
    function = inputs.INPUTS.build(name)
    state = function.initial_state(_gradients(0), tf.float64)
    assert bool(tf.nest.flatten(state)) == function.has_state
    gradients = _gradients(0)
    features, _ = function(gradients, state)
    for found, gradient in zip(features, gradients, strict=True):
        assert len(found) == function.num_features
        for feature in found:
            assert (feature.shape, feature.dtype) == (
                gradient.shape,
                gradient.dtype,
            )
        if not function.is_recorded:
            np.testing.assert_array_equal(found, [gradient])


def test_rms_is_that_of_each_tensor():
    for [feature], gradient in zip(
        _run(inputs.RMS()), _gradients(3), strict=True
    ):
        size = np.sqrt(np.mean(np.square(gradient)))
        np.testing.assert_allclose(feature, gradient / size, rtol=1e-12)


def test_a_tensor_of_zeros_stays_zero():
    for name in inputs.INPUTS.names():
        function = inputs.INPUTS.build(name)
        zeros = [tf.zeros([3])]
        state = function.initial_state(zeros, tf.float32)
        [found], _ = function(zeros, state)
        np.testing.assert_array_equal(found, tf.zeros_like(found))


def test_rnnprop_is_the_papers_formula():
    b1, b2, epsilon = 0.75, 0.875, 1e-6
    features = _run(inputs.RNNprop(b1, b2, epsilon))
    for index, found in enumerate(features):
        m = v = 0.0
        for step in range(4):
            g = _gradients(step)[index].numpy()
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
        size = np.sqrt(v / (1 - b2**4)) + epsilon
        expected = [m / (1 - b1**4) / size, g / size]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rnnprop_begins_with_the_sign():
    [*features] = _run(inputs.RNNprop(), num_steps=1)
    for found, gradient in zip(features, _gradients(0), strict=True):
        for feature in found:
            np.testing.assert_allclose(feature, np.sign(gradient), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "nope",
            {},
            "inputs 'nope'; accepted: gradient, rms, rms_and_rnnprop, rnnprop",
        ),
        ("gradient", {"a": 1}, r"\['a'\] for inputs 'gradient'"),
        ("rms", {"epsilon": 0}, "epsilon.*0"),
        ("rnnprop", {"beta_1": 1.0}, "beta_1 must be below 1.*1.0"),
        ("rnnprop", {"beta_2": -0.5}, "beta_2.*-0.5"),
        ("rnnprop", {"beta_2": "a"}, "beta_2.*'a'"),
    ],
)
def test_bad_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        inputs.INPUTS.build(name, **options)
