"""Tests of l2l_tf/problems/arrays.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import arrays

_SEED = tf.constant([1, 2])
_INPUTS = np.random.default_rng(0).normal(size=[60, 4]).astype("float32")
_LABELS = (np.arange(60) % 3).astype("int32")


@pytest.mark.parametrize("size", [6, 60, 61])
def test_the_splits_are_two_thirds_a_sixth_and_a_sixth_in_order(size):
    numbers = np.arange(size)
    splits = arrays.split((numbers, (numbers, -numbers))).splits
    assert list(splits) == ["train", "validation", "test"]
    sixth = size // 6
    assert [len(splits[n][0]) for n in splits][1:] == [sixth, sixth]
    joined = np.concatenate([inputs for inputs, _ in splits.values()])
    np.testing.assert_array_equal(joined, numbers)
    for inputs, (positive, negative) in splits.values():
        np.testing.assert_array_equal(positive, inputs)
        np.testing.assert_array_equal(negative, -inputs)


def test_minibatches_are_drawn_with_replacement_and_prepared():
    examples = arrays.Examples(
        {"train": np.arange(4), "test": np.arange(10, 14)},
        lambda batch: 2 * batch,
    )
    drawn = examples.sample("test", 400, _SEED)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [20, 22, 24, 26]
    # Standard deviation 8.7.
    assert np.all(np.abs(counts - 100) < 40)
    np.testing.assert_array_equal(drawn, examples.sample("test", 400, _SEED))
    assert np.any(drawn != examples.sample("test", 400, _SEED + 1))
    assert examples.first().numpy().tolist() == [0]


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (_INPUTS, "pair.*ndarray"),
        ((_INPUTS, _LABELS, _LABELS), "pair.*tuple"),
        ((_INPUTS, _LABELS[:-1]), r"\[59, 60\]"),
        ((_INPUTS[:5], _LABELS[:5]), "at least 6.*5"),
        (tf.data.Dataset.from_tensor_slices(_INPUTS).batch(7), "pair"),
        (
            tf.data.Dataset.from_tensor_slices((_INPUTS, _LABELS)),
            "batched",
        ),
        (
            tf.data.Dataset.from_tensor_slices((_INPUTS, _LABELS))
            .take(0)
            .batch(7),
            "at least 6",
        ),
        (
            tf.data.Dataset.from_tensor_slices((_INPUTS, _LABELS))
            .repeat()
            .batch(7),
            "finite",
        ),
    ],
)
def test_data_that_cannot_be_used_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        arrays.split(dataset)
