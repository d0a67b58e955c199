"""Tests of l2l_tf/meta_gradients/imitation.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import imitation
from l2l_tf.meta_gradients import replay
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry as rules
from l2l_tf.rules.learned import deep_lstm_rules as learned

_STEPS = 4
_STEP_WEIGHTS = tf.constant([0.3, 1.7, 0.0, 0.9, 2.1])
_PROBLEM = quadratic.Quadratic(
    num_functions=2, num_dims=3, initial_std=1.0, dtype="float64"
)
_ADAM = {"rule": "adam", "learning_rate": 0.05}
_SEED = randomness.run_seed(0, "train", 0)


@pytest.fixture(name="rule", scope="module")
def _rule():
    return learned.CoordinatewiseDeepLSTM(
        layers=[3], initializer=0.5, dtype="float64", outputs="rms"
    )


def _estimator(rule, kind=imitation.Imitation, **options):
    return kind(rule, _PROBLEM, _STEP_WEIGHTS, jit_compile=False, **options)


def _estimates(rule, estimator, num_unrolls=2):
    run = unroll.start(rule, _PROBLEM, _SEED)
    state, found = estimator.initial_state(run), []
    estimate = tf.function(estimator, autograph=False)
    for _ in range(num_unrolls):
        found.append(estimate(run, state))
        run, state = found[-1].run, found[-1].state
    return found


def _directly(rule, weight, skipped):
    """The second of two unrolls, a step of Python at a time."""
    missed, made = 0.0, 0.0
    adam = rules.make_rule(_ADAM)
    task, params, _ = unroll.draw_start(_PROBLEM, _SEED)

    def gradient(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = _PROBLEM.loss(params, (), task, (), _SEED).loss
        return loss, tape.gradient(loss, params)

    state, taught = rule.initial_state(params), adam.initial_state(params)
    for _ in range(skipped):
        _, found = gradient(params)
        [update], state = rule(found, state)
        _, taught = adam(found, taught)
        params = [params[0] + update]
    total = 0.0
    with tf.GradientTape() as tape:
        for step in range(_STEPS + 1):
            loss, found = gradient(params)
            found = [tf.stop_gradient(g) for g in found]
            total += float(_STEP_WEIGHTS[step]) * tf.reduce_mean(loss)
            if step == _STEPS:
                break
            [update], state = rule(found, state)
            [wanted], taught = adam(found, taught)
            missed += tf.reduce_sum((update - wanted) ** 2)
            made += tf.reduce_sum(wanted**2)
            params = [params[0] + update]
        total += weight * missed / made
    return total, tape.gradient(total, rule.trainable_variables)


@pytest.mark.parametrize("share", [0.0, 0.75])
def test_the_gradient_is_that_of_both_losses(rule, share):
    estimator = _estimator(rule, imitated=_ADAM, imitation_weight=2.0)
    estimator.share.assign(share)
    *_, found = _estimates(rule, estimator)
    loss, gradients = _directly(rule, 2.0 * (1 - share), _STEPS)
    assert float(found.loss) == pytest.approx(float(loss), rel=1e-6)
    for a, b in zip(found.gradients, gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_without_weight_it_is_replay(rule):
    [found] = _estimates(rule, _estimator(rule, imitation_weight=0.0), 1)
    [expected] = _estimates(rule, _estimator(rule, replay.Replay), 1)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
    for a, b in zip(found.gradients, expected.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_what_stands_still_adds_nothing(rule):
    """A teacher whose schedule is over, and one that is told the length."""
    taught = {"rule": "scheduled", "of": _ADAM, "horizon": _STEPS}
    estimator = _estimator(rule, imitated=taught)
    *_, found = _estimates(rule, estimator)
    *_, expected = _estimates(rule, _estimator(rule, replay.Replay))
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-12)
    run = unroll.start(rule, _PROBLEM, _SEED)
    state = estimator.initial_state(run, tf.constant(9))
    assert float(state["horizon"]) == 9.0


def test_blocks_of_coordinates_give_the_same(rule):
    options = {"imitated": _ADAM, "imitation_weight": 2.0}
    [whole] = _estimates(rule, _estimator(rule, **options), 1)
    [lanes] = _estimates(rule, _estimator(rule, **options, num_lanes=2), 1)
    for a, b in zip(whole.gradients, lanes.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_options_are_checked(rule):
    with pytest.raises(ValueError, match="imitation_weight.*-1"):
        _estimator(rule, imitation_weight=-1)
    with pytest.raises(ValueError, match="'adm'"):
        _estimator(rule, imitated={"rule": "adm"})
