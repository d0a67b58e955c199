"""Tests of l2l_tf/figures/reproduction.py."""

import dataclasses
import shutil

import pytest

from l2l_tf.figures import catalogue as figures
from l2l_tf.figures import report as figure_report
from l2l_tf.figures import reproduction
from l2l_tf.saving import metadata

_PANEL = figures.Panel(
    "four functions",
    ("quadratic",),
    "quadratic",
    {"num_functions": 4, "num_dims": 2},
    num_steps=20,
    num_runs=2,
    paper=0.5,
)
_FIGURE = figures.Figure("small", "Small", (_PANEL,))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    cache = reproduction.RateCache(folder / "rates.json")
    return reproduction.reproduce(_FIGURE, cache), folder


def test_learned_and_all_baselines_are_compared(reproduced):
    result, _ = reproduced
    [panel] = result["panels"]
    optimizers = panel["results"]["optimizers"]
    assert list(optimizers) == ["L2L", *figures.BASELINES]
    assert panel["paper"] == 0.5 and panel["results"]["num_epochs"] == 2


def test_rates_are_searched_once_and_kept(reproduced, monkeypatch):
    result, folder = reproduced
    monkeypatch.setattr(
        reproduction.comparison.rate_search.Baseline,
        "search_learning_rate",
        lambda *_: pytest.fail("searched again"),
    )
    cache = reproduction.RateCache(folder / "rates.json")
    assert reproduction.reproduce(_FIGURE, cache) == result
    other = dataclasses.replace(_PANEL, num_steps=10)
    assert cache.get(_PANEL) and not cache.get(other)
    known = cache.get(_PANEL)
    anew = reproduction.RateCache(folder / "rates.json", search_anew=True)
    assert not anew.get(_PANEL)
    anew.put(other, {"adam": 0.1})
    assert anew.get(other) == {"adam": 0.1} and not anew.get(_PANEL)
    read = reproduction.RateCache(folder / "rates.json")
    assert read.get(_PANEL) == known and read.get(other) == {"adam": 0.1}


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
    assert recorded["last_tenth"] == optimizers["L2L"]["late"]
    baseline = recorded["best_baseline"]
    assert recorded["baseline_last_tenth"] == optimizers[baseline]["late"]
    assert baseline in figures.BASELINES
    assert {**before, "figures": {}} == {**after, "figures": {}}


def test_everything_is_written_and_reported(reproduced, monkeypatch):
    result, folder = reproduced
    monkeypatch.setitem(figures.FIGURES, "small", _FIGURE)
    reproduction.write(result, folder)
    assert (folder / "small.png").read_bytes().startswith(b"\x89PNG")
    assert figure_report.table(result) in (folder / "small.md").read_text()
    report = figure_report.report(folder)
    assert "## Small" in report and "--figure=small" in report
    assert f"({folder.name}/small.png)" in report
    assert figure_report.table(result) in report
    assert "## Architectures" not in report


def test_the_grid_is_drawn_over_units():
    panels = [
        {
            "options": {"activation": "relu", "hidden_layers": [units]},
            "results": {"optimizers": {"L2L": {"late": 1.0 / units}}},
        }
        for units in (5, 10)
    ]
    figure = reproduction.draw({"figure": "mnist-grid", "panels": panels})
    [axes] = figure.axes
    assert axes.get_title() == "relu, 1 layer"
    assert axes.lines[0].get_xydata().tolist() == [[5, 0.2], [10, 0.1]]


@pytest.mark.parametrize(
    "runs, steps, expected",
    [(100, 100, 40), (100, 200, 20), (20, 1000, 5), (10, 100, 10)],
)
def test_searches_of_longer_runs_make_fewer(runs, steps, expected):
    panel = dataclasses.replace(_PANEL, num_runs=runs, num_steps=steps)
    assert reproduction.search_runs(panel) == expected
