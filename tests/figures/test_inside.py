"""Tests of l2l_tf/figures/inside.py and of the figures that build on it."""

import json

import numpy as np
import pytest

from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import curvatures
from l2l_tf.figures import inside
from l2l_tf.figures import look_back
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction
from l2l_tf.figures import update_scales
from l2l_tf.problems import registry

_OPTIONS = {"hidden_layers": [], "batch_size": 8}
_STEPS = 6
_PANEL = comparisons.Panel(
    "tiny",
    {"LSTM": "digits"},
    "digits",
    _OPTIONS,
    num_steps=_STEPS,
    num_runs=1,
    baselines=("sgd",),
)


@pytest.fixture(name="measured", scope="module")
def _measured(tmp_path_factory):
    """Returns a function that runs a figure, and reads it as from JSON."""
    cache = rates.RateCache(tmp_path_factory.mktemp("rates") / "rates.json")
    problem = registry.make_problem("digits", "test", **_OPTIONS)
    cache.put(problem, _STEPS, {"sgd": 0.5})

    def measure(figure):
        result = figure.run(base.Context(cache, seed=3))
        return json.loads(json.dumps(reproduction.rounded(result)))

    return measure


def _checked(result, figure):
    """Returns what a panel holds, and the cells of SGD's row."""
    [panel] = result["panels"]
    assert panel["label"] == "tiny" and panel["rates"] == {"sgd": 0.5}
    learned = {n: found["learned"] for n, found in panel["curves"].items()}
    assert learned == {"LSTM": True, "sgd": False}
    lines = figure.tables(result).splitlines()
    [row] = [line for line in lines if line.startswith("| tiny | SGD |")]
    return panel["curves"], [cell.strip() for cell in row.split("|")[3:-1]]


def test_sgd_looks_at_nothing_but_the_gradient(measured):
    figure = look_back.LookBack("Look back", (_PANEL,))
    result = measured(figure)
    curves, cells = _checked(result, figure)
    np.testing.assert_allclose(curves["sgd"]["effects"], [1, 0, 0, 0])
    assert np.all(np.array(curves["LSTM"]["effects"]) > 0)
    assert cells == ["1.000", "0.000", "0.000", *[""] * 6]
    [axes] = figure.draw(result).axes
    np.testing.assert_array_equal(
        axes.lines[0].get_ydata(), curves["LSTM"]["effects"]
    )
    np.testing.assert_array_equal(axes.lines[1].get_ydata()[1:], [np.nan] * 3)


def test_sgd_scales_with_gradients(measured):
    figure = update_scales.UpdateScales("Scales", (_PANEL,), factors=(0.1, 1.0))
    result = measured(figure)
    curves, cells = _checked(result, figure)
    few, same = curves["sgd"]["sizes"]
    assert few == pytest.approx(0.1 * same, rel=1e-4)
    assert cells == [f"{same:.2g}", "0.1"]
    [axes] = figure.draw(result).axes
    np.testing.assert_array_equal(
        axes.lines[1].get_ydata(), curves["sgd"]["sizes"]
    )


def test_curvatures_are_drawn_step_by_step(measured):
    figure = curvatures.Curvatures("Curvature", (_PANEL,), num_runs=2)
    result = measured(figure)
    curves, cells = _checked(result, figure)
    # A linear network's loss is convex.
    assert cells[2] == "100%"
    for found in curves.values():
        first, second = found["norms"]
        assert len(first) == _STEPS and first != second
    [axes] = figure.draw(result).axes
    np.testing.assert_array_equal(
        axes.lines[1].get_xdata(), np.ravel(curves["sgd"]["curvatures"])
    )
    np.testing.assert_array_equal(
        axes.lines[1].get_ydata(), np.ravel(curves["sgd"]["norms"])
    )


def test_a_run_that_met_no_minimum_is_told_and_drawn():
    figure = curvatures.Curvatures("Curvature", ())
    values = {"norms": [[1.0, 2.0]], "curvatures": [[-1.0, -2.0]]}
    values |= {"learned": True, "lengths": [[None, None]]}
    result = {"panels": [{"label": "", "curves": {"LSTM": values}}]}
    *_, row = figure.tables(result).splitlines()
    assert row.endswith("| 0% |  | none |")
    figure.draw(result)


def test_rows_are_of_all_rules_of_all_panels():
    panel = {"label": "a", "curves": {"LSTM": {"x": 1}, "sgd": {"x": 2}}}
    rows = inside.rows({"panels": [panel]}, lambda found: [str(found["x"])])
    assert rows == [["a", "LSTM", "1"], ["a", "SGD", "2"]]
