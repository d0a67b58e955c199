"""Tests of l2l_tf/meta_training/event_log.py."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import plugin_data_pb2

from l2l_tf.meta_training import card
from l2l_tf.meta_training import event_log
from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import progress
from l2l_tf.problems import quadratic
from tests import events

_LOG = event_log.Log(baselines=("adam",), known_rates=lambda *_: {"adam": 0.1})

pytestmark = pytest.mark.slow


def _train(folder, config, log=_LOG, **settings):
    settings = dataclasses.replace(config.settings, **settings)
    config = dataclasses.replace(config, settings=settings)
    problem = quadratic.Quadratic(**config.problem["options"])
    made = experiment.Experiment(folder, problem, config)
    experiment.run(made, log=log)
    return made


@pytest.fixture(scope="module")
def trained(small_config, tmp_path_factory):
    """Returns the folder of a training of five runs, and the experiment."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    return folder, _train(folder, small_config, num_epochs=5)


def test_scalars_are_there_for_each_run_and_validation(trained):
    scalars = events.scalars(trained[0] / "logs")
    every = {
        "training/meta_loss",
        "training/gradient_norm",
        "training/skipped_updates",
        "training/learning_rate",
        "seconds/run",
    }
    assert all(list(scalars[tag]) == [1, 2, 3, 4, 5] for tag in every)
    validations = {
        "validation/loss",
        "validation/final_loss",
        "update_norms/theta",
        "seconds/validation",
        "seconds/optimizee",
        "seconds/rule",
        "seconds/meta_gradient",
    }
    assert all(list(scalars[tag]) == [2, 4, 5] for tag in validations)
    assert scalars.keys() == every | validations
    best = min(scalars["validation/loss"].values())
    assert best == pytest.approx(float(trained[1].trainer.progress.best_loss))
    assert scalars["training/learning_rate"][3] == pytest.approx(0.01)


def test_every_tab_is_filled(trained):
    logs = trained[0] / "logs"
    tabs, points = events.plugins(logs), events.points(logs)
    assert tabs["validation/learning_curves"] == "images"
    assert [step for step, _ in points["validation/learning_curves"]] == [
        2,
        4,
        5,
    ]
    histograms = {tag for tag, tab in tabs.items() if tab == "histograms"}
    assert {"updates/theta", "states/0", "states/1"} < histograms
    phi = trained[1].rule.trainable_variables
    names = {f"phi/{v.name.removesuffix(':0')}" for v in phi}
    assert names < histograms and len(names) == len(phi)
    # Left and right edge and count of each bucket.
    last = points[f"phi/{phi[0].name.removesuffix(':0')}"][-1][1]
    assert last[:, 2].sum() == phi[0].shape.num_elements()
    np.testing.assert_allclose(last[0, 0], np.min(phi[0]), rtol=1e-6)
    [(_, text)] = points["training"]
    assert tabs["training"] == "text"
    assert text.item().decode() == card.text(trained[1].config)
    graphs = [e.graph_def for e in events.read(logs) if e.graph_def]
    (graph,) = map(tf.compat.v1.GraphDef.FromString, graphs)
    assert len(graph.node) > 10 and graph.library.function


