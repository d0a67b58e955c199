"""Tests of l2l_tf/core/files.py."""

import json
import os

import pytest

from l2l_tf.core import files


def test_a_file_holds_what_was_written(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    for content in (b"\x00first", b"second"):
        assert files.write_bytes(path, content) == path
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["file.bin"]


def test_json_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, "ä"], "b": {}}
    path = files.write_json(tmp_path / "file.json", value)
    assert json.loads(path.read_text()) == value
    assert path.read_text().endswith("}\n")


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    files.write_bytes("~/file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.parametrize("failing", ["replace", "chmod"])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path, monkeypatch, failing
):
    path = files.write_bytes(tmp_path / "file", b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, failing, interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path):
    path = files.write_json(tmp_path / "file", {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    former = os.umask(umask)
    try:
        path = files.write_bytes(tmp_path / "file", b"x")
        assert os.umask(umask) == umask  # Left as it was.
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == mode
