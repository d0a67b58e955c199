"""Tests of l2l_tf/figures/kept_runs.py."""

import math

import pytest

from l2l_tf.figures import kept_runs


def test_results_are_found_by_equal_keys(tmp_path):
    path = tmp_path / "kept.json"
    kept = kept_runs.KeptRuns(path)
    key = {"rate": 0.1, "layers": (3, 4), "name": "adam"}
    assert kept.get(key) is None and not path.exists()
    kept.put(key, {"mean": [0.1 + 0.2, math.nan]})
    assert kept.get({**key, "rate": 0.2}) is None
    read = kept_runs.KeptRuns(path, resume=True)
    same = {"name": "adam", "layers": [3, 4], "rate": 0.1}
    assert read.get(same) == {"mean": [0.1 + 0.2, None]}
    assert kept_runs.KeptRuns(path).get(key) is None
    read.remove()
    assert read.get(key) is None and not path.exists()


def test_without_a_file_results_are_kept_in_memory():
    kept = kept_runs.KeptRuns()
    kept.put({"a": 1}, {"b": 2})
    assert kept.get({"a": 1}) == {"b": 2}
    kept.remove()
    assert kept.get({"a": 1}) is None


@pytest.mark.parametrize("content", ["[", "[1]", '[{"key": 1}]', "3"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "kept.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="kept.json does not hold kept runs"):
        kept_runs.KeptRuns(path, resume=True)
