"""Tests of l2l_tf/problems/paintings.py."""

import numpy as np
import pytest

from l2l_tf.problems import images
from l2l_tf.problems import paintings

RANDOM = np.random.default_rng(0)


def test_paintings_are_named_or_paths(tmp_path):
    assert paintings.names() == ["great_wave", "starry_night"]
    pixels = RANDOM.integers(0, 256, [9, 5, 3], np.uint8)
    path = images.write(tmp_path / "mine.png", pixels)
    np.testing.assert_array_equal(paintings.read(path), pixels)
    assert paintings.read("great_wave").shape == (256, 256, 3)
    with pytest.raises(ValueError, match="'monet'.*great_wave, starry_night"):
        paintings.read("monet")
