"""Tests of l2l_tf/figures/report.py."""

import copy
import json

import numpy as np
import pytest

from l2l_tf.figures import catalogue as figures
from l2l_tf.figures import report as figure_report

_NAMES = ("L2L", *figures.BASELINES)


def _result():
    """Returns a figure's numbers, as if it had been reproduced."""
    optimizers = {}
    for index, name in enumerate(_NAMES):
        mean = np.linspace(2.0, 0.5 + 0.1 * index, 21).tolist()
        optimizers[name] = {
            "learning_rate": None if name == "L2L" else 0.1 * index,
            "mean": mean,
            "late": mean[-1],
            "late_sem": 0.01,
        }
    panel = {
        "label": "four functions",
        "paper": 0.5,
        "paper_baseline": None,
        "results": {"optimizers": optimizers, "num_epochs": 2},
    }
    return {
        "figure": "mnist",
        "quick": False,
        "seconds": 1.6,
        "panels": [panel],
    }


def _write(result, folder):
    text = json.dumps(result).replace("NaN", "null")
    (folder / "mnist.json").write_text(text)


def test_table_holds_the_paper_s_number_ours_and_the_ratio():
    *_, row = figure_report.table(_result()).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["four functions", "L2L"] and cells[4] == "0.5"
    assert cells[2:4] == ["0.500", "0.500 ± 0.010"]
    assert cells[5] == "0.600 (adam, 0.1)" and cells[6] == "0.833"
    assert cells[8] == ""


def test_a_baseline_that_diverged_is_not_the_best():
    # As it was computed, and as JSON holds it.
    for failed in (float("nan"), None):
        result = _result()
        optimizers = result["panels"][0]["results"]["optimizers"]
        optimizers["adam"]["late"] = failed
        assert "(rmsprop," in figure_report.table(result)


@pytest.mark.parametrize("failed", [["L2L"], _NAMES])
def test_what_diverged_is_reported(failed, tmp_path):
    result = copy.deepcopy(_result())
    optimizers = result["panels"][0]["results"]["optimizers"]
    for name in failed:
        found = optimizers[name]
        found["late"] = found["late_sem"] = float("nan")
        found["mean"] = found["mean"][:-3] + [float("nan")] * 3
    assert "diverged ± diverged" in figure_report.table(result)
    _write(result, tmp_path)
    assert "diverged ± diverged" in figure_report.report(tmp_path)


def test_worst_tenth_to_adams():
    result = _result()
    optimizers = result["panels"][0]["results"]["optimizers"]
    optimizers["adam"]["mean"] = [1.0] * 21
    # The first tenth, of two steps, does not count.
    optimizers["L2L"]["mean"] = [1.0, 9.0, 9.0] + [0.5, 1.5] + [0.25] * 16
    *_, row = figure_report.table(result).splitlines()
    assert row.split("|")[8].strip() == "1.000"


def test_every_optimizer_has_its_loss():
    head, _, row = figure_report.losses_table(_result()).splitlines()
    assert [c.strip() for c in head.strip("|").split("|")][1:] == list(_NAMES)
    cells = [float(cell) for cell in row.strip("|").split("|")[1:]]
    np.testing.assert_allclose(cells, 0.5 + 0.1 * np.arange(8))


def test_report_tells_command_runs_and_seconds(tmp_path):
    _write(_result(), tmp_path)
    report = figure_report.report(tmp_path)
    assert "--figure=mnist`, 2 runs, in 2 s." in report
    assert f"({tmp_path.name}/mnist.png)" in report
    assert figure_report.table(_result()) in report
    assert figure_report.losses_table(_result()) in report
    assert "--figure=quadratic" not in report
