"""Tests of l2l_tf/evaluation/comparison.py."""

import logging
import math

import numpy as np
import pytest

from l2l_tf.evaluation import comparison
from l2l_tf.problems import ensemble
from l2l_tf.problems import image_classification
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry

PROBLEM = quadratic.Quadratic(num_functions=4, num_dims=2)


def _compare(**kwargs):
    defaults = {
        "problem": PROBLEM,
        "split": "test",
        "num_steps": 10,
        "num_runs": 3,
        "seed": 0,
        "baselines": ["sgd", "adam"],
        "learning_rates": {"sgd": 0.01},
        "search_runs": 1,
    }
    return comparison.compare(**{**defaults, **kwargs})


def test_results_have_the_documented_form():
    results = _compare(learned={"L2L": registry.make_rule({"layers": [2]})})
    assert set(results) == {
        "problem",
        "split",
        "num_steps",
        "num_runs",
        "seed",
        "optimizers",
        "search_steps",
    }
    assert list(results["optimizers"]) == ["L2L", "sgd", "adam"]
    for result in results["optimizers"].values():
        assert len(result["mean"]) == len(result["std"]) == 11
        assert result["final"] == pytest.approx(result["mean"][-1])
        assert set(result) == {
            "learned",
            "learning_rate",
            "mean",
            "std",
            "final",
            "final_sem",
            "last_tenth",
            "last_tenth_sem",
            "mean_over_steps",
            "metrics",
        }
        assert result["metrics"] == {}
    learned = [found["learned"] for found in results["optimizers"].values()]
    assert learned == [True, False, False]
    assert results["optimizers"]["sgd"]["learning_rate"] == 0.01
    assert results["optimizers"]["L2L"]["learning_rate"] is None


def test_all_optimizers_start_from_the_same_points():
    results = _compare(learned={"L2L": registry.make_rule({"layers": [2]})})
    starts = [r["mean"][0] for r in results["optimizers"].values()]
    np.testing.assert_allclose(starts, starts[0], rtol=1e-6)


def test_given_rate_is_used_and_other_rates_are_searched():
    fixed = _compare(learning_rates={"sgd": 0.01, "adam": 0.001})["optimizers"]
    searched = _compare()["optimizers"]
    assert searched["sgd"] == fixed["sgd"]
    assert searched["adam"]["final"] < fixed["adam"]["final"]


def test_best_rate_at_the_edge_is_warned_of(caplog):
    # From so far away the greatest rate is the best.
    far = quadratic.Quadratic(num_functions=2, num_dims=1, initial_std=1e6)
    with caplog.at_level(logging.WARNING):
        _compare(problem=far, baselines=["adam"], learning_rates={})
    assert "adam, 10, lies at the edge" in caplog.text


def test_table_is_sorted_by_final_loss_with_divergence_last():
    results = _compare()
    results["optimizers"]["sgd"]["final"] = math.nan
    title, *lines = comparison.table(results).splitlines()
    assert title == "quadratic, test split, 3 runs of 10 steps"
    assert [line.split()[0] for line in lines] == ["optimizer", "adam", "sgd"]


def test_metrics_are_recorded_and_shown():
    digits = image_classification.ImageClassification(
        "digits", hidden_layers=[], batch_size=16, initial_values=0.5
    )
    results = _compare(
        problem=ensemble.Ensemble([digits]),
        learned={"L2L": registry.make_rule({"layers": [2]})},
        baselines=["adam"],
        learning_rates={"adam": 0.3},
    )
    name = "problem_0/accuracy"
    for result in results["optimizers"].values():
        assert list(result["metrics"]) == [name]
        metric = result["metrics"][name]
        assert len(metric["mean"]) == 11
        assert metric["final"] == pytest.approx(metric["mean"][-1])
    adam = results["optimizers"]["adam"]["metrics"][name]
    assert adam["mean"][0] < 0.3 < 0.5 < adam["final"]
    _, head, *lines = comparison.table(results).splitlines()
    assert head.split()[-1] == name
    [line] = [line for line in lines if line.startswith("adam")]
    assert float(line.split()[-1]) == pytest.approx(adam["final"], rel=1e-3)
    assert len({len(line) for line in [head, *lines]}) == 1
