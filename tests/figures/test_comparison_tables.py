"""Tests of l2l_tf/figures/comparison_tables.py."""

import copy
import json

import numpy as np
import pytest

from l2l_tf.figures import comparison_tables as tables
from l2l_tf.figures import comparisons

NAMES = ("LSTM", *comparisons.BASELINES)


def _rows(text):
    """Returns the rows of a table, each as a mapping from the head's cells."""
    head, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
    )
    return [dict(zip(head, row, strict=True)) for row in rows]


def _with_accuracy(panel):
    for index, found in enumerate(panel["results"]["optimizers"].values()):
        found["metrics"] = {
            "accuracy": {
                "final": 0.5,
                "last_tenth": 0.9 - 0.1 * index,
                "last_tenth_sem": 0.01,
            }
        }
    return panel


def test_summary_holds_the_paper_s_number_ours_and_the_ratio(panel):
    [row] = _rows(tables.summary([panel], "adam"))
    assert row == {
        "": "four functions",
        "split": "test",
        "runs": "2",
        "optimizer": "LSTM",
        "step 20": "0.500",
        "last tenth": "0.500 ± 0.010",
        "paper": "0.5",
        "best baseline (rate)": "0.600 (adam, 0.1)",
        "ratio": "0.833",
        "worst tenth to Adam's": row["worst tenth to Adam's"],
        "paper's best baseline": "",
    }


def test_learned_optimizers_are_told_by_what_the_results_say(panel):
    optimizers = panel["results"]["optimizers"]
    optimizers["adam"]["learned"] = True
    rows = _rows(tables.summary([panel], "sgd"))
    assert [row["optimizer"] for row in rows] == ["LSTM", "adam"]
    assert rows[0]["best baseline (rate)"].startswith("0.700 (rmsprop")
    assert "worst tenth to SGD's" in rows[0]


def test_a_panel_without_baselines_has_blanks(panel):
    optimizers = panel["results"]["optimizers"]
    panel["results"]["optimizers"] = {"LSTM": optimizers["LSTM"]}
    [row] = _rows(tables.summary([panel], "adam"))
    assert row["last tenth"] == "0.500 ± 0.010"
    for column in ("best baseline (rate)", "ratio", "worst tenth to Adam's"):
        assert row[column] == ""


def test_a_run_shorter_than_the_early_step_has_a_blank(panel):
    for found in panel["results"]["optimizers"].values():
        found["mean"] = found["mean"][:11]
    [row] = _rows(tables.summary([panel], "adam"))
    assert row["step 20"] == "" and row["worst tenth to Adam's"] != ""
    assert tables.numbers(panel, "LSTM")["step_20"] is None


@pytest.mark.parametrize("failed", [float("nan"), None])
def test_a_baseline_that_diverged_is_not_the_best(failed, panel):
    panel["results"]["optimizers"]["adam"]["last_tenth"] = failed
    assert "(rmsprop," in tables.summary([panel], "adam")


@pytest.mark.parametrize("failed", [["LSTM"], NAMES])
def test_what_diverged_is_reported(failed, panel):
    for name in failed:
        found = panel["results"]["optimizers"][name]
        found["last_tenth"] = found["last_tenth_sem"] = float("nan")
        found["mean"] = found["mean"][:-3] + [float("nan")] * 3
    # As it was computed, and as JSON holds it.
    read = json.loads(json.dumps(panel).replace("NaN", "null"))
    for each in (panel, read):
        [row] = _rows(tables.summary([each], "adam"))
        assert row["last tenth"] == "diverged ± diverged"
        assert row["step 20"] == "diverged"
        assert row["worst tenth to Adam's"] == row["ratio"] == ""


def test_worst_tenth_to_adams(panel):
    optimizers = panel["results"]["optimizers"]
    optimizers["adam"]["mean"] = [1.0] * 21
    # The first tenth, of two steps, does not count.
    optimizers["LSTM"]["mean"] = [1.0, 9.0, 9.0] + [0.5, 1.5] + [0.25] * 16
    [row] = _rows(tables.summary([panel], "adam"))
    assert row["worst tenth to Adam's"] == "1.000"


def test_every_optimizer_has_its_loss_and_rate(panel):
    [row] = _rows(tables.losses([panel]))
    assert list(row) == ["", "split", "runs", *NAMES]
    assert row["split"] == "test" and row["runs"] == "2"
    assert row["LSTM"] == "0.500" and row["adam"] == "0.600 (0.1)"
    cells = [float(row[name].split()[0]) for name in NAMES]
    np.testing.assert_allclose(cells, 0.5 + 0.1 * np.arange(8))


def test_panels_may_hold_other_optimizers(panel):
    other = copy.deepcopy(panel)
    optimizers = other["results"]["optimizers"]
    other["results"]["optimizers"] = {
        "other": optimizers["LSTM"],
        "adam": optimizers["adam"],
    }
    first, second = _rows(tables.losses([panel, other]))
    assert first["other"] == second["LSTM"] == second["sgd"] == ""
    assert second["other"] == "0.500" and second["adam"] == "0.600 (0.1)"


def test_metrics_are_shown_where_results_have_them(panel):
    assert "accuracy" not in tables.tables([panel], "adam")
    _with_accuracy(panel)
    [row] = _rows(tables.summary([panel], "adam"))
    assert row["accuracy"] == "0.900" and row["its accuracy"] == "0.800"
    *_, text = tables.tables([panel], "adam").split("\n\n")
    [row] = _rows(text)
    assert row["split"] == "test"
    cells = [float(row[name]) for name in NAMES]
    np.testing.assert_allclose(cells, 0.9 - 0.1 * np.arange(8))


def test_numbers_to_note(panel):
    found = tables.numbers(_with_accuracy(panel), "LSTM")
    assert found == {
        "split": "test",
        "num_steps": 20,
        "num_runs": 2,
        "step_20": 0.5,
        "last_step": 0.5,
        "last_tenth": 0.5,
        "last_tenth_sem": 0.01,
        "best_baseline": "adam",
        "baseline_rate": 0.1,
        "baseline_last_tenth": pytest.approx(0.6),
        "paper": 0.5,
        "metrics": {
            "accuracy": {
                "last_tenth": 0.9,
                "last_tenth_sem": 0.01,
                "baseline_last_tenth": pytest.approx(0.8),
            }
        },
    }


def test_steps_are_told_as_means_of_the_tenth_before(panel):
    panel = _with_accuracy(panel)
    optimizers = panel["results"]["optimizers"]
    for index, found in enumerate(optimizers.values()):
        found["mean"] = [1.0 + index + 0.01 * step for step in range(201)]
        found["metrics"]["accuracy"]["mean"] = [0.001 * s for s in range(201)]
    optimizers["sgd"]["mean"][95] = None
    rows = _rows(tables.at_steps([panel], [5, 100, 1000]))
    assert [row["optimizer"] for row in rows] == list(optimizers)
    assert rows[0]["loss, step 5"] == "1.050"
    assert rows[0]["loss, step 100"] == "1.955"  # Steps 91 to 100.
    assert rows[1]["loss, step 100"] == "2.955"
    assert rows[0]["accuracy, step 100"] == "0.095"
    assert {row["loss, step 1000"] for row in rows} == {""}
    assert rows[list(optimizers).index("sgd")]["loss, step 100"] == "diverged"


def test_steps_are_told_where_they_are_asked_for(panel):
    assert "loss, step 10" not in tables.tables([panel], "adam")
    assert "loss, step 10" in tables.tables([panel], "adam", [10])
