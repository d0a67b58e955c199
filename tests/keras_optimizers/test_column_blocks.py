"""Tests of l2l_tf/keras_optimizers/column_blocks.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import column_blocks
from l2l_tf.rules import registry


def _rule():
    return registry.make_rule({"rule": "coordinatewise", "layers": [4, 3]})


def _state(rule, sizes, dtype="float32"):
    return [
        [
            tf.Variable(tf.cast(tf.broadcast_to(t, [t.shape[0], size]), dtype))
            for t in rule.initial_columns(1)
        ]
        for size in sizes
    ]


@pytest.mark.parametrize(
    "columns, expected",
    [(0, []), (3, [3]), (4, [4]), (5, [4, 1]), (12, [4, 4, 4])],
)
def test_sizes(columns, expected):
    assert column_blocks.sizes(columns, 4) == expected


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("block", [3, 4, 100])
def test_blocks_give_what_one_call_of_the_rule_gives(block, jit_compile):
    rule = _rule()
    gradients = tf.random.stateless_normal([3, 1, 11], [0, 1])
    blocks = _state(rule, column_blocks.sizes(11, block))
    update = column_blocks.make_update(rule, jit_compile)
    state = rule.initial_columns(11)
    for gradient in gradients:
        ours = column_blocks.update_blocks(
            update, gradient, tf.constant(True), blocks
        )
        expected, state = rule.update_columns(gradient, state)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)
    for index, tensor in enumerate(state):
        joined = tf.concat([part[index] for part in blocks], axis=1)
        np.testing.assert_allclose(joined, tensor, rtol=1e-5, atol=1e-6)


def test_inactive_columns_stay_even_with_gradients_that_are_not_finite():
    rule = _rule()
    update = column_blocks.make_update(rule, True)
    blocks = _state(rule, [4, 4, 2])
    gradients = tf.random.stateless_normal([1, 10], [0, 2])
    column_blocks.update_blocks(update, gradients, tf.constant(True), blocks)
    before = [[tensor.numpy() for tensor in block] for block in blocks]
    active = np.array([True, False] * 5)
    gradients = tf.where(active, gradients, np.nan)
    updates = column_blocks.update_blocks(
        update, gradients, tf.constant(active), blocks
    )
    assert np.all((updates.numpy()[0] != 0) == active)
    joined_before = np.concatenate([b[0] for b in before], axis=1)
    joined_after = np.concatenate([b[0].numpy() for b in blocks], axis=1)
    np.testing.assert_array_equal(
        np.any(joined_before != joined_after, axis=0), active
    )


def test_state_of_another_type_is_rounded_between_steps_only():
    rule = _rule()
    update = column_blocks.make_update(rule, True)
    gradients = tf.random.stateless_normal([1, 10], [0, 3])
    blocks = _state(rule, [10], "bfloat16")
    updates = column_blocks.update_blocks(
        update, gradients, tf.constant(True), blocks
    )
    expected, state = rule.update_columns(gradients, rule.initial_columns(10))
    np.testing.assert_allclose(updates, expected, rtol=1e-5, atol=1e-7)
    for ours, tensor in zip(blocks[0], state, strict=True):
        assert ours.dtype == tf.bfloat16
        np.testing.assert_allclose(
            tf.cast(ours, tf.float32), tensor, rtol=1e-2, atol=1e-6
        )
