"""What every Keras optimizer must do: LearnedOptimizer beside Keras's Adam.

The same tests run on both, so that a test which asks too much fails on Adam.
The reference is a loop in plain Python around `optimizer.apply`.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import LearnedOptimizer
from tests import processes
from tests.keras_optimizers import fitting

pytestmark = pytest.mark.slow

INPUTS = np.random.RandomState(0).randn(96, 4).astype("float32")
TARGETS = INPUTS[:, :1] * INPUTS[:, 1:2]
TOKENS = np.random.RandomState(1).randint(0, 7, [96, 5])


KINDS = ["learned", "routed", "guarded", "both", "adam"]


@pytest.fixture(scope="module", params=KINDS)
def make(request, exported):
    """Returns a function that makes the optimizer under test."""
    return functools.partial(_make, request.param, {".*": str(exported)})


@pytest.fixture(scope="module", params=KINDS)
def make_split(request, exported):
    """Like `make`, for models with biases: these have a route of their own."""
    routes = {"bias|beta": str(exported), ".*": str(exported)}
    return functools.partial(_make, request.param, routes)


def _make(kind, routes, **options):
    if kind == "adam":
        return keras.optimizers.Adam(**{"learning_rate": 1e-2, **options})
    if kind in ("guarded", "both"):
        options["fallback"] = "adam"
    is_routed = kind in ("routed", "both")
    return LearnedOptimizer(routes if is_routed else routes[".*"], **options)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(3, activation="tanh")
        self.out = keras.layers.Dense(1)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def _sequential():
    return keras.Sequential(
        [
            keras.layers.Dense(3, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )


def _functional():
    inputs = keras.Input([4])
    hidden = keras.layers.Dense(3, activation="tanh")(inputs)
    outputs = keras.layers.Dense(1)(
        keras.layers.Concatenate()([inputs, hidden])
    )
    return keras.Model(inputs, outputs)


def _recurrent():
    return keras.Sequential(
        [
            keras.layers.Reshape([4, 1]),
            keras.layers.LSTM(3),
            keras.layers.Dense(1),
        ]
    )


def _embedding():
    return keras.Sequential(
        [
            keras.layers.Embedding(7, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )


def _build(make_model=_sequential):
    keras.utils.set_random_seed(0)
    model = make_model()
    model(_inputs(make_model)[:1])
    return model


def _inputs(make_model):
    return TOKENS if make_model is _embedding else INPUTS


def _compile(model, optimizer):
    """Compiles a model where it makes no difference how.

    A step whose trace makes the optimizer's variables is traced twice.
    """
    model.compile(optimizer, loss="mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)


def _fit(model, inputs=INPUTS, epochs=2, **options):
    return fitting.fit(model, inputs, TARGETS, epochs, **options)


def _values(model):
    return [variable.numpy() for variable in model.trainable_variables]


@functools.cache
def _loop(make_model, make_optimizer, num_steps=6, **options):
    """Returns what a training loop in plain Python gives."""
    model, inputs = _build(make_model), _inputs(make_model)
    optimizer = make_optimizer(**options)
    for step in range(num_steps):
        batch = slice(32 * (step % 3), 32 * (step % 3) + 32)
        with tf.GradientTape() as tape:
            error = model(inputs[batch], training=True) - TARGETS[batch]
            loss = tf.reduce_mean(error**2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
    return _values(model)


def _assert_close(ours, expected, rtol=2e-3, atol=2e-5):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("make_model", "jit_compile"),
    [
        (_functional, False),
        (Subclassed, False),
        (_recurrent, False),
        (_embedding, "auto"),
    ],
)
def test_fit_of_any_model_follows_the_loop(make_model, jit_compile, make_split):
    model = _build(make_model)
    model.compile(make_split(), loss="mse", jit_compile=jit_compile)
    _fit(model, _inputs(make_model))
    _assert_close(_values(model), _loop(make_model, make_split))
    assert np.isfinite(model.evaluate(_inputs(make_model), TARGETS, verbose=0))


def test_fit_of_arrays_follows_the_loop(make_split):
    model = _build()
    _compile(model, make_split())
    model.fit(
        INPUTS, TARGETS, batch_size=32, epochs=2, shuffle=False, verbose=0
    )
    _assert_close(_values(model), _loop(_sequential, make_split))


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": False},
        {"jit_compile": True},
        {"jit_compile": "auto"},
        {"run_eagerly": True},
        {"steps_per_execution": 3, "jit_compile": False},
    ],
)
def test_every_way_to_compile_follows_the_loop(options, make_split):
    model = _build()
    model.compile(make_split(), loss="mse", **options)
    _fit(model)
    _assert_close(_values(model), _loop(_sequential, make_split))
    assert int(model.optimizer.iterations.numpy()) == 6


def test_own_training_step_follows_the_loop(make_split):
    model, optimizer = _build(), make_split()

    @tf.function
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(inputs, training=True) - targets) ** 2)
        variables = model.trainable_variables
        pairs = zip(tape.gradient(loss, variables), variables, strict=True)
        optimizer.apply_gradients(pairs)

    for start in (0, 32, 64):
        step(INPUTS[start : start + 32], TARGETS[start : start + 32])
    _assert_close(_values(model), _loop(_sequential, make_split, 3))


@pytest.mark.parametrize(
    ("policy", "jit_compile"),
    [("mixed_float16", "auto"), ("mixed_bfloat16", False)],
)
def test_mixed_precision(policy, jit_compile, make_split):
    keras.config.set_dtype_policy(policy)
    try:
        model = _build(_functional)
        start = _values(model)
        model.compile(make_split(), loss="mse", jit_compile=jit_compile)
        _fit(model)
    finally:
        keras.config.set_dtype_policy("float32")
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    assert all(v.dtype == np.float32 for v in _values(model))
    # Close to single precision, compared with how far training moved.
    expected, ours = _loop(_functional, make_split), _values(model)
    flat = [np.concatenate([v.ravel() for v in w]) for w in (ours, expected)]
    moved = flat[1] - np.concatenate([v.ravel() for v in start])
    assert np.linalg.norm(moved) > 0
    # The first step may overflow in float16, and is then left out.
    assert np.linalg.norm(flat[0] - flat[1]) < 0.5 * np.linalg.norm(moved)


@pytest.mark.parametrize("limit", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipping(limit, make):
    gradients = [np.array([3.0, -4.0], "f"), np.array([0.01], "f")]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    clipped = {
        "clipnorm": [g * min(1, 0.5 / np.linalg.norm(g)) for g in gradients],
        "global_clipnorm": [g * 0.5 / norm for g in gradients],
        "clipvalue": [np.clip(g, -0.5, 0.5) for g in gradients],
    }[limit]
    results = []
    for optimizer, given in (
        (make(**{limit: 0.5}), gradients),
        (make(), clipped),
    ):
        variables = [keras.Variable(np.zeros_like(g)) for g in gradients]
        for _ in range(2):
            optimizer.apply([tf.constant(g) for g in given], variables)
        results.append([v.numpy() for v in variables])
    _assert_close(*results, rtol=1e-5, atol=1e-7)


def test_loss_scale_factor_is_taken_out_of_gradients(make_split):
    results = []
    for factor in (None, 8.0):
        model = _build(_functional)
        _compile(model, make_split(loss_scale_factor=factor))
        _fit(model)
        results.append(_values(model))
    _assert_close(*results)


def test_accumulated_gradients_are_averaged(make):
    gradients = [np.array([1.0, -2.0], "f"), np.array([3.0, 0.5], "f")] * 2
    accumulated, averaged = (keras.Variable(tf.ones([2])) for _ in range(2))
    optimizer = make(gradient_accumulation_steps=2)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [accumulated])
    optimizer = make()
    for _ in range(2):
        mean = tf.constant((gradients[0] + gradients[1]) / 2)
        optimizer.apply([mean], [averaged])
    _assert_close([accumulated], [averaged], rtol=1e-5)


@pytest.mark.parametrize("overwrite_every", [None, 2])
def test_moving_average_of_the_parameters(overwrite_every, make):
    optimizer = make(
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=overwrite_every,
    )
    plain = make()
    ours, reference = (keras.Variable(tf.ones([2])) for _ in range(2))
    average = None
    for step in range(4):
        gradient = tf.constant([1.0 + step, -0.1])
        optimizer.apply([gradient], [ours])
        plain.apply([gradient], [reference])
        value = reference.numpy()
        average = value if average is None else 0.5 * (average + value)
        if overwrite_every and step % 2:
            reference.assign(average)
        _assert_close([ours], [reference], rtol=1e-5)
    optimizer.finalize_variable_values([ours])
    _assert_close([ours], [average], rtol=1e-5)


def test_learning_rate_follows_callbacks_and_schedules(make_split):
    model = _build(_functional)
    _compile(model, make_split())
    _fit(model, callbacks=[keras.callbacks.LearningRateScheduler(_one_then_0)])
    second = _build(_functional)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [2], [0.5, 0.0]
    )
    _compile(second, make_split(learning_rate=schedule))
    _fit(second)
    expected = _loop(_functional, make_split, 3, learning_rate=0.5)
    _assert_close(_values(model), expected)
    _assert_close(_values(second), expected)


def _one_then_0(epoch, rate):
    del rate
    return [0.5, 0.0][epoch]


def test_frozen_layer_stays_and_moves_when_unfrozen(make_split):
    model = _build(_functional)
    frozen = model.layers[1]
    frozen.trainable = False
    _compile(model, make_split())
    before = frozen.kernel.numpy()
    _fit(model, epochs=1)
    np.testing.assert_array_equal(frozen.kernel, before)
    frozen.trainable = True
    _compile(model, make_split())
    _fit(model, epochs=1)
    assert np.all(frozen.kernel.numpy() != before)


def test_variables_of_every_rank_and_of_size_one(make):
    shapes = [[], [1], [3], [2, 3], [1, 1, 1], [2, 1, 2], [2, 1, 2, 1]]
    shapes += [[1, 2, 1, 2, 1]]
    variables = [keras.Variable(tf.zeros(shape)) for shape in shapes]
    optimizer = make()
    optimizer.apply([tf.ones(shape) for shape in shapes], variables)
    moved = {float(x) for v in variables for x in v.numpy().ravel()}
    assert len(moved) == 1 and moved != {0.0}


def test_variables_without_numbers_do_no_harm(make):
    variables = [keras.Variable(tf.zeros([0, 3])), keras.Variable(tf.zeros([]))]
    optimizer = make()
    optimizer.apply([tf.zeros([0, 3]), tf.ones([])], variables)
    assert float(variables[1].numpy()) != 0
    alone = make()
    alone.apply([tf.zeros([0, 3])], variables[:1])
    assert variables[0].shape == (0, 3)


def test_missing_gradient_leaves_the_variable_and_warns(make):
    variables = [keras.Variable(tf.zeros([2])) for _ in range(2)]
    optimizer = make()
    optimizer.build(variables)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([None, tf.ones([2])], variables)
    assert np.all(variables[0].numpy() == 0)
    assert np.all(variables[1].numpy() != 0)
    with pytest.raises(ValueError, match="No gradients"):
        optimizer.apply([None, None], variables)


def test_unknown_variable_is_refused(make):
    optimizer = make()
    optimizer.build([keras.Variable(tf.zeros([2]))])
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([tf.ones([2])], [keras.Variable(tf.zeros([2]))])


def test_constraint_is_kept(make_split):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Dense(1, kernel_constraint="non_neg")]
    )
    model.compile(make_split(), loss="mse")
    _fit(model, epochs=1)
    assert np.all(_values(model)[0] >= 0)


def test_config_round_trip_and_clone(make):
    optimizer = make(
        learning_rate=0.25,
        weight_decay=0.01,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=0.9,
        name="mine",
    )
    copies = [
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
        type(optimizer).from_config(optimizer.get_config()),
    ]
    for copy in copies:
        assert type(copy) is type(optimizer)
        assert copy.get_config() == optimizer.get_config()


@pytest.mark.parametrize("weights_only", [False, True])
def test_model_checkpoint_resumes_on_the_same_trajectory(
    weights_only, make_split, tmp_path
):
    file = tmp_path / f"m{'.weights.h5' if weights_only else '.keras'}"
    model = _build()
    _compile(model, make_split())
    _fit(
        model,
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                file, save_weights_only=weights_only, verbose=0
            )
        ],
    )
    if weights_only:
        restored = _build()
        _compile(restored, make_split())
        restored.load_weights(file)
    else:
        restored = keras.models.load_model(file)
    losses = [_fit(m, epochs=1).history["loss"] for m in (model, restored)]
    assert losses[0] == losses[1]
    _assert_close(_values(restored), _values(model), rtol=0, atol=0)


def test_killed_fit_resumes_on_the_same_trajectory(make_split, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    results = []
    for kills in ([], [Kill()]):
        folder = tmp_path / str(len(kills))
        for callbacks in (kills, []):
            model = _build()
            _compile(model, make_split())
            backup = keras.callbacks.BackupAndRestore(folder)
            try:
                _fit(model, epochs=4, callbacks=[backup, *callbacks])
            except KeyboardInterrupt:
                assert callbacks
            if not kills:
                break
        assert int(model.optimizer.iterations.numpy()) == 12
        results.append(_values(model))
    _assert_close(*results, rtol=0, atol=0)


def test_files_continue_in_another_process(exported, tmp_path):
    routes = {"bias|beta": str(exported), ".*": str(exported)}
    models = {}
    for kind in KINDS:
        models[kind] = _build()
        _compile(models[kind], _make(kind, routes))
        _fit(models[kind], epochs=1)
        models[kind].save(tmp_path / f"{kind}.keras")
    np.savez(tmp_path / "data.npz", inputs=INPUTS, targets=TARGETS)
    program = """
