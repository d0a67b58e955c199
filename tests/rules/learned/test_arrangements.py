"""Tests of l2l_tf/rules/learned/arrangements.py."""

import re

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules.learned import arrangements

_ARRANGEMENTS = {
    "coordinatewise": (arrangements.Coordinates(), [(), (1,), (4,), (2, 3, 4)]),
    "kernelwise": (arrangements.Kernels([2, 3]), [(2, 3, 1, 1), (2, 3, 4, 5)]),
    "vectorwise": (arrangements.Vectors(4), [(4,), (3, 4), (2, 3, 4)]),
    "vectorwise_1": (arrangements.Vectors(1), [(), (1,), (3, 1)]),
}


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Different numbers, so that any exchange shows."""
    return np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_columns_come_back_as_they_went(name):
    arrangement, shapes = _ARRANGEMENTS[name]
    for shape in shapes:
        tensor = tf.constant(_numbers(shape))
        matrix = arrangement.to_columns(tensor)
        num_columns = arrangement.num_columns(tensor.shape)
        assert matrix.shape == (arrangement.rows, num_columns)
        np.testing.assert_array_equal(
            arrangement.from_columns(matrix, tensor.shape), tensor
        )


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_matrices_of_all_steps_are_those_of_each(name):
    arrangement, shapes = _ARRANGEMENTS[name]
    for shape in [*shapes, (*shapes[-1][:-1], 0)]:
        if shape[-1:] == (0,) and name.startswith("vectorwise"):
            continue
        steps = tf.constant(_numbers((3, *shape)))
        expected = tf.stack([arrangement.to_columns(step) for step in steps])
        known = arrangement.stack_columns(steps)
        assert known.shape == expected.shape
        np.testing.assert_array_equal(known, expected)
        of_any_length = tf.function(
            arrangement.stack_columns,
            input_signature=[tf.TensorSpec([None, *shape])],
            autograph=False,
        )
        np.testing.assert_array_equal(of_any_length(steps), expected)


def test_a_column_is_a_kernel():
    tensor = _numbers((2, 3, 4, 5))
    matrix = (
        arrangements.Kernels([2, 3]).to_columns(tf.constant(tensor)).numpy()
    )
    kernels = {tuple(tensor[:, :, i, o].flat) for i, o in np.ndindex(4, 5)}
    assert set(map(tuple, matrix.T)) == kernels


def test_a_column_is_a_vector_along_the_last_axis():
    tensor = _numbers((2, 3, 4))
    matrix = arrangements.Vectors(4).to_columns(tf.constant(tensor)).numpy()
    vectors = {tuple(tensor[i, j]) for i, j in np.ndindex(2, 3)}
    assert set(map(tuple, matrix.T)) == vectors


@pytest.mark.parametrize(
    ("arrangement", "shape"),
    [
        (arrangements.Kernels([2, 3]), ()),
        (arrangements.Kernels([2, 3]), (2, 3)),
        (arrangements.Kernels([2, 3]), (3, 2, 4, 5)),
        (arrangements.Kernels([2, 3]), (4, 5, 2, 3)),
        (arrangements.Vectors(4), (1,)),
        (arrangements.Vectors(4), (4, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arrangement, shape):
    received = re.escape(f"; received one of shape {shape}")
    kind = {arrangements.Kernels: "kernelwise"}.get(
        type(arrangement), "vectorwise"
    )
    with pytest.raises(ValueError, match=f"{kind}.*{received}"):
        arrangement.num_columns(shape)


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_configurations_rebuild_arrangements(name):
    arrangement, _ = _ARRANGEMENTS[name]
    again = type(arrangement)(**arrangement.config())
    assert again.config() == arrangement.config()
    assert again.rows == arrangement.rows


@pytest.mark.parametrize("name", _ARRANGEMENTS)
def test_an_example_fits_and_makes_a_few_columns(name):
    arrangement, _ = _ARRANGEMENTS[name]
    assert 1 < arrangement.num_columns(arrangement.example_shape()) < 20
