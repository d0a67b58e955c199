"""What TensorBoard shows of a training."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from l2l_tf.core import checks
from l2l_tf.evaluation import plotting
from l2l_tf.meta_training import baselines as baselines_lib
from l2l_tf.meta_training import card
from l2l_tf.meta_training import config as config_lib
from l2l_tf.meta_training import event_files
from l2l_tf.meta_training import observation
from l2l_tf.meta_training import progress
from l2l_tf.meta_training import trainer as meta_training

_LARGEST = 100_000
"""Numbers behind a histogram: of more, evenly spaced ones are taken."""


@dataclasses.dataclass(frozen=True)
class Log:
    """What a training writes for TensorBoard.

    Attributes:
        is_on: Whether it writes anything.
        baselines: Hand-designed rules that validations are drawn beside. They
            are run once, at the first validation.
        known_rates: Their learning rates; what it does not know is searched.
        profile_runs: How many runs are profiled.
    """

    is_on: bool = True
    baselines: Sequence[str] = baselines_lib.PAPER
    known_rates: baselines_lib.KnownRates = baselines_lib.none_known
    profile_runs: int = 0

    def __post_init__(self):
        """Refuses what makes no sense."""
        checks.integer("profile_runs", self.profile_runs, 0)
        if self.profile_runs and not self.is_on:
            raise ValueError(
                "A profile is part of TensorBoard's logs; received "
                f"profile_runs={self.profile_runs} and tensorboard=False."
            )


class TensorBoardReporter:
    """Scalars of every run; of a validation, images and distributions too.

    Nothing is assigned and nothing drawn from a generator, so that a training
    gives the same bits with it and without.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        trainer: meta_training.MetaTrainer,
        config: config_lib.Config,
        log: Log = Log(),  # noqa: B008
        name: str = "",
    ):
        """Opens a file.

        Args:
            log_dir: The folder for TensorBoard's files. Where it holds some,
                the training goes on, and is not described again.
            trainer: What trains.
            config: What is trained, and how.
            log: What to write.
            name: What the training is called beside others.
        """
        self._trainer = trainer
        self._is_described = event_files.exist(log_dir)
        self._card = card.text(config)
        self._columns = card.columns(config)
        self._name = name or os.fspath(log_dir)
        self._observer = observation.Observer(trainer)
        self._baselines = baselines_lib.Baselines(
            trainer.problem, config.settings, log.baselines, log.known_rates
        )
        self._runs = RunSeconds()
        self._writer = tf.summary.create_file_writer(os.fspath(log_dir))

    def after_run(self, report: progress.Report) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""
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
        self._writer.close()

    def _describe(self) -> None:
        tf.summary.text("training", self._card, step=0)
        hparams.hparams(self._columns, trial_id=self._name)
        tf.summary.graph(self._trainer.meta_step_graph())
        self._is_described = True

    def _after_validation(self, report: progress.Report) -> None:
        seen = self._observer.observe()
        _scalars(
            "validation", loss=report.validation_loss, final_loss=report.final_loss
        )
        figure = plotting.validation(
            report.validation,
            f"validation after run {report.run}",
            self._baselines.results,
        )
        image = plotting.to_array(figure)[np.newaxis]
        tf.summary.image("validation/learning_curves", image)
        _scalars("update_norms", **seen.update_norms)
        for variable in self._trainer.rule.trainable_variables:
            name = variable.name.removesuffix(":0")
            _histogram(f"phi/{name}", variable.numpy())
        for name, values in seen.updates.items():
            _histogram(f"updates/{name}", values)
        for index, values in enumerate(seen.states):
            _histogram(f"states/{index}", values)
        _scalars("seconds", validation=report.validation_seconds)
        _scalars(
            "seconds",
            **self._runs.parts(
                self._trainer.settings.num_optimizees,
                seen.forward_seconds,
                seen.optimizee_seconds,
            ),
        )


class RunSeconds:
    """How long runs took since the last validation, and what for."""

    def __init__(self):
        """Knows of no run yet."""
        self._is_compiled = False
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """Takes note of a run; the first one, which is compiled, is left out."""
        if self._is_compiled:
            self._seconds.append(seconds)
        self._is_compiled = True

    def parts(
        self, num_optimizees: int, forward: float, optimizee: float
    ) -> dict[str, float]:
        """Returns what the seconds of a run were needed for.

        Args:
            num_optimizees: Optimizees that a run trains.
            forward: Seconds of one optimizee's run without meta-gradients.
            optimizee: Seconds of its losses and gradients alone.

        Returns:
            Seconds of the `optimizee`, the `rule` and, what is left of the
            median run, the `meta_gradient` with Adam's steps. Nothing if no
            run has been timed since the last call.
        """
        if not self._seconds:
            return {}
        run = float(np.median(self._seconds))
        self._seconds = []
        return {
            "optimizee": num_optimizees * optimizee,
            "rule": num_optimizees * max(0.0, forward - optimizee),
            "meta_gradient": max(0.0, run - num_optimizees * forward),
        }


def _scalars(group: str, **values: float) -> None:
    for name, value in values.items():
        tf.summary.scalar(f"{group}/{name}", value)


def _histogram(tag: str, values: np.ndarray) -> None:
    """Writes a histogram of the finite ones of some values."""
    flat = np.ravel(values)
    flat = flat[:: max(1, -(-flat.size // _LARGEST))].astype(np.float64)
    tf.summary.histogram(tag, flat[np.isfinite(flat)])
