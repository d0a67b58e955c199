"""Tests of l2l_tf/keras_optimizers/guard.py."""

import functools
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import LearnedOptimizer
from tests.keras_optimizers import fitting

INPUTS = np.random.RandomState(0).randn(32, 3).astype("float32")
TARGETS = INPUTS @ np.array([[1.0], [-2.0], [0.5]], "float32")
SHORT = {"steps": 4}  # Two steps each, and two more where that is not enough.


def _model(optimizer, jit_compile=False, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build(INPUTS.shape)
    model.compile(optimizer, loss="mse", jit_compile=jit_compile, **options)
    return model


def _fit(model, epochs, **options):
    history = fitting.fit(model, INPUTS, TARGETS, epochs, **options).history
    return history["loss"]


def _guarded(main, fallback, trial=SHORT, **options):
    """Returns a guard around any two optimizers."""
    return LearnedOptimizer(
        {".*": main}, fallback=fallback, trial=trial, **options
    )


def _diverging():
    return keras.optimizers.SGD(30.0)


def _converging():
    return keras.optimizers.SGD(0.1)


def _values(model):
    return [v.numpy() for v in model.trainable_variables]


@functools.cache
def _trajectory(steps):
    """Returns the converging kernel before each step, and after the last."""
    model, kernels = _model(_converging()), []
    for _ in range(steps):
        kernels.append(_values(model)[0])
        _fit(model, 1)
    return [*kernels, _values(model)[0]]


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize("epochs", [3, 12])
def test_weights_that_are_loaded_are_those_that_go_on(
    epochs, is_built, tmp_path
):
    model = _model(_guarded(_diverging(), _converging()))
    _fit(model, epochs)
    assert model.optimizer.fell_back == (epochs == 12)
    model.save_weights(tmp_path / "model.weights.h5")
    restored = _model(_guarded(_diverging(), _converging()))
    if is_built:
        restored.optimizer.build(restored.trainable_variables)
        restored.load_weights(tmp_path / "model.weights.h5")
        assert _fit(restored, 20) == _fit(model, 20)
    else:
        with pytest.warns(UserWarning, match="Skipping variable loading"):
            restored.load_weights(tmp_path / "model.weights.h5")
        assert np.all(_values(restored)[0] == _values(model)[0])
        _fit(restored, 20)
    for loaded in _values(restored):
        assert np.all(np.isfinite(loaded)) and np.all(loaded != 0)
    assert _fit(restored, 1)[0] < 1.0


@pytest.mark.parametrize(
    "options",
    [{"jit_compile": "auto"}, {"jit_compile": True}, {"run_eagerly": True}],
)
def test_runs_take_turns_and_the_better_one_goes_on(options):
    model = _model(_guarded(_diverging(), _converging()), **options)
    losses = _fit(model, 3)
    assert not model.optimizer.fell_back
    losses += _fit(model, 11)
    assert model.optimizer.fell_back
    diverging = _fit(_model(_diverging()), 2)
    np.testing.assert_allclose(
        losses, [*diverging, *_fit(_model(_converging()), 12)], rtol=1e-4
    )


def test_better_learned_run_goes_on_where_it_was():
    guarded = _guarded(_converging(), keras.optimizers.SGD(0.0))
    losses = _fit(_model(guarded), 20)
    alone = _fit(_model(_converging()), 16)
    still = [alone[0]] * 2
    expected = [*alone[:2], *still, *alone[2:4], *still, *alone[4:]]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert not guarded.fell_back
    assert int(guarded.iterations.numpy()) == 20


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("is_first", [False, True])
def test_fit_that_ends_amid_the_comparison_leaves_the_better_run(
    is_first, steps
):
    better, worse = _converging(), keras.optimizers.SGD(0.0)
    main, fallback = (better, worse) if is_first else (worse, better)
    trial = {"steps": 4, "clear": 100.0, "obvious": 100.0, "price": 100.0}
    model = _model(_guarded(main, fallback, trial))
    _fit(model, steps)
    # Turns are of two steps each, at first.
    made = sum((step // 2 % 2 == 0) == is_first for step in range(steps))
    path = _trajectory(24)
    np.testing.assert_allclose(_values(model)[0], path[made], rtol=1e-5)
    # The worse run is where it was, at the start.
    other = model.optimizer._part._held[0].other
    np.testing.assert_allclose(other, path[0], rtol=1e-5)
    # Both then go on from where they were.
    _fit(model, 24 - steps)
    assert any(np.allclose(_values(model)[0], p, 1e-4) for p in path[8:])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_fits_of_few_steps_are_compared_as_one_of_many(steps):
    model = _model(_guarded(keras.optimizers.SGD(1e-5), _converging()))
    for _ in range(24):
        losses = _fit(model, steps)
    assert model.optimizer.fell_back and losses[-1] < 0.1
    assert int(model.optimizer.iterations) == 24 * steps


def test_part_of_a_step_is_dropped_with_the_run_that_it_belongs_to():
    guarded = _guarded(
        keras.optimizers.SGD(0.0),
        _converging(),
        {"steps": 4, "clear": 100.0, "obvious": 100.0, "price": 100.0},
        gradient_accumulation_steps=2,
    )
    model = _model(guarded)
    # Four steps of each, the first half of a ninth.
    _fit(model, 9)
    assert all(np.all(g == 0) for g in guarded._accumulated_gradients)
    np.testing.assert_allclose(_values(model)[0], _trajectory(24)[2], rtol=1e-5)


def test_each_run_has_moving_averages_of_its_own():
    options = {"use_ema": True, "ema_momentum": 0.5}
    guarded = _guarded(
        _converging(), keras.optimizers.SGD(0.0), name="guarded", **options
    )
    model = _model(guarded)
    _fit(model, 16, callbacks=[keras.callbacks.SwapEMAWeights()])
    alone = _model(keras.optimizers.SGD(0.1, **options))
    _fit(alone, 12, callbacks=[keras.callbacks.SwapEMAWeights()])
    for ours, expected in zip(_values(model), _values(alone), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_nothing_moves_if_the_first_loss_is_not_finite(run_eagerly):
    model = _model(_guarded(_converging(), _converging()))
    model.run_eagerly = run_eagerly
    before = _values(model)
    model.train_on_batch(INPUTS, np.nan * TARGETS)
    assert model.optimizer.fell_back
    for variable, value in zip(_values(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)


def _normalised(epochs):
    """Returns a model with moving statistics, trained with a guard."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.build(INPUTS.shape)
    optimizer = _guarded(keras.optimizers.SGD(1e8), _converging())
    optimizer.also_restore(model.non_trainable_variables)
    # Those that are trained are restored anyhow; to name one twice is no harm.
    optimizer.also_restore(model.variables)
    model.compile(optimizer, loss="mse")
    _fit(model, epochs)
    return model


def test_moving_statistics_change_with_the_run_on_demand():
    model = _normalised(60)
    assert model.optimizer.fell_back
    assert np.all(np.isfinite(model.layers[1].moving_variance.numpy()))
    assert model.evaluate(INPUTS, TARGETS, verbose=0) < 1
    with pytest.raises(ValueError, match="before training"):
        model.optimizer.also_restore(model.non_trainable_variables)
    with pytest.raises(ValueError, match="no fallback"):
        LearnedOptimizer("digits").also_restore([])


@pytest.mark.parametrize("epochs", [3, 20])
def test_file_with_moving_statistics_goes_on_as_it_was(epochs, tmp_path):
    model = _normalised(epochs)
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="2 further variables"):
        restored = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"shapes \[\(4,\), \(4,\)\]"):
        restored.optimizer.also_restore(restored.non_trainable_variables[:1])
    restored.optimizer.also_restore(restored.non_trainable_variables)
    assert _fit(restored, 6) == _fit(model, 6)
    for ours, theirs in zip(
        restored.get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


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


def _own_step(optimizer, variable):
    """Makes a step of a loop of one's own."""
    with tf.GradientTape() as tape:
        loss = optimizer.scale_loss(tf.reduce_sum(variable.value**2))
    optimizer.apply([tape.gradient(loss, variable.value)], [variable])


def test_loss_and_step_may_be_in_different_graphs():
    variable = keras.Variable([1.0, -2.0])
    optimizer = _guarded(_diverging(), _converging())

    @tf.function(autograph=False)
    def differentiate():
        with tf.GradientTape() as tape:
            loss = optimizer.scale_loss(tf.reduce_sum(variable.value**2))
        return tape.gradient(loss, variable.value)

    other = keras.Variable([1.0, -2.0])
    in_one = _guarded(_diverging(), _converging())
    for _ in range(12):
        optimizer.apply([differentiate()], [variable])
        _own_step(in_one, other)
    assert optimizer.fell_back and in_one.fell_back
    np.testing.assert_allclose(variable, other, rtol=1e-6)


def test_steps_without_a_loss_are_made_by_the_run_at_work():
    variable = keras.Variable([1.0, -2.0])
    optimizer = _guarded(_diverging(), _converging())
    for _ in range(12):
        _own_step(optimizer, variable)
    assert optimizer.fell_back
    before = variable.numpy()
    with pytest.warns(UserWarning, match="needs the loss of each step"):
        optimizer.apply([2 * variable.value], [variable])
    np.testing.assert_allclose(variable.numpy(), 0.8 * before, rtol=1e-6)


def test_several_losses_count_as_their_sum():
    variable = keras.Variable([1.0, -2.0])
    optimizer = _guarded(_diverging(), _converging())
    for _ in range(12):
        with tf.GradientTape() as tape:
            loss = optimizer.scale_loss(variable.value**2)
        optimizer.apply([tape.gradient(loss, variable.value)], [variable])
    assert optimizer.fell_back


def test_variables_of_tensorflow_are_restored_too():
    optimizer = _guarded(_diverging(), _converging())
    counter, variable = tf.Variable(1.0), keras.Variable([1.0, -2.0])
    optimizer.also_restore([counter, tf.Variable(3)])
    for _ in range(12):
        _own_step(optimizer, variable)
        counter.assign_add(1.0)
    # The fallback began as the second step ended, with a counter of its own.
    assert optimizer.fell_back and counter.numpy() == 12.0
    with pytest.raises(ValueError, match="before training"):
        optimizer.also_restore([counter])


@pytest.mark.parametrize("steps", [3, 5])
def test_single_steps_after_loading_are_as_they_would_have_been(
    steps, tmp_path
):
    def make():
        return _model(_guarded(_diverging(), _converging(), {"steps": 8}))

    model = make()
    for _ in range(steps):
        _fit(model, 1)
    model.save_weights(tmp_path / "model.weights.h5")
    restored = make()
    restored.optimizer.build(restored.trainable_variables)
    restored.load_weights(tmp_path / "model.weights.h5")
    assert _fit(restored, 1) + _fit(restored, 1) == _fit(model, 1) + _fit(
        model, 1
    )


def test_loss_that_nobody_passed_is_asked_for(exported):
    gradients, ours = [tf.ones([2])], keras.Variable(tf.ones([2]))
    optimizer = LearnedOptimizer(exported, fallback=_converging())
    with pytest.warns(UserWarning, match="call loss = optimizer.scale_loss"):
        optimizer.apply(gradients, [ours])
    alone = keras.Variable(tf.ones([2]))
    LearnedOptimizer(exported).apply(gradients, [alone])
    np.testing.assert_array_equal(ours, alone)


@pytest.mark.parametrize("epochs", [2, 20])
def test_file_resumes_on_the_same_trajectory(epochs, tmp_path):
    optimizer = LearnedOptimizer(
        "digits", learning_rate=30.0, fallback=_converging(), trial=SHORT
    )
    model = _model(optimizer)
    _fit(model, epochs)
    assert optimizer.fell_back == (epochs == 20)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert restored.optimizer.get_config() == optimizer.get_config()
    assert restored.optimizer.fell_back == optimizer.fell_back
    assert _fit(restored, 3) == _fit(model, 3)


def test_checkpoint_resumes_on_the_same_trajectory(tmp_path):
    model = _model(_guarded(_diverging(), _converging()))
    _fit(model, 20)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(
        str(tmp_path / "checkpoint")
    )
    restored = _model(_guarded(_diverging(), _converging()))
    _fit(restored, 1)
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).restore(
        path
    ).assert_consumed()
    assert restored.optimizer.fell_back
    assert _fit(restored, 3) == _fit(model, 3)


def test_schedule_of_the_learned_rate_leaves_the_fallback_its_own(exported):
    optimizer = LearnedOptimizer(
        "digits",
        learning_rate=30.0,
        fallback=keras.optimizers.SGD(0.125),
        trial=SHORT,
    )
    model = _model(optimizer)
    rates = []
    schedule = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rates.append(rate) or 31.0
    )
    with pytest.warns(UserWarning, match="fallback.learning_rate"):
        _fit(model, 14, callbacks=[schedule])
    assert optimizer.fell_back
    np.testing.assert_allclose(rates[:4], [30, 31, 31, 31])
    np.testing.assert_allclose(rates[-1], 0.125)
    assert float(optimizer.fallback.learning_rate) == 0.125
    before = _values(model)
    optimizer.fallback.learning_rate = 0.0
    _fit(model, 1)
    for variable, value in zip(_values(model), before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_hand_over_is_told_once_and_logged(caplog):
    optimizer = _guarded(_diverging(), _converging(), name="mine")
    model = _model(optimizer)
    with caplog.at_level(logging.INFO, "l2l_tf"):
        with pytest.warns(UserWarning, match="mine: the fallback 'sgd"):
            _fit(model, 12)
    assert "has taken over" in caplog.text
    caplog.clear()
    _fit(model, 2)
    assert not caplog.text
    assert "at work: the fallback" in optimizer.describe()
    # What the fallback did: SGD's update is its rate times the gradient.
    seen = {k: float(v) for k, v in optimizer.diagnostics.items()}
    np.testing.assert_allclose(seen["cosine"], -1, rtol=1e-5)
    np.testing.assert_allclose(
        seen["update_norm"], 0.1 * seen["gradient_norm"], rtol=1e-4
    )


def test_clipping_and_decay_reach_the_fallback():
    results = []
    options = {"clipnorm": 0.1, "weight_decay": 0.3}
    for inside, outside in (({}, options), (options, {})):
        fallback = keras.optimizers.SGD(0.1, **inside)
        model = _model(_guarded(_diverging(), fallback, **outside))
        model.optimizer.exclude_from_weight_decay(var_names=["bias"])
        _fit(model, 12)
        assert model.optimizer.fell_back
        results.append(_values(model))
    alone = _model(keras.optimizers.SGD(0.1, **options))
    alone.optimizer.exclude_from_weight_decay(var_names=["bias"])
    _fit(alone, 10)
    for ours, other, expected in zip(*results, _values(alone), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4)
        np.testing.assert_allclose(other, expected, rtol=1e-4)


def test_accumulated_gradients_reach_the_fallback():
    model = _model(
        _guarded(_diverging(), _converging(), gradient_accumulation_steps=2)
    )
    losses = _fit(model, 28)
    alone = _model(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    assert model.optimizer.fell_back
    np.testing.assert_allclose(losses[4:], _fit(alone, 24), rtol=1e-4)
    assert int(model.optimizer.iterations) == 14


def test_loss_scale_reaches_both():
    results = []
    for factor in (None, 16.0):
        model = _model(
            _guarded(_diverging(), _converging(), loss_scale_factor=factor)
        )
        results.append(_fit(model, 20))
    np.testing.assert_allclose(*results, rtol=1e-4)


def test_mixed_float16_as_it_comes():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _model(_guarded(_diverging(), _converging()), "auto")
        losses = _fit(model, 40)
    finally:
        keras.config.set_dtype_policy("float32")
    optimizer = model.optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert optimizer.inner_optimizer.fell_back and losses[-1] < 0.1 * losses[0]


def _some(optimizer):
    """Returns an optimizer that gives one the kernel, and SGD the bias."""
    routes = {".*bias": _converging()}
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(optimizer, routes)
    )


@pytest.mark.parametrize(
    "learned, wrap",
    [
        (_diverging, lambda optimizer: optimizer),
        (_converging, lambda optimizer: optimizer),
        (_diverging, _some),
    ],
)
def test_step_that_the_loss_scale_leaves_out_is_judged(learned, wrap):
    """Where a run is at infinity, no gradient is finite any more."""
    fallback = _converging if learned is _diverging else _diverging
    guarded = _guarded(learned(), fallback(), {"steps": 200, "obvious": 1e30})
    scaled = keras.optimizers.LossScaleOptimizer(wrap(guarded))
    model = _model(scaled)
    losses = _fit(model, 450)
    assert not all(np.isfinite(losses)) and losses[-1] < 1e-2
    assert guarded.fell_back == (learned is _diverging)


def test_nests_in_a_multi_optimizer(tmp_path):
    def make():
        return _some(_guarded(_diverging(), _converging()))

    model = _model(make())
    _fit(model, 12)
    [guarded] = [
        optimizer
        for optimizer in model.optimizer.optimizers
        if isinstance(optimizer, LearnedOptimizer)
    ]
    assert guarded.fell_back
    other = _model(make())
    other.optimizer.build(other.trainable_variables)
    other.set_weights(model.get_weights())
    other.optimizer.set_weights([v.numpy() for v in model.optimizer.variables])
    assert _fit(other, 3) == _fit(model, 3)


def test_strategy_of_replicas_is_refused_by_name():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        with pytest.raises(ValueError, match="MirroredStrategy with 1"):
            LearnedOptimizer("digits", fallback="adam")


def test_one_replica_trains_as_without_a_strategy():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = _model(_guarded(_diverging(), _converging()))
    losses = _fit(model, 14)
    assert model.optimizer.fell_back
    expected = _fit(_model(_guarded(_diverging(), _converging())), 14)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "make, quoted",
    [
        (lambda: "nonesuch", "nonesuch"),
        (lambda: 3, "received 3"),
        (lambda: keras.optimizers.SGD(loss_scale_factor=4.0), "4.0"),
        (
            lambda: keras.optimizers.LossScaleOptimizer(_converging()),
            "LossScaleOptimizer",
        ),
        (
            lambda: LearnedOptimizer("digits", fallback="adam"),
            "a fallback inside",
        ),
    ],
)
def test_what_cannot_be_a_fallback_is_quoted(make, quoted):
    with pytest.raises(ValueError, match=quoted):
        LearnedOptimizer("digits", fallback=make())


def test_fallback_by_name_is_described():
    optimizer = LearnedOptimizer("digits", fallback="adam")
    assert isinstance(optimizer.fallback, keras.optimizers.Adam)
    text = optimizer.describe()
    assert "Trained on digits" in text and "Fallback: adam" in text
    assert "at work: the learned rule" in text
