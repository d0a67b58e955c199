"""Tests of l2l_tf/rules/routed.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import hand_designed
from l2l_tf.rules import routed
from l2l_tf.rules.learned import deep_lstm_rules as learned

_NAMES = ["conv/w", "conv/b", "dense/w", "dense/b"]
_SHAPES = [(2, 2, 1, 3), (3,), (4, 2), (2,)]


def _gradients(step: int) -> list[tf.Tensor]:
    return [
        tf.random.stateless_normal(shape, [step, index])
        for index, shape in enumerate(_SHAPES)
    ]


def _lstm(seed: int) -> learned.CoordinatewiseDeepLSTM:
    return learned.CoordinatewiseDeepLSTM(layers=[3], seed=seed)


def test_the_first_pattern_that_matches_takes_a_name():
    assert routed.route(["conv", "w$", ".*"], _NAMES) == [[0, 1], [2], [3]]
    assert routed.route(["w$", "conv", ".*"], _NAMES) == [[0, 2], [1], [3]]


def test_names_without_a_pattern_are_listed():
    with pytest.raises(ValueError, match=r"\['conv/b', 'dense/b'\]") as error:
        routed.route(["w$"], _NAMES)
    assert "'conv/w'" not in str(error.value)


def test_patterns_without_a_name_are_listed():
    with pytest.raises(ValueError, match=r"patterns \['norm', 'conv'\]"):
        routed.route(["norm", ".*", "conv"], _NAMES)


@pytest.mark.parametrize(
    "routes",
    [
        {"conv": lambda: _lstm(1), "dense": lambda: _lstm(2)},
        {"w$": lambda: _lstm(1), "": lambda: hand_designed.Adam(0.5)},
    ],
    ids=["two LSTMs", "LSTM and Adam"],
)
def test_it_equals_the_separate_rules(routes):
    rule = routed.Routed({p: make() for p, make in routes.items()}, _NAMES)
    parts = [make() for make in routes.values()]
    positions = routed.route(list(routes), _NAMES)
    state = rule.initial_state(_gradients(0))
    states = [
        part.initial_state([_gradients(0)[p] for p in chosen])
        for part, chosen in zip(parts, positions, strict=True)
    ]
    for step in range(3):
        gradients = _gradients(step)
        updates, state = rule(gradients, state)
        assert [u.shape for u in updates] == _SHAPES
        for index, (part, chosen) in enumerate(
            zip(parts, positions, strict=True)
        ):
            expected, states[index] = part(
                [gradients[p] for p in chosen], states[index]
            )
            tf.nest.map_structure(
                np.testing.assert_array_equal,
                [updates[p] for p in chosen],
                expected,
            )
        tf.nest.map_structure(np.testing.assert_array_equal, state, states)


def test_it_trains_the_weights_of_all_its_rules():
    lstms = [_lstm(1), _lstm(2)]
    rule = routed.Routed(
        dict(zip(["conv", "dense"], lstms, strict=True)), _NAMES
    )
    expected = {id(v) for lstm in lstms for v in lstm.trainable_variables}
    assert {id(v) for v in rule.trainable_variables} == expected
    assert len(rule.trainable_variables) == 8
