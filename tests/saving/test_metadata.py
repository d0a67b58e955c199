"""Tests of l2l_tf/saving/metadata.py."""

import json
import shutil

import pytest

from l2l_tf.saving import metadata


def test_bundled_optimizer_is_found_by_name_from_any_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in metadata.bundled_names():
        assert (metadata.find(name) / "saved_model.pb").is_file()


def test_path_comes_before_a_bundled_name(exported, tmp_path, monkeypatch):
    name = metadata.bundled_names()[0]
    shutil.copytree(exported, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert metadata.read(name)["problem"] == {"name": "none"}


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
