"""Tests of l2l_tf/meta_training/event_files.py."""

import tensorflow as tf

from l2l_tf.meta_training import event_files
from tests import events


def _write(folder, steps, experiment="here"):
    own = event_files.EventFiles(folder, folder / experiment)
    before = set(folder.glob(events.PATTERN))
    writer = own.writer()
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", 0.5 * step, step=step)
    writer.close()
    (file,) = set(folder.glob(events.PATTERN)) - before
    return own, file


def test_points_after_a_run_are_forgotten_and_others_stay(tmp_path):
    own, file = _write(tmp_path, range(5))
    (tmp_path / "notes").write_text("mine")
    own.forget_after(2)
    assert events.scalars(tmp_path) == {"loss": {0: 0.0, 1: 0.5, 2: 1.0}}
    # TensorBoard tells by the first event how the file is to be read.
    assert next(events.read(tmp_path)).file_version
    before = file.stat().st_mtime_ns
    own.forget_after(2)
    assert file.stat().st_mtime_ns == before
    assert (tmp_path / "notes").read_text() == "mine"


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    own, file = _write(tmp_path, range(3))
    whole = file.read_bytes()
    for cut in (1, 20, 50):
        file.write_bytes(whole + whole[:cut])
        own.forget_after(9)
        assert file.read_bytes() == whole
    # Bytes that are no event: nothing behind them can be read.
    file.write_bytes(whole + b"\3" + b"\0" * 11 + b"\xff" * 7 + whole)
    own.forget_after(9)
    assert file.read_bytes() == whole


def test_files_and_graphs_are_found(tmp_path):
    assert not event_files.exist(tmp_path / "nowhere")
    own, _ = _write(tmp_path, [1])
    assert event_files.exist(tmp_path)
    assert not own.hold_graph()
    graph = tf.Graph()
    with graph.as_default():
        tf.constant(1.0)
    with own.writer().as_default() as writer:
        tf.summary.graph(graph)
        writer.flush()
    assert own.hold_graph()
    other = event_files.EventFiles(tmp_path, tmp_path / "elsewhere")
    assert not other.hold_graph()


def test_files_of_others_in_the_folder_stay(tmp_path):
    own, _ = _write(tmp_path, range(3))
    _, theirs = _write(tmp_path, range(3), "elsewhere")
    content = theirs.read_bytes()
    own.forget_after(1)
    assert theirs.read_bytes() == content
    own.remove()
    assert list(tmp_path.glob(events.PATTERN)) == [theirs]


def test_own_files_are_known_however_paths_are_spelled_and_after_a_move(
    tmp_path, monkeypatch
):
    logs = tmp_path / "all" / "logs"
    event_files.EventFiles(logs, tmp_path / "all" / "run").writer().close()
    monkeypatch.chdir(tmp_path)
    moved = (tmp_path / "all").rename(tmp_path / "moved")
    own = event_files.EventFiles("moved/logs/", "moved/../moved/run")
    own.remove()
    assert not list((moved / "logs").iterdir())
