"""Tests of scripts/evaluate.py: accuracy, and problems of the user's own."""

import json

import pytest

from tests import in_process
from tests import processes

_OWN = """
import numpy as np
import sonnet as snt

import l2l_tf

def spirals(split="train", width=4):
    angles = np.linspace(0.0, 6.0, 120, dtype="float32")
    points = np.stack([angles * np.cos(angles), angles * np.sin(angles)], 1)
    return l2l_tf.from_sonnet(
        lambda: snt.nets.MLP([width, 2]),
        "sparse_categorical_crossentropy",
        (points, np.arange(120) % 2),
        batch_size=8,
    ).with_split(split)
"""


def _evaluate(*flags, cwd):
    return processes.run(
        in_process.SCRIPTS / "evaluate.py",
        "--optimizer=adam",
        "--learning_rate=0.1",
        "--num_epochs=2.0",  # as whole as 2
        "--num_steps=5",
        *flags,
        path=None,
        cwd=cwd,
    )


def test_a_module_of_the_working_directory_is_evaluated_with_accuracy(tmp_path):
    (tmp_path / "own_problems.py").write_text(_OWN)
    done = _evaluate(
        "--problem=own_problems:spirals",
        "--problem_options=width=3",
        "--split=validation",
        "--json_path=result.json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    title, head, line, *_ = done.stdout.splitlines()
    assert title == "own_problems:spirals, validation split, 2 runs of 5 steps"
    assert head.split()[-1] == "accuracy"
    results = json.loads((tmp_path / "result.json").read_text())
    assert results["problem"] == "own_problems:spirals"
    assert (results["split"], results["num_runs"]) == ("validation", 2)
    accuracy = results["optimizers"]["adam"]["metrics"]["accuracy"]
    assert len(accuracy["mean"]) == 6
    assert all(0.0 <= value <= 1.0 for value in accuracy["mean"])
    assert float(line.split()[-1]) == pytest.approx(accuracy["final"], rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--problem=own_problems:circles"], ["no function 'circles'"]),
        (
            [
                "--problem=ensemble",
                '--problem_options={"problems": '
                '[{"problem": "own_problems:spirals"}]}',
            ],
            ["own_problems:spirals", "--problem"],
        ),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_line(flags, words, tmp_path):
    (tmp_path / "own_problems.py").write_text(_OWN)
    done = _evaluate(*flags, cwd=tmp_path)
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert all(word in line for word in words), line
