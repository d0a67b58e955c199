"""Tests of l2l_tf/problems/style_problems.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.problems import images
from l2l_tf.problems import registry
from l2l_tf.problems import style_problems

SEED = tf.constant([1, 2])
RANDOM = np.random.default_rng(0)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    for number in range(40):
        pixels = RANDOM.integers(0, 256, [20, 24, 3], np.uint8)
        images.write(tmp_path / f"{number}.png", pixels)
    return tmp_path


def test_a_task_is_a_content_image_of_the_split(folder):
    problem = style_problems.from_images(folder, size=16)
    seen = {}
    for split in ("train", "validation", "test"):
        part = problem.with_split(split)
        seen[split] = {
            part.sample_task(tf.constant([0, seed]))[0].numpy().tobytes()
            for seed in range(30)
        }
        expected = {
            (np.float32(pixels) / np.float32(255)).tobytes()
            for pixels in (
                images.square(images.read(file), 16)
                for file in folder.iterdir()
            )
        }
        assert seen[split] <= expected
    assert len(seen["train"]) > 10
    assert not seen["train"] & seen["validation"]
    assert not seen["train"] & seen["test"]
    assert not seen["validation"] & seen["test"]


def test_configuration_builds_it_again_without_the_folder(folder):
    problem = style_problems.from_images(
        folder, size=16, style_weight=2.0, start="noise"
    )
    config = problem.config()
    assert str(folder) not in str(config)
    assert config["options"]["contents"] == "folder"
    again = registry.make_problem(
        config["name"], image_dir=str(folder), **config["options"]
    )
    assert again.config() == config


def test_a_split_without_images_is_refused(tmp_path):
    images.write(tmp_path / "a.png", np.zeros([8, 8, 3], np.uint8))
    splits = {"train", "validation", "test"}
    refused = 0
    for split in splits:
        try:
            registry.make_problem(
                "style_transfer",
                split,
                contents="folder",
                image_dir=str(tmp_path),
                size=8,
            )
        except ValueError as error:
            assert repr(split) in str(error)
            refused += 1
    assert refused == 2
