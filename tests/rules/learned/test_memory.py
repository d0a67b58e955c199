"""Tests of l2l_tf/rules/learned/memory.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import memory

_FUNCTIONS, _SIZE, _WRITES, _STEPS = 3, 4, 2, 5


def _draw(heads, step, kind):
    return tf.random.stateless_normal(
        [heads, _FUNCTIONS, _SIZE], [step, kind], dtype=tf.float64
    )


def _memories(identity=0.0, num_steps=_STEPS):
    return (
        memory.Full(_WRITES, identity, tf.float64),
        memory.Limited(_WRITES, identity, tf.float64, num_steps),
    )


def _written(kind, num_steps=_STEPS):
    held = kind.initial(_FUNCTIONS, _SIZE)
    for step in range(num_steps):
        pair = _draw(_WRITES, step, 0), _draw(_WRITES, step, 1)
        held = kind.write(held, *pair)
    return held


def _matrices(identity, steps):
    """The definition, one number at a time."""
    matrices = np.array([identity * np.eye(_SIZE)] * _FUNCTIONS)
    for step in steps:
        left, right = _draw(_WRITES, step, 0), _draw(_WRITES, step, 1)
        for f, i, j in np.ndindex(_FUNCTIONS, _SIZE, _SIZE):
            for head in range(_WRITES):
                matrices[f, i, j] += left[head, f, i] * right[head, f, j]
    return matrices


def _products(matrices, vectors):
    return np.array([[m @ v for m, v in zip(matrices, r)] for r in vectors])  # noqa: B905


@pytest.mark.parametrize("identity", [0.0, 0.7])
@pytest.mark.parametrize("which", [0, 1])
def test_reads_and_writes_are_those_of_a_matrix(which, identity):
    kind = _memories(identity)[which]
    vectors = _draw(3, 0, 9)
    for num_steps in (0, 1, _STEPS):
        np.testing.assert_allclose(
            kind.read(_written(kind, num_steps), vectors),
            _products(_matrices(identity, range(num_steps)), vectors.numpy()),
            rtol=1e-12,
            atol=1e-14,
        )


def test_a_limited_memory_forgets_what_is_older():
    _, kind = _memories(0.7, num_steps=2)
    vectors = _draw(1, 0, 9)
    np.testing.assert_allclose(
        kind.read(_written(kind), vectors),
        _products(_matrices(0.7, [_STEPS - 2, _STEPS - 1]), vectors.numpy()),
        rtol=1e-12,
    )


def test_a_full_memory_refuses_what_is_too_large():
    kind = memory.Full(3, 0.0, tf.float32)
    with pytest.raises(
        ValueError,
        match=r"8,192 coordinates at most; received 15,910, .* 1 GB. Take the "
        r"rule 'ntm-l-bfgs', .* 6 x 15,910 numbers for each step",
    ):
        kind.initial(1, 15_910)
    with pytest.raises(ValueError, match="4,096 coordinates of each of 4 f"):
        kind.initial(4, 5000)
    # In graphs sizes may be unknown, and are not refused.
    size = tf.constant(3)
    assert kind.initial(2, size)[0].shape == [2, 3, 3]


def test_a_limited_memory_refuses_what_is_too_large():
    kind = memory.Limited(3, 0.0, tf.float32, 10_000)
    with pytest.raises(
        ValueError, match="4.3 GB at most.*10,000 steps of 3.*would take 4.8 GB"
    ):
        kind.initial(1, 20_000)
    assert kind.initial(1, 10)[0].shape == [1, 30_000, 10]


def test_a_limited_memory_remembers_a_step_or_more():
    with pytest.raises(ValueError, match="history must be .* received 0"):
        memory.Limited(3, 0.0, tf.float32, 0)
    with pytest.raises(ValueError, match="at most 10000; received 2147483647"):
        memory.Limited(3, 0.0, tf.float32, 2**31 - 1)
