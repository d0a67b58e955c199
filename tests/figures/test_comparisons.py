"""Tests of l2l_tf/figures/comparisons.py."""

import dataclasses

import pytest

from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import rate_search
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import kept_runs
from l2l_tf.figures import learning_curves
from l2l_tf.figures import rates
from l2l_tf.problems import registry

_PANEL = comparisons.Panel(
    "two functions",
    {"ours": "quadratic"},
    "quadratic",
    {"num_functions": 2, "num_dims": 2},
    num_steps=3,
    num_runs=6,
)


def test_learned_and_all_baselines_are_compared(reproduced):
    [panel] = reproduced[0]["panels"]
    optimizers = panel["results"]["optimizers"]
    assert list(optimizers) == ["LSTM", "adam", "sgd"]
    assert _PANEL.baselines == comparisons.BASELINES
    assert [name for name in optimizers if optimizers[name]["learned"]] == [
        "LSTM"
    ]
    assert panel["paper"] == 0.5 and panel["results"]["num_runs"] == 2
    assert panel["optimizers"] == {"LSTM": "quadratic"}


def test_rates_are_searched_once(reproduced, small_figure, monkeypatch):
    result, path = reproduced
    monkeypatch.setattr(
        rate_search.Baseline,
        "search_learning_rate",
        lambda *_: pytest.fail("searched again"),
    )
    context = base.Context(rates.RateCache(path))
    assert small_figure.run(context)["panels"] == result["panels"]
    # Another seed has other runs, at the same rates.
    other = small_figure.run(base.Context(rates.RateCache(path), seed=1))
    [panel], [first] = other["panels"], result["panels"]
    assert panel["results"]["seed"] == 1
    ours, theirs = (p["results"]["optimizers"]["adam"] for p in (panel, first))
    assert ours["learning_rate"] == theirs["learning_rate"]
    assert ours["final"] != theirs["final"]


def test_rates_that_a_panel_does_not_need_are_kept(tmp_path):
    panel = dataclasses.replace(_PANEL, optimizers={}, baselines=("sgd",))
    problem = registry.make_problem(panel.problem, **panel.options)
    cache = rates.RateCache(tmp_path / "rates.json")
    cache.put(problem, panel.num_steps, {"adam": 0.5})
    results = comparisons.compare(panel, base.Context(cache))
    rate = results["optimizers"]["sgd"]["learning_rate"]
    assert list(results["optimizers"]) == ["sgd"]
    assert cache.get(problem, 3) == {"adam": 0.5, "sgd": rate}


def test_a_first_look_makes_few_runs_of_some_panels(tmp_path):
    panel = dataclasses.replace(_PANEL, baselines=())
    other = dataclasses.replace(panel, label="other", quick=False)
    figure = learning_curves.LearningCurves("Two", (panel, other))
    cache = rates.RateCache(tmp_path / "rates.json")
    [only] = figure.run(base.Context(cache, quick=True))["panels"]
    assert only["label"] == "two functions"
    assert only["results"]["num_runs"] == 5
    full = figure.run(base.Context(cache))["panels"]
    assert [found["label"] for found in full] == ["two functions", "other"]
    assert [found["results"]["num_runs"] for found in full] == [6, 6]
    # Nothing was searched.
    assert not (tmp_path / "rates.json").exists()


def test_numbers_are_those_of_the_optimizer(panel, small_figure):
    panel["optimizers"] = {"LSTM": "a", "adam": "b"}
    result = {"panels": [panel]}
    for name, label in panel["optimizers"].items():
        numbers = small_figure.numbers(result, label)["four functions"]
        found = panel["results"]["optimizers"][name]
        assert numbers["last_tenth"] == found["last_tenth"]
    assert small_figure.numbers(result, "c") == {}


@pytest.mark.parametrize(
    "runs, steps, expected",
    [(100, 100, 40), (100, 200, 20), (20, 1000, 5), (10, 100, 10)],
)
def test_searches_of_longer_runs_make_fewer(runs, steps, expected):
    panel = dataclasses.replace(_PANEL, num_runs=runs, num_steps=steps)
    assert comparisons.search_runs(panel) == expected
    panel = dataclasses.replace(panel, search_runs=3)
    assert comparisons.search_runs(panel) == 3


def test_what_is_kept_is_not_made_again(tmp_path, monkeypatch):
    panel = dataclasses.replace(
        _PANEL, baselines=("sgd", "adam"), search_runs=1
    )
    cache = rates.RateCache(tmp_path / "rates.json")
    path = tmp_path / "kept.json"
    compare, made = comparison.compare, []

    def stopping(*arguments, baselines=(), **options):
        if "adam" in baselines:
            raise KeyboardInterrupt
        made.extend(baselines)
        return compare(*arguments, baselines=baselines, **options)

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "compare", stopping)
        with pytest.raises(KeyboardInterrupt):
            context = base.Context(cache, kept=kept_runs.KeptRuns(path))
            comparisons.compare(panel, context)
    assert made == ["sgd"]

    def context(seed=0, resume=True):
        kept = kept_runs.KeptRuns(path, resume)
        return base.Context(rates.RateCache(cache._path), seed, kept=kept)

    def noting(*arguments, learned=None, baselines=(), **options):
        made.extend([*(learned or {}), *baselines])
        return compare(
            *arguments, learned=learned, baselines=baselines, **options
        )

    monkeypatch.setattr(comparison, "compare", noting)
    made.clear()
    resumed = comparisons.compare(panel, context())
    assert made == ["adam"]
    # 15 rates of 3 steps each: that of another process does not count.
    assert context().rates.steps == 0 and cache.steps == 15 * 3
    assert list(resumed["optimizers"]) == ["ours", "sgd", "adam"]
    made.clear()
    whole = comparisons.compare(panel, base.Context(cache))
    assert made == ["ours", "sgd", "adam"]
    assert whole["optimizers"] == resumed["optimizers"]
    for other in (context(seed=1), context(resume=False)):
        made.clear()
        comparisons.compare(panel, other)
        assert made == ["ours", "sgd", "adam"]
