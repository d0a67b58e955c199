"""Tests of l2l_tf/problems/simple.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import simple
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
from l2l_tf.rules.learned import deep_lstm_rules as learned

_SEED = tf.constant([0, 0])


@pytest.mark.parametrize(
    ("problem", "number"), [(simple.Simple(), 1), (simple.SimpleMulti(), 2)]
)
def test_it_is_the_sum_of_squares_from_ones(problem, number):
    params = problem.initial_params((), _SEED)
    np.testing.assert_array_equal(params, [1.0] * number)
    x = [tf.constant(3.0), tf.constant(-2.0)][:number]
    assert (
        float(problem.loss(x, (), (), (), _SEED).loss)
        == [9.0, 13.0][number - 1]
    )


def test_the_default_rule_is_linear_and_starts_at_zero():
    problem = simple.Simple()
    rule = registry.make_rule(problem.default_rule(), problem.parameter_names)
    assert rule.config()["layers"] == []
    one = [tf.constant(1.0)]
    [update], _ = rule(one, rule.initial_state(one))
    assert float(update) == 0.0


def test_the_default_rule_of_two_leaves_the_second_to_adam():
    problem = simple.SimpleMulti()
    rule = registry.make_rule(problem.default_rule(), problem.parameter_names)
    first, second = rule.rules.values()
    assert isinstance(first, learned.CoordinatewiseDeepLSTM)
    assert isinstance(second, hand_designed.Adam)
    assert rule.leaves([0, 1]) == [(first, [0]), (second, [1])]
