"""A profile of some runs, for TensorBoard's profiler or Perfetto."""

from __future__ import annotations

import logging
import os

import tensorflow as tf

from l2l_tf.meta_training import progress

_log = logging.getLogger(__name__)


class ProfileReporter:
    """Records what TensorFlow does in some runs, into `plugins/profile`.

    The first run of the process is left out: it is compiled in it.
    """

    def __init__(self, log_dir: str | os.PathLike, num_runs: int):
        """Takes the folder for TensorBoard's files, and how many runs."""
        self._log_dir = os.fspath(log_dir)
        self._left = num_runs
        self._is_on = False

    def after_run(self, report: progress.Report) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""
        del report
        if self._is_on:
            self._left -= 1
        if self._left <= 0:
            self.close()
        elif not self._is_on:
            try:
                tf.profiler.experimental.start(self._log_dir)
            except tf.errors.AlreadyExistsError:
                _log.warning("No profile: another profiler is running.")
                self._left = 0
                return
            self._is_on = True

    def close(self) -> None:
        """See `l2l_tf.meta_training.reporting.Reporter`."""
        if self._is_on:
            tf.profiler.experimental.stop()
            self._is_on = False
