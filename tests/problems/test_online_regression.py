"""Tests of l2l_tf/problems/online_regression.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import online_regression
from l2l_tf.problems import registry

_SEED = tf.constant([1, 2])


def _drawn(num_functions=4, num_units=3):
    problem = online_regression.OnlineRegression(
        num_functions=num_functions, num_units=num_units
    )
    task = problem.sample_task(_SEED)
    batch = problem.sample_batch(task, randomness.fold_in(_SEED, 0))
    return problem, task, batch


def test_targets_are_quadratic_functions_of_the_inputs():
    _, task, (x, y) = _drawn()
    for (a, b, c, d, e, f), (u, v), target in zip(
        task.numpy(), x.numpy(), y.numpy(), strict=True
    ):
        expected = a * u * u + b * v * v + c * u * v + d * u + e * v + f
        np.testing.assert_allclose(target, expected, rtol=1e-5)
    assert np.max(np.abs(x)) <= 1 and np.max(np.abs(task)) <= 1


def test_each_function_has_a_network_of_its_own():
    problem, task, (x, y) = _drawn()
    params = [
        tf.random.stateless_normal(param.shape, [index, 3])
        for index, param in enumerate(problem.initial_params(task, _SEED))
    ]
    outcome = problem.loss(params, (), task, (x, y), _SEED)
    for f in range(4):
        w, b, v, c = (param[f].numpy() for param in params)
        prediction = np.tanh(x[f].numpy() @ w + b) @ v + c
        np.testing.assert_allclose(
            outcome.loss[f], (prediction[0] - y[f]) ** 2, rtol=1e-4
        )


def test_it_is_built_by_name_and_counts_functions():
    problem = registry.make_problem("online-regression", num_functions=5)
    assert problem.num_functions == 5
    params = problem.initial_params((), _SEED)
    assert len(params) == len(problem.parameter_names)
    assert all(param.shape[0] == 5 for param in params)
    assert not np.any(params[1]) and np.any(params[0])
