"""Tests of l2l_tf/replay.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import randomness
from l2l_tf import replay
from l2l_tf.rules import base
from l2l_tf.rules import columns
from l2l_tf.rules import hand_designed
from l2l_tf.rules import learned
from l2l_tf.rules import routed

_STEPS = 5
_SHAPES = [[2, 2, 3, 4], [7, 3], []]
_NAMES = ["kernel", "matrix", "scalar"]
_WEIGHTS = tf.constant([0.3, 1.7, 0.0, 0.9, 2.1, 0.4])
_OPTIONS = {
    "layers": [3, 2],
    "initializer": 0.5,
    "dtype": "float64",
    "preprocessing": "log_and_sign",
}


def _gradients(shapes=_SHAPES):
    return [
        tf.random.stateless_normal(
            [_STEPS + 1, *shape], [index, 0], dtype=tf.float64
        )
        for index, shape in enumerate(shapes)
    ]


class _Together(base.UpdateRule):
    """A learned rule whose updates depend on all coordinates."""

    def __init__(self):
        super().__init__()
        self.rate = tf.Variable(0.3, dtype=tf.float64)

    def initial_state(self, params):
        return tf.zeros([], tf.float64)

    def __call__(self, gradients, state):
        state += tf.tanh(self.rate * tf.linalg.global_norm(gradients))
        return [-self.rate * state * g for g in gradients], state

    def config(self):
        return {"rule": "together"}


def _rules():
    shared = learned.CoordinatewiseDeepLSTM(**_OPTIONS)
    coordinatewise = learned.CoordinatewiseDeepLSTM(**{**_OPTIONS, "seed": 1})
    return {
        "coordinatewise": (coordinatewise, _SHAPES),
        "linear": (
            learned.CoordinatewiseDeepLSTM(**{**_OPTIONS, "layers": []}),
            _SHAPES,
        ),
        "kernelwise": (
            learned.KernelwiseDeepLSTM([2, 2], **_OPTIONS),
            _SHAPES[:1],
        ),
        "vectorwise": (learned.VectorwiseDeepLSTM(3, **_OPTIONS), [[7, 3]]),
        "together": (_Together(), _SHAPES),
        "routed": (
            routed.Routed(
                {
                    "kernel": learned.KernelwiseDeepLSTM([2, 2], **_OPTIONS),
                    "scalar": hand_designed.Adam(0.1),
                    ".*": coordinatewise,
                },
                _NAMES,
            ),
            _SHAPES,
        ),
        "routed to the same rule twice": (
            routed.Routed({"kernel": shared, ".*": shared}, _NAMES),
            _SHAPES,
        ),
        "routed within routed": (
            routed.Routed(
                {
                    "kernel": _Together(),
                    ".*": routed.Routed(
                        {"matrix": shared, "scalar": coordinatewise},
                        _NAMES[1:],
                    ),
                },
                _NAMES,
            ),
            _SHAPES,
        ),
    }


_RULES = _rules()


def _state(rule, shapes):
    """A state in the middle of a run."""
    state = rule.initial_state([tf.zeros(s, tf.float64) for s in shapes])
    for step in range(2):
        gradients = [g[step] for g in _gradients(shapes)]
        _, state = rule(gradients, state)
    return state


def _directly(rule, gradients, state):
    """The definition, in one step of Python at a time."""
    with tf.GradientTape() as tape:
        total = 0.0
        for step in range(_STEPS):
            updates, state = rule([g[step] for g in gradients], state)
            for update, gradient in zip(updates, gradients, strict=True):
                later = sum(
                    float(_WEIGHTS[s]) * gradient[s]
                    for s in range(step + 1, _STEPS + 1)
                )
                total += tf.reduce_sum(update * later)
    return tape.gradient(
        total,
        rule.trainable_variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def _replayed(rule, gradients, state, **options):
    options = {"jit_compile": False, **options}
    return tf.function(
        lambda: replay.weights_gradient(
            rule, gradients, state, _WEIGHTS, **options
        )
    )()


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", _RULES)
def test_equals_the_definition(name, jit_compile):
    rule, shapes = _RULES[name]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    expected = _directly(rule, gradients, state)
    actual = _replayed(rule, gradients, state, jit_compile=jit_compile)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 7, 16, 1000])
def test_blocks_change_nothing(monkeypatch, lanes, block):
    rule, shapes = _RULES["coordinatewise"]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    expected = _replayed(rule, gradients, state)
    monkeypatch.setattr(replay, "_LANES", lanes)
    monkeypatch.setattr(replay, "_BLOCK", block)
    actual = _replayed(rule, gradients, state)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_cotangents_are_sums_of_later_gradients():
    [gradient] = _gradients([[3, 2]])
    actual = replay.cotangents(gradient, _WEIGHTS)
    expected = [
        sum(
            float(_WEIGHTS[s]) * gradient[s].numpy()
            for s in range(t + 1, _STEPS + 1)
        )
        for t in range(_STEPS)
    ]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["coordinatewise", "routed"])
def test_a_fraction_gives_the_mean_of_the_exact_gradient(name):
    rule, shapes = _RULES[name]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    exact = np.concatenate(
        [np.ravel(g) for g in _replayed(rule, gradients, state)]
    )
    estimate = tf.function(
        lambda seed: replay.weights_gradient(
            rule, gradients, state, _WEIGHTS, 0.3, seed, jit_compile=False
        )
    )
    draws = np.array(
        [
            np.concatenate(
                [
                    np.ravel(g)
                    for g in estimate(randomness.run_seed(0, "train", index))
                ]
            )
            for index in range(400)
        ]
    )
    error = np.mean(draws, axis=0) - exact
    standard_error = np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    deviations = error / np.maximum(standard_error, 1e-12)
    # As many within one and two standard errors as of a normal variable.
    assert np.mean(np.abs(deviations) < 1) > 0.5
    assert np.mean(np.abs(deviations) < 2) > 0.85
    assert np.max(np.abs(deviations)) < 6
    # It would not pass with a scale that is a few percent off.
    assert np.linalg.norm(np.mean(standard_error)) < 0.1 * np.std(exact)


def test_a_fraction_is_drawn_from_the_seed_alone():
    rule, shapes = _RULES["coordinatewise"]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    draws = [
        _replayed(rule, gradients, state, fraction=0.2, seed=tf.constant(seed))
        for seed in ([1, 2], [1, 2], [1, 3])
    ]
    for a, b, c in zip(*draws, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("total, samples", [(10, 3), (7, 7), (5, 1), (9, 4)])
def test_every_column_is_drawn_as_often_and_none_twice(total, samples):
    counts = np.zeros(total)
    num_draws = 2000
    draw = tf.function(lambda seed: replay.sample_columns(total, samples, seed))
    for index in range(num_draws):
        chosen = draw(randomness.run_seed(0, "train", index)).numpy()
        assert len(set(chosen)) == samples
        counts[chosen] += 1
    expected = num_draws * samples / total
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))


def test_a_fraction_of_millions_of_columns_covers_them_all():
    chosen = replay.sample_columns(10_000_001, 1000, tf.constant([1, 2]))
    assert np.max(np.diff(np.sort(chosen))) <= 2 * 10_001
    assert 0 <= np.min(chosen) < 20_002 and np.max(chosen) > 9_979_998


def test_a_rule_that_needs_all_columns_takes_no_fraction():
    rule, shapes = _RULES["together"]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    with pytest.raises(ValueError, match="received a _Together"):
        replay.weights_gradient(
            rule, gradients, state, _WEIGHTS, 0.5, tf.constant([1, 2])
        )


def test_a_columnwise_rule_need_not_bring_a_gradient_of_its_own():
    class WithoutOwn(learned.CoordinatewiseDeepLSTM):
        replay_columns = columns.ColumnwiseRule.replay_columns

    rule = WithoutOwn(**_OPTIONS)
    gradients, state = _gradients(), _state(rule, _SHAPES)
    expected = _directly(rule, gradients, state)
    for a, b in zip(expected, _replayed(rule, gradients, state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
