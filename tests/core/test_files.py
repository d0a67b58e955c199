"""Tests of l2l_tf/core/files.py."""

import builtins
import hashlib
import json
import os
import subprocess
import sys

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


@pytest.mark.parametrize(
    ("owner", "failing"), [(os, "replace"), (builtins, "open")]
)
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path, monkeypatch, owner, failing
):
    path = files.write_bytes(tmp_path / "file", b"old")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_kill_left_is_swept_by_the_next_write(tmp_path):
    program = f"""
import os, signal
from l2l_tf.core import files
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write_bytes({str(tmp_path / "file")!r}, b"killed")
"""
    subprocess.run([sys.executable, "-c", program])
    assert len(os.listdir(tmp_path)) == 1
    files.write_bytes(tmp_path / "file", b"x")
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


def test_limited_reading_returns_what_is_there(tmp_path):
    content = os.urandom(3 * 2**20 + 1)
    path = files.write_bytes(tmp_path / "file", content)
    assert files.read_bytes(path, len(content)) == content
    expected = hashlib.sha256(content).hexdigest()
    assert files.sha256(path, len(content)) == expected
    with pytest.raises(ValueError, match="3,145,729 bytes"):
        files.read_bytes(path, len(content) - 1)


def test_only_plain_files_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # Reading it would wait for ever.
    for name in ("link", "pipe"):
        with pytest.raises(ValueError, match=f"{name} is"):
            files.read_bytes(tmp_path / name, 10)
    for path in (tmp_path / "folder", "/dev/zero"):
        with pytest.raises((ValueError, OSError)):
            files.read_bytes(path, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not acceptable"),
        ("[1]", "no object"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "1e999"),
        ('{"a": ' + "[" * 33 + "]" * 33 + "}", "deep"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "deep"),
        ('{"a": ' + "9" * 5000 + "}", "acceptable"),
        ("\x80", "acceptable"),
        ('"' + "x" * 2**20 + '"', "bytes"),
    ],
)
def test_json_of_others_is_limited(text, message, tmp_path):
    file = tmp_path / "file.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        files.read_json(file)


def test_json_within_the_limits_is_read(tmp_path):
    value = {"a": [1, -2.5, None, True, "ä"], "deep": [[[[[{}]]]]]}
    path = files.write_json(tmp_path / "file.json", value)
    assert files.read_json(path) == value
    with pytest.raises(ValueError, match="no list"):
        files.read_json(path, kind=list)
    files.write_json(path, [value])
    assert files.read_json(path, kind=list) == [value]


def _nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": float("nan")}, "Out of range float"),
        ({"a": [float("inf")]}, "Out of range float"),
        ({"a": object()}, "object is not JSON"),
        ({"a": ({3: 1},)}, "the name 3 is no text"),
        (_nested(40), "nested more than 32 deep"),
        (_nested(100_000), "nested more than 32 deep"),
    ],
    ids=range(6),
)
def test_what_json_does_not_bring_back_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        files.check_plain(value)
    files.check_plain({"a": [1, 2.0, (None, "b")], "c": {}})


def test_plain_values_are_those_that_json_brings_back(tmp_path):
    value = {"a": (1, 2.5, ("b",)), "c": None}
    path = files.write_json(tmp_path / "file.json", value)
    assert files.plain(value) == files.read_json(path) != value
