"""Tests of l2l_tf/rules/learned/deep_lstm_rules.py."""

import json

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.rules.learned import deep_lstm_rules as learned
from l2l_tf.rules.learned import preprocessing

_CONFIGS = {
    "default": {"rule": "coordinatewise"},
    "linear": {"layers": [], "initializer": 0.5, "scale": 2.0},
    "kernelwise": {
        "rule": "kernelwise",
        "kernel_shape": [2, 3],
        "layers": [4],
        "preprocessing": "log_and_sign_smooth",
        "preprocessing_options": {"p": 7.0},
        "initializer": 0.3,
        "seed": 3,
    },
    "vectorwise": {
        "rule": "vectorwise",
        "size": 3,
        "layers": [6, 5],
        "preprocessing": "clamp",
        "dtype": "float64",
    },
}


def _rule(**options) -> learned.CoordinatewiseDeepLSTM:
    options = {"layers": (5, 4), "initializer": 0.5} | options
    return learned.CoordinatewiseDeepLSTM(**options)


def _gradients(step: int, *shapes, dtype=tf.float32) -> list[tf.Tensor]:
    return [
        tf.random.stateless_normal(shape, [step, index], dtype=dtype)
        for index, shape in enumerate(shapes)
    ]


def _run(rule: base.UpdateRule, sequence) -> list[list[tf.Tensor]]:
    """The updates that a rule answers a sequence of gradients with."""
    state, answers = rule.initial_state(sequence[0]), []
    for gradients in sequence:
        updates, state = rule(gradients, state)
        answers.append(updates)
    return answers


def test_updates_do_not_depend_on_the_order_of_coordinates():
    sequence = [_gradients(step, [12]) for step in range(4)]
    order = np.random.default_rng(0).permutation(12)
    permuted = [[tf.gather(g, order)] for [g] in sequence]
    rule = _rule()
    for [update], [other] in zip(
        _run(rule, sequence), _run(rule, permuted), strict=True
    ):
        np.testing.assert_allclose(
            tf.gather(update, order), other, rtol=1e-5, atol=1e-8
        )


def test_updates_do_not_depend_on_the_split_into_parameters():
    shapes = [(3, 2), (), (5,)]
    parts = [_gradients(step, *shapes) for step in range(4)]
    whole = [[tf.concat([tf.reshape(g, [-1]) for g in p], 0)] for p in parts]
    rule = _rule()
    for updates, [expected] in zip(
        _run(rule, parts), _run(rule, whole), strict=True
    ):
        assert [u.shape for u in updates] == list(map(tuple, shapes))
        joined = tf.concat([tf.reshape(u, [-1]) for u in updates], 0)
        np.testing.assert_allclose(joined, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("config", "shape", "one", "together"),
    [
        ({"rule": "coordinatewise"}, (3, 4), (1, 2), (1, 2)),
        (
            {"rule": "kernelwise", "kernel_shape": [2, 3]},
            (2, 3, 4, 5),
            (1, 2, 3, 0),
            (slice(None), slice(None), 3, 0),
        ),
        ({"rule": "vectorwise", "size": 4}, (2, 3, 4), (1, 2, 3), (1, 2)),
    ],
)
def test_a_gradient_changes_the_updates_of_its_column_alone(
    config, shape, one, together
):
    rule = registry.make_rule({**config, "layers": [5], "initializer": 0.5})
    gradient = _gradients(0, shape)[0].numpy()
    changed = gradient.copy()
    changed[one] += 1.0
    updates = [_run(rule, [[tf.constant(g)]] * 2) for g in (gradient, changed)]
    expected = np.zeros(shape, bool)
    expected[together] = True
    for [update], [other] in zip(*updates, strict=True):
        np.testing.assert_array_equal(update != other, expected)


def test_an_update_is_the_scaled_network_of_the_preprocessed_gradient():
    rule = _rule(
        scale=0.25, preprocessing="log_and_sign", preprocessing_options={"p": 3}
    )
    [gradient] = _gradients(0, [7])
    [[update]] = _run(rule, [[gradient]])
    features = preprocessing.LogAndSign(p=3)(gradient[tf.newaxis])
    outputs, _ = rule.network(features, rule.network.initial_state(7))
    np.testing.assert_allclose(update, 0.25 * outputs[0], rtol=1e-5, atol=1e-8)


def test_without_layers_the_rule_is_linear():
    rule = _rule(layers=(), preprocessing="identity", scale=-0.5)
    [weight], [bias] = rule.network.weights, rule.network.biases
    bias.assign([[3.0]])
    [gradient] = _gradients(0, [2, 3])
    [[first], [second]] = _run(rule, [[gradient], [gradient]])
    expected = -0.5 * (weight * gradient + 3.0)
    np.testing.assert_allclose(first, expected, rtol=1e-6)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", preprocessing.PREPROCESSING.names())
def test_eager_and_graph_updates_are_bit_identical(name):
    rule = _rule(preprocessing=name)
    sequence = [_gradients(step, [40], []) for step in range(5)]
    graph = tf.function(lambda: _run(rule, sequence), autograph=False)()
    tf.nest.map_structure(
        np.testing.assert_array_equal, _run(rule, sequence), graph
    )