import sys
import keras, l2l_tf, numpy as np
data = np.load("data.npz")
for kind in sys.argv[1:]:
    model = keras.models.load_model(f"{kind}.keras")
    model.fit(data["inputs"], data["targets"], batch_size=32, shuffle=False,
              verbose=0)
    model.save_weights(f"{kind}.weights.h5")
"""
    (tmp_path / "program.py").write_text(program)
    done = processes.run(tmp_path / "program.py", *KINDS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for kind, model in models.items():
        _fit(model, epochs=1)
        other = _build()
        other.load_weights(tmp_path / f"{kind}.weights.h5", skip_mismatch=False)
        _assert_close(_values(other), _values(model), rtol=1e-5, atol=1e-6)


def test_float8_layers_train(make_split):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Dense(3), keras.layers.Dense(1, use_bias=False)]
    )
    model.build(INPUTS.shape)
    for layer in model.layers:
        layer.quantize("float8")
    model.compile(make_split(), loss="mse")
    before = [layer.kernel.numpy() for layer in model.layers]
    scale = model.layers[0].outputs_grad_amax_history.numpy()
    _fit(model)
    for layer, kernel in zip(model.layers, before, strict=True):
        assert np.any(layer.kernel.numpy() != kernel)
        assert np.all(np.isfinite(layer.kernel.numpy()))
    # These are no parameters: their gradients are their next values.
    assert np.any(model.layers[0].outputs_grad_amax_history.numpy() != scale)


def test_hdf5_file_holds_all_variables(make_split, tmp_path):
    model = _build(_functional)
    model.compile(make_split(), loss="mse")
    _fit(model, epochs=1)
    paths = [variable.path for variable in model.optimizer.variables]
    assert len(set(paths)) == len(paths)
    model.save(tmp_path / "model.h5")
    # Keras reads no optimizer's state from it, not even Adam's.
    restored = keras.models.load_model(tmp_path / "model.h5", compile=False)
    _assert_close(_values(restored), _values(model), rtol=0, atol=0)


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize("is_checkpoint", [False, True])
def test_model_that_had_another_optimizer_goes_on(
    is_checkpoint, is_built, make_split, tmp_path
):
    model = _build(_functional)
    model.compile(
        keras.optimizers.SGD(0.5, momentum=0.9),
        loss="mse",
        jit_compile=False,
    )
    _fit(model, epochs=1)
    restored = _build(_functional)
    restored.compile(make_split(), loss="mse", jit_compile=False)
    rate = float(restored.optimizer.learning_rate)
    if is_built:
        restored.optimizer.build(restored.trainable_variables)
    is_adam = isinstance(restored.optimizer, keras.optimizers.Adam)
    if is_checkpoint:
        path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(
            str(tmp_path / "checkpoint")
        )
        into = tf.train.Checkpoint(model=restored, optimizer=restored.optimizer)
        if is_adam and is_built:
            # Keras takes the momentum of one variable for that of another.
            with pytest.raises(ValueError, match="incompatible tensor"):
                into.restore(path)
            return
        into.restore(path)
    else:
        model.save_weights(tmp_path / "model.weights.h5")
        with pytest.warns(UserWarning, match="Skipping variable loading"):
            restored.load_weights(tmp_path / "model.weights.h5")
    _assert_close(_values(restored), _values(model), rtol=0, atol=0)
    if not (is_adam and is_checkpoint):
        assert float(restored.optimizer.learning_rate) == rate
        assert int(restored.optimizer.iterations.numpy()) == 0
    _fit(restored, epochs=1)
    assert all(np.all(np.isfinite(value)) for value in _values(restored))


def test_tensorflow_checkpoint_resumes_on_the_same_trajectory(
    make_split, tmp_path
):
    model = _build()
    _compile(model, make_split())
    _fit(model)
    path = tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(
        str(tmp_path / "checkpoint")
    )
    restored = _build()
    _compile(restored, make_split())
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).restore(
        path
    ).assert_existing_objects_matched()
    for each in (model, restored):
        _fit(each, epochs=1)
    _assert_close(_values(restored), _values(model), rtol=0, atol=0)
