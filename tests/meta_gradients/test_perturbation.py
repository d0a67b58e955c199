"""Tests of l2l_tf/meta_gradients/perturbation.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_gradients import perturbation
from l2l_tf.rules import base
from l2l_tf.rules import registry

_SEED = tf.constant([1, 2])
_LSTM = {"layers": [3], "initializer": 0.5}
_RULES = {
    "coordinatewise": _LSTM,
    "linear": {**_LSTM, "layers": []},
    "routed": {
        "rule": "routed",
        "routes": {"a": _LSTM, "b": {"rule": "adam"}, "": {**_LSTM, "seed": 1}},
    },
}
_NAMES = ["a", "b", "c"]
_PARAMS = [tf.zeros([2]), tf.zeros([3]), tf.zeros([])]
_GRADIENTS = [
    tf.random.stateless_normal(param.shape, [3, index])
    for index, param in enumerate(_PARAMS)
]


@pytest.mark.parametrize("name", _RULES)
def test_a_perturbed_rule_is_one_of_other_weights(name):
    rule = registry.make_rule(_RULES[name], _NAMES)
    before = [variable.numpy() for variable in rule.trainable_variables]
    noise = perturbation.draw(rule, _SEED)
    state = rule.initial_state(_PARAMS)

    @tf.function(autograph=False)
    def perturbed_update():
        return perturbation.perturbed(rule, noise, 0.1)(_GRADIENTS, state)

    updates, after = perturbed_update()
    for variable, value in zip(rule.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    # A rule of its own, whose variables are assigned.
    twin = registry.make_rule(_RULES[name], _NAMES)
    for variable, eps in zip(twin.trainable_variables, noise, strict=True):
        variable.assign_add(0.1 * eps)
    expected = twin(_GRADIENTS, state)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        (updates, after),
        tuple(expected),
    )
    assert not np.allclose(updates[0], rule(_GRADIENTS, state)[0][0])


def test_noise_is_standard_normal_and_drawn_from_the_seed_alone():
    rule = registry.make_rule({"layers": [40]})
    noise = np.concatenate(
        [np.ravel(eps) for eps in perturbation.draw(rule, _SEED)]
    )
    assert noise.size > 6000
    assert abs(noise.mean()) < 0.06 and abs(noise.std() - 1.0) < 0.05
    # Every number is a draw of its own.
    assert len(np.unique(noise)) > 0.99 * noise.size
    again, other = (
        perturbation.draw(rule, tf.constant(seed)) for seed in ([1, 2], [1, 3])
    )
    first = np.ravel(again[0])
    np.testing.assert_array_equal(first, noise[: first.size])
    assert not np.allclose(again[0], other[0])


class _Scaled(base.UpdateRule):
    """Multiplies gradients by what a function says."""

    def __init__(self, make_function):
        super().__init__()
        self.rate = tf.Variable(0.1)
        self.function = make_function(self)

    def initial_state(self, params):
        return ()

    def __call__(self, gradients, state):
        return [self.function() * g for g in gradients], state

    def config(self):
        return {"rule": "scaled"}

    def read(self):
        return self.rate


def test_weights_that_a_method_reads_are_perturbed():
    rule = _Scaled(lambda rule: rule.read)
    perturbation.check(rule, _PARAMS)
    other = perturbation.perturbed(rule, [tf.constant(2.0)], 0.1)
    np.testing.assert_allclose(other([tf.ones([])], ())[0][0], 0.3)


def test_weights_that_a_closure_reads_are_refused():
    rule = _Scaled(lambda rule: lambda: 1.0 * rule.rate)
    with pytest.raises(ValueError, match="_Scaled are read where they cannot"):
        perturbation.check(rule, _PARAMS)


def test_a_rule_that_cannot_be_copied_is_refused():
    rule = _Scaled(lambda rule: (line for line in "generators"))
    with pytest.raises(ValueError, match="_Scaled: .*generator"):
        perturbation.check(rule, _PARAMS)
