"""Tests of l2l_tf/rules/hand_designed.py."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import hand_designed
from l2l_tf.rules import registry

# Numbers that float32 holds exactly, so that nobody rounds them.
_RATE, _DECAY, _SLOW_DECAY, _EPSILON = 2**-6, 1 - 2**-3, 1 - 2**-10, 2**-20

_NAMES = hand_designed.names()

_WITH_KERAS_TWIN = {
    "sgd": ({}, keras.optimizers.SGD, {}),
    "momentum": (
        {"momentum": _DECAY},
        keras.optimizers.SGD,
        {"momentum": _DECAY},
    ),
    "nag": (
        {"momentum": _DECAY},
        keras.optimizers.SGD,
        {"momentum": _DECAY, "nesterov": True},
    ),
    "rmsprop": (
        {"rho": _DECAY, "epsilon": _EPSILON},
        keras.optimizers.RMSprop,
        {"rho": _DECAY, "epsilon": _EPSILON},
    ),
    "adam": (
        {"beta_1": _DECAY, "beta_2": _SLOW_DECAY, "epsilon": _EPSILON},
        keras.optimizers.Adam,
        {"beta_1": _DECAY, "beta_2": _SLOW_DECAY, "epsilon": _EPSILON},
    ),
    "adagrad": (
        {"initial_accumulator": _DECAY, "epsilon": _EPSILON},
        keras.optimizers.Adagrad,
        {"initial_accumulator_value": _DECAY, "epsilon": _EPSILON},
    ),
}


def _function(dtype: str):
    """A curved function of a matrix and a vector, and a start."""
    rng = np.random.default_rng(0)
    inputs, targets, matrix, vector = (
        tf.constant(rng.normal(size=size), dtype)
        for size in ((8, 3), (8, 2), (3, 2), (2,))
    )

    @tf.function(autograph=False)
    def gradients(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            outputs = tf.tanh(inputs @ params[0] + params[1])
            loss = tf.reduce_sum((outputs - targets) ** 2)
            loss += tf.reduce_sum((1 - params[1]) ** 4)
        return tape.gradient(loss, params)

    return gradients, [matrix, vector]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-11)]
)
@pytest.mark.parametrize("name", _WITH_KERAS_TWIN)
def test_it_equals_keras_over_100_steps(name, dtype, tolerance):
    options, twin, twin_options = _WITH_KERAS_TWIN[name]
    rule = registry.RULES.get(name)(learning_rate=_RATE, **options)
    optimizer = twin(learning_rate=_RATE, **twin_options)
    gradients, params = _function(dtype)
    variables = [keras.Variable(param, dtype=dtype) for param in params]
    state = rule.initial_state(params)
    for _ in range(100):
        updates, state = rule(gradients(params), state)
        params = [p + u for p, u in zip(params, updates, strict=True)]
        current = gradients([v.value for v in variables])
        optimizer.apply(current, variables)
        for param, variable in zip(params, variables, strict=True):
            np.testing.assert_allclose(
                param, variable.value, rtol=tolerance, atol=tolerance
            )


def _rprop(gradients, delta, increase, decrease, min_delta, max_delta):
    """Riedmiller and Braun 1993 for one coordinate, with backtracking."""
    previous, update = 0.0, 0.0
    for g in gradients:
        sign = math.copysign(1.0, g) if g else 0.0
        agreement = sign * previous
        if agreement > 0:
            delta = min(delta * increase, max_delta)
            update, previous = -sign * delta, sign
        elif agreement < 0:
            delta = max(delta * decrease, min_delta)
            update, previous = -update, 0.0
        else:
            update, previous = -sign * delta, sign
        yield update


def test_rprop_equals_a_transcription_of_the_paper():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(100, 8)) * 10.0 ** rng.integers(-30, 3, 8)
    gradients[:, 0] = 1.0  # Up to the greatest step,
    gradients[:, 1] = (-1.0) ** np.arange(100)  # down to the least,
    gradients[::3, 2] = 0.0  # and with pauses.
    gradients[10:40, 3:5] = np.abs(gradients[10:40, 3:5])
    constants = {
        "increase": 1.25,
        "decrease": 0.375,
        "min_delta": 2**-10,
        "max_delta": 0.5,
    }
    rule = hand_designed.Rprop(learning_rate=0.125, **constants)
    state = rule.initial_state([tf.zeros(8)])
    updates = []
    for row in gradients:
        [update], state = rule([tf.constant(row, tf.float32)], state)
        updates.append(update)
    expected = [list(_rprop(g, 0.125, **constants)) for g in gradients.T]
    np.testing.assert_allclose(updates, np.transpose(expected), rtol=1e-6)


@pytest.mark.parametrize("name", _NAMES)
def test_the_learning_rate_may_be_a_tensor(name):
    rule = registry.RULES.get(name)
    gradient = tf.constant([0.5, -2.0])

    @tf.function(autograph=False)
    def second_update(rate):
        made = rule(rate)
        _, state = made([gradient], made.initial_state([gradient]))
        return made([gradient], state)[0][0]

    number = rule(0.25)
    _, state = number([gradient], number.initial_state([gradient]))
    [expected], _ = number([gradient], state)
    np.testing.assert_allclose(second_update(tf.constant(0.25)), expected)


@pytest.mark.parametrize("name", _NAMES)
def test_the_state_keeps_its_structure_and_counts_steps(name):
    rule = registry.RULES.get(name)()
    params = [tf.ones([2, 3]), tf.ones([], tf.float64)]
    first = state = rule.initial_state(params)
    for _ in range(3):
        updates, state = rule(params, state)
    tf.nest.assert_same_structure(first, state)
    assert [len(slots) for slots in state["slots"]] == [len(rule.slots)] * 2
    assert int(state["step"]) == 3
    before, after = tf.nest.flatten([params, first]), [*updates]
    after += tf.nest.flatten(state)
    assert [t.shape for t in before] == [t.shape for t in after]
    assert [t.dtype for t in before] == [t.dtype for t in after]


@pytest.mark.parametrize("name", _NAMES)
def test_a_zero_gradient_gives_no_update(name):
    rule = registry.RULES.get(name)()
    zeros = [tf.zeros([2])]
    state = rule.initial_state(zeros)
    for _ in range(2):
        updates, state = rule(zeros, state)
        np.testing.assert_array_equal(updates[0], zeros[0])


def test_names_come_in_the_order_of_the_tables():
    assert hand_designed.names() == [
        "sgd", "momentum", "nag", "rmsprop", "adam", "adagrad", "rprop",
    ]  # fmt: skip


def test_a_description_counts_the_slots():
    assert hand_designed.Adam(0.5).describe() == (
        "The rule 'adam' with {'learning_rate': 0.5, 'beta_1': 0.9, "
        "'beta_2': 0.999, 'epsilon': 1e-08}; numbers of state for each "
        "coordinate: 2."
    )


def test_constants_default_to_torch7s():
    assert {n: registry.RULES.get(n)().config() for n in _NAMES} == {
        "sgd": {"rule": "sgd", "learning_rate": 0.01},
        "momentum": {
            "rule": "momentum",
            "learning_rate": 0.01,
            "momentum": 0.9,
        },
        "nag": {"rule": "nag", "learning_rate": 0.01, "momentum": 0.9},
        "rmsprop": {
            "rule": "rmsprop",
            "learning_rate": 0.01,
            "rho": 0.99,
            "epsilon": 1e-16,
        },
        "adam": {
            "rule": "adam",
            "learning_rate": 0.01,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "epsilon": 1e-8,
        },
        "adagrad": {
            "rule": "adagrad",
            "learning_rate": 0.01,
            "initial_accumulator": 0.0,
            "epsilon": 1e-20,
        },
        "rprop": {
            "rule": "rprop",
            "learning_rate": 0.01,
            "increase": 1.2,
            "decrease": 0.5,
            "min_delta": 1e-6,
            "max_delta": 50.0,
        },
    }


def test_float64_constants_are_not_rounded():
    one = [tf.constant(1.0, tf.float64)]
    rule = hand_designed.SGD(0.1)
    [update], _ = rule(one, rule.initial_state(one))
    assert float(update) == -0.1


@pytest.mark.parametrize("name", _NAMES)
def test_it_has_nothing_to_train(name):
    assert not registry.RULES.get(name)().trainable_variables
