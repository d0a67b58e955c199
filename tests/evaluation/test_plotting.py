"""Tests of l2l_tf/evaluation/plotting.py."""

import math

import numpy as np
import pytest

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import plotting


def _results(**curves):
    return {
        "problem": "quadratic",
        "split": "test",
        "optimizers": {
            name: {
                "learned": rate is None,
                **evaluation.summarize(np.array(values), rate),
            }
            for name, (values, rate) in curves.items()
        },
    }


def test_comparison_draws_every_mean_on_a_log_axis():
    figure = plotting.comparison(
        _results(
            L2L=([[4.0, 2.0, 1.0], [2.0, 1.0, 0.5]], None),
            adam=([[4.0, 3.0, 2.0], [2.0, 2.0, 2.0]], 0.1),
        )
    )
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert drawn == {
        "L2L": [3.0, 1.5, 0.75],
        "Adam, rate 0.1": [3.0, 2.5, 2.0],
    }


def test_metrics_are_drawn_beside_the_losses():
    results = _results(
        L2L=([[4.0, 2.0, 1.0]], None), adam=([[4.0, 3.0, 2.0]], 0.1)
    )
    results["optimizers"]["L2L"]["metrics"] = {
        "accuracy": {"mean": [0.1, 0.5, None]}
    }
    losses, accuracies = plotting.comparison(results).axes
    assert len(losses.lines) == 2
    [line] = accuracies.lines
    assert line.get_label() == "L2L" and accuracies.get_yscale() == "linear"
    assert accuracies.get_ylabel() == "accuracy"
    np.testing.assert_array_equal(line.get_ydata(), [0.1, 0.5, np.nan])


def test_losses_are_written_as_plain_numbers():
    figure = plotting.comparison(_results(L2L=([[4.0, 0.5, 0.1]], None)))
    figure.canvas.draw()
    [axes] = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert {"0.1", "0.2", "0.5", "1", "2"} <= set(labels)
    assert not any(label.get_text() for label in axes.get_yticklabels("minor"))


def test_diverging_curve_does_not_squeeze_the_others():
    figure = plotting.comparison(
        _results(
            L2L=([[4.0, 2.0, 1.0]], None), sgd=([[4.0, 1e9, math.inf]], 9.0)
        )
    )
    low, high = figure.axes[0].get_ylim()
    assert 0.5 <= low <= 1.0 and 4.0 <= high <= 10.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("first", [2.0, None])
@pytest.mark.filterwarnings("error")
def test_what_no_log_axis_holds_is_no_error(value, first):
    curves = np.full([2, 5], value)
    if first is not None:
        curves[0, 0] = first
    for figure in (
        plotting.validation(curves, "title"),
        plotting.comparison(_results(adam=(curves, 0.1))),
    ):
        assert plotting.to_array(figure).std() > 0


def test_long_curves_are_smoothed():
    noisy = np.tile([1.0, 3.0], 150)
    figure = plotting.comparison(
        _results(sgd=([[2.0, *noisy]], 0.1), L2L=([[2.0, *noisy]], None))
    )
    [axes] = figure.axes
    assert axes.get_xlabel() == "step (means over 3)"
    for line in axes.lines:
        # Every mean is one of 1, 3, 1 or 3, 1, 3.
        steps, losses = line.get_data()
        np.testing.assert_allclose(steps, [0, *range(2, 300, 3)])
        np.testing.assert_allclose(losses, [2, *np.tile([5 / 3, 7 / 3], 50)])


@pytest.mark.parametrize(
    "panels, columns, rows", [(1, 1, 1), (2, 2, 1), (3, 2, 2), (8, 2, 4)]
)
def test_grids_fill_row_by_row(panels, columns, rows):
    # More than two panels beside each other would have small letters.
    figure, axes = plotting.grid(panels)
    assert figure.axes == axes and len(axes) == panels
    shape = axes[-1].get_subplotspec().get_gridspec().get_geometry()
    assert shape == (rows, columns)


def test_one_legend_serves_all_panels():
    figure, axes = plotting.grid(2)
    for part in axes:
        plotting.curve(part, [0, 1], [1.0, 0.5], [0.1, 0.1], label="a")
    plotting.curve(axes[1], [0, 2], [1.0, None], label="b")
    before = figure.get_size_inches()
    plotting.legend_below(figure)
    [legend] = figure.legends
    width, height = figure.get_size_inches()
    assert width == before[0] and height > before[1] + 0.1
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    [_, line] = axes[1].lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 1], [2, np.nan]])


def test_saved_file_is_a_png_of_the_figures_size(tmp_path):
    figure = plotting.validation(np.ones([3, 5]), "title")
    path = plotting.save(figure, tmp_path / "folder" / "plot.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["plot.png"]
    pixels = plotting.to_array(figure)
    assert pixels.shape == (800, 1120, 4) and pixels.dtype == np.uint8
    assert pixels.std() > 0


def test_history_starts_at_the_first_epoch():
    figure = plotting.history({"a": [3.0, 2.0]}, "loss")
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 2]
