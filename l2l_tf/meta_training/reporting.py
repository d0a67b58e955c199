"""What a person sees of meta-training on a terminal: a bar, or log lines."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

import numpy as np
import tqdm

from l2l_tf.meta_training import progress


class Reporter(Protocol):
    """Is told of every run."""

    def after_run(self, report: progress.Report) -> None:
        """Takes the report of one run."""

    def close(self) -> None:
        """Is called once, at the end."""


class ConsoleReporter:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(
        self,
        num_runs: int,
        log_period: int,
        first_run: int = 0,
        stream: TextIO | None = None,
    ):
        """Starts the bar.

        Args:
            num_runs: Runs in all.
            log_period: Runs between two plain lines.
            first_run: Runs that an earlier process has done.
            stream: Where to write; standard output by default.
        """
        self._stream = stream or sys.stdout
        self._num_runs = num_runs
        self._log_period = log_period
        self._first_run = first_run
        self._began = time.perf_counter()
        self._meta_losses: list[float] = []
        self._validation = "-"
        self._bar = None
        if self._stream.isatty():
            self._bar = tqdm.tqdm(
                total=num_runs,
                initial=first_run,
                unit="run",
                file=self._stream,
                dynamic_ncols=True,
            )

    def after_run(self, report: progress.Report) -> None:
        """See `Reporter`."""
        self._meta_losses.append(report.meta_loss)
        if report.validation_loss is not None:
            self._validation = f"{report.validation_loss:.4g}"
            best = ", the best so far" if report.is_best else ""
            self._line(
                f"run {report.run}: validation loss "
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
        elif report.run % self._log_period == 0:
            self._line(
                f"run {report.run}/{self._num_runs}: meta-loss "
                f"{recent:.4g}, gradient norm {report.gradient_norm:.3g}, "
                f"skipped updates {report.skipped}, "
                f"{self._time_left(report.run)} left"
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

    def _time_left(self, runs_done: int) -> str:
        elapsed = time.perf_counter() - self._began
        rate = elapsed / max(1, runs_done - self._first_run)
        return tqdm.tqdm.format_interval(rate * (self._num_runs - runs_done))
