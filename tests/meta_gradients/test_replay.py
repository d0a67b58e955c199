"""Tests of l2l_tf/meta_gradients/replay.py; test_autodiff.py has more."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import autodiff
from l2l_tf.meta_gradients import replay
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import quadratic
from l2l_tf.rules.learned import deep_lstm_rules as learned

_STEPS = 5
_STEP_WEIGHTS = tf.constant([0.3, 1.7, 0.0, 0.9, 2.1, 0.4])
_PROBLEM = quadratic.Quadratic(
    num_functions=2, num_dims=3, initial_std=1.0, dtype="float64"
)
_LSTM = {"layers": [3], "initializer": 0.5, "dtype": "float64"}


def _gradients(shape, index=0):
    return tf.random.stateless_normal(
        [_STEPS + 1, *shape], [index, 0], dtype=tf.float64
    )


def _later(gradient, step):
    return sum(
        float(_STEP_WEIGHTS[s]) * gradient[s].numpy()
        for s in range(step + 1, _STEPS + 1)
    )


def test_cotangents_are_sums_of_later_gradients():
    for shape in [3, 2], []:
        gradient = _gradients(shape)
        actual = replay.cotangents(gradient, _STEP_WEIGHTS)
        expected = [_later(gradient, step) for step in range(_STEPS)]
        np.testing.assert_allclose(actual, expected, rtol=1e-12)


class _MinusMean(learned.CoordinatewiseDeepLSTM):
    """Mixes all coordinates, and does not say otherwise."""

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return updates - tf.reduce_mean(updates), state


class _ClaimsTooMuch(_MinusMean):
    independent_columns = True


def _estimates(rule):
    """The second unroll's, which begins with a state of the rule."""
    run = unroll.start(rule, _PROBLEM, randomness.run_seed(0, "train", 0))
    run = tf.function(unroll.unroll, autograph=False)(
        rule, _PROBLEM, run, 3
    ).run
    for estimator in (
        autodiff.Autodiff(rule, _PROBLEM, _STEP_WEIGHTS),
        replay.Replay(rule, _PROBLEM, _STEP_WEIGHTS, num_lanes=2),
    ):
        yield tf.function(estimator, autograph=False)(run, ())


@pytest.mark.parametrize(
    "make_rule",
    [
        lambda: _MinusMean(**_LSTM),
        lambda: learned.CoordinatewiseDeepLSTM(**_LSTM, inputs="rnnprop"),
        lambda: learned.CoordinatewiseDeepLSTM(**_LSTM, outputs="rms"),
    ],
    ids=["mixing", "inputs", "outputs"],
)
def test_replay_equals_autodiff_where_coordinates_are_coupled(make_rule):
    exact, replayed = _estimates(make_rule())
    for a, b in zip(exact.gradients, replayed.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_a_wrong_claim_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"off by \d.* where \d"):
        replay.Replay(_ClaimsTooMuch(**_LSTM), _PROBLEM, _STEP_WEIGHTS)


def test_a_rule_that_needs_all_coordinates_takes_no_fraction():
    with pytest.raises(ValueError, match="^A fraction.*_MinusMean"):
        replay.Replay(
            _MinusMean(**_LSTM),
            _PROBLEM,
            _STEP_WEIGHTS,
            coordinate_fraction=0.5,
        )


@pytest.mark.parametrize(
    "options", [{"coordinate_fraction": 0.0}, {"num_lanes": 0}]
)
def test_bad_options_are_refused_and_quoted(options):
    [(name, value)] = options.items()
    rule = learned.CoordinatewiseDeepLSTM(**_LSTM)
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        replay.Replay(rule, _PROBLEM, _STEP_WEIGHTS, **options)
