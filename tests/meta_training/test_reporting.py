"""Tests of l2l_tf/meta_training/reporting.py."""

import io

import numpy as np

from l2l_tf.meta_training import progress
from l2l_tf.meta_training import reporting

PLAIN = progress.Report(
    run=2,
    meta_loss=0.5,
    gradient_norm=3.0,
    learning_rate=0.01,
    skipped=1,
    seconds=0.25,
)
VALIDATED = progress.Report(
    run=4,
    meta_loss=0.25,
    gradient_norm=2.0,
    learning_rate=0.005,
    skipped=1,
    seconds=0.5,
    validation=np.ones([3, 5]),
    validation_loss=0.125,
    final_loss=0.0625,
    validation_seconds=0.75,
    is_best=True,
)


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_there_are_plain_lines():
    stream = io.StringIO()
    reporter = reporting.ConsoleReporter(10, 2, stream=stream)
    reporter.after_run(PLAIN)
    reporter.after_run(VALIDATED)
    reporter.close()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("run 2/10: meta-loss 0.5")
    assert "skipped updates 1" in lines[0] and "left" in lines[0]
    assert "validation loss 0.125" in lines[1] and "best" in lines[1]
    assert lines[2].startswith("run 4/10: meta-loss 0.375")
    assert "\r" not in stream.getvalue()


def test_lines_come_once_per_period():
    stream = io.StringIO()
    reporter = reporting.ConsoleReporter(10, 4, stream=stream)
    reporter.after_run(PLAIN)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar_with_all_that_matters():
    stream = _Terminal()
    reporter = reporting.ConsoleReporter(10, 2, first_run=2, stream=stream)
    reporter.after_run(VALIDATED)
    reporter.close()
    text = stream.getvalue()
    assert "meta-loss 0.25" in text and "validation 0.125" in text
    assert "3/10" in text and "skipped 1" in text
