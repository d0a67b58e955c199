"""Tests of l2l_tf/meta_training/event_files.py."""

import tensorflow as tf

from l2l_tf.meta_training import event_files
from tests import events


def _write(folder, steps):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", 0.5 * step, step=step)
    writer.close()
    (file,) = folder.glob(events.PATTERN)
    return file


def test_points_after_a_run_are_forgotten_and_others_stay(tmp_path):
    file = _write(tmp_path, range(5))
    (tmp_path / "notes").write_text("mine")
    event_files.forget_after(tmp_path, 2)
    assert events.scalars(tmp_path) == {"loss": {0: 0.0, 1: 0.5, 2: 1.0}}
    # TensorBoard tells by the first event how the file is to be read.
    assert next(events.read(tmp_path)).file_version
    before = file.stat().st_mtime_ns
    event_files.forget_after(tmp_path, 2)
    assert file.stat().st_mtime_ns == before
    assert (tmp_path / "notes").read_text() == "mine"


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    file = _write(tmp_path, range(3))
    whole = file.read_bytes()
    for cut in (1, 20, 50):
        file.write_bytes(whole + whole[:cut])
        event_files.forget_after(tmp_path, 9)
        assert file.read_bytes() == whole
    # Bytes that are no event: nothing behind them can be read.
    file.write_bytes(whole + b"\3" + b"\0" * 11 + b"\xff" * 7 + whole)
    event_files.forget_after(tmp_path, 9)
    assert file.read_bytes() == whole


def test_files_and_graphs_are_found(tmp_path):
    assert not event_files.exist(tmp_path / "nowhere")
    _write(tmp_path, [1])
    assert event_files.exist(tmp_path)
    assert not event_files.hold_graph(tmp_path)
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(1.0)
    with tf.summary.create_file_writer(str(tmp_path)).as_default() as writer:
        tf.summary.graph(graph)
        writer.flush()
    assert event_files.hold_graph(tmp_path)
