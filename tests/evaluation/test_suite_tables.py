"""Tests of l2l_tf/evaluation/suite_tables.py, against numbers by hand."""

import math

import numpy as np
import pytest

from l2l_tf.evaluation import suite_tables as tables


def _curves(*losses):
    """Returns two seeds' losses of 21 steps that end with a mean loss."""

    def seed(loss, noise):
        ends = [loss - noise, loss + noise]
        return np.concatenate([np.linspace(4.0, loss, 19), ends])

    return {
        name: np.stack([seed(loss, 0.0), seed(loss, 0.25)])
        for name, loss in zip("ab", losses, strict=True)
    }


REFERENCE = _curves(1.0, 2.0)
BETTER = _curves(0.5, 1.0)
MIXED = _curves(2.0, 1.0)
WORSE = _curves(3.0, math.nan)


def test_measures_are_those_by_hand():
    results = tables.measure(
        {
            tables.REFERENCE: REFERENCE,
            "better": BETTER,
            "mixed": MIXED,
            "worse": WORSE,
        },
        {"better": {"a": 0.1, "b": 0.2}},
    )
    better, mixed, worse = (results[n] for n in ("better", "mixed", "worse"))
    assert better["problems"]["a"]["loss"] == pytest.approx(0.5)
    assert better["problems"]["b"]["ratio"] == pytest.approx(0.5)
    assert better["problems"]["b"]["rate"] == 0.2
    assert better["ratios"] == pytest.approx(
        {tables.REFERENCE: 0.5, "better": 1.0, "mixed": 0.5, "worse": 0.0},
        abs=1e-9,
    )
    assert mixed["ratios"][tables.REFERENCE] == pytest.approx(1.0)
    assert mixed["won"][tables.REFERENCE] == 0.5
    assert better["won"] == {
        tables.REFERENCE: 1.0,
        "better": 0.0,
        "mixed": 0.5,
        "worse": 1.0,
    }
    assert worse["ratios"][tables.REFERENCE] == math.inf
    assert [r["divergences"] for r in results.values()] == [0, 0, 0, 2]
    assert mixed["problems"]["a"]["share"] is None
    assert (worse["reached"], worse["share"]) == (0, pytest.approx(2.0))
    own = results[tables.REFERENCE]
    assert own["reached"] == 2 and own["share"] == pytest.approx(20 / 21)
    assert mixed["share"] == pytest.approx(
        math.sqrt(2.0 * mixed["problems"]["b"]["share"])
    )


def test_a_loss_is_reached_where_the_mean_of_a_window_is_as_low():
    # Windows are two of 20 steps.
    curve = np.array([9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0] + [0.0] * 10)
    for loss, step in ((8.5, 2), (5.0, 6), (4.4, 7), (0.0, 11)):
        assert tables.share_to_reach(curve[np.newaxis], loss) == step / 20
    assert tables.share_to_reach(curve[np.newaxis], -1.0) is None
    two = np.stack([curve, curve + 2.0])
    assert tables.share_to_reach(two, 5.0) == 7 / 20


def test_a_window_with_nan_reaches_nothing_and_later_ones_may():
    curve = np.ones([1, 20])
    curve[0, 3] = math.nan
    curve[0, :3] = 5.0
    assert tables.share_to_reach(curve, 1.0) == 6 / 20


def test_best_rates_are_chosen_for_all_and_for_each():
    trials = {0.1: MIXED, 0.2: BETTER, 0.3: _curves(0.4, 9.0)}
    curves, rates = tables.best_single(trials, REFERENCE)
    assert curves is BETTER and rates == {"a": 0.2, "b": 0.2}
    curves, rates = tables.searched(trials)
    assert rates == {"a": 0.3, "b": 0.1}
    assert curves["a"] is trials[0.3]["a"] and curves["b"] is MIXED["b"]


def test_tables_say_it_in_markdown():
    entrants = {tables.REFERENCE: REFERENCE, "mine": MIXED}
    results = {
        "num_seeds": 2,
        "lengths": {"21": tables.measure(entrants, {"mine": {"a": 3.0}})},
    }
    text = tables.markdown(results)
    title, _, head, _, *rows = text.splitlines()
    assert title == "## 21 steps, 2 seeds"
    assert rows[1].startswith("| mine | 1 | 1 of 2 |")
    assert len({line.count("|") for line in [head, *rows[:2]]}) == 1
    assert "| a | 1 (1, 95 %) | 2 (2, never, rate 3) |" in text
