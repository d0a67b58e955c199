"""Tests of l2l_tf/keras_optimizers/diagnostics.py."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import diagnostics


def _reported(reporter, **seen):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reporter.report(**seen)
    return [str(warning.message) for warning in caught]


def test_norms_cosine_and_count():
    gradients = np.array([[3.0, -4.0]], "float32")
    updates = np.array([[-3.0, 0.0]], "float32")
    numbers = diagnostics.diagnose(
        gradients, updates, tf.constant(True), tf.constant([9.0, 9.0, 9.0, 2.0])
    )
    np.testing.assert_allclose(numbers, [3, 5, -9 / 15, 2], rtol=1e-6)
    numbers = diagnostics.diagnose(
        gradients, 0 * updates, tf.constant(False), numbers
    )
    np.testing.assert_allclose(numbers, [0, 5, 0, 3], rtol=1e-6)


def test_each_reason_is_said_once():
    reporter = diagnostics.Reporter("mine", horizon=5, raises=False)
    assert _reported(reporter, steps=50, skipped=0) == []
    [said] = _reported(reporter, steps=51, skipped=0)
    assert "'mine'" in said and "5 steps" in said and "51" in said
    [said] = _reported(reporter, steps=52, skipped=3)
    assert "not finite" in said and "3 steps" in said
    assert _reported(reporter, steps=53, skipped=4) == []


def test_unknown_horizon_warns_of_nothing():
    reporter = diagnostics.Reporter("mine", horizon=None, raises=False)
    assert _reported(reporter, steps=10**6, skipped=0) == []


def test_raises_on_demand():
    reporter = diagnostics.Reporter("mine", horizon=None, raises=True)
    reporter.report(steps=1, skipped=0)
    with pytest.raises(FloatingPointError, match="not finite"):
        reporter.report(steps=1, skipped=1)
    reporter.report(steps=2, skipped=1)
    with pytest.raises(FloatingPointError, match="not finite"):
        reporter.report(steps=3, skipped=2)


def test_steps_that_a_restored_run_skipped_are_known():
    reporter = diagnostics.Reporter("mine", horizon=None, raises=True)
    reporter.forget(3)
    reporter.report(steps=9, skipped=3)
