"""Tests of l2l_tf/rules/learned/blocks.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.rules.learned import blocks


def _sums(given, cotangents):
    """Tensors that are sums over columns, and NaN for columns of zeros."""
    return [
        tf.reduce_sum(cotangents / given["a"], axis=-1),
        tf.reduce_sum(cotangents[0] * given["b"][:, None], axis=-1),
    ]


def _draw(num_columns):
    given = {
        "a": tf.random.stateless_uniform([3, 2, num_columns], [0, 1], 1.0, 2.0),
        "b": tf.random.stateless_normal([4, num_columns], [0, 2]),
    }
    return given, tf.random.stateless_normal([3, 2, num_columns], [0, 3])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("num_lanes", [1, 3])
@pytest.mark.parametrize("num_columns", [1, 5, 300, 800])
def test_it_sums_over_all_columns(num_columns, num_lanes, jit_compile):
    given, cotangents = _draw(num_columns)
    expected = _sums(given, cotangents)
    actual = blocks.sum_over_columns(
        _sums, given, cotangents, expected, num_lanes, jit_compile
    )
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_lanes_run_side_by_side_and_hold_blocks_of_one_size():
    given, cotangents = _draw(800)
    widths = []

    def function(given, cotangents):
        widths.append((given["a"].shape[-1], cotangents.shape[-1]))
        return [tf.reduce_sum(cotangents)]

    blocks.sum_over_columns(function, given, cotangents, [0.0], 2, False)
    # 2 lanes of 2 blocks of 208, traced once, with 32 columns of padding.
    assert widths == [(208, 208)]


@pytest.mark.parametrize("fraction", [0.001, 0.3, 0.5, 1.0])
def test_samples_keep_the_mean_of_sums(fraction):
    num_columns = 20
    given = tf.range(num_columns, dtype=tf.float32)
    cotangents = tf.reshape(tf.square(given) + 1.0, [1, 1, num_columns])
    totals = []
    for index in range(400):
        seed = randomness.run_seed(0, "train", index)
        drawn, factors = blocks.sample(given, cotangents, fraction, seed)
        assert len(set(drawn.numpy())) == max(1, round(fraction * num_columns))
        np.testing.assert_allclose(
            factors[0, 0] * len(drawn) / num_columns,
            tf.gather(cotangents[0, 0], tf.cast(drawn, tf.int32)),
            rtol=1e-5,
        )
        totals.append(float(tf.reduce_sum(factors)))
    exact = float(tf.reduce_sum(cotangents))
    error = np.std(totals, ddof=1) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - exact) <= 4.5 * error + 1e-3


@pytest.mark.parametrize("num_columns", [1, 4, 11])
def test_steps_of_blocks_are_those_of_all_columns(num_columns):
    widths = []

    def step(inputs, state):
        widths.append(inputs.shape[-1])
        return inputs * state["a"][:1], {"a": state["a"] + inputs}

    inputs = tf.random.stateless_normal([2, num_columns], [0, 1])
    state = {"a": tf.random.stateless_normal([2, num_columns], [0, 2])}
    expected = step(inputs, state)
    widths.clear()
    actual = blocks.step(step, inputs, state, block=4)
    assert max(widths) <= 4
    assert sum(widths) == num_columns
    tf.nest.map_structure(np.testing.assert_array_equal, actual, expected)
