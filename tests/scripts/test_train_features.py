"""Tests of scripts/train_features.py."""

import json

import numpy as np
import pytest

from l2l_tf.problems import datasets
from l2l_tf.problems import small_features
from tests import in_process

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    labels = np.arange(48, dtype=np.int32) % 2
    pixels = RANDOM.integers(0, 200, [48, 32, 32, 3])
    pixels = np.uint8(pixels + 50 * labels[:, None, None, None])
    part = datasets.Images(pixels, labels, 1 / 255)
    monkeypatch.setattr(
        datasets, "load", lambda name: datasets.Dataset(part, part, part, 2)
    )


def test_features_are_trained_and_an_interrupted_training_continues(tmp_path):
    flags = ("--batch_size=16", "--checkpoint_period=4", "--peak_rate=0.01")

    def train(epochs, folder):
        return in_process.run_script(
            "train_features",
            f"--save_path={tmp_path / folder}",
            f"--output={tmp_path / folder / 'out.npz'}",
            f"--num_epochs={epochs}",
            *flags,
        )

    done = train(1, "a")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "a" / "out.json").read_text())
    assert f"{told['test_accuracy']:.4f}" in done.stdout
    assert (
        told["training"]["num_steps"] == 6
        and "train_features" in (told["command"])
    )
    weights = small_features.read(tmp_path / "a" / "out.npz")
    assert weights["conv1_1/kernel"].shape == (3, 3, 3, 16)
    assert all(values.dtype == np.float16 for values in weights.values())
    done = train(2, "a")
    assert "Continues at step 4." in done.stdout


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--batch_size=97", "--batch_size must be at most 96"),
        ("--num_epochs=0", "--num_epochs must be at least 1"),
        ("--seed=-1", "--seed must be at least 0"),
    ],
)
def test_what_is_refused_is_told_in_one_line(flag, said, tmp_path):
    folder = tmp_path / "features"
    done = in_process.run_script(
        "train_features", f"--save_path={folder}", flag
    )
    [line] = done.stderr.splitlines()
    assert done.returncode == 1 and said in line
    assert not folder.exists()
