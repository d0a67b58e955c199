"""A meta-training experiment in a folder: checkpoints, resuming, export.

save_path/config.json    what is trained, and how
save_path/checkpoints/   the last three states of training
save_path/optimizer/     the best rule, as a SavedModel with metadata
save_path/.lock          keeps a second training out
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from l2l_tf.core import checks
from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import folders
from l2l_tf.core import strategies
from l2l_tf.meta_training import checkpoints
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import event_files
from l2l_tf.meta_training import event_log
from l2l_tf.meta_training import preparation
from l2l_tf.meta_training import provenance
from l2l_tf.meta_training import replacement
from l2l_tf.meta_training import reporting
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import stopping
from l2l_tf.problems import base as problems
from l2l_tf.problems import description
from l2l_tf.saving import metadata as metadata_lib
from l2l_tf.saving import saved_optimizer


class Experiment:
    """Trains one rule on one problem, and keeps it in a folder.

    Several processes may train it together, each with an experiment of its
    own; the chief alone writes in the folder.
    """

    def __init__(
        self,
        save_path: str | os.PathLike,
        problem: problems.Family,
        config: config_lib.Config,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Builds the rule and the trainer; writes nothing.

        Args:
            save_path: The folder.
            problem: The problem that `config.problem` describes.
            config: What to train, and how.
            distribution: The replicas that share out the work; one by
                default.
        """
        self.path = pathlib.Path(save_path).expanduser()
        self.problem = problem
        self.config = dataclasses.replace(
            config, settings=config.settings.resolved()
        )
        self.trainer = preparation.make_trainer(
            problem, self.config, distribution
        )
        self.distribution = self.trainer.distribution
        self.rule = self.trainer.rule
        self._earlier_commands: list[str] = []
        if config.initial_optimizer is not None:
            self._start_from(config.initial_optimizer)
        self._checkpoints = checkpoints.Checkpoints(
            self.path / "checkpoints", self.trainer
        )

    def restore(self) -> bool:
        """Continues from the last checkpoint; returns whether there is one.

        Raises:
            MetaTrainingError: If there are checkpoints but none can be read.
        """
        return self._checkpoints.restore()

    def train(self, reporters: Sequence[reporting.Reporter] = ()) -> None:
        """Trains to the end.

        A checkpoint follows each validation, and at least every minute.

        Args:
            reporters: Are told of every run, and closed at the end.

        Raises:
            StoppedError: If any of the processes was asked to stop. There is
                a checkpoint of all that was done.
        """
        self._check_workers()
        if self.distribution.is_chief:
            config_lib.write_config(self.path, self.config)
        with contextlib.ExitStack() as stack:
            is_asked_to_stop = stack.enter_context(stopping.noticed())
            for reporter in reporters:
                stack.callback(reporter.close)
            for report in self.trainer.train():
                # Before the checkpoint: a resumed training takes back what was
                # reported after it, and cannot make up for what is missing.
                for reporter in reporters:
                    reporter.after_run(report)
                is_stopped = self.distribution.any(is_asked_to_stop())
                is_due = report.validation is not None
                if is_due or is_stopped or self._checkpoints.is_due:
                    self._checkpoints.save(report.run)
                if is_stopped:
                    raise stopping.StoppedError(
                        f"Asked to stop after run {report.run}, which is "
                        "saved; resume=True continues."
                    )

    def export(
        self,
        path: str | os.PathLike | None = None,
        test_runs: int = 0,
        baselines: Sequence[str] = provenance.BASELINES,
        overwrite: bool = False,
    ) -> pathlib.Path:
        """Exports the best rule; phi is set to it.

        Args:
            path: The folder to write; `optimizer` in the experiment's own by
                default, which is replaced.
            test_runs: Test runs whose results go into the metadata, beside
                those of the baselines; 0 for none.
            baselines: The hand-designed rules to compare with.
            overwrite: Whether a folder at `path` is replaced.

        Returns:
            The folder.
        """
        is_chief = self.distribution.is_chief
        if path is not None and is_chief:
            # Before the test runs, which take minutes.
            saved_optimizer.check_target(path, overwrite)
        self.trainer.restore_best()
        metadata = provenance.metadata(
            self.trainer,
            self.problem,
            self.config,
            self._earlier_commands,
            test_runs,
            baselines,
        )
        target = pathlib.Path(path or self.path / "optimizer")
        if is_chief:
            target = saved_optimizer.export(
                self.rule,
                target,
                metadata,
                overwrite=overwrite or path is None,
            )
        # Nobody goes on before it is there.
        self.distribution.any(is_chief)
        return target

    def _check_workers(self) -> None:
        """Makes sure that all processes train the same in the same way."""
        settings = dataclasses.replace(self.config.settings, num_lanes=None)
        config = dataclasses.replace(self.config, settings=settings, command="")
        self.distribution.check_same("the settings", repr(config.to_json()))

    def _start_from(self, optimizer: str) -> None:
        source = saved_optimizer.load(optimizer)
        for variable, value in preparation.start_weights(
            optimizer, source, self.rule
        ):
            variable.assign(value)
        metadata = metadata_lib.read(optimizer)
        commands = [*metadata.get("earlier_commands", [])]
        last = metadata.get("command")
        # All stages of a recipe have the same.
        if last and last != self.config.command:
            commands.append(last)
        self._earlier_commands = commands