def test_a_scalar_parameter_is_one_coordinate():
    rule = _rule()
    [[scalar]] = _run(rule, [[tf.constant(0.5)]])
    [[vector]] = _run(rule, [[tf.constant([0.5])]])
    assert scalar.shape == ()
    np.testing.assert_array_equal(scalar, vector[0])


def test_float64_is_float64_throughout():
    rule = _rule(dtype="float64")
    [gradient] = _gradients(0, [3], dtype=tf.float64)
    state = rule.initial_state([gradient])
    [update], state = rule([gradient], state)
    for tensor in (update, *state, *rule.trainable_variables):
        assert tensor.dtype == tf.float64
    # A difference that float32 does not see.
    [nudged], _ = rule([gradient * (1 + 1e-12)], rule.initial_state([gradient]))
    assert np.all(update != nudged)


def test_float64_constants_are_not_rounded():
    # The network's output is its bias, 1.
    rule = _rule(layers=(), initializer="zeros", scale=0.1, dtype="float64")
    rule.network.biases[0].assign([[1.0]])
    [[update]] = _run(rule, [[tf.constant(1.0, tf.float64)]])
    assert float(update) == 0.1


@pytest.mark.parametrize("name", _CONFIGS)
def test_a_configuration_rebuilds_the_same_rule(name):
    rule = registry.make_rule(_CONFIGS[name])
    config = rule.config()
    assert _CONFIGS[name].items() <= config.items()
    again = registry.make_rule(json.loads(json.dumps(config)))
    assert again.config() == config
    sequence = [_gradients(step, (2, 3, 4, 3)) for step in range(2)]
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        _run(rule, sequence),
        _run(again, sequence),
    )


def test_configurations_from_before_inputs_and_outputs_rebuild():
    """Saved optimizers hold these keys, and no others."""
    old = {
        "rule": "coordinatewise",
        "layers": [20, 20],
        "preprocessing": "log_and_sign",
        "preprocessing_options": {},
        "scale": 0.1,
        "initializer": "default",
        "seed": 0,
        "dtype": "float32",
    }
    assert registry.make_rule(old).config() == {
        **old,
        "inputs": "gradient",
        "inputs_options": {},
        "outputs": "raw",
        "outputs_options": {},
        "averaging_cells": [0, 0],
        "frame": "absolute",
        "skip": False,
    }
    state = registry.make_rule(old).initial_state([tf.zeros([3])])
    assert [tuple(tensor.shape) for tensor in state] == [(20, 3)] * 4


def test_inputs_and_outputs_are_options():
    rule = _rule(
        inputs="rnnprop",
        inputs_options={"beta_1": 0.5},
        outputs="rms",
        outputs_options={"size": 0.01},
        preprocessing="identity",
    )
    assert rule.network.weights[0].shape == (20, 2 + 5)
    sequence = [_gradients(step, (2, 3), (4,)) for step in range(3)]
    for updates in _run(rule, sequence):
        for update in updates:
            assert np.sqrt(np.mean(np.square(update))) == pytest.approx(0.01)
    again = registry.make_rule(json.loads(json.dumps(rule.config())))
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        _run(rule, sequence),
        _run(again, sequence),
    )


@pytest.mark.parametrize(
    ("config", "description", "numbers"),
    [
        ({}, "[20, 20] on every coordinate", 80),
        (
            {"rule": "kernelwise", "kernel_shape": [2, 3], "layers": [4]},
            "[4] on every 2 x 3 kernel",
            8,
        ),
        (
            {"rule": "vectorwise", "size": 5, "layers": []},
            "[] on every vector of length 5",
            0,
        ),
    ],
)
def test_a_description_says_what_a_column_is(config, description, numbers):
    assert registry.make_rule(config).describe() == (
        f"An LSTM with layers {description}; numbers of state for each: "
        f"{numbers}."
    )


def test_the_seed_decides_the_weights():
    first, again, other = (
        _rule(seed=seed).network.weights[0].numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)


def test_all_weights_are_trainable_and_get_gradients():
    rule = _rule()
    with tf.GradientTape() as tape:
        updates = _run(rule, [_gradients(step, [4]) for step in range(3)])
        total = tf.add_n([tf.reduce_sum(u) for [u] in updates])
    gradients = tape.gradient(total, rule.trainable_variables)
    assert len(gradients) == 6
    for gradient in gradients:
        assert np.all(np.abs(gradient) > 0)


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1e39, "float32"), (-1e5, "float16"), (1e300, "bfloat16")],
)
def test_a_scale_that_the_type_does_not_hold_is_refused(scale, dtype):
    with pytest.raises(ValueError, match=f"scale must be .* {dtype} holds"):
        _rule(scale=scale, dtype=dtype)


@pytest.mark.parametrize("layers", [[0], [-1], [2.5], [4, 0]])
def test_layers_that_are_no_sizes_are_refused(layers):
    with pytest.raises(ValueError, match="layers must be .* received"):
        _rule(layers=layers)
