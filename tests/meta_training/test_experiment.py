"""Tests of l2l_tf/meta_training/experiment.py."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_training import config
from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = {
    "num_epochs": 4,
    "num_steps": 4,
    "unroll_length": 2,
    "evaluation_period": 1,
    "evaluation_epochs": 1,
    "log_period": 2,
}


def _problem():
    return quadratic.Quadratic(num_functions=2, num_dims=2)


def _meta_train(path, **kwargs):
    return experiment.meta_train(
        _problem(), path, rule={"layers": [3]}, **{**SETTINGS, **kwargs}
    )


def _checkpoint(folder):
    """Returns every value in the last checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "VARIABLE_VALUE" in name and not name.startswith("save_counter")
    }


def _train_command(folder, *flags):
    return [
        sys.executable,
        str(ROOT / "scripts" / "train.py"),
        "--problem=digits",
        f"--save_path={folder}",
        "--num_epochs=30",
        "--num_steps=10",
        "--unroll_length=5",
        "--batch_size=2",
        "--learning_rate=0.01",
        "--learning_rate_schedule=cosine",
        "--evaluation_period=3",
        "--evaluation_epochs=1",
        "--log_period=1",
        "--test_epochs=0",
        *flags,
    ]


def _run_and_kill(command, after_epoch):
    """Kills the process as soon as it reports an epoch; no chance to tidy."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith(f"epoch {after_epoch}/"):
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL


def test_killed_process_resumes_to_bit_identical_weights(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(_train_command(whole), check=True, capture_output=True)
    _run_and_kill(_train_command(broken), after_epoch=2)
    _run_and_kill(_train_command(broken, "--resume"), after_epoch=11)
    # Flags that are not given keep their values.
    resume = [*_train_command(broken)[:2], f"--save_path={broken}", "--resume"]
    done = subprocess.run(
        [*resume, "--test_epochs=0"], check=True, capture_output=True, text=True
    )
    assert "Resumed after epoch 9" in done.stdout
    expected, resumed = _checkpoint(whole), _checkpoint(broken)
    assert len(expected) > 20 and expected.keys() == resumed.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)
    for a, b in zip(
        saved_optimizer.load(whole / "optimizer").trainable_variables,
        saved_optimizer.load(broken / "optimizer").trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_meta_train_writes_an_optimizer_with_its_history(tmp_path):
    path = _meta_train(tmp_path / "run", test_runs=1)
    metadata = metadata_lib.read(path)
    assert metadata["horizon"] == 4 and metadata["training"]["num_epochs"] == 4
    assert metadata["problem"]["name"] == "quadratic"
    assert metadata["validation"]["loss"] > 0
    optimizers = metadata["test"]["optimizers"]
    assert set(optimizers) == {"L2L", *experiment.BASELINES}
    assert optimizers["adam"]["learning_rate"] > 0
    validation = metadata["validation"]["optimizers"]
    assert validation.keys() == optimizers.keys()
    assert validation["adam"]["final"] != optimizers["adam"]["final"]
    checkpoints = (tmp_path / "run" / "checkpoints").glob("*.index")
    assert len(list(checkpoints)) == 3


def test_exported_rule_is_the_best_one(tmp_path):
    path = _meta_train(
        tmp_path / "run", learning_rate=0.5, num_epochs=6, seed=5
    )
    values = _checkpoint(tmp_path / "run")
    best = [
        values[f"progress/best_phi/{i}/.ATTRIBUTES/VARIABLE_VALUE"]
        for i in range(4)
    ]
    exported = saved_optimizer.load(path).trainable_variables
    for a, b in zip(exported, best, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(best[0] != values["phi/0/.ATTRIBUTES/VARIABLE_VALUE"])


def test_resume_may_train_longer_but_not_otherwise(tmp_path):
    path = tmp_path / "run"
    _meta_train(path)
    _meta_train(path, num_epochs=6, resume=True)
    assert (
        json.loads((path / "config.json").read_text())["settings"]["num_epochs"]
        == 6
    )
    with pytest.raises(ValueError, match="learning_rate was 0.001, now 0.5"):
        _meta_train(path, num_epochs=6, resume=True, learning_rate=0.5)


def test_longer_training_equals_one_that_was_long_from_the_start(tmp_path):
    _meta_train(tmp_path / "a")
    _meta_train(tmp_path / "a", num_epochs=6, resume=True)
    _meta_train(tmp_path / "b", num_epochs=6)
    a, b = _checkpoint(tmp_path / "a"), _checkpoint(tmp_path / "b")
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_existing_folder_is_safe(tmp_path):
    path = tmp_path / "run"
    _meta_train(path)
    with pytest.raises(FileExistsError, match="resume=True"):
        _meta_train(path)
    with pytest.raises(ValueError, match="exclude"):
        _meta_train(path, resume=True, overwrite=True)
    _meta_train(path, overwrite=True)
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="something else"):
        _meta_train(foreign, overwrite=True)
    assert (foreign / "thesis.tex").read_text() == "years of work"


def test_training_starts_from_an_exported_optimizer(tmp_path):
    first = _meta_train(tmp_path / "first")
    second = _meta_train(
        tmp_path / "second",
        initial_optimizer=str(first),
        learning_rate=0.0,
    )
    for a, b in zip(
        saved_optimizer.load(first).trainable_variables,
        saved_optimizer.load(second).trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_initial_optimizer_of_another_rule_is_refused(tmp_path, exported):
    with pytest.raises(ValueError, match="another rule"):
        _meta_train(tmp_path / "run", initial_optimizer=str(exported))


def test_failed_overwrite_loses_nothing(tmp_path):
    path = _meta_train(tmp_path / "run")
    with pytest.raises(ValueError, match="nonesuch"):
        _meta_train(
            tmp_path / "run", overwrite=True, initial_optimizer="nonesuch"
        )
    assert saved_optimizer.load(path)
    # Even its own successor may start from it.
    _meta_train(tmp_path / "run", overwrite=True, initial_optimizer=path)


def test_resume_of_another_problem_is_refused(tmp_path):
    settings = {**SETTINGS, "rule": {"layers": [3]}}
    for num_dims in (2, 3):
        problem = quadratic.Quadratic(num_functions=2, num_dims=num_dims)
        if num_dims == 2:
            experiment.meta_train(problem, tmp_path / "run", **settings)
        else:
            with pytest.raises(ValueError, match="num_dims was 2, now 3"):
                experiment.meta_train(
                    problem, tmp_path / "run", resume=True, **settings
                )


def test_a_second_training_in_the_same_folder_is_refused(tmp_path):
    path = tmp_path / "run"
    with (
        locking.locked(path),
        pytest.raises(FileExistsError, match=f"by process {os.getpid()};"),
    ):
        _meta_train(path, resume=True)
    _meta_train(path, resume=True)


def test_the_seed_draws_phi_unless_the_rule_says_otherwise():
    def seeds(rule, problem=None):
        made = experiment.complete_rule(rule, problem or _problem(), seed=7)
        parts = made["routes"].values() if "routes" in made else [made]
        return [part.get("seed") for part in parts]

    assert seeds(None) == seeds({"layers": [3]}) == [7]
    assert seeds({"seed": 2}) == [2]
    assert seeds(None, simple.SimpleMulti()) == [7, None]


def test_the_number_of_lanes_is_kept(tmp_path):
    _meta_train(tmp_path / "run", num_epochs=1)
    settings = config.read_config(tmp_path / "run").settings
    assert settings.num_lanes == settings.resolved().num_lanes >= 1


class _Nothing(simple.Simple):
    """Has parameters, but no coordinates."""

    def __init__(self, shapes):
        super().__init__()
        self.shapes = shapes

    def initial_params(self, task, seed):
        return [tf.zeros(shape) for shape in self.shapes]


@pytest.mark.parametrize("shapes", [[], [[0]], [[0, 3], [2, 0]]])
def test_a_problem_without_coordinates_is_refused(shapes, tmp_path):
    with pytest.raises(ValueError, match=f"nothing to opt.*{len(shapes)} par"):
        experiment.meta_train(_Nothing(shapes), tmp_path / "run", **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_a_stray_checkpoint_is_ignored(tmp_path):
    _meta_train(tmp_path / "run", num_epochs=1)
    (tmp_path / "run" / "checkpoints" / "ckpt-best.index").write_text("mine")
    _meta_train(tmp_path / "run", num_epochs=2, resume=True)


def _damage(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capsys):
    _meta_train(tmp_path / "whole", num_epochs=6)
    _meta_train(tmp_path / "broken")
    folder = tmp_path / "broken" / "checkpoints"
    _damage(folder / "ckpt-4.index")
    (folder / "checkpoint").write_text("nonsense")
    _meta_train(tmp_path / "broken", num_epochs=6, resume=True)
    assert "Resumed after epoch 3" in capsys.readouterr().out
    whole, broken = (_checkpoint(tmp_path / n) for n in ("whole", "broken"))
    for name, value in whole.items():
        np.testing.assert_array_equal(value, broken[name], err_msg=name)


def test_damage_of_all_checkpoints_is_told_and_nothing_is_lost(tmp_path):
    _meta_train(tmp_path / "run")
    for file in (tmp_path / "run" / "checkpoints").glob("*.index"):
        _damage(file)
    before = sorted((tmp_path / "run").rglob("*"))
    with pytest.raises(meta_training.MetaTrainingError, match="can be read"):
        _meta_train(tmp_path / "run", resume=True)
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_what_kills_left_of_checkpoints_is_removed(tmp_path):
    _meta_train(tmp_path / "run", num_epochs=1)
    folder = tmp_path / "run" / "checkpoints"
    (folder / "ckpt-2_temp").mkdir()
    (folder / "ckpt-2_temp" / "part-00000-of-00001.index").write_text("half")
    (folder / "ckpt-2.index.tempstate4711").write_text("half")
    (folder / "checkpoint.tmp0f3a").write_text("half")
    (folder / "ckpt-notes.txt").write_text("mine")
    _meta_train(tmp_path / "run", num_epochs=2, resume=True)
    left = {path.name for path in folder.iterdir()}
    assert {name for name in left if "temp" in name or ".tmp" in name} == set()
    assert {"ckpt-notes.txt", "ckpt-1.index", "ckpt-2.index"} <= left


def test_export_tells_the_commands_of_earlier_stages(tmp_path):
    first = _meta_train(tmp_path / "first")
    assert metadata_lib.read(first)["earlier_commands"] == []
    metadata = metadata_lib.read(first)
    history = {"earlier_commands": ["train a"], "command": "train b"}
    metadata_lib.write(first, {**metadata, **history})
    second = _meta_train(tmp_path / "second", initial_optimizer=str(first))
    commands = metadata_lib.read(second)["earlier_commands"]
    assert commands == ["train a", "train b"]
