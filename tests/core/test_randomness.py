"""Tests of l2l_tf/core/randomness.py."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness

_SEED = tf.constant([1, 2])
# The last is where a seed that is cut to 32 bits would meet the first.
_SEEDS = (0, 1, -1, 2**31 - 1, 2**31, 2**32)


def _is_seed(tensor: tf.Tensor) -> bool:
    return tensor.shape == (2,) and tensor.dtype == tf.int32


def test_seeds_are_pairs_of_int32():
    assert _is_seed(randomness.fold_in(_SEED, 3))
    assert _is_seed(randomness.stream(_SEED, "task"))
    for seed in _SEEDS:
        assert _is_seed(randomness.run_seed(seed, "train", 0))


def test_seeds_stay_what_they_are_from_process_to_process():
    # Values of the first release: runs begun with them are to be resumed.
    np.testing.assert_array_equal(
        randomness.stream(_SEED, "task"), [1105988140, 1384045349]
    )
    np.testing.assert_array_equal(
        randomness.run_seed(2**31, "train", 0), [631465603, 0]
    )


def test_every_path_has_a_seed_of_its_own():
    runs = [
        randomness.run_seed(*path)
        for path in itertools.product(
            _SEEDS, ("train", "validation", "test"), range(4)
        )
    ]
    streams = [
        randomness.stream(run, name)
        for run in runs
        for name in ("task", "params", "batch", "model_state")
    ]
    steps = [
        randomness.fold_in(stream, step)
        for stream in streams
        for step in range(3)
    ]
    seeds = [tuple(seed.numpy()) for seed in (*runs, *streams, *steps)]
    assert len(set(seeds)) == len(seeds)


def test_draws_of_sibling_seeds_are_unrelated():
    draws = [
        tf.random.stateless_normal([4000], randomness.fold_in(_SEED, index))
        for index in range(4)
    ]
    correlations = np.corrcoef(draws) - np.eye(4)
    assert np.abs(correlations).max() < 0.08  # 5 deviations.


def test_graphs_derive_the_same_seeds():
    def derive(index):
        seed = randomness.stream(_SEED, "batch")
        return randomness.fold_in(seed, index)

    index = tf.constant(5)
    for compiled in (False, True):
        np.testing.assert_array_equal(
            tf.function(derive, jit_compile=compiled)(index), derive(5)
        )


@pytest.mark.parametrize("total, samples", [(10, 3), (7, 7), (5, 1), (9, 4)])
def test_every_position_is_drawn_as_often_and_none_twice(total, samples):
    counts = np.zeros(total)
    num_draws = 2000
    draw = tf.function(
        lambda seed: randomness.sample_positions(total, samples, seed)
    )
    for index in range(num_draws):
        chosen = draw(randomness.run_seed(0, "train", index)).numpy()
        assert len(set(chosen)) == samples
        counts[chosen] += 1
    expected = num_draws * samples / total
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))


def test_a_sample_of_millions_covers_them_all():
    chosen = randomness.sample_positions(10_000_001, 1000, tf.constant([1, 2]))
    assert np.max(np.diff(np.sort(chosen))) <= 2 * 10_001
    assert 0 <= np.min(chosen) < 20_002 and np.max(chosen) > 9_979_998


@pytest.mark.parametrize("total", [1, 5])
def test_shuffled_positions_come_once_in_each_shuffle(total):
    series = [
        randomness.shuffled_position(2**62 - 1, index, total)
        for index in range(4 * total)
    ]
    shuffles = np.reshape(series, [4, total])
    for shuffle in shuffles:
        assert sorted(shuffle) == list(range(total))
    if total > 1:
        assert len({tuple(shuffle) for shuffle in shuffles}) > 1
        other = [randomness.shuffled_position(0, i, total) for i in range(20)]
        assert other != series
