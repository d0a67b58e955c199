"""Tests of l2l_tf/problems/image_classification.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import datasets as data
from l2l_tf.problems import image_classification

_SEED = tf.constant([1, 2])


def _problem(**options):
    options = {"batch_size": 32, "initial_values": 0.5} | options
    return image_classification.ImageClassification("digits", **options)


@pytest.mark.parametrize("activation", image_classification.ACTIVATIONS)
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
        loss = problem.loss(params, (), (images, labels))
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
    loss = problem.loss(params, (), (images, labels))
    assert {t.dtype for t in (*params, images, loss)} == {tf.float64}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "nope"}, "'nope'.*'relu', 'sigmoid'"),
        ({"batch_size": 0}, "batch_size.*0"),
        ({"hidden_layers": [20, 0]}, r"hidden_layers.*\[20, 0\]"),
        ({"initial_values": -1.0}, "initial values -1.0"),
        ({"split": "nope"}, "'nope'.*'validation'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        _problem(**options)
