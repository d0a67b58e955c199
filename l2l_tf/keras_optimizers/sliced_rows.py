"""Gradients of a few rows, such as an embedding's, without repeated rows."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Rows(NamedTuple):
    """Rows of a gradient, each once.

    Attributes:
        positions: Shape [k]; 0 where unused.
        values: Shape [k, ...]; zeros where unused.
        used: Shape [k]; the first ones are.
    """

    positions: tf.Tensor
    values: tf.Tensor
    used: tf.Tensor


def distinct(slices: tf.IndexedSlices, num_rows: int) -> Rows:
    """Adds up the slices of each row.

    The number of rows that come out is that of the slices, or of all rows if
    that is less: it depends on shapes alone, as XLA wants it.

    Args:
        slices: Values of shape [n, ...] at n positions, some of them equal.
        num_rows: Rows of the whole tensor.
    """
    positions = tf.cast(slices.indices, tf.int32)
    order = tf.argsort(positions, stable=True)
    positions = tf.gather(positions, order)
    changes = positions[1:] != positions[:-1]
    is_first = tf.concat([tf.ones_like(positions[:1], tf.bool), changes], 0)
    segments = tf.cumsum(tf.cast(is_first, tf.int32)) - 1
    length = slices.indices.shape[0] or tf.shape(positions)[0]
    size = (
        min(length, num_rows)
        if isinstance(length, int)
        else tf.minimum(length, num_rows)
    )
    used = tf.range(size) < tf.reduce_sum(tf.cast(is_first, tf.int32))
    found = tf.math.unsorted_segment_max(positions, segments, size)
    return Rows(
        positions=tf.where(used, found, 0),
        values=tf.math.unsorted_segment_sum(
            tf.gather(slices.values, order), segments, size
        ),
        used=used,
    )
