"""Tests of l2l_tf/meta_training/locking.py."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from l2l_tf.meta_training import locking

_HOLD = (
    "import sys, time; from l2l_tf.meta_training import locking\n"
    "with locking.locked(sys.argv[1]): print('locked', flush=True); "
    "time.sleep(600)"
)


def test_a_second_process_is_refused_until_the_first_one_dies(tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with (
            pytest.raises(FileExistsError, match=f"by process {other.pid};"),
            locking.locked(folder),
        ):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    with locking.locked(folder):
        pass


def _fail(folder, *more):
    """Fails within a folder, having written a file there."""
    with pytest.raises(KeyError), locking.locked(folder, *more):
        (folder / "file").touch()
        raise KeyError


def test_what_fails_before_it_has_begun_leaves_no_folder(tmp_path):
    _fail(tmp_path / "run", lambda: False)
    assert not list(tmp_path.iterdir())
    _fail(tmp_path / "run", lambda: True)
    assert (tmp_path / "run" / "file").exists()
    _fail(tmp_path / "other")
    assert (tmp_path / "other" / "file").exists()


def test_a_folder_that_was_there_before_is_never_removed(tmp_path):
    for name in ("run", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "mine").touch()
    for name in ("run", "empty"):
        _fail(tmp_path / name, lambda: False)
        assert (tmp_path / name / "file").exists()


def test_a_lock_is_given_back(tmp_path):
    for _ in range(2):
        with locking.locked(tmp_path):
            assert (tmp_path / locking.LOCK).read_text() == f"{os.getpid()}\n"
            with (
                pytest.raises(FileExistsError, match=str(os.getpid())),
                locking.locked(tmp_path),
            ):
                pass


@pytest.mark.parametrize(
    "make", [pathlib.Path.mkdir, lambda path: path.symlink_to("nowhere")]
)
def test_something_else_in_the_locks_place_is_told(make, tmp_path):
    make(tmp_path / locking.LOCK)
    with (
        pytest.raises(FileExistsError, match="'.lock' is no plain file"),
        locking.locked(tmp_path),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [locking.LOCK]
