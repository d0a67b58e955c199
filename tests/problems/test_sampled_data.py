"""Tests of l2l_tf/problems/sampled_data.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.problems import datasets
from l2l_tf.problems import sampled_data
from tests import prepared_data


def _seed(index):
    return randomness.run_seed(0, "train", index)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_images_are_those_of_the_split(split):
    source = sampled_data.ImageSource("digits", 8, "label")
    images, labels, scale = getattr(datasets.load("digits"), split)
    ours = {
        (image.tobytes(), label)
        for image, label in zip(
            (images * np.float32(scale)).astype(np.float32),
            labels,
            strict=True,
        )
    }
    for index in range(5):
        task = source.sample_task(_seed(index))
        inputs, targets = source.sample_batch(split, task, 20, _seed(1))
        pixels = inputs / task["factor"] + task["shift"]
        pixels = np.round(pixels * 16) / np.float32(16)
        for image, label in zip(pixels, targets.numpy(), strict=True):
            assert (image.astype(np.float32).tobytes(), label) in ours


def test_draws_take_subsets_of_many_sizes():
    source = sampled_data.ImageSource("digits", 8, "label")
    sizes = []
    for index in range(20):
        task = source.sample_task(_seed(index))
        inputs, _ = source.sample_batch("train", task, 2_000, _seed(1))
        flat = np.reshape(inputs, [2_000, -1])
        sizes.append(len(np.unique(flat, axis=0)))
    total = len(datasets.load("digits").train.labels)
    assert 60 <= min(sizes) < 120 and 0.7 * total < max(sizes) <= total


@pytest.mark.parametrize("target", ["pixels", "coins"])
def test_the_unit_of_an_autoencoder_is_the_loss_of_constant_outputs(target):
    source = sampled_data.ImageSource("digits", 8, target)
    train = datasets.load("digits").train
    pixels = (train.images * train.scale).reshape([len(train.labels), -1])
    means = pixels.mean(axis=0)
    for index in range(4):
        task = source.sample_task(_seed(index))
        factor = float(task["factor"])
        if target == "pixels":
            expected = factor**2 * np.mean((pixels - means) ** 2)
        else:
            p = np.clip(means, 1e-6, 1 - 1e-6)
            expected = -np.mean(
                pixels * np.log(p) + (1 - pixels) * np.log(1 - p)
            )
        assert float(task["unit"]) == pytest.approx(expected, rel=1e-3)


def test_the_unit_of_a_regression_is_the_variance_of_its_targets():
    source = sampled_data.TeacherSource((3,), 2, is_classifier=False)
    task = source.sample_task(_seed(0))
    _, targets = source.sample_batch("train", task, 50_000, _seed(1))
    variance = np.var(targets, axis=0).mean()
    assert float(task["unit"]) == pytest.approx(variance, rel=0.03)


def test_classes_of_a_teacher_are_several_and_differ_between_draws():
    source = sampled_data.TeacherSource((4, 3), 3, is_classifier=True)
    first, other = (source.sample_task(_seed(index)) for index in range(2))
    assert first["inputs"].shape == [512, 4, 3]
    for task in (first, other):
        counts = np.bincount(task["targets"], minlength=3)
        assert len(counts) == 3 and counts.max() < 0.9 * counts.sum()
    assert np.any(first["targets"] != other["targets"])


@prepared_data.needs("mnist")
def test_mnist_is_reduced_by_means():
    source = sampled_data.ImageSource("mnist", 14, "label")
    assert source.shape == (14, 14, 1)
    image = datasets.load("mnist").train.images[0, :, :, 0] / 255.0
    means = image.reshape(14, 2, 14, 2).mean(axis=(1, 3))
    images, _ = source._splits["train"]
    np.testing.assert_allclose(images[0, :, :, 0], means, atol=1e-6)
    assert isinstance(images, tf.Tensor) and len(images) == 10_000
