"""Tests of l2l_tf/meta_gradients/persistent.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import autodiff
from l2l_tf.meta_gradients import evolution
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import persistent
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry

_PROBLEM = quadratic.Quadratic(num_functions=4, num_dims=3, initial_std=1.0)
_LENGTH, _UNROLLS = 4, 3
_STEP_WEIGHTS = meta_loss.step_weights("constant", _LENGTH)


def _flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors])


@pytest.fixture(scope="module")
def rule():
    return registry.make_rule({"layers": [3], "initializer": 0.5})


@pytest.fixture(scope="module")
def run(rule):
    return unroll.start(rule, _PROBLEM, randomness.run_seed(0, "train", 0))


def _whole_run(rule, run):
    """The gradient of all unrolls at once; where they meet, twice a loss."""
    step_weights = np.ones(_LENGTH * _UNROLLS + 1, np.float32)
    step_weights[_LENGTH:-1:_LENGTH] = 2.0
    estimator = autodiff.Autodiff(
        rule, _PROBLEM, tf.constant(step_weights), second_derivatives=True
    )
    return _flat(tf.function(estimator, autograph=False)(run, ()).gradients)


def _sum_over_unrolls(estimator, run):
    estimate = tf.function(estimator, autograph=False)
    state = tf.function(estimator.initial_state, autograph=False)(run)
    total, states = 0.0, [state]
    for _ in range(_UNROLLS):
        result = estimate(run, state)
        run, state = result.run, result.state
        total += _flat(result.gradients)
        states.append(state)
    return total, states


def test_short_unrolls_give_the_gradient_of_the_whole_run(rule, run):
    whole = _whole_run(rule, run)
    square = whole @ whole
    total, _ = _sum_over_unrolls(
        persistent.PersistentEvolutionStrategies(
            rule, _PROBLEM, _STEP_WEIGHTS, num_pairs=4096
        ),
        run,
    )
    cosine = total @ whole / np.sqrt((total @ total) * square)
    assert cosine > 0.95
    assert total @ whole / square == pytest.approx(1.0, abs=0.1)
    # Truncation is what evolution strategies without memory suffer from.
    biased, _ = _sum_over_unrolls(
        evolution.EvolutionStrategies(
            rule, _PROBLEM, _STEP_WEIGHTS, num_pairs=4096
        ),
        run,
    )
    assert biased @ whole / square < 0.6


def test_a_first_unroll_is_that_of_evolution_strategies(rule, run):
    options = {"num_pairs": 8, "jit_compile": False}
    ours, theirs = (
        tf.function(lambda e=e: e(run, e.initial_state(run)), autograph=False)()
        for e in (
            kind(rule, _PROBLEM, _STEP_WEIGHTS, **options)
            for kind in (
                persistent.PersistentEvolutionStrategies,
                evolution.EvolutionStrategies,
            )
        )
    )
    np.testing.assert_allclose(
        _flat(ours.gradients), _flat(theirs.gradients), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_array_equal(ours.losses, theirs.losses)


def test_particles_go_their_own_ways_and_keep_their_perturbations(rule, run):
    estimator = persistent.PersistentEvolutionStrategies(
        rule, _PROBLEM, _STEP_WEIGHTS, num_pairs=5, perturbation_std=0.1
    )
    _, states = _sum_over_unrolls(estimator, run)
    first, *later = states
    for particles in first.plus["params"] + first.minus["params"]:
        np.testing.assert_array_equal(particles, np.stack([particles[0]] * 5))
    for particles in later:
        everyone = np.concatenate(
            [particles.plus["params"][0], particles.minus["params"][0]]
        )
        assert len(np.unique(everyone.reshape(10, -1), axis=0)) == 10
    lengths = [np.mean(_flat(particles.noise) ** 2) for particles in states]
    # Sums of independent standard normal numbers.
    np.testing.assert_allclose(lengths, range(_UNROLLS + 1), rtol=0.25)


def test_a_new_run_begins_with_new_particles(rule, run):
    estimator = persistent.PersistentEvolutionStrategies(
        rule, _PROBLEM, _STEP_WEIGHTS, num_pairs=2
    )
    other = unroll.start(rule, _PROBLEM, randomness.run_seed(0, "train", 1))
    particles = estimator.initial_state(other)
    np.testing.assert_array_equal(
        particles.plus["params"][0][1], other.params[0]
    )
    assert not np.any(_flat(particles.noise))
