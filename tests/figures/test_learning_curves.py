"""Tests of l2l_tf/figures/learning_curves.py."""

import copy

import numpy as np


def test_every_panel_has_its_title_and_curves(result, small_figure):
    first, second = result["panels"][0], copy.deepcopy(result["panels"][0])
    second["label"] = "without"
    del second["results"]["optimizers"]["LSTM"]
    figure = small_figure.draw({"panels": [first, second]})
    assert [axes.get_title() for axes in figure.axes] == [
        "four functions",
        "without",
    ]
    assert [len(axes.lines) for axes in figure.axes] == [8, 7]
    adam = first["results"]["optimizers"]["adam"]["mean"]
    for axes in figure.axes:
        [line] = [one for one in axes.lines if one.get_label() == "Adam"]
        np.testing.assert_allclose(line.get_ydata(), adam)
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()][:2] == [
        "LSTM",
        "Adam",
    ]


def test_what_diverged_is_drawn_as_far_as_it_goes(result, small_figure):
    found = result["panels"][0]["results"]["optimizers"]["LSTM"]
    found["mean"][-1] = found["std"][-1] = found["final_sem"] = None
    [axes] = small_figure.draw(result).axes
    [line] = [one for one in axes.lines if one.get_label() == "LSTM"]
    assert np.isnan(line.get_ydata()).tolist() == [False] * 20 + [True]
