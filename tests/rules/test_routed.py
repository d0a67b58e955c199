"""Tests of l2l_tf/rules/routed.py."""

import json

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import routing
from l2l_tf.rules import base
from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry
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


def test_it_must_be_bound_before_it_is_used():
    rule = routed.Routed({"conv": _lstm(1), "": _lstm(2)})
    with pytest.raises(ValueError, match=r"bind.*\['conv', ''\]"):
        rule.initial_state(_gradients(0))
    rule.bind(_NAMES).initial_state(_gradients(0))


def test_binding_shares_the_parts_and_leaves_the_rule_as_it_is():
    parts = {"conv": _lstm(1), "": routed.Routed({"w": _lstm(2), "": _lstm(3)})}
    rule = routed.Routed(parts)
    first, second = rule.bind(_NAMES), rule.bind(["conv", "dense/b", "w"])
    assert first.leaves(range(4)) == [
        (parts["conv"], [0, 1]),
        (parts[""].rules["w"], [2]),
        (parts[""].rules[""], [3]),
    ]
    assert [own for _, own in second.leaves(range(3))] == [[0], [2], [1]]
    assert first.config() == second.config() == rule.config()
    with pytest.raises(ValueError, match=r"\['dense/b'\]"):
        routed.Routed({"conv": _lstm(1), "w": _lstm(2)}).bind(_NAMES)


def test_a_description_names_the_patterns():
    rule = routed.Routed({"conv": _lstm(1), "": hand_designed.SGD(0.5)})
    assert rule.describe() == (
        "'conv': An LSTM with layers [3] on every coordinate; numbers of state "
        "for each: 6.\n"
        "'': The rule 'sgd' with {'learning_rate': 0.5}; numbers of state "
        "for each coordinate: 0."
    )


def test_weights_are_saved_and_restored_part_by_part(tmp_path):
    def rule(seed):
        inner = routed.Routed({"dense/w": _lstm(seed), "": _lstm(seed + 1)})
        sgd = hand_designed.SGD()
        return routed.Routed({"conv/b": sgd, "conv": _lstm(seed), "": inner})

    saved = rule(1)
    saved.save(tmp_path)
    names = sorted(p.parent.name for p in tmp_path.rglob("saved_model.pb"))
    assert names == ["0", "1", "1"]
    assert not (tmp_path / "routes" / "0").exists()  # Without weights.
    restored = registry.make_rule(json.loads(json.dumps(saved.config())))
    for variable in restored.trainable_variables:
        variable.assign_add(tf.ones_like(variable))
    restored.restore(tmp_path)
    for a, b in zip(
        saved.trainable_variables, restored.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="cannot be read"):
        routed.Routed({"a": _lstm(0)}).restore(tmp_path)


@pytest.mark.parametrize(
    "routes",
    [
        {"conv": lambda: _lstm(1), "dense": lambda: _lstm(2)},
        {"w$": lambda: _lstm(1), "": lambda: hand_designed.Adam(0.5)},
    ],
    ids=["two LSTMs", "LSTM and Adam"],
)
def test_it_equals_the_separate_rules(routes):
    rule = routed.Routed({p: make() for p, make in routes.items()})
    rule = rule.bind(_NAMES)
    parts = [make() for make in routes.values()]
    positions = routing.route(list(routes), _NAMES)
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
    rule = routed.Routed(dict(zip(["conv", "dense"], lstms, strict=True)))
    assert len(rule.trainable_variables) == 8
    rule = rule.bind(_NAMES)
    expected = {id(v) for lstm in lstms for v in lstm.trainable_variables}
    assert {id(v) for v in rule.trainable_variables} == expected
    assert len(rule.trainable_variables) == 8


def test_its_parts_lie_where_it_saves_them(tmp_path):
    dense = routed.Routed({"w": _lstm(2), "": hand_designed.SGD()})
    rule = routed.Routed({"conv": _lstm(1), "": dense})
    rule.save(tmp_path)
    parts = rule.saved_parts(tmp_path)
    assert [part for part, _ in parts] == [rule.rules["conv"], dense.rules["w"]]
    folders = {model.parent for model in tmp_path.rglob("saved_model.pb")}
    assert {folder for _, folder in parts} == folders


def _by_rank() -> dict[str, learned.CoordinatewiseDeepLSTM]:
    return {"rank=4": _lstm(1), ".*": _lstm(2)}


def test_ranks_tell_as_much_as_names():
    ranked = routed.Routed(_by_rank()).bind(_NAMES)
    named = routed.Routed({"conv/w": _lstm(1), "": _lstm(2)}).bind(_NAMES)
    states = [rule.initial_state(_gradients(0)) for rule in (ranked, named)]
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        states,
        [
            rule.initial_state_of_functions(_gradients(0), None)
            for rule in (ranked, named)
        ],
    )
    for step in range(2):
        updates = [None, None]
        for index, rule in enumerate((ranked, named)):
            updates[index], states[index] = rule(
                _gradients(step), states[index]
            )
        tf.nest.map_structure(np.testing.assert_array_equal, *updates)
    steps = [tf.stack([g, 2 * g]) for g in _gradients(5)]
    results = [
        rule.replay(
            steps,
            (),
            rule.initial_state(_gradients(0)),
            steps,
            base.ReplayOptions(jit_compile=False),
        )
        for rule in (ranked, named)
    ]
    tf.nest.map_structure(np.testing.assert_array_equal, *results)
    with pytest.raises(ValueError, match="'rank=4' asks"):
        ranked.leaves(range(4))


def test_a_rule_without_parameters_does_nothing():
    rule = routed.Routed(_by_rank()).bind(_NAMES[2:])
    alone = _lstm(2)
    gradients = _gradients(0)[2:]
    state, own = rule.initial_state(gradients), alone.initial_state(gradients)
    updates, state = rule(gradients, state)
    expected, own = alone(gradients, own)
    tf.nest.map_structure(np.testing.assert_array_equal, updates, expected)
    tf.nest.map_structure(np.testing.assert_array_equal, state, [own])
    steps = [g[tf.newaxis] for g in gradients]
    results = rule.replay(
        steps,
        (),
        rule.initial_state(gradients),
        steps,
        base.ReplayOptions(jit_compile=False),
    )
    unused = {v.ref() for v in rule.rules["rank=4"].trainable_variables}
    for variable, result in zip(rule.trainable_variables, results, strict=True):
        assert result.shape == variable.shape
        assert bool(np.any(result)) != (variable.ref() in unused)


def test_its_parts_start_from_one_rule_or_each_from_its_own():
    rule = routed.Routed({**_by_rank(), "sgd": hand_designed.SGD()})
    source = _lstm(7)
    pairs = rule.weights_from(source)
    assert len(pairs) == 2 * len(source.trainable_variables)
    for variable, value in pairs:
        variable.assign(value)
    for part in (rule.rules["rank=4"], rule.rules[".*"]):
        for ours, theirs in zip(
            part.trainable_variables, source.trainable_variables, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    same = routed.Routed(
        {"rank=4": _lstm(3), ".*": _lstm(4), "sgd": hand_designed.SGD()}
    )
    for variable, value in rule.weights_from(same):
        variable.assign(value)
    for name in ("rank=4", ".*"):
        np.testing.assert_array_equal(
            rule.rules[name].trainable_variables[0],
            same.rules[name].trainable_variables[0],
        )
    with pytest.raises(ValueError, match="weights of another"):
        rule.weights_from(learned.CoordinatewiseDeepLSTM(layers=[4]))
    with pytest.raises(ValueError, match="weights of another"):
        source.weights_from(rule)
