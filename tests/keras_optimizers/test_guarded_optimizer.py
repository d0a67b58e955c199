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


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_start_is_the_best_point_if_the_first_loss_is_not_finite(run_eagerly):
    model = _model(GuardedOptimizer(_converging(), _converging()))
    model.build(INPUTS.shape)
    model.run_eagerly = run_eagerly
    before = [v.numpy() for v in model.trainable_variables]
    model.train_on_batch(INPUTS, np.nan * TARGETS)
    assert model.optimizer.fell_back
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_moving_statistics_return_to_the_best_point_on_demand():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.build(INPUTS.shape)
    optimizer = GuardedOptimizer(keras.optimizers.SGD(1e8), _converging())
    optimizer.also_restore(model.non_trainable_variables)
    model.compile(optimizer, loss="mse")
    _fit(model, 60)
    assert optimizer.fell_back
    assert np.all(np.isfinite(layers[1].moving_variance.numpy()))
    assert model.evaluate(INPUTS, TARGETS, verbose=0) < 1
    with pytest.raises(ValueError, match="before training"):
        optimizer.also_restore(model.non_trainable_variables)


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


def test_learning_rate_is_that_of_the_optimizer_at_work():
    optimizer = GuardedOptimizer(_diverging(), keras.optimizers.SGD(0.125))
    model = _model(optimizer)
    assert float(optimizer.learning_rate) == 30
    schedule = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: 0.0 if epoch == 25 else rate
    )
    options = {"batch_size": 32, "verbose": 0, "callbacks": [schedule]}
    model.fit(INPUTS, TARGETS, epochs=25, **options)
    assert optimizer.fell_back and float(optimizer.learning_rate) == 0.125
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(INPUTS, TARGETS, epochs=26, initial_epoch=25, **options)
    assert float(optimizer.fallback.learning_rate) == 0
    assert float(optimizer.optimizer.learning_rate) == 30
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


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
        ({"improvement": 2.0}, "2.0"),
        ({"patience": 0}, "0"),
    ],
)
def test_bad_limits_are_quoted(limits, quoted):
    with pytest.raises(ValueError, match=quoted):
        GuardedOptimizer(_converging(), _converging(), limits)


@pytest.mark.parametrize("devices", [["CPU:0"]])
def test_strategy_is_refused_by_name(devices):
    with tf.distribute.MirroredStrategy(devices).scope():
        with pytest.raises(ValueError, match="MirroredStrategy"):
            GuardedOptimizer(_converging(), _converging())


def test_automatic_loss_scale_and_factors_that_differ_are_refused():
    scaled = keras.optimizers.LossScaleOptimizer(_converging())
    with pytest.raises(ValueError, match="LossScaleOptimizer"):
        GuardedOptimizer(scaled, _converging())
    fallback = keras.optimizers.SGD(0.1, loss_scale_factor=4.0)
    with pytest.raises(ValueError, match="4.0"):
        GuardedOptimizer(_converging(), fallback)


def test_mixed_float16_needs_a_loss_scale_that_is_seen():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _model(GuardedOptimizer(_diverging(), _converging()))
        with pytest.raises(ValueError, match="auto_scale_loss"):
            _fit(model, 1)
        main = keras.optimizers.SGD(30.0, loss_scale_factor=64.0)
        model = _model(
            GuardedOptimizer(main, _converging()), auto_scale_loss=False
        )
        losses = _fit(model, 30)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.optimizer.fell_back and losses[-1] < 0.1 * losses[0]


def test_describe_tells_of_both():
    optimizer = LearnedOptimizer("digits", fallback=_converging())
    text = optimizer.describe()
    assert "Trained on digits" in text and "Fallback: sgd" in text.replace(
        "SGD", "sgd"
    )


def test_checkpoint_resumes_on_the_same_trajectory(tmp_path):
    model = _model(GuardedOptimizer(_diverging(), _converging()))
    _fit(model, 20)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(
        str(tmp_path / "checkpoint")
    )
    restored = _model(GuardedOptimizer(_diverging(), _converging()))
    _fit(restored, 1)
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).restore(
        path
    ).assert_consumed()
    assert restored.optimizer.fell_back
    assert _fit(restored, 3) == _fit(model, 3)


def test_what_is_no_optimizer_is_quoted():
    with pytest.raises(ValueError, match="adam"):
        LearnedOptimizer("digits", fallback="adam")
