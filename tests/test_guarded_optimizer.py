"""Tests of l2l_tf/keras_optimizers/guarded_optimizer.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import LearnedOptimizer
from l2l_tf.keras_optimizers import guarded_optimizer

GuardedOptimizer = guarded_optimizer.GuardedOptimizer

INPUTS = np.random.RandomState(0).randn(32, 3).astype("float32")
TARGETS = INPUTS @ np.array([[1.0], [-2.0], [0.5]], "float32")


def _model(optimizer, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse", **options)
    return model


def _fit(model, epochs):
    return model.fit(
        INPUTS, TARGETS, batch_size=32, epochs=epochs, shuffle=False, verbose=0
    ).history["loss"]


def _diverging():
    return keras.optimizers.SGD(30.0)


def _converging():
    return keras.optimizers.SGD(0.1)


@pytest.mark.parametrize(
    "options",
    [{}, {"jit_compile": True}, {"run_eagerly": True}],
)
def test_diverging_optimizer_is_replaced_from_the_best_point(options):
    optimizer = GuardedOptimizer(_diverging(), _converging())
    model = _model(optimizer, **options)
    losses = _fit(model, 1)
    assert not optimizer.fell_back
    losses += _fit(model, 12)
    assert optimizer.fell_back
    switched = np.argmax(np.array(losses[1:]) == losses[0]) + 1
    # The first loss was the best: its parameters are back.
    reference = _model(_converging())
    reference.build(INPUTS.shape)
    np.testing.assert_allclose(
        losses[switched:], _fit(reference, 13 - switched), rtol=1e-4
    )


def test_descending_optimizer_goes_on():
    guarded = GuardedOptimizer(_converging(), _diverging())
    ours, alone = _model(guarded), _model(_converging())
    np.testing.assert_allclose(_fit(ours, 20), _fit(alone, 20), rtol=1e-5)
    assert not guarded.fell_back
    assert int(guarded.iterations.numpy()) == 20


def test_stalled_optimizer_is_replaced():
    optimizer = GuardedOptimizer(
        keras.optimizers.SGD(0.0), _converging(), {"stall": 5}
    )
    losses = _fit(_model(optimizer), 30)
    assert optimizer.fell_back and losses[-1] < 0.1 * losses[0]


def test_own_loop_passes_the_loss():
    optimizer = LearnedOptimizer("digits", fallback=_converging())
    variable = keras.Variable(tf.ones([3]))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = optimizer.scale_loss(tf.reduce_sum(variable.value**2))
        optimizer.apply([tape.gradient(loss, variable.value)], [variable])

    for _ in range(200):
        step()
    assert np.all(np.abs(variable.numpy()) < 0.05)


def test_loss_that_nobody_passed_is_an_error():
    optimizer = GuardedOptimizer(_converging(), _converging())
    with pytest.raises(ValueError, match="scale_loss"):
        optimizer.apply([tf.ones([2])], [keras.Variable(tf.ones([2]))])


@pytest.mark.parametrize("epochs", [2, 20])
def test_file_resumes_on_the_same_trajectory(epochs, tmp_path):
    optimizer = LearnedOptimizer(
        "digits", learning_rate=30.0, fallback=_converging()
    )
    model = _model(optimizer)
    _fit(model, epochs)
    assert optimizer.fell_back == (epochs == 20)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert restored.optimizer.get_config() == optimizer.get_config()
    assert restored.optimizer.fell_back == optimizer.fell_back
    assert _fit(restored, 3) == _fit(model, 3)


def test_learning_rate_is_that_of_the_main_optimizer():
    optimizer = GuardedOptimizer(_converging(), _diverging())
    optimizer.learning_rate = 0.25
    assert optimizer.optimizer.learning_rate.numpy() == 0.25
    assert optimizer.learning_rate.numpy() == 0.25


def test_loss_scale_reaches_both():
    results = []
    for factor in (None, 16.0):
        main = keras.optimizers.SGD(30.0, loss_scale_factor=factor)
        model = _model(GuardedOptimizer(main, _converging()))
        results.append(_fit(model, 20))
    np.testing.assert_allclose(*results, rtol=1e-4)


@pytest.mark.parametrize(
    "limits, quoted",
    [
        ({"nonesuch": 1}, "nonesuch"),
        ({"stall": "long"}, "long"),
        ({"factor": -1}, "-1"),
        ({"smoothing": 1.0}, "1.0"),
    ],
)
def test_bad_limits_are_quoted(limits, quoted):
    with pytest.raises(ValueError, match=quoted):
        GuardedOptimizer(_converging(), _converging(), limits)


def test_what_is_no_optimizer_is_quoted():
    with pytest.raises(ValueError, match="'adam'"):
        LearnedOptimizer("digits", fallback="adam")
