"""Tests of l2l_tf/saving/manifest.py."""

import hashlib
import os
import socket

import pytest

from l2l_tf.saving import manifest


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with two files; metadata.json is left out."""
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    for name in ("metadata.json", "a", "sub/b"):
        (tmp_path / "folder" / name).write_text(name)
    return tmp_path / "folder"


def _check(folder, expected):
    manifest.check(folder, expected, "metadata.json")


def test_what_was_digested_passes(folder):
    digests = manifest.digests(folder, "metadata.json")
    assert digests == {
        name: hashlib.sha256(name.encode()).hexdigest()
        for name in ("a", "sub/b")
    }
    _check(folder, digests)


@pytest.mark.parametrize(
    ("damage", "message"),
    {
        "changed": "SHA-256",
        "missing": "SHA-256",
        "added": "does not list",
        "pipe": "device",
        "socket": "device",
        "link": "link",
        "linked folder": "link",
        "broken link": "link",
        "folder": "SHA-256",
    }.items(),
)
def test_damage_is_found(damage, message, folder, monkeypatch):
    digests = manifest.digests(folder, "metadata.json")
    file = folder / "sub" / "b"
    if damage == "changed":
        file.write_text("x")
    elif damage == "added":
        (folder / "sub" / "c").touch()
    elif damage == "linked folder":
        os.rename(folder / "sub", folder.parent / "sub")
        (folder / "sub").symlink_to(folder.parent / "sub")
    else:
        file.unlink()
        if damage == "pipe":
            os.mkfifo(file)
        elif damage == "socket":
            monkeypatch.chdir(file.parent)  # Such names must be short.
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(file.name)
        elif damage == "link":
            (folder.parent / "b").write_text("sub/b")
            file.symlink_to(folder.parent / "b")
        elif damage == "broken link":
            file.symlink_to(folder.parent / "none")
        elif damage == "folder":
            file.mkdir()
    with pytest.raises(ValueError, match=message):
        _check(folder, digests)


@pytest.mark.parametrize("name", ["../secret", "sub/../../secret", "{}/secret"])
def test_names_outside_are_refused_unopened(name, folder):
    name = name.format(folder.parent)
    os.mkfifo(folder.parent / "secret")  # To open it would wait for ever.
    digests = manifest.digests(folder, "metadata.json")
    with pytest.raises(ValueError, match="missing"):
        _check(folder, {name: "0" * 64, **digests})


@pytest.mark.parametrize("kind", ["files", "folders", "bytes"])
def test_too_much_is_refused_unread(kind, folder):
    for index in range(manifest.MAX_ENTRIES if kind != "bytes" else 0):
        path = folder / f"x{index}"
        path.mkdir() if kind == "folders" else path.touch()
    if kind == "bytes":
        os.truncate(folder / "a", 2**40)
    with pytest.raises(ValueError, match="more than 1000 files or"):
        manifest.list_files(folder)
