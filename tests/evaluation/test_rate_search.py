"""Tests of l2l_tf/evaluation/rate_search.py."""

import math

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import rate_search
from l2l_tf.problems import image_classification
from l2l_tf.problems import simple


def _bowl(optimum):
    """An objective with its minimum, 0, at a known rate."""
    return lambda rate: (math.log10(rate) - math.log10(optimum)) ** 2


def test_the_grid_goes_from_1e_4_to_10_in_factors_of_about_3():
    assert rate_search.GRID[0] == 1e-4
    assert rate_search.GRID[-1] == 10.0
    ratios = np.divide(rate_search.GRID[1:], rate_search.GRID[:-1])
    assert np.all((ratios > 3.0) & (ratios < 3.4))


@pytest.mark.parametrize("optimum", [1.7e-4, 1e-3, 0.0212, 0.5, 6.0])
def test_the_optimum_is_found_between_the_rates_of_the_grid(optimum):
    found = rate_search.search(_bowl(optimum))
    # Refined twice: to half the last factor, 10^(1/8).
    assert abs(math.log10(found.learning_rate / optimum)) <= 1 / 15
    assert not found.at_edge
    assert found.trials[found.learning_rate] == found.loss
    assert found.loss == min(found.trials.values())


def test_all_rates_of_the_grid_are_tried_once():
    tried = []

    def objective(rate):
        tried.append(rate)
        return _bowl(0.02)(rate)

    found = rate_search.search(objective)
    assert set(rate_search.GRID) <= set(tried)
    assert len(tried) == len(set(tried)) == len(rate_search.GRID) + 4
    assert list(found.trials) == sorted(tried)
    assert all(found.trials[rate] == _bowl(0.02)(rate) for rate in tried)


@pytest.mark.parametrize(("optimum", "edge"), [(1e-6, 1e-4), (1e3, 10.0)])
def test_an_optimum_beyond_the_grid_is_flagged(optimum, edge):
    found = rate_search.search(_bowl(optimum))
    assert (found.learning_rate, found.at_edge) == (edge, True)
    assert min(found.trials) == 1e-4 and max(found.trials) == 10.0


def _long_bowl(optimum):
    """A bowl whose optimum is greater in short runs, as is usual."""
    calls = []

    def objective(rate, num_steps):
        calls.append((rate, num_steps))
        return _bowl(optimum * (1_000 / num_steps) ** 0.3)(rate)

    return objective, calls


@pytest.mark.parametrize("optimum", [1.7e-4, 1e-3, 0.0212, 0.5, 6.0])
def test_halving_finds_the_rate_of_the_whole_search(optimum):
    objective, calls = _long_bowl(optimum)
    found = rate_search.halving_search(objective, 1_000)
    calls = list(calls)
    whole = rate_search.grid_search(objective, 1_000)
    assert found == whole._replace(trials=found.trials)
    assert set(found.trials) == {rate for rate, n in calls if n == 1_000}
    assert [count for _, count in calls[:17]] == (
        [100] * 11 + [333] * 4 + [1_000] * 2
    )
    # 8.4 whole runs instead of 15, fewer at an edge.
    steps = sum(count for _, count in calls)
    assert steps == 11 * 100 + 4 * 333 + len(found.trials) * 1_000


def test_halving_goes_on_where_all_short_runs_diverge():
    def objective(rate, num_steps):
        return math.inf if num_steps < 50 else _bowl(1e-4)(rate)

    found = rate_search.halving_search(objective, 50)
    assert (found.learning_rate, found.at_edge) == (1e-4, True)
    assert rate_search.halving_search(objective, 2).loss == math.inf


@pytest.mark.parametrize("name", ["adam", "sgd", "nag", "rmsprop"])
def test_halving_finds_the_rates_of_the_whole_search_on_digits(name):
    problem = image_classification.ImageClassification(
        "digits", hidden_layers=[5], initial_values=0.1, batch_size=32
    )
    baseline = rate_search.Baseline(name, problem, 100)
    whole = baseline.search_learning_rate(0, 2)
    found = baseline.search_learning_rate(0, 2, "halving")
    assert found.learning_rate == whole.learning_rate
    assert found.loss == whole.loss
    assert whole.steps == 2 * 15 * 100
    assert found.steps == 2 * (11 * 10 + 4 * 33 + 6 * 100)


def test_an_unknown_search_is_refused():
    baseline = rate_search.Baseline("sgd", simple.Simple(), 3)
    with pytest.raises(ValueError, match="'nope'.*grid.*halving"):
        baseline.search_learning_rate(0, 1, "nope")


def test_infinite_trials_are_survived():
    def objective(rate):
        return math.inf if rate > 0.4 else -rate

    found = rate_search.search(objective)
    assert 0.2 < found.learning_rate <= 0.4
    assert not found.at_edge
    assert found.trials[10.0] == math.inf


def test_only_infinite_trials_are_flagged():
    found = rate_search.search(lambda rate: math.inf)
    assert found.loss == math.inf
    assert found.at_edge


def test_a_baseline_finds_the_best_rate_of_a_square():
    # SGD's factor per step is |1 - 2 a|: none is left at a = 1/2.
    baseline = rate_search.Baseline("sgd", simple.Simple(), 10)
    found = baseline.search_learning_rate(seed=0, num_runs=1)
    assert 0.4 < found.learning_rate < 0.6
    assert found.trials[10.0] > 1e6
    curves = baseline.record("test", 0, 1, 0.25).losses
    np.testing.assert_allclose(curves, [0.25 ** np.arange(11)], rtol=1e-5)


def test_a_baseline_searches_on_validation_draws_by_their_last_tenth():
    problem = image_classification.ImageClassification(
        "digits", hidden_layers=[], batch_size=4
    )
    baseline = rate_search.Baseline("adam", problem, 3)
    found = baseline.search_learning_rate(seed=5, num_runs=2)
    curves = baseline.record("validation", 5, 2, found.learning_rate).losses
    assert found.loss == pytest.approx(evaluation.mean_of_last_tenth(curves))
    others = baseline.record("test", 5, 2, found.learning_rate).losses
    assert not np.any(others == curves)
    recording = baseline.record("test", 5, 2, found.learning_rate)
    np.testing.assert_allclose(recording.losses, others, rtol=1e-6)
    assert recording.metrics["accuracy"].shape == others.shape


class _Broken(simple.Simple):
    def loss(self, *arguments):
        outcome = super().loss(*arguments)
        return outcome._replace(loss=outcome.loss + tf.constant(math.nan))


def test_a_problem_without_a_finite_loss_is_flagged():
    baseline = rate_search.Baseline("sgd", _Broken(), 3)
    found = baseline.search_learning_rate(seed=0, num_runs=1)
    assert found.loss == math.inf and found.at_edge
