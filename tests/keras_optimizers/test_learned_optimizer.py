"""Tests of l2l_tf/keras_optimizers/learned_optimizer.py."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import learned_optimizer
from l2l_tf.rules import registry
from l2l_tf.saving import saved_optimizer
from tests.keras_optimizers import fitting

LearnedOptimizer = learned_optimizer.LearnedOptimizer

INPUTS = np.random.RandomState(0).randn(96, 5).astype("float32")
TARGETS = (INPUTS[:, 0] > INPUTS[:, 1]).astype("int32")


def _model(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.layers.Dense(6, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.build((None, 5))
    return model


def _compiled(path, **kwargs):
    model = _model()
    model.compile(
        optimizer=LearnedOptimizer(path),
        loss="sparse_categorical_crossentropy",
        **kwargs,
    )
    return model


def _fit(model, epochs=2):
    history = fitting.fit(model, INPUTS, TARGETS, epochs).history
    return history["loss"]


def _weights(model):
    return [weight.numpy() for weight in model.trainable_variables]


def _by_hand(path, num_steps, learning_rate=1.0):
    """Runs the rule itself, outside of Keras's optimizers."""
    rule = saved_optimizer.load(path)
    model = _model()
    loss_fn = keras.losses.SparseCategoricalCrossentropy()
    params = [v.value for v in model.trainable_variables]
    state = rule.initial_state(params)
    for step in range(num_steps):
        batch = slice(32 * (step % 3), 32 * (step % 3) + 32)
        with tf.GradientTape() as tape:
            loss = loss_fn(TARGETS[batch], model(INPUTS[batch], training=True))
        gradients = tape.gradient(loss, params)
        updates, state = rule(gradients, state)
        for param, update in zip(params, updates, strict=True):
            param.assign_add(learning_rate * update)
    return _weights(model)


