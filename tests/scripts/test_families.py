"""Tests of the scripts on problems with several members."""

import json

import numpy as np
import pytest

from l2l_tf.meta_gradients import imitation
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import trainer
from l2l_tf.problems import simple
from l2l_tf.rules import registry as rules
from tests import in_process

pytestmark = pytest.mark.slow

_MEMBERS = {"problems": [{"problem": "simple"}, {"problem": "simple-multi"}]}
_PROBLEM = ["--problem=mixture", f"--problem_options={json.dumps(_MEMBERS)}"]


def test_parts_of_runs_are_trained_on_resumed_and_evaluated(tmp_path):
    flags = [
        *_PROBLEM,
        '--rule_options={"layers": [2]}',
        "--num_steps=8",
        "--min_steps=4",
        "--unroll_length=2",
        "--max_unrolls=2",
        "--meta_gradient=imitation",
        "--nojit_compile",
        "--evaluation_period=2",
        "--evaluation_epochs=1",
        "--test_runs=1",
        "--notensorboard",
    ]
    for name, steps in (("whole", [4]), ("parts", [2, 4])):
        path = tmp_path / name
        for index, num_epochs in enumerate(steps):
            resume = ["--resume"] if index else ["--learning_rate=0.01"]
            done = in_process.run_script(
                "train",
                *flags,
                *resume,
                f"--save_path={path}",
                f"--num_epochs={num_epochs}",
            )
            assert done.returncode == 0, done.stderr
        found = json.loads((path / "optimizer" / "metadata.json").read_text())
        assert found["training"]["epochs_done"] == 4
        # The test compares as validation does, by geometric means.
        assert found["test"]["optimizers"]["L2L"]["final"] > 0.0
    shown = in_process.run_script(
        "evaluate",
        *_PROBLEM,
        f"--path={tmp_path / 'whole' / 'optimizer'}",
        "--num_steps=4",
        "--num_epochs=2",
        "--nojit_compile",
    )
    assert shown.returncode == 0, shown.stderr
    assert "L2L" in shown.stdout


def test_a_trainer_anneals_imitation(monkeypatch):
    """The share of the training that is over reaches the estimator."""
    shares = []
    original = imitation.Imitation._also

    def spy(self, *arguments):
        shares.append(self.share)
        return original(self, *arguments)

    monkeypatch.setattr(imitation.Imitation, "_also", spy)
    settings = settings_lib.Settings(
        num_epochs=4,
        num_steps=2,
        unroll_length=2,
        meta_gradient="imitation",
        evaluation_period=4,
        evaluation_epochs=1,
        jit_compile=False,
    )
    training = trainer.MetaTrainer(
        rules.make_rule({"layers": [2]}), simple.Simple(), settings
    )
    seen = [float(shares[-1]) for _ in training.train()]
    np.testing.assert_allclose(seen, [0.0, 0.25, 0.5, 0.75])
