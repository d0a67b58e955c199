"""Tests of what all problems promise, l2l_tf/problems/base.py."""

import functools

import keras
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import base
from l2l_tf.problems import keras_model
from l2l_tf.problems import registry
from l2l_tf.problems import sonnet_model

_OPTIONS = {
    "simple": {"dtype": "float64"},
    "simple-multi": {"dtype": "float64"},
    "quadratic": {"num_functions": 3, "num_dims": 4, "dtype": "float64"},
    "digits": {"hidden_layers": [3], "batch_size": 8, "dtype": "float64"},
    "ensemble": {
        "problems": [
            {"problem": "simple"},
            {"problem": "digits", "hidden_layers": [], "batch_size": 8},
        ]
    },
}
_NAMES = [*_OPTIONS, "from_keras", "from_sonnet"]


@functools.cache
def _problem(name: str) -> base.Problem:
    if name in _OPTIONS:
        return registry.make_problem(name, **_OPTIONS[name])
    rng = np.random.default_rng(0)
    data = rng.normal(size=(60, 4)), rng.normal(size=(60, 1))
    if name == "from_sonnet":
        return sonnet_model.from_sonnet(
            lambda: snt.nets.MLP([3, 1], dropout_rate=0.5),
            "mean_squared_error",
            data,
            batch_size=8,
        )
    return keras_model.from_keras(
        lambda: keras.Sequential(
            [
                keras.Input([4]),
                keras.layers.Dense(3),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        ),
        "mse",
        data,
        batch_size=8,
    )


def _draw(problem: base.Problem, seed: tf.Tensor) -> dict[str, base.Nest]:
    """Everything that a problem draws, and its loss."""
    task = problem.sample_task(randomness.stream(seed, "task"))
    params = problem.initial_params(task, randomness.stream(seed, "params"))
    state = problem.initial_model_state(task, randomness.stream(seed, "state"))
    batch = problem.sample_batch(task, randomness.stream(seed, "batch"))
    return {
        "task": task,
        "params": params,
        "state": state,
        "batch": batch,
        "loss": problem.loss(
            params, state, task, batch, randomness.stream(seed, "loss")
        ),
    }


def _seed(index: int) -> tf.Tensor:
    return randomness.run_seed(0, "train", index)


@pytest.mark.parametrize("name", _NAMES)
def test_the_same_seed_gives_the_same_draw(name):
    problem = _problem(name)
    _draw(problem, _seed(1))  # No hidden state moves on.
    first, again = (_draw(problem, _seed(0)) for _ in range(2))
    tf.nest.map_structure(np.testing.assert_array_equal, first, again)


@pytest.mark.parametrize("name", _NAMES)
def test_a_graph_draws_the_same(name):
    problem = _problem(name)
    eager = _draw(problem, _seed(0))
    graph = tf.function(lambda seed: _draw(problem, seed))(_seed(0))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), eager, graph
    )


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("quadratic", ["task", "params"]),
        ("digits", ["params", "batch"]),
        ("ensemble", ["params", "batch"]),
        ("from_keras", ["params", "state", "batch"]),
        ("from_sonnet", ["params", "batch"]),
    ],
)
def test_another_seed_gives_another_draw(name, kinds):
    first, other = (_draw(_problem(name), _seed(index)) for index in range(2))
    for kind in [*kinds, "loss"]:
        different = [
            np.any(a != b)
            for a, b in zip(
                tf.nest.flatten(first[kind]),
                tf.nest.flatten(other[kind]),
                strict=True,
            )
        ]
        assert any(different), kind


@pytest.mark.parametrize("name", _NAMES)
def test_a_loss_tells_the_next_state_and_metrics(name):
    draw = _draw(_problem(name), _seed(0))
    outcome = draw["loss"]
    assert isinstance(outcome, base.Outcome)
    tf.nest.map_structure(
        lambda before, after: after.shape.assert_is_compatible_with(
            before.shape
        ),
        draw["state"],
        outcome.model_state,
    )
    metrics = {"digits": {"accuracy"}, "ensemble": {"problem_1/accuracy"}}
    assert set(outcome.metrics) == metrics.get(name, set())


@pytest.mark.parametrize("name", _NAMES)
def test_every_parameter_has_a_name_of_its_own(name):
    problem = _problem(name)
    names = problem.parameter_names
    assert len(set(names)) == len(names)
    assert len(names) == len(_draw(problem, _seed(0))["params"])


@pytest.mark.parametrize("name", _NAMES)
def test_with_split_leaves_the_original_as_it_is(name):
    problem = _problem(name)
    other = problem.with_split("test")
    assert (problem.split, other.split) == ("train", "test")
    assert other.parameter_names == problem.parameter_names
    # What is drawn from the seed alone does not depend on the split.
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        _draw(problem, _seed(0))["params"],
        _draw(other, _seed(0))["params"],
    )
    with pytest.raises(ValueError, match="'validation'.*'nope'"):
        problem.with_split("nope")


@pytest.mark.parametrize(
    "name", ["simple-multi", "quadratic", "digits", "from_sonnet"]
)
def test_gradients_are_those_of_the_loss(name):
    problem = _problem(name)
    draw = _draw(problem, _seed(0))
    params, rest = draw["params"], (draw["state"], draw["task"], draw["batch"])

    def total(params):
        return tf.reduce_sum(problem.loss(params, *rest, _seed(0)).loss)

    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = total(params)
    for index, gradient in enumerate(tape.gradient(loss, params)):
        direction = tf.random.stateless_normal(
            gradient.shape, [index, 0], dtype=tf.float64
        )

        def along(step, index=index, direction=direction):
            moved = list(params)
            moved[index] = params[index] + step * direction
            return float(total(moved))

        difference = (along(1e-5) - along(-1e-5)) / 2e-5
        expected = float(tf.reduce_sum(gradient * direction))
        assert difference == pytest.approx(expected, rel=1e-6)
