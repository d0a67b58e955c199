"""Tests of l2l_tf/meta_training/experiment.py."""

import itertools
import json
import os
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.meta_training import config
from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import provenance
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import quadratic
from l2l_tf.rules import base
from l2l_tf.rules import registry
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer
from tests import events
from tests import in_process
from tests import processes

pytestmark = pytest.mark.slow

# So fast that the last rule is not the best one.
SETTINGS = {
    "learning_rate": 0.5,
    "seed": 5,
    "jit_compile": False,
    "num_epochs": 4,
    "num_steps": 4,
    "unroll_length": 2,
    "evaluation_period": 1,
    "evaluation_epochs": 1,
    "log_period": 2,
    "tensorboard": False,
}


def _problem():
    return quadratic.Quadratic(num_functions=2, num_dims=2)


def _meta_train(path, **kwargs):
    return experiment.meta_train(
        _problem(), path, **{"rule": {"layers": [3]}, **SETTINGS, **kwargs}
    )


def _checkpoint(folder):
    """Returns every value in the last checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "VARIABLE_VALUE" in name and not name.startswith("save_counter")
    }


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Returns the folder of a training, to be left as it is."""
    folder = tmp_path_factory.mktemp("short") / "run"
    _meta_train(folder, test_runs=1)
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Returns the folder of the same training, with more runs."""
    folder = tmp_path_factory.mktemp("long") / "run"
    _meta_train(folder, num_epochs=6)
    return folder


@pytest.fixture
def copy(short, tmp_path):
    """Returns a folder of the short training that may be changed."""
    return shutil.copytree(short, tmp_path / "copy")


@pytest.fixture(scope="module")
def resumed(short, tmp_path_factory):
    """Returns the folder of the short training, resumed with more runs."""
    folder = tmp_path_factory.mktemp("resumed") / "run"
    shutil.copytree(short, folder)
    _meta_train(folder, num_epochs=6, resume=True)
    return folder


@pytest.fixture(scope="module")
def stages(short, tmp_path_factory):
    """Returns an optimizer with a history, and one that starts from it."""
    folder = tmp_path_factory.mktemp("stages")
    first = shutil.copytree(short / "optimizer", folder / "first")
    metadata = metadata_lib.read(first)
    assert metadata["earlier_commands"] == []
    history = {"earlier_commands": ["train a"], "command": "train b"}
    metadata_lib.write(first, {**metadata, **history})
    return first, _meta_train(
        folder / "second",
        initial_optimizer=str(first),
        learning_rate=0.0,
        num_epochs=1,
    )


def _weights(optimizer):
    return saved_optimizer.load(optimizer).trainable_variables


def _assert_equal(ours, expected):
    """Compares two checkpoints."""
    assert len(expected) > 20 and expected.keys() == ours.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def _train_flags(folder, *flags):
    return [
        "--problem=digits",
        f"--save_path={folder}",
        "--rule_options=layers=[3]",
        "--num_epochs=8",
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


def _train_and_kill(flags, after_run):
    """Kills the process as soon as it reports a run; no chance to tidy."""
    with processes.start(
        in_process.SCRIPTS / "train.py",
        *flags,
        # The same as in this process.
        environment={"XLA_FLAGS": "", **os.environ},
    ) as running:
        for line in running.stdout:
            if line.startswith(f"run {after_run}/"):
                os.kill(running.process.pid, signal.SIGKILL)
                break
        done = running.finish()
    assert done.returncode == -signal.SIGKILL, done.stderr


def _train(*flags):
    done = in_process.run_script("train", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_process_resumes_to_bit_identical_weights(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _train(*_train_flags(whole))
    _train_and_kill(_train_flags(broken), after_run=2)
    _train_and_kill(_train_flags(broken, "--resume"), after_run=5)
    # Flags that are not given keep their values.
    printed = _train(f"--save_path={broken}", "--resume", "--test_epochs=0")
    assert "Resumed after run 3" in printed
    _assert_equal(_checkpoint(broken), _checkpoint(whole))
    for a, b in zip(
        _weights(whole / "optimizer"),
        _weights(broken / "optimizer"),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    losses, expected = (
        events.scalars(folder / "logs")["training/meta_loss"]
        for folder in (broken, whole)
    )
    assert losses == expected and list(losses) == list(range(1, 9))


def test_meta_train_writes_an_optimizer_with_its_history(short):
    metadata = metadata_lib.read(short / "optimizer")
    assert metadata["horizon"] == 4 and metadata["training"]["num_epochs"] == 4
    assert metadata["problem"]["name"] == "quadratic"
    assert metadata["validation"]["loss"] > 0
    optimizers = metadata["test"]["optimizers"]
    assert set(optimizers) == {"L2L", *provenance.BASELINES}
    assert optimizers["adam"]["learning_rate"] > 0
    validation = metadata["validation"]["optimizers"]
    assert validation.keys() == optimizers.keys()
    assert validation["adam"]["final"] != optimizers["adam"]["final"]
    checkpoints = (short / "checkpoints").glob("*.index")
    assert len(list(checkpoints)) == 3


def test_exported_rule_is_the_best_one(long):
    values = _checkpoint(long)
    best = [
        values[f"progress/best_phi/{i}/.ATTRIBUTES/VARIABLE_VALUE"]
        for i in range(4)
    ]
    for a, b in zip(_weights(long / "optimizer"), best, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(best[0] != values["phi/0/.ATTRIBUTES/VARIABLE_VALUE"])


def test_resume_may_train_longer_but_not_otherwise(resumed):
    written = json.loads((resumed / "config.json").read_text())
    assert written["settings"]["num_epochs"] == 6
    with pytest.raises(ValueError, match="learning_rate was 0.5, now 0.001"):
        _meta_train(resumed, num_epochs=6, resume=True, learning_rate=0.001)


def test_longer_training_equals_one_that_was_long_from_the_start(resumed, long):
    _assert_equal(_checkpoint(resumed), _checkpoint(long))


def test_existing_folder_is_safe(copy, tmp_path):
    with pytest.raises(FileExistsError, match="resume=True"):
        _meta_train(copy)
    with pytest.raises(ValueError, match="exclude"):
        _meta_train(copy, resume=True, overwrite=True)
    _meta_train(copy, overwrite=True, num_epochs=1)
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="something else"):
        _meta_train(foreign, overwrite=True)
    assert (foreign / "thesis.tex").read_text() == "years of work"


def test_training_starts_from_an_exported_optimizer(stages):
    for a, b in zip(*map(_weights, stages), strict=True):
        np.testing.assert_array_equal(a, b)


def test_initial_optimizer_of_another_rule_is_refused(tmp_path, exported):
    with pytest.raises(ValueError, match="another rule"):
        _meta_train(tmp_path / "run", initial_optimizer=str(exported))


def test_failed_overwrite_loses_nothing(copy):
    path = copy / "optimizer"
    with pytest.raises(ValueError, match="nonesuch"):
        _meta_train(copy, overwrite=True, initial_optimizer="nonesuch")
    assert saved_optimizer.load(path)
    # Even its own successor may start from it.
    _meta_train(copy, overwrite=True, initial_optimizer=path, num_epochs=1)


def _refused_by_xla(*_):
    raise compilation.CompilationError("XLA cannot")


def test_an_overwrite_that_fails_at_its_first_run_loses_nothing(
    copy, monkeypatch
):
    before = sorted(copy.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(meta_training.MetaTrainer, "_train_run", _refused_by_xla)
        with pytest.raises(compilation.CompilationError):
            _meta_train(copy, overwrite=True, learning_rate=0.25)
    assert sorted(copy.rglob("*")) == before
    assert os.listdir(copy.parent) == [copy.name]
    assert config.read_config(copy).settings.learning_rate == 0.5


def test_an_overwrite_without_a_place_for_logs_loses_nothing(copy, tmp_path):
    (tmp_path / "file").touch()
    flags = ["--overwrite", f"--log_dir={tmp_path / 'file' / 'logs'}"]
    before = sorted(tmp_path.rglob("*"))
    done = in_process.run_script("train", *_train_flags(copy, *flags))
    assert done.returncode == 1
    assert "--log_dir=" in done.stderr and "a file, not a" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_to_an_experiment_stays_when_it_is_overwritten(copy, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(copy)
    _meta_train(link, overwrite=True, num_epochs=1)
    assert link.is_symlink()
    assert config.read_config(copy).settings.num_epochs == 1
    assert sorted(os.listdir(tmp_path)) == ["copy", "link"]


@registry.register_rule("test_unlike_itself")
class _UnlikeItself(base.UpdateRule):
    """Has a number that is neither a weight nor an option."""

    _numbers = itertools.count()

    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(1.0)
        self._number = float(next(self._numbers))

    def initial_state(self, params):
        return ()

    def __call__(self, gradients, state):
        return [self.factor * (g + self._number) for g in gradients], state

    def config(self):
        return {"rule": self.rule_name}


def test_a_rule_that_cannot_be_exported_is_refused_before_training(tmp_path):
    with pytest.raises(ValueError, match="is not saved.*differs"):
        _meta_train(tmp_path / "run", rule={"rule": "test_unlike_itself"})
    assert not any(tmp_path.iterdir())


def test_resume_of_another_problem_is_refused(copy):
    problem = quadratic.Quadratic(num_functions=2, num_dims=3)
    settings = {**SETTINGS, "rule": {"layers": [3]}}
    with pytest.raises(ValueError, match="num_dims was 2, now 3"):
        experiment.meta_train(problem, copy, resume=True, **settings)


def test_a_second_training_in_the_same_folder_is_refused(copy):
    with (
        locking.locked(copy),
        pytest.raises(FileExistsError, match=f"by process {os.getpid()};"),
    ):
        _meta_train(copy, resume=True)
    _meta_train(copy, resume=True)


def test_the_number_of_lanes_is_kept(short):
    settings = config.read_config(short).settings
    assert settings.num_lanes == settings.resolved().num_lanes >= 1


def test_a_stray_checkpoint_is_ignored(copy):
    (copy / "checkpoints" / "ckpt-best.index").write_text("mine")
    _meta_train(copy, num_epochs=5, resume=True)


def _damage(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_damaged_checkpoint_gives_way_to_the_one_before(copy, long, capsys):
    folder = copy / "checkpoints"
    _damage(folder / "ckpt-4.index")
    (folder / "checkpoint").write_text("nonsense")
    _meta_train(copy, num_epochs=6, resume=True)
    assert "Resumed after run 3" in capsys.readouterr().out
    _assert_equal(_checkpoint(copy), _checkpoint(long))


def test_damage_of_all_checkpoints_is_told_and_nothing_is_lost(copy):
    for file in (copy / "checkpoints").glob("*.index"):
        _damage(file)
    before = sorted(copy.rglob("*"))
    with pytest.raises(meta_training.MetaTrainingError, match="can be read"):
        _meta_train(copy, resume=True)
    assert sorted(copy.rglob("*")) == before


def test_what_kills_left_of_checkpoints_is_removed(copy):
    folder = copy / "checkpoints"
    (folder / "ckpt-5_temp").mkdir()
    (folder / "ckpt-5_temp" / "part-00000-of-00001.index").write_text("half")
    (folder / "ckpt-5.index.tempstate4711").write_text("half")
    (folder / "checkpoint.tmp0f3a").write_text("half")
    (folder / "ckpt-notes.txt").write_text("mine")
    _meta_train(copy, num_epochs=5, resume=True)
    left = {path.name for path in folder.iterdir()}
    assert {name for name in left if "temp" in name or ".tmp" in name} == set()
    assert {"ckpt-notes.txt", "ckpt-4.index", "ckpt-5.index"} <= left


def test_export_tells_the_commands_of_earlier_stages(stages):
    commands = metadata_lib.read(stages[1])["earlier_commands"]
    assert commands == ["train a", "train b"]
