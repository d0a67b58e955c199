"""Tests of l2l_tf/meta_gradients/replay.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import replay
from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm_rules as learned

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
    state = _state(rule, shapes)
    # Of one sign, so that coordinates do not cancel and little is noise.
    gradients = [1.0 + 0.2 * gradient for gradient in _gradients(shapes)]

    def flat(tensors):
        return tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)

    exact = flat(_replayed(rule, gradients, state)).numpy()
    estimate = tf.function(
        lambda seed: flat(
            replay.weights_gradient(
                rule, gradients, state, _WEIGHTS, 0.5, seed, jit_compile=False
            )
        )
    )
    draws = np.array(
        [
            estimate(randomness.run_seed(0, "train", index))
            for index in range(600)
        ]
    )

    def deviations(draws):
        # Errors of means in standard errors: of each number, and along the
        # exact gradient, where a wrong factor shows most.
        along = draws @ exact / np.sum(exact**2)
        draws = np.column_stack([draws, along])
        error = np.mean(draws, 0) - np.append(exact, 1.0)
        sem = np.std(draws, 0, ddof=1) / np.sqrt(len(draws))
        return np.abs(error) / np.maximum(sem, 1e-12)

    assert np.max(deviations(draws)) < 4.5
    # The test can fail: by a factor that is off by a few percent.
    for factor in (0.95, 1.05):
        assert deviations(factor * draws)[-1] > 4.5


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


def test_a_rule_that_needs_all_columns_takes_no_fraction():
    rule, shapes = _RULES["together"]
    gradients, state = _gradients(shapes), _state(rule, shapes)
    with pytest.raises(ValueError, match="received a _Together"):
        replay.weights_gradient(
            rule, gradients, state, _WEIGHTS, 0.5, tf.constant([1, 2])
        )


class _OtherStep(learned.CoordinatewiseDeepLSTM):
    """Its hand-written gradient would be that of another function."""

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return tf.tanh(3.0 * updates), state


class _OtherCall(learned.CoordinatewiseDeepLSTM):
    """Mixes coordinates before they become columns."""

    def __call__(self, gradients, state):
        norm = tf.linalg.global_norm(gradients)
        return super().__call__([g / norm for g in gradients], state)


class _MoreWeights(learned.CoordinatewiseDeepLSTM):
    def __init__(self, **options):
        super().__init__(**options)
        self.factor = tf.Variable(0.5, dtype=self.dtype)

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return self.factor * updates, state


class _WithoutOwn(learned.CoordinatewiseDeepLSTM):
    replay_columns = columns.ColumnwiseRule.replay_columns


class _OtherRouting(routed.Routed):
    def __call__(self, gradients, state):
        updates, state = super().__call__(gradients, state)
        return [tf.tanh(update) for update in updates], state


@pytest.mark.parametrize(
    "make_rule",
    [
        lambda: _OtherStep(**_OPTIONS),
        lambda: _OtherCall(**_OPTIONS),
        lambda: _MoreWeights(**_OPTIONS),
        lambda: _WithoutOwn(**_OPTIONS),
        lambda: _OtherRouting({"": _OtherStep(**_OPTIONS)}, _NAMES),
    ],
)
def test_what_a_rule_overrides_is_replayed_as_it_is(make_rule):
    rule = make_rule()
    gradients, state = _gradients(), _state(rule, _SHAPES)
    expected = _directly(rule, gradients, state)
    for a, b in zip(expected, _replayed(rule, gradients, state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_parameters_of_several_types_are_replayed_in_the_rule_s():
    rule, _ = _RULES["coordinatewise"]
    gradients, state = _gradients(), _state(rule, _SHAPES)
    gradients[1] = tf.cast(gradients[1], tf.float32)
    rounded = [tf.cast(gradient, tf.float64) for gradient in gradients]
    for a, b in zip(
        _replayed(rule, gradients, state),
        _replayed(rule, rounded, state),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10)
