"""Tests of l2l_tf/keras_optimizers/reports.py."""

import types
import warnings

import pytest

from l2l_tf.keras_optimizers import reports

Run = reports.Run

FIVE = types.SimpleNamespace(
    label="short", metadata={"horizon": 5}, num_parameters=3
)
UNKNOWN = types.SimpleNamespace(label="unknown", metadata={}, num_parameters=3)
TRIED = types.SimpleNamespace(
    label="tried",
    metadata={
        "horizon": 5,
        "suite": {
            "problems": 2,
            "max_parameters": 10,
            "max_steps": 100,
            "ratios": {"100": 0.5},
        },
    },
    num_parameters=11,
)


def _reported(reporter, **seen):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reporter.report(Run(**seen))
    return [str(warning.message) for warning in caught]


def test_each_reason_is_said_once():
    reporter = reports.Reporter("mine", raises=False)
    rules = [FIVE]
    assert _reported(reporter, steps=50, skipped=0, rules=rules) == []
    [said] = _reported(reporter, steps=51, skipped=0, rules=rules)
    assert "'short'" in said and "5 steps" in said and "51" in said
    [said] = _reported(reporter, steps=52, skipped=3, rules=rules)
    assert "not finite" in said and "3 steps" in said
    assert _reported(reporter, steps=53, skipped=4, rules=rules) == []


def test_sizes_and_lengths_beyond_what_was_tried_are_said_once_each():
    reporter = reports.Reporter("mine", raises=False)
    with pytest.warns(UserWarning, match="of up to 10 parameters.* has 11"):
        reporter.warn_beyond([TRIED], 0)
    assert _reported(reporter, steps=100, rules=[TRIED]) == []
    [said] = _reported(reporter, steps=101, rules=[TRIED])
    assert "'tried'" in said and "up to 100 steps" in said and "101" in said
    assert _reported(reporter, steps=102, rules=[TRIED]) == []


def test_a_schedule_that_is_over_is_said():
    reporter = reports.Reporter("mine", raises=False)
    assert _reported(reporter, steps=50, told=50, update_norm=0.0) == []
    assert _reported(reporter, steps=60, told=50, update_norm=0.1) == []
    [said] = _reported(reporter, steps=60, told=50, update_norm=0.0)
    assert "steps=50" in said and "60" in said


def test_unknown_horizon_warns_of_nothing():
    reporter = reports.Reporter("mine", raises=False)
    assert _reported(reporter, steps=10**6, rules=[UNKNOWN]) == []


def test_fallback_that_took_over_is_said_and_the_horizon_is_not():
    reporter = reports.Reporter("mine", raises=False)
    seen = {"steps": 100, "rules": [FIVE], "fallback": "adam"}
    [said] = _reported(reporter, **seen, fell_back=True)
    assert "mine" in said and "'adam'" in said
    assert _reported(reporter, **seen, fell_back=True) == []


def test_loss_that_explodes_is_said_without_a_fallback_only():
    reporter = reports.Reporter("mine", raises=False)
    seen = {"steps": 10, "losses": (1.0, 1e6, 10.0)}
    assert _reported(reporter, **seen, fallback="adam") == []
    [said] = _reported(reporter, **seen)
    assert "mine" in said and "1e+06" in said and "fallback=" in said
    assert _reported(reporter, **seen) == []


def test_raises_on_demand():
    reporter = reports.Reporter("mine", raises=True)
    reporter.report(Run(steps=1))
    with pytest.raises(FloatingPointError, match="not finite"):
        reporter.report(Run(steps=1, skipped=1))
    reporter.report(Run(steps=2, skipped=1))
    with pytest.raises(FloatingPointError, match="not finite"):
        reporter.report(Run(steps=3, skipped=2))


def test_what_a_restored_run_saw_is_known():
    reporter = reports.Reporter("mine", raises=True)
    reporter.forget(3, fell_back=True)
    assert not _reported(reporter, steps=9, skipped=3, fell_back=True)
