"""Tests of l2l_tf/keras_optimizers/general_part.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import LearnedOptimizer
from l2l_tf.keras_optimizers import general_part
from l2l_tf.keras_optimizers import memory
from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer

SHAPES = [[3], [2, 2], [1]]
NAMES = ["v0", "v1", "v2"]


@pytest.fixture(
    scope="module",
    params=["couples tensors", "by hand", "memory", "averages", "scheduled"],
)
def path(request, tmp_path_factory):
    """Returns the folder of an optimizer that is not made of columns alone."""
    if request.param == "by hand":
        # Adam on all variables but the last, whose rule has to be learned.
        routes = {"bias|v0|v1": {"rule": "adam", "learning_rate": 0.1}}
        config = {"rule": "routed", "routes": {**routes, ".*": {"layers": [2]}}}
    elif request.param == "memory":
        config = {
            "rule": "ntm-bfgs",
            "layers": [3],
            "averaging_cells": 1,
            "frame": "relative",
        }
    elif request.param == "scheduled":
        of = {"layers": [3], "inputs": "rms_and_rnnprop", "outputs": "rms"}
        config = {"rule": "scheduled", "of": of, "horizon": 4}
    elif request.param == "averages":
        config = {"rule": "coordinatewise", "layers": [3], "averaging_cells": 1}
    else:
        config = {
            "rule": "coordinatewise",
            "layers": [3],
            "inputs": "rnnprop",
            "outputs": "rms",
        }
    path = tmp_path_factory.mktemp("general") / "rule"
    return saved_optimizer.export(registry.make_rule(config), path, {})


def _variables():
    return [
        keras.Variable(tf.ones(shape), name=name)
        for name, shape in zip(NAMES, SHAPES, strict=True)
    ]


def _gradients(seed):
    return [
        tf.random.stateless_normal(shape, [seed, index])
        for index, shape in enumerate(SHAPES)
    ]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_follows_the_rule(jit_compile, path):
    variables, optimizer = _variables(), LearnedOptimizer(path, 0.5)
    assert isinstance(optimizer.rule_parts[0], general_part.GeneralPart)
    optimizer.build(variables)
    step = tf.function(
        lambda *gradients: optimizer.apply(gradients, variables),
        jit_compile=jit_compile,
    )
    params = [tf.ones(shape) for shape in SHAPES]
    rule = saved_optimizer.load(path).bind(NAMES)
    state = rule.initial_state(params)
    for seed in range(4):
        step(*_gradients(seed))
        updates, state = rule(_gradients(seed), state)
        params = [p + 0.5 * u for p, u in zip(params, updates, strict=True)]
    for ours, expected in zip(variables, params, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(params[0], 1)
    assert optimizer.diagnostics["update_norm"] > 0


def test_bad_and_missing_gradients_change_nothing_that_they_are_not_of(path):
    variables, optimizer = _variables(), LearnedOptimizer(path)
    optimizer.apply(_gradients(0), variables)
    tracked = [*variables, *optimizer.state]
    before = [v.numpy() for v in tracked]
    bad = [gradient * np.nan for gradient in _gradients(1)]
    with pytest.warns(UserWarning, match="not finite"):
        optimizer.apply(bad, variables)
    for variable, value in zip(tracked, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([None, *_gradients(2)[1:]], variables)
    np.testing.assert_array_equal(variables[0], before[0])
    assert np.any(variables[1].numpy() != before[1])


def test_file_resumes_on_the_same_trajectory(path, tmp_path):
    inputs = np.random.RandomState(0).randn(32, 3).astype("float32")

    def fit(model):
        return model.fit(
            inputs, inputs[:, :1], shuffle=False, verbose=0, epochs=2
        ).history["loss"]

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(1)])
    model.compile(LearnedOptimizer(path), "mse")
    fit(model)
    model.save(tmp_path / "model.keras")
    assert fit(keras.models.load_model(tmp_path / "model.keras")) == fit(model)


def test_a_model_that_xla_compiles_whole_builds_the_state_itself():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build([4, 3])
    model.compile(LearnedOptimizer("quadratic-gac"), "mse", jit_compile=True)
    inputs = np.ones([4, 3], np.float32)
    model.fit(inputs, inputs[:, :1], verbose=0)
    assert int(model.optimizer.iterations) == 1
    assert any(np.any(variable) for variable in model.optimizer.state)


def test_schedules_follow_the_steps_that_training_will_take(tmp_path):
    of = {"rule": "sgd", "learning_rate": 1.0}
    lstm = {"rule": "scheduled", "of": {"layers": [2]}, "horizon": 100}
    config = {"rule": "scheduled", "of": of, "learning_rate": 0.5}
    rule = registry.make_rule(
        {"rule": "routed", "routes": {"v0": config, ".*": lstm}}
    )
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    optimizer = LearnedOptimizer(path, steps=4)
    assert LearnedOptimizer.from_config(optimizer.get_config()).steps == 4
    variables, moved = _variables()[:2], []
    for _ in range(5):
        before = variables[0].numpy()
        optimizer.apply([tf.ones([3]), tf.ones([2, 2])], variables)
        moved.append(float(before[0] - variables[0].numpy()[0]))
    cosines = [(1 + np.cos(np.pi * t / 4)) / 2 for t in range(5)]
    np.testing.assert_allclose(moved, 0.5 * np.array(cosines), atol=1e-6)
    with pytest.raises(ValueError, match="steps.*0"):
        LearnedOptimizer(path, steps=0)


def test_restored_state_follows_the_steps_that_are_told_now(tmp_path):
    of = {"rule": "sgd", "learning_rate": 1.0}
    routes = {"v0": {"rule": "scheduled", "of": of}, ".*": {"layers": [2]}}
    rule = registry.make_rule({"rule": "routed", "routes": routes})
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    first, second = (
        LearnedOptimizer(path, steps=4),
        LearnedOptimizer(path, steps=400),
    )
    variables = _variables()
    for optimizer in (first, second):
        optimizer.build(variables)
    first.apply(_gradients(0), variables)
    for ours, saved in zip(second.variables, first.variables, strict=True):
        ours.assign(saved)
    before = variables[0].numpy()
    second.apply([tf.ones(shape) for shape in SHAPES], variables)
    expected = 0.003 * (1 + np.cos(np.pi / 400)) / 2
    np.testing.assert_allclose(
        before - variables[0].numpy(), expected, rtol=1e-4
    )


def test_what_has_no_gradient_stays_where_it_is(tmp_path):
    of = {"layers": [3], "inputs": "rms_and_rnnprop", "outputs": "rms"}
    of["initializer"] = 0.5
    rule = registry.make_rule({"rule": "scheduled", "of": of})
    path = saved_optimizer.export(rule, tmp_path / "rule", {})
    optimizer = LearnedOptimizer(path, steps=50)
    assert optimizer.steps == 50
    with pytest.raises(AttributeError):
        optimizer.steps = 60
    table, unused = keras.Variable(tf.ones([4, 2])), keras.Variable([1.0, 1.0])
    for seed in range(5):
        slices = tf.IndexedSlices(
            tf.random.stateless_normal([1, 2], [seed, 0]), [1], [4, 2]
        )
        optimizer.apply([slices, tf.zeros([2])], [table, unused])
    np.testing.assert_array_equal(unused, [1.0, 1.0])
    np.testing.assert_array_equal(tf.gather(table, [0, 2, 3]), tf.ones([3, 2]))
    assert np.all(table.numpy()[1] != 1.0)


def test_another_type_of_state_is_warned_of(path):
    optimizer = LearnedOptimizer(path, state_dtype="bfloat16")
    with pytest.warns(UserWarning, match="keeps its state in its own types"):
        optimizer.build(_variables())


def test_a_state_that_does_not_fit_is_refused_before_it_is_made(
    path, monkeypatch
):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10)
    with pytest.raises(ValueError, match="parameters needs .* of state"):
        LearnedOptimizer(path).build(_variables())
