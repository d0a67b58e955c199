"""Tests of l2l_tf/meta_training/replacement.py."""

import os
import signal
import subprocess
import sys

import pytest

from l2l_tf.core import siblings
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import replacement

_RESULTS = ["checkpoints/ckpt-3.index", "optimizer/metadata.json"]


@pytest.fixture(name="run")
def _run(tmp_path):
    """Returns the folder of an old experiment."""
    folder = tmp_path / "run"
    _write(folder / "checkpoints/ckpt-1.index", "old")
    return folder


def _write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def _is_old(folder):
    """Whether the old experiment is there, and nothing of a new one."""
    found = {path.name for path in folder.iterdir()} - {locking.LOCK}
    return found == {"checkpoints"} and [
        file.read_text() for file in folder.glob("checkpoints/*")
    ] == ["old"]


def _replace(folder, *names, error=None):
    """Writes files in the place of an experiment, and fails if it shall."""
    with replacement.replacing(folder, True), locking.locked(folder):
        for name in names:
            _write(folder / name, "new")
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
@pytest.mark.parametrize("result", _RESULTS)
@pytest.mark.parametrize("stage", ["", "1-first/"])
def test_the_old_one_goes_when_the_new_one_has_a_result(
    error, result, stage, run
):
    try:
        _replace(run, "config.json", stage + result, error=error)
    except BaseException as raised:
        assert raised is error
    assert (run / stage / result).read_text() == "new"
    assert not (run / "checkpoints/ckpt-1.index").exists()
    assert os.listdir(run.parent) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("names", [[], ["config.json", "logs/events"]])
def test_the_old_one_is_back_when_the_new_one_has_none(
    error, names, run, capsys
):
    with pytest.raises(error):
        _replace(run, *names, error=error())
    assert _is_old(run)
    assert os.listdir(run.parent) == ["run"]
    assert f"replaced is in {run} again" in capsys.readouterr().out


def test_it_is_back_where_nothing_took_its_place(run):
    with pytest.raises(KeyError), replacement.replacing(run, True):
        assert not run.exists()
        raise KeyError
    assert _is_old(run)


def test_what_is_not_to_be_replaced_is_left(run, tmp_path):
    with replacement.replacing(run, False):
        assert _is_old(run)
    with replacement.replacing(tmp_path / "none", True):
        pass
    assert os.listdir(tmp_path) == ["run"]


def test_what_a_link_leads_to_is_replaced(run, tmp_path):
    link = tmp_path / "links" / "link"
    link.parent.mkdir()
    link.symlink_to(run)
    with pytest.raises(KeyError):
        _replace(link, error=KeyError())
    assert _is_old(run)
    _replace(link, *_RESULTS)
    assert link.is_symlink() and (run / _RESULTS[0]).read_text() == "new"
    assert os.listdir(link.parent) == ["link"]
    assert sorted(os.listdir(tmp_path)) == ["links", "run"]


def test_a_folder_in_use_is_not_replaced(run):
    with (
        locking.locked(run),
        pytest.raises(FileExistsError, match="in use by process"),
    ):
        _replace(run, *_RESULTS)
    assert _is_old(run)
    assert os.listdir(run.parent) == ["run"]


_KILLED = """
import pathlib, sys, time
from l2l_tf.meta_training import locking
from l2l_tf.meta_training import replacement
run = pathlib.Path(sys.argv[1])
with replacement.replacing(run, True):
    for name in sys.argv[2:]:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("new")
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("names", "is_back"),
    [
        ([], True),
        (["config.json", "logs/events"], True),
        (["config.json", _RESULTS[0]], False),
    ],
)
def test_what_a_kill_leaves_is_mended(names, is_back, run):
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(run), *names],
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"begun\n"
        # While it lives, what it has put aside is its own.
        replacement.mend(run)
        aside = siblings.find(run, siblings.OLD)
        assert len(aside) == 1 and _is_old(aside[0])
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    replacement.mend(run)
    assert os.listdir(run.parent) == ["run"]
    assert _is_old(run) == is_back
    assert all((run / name).exists() != is_back for name in names)


def test_nothing_is_left_of_a_removal_that_was_killed(run, monkeypatch):
    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(siblings, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            _replace(run, *_RESULTS)
    assert len(list(run.parent.iterdir())) == 2
    replacement.mend(run)
    assert os.listdir(run.parent) == ["run"]
    assert (run / _RESULTS[0]).read_text() == "new"
