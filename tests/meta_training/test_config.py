"""Tests of l2l_tf/meta_training/config.py."""

import dataclasses
import json

import pytest

from l2l_tf.meta_training import config as experiment_config
from l2l_tf.meta_training import settings as settings_lib

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


@pytest.mark.parametrize("text", ["{", "[]", '{"problem": {}}', '{"a": 1}'])
def test_damaged_config_is_refused(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="not the configuration"):
        experiment_config.read_config(tmp_path)


def test_empty_folder_may_be_used_and_a_foreign_one_never(tmp_path):
    experiment_config.check_folder(tmp_path / "new", False, False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        experiment_config.check_folder(tmp_path / "empty", False, False)
    experiment_config.check_folder(tmp_path / "empty", False, True)
    (tmp_path / "thesis.tex").write_text(json.dumps("years of work"))
    with pytest.raises(FileExistsError, match="something else"):
        experiment_config.check_folder(tmp_path, False, True)
    assert (tmp_path / "thesis.tex").exists()


def test_schedule_that_ends_with_training_fixes_its_length():
    cosine = _changed(learning_rate_schedule="cosine")
    settings = dataclasses.replace(cosine.settings, num_epochs=20_000)
    longer = dataclasses.replace(cosine, settings=settings)
    with pytest.raises(ValueError, match="num_epochs was 10000, now 20000"):
        experiment_config.continued(cosine, longer)


def test_removed_folder_leaves_nothing_behind(tmp_path):
    experiment_config.remove_folder(tmp_path / "none")
    experiment_config.write_config(tmp_path / "run", CONFIG)
    experiment_config.remove_folder(tmp_path / "run")
    assert not list(tmp_path.iterdir())
