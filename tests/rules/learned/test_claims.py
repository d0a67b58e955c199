"""Tests of l2l_tf/rules/learned/claims.py."""

import re

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
from l2l_tf.rules import routed
from l2l_tf.rules.learned import columns
from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import outputs

_OPTIONS = {"layers": [3, 2], "initializer": 0.5}
_PARAMS = [tf.zeros([3, 2]), tf.zeros([])]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"layers": [], "preprocessing": "identity"},
        {"inputs": "rnnprop", "outputs": "rms"},
        {"rule": "kernelwise", "kernel_shape": [2, 2], "layers": [3]},
        {"rule": "vectorwise", "size": 3, "layers": [2]},
        {"initializer": "zeros", "layers": [2]},
    ],
    ids=str,
)
def test_learned_rules_keep_their_word(config, dtype):
    if dtype.endswith("16") and "layers" not in config:
        config = {**config, "layers": [3]}
    rule = registry.make_rule({**config, "dtype": dtype})
    before = [variable.numpy() for variable in rule.trainable_variables]
    rule.check_claims(_PARAMS)
    for variable, value in zip(rule.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


class _MinusMean(learned.CoordinatewiseDeepLSTM):
    independent_columns = True

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return updates - tf.reduce_mean(updates), state


class _MixesState(learned.CoordinatewiseDeepLSTM):
    independent_columns = True

    def update_columns(self, gradients, state):
        updates, [*state, cell] = super().update_columns(gradients, state)
        return updates, [*state, tf.reverse(cell, [1])]


class _MixesLater(learned.CoordinatewiseDeepLSTM):
    """Starts as if its columns were independent."""

    independent_columns = True

    def __init__(self, **options):
        super().__init__(**options)
        self.share = tf.Variable(0.0)

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return updates - self.share * tf.reduce_mean(updates), state


class _KnowsItsPlace(learned.CoordinatewiseDeepLSTM):
    independent_columns = True

    def update_columns(self, gradients, state):
        updates, state = super().update_columns(gradients, state)
        return updates * tf.range(1.0, updates.shape[1] + 1.0), state


class _Clips(learned.CoordinatewiseDeepLSTM):
    """Couples columns where they are large only."""

    independent_columns = True

    def update_columns(self, gradients, state):
        gradients = tf.clip_by_norm(gradients, 50.0)
        return super().update_columns(gradients, state)


class _AveragingCells(tf.Module):
    """In the place of a network: one of the cells is that of all columns."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def initial_state(self, num_columns):
        return self.network.initial_state(num_columns)

    def __call__(self, features, state):
        outputs, [hidden, *state] = self.network(features, state)
        mean = tf.reduce_mean(hidden[:1], axis=1, keepdims=True)
        hidden = tf.concat([tf.zeros_like(hidden[:1]) + mean, hidden[1:]], 0)
        return outputs, [hidden, *state]


def _with_averaging_cells():
    rule = learned.CoordinatewiseDeepLSTM(**_OPTIONS)
    rule.network = _AveragingCells(rule.network)
    return rule


_WRONG = {
    "minus mean": lambda: _MinusMean(**_OPTIONS),
    "mixes state": lambda: _MixesState(**_OPTIONS),
    "mixes later": lambda: _MixesLater(**_OPTIONS),
    "knows its place": lambda: _KnowsItsPlace(**_OPTIONS),
    "clips": lambda: _Clips(**_OPTIONS),
    "averaging cells": _with_averaging_cells,
}


@pytest.mark.parametrize("name", _WRONG)
def test_columns_that_depend_on_others_are_refused_with_the_numbers(name):
    rule = _WRONG[name]()
    pattern = (
        f"{type(rule).__name__} declares independent_columns, but .* off by "
        r"([\d.e-]+) where ([\d.e-]+) is .*independent_columns = False"
    )
    with pytest.raises(ValueError, match=pattern) as error:
        rule.check_claims(_PARAMS)
    off, size = map(float, re.search(pattern, str(error.value)).groups())
    assert off > 1e-3 * size > 0


@pytest.mark.parametrize("name", _WRONG)
def test_they_are_refused_as_parts_of_routed_rules(name):
    rule = routed.Routed({"a": hand_designed.SGD(), "": _WRONG[name]()})
    with pytest.raises(ValueError, match="declares independent_columns"):
        rule.bind(["a", "b"]).check_claims(_PARAMS)


class _ScalarState(columns.ColumnwiseRule):
    independent_columns = True

    def initial_columns(self, num_columns):
        return tf.zeros([])

    def update_columns(self, gradients, state):
        return gradients, state + 1

    def config(self):
        return {}


def test_state_without_columns_is_refused():
    rule = _ScalarState(learned.CoordinatewiseDeepLSTM().arrangement, "float32")
    with pytest.raises(ValueError, match=r"shape \(\);.*last axis"):
        rule.check_claims(_PARAMS)


class _WrongReplay(learned.CoordinatewiseDeepLSTM):
    """Forgets a factor in one variable's gradient."""

    def replay_columns(self, gradients, state, cotangents):
        first, *others = super().replay_columns(gradients, state, cotangents)
        return [1.01 * first, *others]


class _OtherNetwork(_AveragingCells):
    """Independent, but what it says is its gradient is another's."""

    def __call__(self, features, state):
        outputs, state = self.network(features, state)
        return tf.tanh(2.0 * outputs), state

    def weights_gradient(self, *arguments):
        return self.network.weights_gradient(*arguments)


def _with_another_network():
    rule = learned.CoordinatewiseDeepLSTM(**_OPTIONS)
    rule.network = _OtherNetwork(rule.network)
    return rule


@pytest.mark.parametrize(
    "make_rule", [lambda: _WrongReplay(**_OPTIONS), _with_another_network]
)
def test_a_wrong_replay_is_refused_with_the_numbers(make_rule):
    pattern = r"replay_columns is off by ([\d.e-]+) where .* ([\d.e-]+) by auto"
    with pytest.raises(ValueError, match=pattern) as error:
        make_rule().check_claims(_PARAMS)
    off, size = map(float, re.search(pattern, str(error.value)).groups())
    assert off > 1e-3 * size > 0


def test_weights_come_back_where_a_claim_is_wrong():
    rule = _MinusMean(**_OPTIONS)
    before = [variable.numpy() for variable in rule.trainable_variables]
    with pytest.raises(ValueError):
        rule.check_claims(_PARAMS)
    for variable, value in zip(rule.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_rounding_of_terms_that_cancel_is_no_error():
    # All cells of the first layer are averaged, so that values hardly differ
    # from their root mean square, and the gradient is nearly zero.
    for seed in range(4):
        rule = registry.make_rule(
            {
                "layers": [4, 3],
                "averaging_cells": [4, 0],
                "outputs": "rms",
                "initializer": 0.5,
                "seed": seed,
            }
        )
        rule.check_claims([tf.zeros([3])])


def test_rules_that_claim_nothing_pass():
    hand_designed.Adam().check_claims(_PARAMS)
    rule = _with_averaging_cells()
    rule.independent_columns = False
    rule.check_claims(_PARAMS)


class _MinusMeanOfAll:
    def __call__(self, gradients, state):
        updates, state = super().__call__(gradients, state)
        mean = tf.add_n([tf.reduce_mean(update) for update in updates])
        return [update - mean for update in updates], state


class _Mixed(_MinusMeanOfAll, learned.CoordinatewiseDeepLSTM):
    pass


class _MixesAfterwards(learned.CoordinatewiseDeepLSTM):
    def _updates(self, values, like):
        updates = super()._updates(values, like)
        return [update * tf.reduce_max(update) for update in updates]


class _WeightedOutputs(outputs.Outputs, tf.Module):
    is_recorded = True

    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(2.0)

    def __call__(self, values):
        return [self.factor * value for value in values]


class _Weighted(learned.CoordinatewiseDeepLSTM):
    def __init__(self, **options):
        super().__init__(**options)
        self.outputs = _WeightedOutputs()


@pytest.mark.parametrize("rule", [_Mixed, _MixesAfterwards, _Weighted])
def test_replay_that_is_not_that_of_the_call_is_refused(rule):
    with pytest.raises(ValueError, match=r"off by [0-9.e-]+ where"):
        rule(**_OPTIONS).check_claims(_PARAMS)
