"""Tests of l2l_tf/figures/reproduction.py."""

import copy
import json
import shutil

import pytest

from l2l_tf.figures import catalogue
from l2l_tf.figures import report
from l2l_tf.figures import reproduction
from l2l_tf.saving import metadata


@pytest.fixture(autouse=True)
def _catalogued(small_figure, monkeypatch):
    monkeypatch.setitem(catalogue.FIGURES, "small", small_figure)


def test_a_result_tells_what_was_run(reproduced):
    result, _ = reproduced
    assert result["figure"] == "small" and result["title"] == "Small"
    assert result["seed"] == 0 and result["quick"] is False
    files = metadata.read("quadratic")["files"]
    assert result["saved_optimizers"] == {"quadratic": files}


def test_numbers_are_recorded_beside_the_optimizer(
    reproduced, tmp_path, monkeypatch
):
    result, _ = reproduced
    copy = tmp_path / "quadratic"
    shutil.copytree(metadata.find("quadratic"), copy)
    before = metadata.read(copy)
    monkeypatch.setattr(metadata, "_BUNDLED", (tmp_path,))
    reproduction.record(result)
    after = metadata.read("quadratic")
    recorded = after["figures"].pop("small")["four functions"]
    optimizers = result["panels"][0]["results"]["optimizers"]
    assert recorded["last_tenth"] == optimizers["LSTM"]["last_tenth"]
    baseline = recorded["best_baseline"]
    expected = optimizers[baseline]["last_tenth"]
    assert recorded["baseline_last_tenth"] == expected
    assert baseline in ("adam", "sgd")
    assert {**before, "figures": {}} == {**after, "figures": {}}


def test_everything_is_written_and_reported(reproduced, small_figure, tmp_path):
    result, _ = reproduced
    folder = tmp_path / "results"
    reproduction.write(result, folder)
    assert (folder / "small.png").read_bytes().startswith(b"\x89PNG")
    table = small_figure.tables(result)
    assert table in (folder / "small.md").read_text()
    text = report.report(folder)
    assert "## Small" in text and "--figure=small" in text
    assert "(results/small.png)" in text
    assert table in text
    assert "## Architectures" not in text


def test_what_is_read_is_what_was_written_to_six_digits(reproduced, tmp_path):
    result, _ = reproduced
    result = {**result, "failed": [float("nan"), 0.123456789, 7]}
    reproduction.write(result, tmp_path)
    read = reproduction.read("small", tmp_path)
    assert read["failed"] == [None, 0.123457, 7]
    assert read["panels"][0]["label"] == "four functions"
    # Written again, nothing changes.
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    reproduction.write(read, tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert before == after and set(before) == {
        "small.json",
        "small.png",
        "small.md",
    }
    assert json.loads(before["small.json"]) == read


def _without(*path):
    """Returns a function that removes one value of a result."""

    def change(result):
        *parents, last = path
        for key in parents:
            result = result[key]
        del result[last]

    return change


_ADAM = ("panels", 0, "results", "optimizers", "adam")


@pytest.mark.parametrize(
    "change",
    [
        _without("panels"),
        _without("seed"),
        _without("panels", 0, "results"),
        _without(*_ADAM, "last_tenth"),
        _without(*_ADAM, "learned"),
        _without(*_ADAM, "std"),
        lambda result: result.update(figure="mnist"),
        lambda result: result.update(quick="no"),
        lambda result: result.update(seconds="3"),
        lambda result: result.update(panels=[]),
        lambda result: result["panels"][0].update(results=None),
    ],
)
def test_a_foreign_result_is_refused_and_nothing_written(
    change, reproduced, tmp_path
):
    result = copy.deepcopy(reproduction.rounded(reproduced[0]))
    reproduction.write(result, tmp_path / "whole")
    assert reproduction.redraw("small", tmp_path / "whole") == result
    change(result)
    (tmp_path / "small.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="does not hold the numbers") as error:
        reproduction.redraw("small", tmp_path)
    assert str(tmp_path / "small.json") in str(error.value)
    assert "\n" not in str(error.value)
    assert {file.name for file in tmp_path.iterdir()} == {"small.json", "whole"}


def test_reading_what_was_never_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="small.json"):
        reproduction.read("small", tmp_path)
