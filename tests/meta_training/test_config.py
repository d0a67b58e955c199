"""Tests of l2l_tf/meta_training/config.py."""

import dataclasses
import json
import os
import pathlib

import pytest

from l2l_tf.meta_training import config as experiment_config
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.rules import registry

CONFIG = experiment_config.Config(
    {"name": "quadratic", "options": {"num_dims": 3}},
    {"rule": "coordinatewise"},
    settings_lib.Settings(step_weights=(0.0,) * 20 + (1.0,)),
)


def test_config_round_trip(tmp_path):
    assert experiment_config.read_config(tmp_path) is None
    experiment_config.write_config(tmp_path, CONFIG)
    again = experiment_config.read_config(tmp_path)
    assert again.to_json() == CONFIG.to_json()
    assert again.settings.step_weights[-1] == 1.0


def _changed(**changes):
    return dataclasses.replace(
        CONFIG, settings=dataclasses.replace(CONFIG.settings, **changes)
    )


def test_only_the_length_of_training_may_change():
    longer = _changed(num_epochs=20_000, log_period=1, patience=3)
    experiment_config.continued(CONFIG, longer)
    with pytest.raises(ValueError, match="seed was 0, now 7"):
        experiment_config.continued(CONFIG, _changed(seed=7))


def _damaged(*path, value):
    """Returns the configuration as JSON, with one value replaced."""
    values = CONFIG.to_json()
    target = values
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return json.dumps(values)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"problem": {}}',
        '{"a": 1}',
        "\0",
        "[" * 100_000,
        _damaged("problem", value=None),
        _damaged("problem", value={"name": "quadratic"}),
        _damaged("problem", "name", value=3),
        _damaged("problem", "options", value=[]),
        _damaged("rule", value=[1]),
        _damaged("settings", value="fast"),
        _damaged("settings", "num_epochs", value="many"),
        _damaged("settings", "num_epoch", value=1),
        _damaged("initial_optimizer", value=["x"]),
        _damaged("command", value=7),
        _damaged("more", value=1),
    ],
    ids=lambda text: text[:30],
)
def test_damaged_config_is_refused(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="not the configuration") as error:
        experiment_config.read_config(tmp_path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 2_000


def test_a_folder_in_place_of_the_config_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ValueError, match="not the configuration"):
        experiment_config.read_config(tmp_path)


def test_older_configurations_are_read():
    values = CONFIG.to_json()
    del values["recipe"]
    settings = values["settings"]
    for name in ("num_lanes", "num_pairs", "perturbation_std"):
        del settings[name]
    settings["batch_size"] = settings.pop("num_optimizees")
    config = experiment_config.Config.from_json(values)
    assert config == experiment_config.Config.from_json(CONFIG.to_json())


def test_options_that_a_rule_got_since_then_are_its_defaults():
    rule = registry.make_rule(CONFIG.rule).config()
    asked = dataclasses.replace(CONFIG, rule=rule)
    del (older := dict(rule))["averaging_cells"]
    saved = dataclasses.replace(CONFIG, rule=older)
    assert experiment_config.continued(saved, asked) == asked
    other = dataclasses.replace(CONFIG, rule={**rule, "averaging_cells": 2})
    with pytest.raises(ValueError, match=r"averaging_cells was \[0, 0\], now"):
        experiment_config.continued(saved, other)


def test_lanes_stay_as_an_experiment_began():
    begun, again = _changed(num_lanes=3), _changed(num_lanes=None)
    continued = experiment_config.continued(begun, again)
    assert continued.settings.num_lanes == 3
    with pytest.raises(ValueError, match="num_lanes was 3, now 4"):
        experiment_config.continued(begun, _changed(num_lanes=4))
    # Before lanes were kept.
    older = experiment_config.continued(again, _changed(num_lanes=4))
    assert older.settings.num_lanes == 4


def test_empty_folder_may_be_used_and_a_foreign_one_never(tmp_path):
    experiment_config.check_folder(tmp_path / "new", False, False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        experiment_config.check_folder(tmp_path / "empty", False, False)
    experiment_config.check_folder(tmp_path / "empty", False, True)
    # What a process leaves that was killed at once.
    (tmp_path / "empty" / locking.LOCK).touch()
    experiment_config.check_folder(tmp_path / "empty", True, False)
    (tmp_path / "thesis.tex").write_text(json.dumps("years of work"))
    with pytest.raises(FileExistsError, match="something else"):
        experiment_config.check_folder(tmp_path, False, True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("logs", pathlib.Path.touch, "'logs' is no folder"),
        ("optimizer", pathlib.Path.touch, "'optimizer' is no folder"),
        ("checkpoints", pathlib.Path.touch, "'checkpoints' is no folder"),
        ("config.json", pathlib.Path.mkdir, "'config.json' is no file"),
        (
            "checkpoints/checkpoint",
            lambda path: path.mkdir(parents=True),
            "'checkpoints/checkpoint' is no file",
        ),
        (
            "config.json",
            lambda path: path.symlink_to("nowhere"),
            "'config.json' is no file",
        ),
    ],
)
def test_a_file_in_a_folders_place_is_told_before_it_is_resumed(
    name, make, message, tmp_path
):
    (tmp_path / "recipe.json").touch()
    experiment_config.check_folder(tmp_path, True, False)
    make(tmp_path / name)
    with pytest.raises(FileExistsError, match=message):
        experiment_config.check_folder(tmp_path, True, False)
    assert os.path.lexists(tmp_path / name)


def test_a_configuration_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "config.json").symlink_to("nowhere")
    with pytest.raises(ValueError, match="config.json is not the config"):
        experiment_config.read_config(tmp_path)


def test_schedule_that_ends_with_training_fixes_its_length():
    cosine = _changed(learning_rate_schedule="cosine")
    settings = dataclasses.replace(cosine.settings, num_epochs=20_000)
    longer = dataclasses.replace(cosine, settings=settings)
    with pytest.raises(ValueError, match="num_epochs was 10000, now 20000"):
        experiment_config.continued(cosine, longer)


@pytest.mark.parametrize("path", [".", "below/..", "link", "..", "../link"])
def test_the_working_directory_is_not_replaced(path, tmp_path, monkeypatch):
    here = tmp_path / "run"
    (here / "below").mkdir(parents=True)
    (here / "link").symlink_to(here)
    experiment_config.write_config(here, CONFIG)
    monkeypatch.chdir(here / "below" if path.startswith("..") else here)
    with pytest.raises(ValueError, match="is the working directory"):
        experiment_config.check_folder(path, False, True)
    experiment_config.check_folder(path, True, False)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("file/run", "lies below '.*file', a file"),
        ("dangling", "is a link that leads nowhere"),
        ("looping", "cannot be used: Too many levels"),
        ("x" * 300, "cannot be used: File name too long"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_path_where_no_folder_can_be_is_refused(
    path, message, overwrite, tmp_path
):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "looping").symlink_to(tmp_path / "looping")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=f"save_path=.* {message}"):
        experiment_config.check_folder(tmp_path / path, False, overwrite)
    assert sorted(tmp_path.iterdir()) == before
