"""Tests of l2l_tf/meta_training/run_lengths.py."""

import collections

import numpy as np
import pytest

from l2l_tf.meta_training import run_lengths
from l2l_tf.meta_training import settings as settings_lib


def _plans(count=400, **options):
    settings = settings_lib.Settings(unroll_length=5, **options)
    return [run_lengths.plan(settings, index) for index in range(count)]


def test_by_default_all_of_every_run_is_trained_on():
    assert set(_plans(num_steps=20)) == {run_lengths.Plan(20, 0, 4)}


def test_lengths_are_log_uniform_whole_unrolls():
    plans = _plans(4000, num_steps=80, min_steps=5)
    lengths = np.array([plan.num_steps for plan in plans])
    assert set(lengths) == {5 * n for n in range(1, 17)}
    # Each factor of two has its share: ln(4.5 / 0.5) of ln(16.5 / 0.5).
    share = np.mean(lengths <= 20)
    assert share == pytest.approx(np.log(9) / np.log(33), abs=0.03)
    assert all(plan.skipped == 0 for plan in plans)
    assert all(plan.num_unrolls * 5 == plan.num_steps for plan in plans)


def test_the_part_that_is_trained_on_begins_anywhere():
    plans = _plans(num_steps=30, max_unrolls=2)
    counts = collections.Counter(plan.skipped for plan in plans)
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert min(counts.values()) > 400 / 5 / 2
    assert {(p.num_steps, p.num_unrolls) for p in plans} == {(30, 2)}


def test_short_runs_are_trained_on_as_they_are():
    for plan in _plans(num_steps=40, min_steps=5, max_unrolls=3):
        total = plan.num_steps // 5
        assert plan.num_unrolls == min(total, 3)
        assert plan.skipped + plan.num_unrolls <= total


def test_a_run_is_the_same_whatever_went_before():
    plans = _plans(50, num_steps=40, min_steps=5, max_unrolls=3)
    assert plans == _plans(50, num_steps=40, min_steps=5, max_unrolls=3)
    other = _plans(50, num_steps=40, min_steps=5, max_unrolls=3, seed=1)
    assert plans != other


@pytest.mark.parametrize("least", [7, 45])
def test_lengths_that_are_no_unrolls_or_too_long_are_refused(least):
    with pytest.raises(ValueError, match=f"min_steps.*received {least}"):
        settings_lib.Settings(unroll_length=5, num_steps=40, min_steps=least)
