"""Tests of l2l_tf/evaluation/proposals.py."""

import numpy as np
import pytest

from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import proposals
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import registry as problems
from l2l_tf.rules import registry as rules

_STEPS = 6


@pytest.fixture(name="problem", scope="module")
def _problem():
    return problems.make_problem(
        "digits", "test", hidden_layers=[3], batch_size=8
    )


@pytest.fixture(name="rule", scope="module")
def _rule():
    return rules.make_rule({"layers": [4], "initializer": 0.5})


@pytest.fixture(name="gradients", scope="module")
def _gradients(rule, problem):
    return proposals.gradients_of(rule, problem, _STEPS, seed=3)


def test_a_run_is_the_sum_of_what_its_rule_proposes(rule, problem, gradients):
    followed = proposals.Follower(rule).follow(gradients)
    run_seed = randomness.run_seed(3, problem.split, 0)
    _, start, _ = unroll.draw_start(problem, run_seed)
    recorder = learning_curves.Recorder(lambda rate: rule, problem, _STEPS)
    ends = recorder.record(3, 1, keep_params=True).params
    for begin, updates, end in zip(start, followed.updates, ends, strict=True):
        assert len(updates) == _STEPS
        np.testing.assert_allclose(
            begin + updates.sum(axis=0), end[0], rtol=1e-4, atol=1e-5
        )
    assert not followed.states


def test_sgd_proposes_gradients_times_its_rate(gradients):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": 0.5})
    followed = proposals.Follower(rule).follow(gradients)
    for values, updates in zip(gradients, followed.updates, strict=True):
        np.testing.assert_allclose(updates, -0.5 * values, rtol=1e-6)


def _adam(m, v, gradient, t, rate):
    """TensorFlow's formula; returns m, v and the update number t."""
    m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
    scale = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return m, v, -scale * m / (np.sqrt(v) + 1e-8)


def test_adam_proposes_what_its_formula_says(gradients):
    rate = 0.1
    rule = rules.make_rule({"rule": "adam", "learning_rate": rate})
    follower = proposals.Follower(rule)
    followed = follower.follow(gradients, keep_states=[4])
    coordinate = proposals.Coordinate(1, 30)
    m = v = 0.0
    expected, before = [], []
    for t, g in enumerate(proposals.along(gradients, coordinate), 1):
        before.append((m, v))
        m, v, update = _adam(m, v, float(g), t, rate)
        expected.append(update)
    found = proposals.along(followed.updates, coordinate)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    values = np.array([-0.3, 0.0, 0.02])
    swept = follower.sweep(
        [x[4] for x in gradients], followed.states[4], coordinate, values
    )
    *_, wanted = _adam(*before[4], values, 5, rate)
    np.testing.assert_allclose(swept, wanted, rtol=1e-4)


def test_a_sweep_goes_through_the_update_that_was_made(rule, gradients):
    follower = proposals.Follower(rule)
    followed = follower.follow(gradients, keep_states=[0, 5])
    for step, state in followed.states.items():
        for coordinate in proposals.median_coordinates(gradients):
            value = proposals.along(gradients, coordinate)[step]
            [found] = follower.sweep(
                [g[step] for g in gradients],
                state,
                coordinate,
                np.array([value]),
            )
            expected = proposals.along(followed.updates, coordinate)[step]
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_medians_are_of_coordinates_that_move():
    sizes = [[0.0, 5.0, 1.0, 0.0, 2.0, 3.0]]
    gradients = [np.array(sizes * 2) * [[1], [-1]], np.zeros([2, 3])]
    [coordinate] = proposals.median_coordinates(gradients)
    # Of 1, 2, 3 and 5 it is 2.
    assert coordinate == proposals.Coordinate(0, 4)
    np.testing.assert_array_equal(
        proposals.along(gradients, coordinate), [2.0, -2.0]
    )
