"""Tests of l2l_tf/problems/keras_model.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import keras_model
from l2l_tf.rules import hand_designed

_SEED = tf.constant([1, 2])
_INPUTS = np.random.default_rng(0).normal(2.0, 3.0, [60, 4]).astype("float32")
_LABELS = (np.arange(60) % 3).astype("int32")


def _sequential(*makers, size=4):
    """A function that makes a model of fresh layers."""
    return lambda: keras.Sequential(
        [keras.Input([size]), *(make() for make in makers)]
    )


_CLASSIFIER = _sequential(
    lambda: layers.Dense(
        6, kernel_regularizer="l2", activation="tanh", name="first"
    ),
    lambda: layers.BatchNormalization(momentum=0.8),
    lambda: layers.Dropout(0.5),
    lambda: layers.Dense(3, activation="softmax"),
)


def _classifier(**options):
    return keras_model.from_keras(
        _CLASSIFIER,
        "sparse_categorical_crossentropy",
        (_INPUTS, _LABELS),
        batch_size=16,
        **options,
    )


def _regression(*makers, inputs=_INPUTS, **options):
    return keras_model.from_keras(
        _sequential(*makers, size=inputs.shape[1]),
        "mse",
        (inputs, np.zeros([len(inputs), 1])),
        **options,
    )


def _unroll(problem, num_steps, learning_rate):
    rule = hand_designed.SGD(learning_rate)

    @tf.function
    def run():
        start = unroll.start(rule, problem, _SEED)
        trajectory = unroll.unroll(rule, problem, start, num_steps)
        return start, trajectory.losses, trajectory.run

    return run()


def _batch(problem, step):
    stream = randomness.stream(_SEED, "batch")
    return problem.sample_batch((), randomness.fold_in(stream, step))


def _loss(problem, params, batch):
    state = problem.initial_model_state((), _SEED)
    return problem.loss(params, state, (), batch, _SEED)


def test_an_unroll_is_what_kerass_own_training_computes():
    problem = _classifier()
    start, losses, run = _unroll(problem, 5, 0.5)
    model = _CLASSIFIER()
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    model.build([None, 4])
    for variable, value in zip(
        [*model.trainable_variables, *model.non_trainable_variables],
        [*start.params, *start.model_state],
        strict=True,
    ):
        variable.assign(value)
    for step in range(5):
        model.reset_metrics()
        expected = model.train_on_batch(*_batch(problem, step))
        assert float(losses[step]) == pytest.approx(float(expected), rel=1e-4)
    for value, variable in zip(
        [*run.params, *run.model_state],
        [*model.trainable_variables, *model.non_trainable_variables],
        strict=True,
    ):
        np.testing.assert_allclose(value, variable.value, rtol=1e-4, atol=1e-5)


def test_dropout_masks_differ_by_step_and_by_run():
    # With equal examples and fixed parameters, only masks change the loss.
    problem = _regression(
        lambda: layers.Dropout(0.5),
        lambda: layers.Dense(1),
        inputs=np.ones([60, 40]),
    )
    _, losses, _ = _unroll(problem, 6, 0.0)
    assert len(set(losses.numpy())) == 7
    first, other = (
        problem.initial_model_state((), tf.constant([seed, 0]))
        for seed in range(2)
    )
    assert np.any(first[0] != other[0])


def test_a_models_own_initialisers_draw_its_parameters():
    problem = _regression(
        lambda: layers.Dense(500, kernel_initializer="he_normal"),
        lambda: layers.Dense(
            300,
            kernel_initializer=keras.initializers.RandomUniform(0.2, 0.4),
            bias_initializer=keras.initializers.Constant(7.0),
        ),
        lambda: layers.Dense(400),
        lambda: layers.Dense(1),
    )
    params = problem.initial_params((), _SEED)
    references = [
        keras.initializers.HeNormal(seed=0)([4, 500]),
        np.zeros(500),
        keras.initializers.RandomUniform(0.2, 0.4, seed=0)([500, 300]),
        np.full(300, 7.0),
        keras.initializers.GlorotUniform(seed=0)([300, 400]),
        np.zeros(400),
    ]
    for values, reference in zip(params[:6], references, strict=True):
        std = float(np.std(reference))
        assert np.mean(values) == pytest.approx(
            float(np.mean(reference)), abs=0.1 * std
        )
        assert np.std(values) == pytest.approx(std, rel=0.05)


def test_equal_layers_are_drawn_independently_and_by_seed():
    problem = _regression(
        lambda: layers.Dense(4),
        lambda: layers.Dense(4),
        lambda: layers.Dense(1),
    )
    first = problem.initial_params((), _SEED)
    again = problem.initial_params((), _SEED)
    other = problem.initial_params((), _SEED + 1)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.any(first[0] == first[2]) and not np.any(first[0] == other[0])


def test_drawing_leaves_the_initialisers_random():
    initializer = keras.initializers.GlorotUniform(seed=3)
    expected = np.array(initializer([4, 1]))
    problem = _regression(
        lambda: layers.Dense(1, kernel_initializer=initializer)
    )
    assert np.any(problem.initial_params((), _SEED)[0] != expected)
    np.testing.assert_array_equal(initializer([4, 1]), expected)


def test_initial_std_replaces_the_initialisers():
    problem = _regression(
        lambda: layers.Dense(3000), lambda: layers.Dense(1), initial_std=0.3
    )
    params = problem.initial_params((), _SEED)
    for values in params[:3]:
        assert np.std(values) == pytest.approx(0.3, rel=0.05)
    assert not np.any(params[1] == params[2][:, 0])


def test_splits_are_disjoint_and_complete():
    numbers = np.arange(61.0)[:, np.newaxis]
    problem = keras_model.from_keras(
        _sequential(lambda: layers.Dense(1), size=1),
        "mse",
        (numbers, numbers),
        batch_size=1000,
    )
    drawn = {}
    for split in ("train", "validation", "test"):
        inputs, targets = _batch(problem.with_split(split), 0)
        np.testing.assert_array_equal(inputs, targets)
        drawn[split] = set(inputs.numpy().ravel().tolist())
    assert drawn == {
        "train": set(range(41)),
        "validation": set(range(41, 51)),
        "test": set(range(51, 61)),
    }


def test_a_data_set_is_the_same_as_arrays():
    dataset = tf.data.Dataset.from_tensor_slices((_INPUTS, _LABELS)).batch(7)
    problem = keras_model.from_keras(
        _CLASSIFIER,
        "sparse_categorical_crossentropy",
        dataset,
        batch_size=16,
    )
    tf.nest.map_structure(
        np.testing.assert_array_equal,
        _batch(problem, 0),
        _batch(_classifier(), 0),
    )


def test_several_inputs_are_possible():
    def model():
        inputs = {name: keras.Input([4], name=name) for name in "ab"}
        outputs = layers.Dense(1)(layers.Subtract()(list(inputs.values())))
        return keras.Model(inputs, outputs)

    problem = keras_model.from_keras(
        model, "mse", ({"a": _INPUTS, "b": _INPUTS}, np.ones([60, 1]))
    )
    params = problem.initial_params((), _SEED)
    assert float(_loss(problem, params, _batch(problem, 0)).loss) == 1.0


def _unbuilt():
    return keras.Sequential([layers.Dense(1)])


def _compiled():
    model = keras.Sequential([keras.Input([4]), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


class _Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.filterwarnings("ignore:`build.*was called on layer")
@pytest.mark.parametrize("model_fn", [_unbuilt, _compiled, _Subclassed])
def test_models_come_in_any_shape(model_fn):
    problem = keras_model.from_keras(model_fn, "mse", (_INPUTS, _INPUTS[:, :1]))
    kernel, bias = problem.initial_params((), _SEED)
    inputs, targets = batch = _batch(problem, 0)
    expected = np.mean((inputs @ kernel + bias - targets) ** 2)
    loss = _loss(problem, [kernel, bias], batch).loss
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "hinge"])
def test_targets_are_brought_into_shape_as_in_keras(loss):
    make = _sequential(lambda: layers.Dense(1, activation="sigmoid"))
    targets = _LABELS % 2  # No axis for the single output.
    problem = keras_model.from_keras(make, loss, (_INPUTS, targets))
    params = problem.initial_params((), _SEED)
    batch = _batch(problem, 0)
    model = make()
    model.set_weights(params)
    model.compile(loss=loss)
    expected = model.evaluate(*batch, batch_size=128, verbose=0)
    assert float(_loss(problem, params, batch).loss) == pytest.approx(
        expected, rel=1e-5
    )


def test_what_is_frozen_keeps_its_value():
    def model():
        frozen = layers.Dense(4, trainable=False)
        normalization = layers.Normalization()
        normalization.adapt(_INPUTS)
        made = keras.Sequential(
            [keras.Input([4]), normalization, frozen, layers.Dense(1)]
        )
        frozen.set_weights([np.full([4, 4], 7.0), np.full(4, 8.0)])
        return made

    problem = keras_model.from_keras(model, "mse", (_INPUTS, _INPUTS[:, :1]))
    state = problem.initial_model_state((), _SEED)
    assert len(problem.parameter_names) == 2
    values = {tuple(v.shape): v.numpy() for v in state if v.dtype == tf.float32}
    np.testing.assert_array_equal(values[4, 4], 7.0)
    assert any(np.allclose(v, _INPUTS.mean(0), atol=1e-4) for v in state)


def test_data_that_cannot_be_used_is_refused():
    with pytest.raises(ValueError, match="at least 6.*5"):
        keras_model.from_keras(_CLASSIFIER, "mse", (_INPUTS[:5], _LABELS[:5]))


_SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "targets", "metric"),
    [
        (3, None, _SPARSE, _LABELS, "sparse_categorical_accuracy"),
        (
            3,
            "softmax",
            "sparse_categorical_crossentropy",
            _LABELS[:, np.newaxis],
            "sparse_categorical_accuracy",
        ),
        (
            3,
            "softmax",
            "CategoricalFocalCrossentropy",
            np.eye(3)[_LABELS],
            "categorical_accuracy",
        ),
        (1, "sigmoid", "binary_crossentropy", _LABELS % 2, "binary_accuracy"),
        (2, None, _LOGITS, np.eye(3)[_LABELS][:, :2], None),
    ],
)
def test_accuracy_is_what_keras_computes(
    units, activation, loss, targets, metric
):
    make = _sequential(lambda: layers.Dense(units, activation=activation))
    problem = keras_model.from_keras(make, loss, (_INPUTS, targets))
    params = problem.initial_params((), _SEED)
    inputs, targets = batch = _batch(problem, 0)
    outcome = _loss(problem, params, batch)
    model = make()
    model.set_weights(params)
    metric = metric or keras.metrics.BinaryAccuracy(threshold=0.0)
    model.compile(loss=loss, metrics=[metric])
    _, expected = model.evaluate(inputs, targets, batch_size=128, verbose=0)
    assert 0.0 < expected < 1.0
    assert set(outcome.metrics) == {"accuracy"}
    assert float(outcome.metrics["accuracy"]) == pytest.approx(expected)


def test_a_regression_reports_no_accuracy():
    problem = _regression(lambda: layers.Dense(1))
    params = problem.initial_params((), _SEED)
    assert not _loss(problem, params, _batch(problem, 0)).metrics


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no trainable variables"):
        _regression(lambda: layers.Flatten())
    with pytest.raises(ValueError, match="'nope'|nope"):
        keras_model.from_keras(_CLASSIFIER, "nope", (_INPUTS, _LABELS))
    with pytest.raises(ValueError, match="batch_size.*0"):
        _regression(lambda: layers.Dense(1), batch_size=0)


def test_a_model_whose_data_have_another_type_is_trained():
    problem = _regression(
        lambda: layers.Dense(1), inputs=_INPUTS.astype("float64")
    )
    _, losses, _ = _unroll(problem, 3, 0.001)
    assert losses[-1] < losses[0]
