"""Tests of l2l_tf/rules/base.py."""

import json

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.rules import routed


@registry.register_rule("test_momentum")
class _Momentum(base.UpdateRule):
    """A learned rule that knows nothing of columns."""

    def __init__(self, start=0.5):
        super().__init__()
        self.start = start
        self.rate = tf.Variable(start)
        self.decay = tf.Variable(start)

    def initial_state(self, params):
        return [tf.zeros_like(param) for param in params]

    def __call__(self, gradients, state):
        size = tf.linalg.global_norm(gradients)
        state = [
            self.decay * old + g / (1.0 + size)
            for old, g in zip(state, gradients, strict=True)
        ]
        return [-self.rate * velocity for velocity in state], state

    def config(self):
        return {"rule": self.rule_name, "start": self.start}


class _OfKnownLength(_Momentum):
    """Needs to know how many coordinates there are."""

    def __call__(self, gradients, state):
        sizes = [g.shape.num_elements() for g in gradients]
        updates, state = super().__call__(gradients, state)
        return [u / n for u, n in zip(updates, sizes, strict=True)], state


class _WithOtherVariables(_Momentum):
    def __init__(self, **options):
        super().__init__(**options)
        self.count = tf.Variable(1.0, trainable=False)

    def __call__(self, gradients, state):
        updates, state = super().__call__(gradients, state)
        return [self.count * u for u in updates], state


def _gradients():
    return [
        tf.random.stateless_normal(shape, [index, 4])
        for index, shape in enumerate([[3, 2], [4], []])
    ]


def test_a_rule_without_more_has_one_leaf_and_needs_no_names():
    rule = _Momentum()
    assert rule.bind(["a", "b"]) is rule
    assert rule.leaves([3, 1]) == [(rule, [3, 1])]
    assert rule.leaves(range(2)) == [(rule, [0, 1])]


def test_it_records_nothing_and_steps_as_it_does():
    rule = _Momentum()
    state = rule.initial_state(_gradients())
    *step, record = rule.record(_gradients(), state)
    assert record == ()
    tf.nest.map_structure(
        np.testing.assert_array_equal, step, list(rule(_gradients(), state))
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_is_replayed_on_all_coordinates_together(jit_compile):
    rule = _Momentum()
    gradients = [tf.stack([g, 2.0 * g, -g]) for g in _gradients()]
    cotangents = [tf.cos(g) for g in gradients]
    state = first = rule.initial_state(_gradients())
    with tf.GradientTape() as tape:
        total = 0.0
        for step in range(3):
            updates, state = rule([g[step] for g in gradients], state)
            for update, cotangent in zip(updates, cotangents, strict=True):
                total += tf.reduce_sum(update * cotangent[step])
    expected = tape.gradient(total, rule.trainable_variables)
    options = base.ReplayOptions(jit_compile=jit_compile)
    actual = rule.replay(gradients, (), first, cotangents, options)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="fraction.*_Momentum"):
        options = base.ReplayOptions(0.5, tf.constant([1, 2]))
        rule.replay(gradients, (), first, cotangents, options)


def test_it_is_saved_with_functions_of_one_flat_parameter(tmp_path):
    rule = _Momentum(0.25)
    rule.save(tmp_path)
    module = tf.saved_model.load(str(tmp_path))
    for size in (1, 7):
        gradient = tf.random.stateless_normal([size], [0, size])
        theirs, ours = (
            module.initial_state(size),
            rule.initial_state([gradient]),
        )
        for _ in range(2):
            updates, theirs = module.update(gradient, theirs)
            [expected], ours = rule([gradient], ours)
            np.testing.assert_allclose(updates, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [_Momentum, _OfKnownLength])
def test_it_is_restored_from_its_configuration_and_numbers(kind, tmp_path):
    rule = kind(start=0.25)
    rule.rate.assign(3.0)
    rule.save(tmp_path)
    assert hasattr(tf.saved_model.load(str(tmp_path)), "update") == (
        kind is _Momentum
    )
    restored = kind(start=0.25)
    restored.restore(tmp_path)
    state = rule.initial_state(_gradients())
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        rule(_gradients(), state),
        restored(_gradients(), state),
    )


def test_functions_that_read_what_is_not_saved_are_left_out():
    assert _Momentum().functions()
    assert not _WithOtherVariables().functions()


def test_it_is_rebuilt_by_its_name_and_a_subclass_has_another():
    config = _Momentum(0.125).config()
    assert config == {"rule": "test_momentum", "start": 0.125}
    assert isinstance(
        registry.make_rule(json.loads(json.dumps(config))), _Momentum
    )
    assert _OfKnownLength.rule_name == ""


def test_a_description_counts_the_state():
    assert _Momentum(0.25).describe() == (
        "The rule 'test_momentum' with {'start': 0.25}; numbers of state for "
        "each coordinate: 1."
    )


class _OtherCall(routed.Routed):
    def __call__(self, gradients, state):
        return super().__call__([2.0 * g for g in gradients], state)


class _OtherCallAndReplay(routed.Routed):
    def __call__(self, gradients, state):
        return super().__call__(gradients, state)

    def replay(self, gradients, records, state, cotangents, options):
        raise NotImplementedError


def test_what_follows_from_a_call_goes_with_it():
    general, own = base.UpdateRule, routed.Routed
    for name in ("leaves", "record", "replay", "save", "restore"):
        assert getattr(own, name) is not getattr(general, name)
        assert getattr(_OtherCall, name) is getattr(general, name)
    assert _OtherCallAndReplay.replay is not general.replay
    assert _OtherCall.bind is own.bind
    rule = _OtherCall({"": _Momentum()}).bind(["a", "b", "c"])
    state = rule.initial_state(_gradients())
    updates, *_ = rule.record(_gradients(), state)
    expected, _ = rule(_gradients(), state)
    tf.nest.map_structure(np.testing.assert_array_equal, updates, expected)
