"""Tests of l2l_tf/problems/feature_training.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import datasets
from l2l_tf.problems import feature_training
from l2l_tf.problems import small_features

RANDOM = np.random.default_rng(0)


@pytest.fixture(name="images", scope="module")
def _images():
    """Returns images of two colours, easy to tell."""
    labels = np.arange(64, dtype=np.int32) % 2
    noise = RANDOM.integers(0, 156, [64, 32, 32, 3])
    tint = np.where(labels[:, np.newaxis] == 0, [0, 0, 99], [99, 0, 0])
    pixels = noise + tint[:, np.newaxis, np.newaxis]
    return datasets.Images(np.uint8(pixels), labels, 1 / 255)


def test_folded_convolution_gives_what_normalisation_gave():
    kernel = RANDOM.normal(size=[3, 3, 2, 5]).astype(np.float32)
    convolution = feature_training.Convolution(kernel)
    convolution.scale.assign(RANDOM.normal(size=5))
    convolution.offset.assign(RANDOM.normal(size=5))
    images = tf.constant(RANDOM.normal(1, 2, [4, 8, 8, 2]), tf.float32)
    for _ in range(200):  # Until the averages are the batch's moments.
        expected = convolution(images)
    kernel, bias = convolution.folded()
    found = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME") + bias)
    # The averaged variance is that of a sample.
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02)


def test_training_learns_and_continues_to_the_same_bits(images, tmp_path):
    plan = feature_training.Plan(24, batch_size=16, peak_rate=0.05)
    training = feature_training.Training(images, 2, plan)
    checkpoint = tf.train.Checkpoint(training=training)
    losses = [training.advance() for _ in range(12)]
    path = checkpoint.write(str(tmp_path / "half"))
    losses += [training.advance() for _ in range(12)]
    assert np.mean(losses[-6:]) < 0.3 < np.mean(losses[:3])
    again = feature_training.Training(images, 2, plan)
    tf.train.Checkpoint(training=again).read(path).assert_consumed()
    assert [again.advance() for _ in range(12)] == losses[12:]
    one, other = training.weights(), again.weights()
    assert set(one) == set(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    small_features.write(tmp_path / "weights.npz", one)
    read = small_features.read(tmp_path / "weights.npz")
    assert feature_training.accuracy(read, images) > 0.9


def test_rate_rises_once_and_falls_to_zero():
    plan = feature_training.Plan(40, peak_rate=0.5)
    rates = [feature_training.one_cycle(step, plan) for step in range(40)]
    assert np.argmax(rates) in (9, 10) and max(rates) == 0.5
    assert np.all(np.diff(rates[:10]) > 0) and np.all(np.diff(rates[10:]) < 0)
    assert 0 < rates[-1] < 0.03 and 0 < rates[0] < 0.1


def test_images_are_shifted_and_mirrored():
    image = np.arange(1.0, 145.0, dtype=np.float32).reshape(12, 12, 1)
    images = tf.constant(np.stack([image] * 64))
    found = feature_training.augmented(images, tf.constant([1, 2]))
    assert found.shape == images.shape
    expected = {}
    padded = np.pad(image[:, :, 0], 4, mode="symmetric")
    for y in range(9):
        for x in range(9):
            part = padded[y : y + 12, x : x + 12]
            expected[part.tobytes()] = (y, x, False)
            expected[part[:, ::-1].tobytes()] = (y, x, True)
    drawn = [expected[one[:, :, 0].numpy().tobytes()] for one in found]
    assert {y for y, _, _ in drawn} == {x for _, x, _ in drawn} == set(range(9))
    assert 16 < sum(mirrored for _, _, mirrored in drawn) < 48
