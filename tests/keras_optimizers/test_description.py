"""Tests of l2l_tf/keras_optimizers/description.py."""

import pytest

from l2l_tf.keras_optimizers import description
from l2l_tf.saving import metadata

RULE = "An LSTM on every coordinate."


def test_says_what_it_was_trained_on_and_beat():
    text = description.describe("mnist", metadata.read("mnist"), RULE)
    assert text.startswith(f"mnist: {RULE}\n")
    assert "Trained on mnist" in text and "100 steps" in text
    losses = text[text.index("Final loss") :]
    assert losses.index("L2L") < losses.index("adam")


@pytest.mark.parametrize("name", metadata.bundled_names())
def test_every_bundled_optimizer_is_described(name):
    text = description.describe(name, metadata.read(name), RULE)
    assert text.startswith(name) and "Trained on" in text


def test_tests_that_diverged_or_were_not_made():
    values = metadata.read("mnist")
    values["test"]["optimizers"]["adam"]["final"] = None
    text = description.describe("mnist", values, RULE)
    assert "adam" not in text.split("Final loss")[1].splitlines()[0]
    assert "Final loss" not in description.describe(
        "mnist", {**values, "test": None}, RULE
    )


def test_little_metadata_is_enough():
    rule = {"rule": "kernelwise", "layers": [2], "kernel_shape": [5, 5]}
    text = description.describe("mine", {"rule": rule}, RULE)
    assert "mine" in text and RULE in text and "unknown" in text
    assert description.horizon({"rule": rule}) is None
