"""Tests of l2l_tf/problems/initial_values.py."""

import math

import keras
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import initial_values

_SHAPES = (400, 300), (5, 5, 40, 30)  # Of a dense layer and a convolution.


def _draw(kind, seed=0, shapes=_SHAPES):
    """Weights of the shapes, and biases."""
    w_init, b_init = initial_values.initializers(
        kind, randomness.run_seed(seed, "train", 0)
    )
    weights = [w_init(shape, tf.float32).numpy() for shape in shapes]
    return weights, [b_init([20_000], tf.float32).numpy()]


@pytest.mark.parametrize("std", [0.01, 1])
def test_a_number_is_the_deviation_of_weights_and_biases(std):
    weights, biases = _draw(std)
    for values in weights + biases:
        assert np.mean(values) == pytest.approx(0.0, abs=0.03 * std)
        assert np.std(values) == pytest.approx(std, rel=0.03)
        assert np.max(values) > 3 * std  # Not cut.


def test_a_range_gives_each_run_one_deviation():
    for seed in range(3):
        weights, biases = _draw([0.01, 1.0], seed)
        stds = [np.std(values) for values in weights + biases]
        np.testing.assert_allclose(stds, stds[0], rtol=0.03)


def test_the_deviation_is_log_uniform_in_the_range():
    weights = [_draw([0.01, 1.0], s, [(400,)])[0] for s in range(400)]
    logs = np.log10(np.std(weights, axis=(1, 2)))
    # Deciles of 400 draws; the deviations themselves are off by 4 %.
    np.testing.assert_allclose(
        np.quantile(logs, [0.1, 0.3, 0.5, 0.7, 0.9]),
        [-1.8, -1.4, -1.0, -0.6, -0.2],
        atol=0.15,
    )
    assert -2.1 < logs.min() and logs.max() < 0.1


def test_module_draws_as_sonnets_layers():
    weights, [biases] = _draw("module")
    twins = [
        snt.Linear(_SHAPES[0][-1]),
        snt.Conv2D(_SHAPES[1][-1], 5),
    ]
    inputs = [tf.zeros([1, 400]), tf.zeros([1, 5, 5, 40])]
    tf.random.set_seed(0)
    for values, twin, data in zip(weights, twins, inputs, strict=True):
        twin(data)
        _assert_same_distribution(values, twin.w.numpy())
    np.testing.assert_array_equal(biases, 0.0)


def test_glorot_uniform_draws_as_kerass_layers():
    weights, [biases] = _draw("glorot_uniform")
    twin = keras.initializers.GlorotUniform(seed=0)
    for values in weights:
        _assert_same_distribution(values, np.array(twin(values.shape)))
    np.testing.assert_array_equal(biases, 0.0)


def _assert_same_distribution(values, reference):
    std = float(np.std(reference))
    assert values.shape == reference.shape
    assert np.mean(values) == pytest.approx(0.0, abs=0.02 * std)
    assert np.std(values) == pytest.approx(std, rel=0.02)
    # Both are bounded, and have samples enough to come close to the bound.
    assert np.max(values) == pytest.approx(np.max(reference), rel=5e-3)
    assert np.min(values) == pytest.approx(np.min(reference), rel=5e-3)


@pytest.mark.parametrize("kind", [0.1, [0.1, 1.0], "module", "glorot_uniform"])
def test_variables_are_drawn_independently_and_by_seed(kind):
    [first, second], _ = _draw(kind, 0, [(20, 20)] * 2)
    [again, _], _ = _draw(kind, 0, [(20, 20)] * 2)
    [other, _], _ = _draw(kind, 1, [(20, 20)] * 2)
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == second) and not np.any(first == other)


def test_weights_and_biases_are_drawn_independently():
    w_init, b_init = initial_values.initializers(0.1, tf.constant([1, 2]))
    assert not np.any(w_init([9], tf.float32) == b_init([9], tf.float32))


def test_the_type_is_the_one_asked_for():
    for kind in (0.1, [0.1, 1.0], "module", "glorot_uniform"):
        for initializer in initial_values.initializers(kind, [1, 2]):
            assert initializer([3, 4], tf.float64).dtype == tf.float64


@pytest.mark.parametrize(
    "kind",
    [
        "nope",
        -0.1,
        math.nan,
        [0.1],
        [0.0, 1.0],
        [1.0, 0.1],
        [0.1, 0.2, 0.3],
        None,
    ],
)
def test_what_is_no_distribution_is_refused(kind):
    with pytest.raises(ValueError, match="initial values.*'glorot_uniform'"):
        initial_values.check(kind)
