"""Tests of l2l_tf/rules/learned/preprocessing.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import preprocessing

_build = preprocessing.PREPROCESSING.build

_MAGNITUDES = [0.0, 1e-30, 1e-6, 0.5, 0.999, 1.0, 1.001, 2.0, 1e4, 1e30]


def _around_threshold(p: float, dtype: str) -> np.ndarray:
    """Gradients of both signs, below, at and above exp(-p)."""
    magnitudes = math.exp(-p) * np.array(_MAGNITUDES)
    return np.stack([magnitudes, -magnitudes]).astype(dtype)


def _paper(g: float, p: float) -> tuple[float, float]:
    """Andrychowicz et al. 2016, appendix A, for one number."""
    if abs(g) >= math.exp(-p):
        return math.log(abs(g)) / p, math.copysign(1.0, g)
    return -1.0, math.exp(p) * g


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [5.0, 10.0])
def test_log_and_sign_is_the_papers_formula(p, dtype):
    gradients = _around_threshold(p, dtype)
    features = _build("log_and_sign", p=p)(tf.constant(gradients))
    expected = np.vectorize(_paper)(gradients.astype("float64"), p)
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        features, np.concatenate(expected), rtol=rtol, atol=1e-30
    )
    assert features.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [5.0, 10.0])
def test_log_and_sign_smooth_is_the_released_formula(p, dtype):
    gradients = _around_threshold(p, dtype)
    features = _build("log_and_sign_smooth", p=p)(tf.constant(gradients))
    log = np.log(np.abs(gradients) + np.finfo(dtype).eps)
    expected = [np.maximum(log / p, -1), np.clip(gradients * np.exp(p), -1, 1)]
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(features, np.concatenate(expected), rtol=rtol)


def test_defaults_of_p_are_the_papers_and_the_released_codes():
    gradients = tf.constant([[1e-3, -1.0, 1e-9]])
    for name, p in ("log_and_sign", 10.0), ("log_and_sign_smooth", 5.0):
        np.testing.assert_array_equal(
            _build(name)(gradients),
            _build(name, p=p)(gradients),
        )


def test_clamp_rescale_and_identity():
    gradients = tf.constant([[-3.0, -0.5, 0.0, 0.5, 3.0]])
    clamp = _build("clamp", min_value=-2.0, max_value=0.25)
    rescale = _build("rescale", factor=-4.0)
    identity = _build("identity")
    np.testing.assert_array_equal(
        clamp(gradients), [[-2.0, -0.5, 0.0, 0.25, 0.25]]
    )
    np.testing.assert_array_equal(
        rescale(gradients), [[12.0, 2.0, 0.0, -2.0, -12.0]]
    )
    np.testing.assert_array_equal(identity(gradients), gradients)


@pytest.mark.parametrize("name", preprocessing.PREPROCESSING.names())
def test_derivatives_are_finite(name):
    gradients = tf.constant(_around_threshold(10.0, "float32"))
    with tf.GradientTape() as tape:
        tape.watch(gradients)
        total = tf.reduce_sum(_build(name)(gradients))
    assert np.all(np.isfinite(tape.gradient(total, gradients)))


def test_derivative_of_log_and_sign_on_either_side_of_the_threshold():
    gradients = tf.constant([[0.0, 1e-5, 1e-4, -2.0]], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(gradients)
        features = preprocessing.LogAndSign(p=10.0)(gradients)
        first, second = features[:1], features[1:]
    steep = math.exp(10.0)
    np.testing.assert_allclose(
        tape.gradient(first, gradients), [[0.0, 0.0, 1e3, -0.05]]
    )
    np.testing.assert_allclose(
        tape.gradient(second, gradients), [[steep, steep, 0.0, 0.0]]
    )


@pytest.mark.parametrize("name", preprocessing.PREPROCESSING.names())
def test_number_of_features_is_as_announced(name):
    function = _build(name)
    features = function(tf.ones([3, 4]))
    assert features.shape == (3 * function.num_features, 4)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match="'nope'.*clamp.*log_and_sign"):
        _build("nope")
    with pytest.raises(ValueError, match=r"\['q'\].*'clamp'.*min_value"):
        _build("clamp", q=1.0, max_value=2.0)
