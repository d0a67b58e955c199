"""Tests of l2l_tf/evaluation/plotting.py."""

import math

import numpy as np

from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.evaluation import plotting


def _results(**curves):
    return {
        "problem": "quadratic",
        "split": "test",
        "optimizers": {
            name: evaluation.summarize(np.array(values), rate)
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
        "LSTM (learned)": [3.0, 1.5, 0.75],
        "Adam, rate 0.1": [3.0, 2.5, 2.0],
    }


def test_diverging_curve_does_not_squeeze_the_others():
    figure = plotting.comparison(
        _results(
            L2L=([[4.0, 2.0, 1.0]], None), sgd=([[4.0, 1e9, math.inf]], 9.0)
        )
    )
    low, high = figure.axes[0].get_ylim()
    assert 0.5 <= low <= 1.0 and 4.0 <= high <= 10.0


def test_saved_file_is_a_png_of_the_figures_size(tmp_path):
    figure = plotting.validation(np.ones([3, 5]), "title")
    path = plotting.save(figure, tmp_path / "folder" / "plot.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == ["plot.png"]
    pixels = plotting.to_array(figure)
    assert pixels.shape == (540, 840, 4) and pixels.dtype == np.uint8
    assert pixels.std() > 0


def test_history_starts_at_the_first_epoch():
    figure = plotting.history({"a": [3.0, 2.0]}, "loss")
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 2]


def test_panels_have_their_own_curves_and_titles():
    one = _results(L2L=([[4.0, 2.0]], None), adam=([[4.0, 3.0]], 0.1))
    two = _results(**{"L2L robust": ([[8.0, 4.0]], None)})
    figure = plotting.panels([one, two, one], ["a", "b", "c"])
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c"]
    assert len(figure.axes[0].lines) == 2
    [line] = figure.axes[1].lines
    assert line.get_label() == "LSTM (robust)"
    assert line.get_ydata().tolist() == [8.0, 4.0]


def test_architectures_are_drawn_over_their_widths():
    figure = plotting.architectures(
        {"relu": {"L2L": [0.5, 0.25], "adam": [1.0, 0.5]}}, [5, 10]
    )
    drawn = {
        line.get_label(): (line.get_linestyle(), line.get_xydata().tolist())
        for line in figure.axes[0].lines
    }
    assert drawn == {
        "LSTM (learned)": ("-", [[5, 0.5], [10, 0.25]]),
        "Adam": ("--", [[5, 1.0], [10, 0.5]]),
    }
