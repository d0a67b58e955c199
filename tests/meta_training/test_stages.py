"""Tests of l2l_tf/meta_training/stages.py."""

import json
import os
import shutil
import signal

import numpy as np
import pytest

from l2l_tf.core import compilation
from l2l_tf.meta_training import recipe as recipe_lib
from l2l_tf.meta_training import stages
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer
from tests import events
from tests import in_process
from tests import processes

pytestmark = pytest.mark.slow

_FIRST = {
    "name": "first",
    "problem": "quadratic",
    "problem_options": {"num_functions": 2, "num_dims": 2},
    "rule": {"layers": [3]},
    "settings": {
        "num_epochs": 6,
        "num_steps": 4,
        "unroll_length": 2,
        "learning_rate": 0.01,
        "evaluation_period": 2,
        "evaluation_epochs": 1,
        "log_period": 1,
        "jit_compile": False,
    },
}
_SECOND = {
    **_FIRST,
    "name": "second",
    "rule": None,
    "settings": {**_FIRST["settings"], "unroll_length": 4, "seed": 1},
    "start_from": "first",
}
_STAGES = {"stages": [_FIRST, _SECOND]}


def _recipe(*others, **changes):
    values = {"stages": [_FIRST, {**_SECOND, **changes}, *others]}
    return recipe_lib.from_json(values, "mine")


def _short():
    """The recipe with one run in each stage."""
    settings = {"num_epochs": 1}
    return recipe_lib.from_json(
        {
            "stages": [
                {**stage, "settings": {**stage["settings"], **settings}}
                for stage in (_FIRST, _SECOND)
            ]
        },
        "mine",
    )


def _train(recipe, folder, **options):
    return stages.Training(recipe, folder, **options).run()


