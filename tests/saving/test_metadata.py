"""Tests of l2l_tf/saving/metadata.py."""

import json
import os
import pathlib
import shutil

import pytest

from l2l_tf.core import siblings
from l2l_tf.saving import metadata


def test_bundled_optimizer_is_found_by_name_from_any_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in metadata.bundled_names():
        models = {
            path.parent.relative_to(metadata.find(name)).as_posix()
            for path in metadata.find(name).rglob("saved_model.pb")
        }
        routes = metadata.read(name)["rule"].get("routes", ())
        parts = {f"routes/{index}" for index in range(len(routes))}
        assert models == (parts or {"."})


def test_a_bundled_name_stays_a_name(exported, tmp_path, monkeypatch):
    name = metadata.bundled_names()[0]
    shutil.copytree(exported, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert metadata.read(name)["problem"] != {"name": "none"}
    assert metadata.spell(name) == name
    for path in (f"./{name}", tmp_path / name, pathlib.Path(name)):
        assert metadata.read(path)["problem"] == {"name": "none"}
        assert metadata.spell(path) == str(tmp_path / name)


def test_another_word_is_a_path(exported, tmp_path, monkeypatch):
    shutil.copytree(exported, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert metadata.read("mine")["problem"] == {"name": "none"}
    assert metadata.spell("mine") == str(tmp_path / "mine")


@pytest.mark.parametrize(
    "optimizer",
    ["nonesuch", "a\0b", "x" * 10_000, "~nobody-here/x", b"mnist", None, 3, ""],
)
def test_what_is_no_optimizer_is_refused_in_one_way(optimizer):
    with pytest.raises(metadata.SavedOptimizerError, match="accepted") as error:
        metadata.find(optimizer)
    assert len(str(error.value)) < 1000


def test_folder_without_metadata_is_not_found(tmp_path):
    with pytest.raises(metadata.SavedOptimizerError, match="metadata.json"):
        metadata.find(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"format_version": 1, "files": [], "rule": {"rule": "vectorwise"}}',
        '{"format_version": 1, "files": {}, "rule": 5}',
        '{"format_version": 1, "files": {}, "rule": {"rule": "x"}, "test": 1}',
        "[" * 100_000,
        "\x00",
    ],
)
def test_broken_metadata_is_refused(text, exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "metadata.json").write_text(text)
    with pytest.raises(metadata.SavedOptimizerError, match="not the metadata"):
        metadata.read(copy)


def test_written_metadata_is_read_back(tmp_path):
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "file").write_bytes(b"abc")
    metadata.write(
        tmp_path, {"rule": {"rule": "vectorwise"}, "a": [1, 2.5, None]}
    )
    read = metadata.read(tmp_path)
    assert read["a"] == [1, 2.5, None]
    # The SHA-256 of "abc", from FIPS 180-2, appendix B.1.
    assert read["files"] == {
        "nested/file": "ba7816bf8f01cfea414140de5dae2223"
        "b00361a396177a9cb410ff61f20015ad"
    }
    assert json.loads((tmp_path / "metadata.json").read_text()) == read


def test_file_that_is_not_listed_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "extra.py").write_text("import os")
    with pytest.raises(metadata.SavedOptimizerError, match="extra.py"):
        metadata.read(copy)


def test_unknown_rule_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    values = json.loads((copy / "metadata.json").read_text())
    values["rule"]["rule"] = "newton"
    (copy / "metadata.json").write_text(json.dumps(values))
    with pytest.raises(metadata.SavedOptimizerError, match="newton"):
        metadata.read(copy)


def test_a_rule_that_was_changed_is_refused(exported, tmp_path):
    # Nothing else would tell: the numbers fit as well as before.
    copy = shutil.copytree(exported, tmp_path / "copy")
    text = (copy / "metadata.json").read_text()
    assert '"scale": 0.1' in text
    (copy / "metadata.json").write_text(
        text.replace('"scale": 0.1', '"scale": 0.3')
    )
    with pytest.raises(metadata.SavedOptimizerError, match="0.3.*SHA-256"):
        metadata.read(copy)


def test_a_folder_that_cannot_be_read_is_refused(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "metadata.json").unlink()
    (copy / "metadata.json").symlink_to(exported / "metadata.json")
    with pytest.raises(metadata.SavedOptimizerError, match="symbolic link"):
        metadata.read(copy)


def test_what_is_replaced_while_it_is_read_is_read_again(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "folder")
    calls = []

    def read_and_be_disturbed(path):
        calls.append(path)
        if len(calls) == 1:
            os.rename(path, tmp_path / "old")
            shutil.copytree(exported, path)
            raise metadata.SavedOptimizerError("half of each")
        return len(calls)

    assert metadata.consistently(read_and_be_disturbed, folder) == 2


def test_what_is_mixed_from_two_folders_does_not_count(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "folder")
    results = ["of two folders", "of one"]

    def read_and_be_disturbed(path):
        if len(results) == 2:
            os.rename(path, tmp_path / "old")
            shutil.copytree(exported, path)
        return results.pop(0)

    assert metadata.consistently(read_and_be_disturbed, folder) == "of one"


def test_endless_replacing_is_an_error(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "folder")

    def disturb(path):
        shutil.rmtree(path)
        shutil.copytree(exported, path)

    with pytest.raises(metadata.SavedOptimizerError, match="replaced"):
        metadata.consistently(disturb, folder)


def test_what_a_kill_put_aside_is_found(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "folder")
    aside = siblings.make_name(folder, siblings.OLD)
    os.rename(folder, aside)
    assert metadata.find(folder) == folder
    assert os.listdir(tmp_path) == ["folder"]
