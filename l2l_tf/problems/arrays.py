"""Examples held in memory: three splits, and minibatches drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.problems import base


class Examples:
    """Arrays of examples for each split.

    Attributes:
        splits: For each split, a nest of tensors whose first axes count its
            examples.
    """

    def __init__(
        self,
        splits: Mapping[str, base.Nest],
        prepare: Callable[[base.Nest], base.Nest] = lambda batch: batch,
    ):
        """Takes the splits.

        Args:
            splits: Nests of arrays by split.
            prepare: Maps a minibatch of the arrays to what is returned, such
                as pixels to numbers in [0, 1].
        """
        self.splits = {
            split: tf.nest.map_structure(tf.constant, arrays)
            for split, arrays in splits.items()
        }
        self._prepare = prepare

    def first(self) -> base.Nest:
        """Returns a minibatch of one example, the first of all."""
        return self._prepare(
            tf.nest.map_structure(lambda array: array[:1], self.splits["train"])
        )

    def sample(self, split: str, num_examples: int, seed: tf.Tensor):
        """Draws a minibatch, with replacement.

        Args:
            split: The split to draw from.
            num_examples: How many.
            seed: A seed, int32 of shape [2].

        Returns:
            A nest of tensors, shape [num_examples, ...].
        """
        arrays = self.splits[split]
        size = tf.nest.flatten(arrays)[0].shape[0]
        chosen = tf.random.stateless_uniform(
            [num_examples], seed, 0, size, tf.int32
        )
        return self._prepare(
            tf.nest.map_structure(
                lambda array: tf.gather(array, chosen), arrays
            )
        )


def split(data: Any) -> Examples:
    """Splits a user's data: two thirds, a sixth and a sixth, in their order.

    Args:
        data: Arrays `(inputs, targets)`, each may be a nest of them, or a
            finite batched `tf.data.Dataset` of such pairs. Shuffle beforehand
            what is sorted.

    Returns:
        The examples for training, validation and testing.

    Raises:
        ValueError: If the data are something else, or too few.
    """
    if isinstance(data, tf.data.Dataset):
        data = _gather(data)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise ValueError(
            "The data must be a pair (inputs, targets) of arrays or a batched "
            f"tf.data.Dataset of pairs; received {type(data).__name__}."
        )
    pair = tf.nest.map_structure(
        tf.constant,
        tuple(np.asarray(d) if isinstance(d, list) else d for d in data),
    )
    sizes = {array.shape[0] for array in tf.nest.flatten(pair)}
    size = min(sizes)
    if len(sizes) != 1 or size < 6:
        raise ValueError(
            "Inputs and targets must have the same number of examples, at "
            f"least 6; received {sorted(sizes)}."
        )
    bounds = [0, size - 2 * (size // 6), size - size // 6, size]
    return Examples(
        {
            name: tf.nest.map_structure(lambda a: a[start:stop], pair)  # noqa: B023
            for name, start, stop in zip(
                base.SPLITS, bounds[:-1], bounds[1:], strict=True
            )
        }
    )


def _gather(dataset: tf.data.Dataset) -> base.Nest:
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The data must be finite; received an infinite tf.data.Dataset, of "
            "which .take(...) makes a finite one."
        )
    batches = list(dataset.as_numpy_iterator())
    if not batches:
        raise ValueError(
            "The data must hold at least 6 examples; received an empty "
            "tf.data.Dataset."
        )
    if any(np.ndim(array) == 0 for array in tf.nest.flatten(batches[0])):
        raise ValueError(
            "The data must be batched; received a tf.data.Dataset of single "
            "examples, which .batch(...) makes into batches."
        )
    return tf.nest.map_structure(
        lambda *arrays: np.concatenate(arrays), *batches
    )
