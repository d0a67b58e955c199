"""Tests of l2l_tf/problems/seeding.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import seeding

_SEED = tf.constant([1, 2])

_DRAWS = {
    "normal": lambda: tf.random.normal([4000], 3.0, 2.0),
    "truncated_normal": lambda: tf.random.truncated_normal([4000], 3.0, 2.0),
    "uniform": lambda: tf.random.uniform([4000], -1.0, 3.0),
    "integers": lambda: tf.random.uniform([4000], -2, 9, tf.int32),
    "shuffle": lambda: tf.random.shuffle(tf.range(4000)),
    "categorical": lambda: tf.random.categorical([[0.0, 1.0, 3.0]], 4000),
    "dropout": lambda: tf.nn.dropout(tf.ones([4000]), 0.25),
    "raw": lambda: tf.raw_ops.RandomStandardNormal(
        shape=[4000], dtype=tf.float32
    ),
}
_SEEDED = {name: seeding.seeded(draw) for name, draw in _DRAWS.items()}


@pytest.mark.parametrize("name", _DRAWS)
def test_equal_seeds_give_equal_draws_and_other_seeds_others(name):
    draw = _SEEDED[name]
    first = draw(_SEED)
    np.testing.assert_array_equal(first, draw(_SEED))
    in_graph = tf.function(draw)(_SEED)
    np.testing.assert_array_equal(first, in_graph)
    assert np.mean(first == draw(_SEED + 1)) < 0.9


@pytest.mark.parametrize("name", _DRAWS)
def test_the_distribution_is_the_functions_own(name):
    tf.random.set_seed(0)
    expected = np.ravel(_DRAWS[name]()).astype(float)
    drawn = np.ravel(_SEEDED[name](_SEED)).astype(float)
    spread = np.std(expected)
    levels = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(
        np.quantile(drawn, levels),
        np.quantile(expected, levels),
        atol=0.15 * spread,
    )
    assert np.mean(drawn) == pytest.approx(np.mean(expected), abs=0.1 * spread)


def test_draws_of_one_call_are_independent():
    first, second = seeding.seeded(
        lambda: (tf.random.normal([9]), tf.random.normal([9]))
    )(_SEED)
    assert not np.any(first == second)


def test_a_loop_around_it_may_draw_anew():
    draw = _SEEDED["normal"]

    @tf.function
    def draws():
        return tf.map_fn(
            lambda step: draw(tf.stack([step, 0]))[:3], tf.range(2), tf.float32
        )

    first, second = draws()
    assert not np.any(first == second)
    np.testing.assert_array_equal(second, draw(tf.constant([1, 0]))[:3])


def test_gradients_flow_through_what_is_drawn():
    x = tf.fill([1000], 2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        dropped = seeding.seeded(lambda x: tf.nn.dropout(x, 0.5))(_SEED, x)
    gradient = tape.gradient(dropped, x)
    np.testing.assert_array_equal(gradient, dropped / x)
    assert set(gradient.numpy()) == {0.0, 2.0}


def test_what_is_drawn_elsewhere_stays_random():
    seeding.seeded(lambda: tf.random.normal([9]))(_SEED)
    assert np.any(tf.random.normal([9]) != tf.random.normal([9]))
    graph = tf.function(lambda: tf.random.normal([9]))
    assert np.any(graph() != graph())


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tf.random.gamma([3], 1.0),
        lambda: tf.random.poisson([3], 1.0),
        lambda: tf.random.get_global_generator().normal([3]),
        # All iterations would draw the same.
        lambda: tf.map_fn(
            lambda _: tf.random.normal([3]), tf.range(2), tf.float32
        ),
        # It may have been traced with another seed.
        lambda: tf.function(lambda: tf.random.normal([3]))(),
    ],
)
def test_what_no_seed_can_be_given_to_is_refused(draw):
    with pytest.raises(ValueError, match="cannot repeat.*tf.random.normal"):
        seeding.seeded(draw)(_SEED)
