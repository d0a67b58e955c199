"""Tests of l2l_tf/meta_training/profiling.py."""

import tensorflow as tf

from l2l_tf.meta_training import profiling


def _traces(folder):
    return list((folder / "plugins" / "profile").glob("*/*.xplane.pb"))


def test_some_runs_after_the_first_are_recorded(tmp_path):
    reporter = profiling.ProfileReporter(tmp_path, 2)
    multiply = tf.function(lambda x: x @ x, autograph=False)
    for run in range(5):
        multiply(tf.ones([2 + run, 2 + run]))
        reporter.after_run(None)
        assert bool(_traces(tmp_path)) == (run >= 2)
    reporter.close()
    (trace,) = _traces(tmp_path)
    assert b"MatMul" in trace.read_bytes()


def test_a_short_training_ends_the_profile(tmp_path):
    reporter = profiling.ProfileReporter(tmp_path, 10)
    reporter.after_run(None)
    reporter.close()
    reporter.close()
    assert len(_traces(tmp_path)) == 1


def test_another_profiler_is_left_alone(tmp_path, caplog):
    tf.profiler.experimental.start(str(tmp_path / "other"))
    try:
        reporter = profiling.ProfileReporter(tmp_path, 1)
        reporter.after_run(None)
        reporter.after_run(None)
        reporter.close()
    finally:
        tf.profiler.experimental.stop()
    assert "another profiler" in caplog.text
    assert not _traces(tmp_path) and _traces(tmp_path / "other")
