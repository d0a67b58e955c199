"""Tests of l2l_tf/figures/references.py."""

import numpy as np
import pytest

from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import comparison_tables
from l2l_tf.figures import references
from l2l_tf.problems import quadratic
from l2l_tf.problems import registry
from l2l_tf.rules import hand_designed


def _problem(**options):
    return quadratic.Quadratic(
        "test", num_functions=3, num_dims=4, dtype="float64", **options
    )


@pytest.mark.parametrize("sampling", ["gaussian", "conditioned"])
def test_quadratics_are_minimised_in_as_many_steps_as_dimensions(sampling):
    curves = references.limited_memory_bfgs(
        _problem(sampling=sampling), 6, 0, 2
    )
    assert curves.shape == (6, 7)
    assert np.all(np.diff(curves[:, :5], axis=1) < 0)
    assert np.max(curves[:, 4]) < 1e-9 * np.min(curves[:, 0])
    # And stays there.
    assert np.max(curves[:, 5:]) < 1e-9


def test_the_first_step_is_steepest_descent_to_the_minimum():
    problem = _problem()
    first, second = references.limited_memory_bfgs(problem, 1, 0, 1)[0]
    recorder = learning_curves.Recorder(hand_designed.SGD, problem, 1)
    rates = np.geomspace(1e-3, 10.0, 400)
    draws = [recorder.curves(0, 1, rate)[0] for rate in rates]
    starts, ends = np.array(draws).T
    # The same function and start, and no rate does better.
    np.testing.assert_allclose(starts, first, rtol=1e-6)
    assert second <= np.min(ends)
    assert np.min(ends) == pytest.approx(second, rel=0.05)


def test_line_searches_are_counted_by_evaluations():
    problem = registry.make_problem("style_transfer", "test", size=16)
    curves = references.REFERENCES.get("L-BFGS")(problem, 10, 3, 2)
    expected = quasi_newton.record(problem, 10, 3, 2).losses
    np.testing.assert_allclose(curves, expected, rtol=1e-3)
    recorder = learning_curves.Recorder(hand_designed.SGD, problem, 1)
    starts = recorder.curves(3, 2)[:, 0]
    np.testing.assert_allclose(curves[:, 0], starts, rtol=1e-4)


def test_references_are_no_baselines():
    found = {
        "sgd": {"learned": False, "last_tenth": 2.0},
        "exact": {"learned": False, "last_tenth": 1.0, "reference": True},
    }
    assert comparison_tables.best_baseline(found) == "sgd"
