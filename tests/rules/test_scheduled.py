"""Tests of l2l_tf/rules/scheduled.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import registry
from l2l_tf.rules import routed
from l2l_tf.rules import scheduled

_SGD = {"rule": "sgd", "learning_rate": 1.0}
_LSTM = {"layers": [3], "initializer": 0.5}


def _rates(num_steps, told=None, **options):
    """Learning rates, from what a rule makes of gradients of one."""
    rule = registry.make_rule({"rule": "scheduled", "of": _SGD, **options})
    params = [tf.ones([2])]
    state = rule.initial_state(params)
    if told is not None:
        state = rule.with_horizon(state, params, told)
    found = []
    for _ in range(num_steps):
        [update], state = rule(params, state)
        assert float(update[0]) == float(update[1])
        found.append(-float(update[0]))
    return found


def test_the_cosine_falls_to_what_is_left_and_stays_there():
    found = _rates(7, learning_rate=0.2, horizon=4, final=0.1)
    cosines = [(1 + math.cos(math.pi * t / 4)) / 2 for t in (0, 1, 2, 3, 4)]
    expected = [0.2 * (0.1 + 0.9 * factor) for factor in cosines]
    np.testing.assert_allclose(found, [*expected, 0.02, 0.02], rtol=1e-5)


def test_other_schedules():
    found = _rates(4, learning_rate=0.2, schedule="linear", horizon=4)
    np.testing.assert_allclose(found, [0.2, 0.15, 0.1, 0.05], rtol=1e-6)
    found = _rates(3, learning_rate=0.2, schedule="constant", horizon=2)
    np.testing.assert_allclose(found, [0.2] * 3, rtol=1e-6)


def test_a_run_that_is_told_its_length_follows_it():
    told = _rates(4, told=8, learning_rate=1.0, horizon=100)
    np.testing.assert_allclose(told, _rates(4, learning_rate=1.0, horizon=8))
    assert told != _rates(4, learning_rate=1.0, horizon=100)


def test_without_a_length_the_rate_falls_by_a_power():
    options = {"schedule": "linear", "decay_steps": 10, "decay_power": 0.5}
    found = _rates(31, learning_rate=0.1, **options)
    expected = [0.2 / math.sqrt(1 + t / 10) for t in range(31)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[30] == pytest.approx(0.1)
    told = _rates(4, told=8, learning_rate=0.2, schedule="linear")
    np.testing.assert_allclose(told, [0.2, 0.175, 0.15, 0.125], rtol=1e-5)


def test_longer_runs_have_smaller_rates_of_one_sum_of_squares():
    sums = []
    for told in (200, 1000, 5000):
        rule = scheduled.Scheduled(_SGD, 0.1, length_power=0.5)
        rates = rule.rates(tf.range(told), told)
        sums.append(float(tf.reduce_sum(rates**2)))
        factor = math.sqrt(1000 / told)
        assert float(rates[0]) == pytest.approx(0.1 * factor, rel=1e-5)
    np.testing.assert_allclose(sums, sums[1], rtol=0.01)


def test_very_short_runs_have_the_rates_of_short_ones():
    options = {"learning_rate": 0.1, "length_power": 0.5}
    [first] = _rates(1, told=1, **options)
    assert first == pytest.approx(_rates(1, told=30, **options)[0])
    assert first == pytest.approx(0.1 * math.sqrt(1000 / 30))


def test_parts_of_a_routed_rule_are_told_the_length_of_the_run():
    config = {"rule": "scheduled", "of": _SGD, "horizon": 100}
    rule = routed.Routed({"a": _SGD, "rank=1": config})
    rule = rule.bind(["a", "b"])
    params = [tf.ones([2, 2]), tf.ones([3])]
    state = rule.with_horizon(rule.initial_state(params), params, 7)
    horizons = [s["horizon"] for s in state if "horizon" in s]
    assert [float(h) for h in horizons] == [7.0]


def test_its_configuration_makes_it_again():
    rule = scheduled.Scheduled(_LSTM, 0.01, "linear", 50, 0.1)
    again = registry.make_rule(rule.config())
    assert again.config() == rule.config()
    assert [w.shape for w in again.trainable_variables] == [
        w.shape for w in rule.rule.trainable_variables
    ]
    assert "0.01 by the schedule 'linear' over 50 steps" in rule.describe()


def test_it_starts_from_the_weights_of_another_schedule_or_of_none():
    rule = scheduled.Scheduled(_LSTM, 0.01)
    inner = registry.make_rule({**_LSTM, "seed": 3})
    for source in (inner, scheduled.Scheduled(inner, 0.5, "linear")):
        for ours, theirs in rule.weights_from(source):
            assert ours.shape == theirs.shape
            assert any(theirs is w for w in inner.trainable_variables)
    with pytest.raises(ValueError, match="cannot start"):
        rule.weights_from(registry.make_rule({"layers": [4]}))


def test_seeds_and_names_reach_the_rule_inside():
    config = {"rule": "scheduled", "of": {"rule": "coordinatewise"}}
    assert registry.with_seed(config, 5)["of"]["seed"] == 5
    of = {"rule": "routed", "routes": {"a": _SGD, ".*": _LSTM}}
    rule = registry.make_rule({"rule": "scheduled", "of": of}, ["a", "b"])
    params = [tf.ones([2]), tf.ones([3])]
    updates, _ = rule(params, rule.initial_state(params))
    assert [update.shape[0] for update in updates] == [2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": 5}, "of must be a rule or its options.*5"),
        ({"of": {"rule": "adm"}}, "adm"),
        ({"schedule": "step"}, "'step'.*constant, cosine, linear"),
        ({"horizon": 0}, "horizon.*0"),
        ({"length_power": -1.0}, "length_power.*-1"),
        ({"decay_power": -1.0}, "decay_power.*-1"),
        ({"decay_steps": 0}, "decay_steps.*0"),
        ({"learning_rate": 0.0}, "learning_rate.*0"),
        ({"final": 1.5}, "final must be a share.*1.5"),
    ],
)
def test_other_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        registry.make_rule({"rule": "scheduled", "of": _SGD, **options})
