"""Tests of l2l_tf/figures/histories.py."""

import json

import numpy as np
import pytest

from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import histories
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction
from l2l_tf.problems import registry
from l2l_tf.rules import registry as rules

_OPTIONS = {"hidden_layers": [3], "batch_size": 8}
_STEPS = 5


@pytest.fixture(name="figure", scope="module")
def _figure():
    panel = comparisons.Panel(
        "tiny",
        {"LSTM": "digits"},
        "digits",
        _OPTIONS,
        num_steps=_STEPS,
        num_runs=1,
        baselines=("adam", "sgd"),
    )
    return histories.Histories("Tiny", panel)


@pytest.fixture(name="context", scope="module")
def _context(tmp_path_factory):
    cache = rates.RateCache(tmp_path_factory.mktemp("rates") / "rates.json")
    problem = registry.make_problem("digits", "test", **_OPTIONS)
    cache.put(problem, _STEPS, {"adam": 0.05, "sgd": 2.0, "nag": 1.0})
    return base.Context(cache, seed=3)


@pytest.fixture(name="result", scope="module")
def _result(figure, context):
    result = figure.run(context)
    return json.loads(json.dumps(reproduction.rounded(result)))


def test_a_coordinate_of_each_parameter_is_shown(result):
    names = [found["parameter"] for found in result["coordinates"]]
    assert names == registry.make_problem("digits", **_OPTIONS).parameter_names
    assert result["rates"] == {"adam": 0.05, "sgd": 2.0}


def test_updates_are_those_of_the_rules_on_the_gradients(result):
    adam = rules.make_rule({"rule": "adam", "learning_rate": 0.05})
    for found in result["coordinates"]:
        gradients = np.array(found["gradients"], np.float32)
        assert len(gradients) == _STEPS and np.any(gradients)
        np.testing.assert_allclose(
            found["updates"]["sgd"], -2.0 * gradients, rtol=1e-3
        )
        state, expected = adam.initial_state([gradients[:1]]), []
        for gradient in gradients:
            [update], state = adam([gradient[np.newaxis]], state)
            expected.append(float(update[0]))
        np.testing.assert_allclose(
            found["updates"]["adam"], expected, rtol=1e-2, atol=1e-6
        )
        assert len(set(found["updates"]["LSTM"])) == _STEPS


def test_it_is_drawn_and_told(figure, result):
    axes = figure.draw(result).axes
    assert len(axes) == 4
    [line, *_] = axes[1].lines
    np.testing.assert_array_equal(
        line.get_ydata(), result["coordinates"][1]["updates"]["LSTM"]
    )
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 6))
    table = figure.tables(result)
    found = result["coordinates"][0]
    same = np.sign(found["updates"]["LSTM"]) == np.sign(found["updates"]["sgd"])
    row, multiples = (
        r for r in table.splitlines() if histories.title(found) in r
    )
    assert row.endswith(f"| {np.mean(same):.0%} |")
    assert "Adam 0.05, SGD 2" in table
    sizes = {n: np.mean(np.abs(u)) for n, u in found["updates"].items()}
    assert f"| {sizes['LSTM'] / sizes['adam']:.3f} |" in multiples


def test_a_rate_that_is_not_known_is_searched_and_kept(
    figure, tmp_path, monkeypatch
):
    cache = rates.RateCache(tmp_path / "rates.json")
    problem = registry.make_problem("digits", "test", **_OPTIONS)
    cache.put(problem, _STEPS, {"sgd": 1.0})
    searches = []
    monkeypatch.setattr(
        comparisons.rate_search.Baseline,
        "search_learning_rate",
        lambda self, seed, runs, method: (
            searches.append(self.name)
            or comparisons.rate_search.Search(0.02, 1.0, {}, False)
        ),
    )
    for _ in range(2):
        histories.prepare(figure.panel, base.Context(cache))
    assert searches == ["adam"]
    assert cache.get(problem, _STEPS) == {"adam": 0.02, "sgd": 1.0}
