"""Tests of l2l_tf/problems/initial_values.py."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import initial_values

_SHAPES = (400, 300), (5, 5, 40, 30)  # Of a dense layer and a convolution.


def _draw(kind, seed=0, shapes=_SHAPES, dtype=tf.float32):
    """Weights of the shapes, and biases; all are 7 by themselves."""
    names = [f"layer_{index}/w" for index in range(len(shapes))]
    own = [7.0 * tf.ones(shape, dtype) for shape in (*shapes, [20_000])]
    *weights, biases = initial_values.redraw(
        kind, [*names, "layer/b"], own, randomness.run_seed(seed, "train", 0)
    )
    return [values.numpy() for values in weights], [biases.numpy()]


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


def test_module_leaves_the_networks_own_values():
    weights, [biases] = _draw("module")
    for values in (*weights, biases):
        np.testing.assert_array_equal(values, 7.0)


def test_glorot_uniform_draws_as_kerass_layers():
    weights, [biases] = _draw("glorot_uniform")
    twin = keras.initializers.GlorotUniform(seed=0)
    for values in weights:
        _assert_same_distribution(values, np.array(twin(values.shape)))
    np.testing.assert_array_equal(biases, 7.0)


def test_weights_are_what_sonnet_calls_so():
    names = ["w", "a/w", "lstm/w_i", "b", "norm/scale", "weird", "vector/w"]
    shapes = [[3, 3]] * 4 + [[1, 1, 3], [3, 3], [3]]
    own = [7.0 * tf.ones(shape) for shape in shapes]
    values = initial_values.redraw("glorot_uniform", names, own, [1, 2])
    is_drawn = [np.any(value != 7.0) for value in values]
    assert is_drawn == [True] * 3 + [False] * 4
    values = initial_values.redraw(0.1, names, own, [1, 2])
    assert all(np.all(value != 7.0) for value in values)


def _assert_same_distribution(values, reference):
    std = float(np.std(reference))
    assert values.shape == reference.shape
    assert np.mean(values) == pytest.approx(0.0, abs=0.02 * std)
    assert np.std(values) == pytest.approx(std, rel=0.02)
    # Both are bounded, and have samples enough to come close to the bound.
    assert np.max(values) == pytest.approx(np.max(reference), rel=5e-3)
    assert np.min(values) == pytest.approx(np.min(reference), rel=5e-3)


@pytest.mark.parametrize("kind", [0.1, [0.1, 1.0], "glorot_uniform"])
def test_variables_are_drawn_independently_and_by_seed(kind):
    [first, second], _ = _draw(kind, 0, [(20, 20)] * 2)
    [again, _], _ = _draw(kind, 0, [(20, 20)] * 2)
    [other, _], _ = _draw(kind, 1, [(20, 20)] * 2)
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == second) and not np.any(first == other)


def test_weights_and_biases_are_drawn_independently():
    own = [tf.zeros([3, 3])] * 2
    first, second = initial_values.redraw(0.1, ["a/w", "a/b"], own, [1, 2])
    assert not np.any(first == second)


def test_the_type_is_the_parameters_own():
    for kind in (0.1, [0.1, 1.0], "module", "glorot_uniform"):
        [weights], [biases] = _draw(kind, 0, [(3, 4)], tf.float64)
        assert weights.dtype == biases.dtype == np.float64


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
