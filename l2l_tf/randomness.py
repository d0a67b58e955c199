"""Stateless randomness: every draw is a function of one seed and a path.

A run's seed is derived from the experiment's integer seed, the data split and
the run's index; its task, its initial parameters and each of its minibatches
have a stream of their own. Two optimizers that are given the same run seed
therefore see the same function, the same start and the same minibatches.
"""

from __future__ import annotations

import zlib

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
