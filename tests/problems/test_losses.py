"""Tests of l2l_tf/problems/losses.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import losses

_RNG = np.random.default_rng(0)
_LOGITS = _RNG.normal(size=(50, 3)).astype("float32")
_LABELS = (np.arange(50) % 3).astype("int32")
_ONE_HOT = np.eye(3, dtype="float32")[_LABELS]


@pytest.mark.parametrize(
    ("name", "targets", "keras_loss", "keras_metric"),
    [
        (
            "sparse_categorical_crossentropy",
            _LABELS,
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            keras.metrics.SparseCategoricalAccuracy(),
        ),
        (
            "categorical_crossentropy",
            _ONE_HOT,
            keras.losses.CategoricalCrossentropy(from_logits=True),
            keras.metrics.CategoricalAccuracy(),
        ),
        (
            "binary_crossentropy",
            _ONE_HOT,
            keras.losses.BinaryCrossentropy(from_logits=True),
            keras.metrics.BinaryAccuracy(threshold=0.0),
        ),
        (
            "mean_squared_error",
            _ONE_HOT,
            keras.losses.MeanSquaredError(),
            None,
        ),
    ],
)
def test_losses_and_accuracies_are_what_keras_computes(
    name, targets, keras_loss, keras_metric
):
    np.testing.assert_allclose(
        losses.get(name)(_LOGITS, targets),
        keras_loss(targets, _LOGITS),
        rtol=1e-5,
    )
    metrics = losses.default_metrics(name)
    assert set(metrics) == ({"accuracy"} if keras_metric else set())
    for metric in metrics.values():
        expected = float(keras_metric(targets, _LOGITS))
        assert 0.0 < expected < 1.0
        assert float(metric(_LOGITS, targets)) == pytest.approx(expected)


def test_sequences_are_classified_position_by_position():
    logits, labels = _LOGITS.reshape(5, 10, 3), _LABELS.reshape(5, 10)
    name = "sparse_categorical_crossentropy"
    for measure in (losses.get(name), losses.default_metrics(name)["accuracy"]):
        np.testing.assert_allclose(
            measure(logits, labels), measure(_LOGITS, _LABELS), rtol=1e-6
        )


@pytest.mark.parametrize("name", ["binary_crossentropy", "mean_squared_error"])
def test_a_last_axis_of_one_may_be_missing(name):
    outputs, targets = tf.constant(_LOGITS[:, 0]), tf.constant(_ONE_HOT[:, 0])
    measures = [losses.get(name), *losses.default_metrics(name).values()]
    for measure in measures:
        expected = measure(outputs, targets)
        for left, right in [
            (outputs[:, tf.newaxis], targets),
            (outputs, targets[:, tf.newaxis]),
        ]:
            np.testing.assert_array_equal(measure(left, right), expected)


def test_a_function_is_its_own_loss_without_an_accuracy():
    def loss(outputs, targets):
        return outputs - targets

    assert losses.get(loss) is loss
    assert losses.title(loss) == "loss"
    assert losses.default_metrics(loss) == {}


@pytest.mark.parametrize("loss", ["nope", None, 3])
def test_what_is_no_loss_is_refused(loss):
    with pytest.raises(ValueError, match=f"{loss!r}.*mean_squared_error"):
        losses.get(loss)
