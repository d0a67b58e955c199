"""Tests of l2l_tf/figures/proposal_sweeps.py."""

import json

import numpy as np
import pytest

from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import proposal_sweeps
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction
from l2l_tf.problems import registry

_OPTIONS = {"hidden_layers": [], "batch_size": 8}


@pytest.fixture(name="figure", scope="module")
def _figure():
    panel = comparisons.Panel(
        "tiny",
        {"LSTM": "digits"},
        "digits",
        _OPTIONS,
        num_steps=4,
        num_runs=1,
        baselines=("sgd",),
    )
    return proposal_sweeps.ProposalSweeps("Tiny", panel, (1, 3), num_values=5)


@pytest.fixture(name="result", scope="module")
def _result(figure, tmp_path_factory):
    cache = rates.RateCache(tmp_path_factory.mktemp("rates") / "rates.json")
    problem = registry.make_problem("digits", "test", **_OPTIONS)
    cache.put(problem, 4, {"sgd": 2.0})
    result = figure.run(base.Context(cache, seed=3))
    return json.loads(json.dumps(reproduction.rounded(result)))


def test_gradients_are_replaced_by_others_around_those_met(result):
    assert len(result["coordinates"]) == 2
    for found in result["coordinates"]:
        values = np.array(found["values"])
        assert len(values) == 5 and values[2] == 0.0
        np.testing.assert_allclose(values, -values[::-1])
        assert 0 < values[3] < 0.01 * values[4]
        assert all(abs(met) <= values[-1] * 1.001 for met in found["met"])
        for updates in found["updates"]["sgd"]:
            np.testing.assert_allclose(updates, -2.0 * values, rtol=1e-3)
        first, later = found["updates"]["LSTM"]
        assert len(first) == 5 and first != later


def test_it_is_drawn_and_told(figure, result):
    axes = figure.draw(result).axes
    assert len(axes) == 4
    found = result["coordinates"][1]
    np.testing.assert_array_equal(
        axes[3].lines[0].get_ydata(), found["updates"]["LSTM"][1]
    )
    *_, shares = lines = figure.tables(result).splitlines()
    rows = lines[-6:-2]
    # The values next to zero are a thousandth of the largest.
    assert shares.endswith("SGD 0.001.")
    values = np.array(found["values"])
    downhill = values * np.array(found["updates"]["LSTM"][1]) < 0
    assert rows[3].endswith(f"| {np.mean(downhill[values != 0]):.0%} |")
