"""Tests of l2l_tf/problems/image_classification.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import datasets as data
from l2l_tf.problems import image_classification
from l2l_tf.problems import networks

_SEED = tf.constant([1, 2])


def _problem(**options):
    options = {"batch_size": 32, "initial_values": 0.5} | options
    return image_classification.ImageClassification("digits", **options)


@pytest.mark.parametrize("activation", networks.ACTIVATIONS)
@pytest.mark.parametrize("hidden_layers", [[], [20], [5, 7]])
def test_it_equals_the_same_model_in_keras(hidden_layers, activation):
    problem = _problem(hidden_layers=hidden_layers, activation=activation)
    params = problem.initial_params((), _SEED)
    images, labels = problem.sample_batch((), _SEED)
    model = keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            keras.layers.Flatten(),
            *(keras.layers.Dense(n, activation) for n in hidden_layers),
            keras.layers.Dense(10),
        ]
    )
    # Sonnet's layers list the bias first, Keras's the kernel.
    order = np.argsort([v.ndim for v in params[:2]])[::-1]
    layout = [2 * layer + i for layer in range(len(params) // 2) for i in order]
    model.set_weights([params[position] for position in layout])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        loss = problem.loss(params, (), (), (images, labels), _SEED).loss
        expected = keras.losses.SparseCategoricalCrossentropy(True)(
            labels, model(images)
        )
    weights = [variable.value for variable in model.trainable_variables]
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    ours, theirs = tape.gradient(loss, params), tape.gradient(expected, weights)
    for position, gradient in zip(layout, theirs, strict=True):
        np.testing.assert_allclose(ours[position], gradient, atol=1e-5)


def test_parameters_are_named_by_layer():
    problem = _problem(hidden_layers=[5])
    shapes = {
        name: tuple(value.shape)
        for name, value in zip(
            problem.parameter_names,
            problem.initial_params((), _SEED),
            strict=True,
        )
    }
    assert shapes == {
        "mlp/linear_0/b": (5,),
        "mlp/linear_0/w": (64, 5),
        "mlp/linear_1/b": (10,),
        "mlp/linear_1/w": (5, 10),
    }


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_minibatches_come_from_their_split(split):
    whole = getattr(data.load("digits"), split)
    examples = {
        (image.tobytes(), int(label))
        for image, label in zip(whole.images, whole.labels, strict=True)
    }
    problem = _problem().with_split(split)
    drawn = []
    for step in range(60):
        images, labels = problem.sample_batch(
            (), randomness.fold_in(_SEED, step)
        )
        assert images.shape == (32, 8, 8, 1)
        assert np.min(images) == 0.0 and np.max(images) == 1.0
        pixels = np.rint(images.numpy() * 16).astype(np.uint8)
        drawn += zip(map(bytes, pixels), labels.numpy().tolist(), strict=True)
    assert set(drawn) <= examples
    # Each one is as likely: 1,920 draws of n leave n exp(-1,920 / n) out.
    size = len(whole.labels)
    assert len(set(drawn)) == pytest.approx(
        size * (1 - np.exp(-len(drawn) / size)), rel=0.05
    )


def test_initial_values_are_those_asked_for():
    for std in (0.01, 0.3):
        params = _problem(
            hidden_layers=[400, 400], initial_values=std
        ).initial_params((), _SEED)
        for values in params[:4]:
            assert np.std(values) == pytest.approx(std, rel=0.1)
    biases = _problem(initial_values="glorot_uniform").initial_params((), _SEED)
    np.testing.assert_array_equal(biases[0], tf.zeros(20))


def test_float64_is_float64_throughout():
    problem = _problem(dtype="float64")
    params = problem.initial_params((), _SEED)
    images, labels = problem.sample_batch((), _SEED)
    loss = problem.loss(params, (), (), (images, labels), _SEED).loss
    assert {t.dtype for t in (*params, images, loss)} == {tf.float64}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "nope"}, "'relu', 'sigmoid'.*'nope'"),
        ({"batch_size": 0}, "batch_size.*0"),
        ({"hidden_layers": [20, 0]}, r"hidden_layers.*\[20, 0\]"),
        ({"initial_values": -1.0}, "initial values -1.0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _problem(**options)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'validation'.*'nope'"):
        image_classification.ImageClassification("digits", "nope")


@pytest.mark.parametrize(
    ("kind", "sums", "loss"),
    [
        (
            0.01,
            [-0.0354775993, 22.7983213, 0.0344223229]
            + [-0.434856026, -0.299515056, -0.411751697],
            2.3015933,
        ),
        (
            [0.01, 1.0],
            [-1.26955517, 815.830998, 1.23179231]
            + [-15.5611891, -10.7180548, -14.7344103],
            2.63487625,
        ),
        (
            "module",
            [0.0, -539.066894, 0.0, -25.9133944, 0.0, 69.7534376],
            2.31629562,
        ),
        (
            "glorot_uniform",
            [0.0, -1208.44982, 0.0, -3.84405485, 0.0, 18.7769121],
            2.40516734,
        ),
    ],
)
def test_starts_minibatches_and_losses_stay_what_they_are(kind, sums, loss):
    problem = image_classification.ImageClassification(
        "digits",
        "validation",
        hidden_layers=[5, 4],
        activation="relu",
        batch_size=16,
        initial_values=kind,
    )
    seed = randomness.run_seed(3, "validation", 2)
    params = problem.initial_params((), seed)
    images, labels = problem.sample_batch((), randomness.fold_in(seed, 5))
    outcome = problem.loss(params, (), (), (images, labels), seed)
    # Trained optimizers, their figures and resumed runs depend on these.
    expected_labels = [0, 6, 1, 8, 3, 7, 2, 3, 0, 3, 4, 1, 8, 6, 7, 3]
    assert labels.numpy().tolist() == expected_labels
    assert float(tf.reduce_sum(images)) == 305.875
    # Weighted by their places, so that none are swapped.
    actual = [
        np.sum(values * np.arange(1, len(values) + 1))
        for values in (p.numpy().astype("float64").ravel() for p in params)
    ]
    np.testing.assert_allclose(actual, sums, rtol=1e-5)
    np.testing.assert_allclose(outcome.loss, loss, rtol=1e-6)


def test_accuracy_is_the_share_of_right_answers():
    problem = _problem(hidden_layers=[])
    params = problem.initial_params((), _SEED)
    images, labels = batch = problem.sample_batch((), _SEED)
    accuracy = problem.loss(params, (), (), batch, _SEED).metrics["accuracy"]
    flat = images.numpy().reshape(len(images), -1)
    logits = flat @ params[1].numpy() + params[0].numpy()
    expected = np.mean(np.argmax(logits, axis=1) == labels)
    assert 0.0 < expected < 1.0
    assert float(accuracy) == pytest.approx(expected)