def meta_train(
    problem: problems.Family,
    save_path: str | os.PathLike,
    rule: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    test_runs: int = 0,
    initial_optimizer: str | os.PathLike | None = None,
    tensorboard: bool = True,
    profile: int = 0,
    strategy: str | tf.distribute.Strategy | None = None,
    num_devices: int | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Meta-trains an optimizer for a problem and exports it.

    Args:
        problem: The problem, such as `l2l_tf.from_keras(...)`.
        save_path: The experiment's folder.
        rule: The rule's configuration; by default what suits the problem.
        resume: Whether to continue the experiment in the folder.
        overwrite: Whether to replace it.
        test_runs: Test runs for the metadata, see `Experiment.export`.
        initial_optimizer: A saved optimizer to start from.
        tensorboard: Whether to write TensorBoard's files, into `logs`.
        profile: Runs that TensorFlow's profiler records there.
        strategy: Shares out the work, see `l2l_tf.core.strategies.make`:
            `"mirrored"`, `"multi_worker"` or a strategy of TensorFlow's.
        num_devices: Devices that `"mirrored"` uses.
        **settings: See `l2l_tf.meta_training.settings.Settings`.

    Returns:
        The folder of the exported optimizer, which `LearnedOptimizer` takes.
    """
    test_runs = checks.integer("test_runs", test_runs, minimum=0)
    log = event_log.Log(
        is_on=checks.boolean("tensorboard", tensorboard), profile=profile
    )
    if initial_optimizer is not None:
        initial_optimizer = os.fspath(initial_optimizer)
    distribution = strategies.make(strategy, num_devices)
    if distribution.is_chief:
        config_lib.check_folder(save_path, resume, overwrite)
    saved = config_lib.read_config(save_path) if resume else None
    if saved is not None and rule is None:
        rule = saved.rule
    made = settings_lib.make(settings)
    description.check(problem)
    config = config_lib.Config(
        problem.config(),
        preparation.complete_rule(rule, problem, initial_optimizer, made.seed),
        made,
        initial_optimizer,
    )
    if saved is not None:
        config = config_lib.continued(saved, config)
    experiment = Experiment(save_path, problem, config, distribution)
    return run(
        experiment,
        test_runs=test_runs,
        overwrite=overwrite,
        log=log,
    )


def run(
    experiment: Experiment,
    log_dir: str | os.PathLike | None = None,
    test_runs: int = 0,
    baselines: Sequence[str] = provenance.BASELINES,
    overwrite: bool = False,
    log: event_log.Log = event_log.Log(),  # noqa: B008
) -> pathlib.Path:
    """Continues or starts an experiment, trains it to the end and exports.

    Args:
        experiment: The experiment.
        log_dir: TensorBoard's folder; `logs` in the experiment's by default.
        test_runs: Test runs for the metadata, see `Experiment.export`.
        baselines: What to test beside the rule.
        overwrite: Whether it replaces an experiment in its folder, which is
            kept until there is a checkpoint of this one.
        log: What is written for TensorBoard.

    Returns:
        The folder of the exported optimizer.

    Raises:
        FileExistsError: If another process trains in the same folder.
        ValueError: If `log_dir` cannot be made.
        StoppedError: If the training was asked to stop.
    """
    if log_dir is not None:
        folders.check_place("log_dir", log_dir)
    progress = experiment.trainer.progress
    is_chief = experiment.distribution.is_chief
    with replacement.taken(
        experiment.path,
        overwrite,
        lambda: int(progress.runs_done) > 0,
        is_chief,
    ):
        log_dir = log_dir or experiment.path / "logs"
        if overwrite and is_chief:
            # Those outside of the folder have not gone with it.
            event_files.EventFiles(log_dir, experiment.path).remove()
        _train(experiment, log_dir, log)
        return experiment.export(test_runs=test_runs, baselines=baselines)


def _train(
    experiment: Experiment, log_dir: str | os.PathLike, log: event_log.Log
) -> None:
    progress = experiment.trainer.progress
    is_continued = config_lib.read_config(experiment.path) is not None
    if experiment.restore():
        print(f"Resumed after run {int(progress.runs_done)}.")
    reporters = event_log.reporters(
        log,
        log_dir,
        experiment.trainer,
        experiment.config,
        str(experiment.path),
        is_continued,
    )
    experiment.train(reporters)
    print(
        f"Trained {int(progress.runs_done)} runs; best validation loss "
        f"{float(progress.best_loss):.4g} after run "
        f"{int(progress.best_run)}."
    )
