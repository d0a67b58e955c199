"""Stateless randomness: every draw is a function of one seed and a path.

A run's seed is derived from the experiment's integer seed, the data split and
the run's index; its task, its initial parameters and each of its minibatches
have a stream of their own. Two optimizers that are given the same run seed
therefore see the same function, the same start and the same minibatches.
"""

from __future__ import annotations

import zlib

import numpy as np
import tensorflow as tf


def fold_in(seed: tf.Tensor, data: int | tf.Tensor) -> tf.Tensor:
    """Derives a new seed from a seed and an integer.

    Args:
        seed: A seed, int32 of shape [2].
        data: An integer that tells the new seed from its siblings.

    Returns:
        A seed, int32 of shape [2].
    """
    return tf.random.experimental.stateless_fold_in(seed, data)


def stream(seed: tf.Tensor, name: str) -> tf.Tensor:
    """Derives the seed of a named stream, such as `"task"` or `"batch"`.

    Args:
        seed: A seed, int32 of shape [2].
        name: The stream's name.

    Returns:
        A seed, int32 of shape [2].
    """
    return fold_in(seed, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def run_seed(seed: int, split: str, index: int) -> tf.Tensor:
    """Returns the seed of one run of an optimizee.

    Args:
        seed: The experiment's seed.
        split: `"train"`, `"validation"` or `"test"`; the splits never share
            a run.
        index: The run's index within the split.

    Returns:
        A seed, int32 of shape [2].
    """
    # Python integers are split by hand: a seed has 64 bits, a tensor of
    # int32 takes 31 of them each.
    low, high = seed & 0x7FFFFFFF, (seed >> 31) & 0x7FFFFFFF
    root = tf.constant([low, high], tf.int32)
    return fold_in(stream(root, split), index)


def shuffled_position(seed: int, index: int, total: int) -> int:
    """Returns an element of an endless series of shuffles of 0 to total - 1.

    Args:
        seed: The experiment's seed.
        index: The element's index in the series.
        total: How many positions each shuffle holds.

    Returns:
        A position.
    """
    shuffle, place = divmod(index, total)
    order = np.random.default_rng([seed, shuffle]).permutation(total)
    return int(order[place])


def sample_positions(
    total: int, num_samples: int, seed: tf.Tensor
) -> tf.Tensor:
    """Draws positions, each with the same probability, none twice.

    Positions are laid out on a circle that starts at a random place, and one
    is drawn from each of `num_samples` equal arcs: where neighbours are alike,
    this varies less than independent draws.

    Args:
        total: Positions there are.
        num_samples: Positions to draw.
        seed: A seed, int32 of shape [2].

    Returns:
        Positions from 0 to total - 1, int32 of shape [num_samples].
    """
    offset = tf.random.stateless_uniform(
        [], fold_in(seed, 0), 0, total, tf.int32
    )
    bounds = tf.range(num_samples + 1, dtype=tf.int64) * total
    bounds = tf.cast(bounds // num_samples, tf.int32)
    within = tf.random.stateless_uniform(
        [num_samples], fold_in(seed, 1), dtype=tf.float64
    )
    sizes = bounds[1:] - bounds[:-1]
    within = tf.cast(within * tf.cast(sizes, tf.float64), tf.int32)
    return (offset + bounds[:-1] + within) % total
