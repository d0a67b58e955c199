"""Tests of l2l_tf/evaluation/quasi_newton.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import quasi_newton
from l2l_tf.problems import base
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry


class _Rosenbrock(base.Problem):
    """A curved valley, whose least value is 0 at (1, 1)."""

    name = "rosenbrock"
    parameter_names = ["x", "y"]

    def initial_params(self, task, seed):
        return [
            tf.random.stateless_normal([2, 1], seed) - 1.5,
            tf.random.stateless_normal([2], seed) + 1.0,
        ]

    def loss(self, params, model_state, task, batch, seed):
        x, y = params[0][:, 0], params[1]
        losses = (1.0 - x) ** 2 + 100.0 * (y - x**2) ** 2
        return base.Outcome(tf.reduce_sum(losses), model_state)


def test_it_finds_the_bottom_of_a_valley():
    seen = []
    recording = quasi_newton.record(
        _Rosenbrock("test"), 150, seed=3, num_runs=2, progress=seen.append
    )
    assert recording.losses.shape == (2, 151)
    assert np.all(recording.losses[:, 0] > 1)
    assert np.all(recording.losses[:, -1] < 1e-6)
    assert np.all(np.diff(recording.losses, axis=1) <= 0)
    for values, shape in zip(
        recording.params, [(2, 2, 1), (2, 2)], strict=True
    ):
        assert values.shape == shape
        np.testing.assert_allclose(values, 1.0, atol=1e-2)
    assert sum(seen) <= 2 * 150


def test_it_stops_after_so_many_evaluations():
    seen = []
    recording = quasi_newton.record(
        _Rosenbrock(), 7, seed=3, num_runs=1, progress=seen.append
    )
    assert seen == [1] * 7 and recording.losses.shape == (1, 8)


def test_runs_are_those_of_rules():
    problem = _Rosenbrock("test")
    recording = quasi_newton.record(problem, 2, seed=1, num_runs=3)
    recorder = learning_curves.Recorder(registry.RULES.get("sgd"), problem, 2)
    curves = recorder.curves(1, 3, 1e-4)
    np.testing.assert_allclose(recording.losses[:, 0], curves[:, 0], rtol=1e-6)


def test_several_functions_are_refused():
    problem = quadratic.Quadratic(num_functions=2)
    with pytest.raises(ValueError, match="L-BFGS.*'quadratic'"):
        quasi_newton.record(problem, 2, seed=0, num_runs=1)


class _Hole(_Rosenbrock):
    """NaN beyond the unit circle."""

    def loss(self, params, model_state, task, batch, seed):
        outcome = super().loss(params, model_state, task, batch, seed)
        size = sum(tf.reduce_sum(tf.square(value)) for value in params)
        return outcome._replace(
            loss=tf.where(size > 8.0, float("nan"), outcome.loss)
        )


def test_what_is_nan_is_no_loss():
    recording = quasi_newton.record(_Hole(), 20, seed=3, num_runs=4)
    started = np.isfinite(recording.losses[:, 0])
    assert np.any(started)
    assert np.all(np.isfinite(recording.losses[started]))
