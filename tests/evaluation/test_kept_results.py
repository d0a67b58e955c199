"""Tests of l2l_tf/evaluation/kept_results.py."""

import pytest

from l2l_tf.core import files
from l2l_tf.evaluation import kept_results


def _refuse():
    raise AssertionError("it was kept")


def test_what_was_computed_is_kept_by_its_key(tmp_path):
    kept = kept_results.KeptResults(tmp_path / "kept")
    key = {"a": 1, "b": (2, 3)}
    assert kept.get(key, lambda: [1.5]) == [1.5]
    assert kept.get({"a": 2, "b": (2, 3)}, lambda: [2.5]) == [2.5]
    again = kept_results.KeptResults(tmp_path / "kept")
    assert again.get({"b": [2, 3], "a": 1}, _refuse) == [1.5]


def test_what_failed_is_computed_again(tmp_path):
    kept = kept_results.KeptResults(tmp_path)
    with pytest.raises(AssertionError):
        kept.get({"a": 1}, _refuse)
    assert kept.get({"a": 1}, lambda: 3) == 3


def test_a_file_that_holds_something_else_is_refused(tmp_path):
    kept = kept_results.KeptResults(tmp_path)
    kept.get({"a": 1}, lambda: 3)
    [file] = tmp_path.glob("*.json")
    files.write_json(file, {"key": {"a": 2}, "result": 3})
    with pytest.raises(ValueError, match=f"{file.name}.*remove it"):
        kept.get({"a": 1}, _refuse)
    for damaged in ({"key": {"a": 1}}, {"key": {"a": 1}, "result": "3"}):
        files.write_json(file, damaged)
        with pytest.raises(ValueError, match=f"{file.name}.*remove it"):
            kept.get({"a": 1}, _refuse, lambda result: isinstance(result, int))
