"""What TensorBoard shows of a training."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from l2l_tf.core import checks
from l2l_tf.core import distinct
from l2l_tf.evaluation import plotting
from l2l_tf.meta_training import baselines as baselines_lib
from l2l_tf.meta_training import card
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import event_files
from l2l_tf.meta_training import observation
from l2l_tf.meta_training import profiling
from l2l_tf.meta_training import progress
from l2l_tf.meta_training import reporting
from l2l_tf.meta_training import run_seconds
from l2l_tf.meta_training import trainer as meta_training

_log = logging.getLogger(__name__)

_LARGEST = 100_000
"""Numbers behind a histogram: of more, so many are drawn."""


@dataclasses.dataclass(frozen=True)
class Log:
    """What a training writes for TensorBoard.

    Attributes:
        is_on: Whether it writes anything.
        baselines: Hand-designed rules that validations are drawn beside. They
            are run once, at the first validation, and kept beside the log.
        known_rates: Their learning rates; what it does not know is searched.
        profile: How many runs are profiled.
    """

    is_on: bool = True
    baselines: Sequence[str] = baselines_lib.PAPER
    known_rates: baselines_lib.KnownRates = baselines_lib.none_known
    profile: int = 0

    def __post_init__(self):
        """Refuses what makes no sense."""
        checks.integer("profile", self.profile, 0)
        if self.profile and not self.is_on:
            raise ValueError(
                "A profile is one of TensorBoard's files, which are not to be "
                f"written; received a profile of {self.profile} runs."
            )


def reporters(
    log: Log,
    log_dir: str | os.PathLike,
    trainer: meta_training.MetaTrainer,
    config: config_lib.Config,
    name: str,
    is_continued: bool = False,
) -> list[reporting.Reporter]:
    """Returns what tells of a training, in each of its processes.

    The chief's process alone prints and writes.

    Args:
        log: What to write for TensorBoard, see `TensorBoardReporter`.
        log_dir: See there.
        trainer: See there.
        config: See there.
        name: See there.
        is_continued: Whether the log goes on: what it holds of runs that will
            be made again is forgotten.
    """
    settings, runs_done = config.settings, int(trainer.progress.runs_done)
    found: list[reporting.Reporter] = []
    if not trainer.distribution.is_chief:
        if log.is_on:
            found.append(_BaselineRuns(_baselines(log, trainer, log_dir)))
        return found
    if is_continued:
        event_files.EventFiles(log_dir, name).forget_after(runs_done)
    found.append(
        reporting.ConsoleReporter(
            settings.num_epochs, settings.log_period, runs_done
        )
    )
    if log.is_on:
        writer = TensorBoardReporter(log_dir, trainer, config, log, name)
        found += [_BaselineRuns(writer.baselines), writer]
    if log.profile:
        found.append(profiling.ProfileReporter(log_dir, log.profile))
    return found


def _baselines(
    log: Log, trainer: meta_training.MetaTrainer, log_dir: str | os.PathLike
) -> baselines_lib.Baselines:
    return baselines_lib.Baselines(
        trainer.problem,
        trainer.settings,
        log.baselines,
        log.known_rates,
        log_dir,
        trainer.distribution,
    )


class _BaselineRuns:
    """Makes baselines' runs, which all processes share out.

    They are made at the first validation, whatever becomes of the log.
    """

    def __init__(self, baselines: baselines_lib.Baselines):
        self._baselines = baselines

    def after_run(self, report: progress.Report) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""
        if report.validation is not None:
            _ = self._baselines.results

    def close(self) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""


class TensorBoardReporter:
    """Scalars of every run; of a validation, images and distributions too.

    Nothing is assigned and nothing drawn from a generator, so that a training
    gives the same bits with it and without.

    Attributes:
        baselines: What validations are drawn beside.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        trainer: meta_training.MetaTrainer,
        config: config_lib.Config,
        log: Log,
        name: str,
    ):
        """Opens a file.

        Args:
            log_dir: The folder for TensorBoard's files. Where the training's
                own hold a graph, it goes on, and is not described again.
            trainer: What trains.
            config: What is trained, and how.
            log: What to write.
            name: The experiment's folder, by which it is told from others.
        """
        self._trainer = trainer
        own_files = event_files.EventFiles(log_dir, name)
        self._is_described = own_files.hold_graph()
        self._card = card.text(config, trainer.problem.data)
        self._columns = card.columns(config)
        self._name = name
        self._observer = observation.Observer(trainer)
        self.baselines = _baselines(log, trainer, log_dir)
        self._runs = run_seconds.RunSeconds()
        self._writer = own_files.writer()
        self._log_dir = log_dir
        self._is_broken = False

    def after_run(self, report: progress.Report) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`.

        Where the log cannot be written, training goes on without.
        """
        if self._is_broken:
            return
        try:
            self._write(report)
        except (OSError, tf.errors.OpError) as error:
            self._is_broken = True
            _log.warning(
                "TensorBoard's files in %s cannot be written, and training "
                "goes on without: %s",
                self._log_dir,
                str(error).partition("\n")[0],
            )

    def _write(self, report: progress.Report) -> None:
        self._runs.add(report.seconds)
        with self._writer.as_default(step=report.run):
            if not self._is_described:
                self._describe()
            _scalars(
                "training",
                meta_loss=report.meta_loss,
                gradient_norm=report.gradient_norm,
                skipped_updates=report.skipped,
                learning_rate=report.learning_rate,
            )
            _scalars("seconds", run=report.seconds)
            if report.validation is not None:
                self._after_validation(report)
            # So that a checkpoint is never ahead of what has been written.
            self._writer.flush()

    def close(self) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""
        try:
            self._writer.close()
        except (OSError, tf.errors.OpError):
            if not self._is_broken:
                raise

    def _describe(self) -> None:
        tf.summary.text("training", self._card, step=0)
        hparams.hparams(self._columns, trial_id=self._name)
        tf.summary.graph(self._trainer.meta_step_graph())
        self._is_described = True

    def _after_validation(self, report: progress.Report) -> None:
        seen = self._observer.observe()
        _scalars(
            "validation",
            loss=report.validation_loss,
            final_loss=report.final_loss,
        )
        figure = plotting.validation(
            report.validation,
            f"validation after run {report.run}",
            self.baselines.results,
        )
        image = plotting.to_array(figure)[np.newaxis]
        tf.summary.image("validation/learning_curves", image)
        first, *_ = self._trainer.problem.members
        names = distinct.names(first.parameter_names)
        _scalars(
            "update_norms", **dict(zip(names, seen.update_norms, strict=True))
        )
        _histograms("updates", names, seen.updates)
        phi = self._trainer.rule.trainable_variables
        names = distinct.names(v.name.removesuffix(":0") for v in phi)
        _histograms("phi", names, [variable.numpy() for variable in phi])
        _histograms("states", map(str, range(len(seen.states))), seen.states)
        _scalars("seconds", validation=report.validation_seconds)
        _scalars(
            "seconds",
            **self._runs.parts(
                self._trainer.settings.num_optimizees,
                seen.forward_seconds,
                seen.optimizee_seconds,
            ),
        )


def _scalars(group: str, /, **values: float) -> None:
    for name, value in values.items():
        tf.summary.scalar(f"{group}/{name}", value)


def _histograms(
    group: str, names: Iterable[str], tensors: Sequence[np.ndarray]
) -> None:
    """Writes a histogram of the finite ones of each tensor's values."""
    for name, values in zip(names, tensors, strict=True):
        flat = np.ravel(values)
        if flat.size > _LARGEST:
            flat = flat[_drawn(flat.size)]
        flat = flat.astype(np.float64)
        tf.summary.histogram(f"{group}/{name}", flat[np.isfinite(flat)])


@functools.cache
def _drawn(size: int) -> np.ndarray:
    """Returns which of so many numbers are taken, the same each time.

    Evenly spaced ones would miss whole rows of some shapes.
    """
    draws = np.random.default_rng(0)
    return draws.choice(size, _LARGEST, replace=False, shuffle=False)
