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
    for test in (None, {"optimizers": {"adam": {"runs": 3}}}):
        assert "Final loss" not in description.describe(
            "mnist", {**values, "test": test}, RULE
        )


def test_says_how_it_did_on_the_suite():
    suite = {
        "problems": 14,
        "max_parameters": 10,
        "max_steps": 5000,
        "ratios": {"200": 0.612, "5000": None},
    }
    text = description.describe("mine", {"suite": suite}, RULE)
    assert "14 Keras models" in text
    assert "0.612 after 200 steps, diverged after 5,000 steps" in text


def test_little_metadata_is_enough():
    rule = {"rule": "kernelwise", "layers": [2], "kernel_shape": [5, 5]}
    text = description.describe("mine", {"rule": rule}, RULE)
    assert "mine" in text and RULE in text and "unknown" in text
    assert description.horizon({"rule": rule}) is None


def test_problems_of_any_form_are_described():
    part = {"problem": "digits", "batch_size": 8}
    for options, expected in (
        ({"problems": [part, {"problem": "mnist"}]}, "digits (batch_size=8)"),
        ({"problems": [[1]]}, "ensemble (problems=[[1]])"),
        ({}, "on ensemble, in runs"),
    ):
        problem = {"name": "ensemble", "options": options}
        text = description.describe(
            "mine", {"problem": problem, "horizon": 3}, RULE
        )
        assert expected in text


def test_panels_without_numbers_are_left_out():
    values = {"figures": {"mnist": {"a": {"last_tenth": 0.1}, "b": {}}}}
    assert "0.1" not in description.describe("mine", values, RULE)


def test_nothing_that_a_terminal_obeys_is_shown():
    problem = {"name": "\x1b[2J\x07\u202enasty", "options": {}}
    text = description.describe("mine", {"problem": problem}, RULE)
    assert text.replace("\n", "").isprintable() and "nasty" in text
