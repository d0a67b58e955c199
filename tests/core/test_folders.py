"""Tests of l2l_tf/core/folders.py."""

import os
import pathlib
import subprocess
import sys
import threading

import pytest

from l2l_tf.core import folders


@pytest.fixture(params=["exchange", "rename"])
def system(request, monkeypatch):
    """Systems that can exchange folders at once, and those that cannot."""
    if request.param == "rename":
        monkeypatch.setattr(folders, "_find_renameat2", lambda: None)
    return request.param


def _make(path: pathlib.Path, content: str) -> pathlib.Path:
    path.mkdir(parents=True)
    (path / "file").write_text(content)
    return path


def _write(target, content, **options) -> None:
    with folders.temporary(target) as folder:
        (folder / "file").write_text(content)
        folders.replace_folder(folder, target, **options)


def test_a_folder_is_written_and_replaced(system, tmp_path):
    target = tmp_path / "new" / "target"
    _write(target, "first")
    assert (target / "file").read_text() == "first"
    _write(target, "second", overwrite=True)
    assert (target / "file").read_text() == "second"
    assert os.listdir(target.parent) == ["target"]


def test_nothing_is_replaced_that_has_just_appeared(system, tmp_path):
    target = tmp_path / "target"
    with folders.temporary(target) as folder:
        (folder / "file").write_text("ours")
        _make(target, "theirs")
        with pytest.raises(FileExistsError, match="exists"):
            folders.replace_folder(folder, target)
    assert (target / "file").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["target"]


@pytest.mark.parametrize("kind", ["empty folder", "file", "broken link"])
def test_anything_in_its_place_counts(kind, system, tmp_path):
    target = tmp_path / "target"
    if kind == "empty folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("x")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        _write(target, "ours")
    assert os.listdir(tmp_path) == ["target"]


def test_what_is_not_to_be_lost_comes_back(system, tmp_path):
    target = _make(tmp_path / "target", "thesis")

    def may_replace(folder):
        return (folder / "file").read_text() != "thesis"

    with pytest.raises(FileExistsError, match="not to be lost"):
        _write(target, "ours", overwrite=True, may_replace=may_replace)
    assert (target / "file").read_text() == "thesis"
    assert os.listdir(tmp_path) == ["target"]


def test_an_error_amid_replacing_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_find_renameat2", lambda: None)
    target = _make(tmp_path / "target", "old")
    rename = os.rename

    def fail_once(source, destination):
        if "-new-" in str(source):
            raise OSError("disk full")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="disk full"):
        _write(target, "new", overwrite=True)
    assert (target / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["target"]


def test_there_is_always_something_in_its_place(tmp_path):
    if folders._find_renameat2() is None:
        pytest.skip("This system cannot exchange folders at once.")
    target = _make(tmp_path / "target", "0")
    missing, done = [], threading.Event()

    def watch():
        while not done.is_set():
            if not target.exists():
                missing.append(True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(300):
        _write(target, str(number), overwrite=True)
    done.set()
    watcher.join()
    assert not missing
    assert (target / "file").read_text() == "299"


def test_a_link_in_its_place_is_replaced_not_followed(system, tmp_path):
    precious = _make(tmp_path / "precious", "precious")
    target = tmp_path / "target"
    target.symlink_to(precious)
    _write(target, "ours", overwrite=True)
    assert (target / "file").read_text() == "ours"
    assert not target.is_symlink()
    assert (precious / "file").read_text() == "precious"


def test_a_folder_is_removed_at_once(tmp_path):
    target = _make(tmp_path / "target", "x")
    folders.remove_folder(target)
    assert os.listdir(tmp_path) == []
    folders.remove_folder(target)


def test_a_removed_folder_does_not_come_back_after_a_kill(tmp_path):
    target = _make(tmp_path / "target", "x")
    program = f"""
import os, shutil, signal
from l2l_tf.core import folders
shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
folders.remove_folder({str(target)!r})
"""
    subprocess.run([sys.executable, "-c", program])
    assert not target.exists() and len(os.listdir(tmp_path)) == 1
    folders.remove_folder(target)
    assert os.listdir(tmp_path) == []


def test_permissions_follow_the_umask(tmp_path):
    former = os.umask(0o027)
    try:
        _write(tmp_path / "target", "x")
    finally:
        os.umask(former)
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o750


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with folders.temporary(tmp_path / "target") as folder:
            _make(folder / "sub", "x")
            raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("file", "is a file, not a folder"),
        ("file/one/two", "lies below '.*file', a file, not a folder"),
        ("dangling", "is a link that leads nowhere"),
        ("dangling/one", "lies below '.*dangling', a link that leads nowhere"),
        ("looping/one", "cannot be used: Too many levels"),
        ("x" * 300, "cannot be used: File name too long"),
    ],
)
def test_a_place_where_no_folder_can_be_is_refused(path, message, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "looping").symlink_to("looping")
    with pytest.raises(ValueError, match=f"^place='.*' {message}"):
        folders.check_place("place", tmp_path / path)


def test_a_place_for_a_folder_is_accepted_and_left(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    for path in (".", "one/two", "link/one", tmp_path, tmp_path / "one"):
        folders.check_place("place", path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="nothing can be written in '.*'"):
        folders.check_place("place", "one/two")
    assert os.listdir(tmp_path) == ["link"]
