"""What a person sees of meta-training: a bar or log lines, and TensorBoard."""

from __future__ import annotations

import os
import sys
import time
from typing import Protocol, TextIO

import numpy as np
import tensorflow as tf
import tqdm

from l2l_tf.evaluation import plotting
from l2l_tf.meta_training import trainer as meta_training


class Reporter(Protocol):
    """Is told of every epoch."""

    def epoch(self, report: meta_training.Report) -> None:
        """Takes the report of one epoch."""

    def close(self) -> None:
        """Is called once, at the end."""


class ConsoleReporter:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(
        self,
        num_epochs: int,
        log_period: int,
        first_epoch: int = 0,
        stream: TextIO | None = None,
    ):
        """Starts the bar.

        Args:
            num_epochs: Epochs in all.
            log_period: Epochs between two plain lines.
            first_epoch: Epochs that an earlier process has done.
            stream: Where to write; standard output by default.
        """
        self._stream = stream or sys.stdout
        self._num_epochs = num_epochs
        self._log_period = log_period
        self._first_epoch = first_epoch
        self._began = time.perf_counter()
        self._meta_losses: list[float] = []
        self._validation = "-"
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=num_epochs,
                initial=first_epoch,
                unit="epoch",
                file=self._stream,
                dynamic_ncols=True,
            )

    def epoch(self, report: meta_training.Report) -> None:
        """See `Reporter`."""
        self._meta_losses.append(report.meta_loss)
        if report.validation_loss is not None:
            self._validation = f"{report.validation_loss:.4g}"
            best = ", the best so far" if report.is_best else ""
            self._line(
                f"epoch {report.epoch}: validation loss "
                f"{report.validation_loss:.4g}, final loss "
                f"{report.final_loss:.4g}{best}"
            )
        recent = np.mean(self._meta_losses[-self._log_period :])
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"meta-loss {recent:.4g}, validation {self._validation}"
                + (f", skipped {report.skipped}" if report.skipped else ""),
                refresh=False,
            )
            self._bar.update()
        elif report.epoch % self._log_period == 0:
            self._line(
                f"epoch {report.epoch}/{self._num_epochs}: meta-loss "
                f"{recent:.4g}, gradient norm {report.gradient_norm:.3g}, "
                f"skipped updates {report.skipped}, "
                f"{self._time_left(report.epoch)} left"
            )

    def close(self) -> None:
        """See `Reporter`."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def _time_left(self, epoch: int) -> str:
        elapsed = time.perf_counter() - self._began
        rate = elapsed / max(1, epoch - self._first_epoch)
        return tqdm.tqdm.format_interval(rate * (self._num_epochs - epoch))


class TensorBoardReporter:
    """Scalars of every epoch, and each validation's curves as an image."""

    def __init__(self, log_dir: str | os.PathLike):
        """Takes the folder for TensorBoard's files."""
        self._writer = tf.summary.create_file_writer(str(log_dir))

    def epoch(self, report: meta_training.Report) -> None:
        """See `Reporter`."""
        with self._writer.as_default(step=report.epoch):
            tf.summary.scalar("training/meta_loss", report.meta_loss)
            tf.summary.scalar("training/gradient_norm", report.gradient_norm)
            tf.summary.scalar("training/skipped_updates", report.skipped)
            tf.summary.scalar("training/learning_rate", report.learning_rate)
            if report.validation is None:
                return
            tf.summary.scalar("validation/loss", report.validation_loss)
            tf.summary.scalar("validation/final_loss", report.final_loss)
            figure = plotting.validation(
                report.validation, f"validation after epoch {report.epoch}"
            )
            image = plotting.to_array(figure)[np.newaxis]
            tf.summary.image("validation/learning_curves", image)
            self._writer.flush()

    def close(self) -> None:
        """See `Reporter`."""
        self._writer.close()
