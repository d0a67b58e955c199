"""Tests of l2l_tf/meta_training/run_seconds.py."""

import pytest

from l2l_tf.meta_training import run_seconds


def test_parts_of_the_median_run_add_up_to_it():
    runs = run_seconds.RunSeconds()
    for seconds in (60.0, 1.0, 1.2, 9.0):
        runs.add(seconds)
    parts = runs.parts(num_optimizees=2, forward=0.3, optimizee=0.1)
    assert parts == pytest.approx(
        {"optimizee": 0.2, "rule": 0.4, "meta_gradient": 0.6}
    )
    assert runs.parts(2, 0.3, 0.1) == {}


@pytest.mark.parametrize(
    ("forward", "optimizee", "expected"),
    [
        (0.5, 0.25, [0.25, 0.25, 0.5]),
        (0.5, 0.75, [0.5, 0.0, 0.5]),
        (1.5, 0.25, [0.25, 0.75, 0.0]),
        (1.5, 2.0, [1.0, 0.0, 0.0]),
    ],
)
def test_parts_add_up_where_noise_makes_one_too_long(
    forward, optimizee, expected
):
    runs = run_seconds.RunSeconds()
    for seconds in (60.0, 1.0):
        runs.add(seconds)
    parts = runs.parts(1, forward, optimizee)
    assert list(parts.values()) == expected and sum(expected) == 1.0


def test_the_first_run_is_no_measure_since_it_compiles():
    runs = run_seconds.RunSeconds()
    runs.add(60.0)
    assert runs.parts(1, 0.1, 0.1) == {}