@pytest.mark.parametrize(
    "kwargs", [{}, {"jit_compile": True}, {"run_eagerly": True}]
)
def test_fit_follows_the_rule(kwargs, exported):
    model = _compiled(exported, **kwargs)
    _fit(model)
    for ours, expected in zip(
        _weights(model), _by_hand(exported, 6), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


def test_custom_loop_follows_the_rule_scaled_by_the_learning_rate(exported):
    model = _model()
    optimizer = LearnedOptimizer(exported, learning_rate=0.5)
    loss_fn = keras.losses.SparseCategoricalCrossentropy()

    @tf.function
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = loss_fn(targets, model(inputs, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for start in (0, 32, 64):
        step(INPUTS[start : start + 32], TARGETS[start : start + 32])
    for ours, expected in zip(
        _weights(model), _by_hand(exported, 3, 0.5), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)
    assert int(optimizer.iterations) == 3


def test_one_call_serves_all_variables(tmp_path, monkeypatch):
    # A rule of its own, since others may have been traced before.
    rule = registry.make_rule({"rule": "coordinatewise", "layers": [2]})
    path = saved_optimizer.export(rule, tmp_path / "small", {})
    model = _compiled(path, run_eagerly=True)
    calls = []
    update = type(model.optimizer.rule).update_columns

    def counted(self, gradients, state):
        calls.append(gradients.shape)
        return update(self, gradients, state)

    monkeypatch.setattr(type(model.optimizer.rule), "update_columns", counted)
    model.train_on_batch(INPUTS, TARGETS)
    assert calls == [(1, sum(w.size for w in _weights(model)))]


def test_several_models_have_states_of_their_own(exported):
    alone = _compiled(exported)
    losses = _fit(alone)
    first, second = _compiled(exported), _compiled(exported)
    interleaved = []
    for _ in range(2):
        interleaved += _fit(first, epochs=1)
        _fit(second, epochs=1)
    assert interleaved == losses


def test_keras_file_resumes_on_the_same_trajectory(exported, tmp_path):
    model = _compiled(exported)
    _fit(model)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(restored.optimizer, LearnedOptimizer)
    assert np.any(restored.optimizer.state[0].numpy() != 0)
    assert _fit(restored) == _fit(model)
    for a, b in zip(_weights(restored), _weights(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_resumes_on_the_same_trajectory(exported, tmp_path):
    model = _compiled(exported)
    _fit(model)
    saved = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    path = saved.save(str(tmp_path / "checkpoint"))
    restored = _compiled(exported)
    _fit(restored, epochs=1)
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).restore(
        path
    ).assert_consumed()
    assert _fit(restored) == _fit(model)


def test_checkpoint_holds_state_but_not_the_rule(exported, tmp_path):
    model = _compiled(exported)
    _fit(model, epochs=1)
    path = tf.train.Checkpoint(optimizer=model.optimizer).save(
        str(tmp_path / "checkpoint")
    )
    count = sum(w.size for w in _weights(model))
    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map().values()
    states = [s for s in shapes if s[1:] == [count]]
    assert sorted(states) == [[5, count], [5, count], [6, count], [6, count]]
    assert [24, 8] not in shapes


def test_variable_without_gradient_keeps_value_and_state(exported):
    optimizer = LearnedOptimizer(exported)
    variables = [
        keras.Variable(tf.ones(shape)) for shape in ([2, 3], [4], [], [2])
    ]
    optimizer.build(variables)
    gradients = [tf.ones(v.shape) for v in variables]
    optimizer.apply(gradients, variables)
    before = [s.numpy() for s in optimizer.state]
    optimizer.apply([None, gradients[1], gradients[2], None], variables)
    after = [s.numpy() for s in optimizer.state]
    untouched = [*range(6), 11, 12]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[:, untouched], new[:, untouched])
        assert np.all(np.any(old[:, 6:11] != new[:, 6:11], axis=0))
    # All coordinates saw the same gradient, so these made one step less.
    assert variables[0].numpy()[0, 0] != variables[1].numpy()[0]
    np.testing.assert_array_equal(variables[1].numpy(), variables[2].numpy())


def test_order_of_gradients_does_not_matter(exported):
    results = []
    for order in ([0, 1, 2], [2, 0, 1]):
        variables = [keras.Variable(tf.ones(shape)) for shape in ([2], [], [3])]
        optimizer = LearnedOptimizer(exported)
        optimizer.build(variables)
        gradients = [
            0.1 * (i + 1) * tf.ones(v.shape) for i, v in enumerate(variables)
        ]
        for _ in range(2):
            optimizer.apply(
                [gradients[i] for i in order], [variables[i] for i in order]
            )
        results.append([v.numpy() for v in variables])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_learning_rate_schedule_scales_the_updates(exported):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [1], [1.0, 0.0]
    )
    variable = keras.Variable(tf.ones([3]))
    optimizer = LearnedOptimizer(exported, learning_rate=schedule)
    values = []
    for _ in range(4):
        optimizer.apply([tf.ones([3])], [variable])
        values.append(variable.numpy())
    assert np.all(values[0] != 1) and np.all(values[1] != values[0])
    np.testing.assert_array_equal(values[1], values[3])


def test_config_round_trip(exported):
    optimizer = LearnedOptimizer(exported, learning_rate=0.25, clipnorm=1.0)
    config = keras.optimizers.serialize(optimizer)
    copy = keras.optimizers.deserialize(config)
    assert isinstance(copy, LearnedOptimizer)
    assert copy.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    "value, quoted",
    [
        ("nonesuch", "nonesuch"),
        (None, "received None"),
        (3, "received 3"),
        (keras.optimizers.SGD(), "fallback= takes one"),
        ("adam", "No saved optimizer 'adam'"),
    ],
)
def test_what_is_no_optimizer_is_refused(value, quoted):
    with pytest.raises(ValueError, match=quoted):
        LearnedOptimizer(value)


def test_default_names_are_unique_and_follow_the_class(exported):
    class Mine(LearnedOptimizer):
        """A class of the user's own."""

    first, second = LearnedOptimizer(exported), LearnedOptimizer(exported)
    assert first.name.startswith("learned_optimizer")
    assert first.name != second.name
    for options in ({}, {"fallback": "adam"}):
        made = Mine({".*": exported}, **options)
        assert isinstance(made, Mine) and made.name.startswith("mine")
        copy = Mine.from_config(made.get_config())
        assert isinstance(copy, Mine)
        assert copy.get_config() == made.get_config()


def test_optimizers_of_one_name_share_what_is_loaded_and_compiled(exported):
    first, second = LearnedOptimizer(exported), LearnedOptimizer(exported)
    assert first.rule is second.rule
    variables = [keras.Variable(tf.ones([3])) for _ in range(2)]
    for optimizer, variable in zip((first, second), variables, strict=True):
        optimizer.build([variable])
    assert first.rule_parts[0].update is second.rule_parts[0].update


def test_weights_of_another_optimizer_are_left_out_with_a_warning(
    exported, tmp_path
):
    file = tmp_path / "other.weights.h5"
    for other in ("sgd", "adam", LearnedOptimizer(exported)):
        model = _model()
        model.compile(other, loss="sparse_categorical_crossentropy")
        _fit(model)
        model.save_weights(file)
        for options in ({}, {"fallback": "adam"}):
            if isinstance(other, LearnedOptimizer) and not options:
                continue
            restored = _model()
            restored.compile(
                LearnedOptimizer(exported, **options),
                loss="sparse_categorical_crossentropy",
            )
            restored.optimizer.build(restored.trainable_variables)
            with pytest.warns(UserWarning, match="Skipping variable loading"):
                restored.load_weights(file)
            for ours, theirs in zip(
                _weights(restored), _weights(model), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)


def test_as_many_variables_of_other_shapes_are_left_out(exported):
    optimizer = LearnedOptimizer(exported)
    optimizer.build([keras.Variable(tf.ones([3]))])
    values = [v.numpy() for v in optimizer.variables]
    store = {str(i): value for i, value in enumerate(values)}
    store["0"], store["1"] = np.ones([7]), np.ones([7])
    with pytest.warns(UserWarning, match="other shapes"):
        optimizer.load_own_variables(store)
    for variable, value in zip(optimizer.variables, values, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("options", [{}, {"fallback": "adam"}])
def test_weights_of_the_optimizer_can_be_set(options, exported):
    models = []
    for _ in range(2):
        model = _model()
        model.compile(
            LearnedOptimizer({".*": exported}, **options),
            loss="sparse_categorical_crossentropy",
        )
        model.optimizer.build(model.trainable_variables)
        models.append(model)
    _fit(models[0])
    models[1].set_weights(models[0].get_weights())
    models[1].optimizer.set_weights(
        [v.numpy() for v in models[0].optimizer.variables]
    )
    assert _fit(models[1]) == _fit(models[0])


def test_loss_that_explodes_warns_without_a_fallback(exported):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(LearnedOptimizer(exported, learning_rate=1e6), loss="mse")
    with pytest.warns(UserWarning, match="loss went from .* to"):
        _fit(model)


@pytest.mark.parametrize("rate", [1e-3, 0.01])
def test_rate_like_that_of_adam_warns(rate, exported):
    with pytest.warns(UserWarning, match=f"received {rate}"):
        LearnedOptimizer(exported, learning_rate=rate)


def test_integer_rate_is_a_rate(exported):
    assert float(LearnedOptimizer(exported, learning_rate=1).learning_rate) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_gradients_than_variables_is_refused(count, exported):
    variables = [keras.Variable(tf.ones([2])) for _ in range(2)]
    with pytest.raises(ValueError, match=f"{count} gradients for 2 variables"):
        LearnedOptimizer(exported).apply([tf.ones([2])] * count, variables)


def test_gradient_of_another_shape_is_refused(exported):
    variable = keras.Variable(tf.ones([3]), name="mine")
    for options in ({}, {"fallback": "sgd"}):
        optimizer = LearnedOptimizer(exported, **options)
        with pytest.raises(ValueError, match=r"mine.*\(3,\).*\(2,\)"):
            optimizer.apply([tf.ones([2])], [variable])


def test_backend_other_than_tensorflow_is_refused_by_name():
    # No other backend is installed where only TensorFlow is.
    program = """
import keras
keras.backend.backend = lambda: "jax"
from l2l_tf import LearnedOptimizer
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert "ImportError: LearnedOptimizer runs on" in done.stderr
    assert "received the backend 'jax'" in done.stderr


def test_sonnet_and_tfds_are_not_needed(exported):
    program = f"""
import sys
for name in ("sonnet", "tensorflow_datasets", "sklearn", "matplotlib"):
    sys.modules[name] = None
import keras, numpy as np
from l2l_tf import LearnedOptimizer
model = keras.Sequential([keras.layers.Dense(1)])
model.compile(optimizer=LearnedOptimizer({str(exported)!r}), loss="mse")
model.fit(np.ones([8, 2]), np.ones([8, 1]), verbose=0)
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.stdout.strip() == "done", done.stderr


def test_relative_path_is_found_from_another_folder(
    exported, tmp_path, monkeypatch
):
    monkeypatch.chdir(exported.parent)
    config = keras.optimizers.serialize(LearnedOptimizer(exported.name))
    monkeypatch.chdir(tmp_path)
    assert keras.optimizers.deserialize(config).rule.config()["layers"] == [
        6,
        5,
    ]


def test_no_variables_are_no_error(exported):
    LearnedOptimizer(exported).build([])


def test_weight_decay_is_decoupled_and_scaled_by_the_learning_rate(exported):
    results = []
    for decay in (None, 0.1):
        variables = [keras.Variable(2 * tf.ones([3])) for _ in range(2)]
        optimizer = LearnedOptimizer(
            exported, learning_rate=0.5, weight_decay=decay
        )
        optimizer.exclude_from_weight_decay(var_list=[variables[1]])
        optimizer.apply([tf.ones([3])] * 2, variables)
        results.append([v.numpy() for v in variables])
    np.testing.assert_allclose(results[1][0], results[0][0] - 0.5 * 0.1 * 2)
    np.testing.assert_array_equal(results[1][1], results[0][1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("compiled", [False, True])
def test_step_that_is_not_finite_changes_nothing_and_warns_once(
    bad, compiled, exported
):
    variables = [keras.Variable(tf.ones([3])), keras.Variable(tf.ones([2]))]
    optimizer = LearnedOptimizer(exported, weight_decay=0.1)
    optimizer.build(variables)
    apply = tf.function(
        lambda *gradients: optimizer.apply(gradients, variables),
        jit_compile=compiled,
    )
    apply(tf.ones([3]), tf.ones([2]))
    tracked = [*variables, *optimizer.state]
    before = [v.numpy() for v in tracked]
    apply(tf.constant([1.0, bad, 1.0]), tf.ones([2]))
    for variable, value in zip(tracked, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert optimizer.diagnostics["skipped_steps"] == 1
    with pytest.warns(UserWarning, match="not finite.* 1 steps"):
        optimizer.finalize_variable_values(variables)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        optimizer.finalize_variable_values(variables)
    apply(tf.ones([3]), tf.ones([2]))
    assert np.all(variables[0].numpy() != before[0])


def test_gradient_that_is_not_finite_raises_on_demand(exported):
    variable = keras.Variable(tf.ones([3]))
    optimizer = LearnedOptimizer(exported, nonfinite="raise")
    optimizer.build([variable])

    @tf.function
    def apply(gradient):
        optimizer.apply([gradient], [variable])

    apply(tf.ones([3]))
    before = variable.numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        apply(tf.constant([1.0, np.nan, 1.0]))
    np.testing.assert_array_equal(variable, before)


def test_where_xla_drops_the_check_the_end_of_fit_raises(exported):
    model = _model()
    model.compile(
        LearnedOptimizer(exported, nonfinite="raise"),
        loss="sparse_categorical_crossentropy",
        jit_compile=True,
    )
    with pytest.raises(FloatingPointError, match="not finite"):
        model.fit(INPUTS * np.inf, TARGETS, verbose=0)


def test_run_far_beyond_the_horizon_warns_once(exported, tmp_path):
    rule = saved_optimizer.load(exported)
    config = {**rule.config(), "rule": "coordinatewise"}
    path = saved_optimizer.export(
        registry.make_rule(config), tmp_path / "short", {"horizon": 1}
    )
    variable, optimizer = keras.Variable(tf.ones([2])), LearnedOptimizer(path)
    for step in range(13):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            optimizer.apply([tf.ones([2])], [variable])
        said = [str(w.message) for w in caught if "runs of 1 steps" in str(w)]
        assert len(said) == (step == 10)


def test_diagnostics_are_those_of_the_last_step(exported):
    variable = keras.Variable(tf.zeros([3, 2]))
    optimizer = LearnedOptimizer(exported, learning_rate=0.5)
    gradient = tf.reshape(tf.range(6, dtype=tf.float32) - 2, [3, 2])
    optimizer.apply([gradient], [variable])
    update, gradient = 2 * variable.numpy().ravel(), gradient.numpy().ravel()
    found = optimizer.diagnostics
    norms = np.linalg.norm(update), np.linalg.norm(gradient)
    np.testing.assert_allclose(found["update_norm"], norms[0], rtol=1e-5)
    np.testing.assert_allclose(found["gradient_norm"], norms[1], rtol=1e-5)
    np.testing.assert_allclose(
        found["cosine"], update @ gradient / np.prod(norms), rtol=1e-4
    )


def test_bfloat16_halves_the_state(exported):
    sizes = []
    for dtype in (None, "bfloat16"):
        optimizer = LearnedOptimizer(exported, state_dtype=dtype)
        optimizer.build([keras.Variable(tf.ones([7]))])
        sizes.append(sum(tf.nest.map_structure(_bytes, optimizer.state)))
    assert sizes[0] == 2 * sizes[1] == 4 * 22 * 7


def _bytes(variable):
    return variable.value.dtype.size * variable.value.shape.num_elements()


def test_model_too_large_is_refused_before_anything_is_allocated(exported):
    optimizer = LearnedOptimizer(exported)
    shape = tf.TensorSpec([10**6, 10**6])
    with pytest.raises(ValueError, match="1,000,000,000,000 parameters"):
        optimizer.build([shape])
    assert not optimizer.built


@pytest.mark.parametrize(
    "options, quoted",
    [
        ({"state_dtype": "int8"}, "int8"),
        ({"nonfinite": "ignore"}, "ignore"),
        ({"learning_rate": "high"}, "high"),
        ({"learning_rate": float("nan")}, "nan"),
        ({"learning_rate": -1.0}, "-1.0"),
        ({"fallback": "adam", "trial": {"stepz": 4}}, "stepz"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "clipvalue"),
        ({"gradient_accumulation_steps": 1}, "1"),
        ({"nonesuch": 1}, "nonesuch"),
    ],
)
def test_bad_argument_is_quoted(options, quoted, exported):
    with pytest.raises(ValueError, match=quoted):
        LearnedOptimizer(exported, **options)


def test_options_are_named():
    with pytest.raises(TypeError):
        LearnedOptimizer("digits", 1.0, "name", "bfloat16")


def test_state_before_the_first_step_is_an_error_that_says_so(exported):
    optimizer = LearnedOptimizer(exported)
    for read in (lambda: optimizer.state, lambda: optimizer.diagnostics):
        with pytest.raises(ValueError, match="before its first step"):
            read()


def test_describe_names_problem_and_horizon():
    text = LearnedOptimizer("digits").describe()
    assert "digits" in text and "100 steps" in text and "adam" in text
