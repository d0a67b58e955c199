"""Tests of l2l_tf/problems/style_losses.py."""

import numpy as np
import tensorflow as tf

from l2l_tf.problems import style_losses

RANDOM = np.random.default_rng(0)


def _features(height, width, channels):
    return RANDOM.normal(size=[1, height, width, channels]).astype(np.float32)


def test_gram_matrix_is_the_mean_product_of_channels():
    features = _features(4, 5, 3)
    expected = np.zeros([3, 3])
    for i in range(3):
        for j in range(3):
            products = features[0, :, :, i] * features[0, :, :, j]
            expected[i, j] = np.mean(products)
    gram = style_losses.gram_matrix(tf.constant(features))
    np.testing.assert_allclose(gram, expected, rtol=1e-5, atol=1e-6)


def test_content_loss_is_half_the_squared_distance():
    a, b = _features(4, 4, 2), _features(4, 4, 2)
    loss = style_losses.content_loss(tf.constant(a), tf.constant(b))
    np.testing.assert_allclose(loss, np.sum((a - b) ** 2) / 2, rtol=1e-5)


def test_style_loss_is_that_of_gatys_et_al():
    # Written with their sums over places, and their factor 1/(4 N^2 M^2).
    image = {"a": _features(4, 6, 3), "b": _features(2, 3, 5)}
    style = {"a": _features(4, 6, 3), "b": _features(2, 3, 5)}
    expected = 0.0
    for name in image:
        f = image[name].reshape(-1, image[name].shape[-1]).astype(float)
        s = style[name].reshape(-1, style[name].shape[-1]).astype(float)
        places, channels = f.shape
        squares = np.sum((f.T @ f - s.T @ s) ** 2)
        expected += squares / (4 * channels**2 * places**2) / len(image)
    loss = style_losses.style_loss(
        {name: tf.constant(values) for name, values in image.items()},
        style_losses.gram_matrices(
            {name: tf.constant(values) for name, values in style.items()}
        ),
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_style_has_neither_place_nor_size():
    features = _features(4, 6, 3)
    moved = np.roll(features, (1, 2), axis=(1, 2))
    twice = np.concatenate([features, features], axis=1)
    style = style_losses.gram_matrices({"a": tf.constant(features)})
    for other in (moved, twice):
        loss = style_losses.style_loss({"a": tf.constant(other)}, style)
        np.testing.assert_allclose(loss, 0.0, atol=1e-10)
    other = {"a": tf.constant(features + 1.0)}
    assert style_losses.style_loss(other, style) > 0.01


def test_total_variation_sums_over_neighbours():
    image = RANDOM.normal(size=[4, 3, 2])
    expected = 0.0
    for y in range(4):
        for x in range(3):
            if y + 1 < 4:
                expected += np.sum((image[y + 1, x] - image[y, x]) ** 2)
            if x + 1 < 3:
                expected += np.sum((image[y, x + 1] - image[y, x]) ** 2)
    variation = style_losses.total_variation(tf.constant(image))
    np.testing.assert_allclose(variation, expected, rtol=1e-12)
