"""Tests of l2l_tf/evaluation/curvature.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.evaluation import curvature
from l2l_tf.evaluation import proposals
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import registry as problems
from l2l_tf.rules import registry as rules

_RATE, _STEPS = 0.02, 4


@pytest.fixture(name="quadratic", scope="module")
def _quadratic():
    return problems.make_problem("quadratic", "test", num_functions=2)


@pytest.fixture(name="along", scope="module")
def _along(quadratic):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": _RATE})
    return curvature.along(rule, quadratic, _STEPS, seed=3)


def test_curvature_is_that_of_the_functions_matrices(quadratic, along):
    run_seed = randomness.run_seed(3, quadratic.split, 0)
    task, [theta], _ = unroll.draw_start(quadratic, run_seed)
    w, y = (tensor.numpy() for tensor in task)
    theta = theta.numpy()
    for step in range(_STEPS):
        residual = np.einsum("nij,nj->ni", w, theta) - y
        gradient = 2 * np.einsum("nij,ni->nj", w, residual)
        update = -_RATE * gradient
        bent = 2 * np.sum(np.einsum("nij,nj->ni", w, update) ** 2)
        size = np.sqrt(np.sum(update**2))
        derivative = np.sum(gradient * update) / size
        values = {
            "norms": size,
            "gradient_norms": size / _RATE,
            "curvatures": bent / size**2,
            "derivatives": derivative,
        }
        for name, expected in values.items():
            np.testing.assert_allclose(
                getattr(along, name)[step], expected, rtol=1e-3, err_msg=name
            )
        to_minimum = -derivative / (bent / size**2)
        assert along.lengths()[step] == pytest.approx(
            size / to_minimum, rel=1e-3
        )
        theta = theta + update


def test_minibatches_and_gradients_are_those_of_the_run():
    problem = problems.make_problem(
        "digits", "test", hidden_layers=[3], batch_size=8
    )
    rule = rules.make_rule({"layers": [4], "initializer": 0.5})
    found = curvature.along(rule, problem, _STEPS, seed=3)
    gradients = proposals.gradients_of(rule, problem, _STEPS, seed=3)
    norms = np.sqrt(
        sum(np.sum(g.reshape(_STEPS, -1) ** 2, axis=1) for g in gradients)
    )
    np.testing.assert_allclose(found.gradient_norms, norms, rtol=1e-4)


def test_lengths_need_a_minimum_ahead():
    ones = np.ones(3)
    along = curvature.Along(
        2 * ones, ones, np.array([3.0, -3.0, 3.0]), np.array([-4.0, -4.0, 4.0])
    )
    np.testing.assert_allclose(along.lengths(), [1.5, np.nan, np.nan])


def test_an_evaluation_is_what_the_unroll_sees(quadratic):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": _RATE})
    run_seed = randomness.run_seed(1, quadratic.split, 0)

    @tf.function(autograph=False)
    def both():
        run = unroll.start(rule, quadratic, run_seed)
        trajectory = unroll.unroll(rule, quadratic, run, 2)
        last = unroll.evaluate(quadratic, trajectory.run)
        return trajectory.losses, unroll.evaluate(quadratic, run), last

    losses, first, last = both()
    np.testing.assert_allclose(first.loss, losses[0], rtol=1e-6)
    np.testing.assert_allclose(last.loss, losses[-1], rtol=1e-6)
