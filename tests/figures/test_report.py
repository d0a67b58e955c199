"""Tests of l2l_tf/figures/report.py."""

import json
import pathlib

import pytest

from l2l_tf.figures import catalogue
from l2l_tf.figures import report
from l2l_tf.figures import reproduction
from l2l_tf.saving import metadata

_PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "docs" / "results"


def _write(result, folder):
    text = json.dumps(result).replace("NaN", "null")
    (folder / "mnist.json").write_text(text)


def test_report_tells_command_and_seconds(result, tmp_path):
    _write(result, tmp_path)
    text = report.report(tmp_path)
    assert "## MLP of 20 sigmoid units on MNIST" in text
    assert "`python scripts/reproduce.py --figure=mnist`, in 2 s." in text
    assert f"({tmp_path.name}/mnist.png)" in text
    assert catalogue.FIGURES["mnist"].tables(result) in text
    assert "--figure=quadratic" not in text


def test_report_tells_of_quick_runs_and_other_seeds(result, tmp_path):
    _write({**result, "quick": True, "seed": 5}, tmp_path)
    assert "--figure=mnist --quick --seed=5`" in report.report(tmp_path)


def test_report_has_the_figure_s_note(
    result, small_figure, tmp_path, monkeypatch
):
    monkeypatch.setitem(catalogue.FIGURES, "mnist", small_figure)
    _write(result, tmp_path)
    assert "\nA note.\n" in report.report(tmp_path)


def test_what_diverged_is_reported(result, tmp_path):
    for found in result["panels"][0]["results"]["optimizers"].values():
        found["last_tenth"] = found["last_tenth_sem"] = float("nan")
    _write(result, tmp_path)
    assert "diverged ± diverged" in report.report(tmp_path)


@pytest.mark.parametrize("name", catalogue.FIGURES)
def test_published_tables_are_those_of_the_published_numbers(name):
    result = reproduction.read(name, _PUBLISHED)
    tables = catalogue.FIGURES[name].tables(result)
    assert (_PUBLISHED / f"{name}.md").read_text() == tables + "\n"
    assert (_PUBLISHED / f"{name}.png").is_file()


def test_the_published_report_is_that_of_the_published_numbers():
    text = _PUBLISHED.with_name("results.md").read_text()
    assert text == report.report(_PUBLISHED)


@pytest.mark.parametrize("name", catalogue.FIGURES)
def test_published_figures_are_of_the_bundled_optimizers(name):
    result = reproduction.read(name, _PUBLISHED)
    assert result["saved_optimizers"]
    for optimizer, files in result["saved_optimizers"].items():
        assert metadata.read(optimizer)["files"] == files
        figure = catalogue.FIGURES[name]
        recorded = metadata.read(optimizer).get("figures", {}).get(name)
        for label, numbers in figure.numbers(result, optimizer).items():
            assert reproduction.rounded(recorded[label]) == numbers
