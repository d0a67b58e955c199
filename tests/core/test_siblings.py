"""Tests of l2l_tf/core/siblings.py."""

import os
import pathlib
import subprocess
import sys

import pytest

from l2l_tf.core import siblings


def _names(folder: pathlib.Path) -> set[str]:
    return set(os.listdir(folder))


def _leave(target: pathlib.Path, kind: str) -> pathlib.Path:
    """Makes what a killed process would leave."""
    path = siblings.make_name(target, kind)
    path.mkdir()
    (path / "content").write_text(kind)
    return path


def test_what_nobody_holds_is_swept(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    for kind in (siblings.NEW, siblings.OLD, siblings.GONE):
        _leave(target, kind)
    siblings.sweep(tmp_path, "target")
    assert _names(tmp_path) == {"target"}


def test_what_was_put_aside_comes_back(tmp_path):
    target = tmp_path / "target"
    _leave(target, siblings.NEW)
    _leave(target, siblings.OLD)
    siblings.sweep(tmp_path, "target")
    assert _names(tmp_path) == {"target"}
    assert (target / "content").read_text() == siblings.OLD


def test_recovering_touches_nothing_else(tmp_path):
    target = tmp_path / "target"
    unfinished = _leave(target, siblings.NEW)
    _leave(target, siblings.OLD)
    siblings.recover(target)
    assert _names(tmp_path) == {"target", unfinished.name}


def test_other_names_are_never_swept(tmp_path):
    (tmp_path / "target").mkdir()
    others = [
        ".target-settings",
        ".target-old-12345678",
        ".target-l2l_tf-new-notes",
        ".targets-l2l_tf-new-12345678",
        "target-l2l_tf-new-12345678",
        ".target-l2l_tf-new-12345678.txt",
    ]
    for name in others:
        (tmp_path / name).mkdir()
    siblings.sweep(tmp_path, "target")
    assert _names(tmp_path) == {"target", *others}


def test_a_name_is_no_pattern(tmp_path):
    left = _leave(tmp_path / "abc", siblings.NEW)
    siblings.sweep(tmp_path, "a.c")
    siblings.sweep(tmp_path, "*")
    assert _names(tmp_path) == {left.name}


def test_a_link_is_removed_and_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    link = siblings.make_name(tmp_path / "target", siblings.NEW)
    link.symlink_to(tmp_path / "precious")
    siblings.sweep(tmp_path, "target")
    assert (tmp_path / "precious" / "file").read_text() == "x"


def test_what_a_living_process_holds_is_left_until_it_dies(tmp_path):
    target = tmp_path / "target"
    program = f"""
import os, sys
from l2l_tf.core import siblings
print(siblings.claim({str(target)!r}, os.mkdir)[0].name, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        name = process.stdout.readline().strip()
        siblings.sweep(tmp_path, "target")
        assert _names(tmp_path) == {name}
        process.kill()
    siblings.sweep(tmp_path, "target")
    assert _names(tmp_path) == set()


def test_holding_is_exclusive(tmp_path):
    (tmp_path / "folder").mkdir()
    first = siblings.hold(tmp_path / "folder")
    with pytest.raises(BlockingIOError):
        siblings.hold(tmp_path / "folder")
    siblings.release(first)
    siblings.release(siblings.hold(tmp_path / "folder"))


def test_a_missing_parent_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        siblings.claim(tmp_path / "none" / "target", os.mkdir)
    siblings.sweep(tmp_path / "none", "target")
    siblings.recover(tmp_path / "none" / "target")


def test_folders_that_take_no_files_are_told(tmp_path):
    def fail(path):
        raise FileNotFoundError(path)

    with pytest.raises(FileNotFoundError):
        siblings.claim(tmp_path / "target", fail)

    def collide(path):
        raise FileExistsError(path)

    with pytest.raises(FileExistsError, match="target' in 1000 attempts"):
        siblings.claim(tmp_path / "target", collide)
