"""Tests of l2l_tf/problems/image_convnets.py."""

import os

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import randomness
from l2l_tf.problems import datasets
from l2l_tf.problems import registry
from l2l_tf.rules import registry as rules
from tests import prepared_data

_SEED = tf.constant([1, 2])
_SMALL = {"channels": [3, 4], "kernel_size": 3, "units": [5], "batch_size": 16}
_needs_cifar10 = prepared_data.needs("cifar10")


def _problem(split="train", **options):
    return registry.make_problem(
        "image_convnet", split, dataset="digits", **(_SMALL | options)
    )


@pytest.fixture(name="problem", scope="module")
def _whole():
    return _problem()


def test_parameters_are_named_by_layer(problem):
    params = problem.initial_params((), _SEED)
    shapes = [tuple(param.shape) for param in params]
    assert dict(zip(problem.parameter_names, shapes, strict=True)) == {
        "convnet/convolution_0/b": (3,),
        "convnet/convolution_0/w": (3, 3, 1, 3),
        "convnet/convolution_norm_0/offset": (3,),
        "convnet/convolution_norm_0/scale": (3,),
        "convnet/convolution_1/b": (4,),
        "convnet/convolution_1/w": (3, 3, 3, 4),
        "convnet/convolution_norm_1/offset": (4,),
        "convnet/convolution_norm_1/scale": (4,),
        "convnet/dense_0/b": (5,),
        "convnet/dense_0/w": (16, 5),
        "convnet/dense_norm_0/offset": (5,),
        "convnet/dense_norm_0/scale": (5,),
        "convnet/logits/b": (10,),
        "convnet/logits/w": (5, 10),
    }


def test_accuracy_is_the_share_of_right_answers(problem):
    params = problem.initial_params((), _SEED)
    images, labels = problem.sample_batch((), _SEED)
    assert tf.nest.flatten(problem.initial_model_state((), _SEED)) == []
    # Nothing but the last bias counts where its weights are zero.
    params[-1] = tf.zeros_like(params[-1])
    params[-2] = tf.one_hot(int(labels[0]), 10)
    outcome = problem.loss(params, [], (), (images, labels), _SEED)
    expected = np.mean(labels.numpy() == labels[0].numpy())
    assert float(outcome.metrics["accuracy"]) == pytest.approx(expected)
    total = np.log(9 + np.e)
    assert float(outcome.loss) == pytest.approx(total - expected, rel=1e-5)


def test_a_configuration_builds_it_again():
    problem = _problem("test", labels=[4, 1, 7], batch_norm=False)
    config = problem.config()
    assert config["name"] == "image_convnet"
    again = registry.make_problem(config["name"], "test", **config["options"])
    assert again.config() == config
    for a, b in zip(
        problem.sample_batch((), _SEED),
        again.sample_batch((), _SEED),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_only_the_images_of_some_labels_are_there(split):
    labels = [7, 2, 5]
    problem = _problem(split, labels=labels)
    whole = getattr(datasets.load("digits"), split)
    expected = {
        (image.tobytes(), labels.index(label))
        for image, label in zip(whole.images, whole.labels, strict=True)
        if label in labels
    }
    drawn = set()
    for step in range(60):
        seed = randomness.fold_in(_SEED, step)
        images, numbers = problem.sample_batch((), seed)
        pixels = np.rint(images.numpy() * 16).astype(np.uint8)
        drawn |= set(
            zip(map(bytes, pixels), numbers.numpy().tolist(), strict=True)
        )
    assert drawn <= expected and len(drawn) > 0.9 * len(expected)
    assert problem.initial_params((), _SEED)[-1].shape == (5, 3)


@pytest.mark.parametrize("labels", [[3], [3, 3], [0, 10], [-1, 2], "12", 3])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match="labels.*0 and 9; received"):
        _problem(labels=labels)


def test_kernels_have_a_rule_of_their_own(problem):
    rule = rules.make_rule(problem.default_rule(), problem.parameter_names)
    params = problem.initial_params((), _SEED)
    state = rule.initial_state(params)
    # 20 units keep 40 numbers a layer.
    columns = [
        {tensor.shape[-1] for tensor in tf.nest.flatten(part)} for part in state
    ]
    kernels = 3 * 3 * (1 * 3 + 3 * 4)
    total = sum(param.shape.num_elements() for param in params)
    assert columns == [{kernels}, {total - kernels}]


def test_its_loop_is_not_compiled_by_xla_on_a_cpu(problem):
    arguments = (
        problem.initial_params((), _SEED),
        [],
        (),
        problem.sample_batch((), _SEED),
        _SEED,
    )
    traced = tf.function(problem.loss).get_concrete_function(*arguments)
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    assert compilation.favours_xla(traced.graph) == on_gpu


@_needs_cifar10
def test_cifar10_is_split_as_tfds_numbers_it():
    import tensorflow_datasets as tfds

    problem = registry.make_problem("cifar10", labels=[3, 8])
    loaded = datasets.load("cifar10", num_validation=5_000)
    assert [len(part.labels) for part in loaded[:3]] == [45_000, 5_000, 10_000]
    assert loaded.train.images.dtype == np.uint8
    # Around the first image that is not for training, and all labels.
    for split, skipped in (("train[44000:46000]", None), ("train", "image")):
        expected = tfds.load(
            "cifar10",
            split=split,
            batch_size=-1,
            download=False,
            data_dir=os.environ["TFDS_DATA_DIR"],
            decoders=skipped and {skipped: tfds.decode.SkipDecoding()},
        )
        if skipped is None:
            parts = loaded.train.images[44_000:], loaded.validation.images
            ours = np.concatenate(parts)[:2_000]
            np.testing.assert_array_equal(ours, expected["image"])
    ours = np.concatenate([part.labels for part in loaded[:2]])
    np.testing.assert_array_equal(ours, expected["label"])
    images, labels = problem.sample_batch((), _SEED)
    assert images.shape == (128, 32, 32, 3)
    assert set(labels.numpy()) == {0, 1}


def test_too_many_images_for_validation_are_refused(monkeypatch):
    images = datasets.Images(np.zeros([60, 2, 2, 1]), np.zeros([60]), 1.0)
    monkeypatch.setattr(
        datasets, "_load_tfds", lambda *_: (images, images, 10, "")
    )
    with pytest.raises(ValueError, match="60 images.*received 60"):
        datasets.load("some-set", num_validation=60)
    assert len(datasets.load("some-set").validation.labels) == 10
