"""Tests of l2l_tf/meta_training/search.py."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorboard import context as tb_context
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import backend_context
from tensorboard.plugins.hparams import list_session_groups

from l2l_tf.core import compilation
from l2l_tf.meta_training import config as experiment_config
from l2l_tf.meta_training import experiment
from l2l_tf.meta_training import preparation
from l2l_tf.meta_training import search as meta_search
from l2l_tf.meta_training import settings
from l2l_tf.problems import quadratic

pytestmark = pytest.mark.slow

_PROBLEM = quadratic.Quadratic(num_functions=2, num_dims=2)


_TRIAL = {
    "index": 0,
    "learning_rate": 0.01,
    "loss": 1.0,
    "run": 1,
    "optimizer": None,
}


def _config(**changes):
    return experiment_config.Config(
        _PROBLEM.config(),
        preparation.complete_rule({"layers": [2]}, _PROBLEM),
        settings.Settings(
            **{
                "num_epochs": 2,
                "num_steps": 4,
                "unroll_length": 2,
                "evaluation_period": 1,
                "evaluation_epochs": 1,
                "jit_compile": False,
                **changes,
            }
        ),
    )


def _search(path, num_trials, bounds=(1e-3, 1e-1), **changes):
    return list(
        meta_search.search(
            path, _PROBLEM, _config(**changes), num_trials, *bounds
        )
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Returns the folder of a search, to be left as it is, and its trials."""
    folder = tmp_path_factory.mktemp("search") / "s"
    return folder, _search(folder, 3)


@pytest.fixture
def begun(searched, tmp_path):
    """Returns the folder of that search as it was after its first trial."""
    folder = shutil.copytree(searched[0], tmp_path / "s")
    for index in (1, 2):
        shutil.rmtree(folder / f"trial-{index:03d}")
    return folder


def test_rates_are_log_uniform_and_a_longer_list_begins_the_same():
    rates = meta_search.learning_rates(2000, 1e-4, 1e-1, 3)
    assert rates[:5] == meta_search.learning_rates(5, 1e-4, 1e-1, 3)
    assert min(rates) >= 1e-4 and max(rates) <= 1e-1
    exponents = np.log10(rates)
    thirds, _ = np.histogram(exponents, bins=[-4, -3, -2, -1])
    assert np.all(np.abs(thirds - 2000 / 3) < 100)


@pytest.mark.parametrize(
    "arguments", [(0, 0.1, 0.2), (2, 0.0, 0.1), (2, 0.2, 0.1), (2, 0.1, None)]
)
def test_other_ranges_are_refused(arguments):
    with pytest.raises(ValueError):
        meta_search.learning_rates(*arguments, 0)


def test_each_trial_is_an_experiment_at_its_rate(searched):
    path, trials = searched
    rates = meta_search.learning_rates(3, 1e-3, 1e-1, 0)
    assert [trial.learning_rate for trial in trials] == rates
    for trial in trials:
        folder = path / f"trial-{trial.index:03d}"
        config = experiment_config.read_config(folder)
        assert config.settings.learning_rate == trial.learning_rate
        assert trial.optimizer == str(folder / "optimizer")
        assert math.isfinite(trial.loss) and trial.run in (1, 2)
    table = meta_search.table(trials).splitlines()
    losses = [float(line.split()[2]) for line in table[1:]]
    assert losses == sorted(losses) and len(losses) == 3


def test_a_search_that_was_interrupted_continues(searched, begun, monkeypatch):
    # Stopped within its second trial, after the first run.
    with monkeypatch.context() as patch:
        patch.setattr(
            experiment.Experiment,
            "export",
            lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            _search(begun, 2)
    assert not (begun / "trial-001" / "trial.json").exists()
    resumed = _search(begun, 3)
    strip = lambda t: dataclasses.replace(t, optimizer=None)  # noqa: E731
    assert list(map(strip, resumed)) == list(map(strip, searched[1]))


class _Broken(quadratic.Quadratic):
    def loss(self, *arguments):
        outcome = super().loss(*arguments)
        return outcome._replace(loss=outcome.loss * math.nan)


def test_a_trial_that_fails_is_a_result(tmp_path):
    trials = list(
        meta_search.search(
            tmp_path / "s",
            _Broken(num_functions=2, num_dims=2),
            _config(max_skips_in_a_row=1),
            2,
            1e-3,
            1e-1,
        )
    )
    assert [trial.loss for trial in trials] == [math.inf] * 2
    assert [trial.optimizer for trial in trials] == [None] * 2
    assert "inf" in meta_search.table(trials)


class _Uncompiled(quadratic.Quadratic):
    def loss(self, *arguments):
        outcome = super().loss(*arguments)
        loss = tf.py_function(tf.identity, [outcome.loss], tf.float32)
        return outcome._replace(loss=tf.ensure_shape(loss, outcome.loss.shape))


def test_a_search_that_cannot_begin_leaves_nothing(tmp_path):
    problem = _Uncompiled(num_functions=2, num_dims=2)
    search = meta_search.search(
        tmp_path / "s", problem, _config(jit_compile=True), 1, 1e-3, 1e-1
    )
    with pytest.raises(compilation.CompilationError, match="XLA cannot"):
        next(search)
    assert not list(tmp_path.iterdir())


def test_another_search_is_not_continued(begun, tmp_path):
    with pytest.raises(ValueError, match="another search"):
        _search(begun, 1, num_epochs=3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(ValueError, match="something else"):
        _search(tmp_path / "mine", 1)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["file"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"loss": 1.0}',
        '{"loss": 1.0, "other": 2}',
        *(
            json.dumps({**_TRIAL, key: value})
            for key, value in (
                ("index", None),
                ("run", "1"),
                ("learning_rate", None),
                ("loss", "1.0"),
                ("loss", [1.0]),
                ("loss", True),
            )
        ),
    ],
)
def test_a_damaged_trial_is_quoted(text, begun):
    file = begun / "trial-000" / "trial.json"
    file.write_text(text)
    with pytest.raises(
        ValueError, match=r"trial-000/trial\.json does not hold"
    ):
        _search(begun, 1)


def test_trials_can_be_compared_in_the_hparams_tab(searched):
    folder, trials = searched
    runs = plugin_event_multiplexer.EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder)).Reload()
    provider = data_provider.MultiplexerDataProvider(runs, str(folder))
    answer = list_session_groups.Handler(
        tb_context.RequestContext(),
        backend_context.Context(base_plugin.TBContext(data_provider=provider)),
        "",
        api_pb2.ListSessionGroupsRequest(
            allowed_statuses=[api_pb2.STATUS_UNKNOWN], slice_size=10
        ),
    ).run()
    assert answer.total_size == len(trials) == 3
    losses = {}
    for group in answer.session_groups:
        rate = group.hparams["learning_rate"].number_value
        metrics = {m.name.tag: m.value for m in group.metric_values}
        assert {"training/meta_loss", "seconds/run"} < set(metrics)
        losses[rate] = metrics["validation/loss"]
    assert losses.keys() == {trial.learning_rate for trial in trials}
    for trial in trials:
        # What is shown is the last one, which need not be the best.
        assert losses[trial.learning_rate] >= trial.loss * (1 - 1e-6)