def _run(*flags):
    done = in_process.run_script("train", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run_and_kill(*flags, stage, after_run):
    """Kills the process after a run of a stage; returns what it printed."""
    printed = []
    with processes.start(
        in_process.SCRIPTS / "train.py",
        *flags,
        # The same as in this process.
        environment={"XLA_FLAGS": "", **os.environ},
    ) as running:
        for line in running.stdout:
            printed.append(line)
            begun = f"Stage {stage}:\n" in printed
            if begun and line.startswith(f"run {after_run}/"):
                os.kill(running.process.pid, signal.SIGKILL)
                break
        done = running.finish()
    assert done.returncode == -signal.SIGKILL, done.stderr
    return "".join(printed)


def _weights(folder):
    return [
        variable.numpy()
        for variable in saved_optimizer.load(folder).trainable_variables
    ]


def test_killed_within_stages_a_recipe_resumes_to_the_same_bits(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(_STAGES))

    def flags(folder, *more):
        return [
            f"--recipe={tmp_path / 'mine.json'}",
            f"--save_path={tmp_path / folder}",
            "--test_runs=0",
            *more,
        ]

    _run(*flags("whole"))
    _run_and_kill(*flags("broken"), stage="1-first", after_run=3)
    output = _run_and_kill(
        *flags("broken", "--resume"), stage="2-second", after_run=5
    )
    assert "Resumed after run 2" in output
    # Where the folder lies makes no difference.
    os.rename(tmp_path / "broken", tmp_path / "moved")
    output = _run(*flags("moved", "--resume"))
    assert "Stage 1-first is done" in output
    assert "Resumed after run 4" in output
    for folder in ("1-first/optimizer", "2-second/optimizer", "optimizer"):
        whole, broken = (
            _weights(tmp_path / run / folder) for run in ("whole", "moved")
        )
        for a, b in zip(whole, broken, strict=True):
            np.testing.assert_array_equal(a, b)
    first, last = (
        _weights(tmp_path / "whole" / name / "optimizer")
        for name in ("1-first", "2-second")
    )
    assert not np.array_equal(first[0], last[0])
    # Each stage is a run of TensorBoard's, and repeats no point.
    for stage in ("1-first", "2-second"):
        whole, broken = (
            events.scalars(tmp_path / run / stage / "logs")
            for run in ("whole", "moved")
        )
        for tag in ("training/meta_loss", "validation/loss"):
            assert broken[tag] == whole[tag]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns the folder of a recipe that has been trained."""
    folder = tmp_path_factory.mktemp("stages") / "run"
    _train(_short(), folder, command="train")
    return folder


def test_metadata_names_the_recipe_and_the_stage(trained):
    for folder, name in {
        "1-first/optimizer": "mine/first",
        "2-second/optimizer": "mine",
        "optimizer": "mine",
    }.items():
        metadata = metadata_lib.read(trained / folder)
        assert metadata["recipe"] == name
        assert metadata["command"] == "train"
        assert metadata["earlier_commands"] == []


def test_a_stage_starts_where_another_ended(trained):
    config = json.loads((trained / "2-second/config.json").read_text())
    assert config["initial_optimizer"] == str(trained / "1-first/optimizer")
    assert config["rule"]["layers"] == [3]


def test_what_is_done_is_not_done_again(trained, capsys):
    before = sorted((f, f.stat().st_mtime_ns) for f in trained.rglob("*/*"))
    assert _train(_short(), trained, resume=True) == trained / "optimizer"
    assert "Stage 1-first is done" in capsys.readouterr().out
    after = sorted((f, f.stat().st_mtime_ns) for f in trained.rglob("*/*"))
    assert before == after


def test_another_recipe_is_not_resumed_nor_the_folder_lost(trained, tmp_path):
    with pytest.raises(ValueError, match="not the recipe 'mine' as it is now"):
        _train(_recipe(), trained, resume=True)
    with pytest.raises(FileExistsError, match="resume=True"):
        _train(_short(), trained)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds no recipe's stages"):
        _train(_short(), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"problem": "quadratics"}, ["'quadratics'", "quadratic"]),
        ({"problem_options": {"num_dms": 2}}, ["num_dms", "num_dims"]),
        ({"settings": {"num_epoch": 2}}, ["num_epoch", "num_epochs"]),
        ({"settings": {"unroll_length": 7}}, ["unroll_length", "100", "7"]),
        ({"rule": {"layer": [2]}}, ["layer", "layers"]),
        ({"rule": {"rule": "adam"}, "start_from": None}, ["no weights"]),
        ({"rule": {"layers": [4]}}, ["another rule", "[3]", "[4]"]),
        ({"start_from": "frist"}, ["'frist'", "bundled"]),
        ({"start_from": "second"}, ["'second'", "bundled"]),
        ({"problem": "mine:problem"}, ["'mine:problem'"]),
        (
            {"problem_options": {"num_dims": 2, "split": "test"}},
            ["split is not an option", "'quadratic'", "'test'"],
        ),
    ],
)
def test_a_mistake_in_a_later_stage_is_told_before_the_first(
    changes, words, tmp_path
):
    with pytest.raises(ValueError) as error:
        _train(_recipe(**changes), tmp_path / "run")
    for word in ["Stage 'second'", "recipe 'mine'", *words]:
        assert word in str(error.value)
    assert not list(tmp_path.iterdir())


def test_what_fails_in_the_first_run_of_all_leaves_nothing(
    tmp_path, monkeypatch
):
    def fail(*_):
        raise compilation.CompilationError("XLA cannot")

    monkeypatch.setattr(meta_training.MetaTrainer, "_train_run", fail)
    with pytest.raises(compilation.CompilationError):
        _train(_short(), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_an_overwrite_that_fails_loses_no_stage(trained, tmp_path, monkeypatch):
    def fail(*_):
        raise compilation.CompilationError("XLA cannot")

    folder = shutil.copytree(trained, tmp_path / "run")
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(meta_training.MetaTrainer, "_train_run", fail)
    with pytest.raises(compilation.CompilationError):
        _train(_short(), folder, overwrite=True)
    assert sorted(folder.rglob("*")) == before
    assert os.listdir(tmp_path) == ["run"]


def test_a_file_in_a_stages_place_is_told_before_the_first(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(_short().to_json()))
    (folder / "2-second").touch()
    with pytest.raises(FileExistsError, match="2-second'.*something else"):
        _train(_short(), folder, resume=True)


def test_a_stage_may_start_from_a_saved_optimizer(trained, tmp_path):
    recipe = _recipe(start_from=str(trained / "optimizer"))
    planned = stages.plan(recipe, tmp_path)
    assert planned[1].config.initial_optimizer == str(trained / "optimizer")
    assert planned[1].config.rule["layers"] == [3]
