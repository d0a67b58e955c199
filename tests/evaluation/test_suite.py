"""Tests of the suite, l2l_tf/evaluation/suite.py and suite_plot.py."""

import json
import shutil

import keras
import pytest

from l2l_tf.core import files
from l2l_tf.evaluation import kept_results
from l2l_tf.evaluation import suite
from l2l_tf.evaluation import suite_plot
from l2l_tf.evaluation import suite_runs
from l2l_tf.evaluation import suite_tables
from l2l_tf.saving import metadata

_NAMES = ["breast-cancer-mlp", "diabetes-mlp"]


def _candidate(make=lambda steps: keras.optimizers.Adam(1e-3)):
    return suite_runs.Candidate("mine", make, {"mine": 1})


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Returns results, and where runs are kept."""
    kept = kept_results.KeptResults(tmp_path_factory.mktemp("suite"))
    lines = []
    results = suite.run(_NAMES, [_candidate()], [10], 1, kept, lines.append)
    assert lines == [f"{name}: 220 steps made" for name in _NAMES]
    return results, kept


def test_an_optimizer_that_is_the_reference_has_its_numbers(done):
    entrants = done[0]["lengths"]["10"]
    mine, reference = entrants["mine"], entrants[suite_tables.REFERENCE]
    assert mine["learned"] and not reference["learned"]
    assert mine["problems"] == reference["problems"]
    assert mine["ratios"] == reference["ratios"]
    assert mine["ratios"][suite_tables.REFERENCE] == 1.0


def test_it_is_recorded_to_where_nothing_diverged(done, exported, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(exported, folder)
    entrants = done[0]["lengths"]["10"]
    own = entrants["mine"]
    worse = {
        **own,
        "ratios": {suite_tables.REFERENCE: float("inf")},
        "divergences": 1,
    }
    lengths = {"10": {str(folder): own}, "20": {str(folder): worse}}
    suite.record({**done[0], "lengths": lengths}, str(folder))
    assert metadata.read(folder)["suite"] == {
        "problems": 2,
        "max_parameters": 1537,
        "max_steps": 10,
        "ratios": {"10": 1.0, "20": None},
    }


def test_searched_rates_are_no_worse_than_single_ones(done):
    entrants = done[0]["lengths"]["10"]
    for baseline in ("Adam", "SGD with Nesterov momentum"):
        single = entrants[f"{baseline} at its best single rate"]
        searched = entrants[f"{baseline} at searched rates"]
        assert len({p["rate"] for p in single["problems"].values()}) == 1
        for name in _NAMES:
            assert (
                searched["problems"][name]["loss"]
                <= single["problems"][name]["loss"]
            )


def test_rates_are_told_as_they_were_given(done):
    assert done[0]["rates"] == list(suite.RATES)


def test_what_is_kept_is_not_run_again(done):
    results, kept = done

    def refuse(steps):
        raise AssertionError("it was run again")

    lines = []
    again = suite.run(_NAMES, [_candidate(refuse)], [10], 1, kept, lines.append)
    assert again == results
    assert lines == [f"{name}: 0 steps made" for name in _NAMES]


def test_results_are_json_and_a_figure_with_a_row_for_each_problem(done):
    results, _ = done
    assert json.loads(files.to_json(results)) == results
    [axes] = suite_plot.ratios(results).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [*_NAMES, "geometric mean"]
    assert len(axes.lines) == 2 + 7  # two rules, and all but the reference


def test_names_are_checked():
    assert suite.problem_names(["diabetes-mlp"]) == ["diabetes-mlp"]
    assert len(suite.problem_names([])) >= 12
    with pytest.raises(ValueError, match="'nope'.*diabetes-mlp"):
        suite.problem_names(["nope"])
