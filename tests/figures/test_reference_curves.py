"""Tests of l2l_tf/figures/reference_curves.py."""

import json

import numpy as np
import pytest

from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import rates
from l2l_tf.figures import reference_curves
from l2l_tf.figures import reproduction
from l2l_tf.problems import registry

_OPTIONS = {"size": 16, "style": "great_wave"}


@pytest.fixture(name="figure", scope="module")
def _figure():
    panel = comparisons.Panel(
        "tiny",
        {"LSTM": "mnist"},
        "style_transfer",
        _OPTIONS,
        num_steps=10,
        num_runs=2,
        baselines=("adam",),
    )
    return reference_curves.ReferenceCurves("Tiny", (panel,))


@pytest.fixture(name="result", scope="module")
def _result(figure, tmp_path_factory):
    cache = rates.RateCache(tmp_path_factory.mktemp("rates") / "rates.json")
    problem = registry.make_problem("style_transfer", **_OPTIONS)
    cache.put(problem, 10, {"adam": 0.05})
    result = figure.run(base.Context(cache, seed=3))
    return json.loads(json.dumps(reproduction.rounded(result)))


def test_references_have_the_runs_of_the_others(result):
    [panel] = result["panels"]
    curve = panel["references"]["L-BFGS"]["mean"]
    problem = registry.make_problem("style_transfer", "test", **_OPTIONS)
    expected = quasi_newton.record(problem, 10, 3, 2).losses.mean(0)
    np.testing.assert_allclose(curve, expected, rtol=1e-3)
    for found in panel["results"]["optimizers"].values():
        np.testing.assert_allclose(found["mean"][0], curve[0], rtol=1e-4)


def test_references_are_drawn_and_are_no_baselines(figure, result):
    [axes] = figure.draw(result).axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(lines) == ["LSTM", "Adam", "L-BFGS"]
    [panel] = result["panels"]
    np.testing.assert_allclose(
        lines["L-BFGS"], panel["references"]["L-BFGS"]["mean"]
    )
    assert list(panel["results"]["optimizers"]) == ["LSTM", "adam"]


def test_tables_tell_losses_at_single_steps(figure, result):
    text = figure.tables(result)
    [panel] = result["panels"]
    mean = panel["references"]["L-BFGS"]["mean"]
    [row] = [line for line in text.splitlines() if "| L-BFGS |" in line]
    assert row.split(" | ")[2:] == [f"{mean[10]:.3f}", f"{mean[10]:.3f} |"]
    assert "searched" not in row
