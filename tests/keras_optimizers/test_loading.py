"""Tests of l2l_tf/keras_optimizers/loading.py."""

import shutil

import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import loading
from l2l_tf.rules import registry
from l2l_tf.saving import metadata
from l2l_tf.saving import saved_optimizer


def test_same_folder_is_read_once(exported):
    first, second = loading.load(exported), loading.load(str(exported))
    assert first.rule is second.rule
    assert first.label == str(exported.resolve())


def test_folder_that_was_written_anew_is_read_anew(tmp_path):
    rules = []
    for size in (2, 3):
        rule = registry.make_rule({"layers": [size]})
        path = saved_optimizer.export(
            rule, tmp_path / "mine", {}, overwrite=True
        )
        rules.append(loading.load(path).rule.config()["layers"])
    assert rules == [[2], [3]]


def test_bundled_name_stays_a_name(exported, tmp_path, monkeypatch):
    shutil.copytree(exported, tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert loading.load("digits").label == "digits"
    assert loading.load("digits").metadata["rule"]["layers"] == [20, 20]
    found = loading.load("./digits")
    assert found.label == str((tmp_path / "digits").resolve())
    assert found.metadata["rule"]["layers"] == [6, 5]


def test_rule_belongs_to_no_strategy_and_no_graph(tmp_path):
    path = saved_optimizer.export(
        registry.make_rule({"layers": [2]}), tmp_path / "mine", {}
    )
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        rule = tf.function(lambda: loading.load(path).rule and None)() or (
            loading.load(path).rule
        )
    for weight in rule.variables:
        assert not isinstance(weight, tf.distribute.DistributedValues)
    updates, _ = rule([tf.ones([3])], rule.initial_state([tf.ones([3])]))
    assert updates[0].shape == [3]


def test_what_is_missing_is_quoted():
    with pytest.raises(metadata.SavedOptimizerError, match="nonesuch"):
        loading.load("nonesuch")
