"""Tests of l2l_tf/keras_optimizers/routed_optimizer.py."""

import keras
import numpy as np
import pytest

from l2l_tf import LearnedOptimizer
from l2l_tf.keras_optimizers import routed_optimizer

RoutedOptimizer = routed_optimizer.RoutedOptimizer

INPUTS = np.random.RandomState(0).randn(32, 3).astype("float32")
TARGETS = INPUTS[:, :1] * INPUTS[:, 1:2]


def _model(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Dense(4, activation="tanh", name="first"),
            keras.layers.Dense(1, name="second"),
        ]
    )
    model.build((None, 3))
    model.compile(optimizer, loss="mse")
    return model


def _fit(model, epochs=3):
    return model.fit(
        INPUTS, TARGETS, epochs=epochs, shuffle=False, verbose=0
    ).history["loss"]


def _sgd(rate=0.1):
    return keras.optimizers.SGD(rate)


def test_first_pattern_counts(exported):
    optimizer = LearnedOptimizer(
        {"first": _sgd(0.0), "kernel": str(exported), ".*": _sgd()}
    )
    model = _model(optimizer)
    before = [v.numpy() for v in model.trainable_variables]
    _fit(model)
    moved = [
        not np.array_equal(v.numpy(), b)
        for v, b in zip(model.trainable_variables, before, strict=True)
    ]
    assert moved == [False, False, True, True]
    learned = optimizer.optimizers[1]
    assert isinstance(learned, LearnedOptimizer)
    assert sum(v.shape[-1] for v in learned.state[:1]) == 4


def test_routes_to_one_kind_are_that_kind():
    routed = _model(RoutedOptimizer({"first": _sgd(), ".*": _sgd()}))
    np.testing.assert_allclose(_fit(routed), _fit(_model(_sgd())), rtol=1e-5)


def test_variables_without_a_route_are_listed(exported):
    model = _model(LearnedOptimizer({"first/kernel": str(exported)}))
    with pytest.raises(ValueError, match="first/bias.*second/kernel"):
        _fit(model)


def test_other_arguments_go_to_the_learned_optimizers(exported):
    optimizer = LearnedOptimizer(
        {"kernel": str(exported), ".*": _sgd()},
        learning_rate=0.5,
        state_dtype="bfloat16",
        name="mine",
    )
    learned, sgd = optimizer.optimizers
    assert float(learned.learning_rate) == 0.5
    assert learned.state_dtype == "bfloat16"
    assert np.isclose(float(sgd.learning_rate), 0.1)
    assert optimizer.name == "mine"


def test_file_resumes_on_the_same_trajectory(exported, tmp_path):
    model = _model(LearnedOptimizer({"first": str(exported), ".*": _sgd()}))
    _fit(model)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(restored.optimizer, RoutedOptimizer)
    assert restored.optimizer.get_config() == model.optimizer.get_config()
    assert _fit(restored) == _fit(model)


@pytest.mark.parametrize(
    "routes, quoted",
    [
        ({}, "{}"),
        ({"(": keras.optimizers.SGD()}, "'\\('"),
        ({".*": 3}, "received 3"),
        ({".*": RoutedOptimizer({".*": keras.optimizers.SGD()})}, "Routed"),
        (
            {".*": LearnedOptimizer("digits", fallback=keras.optimizers.SGD())},
            "around the routes",
        ),
    ],
)
def test_bad_routes_are_quoted(routes, quoted):
    with pytest.raises(ValueError, match=quoted):
        LearnedOptimizer(routes)


@pytest.mark.parametrize("fallback", [None, _sgd()])
def test_callbacks_reach_each_learning_rate(fallback, exported, tmp_path):
    optimizer = LearnedOptimizer(
        {"first": str(exported), ".*": _sgd()}, fallback=fallback
    )
    model = _model(optimizer)
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate),
        keras.callbacks.TensorBoard(tmp_path),
    ]
    model.fit(INPUTS, TARGETS, verbose=0, callbacks=callbacks)
    rates = [float(o.learning_rate) for o in optimizer.optimizers]
    np.testing.assert_allclose(rates, [0.5, 0.05], rtol=1e-6)


def test_describe_tells_of_each_route():
    text = LearnedOptimizer({"kernel": "digits", ".*": _sgd()}).describe()
    assert "'kernel': digits" in text and "'.*': sgd" in text.lower()


def test_an_optimizer_serves_one_pattern():
    sgd = _sgd()
    with pytest.raises(ValueError, match="of its own"):
        RoutedOptimizer({"a": sgd, "b": sgd})
