"""Tests of l2l_tf/keras_optimizers/column_part.py: gradients of a few rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import LearnedOptimizer
from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.keras_optimizers import column_rows
from l2l_tf.keras_optimizers import column_runs

ROWS, WIDTH = 6, 2


def _slices(rows, seed=0):
    values = tf.random.stateless_normal([len(rows), WIDTH], [0, seed])
    return tf.IndexedSlices(
        values, tf.constant(rows), tf.constant([ROWS, WIDTH])
    )


def _table():
    return keras.Variable(tf.ones([ROWS, WIDTH]))


def _columns(optimizer):
    """Returns the state of all columns, whatever blocks they are in."""
    tensors = [v.numpy() for v in optimizer.state]
    # Numbers of state per column, the same for both layers.
    tensors = [t.T if t.shape[0] == ROWS * WIDTH else t for t in tensors]
    per_block = 4
    return [
        np.concatenate(tensors[index::per_block], axis=1)
        for index in range(per_block)
    ]


def _step(optimizer, variables, jit_compile):
    return tf.function(
        lambda gradient: optimizer.apply([tf.ones([3]), gradient], variables),
        jit_compile=jit_compile,
    )


@pytest.fixture(params=["one block", "small blocks", "rows"])
def blocks(request, monkeypatch):
    if request.param != "one block":
        monkeypatch.setattr(column_blocks.sizes, "__defaults__", (5,))
    if request.param == "rows":
        monkeypatch.setattr(column_rows.update_some, "__defaults__", (3,))
        monkeypatch.setattr(column_rows.update_all, "__defaults__", (5,))
        monkeypatch.setattr(column_runs, "MANY_ROWS", ROWS)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_rows_of_the_batch_move_as_with_a_dense_gradient(
    jit_compile, blocks, exported
):
    sparse, dense, other = _table(), _table(), keras.Variable(tf.ones([3]))
    optimizers = [LearnedOptimizer(exported) for _ in range(2)]
    for table, optimizer in zip((sparse, dense), optimizers, strict=True):
        optimizer.build([other, table])
    steps = [
        _step(optimizer, [other, table], jit_compile)
        for table, optimizer in zip((sparse, dense), optimizers, strict=True)
    ]
    for seed in range(3):
        slices = _slices([4, 1, 4], seed)
        steps[0](slices)
        steps[1](tf.convert_to_tensor(slices))
    touched = [1, 4]
    untouched = [row for row in range(ROWS) if row not in touched]
    np.testing.assert_allclose(
        sparse.numpy()[touched], dense.numpy()[touched], rtol=1e-5
    )
    assert np.all(sparse.numpy()[untouched] == 1)
    assert np.all(dense.numpy()[untouched] != 1)
    fresh = LearnedOptimizer(exported)
    fresh.build([other, _table()])
    for ours, theirs, first in zip(
        *map(_columns, (*optimizers, fresh)), strict=True
    ):

        def of(state, rows):
            return state[:, 3:].reshape([-1, ROWS, WIDTH])[:, rows]

        np.testing.assert_allclose(
            of(ours, touched), of(theirs, touched), rtol=1e-4, atol=1e-6
        )
        np.testing.assert_array_equal(of(ours, untouched), of(first, untouched))


def test_slices_of_all_rows_are_a_dense_gradient(exported):
    tables = [_table(), _table()]
    slices = _slices([5, 4, 3, 2, 1, 0])
    for table, gradient in zip(
        tables, (slices, tf.convert_to_tensor(slices)), strict=True
    ):
        LearnedOptimizer(exported).apply([gradient], [table])
    np.testing.assert_allclose(*[t.numpy() for t in tables], rtol=1e-6)


def test_decay_and_diagnostics_are_those_of_the_rows(exported):
    table, plain = _table(), _table()
    slices = _slices([2, 2, 0])
    optimizer = LearnedOptimizer(
        exported, learning_rate=0.5, weight_decay=0.1, state_dtype="bfloat16"
    )
    optimizer.apply([slices], [table])
    LearnedOptimizer(exported, learning_rate=0.5).apply([slices], [plain])
    moved = plain.numpy()
    moved[[0, 2]] -= 0.5 * 0.1
    np.testing.assert_allclose(table.numpy(), moved, rtol=1e-5)
    np.testing.assert_allclose(
        optimizer.diagnostics["gradient_norm"],
        np.linalg.norm(tf.convert_to_tensor(slices)),
        rtol=1e-5,
    )


def test_rows_that_are_not_finite_change_nothing(exported):
    table, optimizer = _table(), LearnedOptimizer(exported)
    optimizer.apply([_slices([1, 2])], [table])
    before = [v.numpy() for v in (table, *optimizer.state)]
    bad = tf.IndexedSlices(
        tf.constant([[np.nan, 1.0], [1.0, 1.0]]),
        tf.constant([3, 1]),
        tf.constant([ROWS, WIDTH]),
    )
    with pytest.warns(UserWarning, match="not finite"):
        optimizer.apply([bad], [table])
    for variable, value in zip((table, *optimizer.state), before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_embedding_of_a_model_leaves_other_rows(exported):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input([3]),
            keras.layers.Embedding(50, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    before = model.layers[0].embeddings.numpy()
    tokens = np.array([[1, 2, 3], [3, 3, 7]])
    model.compile(LearnedOptimizer(exported, fallback="adam"), loss="mse")
    model.fit(tokens, np.ones([2, 1]), epochs=3, verbose=0)
    moved = np.any(model.layers[0].embeddings.numpy() != before, axis=1)
    assert list(np.flatnonzero(moved)) == [1, 2, 3, 7]
