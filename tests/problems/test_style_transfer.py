"""Tests of l2l_tf/problems/style_transfer.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.problems import feature_networks
from l2l_tf.problems import images
from l2l_tf.problems import paintings
from l2l_tf.problems import registry
from l2l_tf.problems import style_losses
from l2l_tf.problems import style_transfer

SEED = tf.constant([1, 2])
RANDOM = np.random.default_rng(0)


@pytest.fixture(name="problem", scope="module")
def _problem():
    return registry.make_problem("style_transfer", size=32)


def _loss(problem, theta, task):
    return problem.loss([theta], (), task, (), SEED).loss


def test_loss_is_the_weighted_sum_of_its_terms():
    options = {
        "size": 32,
        "content_weight": 0.5,
        "style_weight": 3.0,
        "smoothness_weight": 0.25,
        "content_layer": "conv2_2",
        "style_layers": ["conv1_1", "conv3_1"],
    }
    problem = registry.make_problem("style_transfer", **options)
    task = problem.sample_task(SEED)
    theta = RANDOM.random([32, 32, 3]).astype(np.float32)
    network = feature_networks.load("small")
    style = images.square(paintings.read("starry_night"), 32) / 255
    names = ["conv1_1", "conv2_2", "conv3_1"]
    features, wanted, painting = (
        network(tf.constant(image[np.newaxis], tf.float32), names)
        for image in (theta, task[0].numpy(), style)
    )
    content = np.sum((features["conv2_2"] - wanted["conv2_2"]) ** 2) / 2
    likeness = 0.0
    for name in options["style_layers"]:
        f, s = (
            np.reshape(found[name], [-1, found[name].shape[-1]]).astype(float)
            for found in (features, painting)
        )
        squares = np.sum((f.T @ f - s.T @ s) ** 2)
        likeness += squares / (4 * f.shape[1] ** 2 * f.shape[0] ** 2) / 2
    variation = sum(
        np.sum(np.diff(theta, axis=axis).astype(float) ** 2) for axis in (0, 1)
    )
    expected = 0.5 * content + 3.0 * 32 * 32 * likeness + 0.25 * variation
    found = _loss(problem, tf.constant(theta), task)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_content_image_has_no_content_loss(problem):
    other = registry.make_problem(
        "style_transfer",
        size=32,
        style_weight=0.0,
        smoothness_weight=0.0,
        start="content",
    )
    task = other.sample_task(SEED)
    [theta] = other.initial_params(task, SEED)
    np.testing.assert_array_equal(theta, task[0])
    assert float(_loss(other, theta, task)) == 0.0
    assert float(_loss(problem, theta, problem.sample_task(SEED))) > 1.0


def test_terms_are_those_that_suit_the_network(problem):
    terms = feature_networks.load("small").terms._asdict()
    terms["style_layers"] = list(terms["style_layers"])
    assert terms.items() <= problem.options.items()
    other = registry.make_problem("style_transfer", size=32, style_weight=0)
    assert other.options == {**problem.options, "style_weight": 0}


def test_starts_are_grey_or_noise(problem):
    task = problem.sample_task(SEED)
    [grey] = problem.initial_params(task, SEED)
    assert abs(np.mean(grey) - 0.5) < 1e-3 and abs(np.std(grey) - 0.01) < 1e-3
    noisy = registry.make_problem("style_transfer", size=32, start="noise")
    [noise] = noisy.initial_params(task, SEED)
    assert 0 <= np.min(noise) < 0.01 and 0.99 < np.max(noise) < 1
    assert abs(np.std(noise) - 12**-0.5) < 0.01
    with pytest.raises(ValueError, match="grey.*noise.*content.*'white'"):
        registry.make_problem("style_transfer", start="white")


def test_pixels_may_leave_the_range_and_come_back(problem):
    task = problem.sample_task(SEED)
    theta = tf.fill([32, 32, 3], 1.5)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss = _loss(problem, theta, task)
    gradient = tape.gradient(loss, theta)
    assert np.isfinite(loss) and np.mean(np.abs(gradient)) > 0
    assert np.all(images.to_pixels(theta.numpy()) == 255)


def test_neither_balance_nor_gradients_depend_on_the_size():
    # Of a pattern that repeats itself, far from the borders.
    random = np.random.default_rng(0)
    tile = random.random([8, 8, 3])
    painting = np.uint8(255 * np.tile(random.random([8, 8, 3]), [16, 16, 1]))
    gradients = []
    for size in (64, 128):
        pixels = np.uint8(255 * np.tile(tile, [size // 8, size // 8, 1]))
        problem = style_transfer.StyleTransfer(
            {split: pixels[None] for split in ("train", "validation", "test")},
            painting[:size, :size],
        )
        theta = tf.constant(
            np.tile(tile[::-1], [size // 8] * 2 + [1]), "float32"
        )
        task = problem.sample_task(SEED)
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = _loss(problem, theta, task)
        middle = slice(size // 2 - 4, size // 2 + 4)
        gradients.append(tape.gradient(loss, theta)[middle, middle].numpy())
    small, large = gradients
    # The borders count for half as much in the larger one's Gram matrices.
    assert np.mean(np.abs(small - large)) < 0.06 * np.mean(np.abs(small))


def test_convolutions_stay_out_of_xla_on_a_cpu(problem):
    task = problem.sample_task(SEED)
    graph = (
        tf.function(problem.loss, autograph=False)
        .get_concrete_function(
            problem.initial_params(task, SEED), (), task, (), SEED
        )
        .graph
    )
    has_gpu = bool(tf.config.list_logical_devices("GPU"))
    assert compilation.favours_xla(graph) == has_gpu


def test_gram_matrices_of_the_style_are_computed_once(problem, monkeypatch):
    calls = []
    original = style_losses.gram_matrices
    monkeypatch.setattr(
        style_losses,
        "gram_matrices",
        lambda features: calls.append(1) or original(features),
    )
    task = problem.sample_task(SEED)
    for _ in range(3):
        _loss(problem, problem.initial_params(task, SEED)[0], task)
    assert not calls


def test_mirrored_colours_are_the_same_function_of_one_minus_theta():
    plain = registry.make_problem("style_transfer", size=16)
    mirroring = registry.make_problem(
        "style_transfer", size=16, mirror_colors=True, start="content"
    )
    seen = set()
    for number in range(12):
        task = mirroring.sample_task(tf.constant([0, number]))
        mirrored = task[2].numpy()
        seen.add(tuple(mirrored))
        [theta] = mirroring.initial_params(task, SEED)
        image = np.where(mirrored, 1 - theta, theta)
        np.testing.assert_allclose(image, task[0], atol=1e-7)
        others = plain.sample_task(tf.constant([0, number]))
        assert not np.any(others[2])
        np.testing.assert_allclose(
            _loss(mirroring, theta, task),
            _loss(plain, tf.constant(image), others),
            rtol=1e-5,
        )
    # Each colour has a coin of its own.
    assert len(seen) > 4


def test_factors_on_the_loss_are_drawn_for_each_task():
    plain = registry.make_problem("style_transfer", size=16)
    scaled = registry.make_problem(
        "style_transfer", size=16, loss_factors=[0.1, 10.0]
    )
    factors = []
    for number in range(20):
        tasks = [
            problem.sample_task(tf.constant([0, number]))
            for problem in (plain, scaled)
        ]
        theta = tasks[0][0]
        losses = [
            float(_loss(problem, theta, task))
            for problem, task in zip((plain, scaled), tasks, strict=True)
        ]
        assert float(tasks[0][3]) == 1.0
        factors.append(losses[1] / losses[0])
        np.testing.assert_allclose(factors[-1], tasks[1][3], rtol=1e-5)
    assert 0.1 <= min(factors) < 0.3 and 3 < max(factors) <= 10
