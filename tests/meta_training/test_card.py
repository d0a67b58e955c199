"""Tests of l2l_tf/meta_training/card.py."""

import dataclasses

import sklearn
import tensorflow as tf
from tensorboard.plugins.hparams import plugin_data_pb2

from l2l_tf.meta_training import card
from l2l_tf.problems import image_classification
from tests import events


def test_text_tells_recipe_command_versions_and_data(small_config):
    lines = card.text(small_config).splitlines()
    rows = dict(line.removeprefix("- **").split("**: ", 1) for line in lines)
    assert rows["recipe"] == "small/first"
    assert rows["command"] == "`python train.py | tee log`"
    assert f"tensorflow {tf.__version__}," in rows["versions"]
    assert '"num_dims": 3' in rows["options"]
    assert "data" not in rows
    assert '"layers": [4]' in rows["rule"]
    assert rows["starts from"] == "fresh weights"
    assert rows["num_steps"] == "`6`"


def test_text_tells_of_data_and_leaves_out_what_has_no_value(small_config):
    plain = dataclasses.replace(small_config, command="", recipe=None)
    problem = image_classification.Digits()
    text = card.text(plain, problem.data)
    assert f"- **data**: digits of scikit-learn {sklearn.__version__}" in text
    assert (
        "images of 8x8x1 in 10 classes; train 599, validation 599, te" in text
    )
    assert "command" not in text and "recipe" not in text


def test_columns_are_plain_values(small_config):
    columns = card.columns(small_config)
    assert columns["problem"] == "quadratic"
    assert columns["rule"] == "coordinatewise"
    assert columns["learning_rate"] == 0.01
    assert all(
        isinstance(value, str | float | int) for value in columns.values()
    )


def test_search_is_described_for_the_hparams_tab(tmp_path):
    card.describe_search(tmp_path, 1e-3, 0.1)
    (value,) = [v for e in events.read(tmp_path) for v in e.summary.value]
    content = value.metadata.plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(
        content
    ).experiment
    (rates,) = experiment.hparam_infos
    assert rates.name == "learning_rate"
    assert rates.domain_interval.min_value == 1e-3
    assert rates.domain_interval.max_value == 0.1
    tags = [metric.name.tag for metric in experiment.metric_infos]
    assert tags[0] == "validation/loss" and len(tags) == 4