def test_columns_of_the_hparams_tab(trained):
    (content,) = [
        value.metadata.plugin_data.content
        for event in events.read(trained[0] / "logs")
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    start = plugin_data_pb2.HParamsPluginData.FromString(content)
    assert start.session_start_info.hparams["num_epochs"].number_value == 5
    assert start.session_start_info.group_name == str(trained[0])


def test_training_gives_the_same_bits_without(trained, small_config, tmp_path):
    log = event_log.Log(is_on=False)
    other = _train(tmp_path / "run", small_config, log, num_epochs=5)
    assert not (tmp_path / "run" / "logs").exists()
    for ours, theirs in zip(
        tf.nest.flatten(trained[1].trainer.progress.best_phi)
        + trained[1].trainer.meta_optimizer.state,
        tf.nest.flatten(other.trainer.progress.best_phi)
        + other.trainer.meta_optimizer.state,
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_resumed_training_repeats_no_point(trained, small_config, tmp_path):
    copy = shutil.copytree(trained[0], tmp_path / "run")
    # As a kill leaves it: points after the last checkpoint, and half a record.
    for checkpoint in (copy / "checkpoints").glob("ckpt-[45].*"):
        checkpoint.unlink()
    (file,) = (copy / "logs").glob(events.PATTERN)
    file.write_bytes(file.read_bytes()[:-7])
    _train(copy, small_config, num_epochs=5)
    whole, resumed = (
        {
            tag: [step for step, _ in values]
            for tag, values in events.points(folder / "logs").items()
        }
        for folder in (trained[0], copy)
    )
    assert resumed == whole
    graphs = [e for e in events.read(copy / "logs") if e.graph_def]
    assert len(graphs) == 1
    ours, theirs = (
        events.scalars(folder / "logs") for folder in (copy, trained[0])
    )
    for tag in ("training/meta_loss", "validation/loss", "update_norms/theta"):
        assert ours[tag] == theirs[tag]


def test_numbers_that_are_not_finite_end_no_training(
    small_trainer, small_config, tmp_path
):
    for variable in small_trainer.rule.trainable_variables:
        variable.assign(np.full(variable.shape, np.nan))
    reporter = event_log.TensorBoardReporter(
        tmp_path, small_trainer, small_config, _LOG, "broken"
    )
    numbers = dict.fromkeys(
        ("meta_loss", "gradient_norm", "validation_loss", "final_loss"),
        np.nan,
    )
    reporter.after_run(
        progress.Report(
            run=1,
            learning_rate=0.1,
            skipped=1,
            seconds=1.0,
            validation=np.full([2, 7], np.nan),
            validation_seconds=1.0,
            **numbers,
        )
    )
    reporter.close()
    points = events.points(tmp_path)
    assert np.isnan(points["training/meta_loss"][0][1])
    assert points["updates/theta"][0][1][:, 2].sum() == 0
    assert "validation/learning_curves" in points


def test_a_histogram_of_many_numbers_is_of_every_part_of_them():
    shape = [20, 784, 20]
    drawn = event_log._drawn(np.prod(shape))
    assert len(set(drawn)) == len(drawn) == 100_000
    for found, size in zip(np.unravel_index(drawn, shape), shape, strict=True):
        counts = np.bincount(found, minlength=size)
        np.testing.assert_allclose(counts, len(drawn) / size, rtol=0.4)
    np.testing.assert_array_equal(event_log._drawn(np.prod(shape)), drawn)


def test_two_trainings_may_share_a_folder_of_logs(small_config, tmp_path):
    problem = quadratic.Quadratic(**small_config.problem["options"])
    logs = tmp_path / "logs"

    def train(name, **options):
        made = experiment.Experiment(tmp_path / name, problem, small_config)
        experiment.run(made, logs, log=_LOG, **options)

    def content():
        return {file: file.read_bytes() for file in logs.glob(events.PATTERN)}

    train("one")
    ones = content()
    train("two")
    both = content()
    assert len(ones) == 1 and len(both) == 2
    # The last of its three runs is to be made once more.
    for checkpoint in (tmp_path / "one" / "checkpoints").glob("ckpt-3.*"):
        checkpoint.unlink()
    train("one")
    train("two", overwrite=True)
    now = content()
    assert len(now.keys() - both.keys()) == 2
    cards = [
        event
        for event in events.read(logs)
        for value in event.summary.value
        if value.tag == "training"
    ]
    losses = [
        event.step
        for event in events.read(logs)
        for value in event.summary.value
        if value.tag == "training/meta_loss"
    ]
    assert len(cards) == 2 and sorted(losses) == [1, 1, 2, 2, 3, 3]


def test_a_profile_without_files_is_refused():
    with pytest.raises(ValueError, match="profile of 3 runs"):
        event_log.Log(is_on=False, profile=3)


def test_a_log_that_cannot_be_written_does_not_end_the_training(
    small_config, tmp_path, monkeypatch, caplog
):
    def full(writer):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    writer = type(tf.summary.create_file_writer(str(tmp_path / "any")))
    monkeypatch.setattr(writer, "flush", full)
    monkeypatch.setattr(writer, "close", full)
    made = _train(tmp_path / "run", small_config, num_epochs=3)
    assert int(made.trainer.progress.runs_done) == 3
    [said] = [r.getMessage() for r in caplog.records if "goes on" in r.msg]
    assert "run/logs" in said and "No space left" in said


def test_parameters_may_have_any_names():
    event_log._scalars("update_norms", **{"group": 1.0, "a b": 2.0})
