"""Tests of l2l_tf/keras_optimizers/description.py."""

from l2l_tf import metadata
from l2l_tf.keras_optimizers import description


def test_says_what_it_was_trained_on_and_beat():
    text = description.describe("mnist", metadata.read("mnist"), 80)
    assert "[20, 20]" in text and "80 numbers" in text
    assert "Trained on mnist" in text and "100 steps" in text
    losses = text[text.index("Final loss") :]
    assert losses.index("L2L") < losses.index("adam")


def test_little_metadata_is_enough():
    rule = {"rule": "kernelwise", "layers": [2], "kernel_shape": [5, 5]}
    text = description.describe("mine", {"rule": rule}, 8)
    assert "mine" in text and "kernelwise" in text and "unknown" in text
    assert description.horizon({"rule": rule}) is None
