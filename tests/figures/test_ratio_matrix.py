"""Tests of l2l_tf/figures/ratio_matrix.py."""

import math

import numpy as np
import pytest
from matplotlib import figure as mpl_figure

from l2l_tf.figures import ratio_matrix


def _panel(label, learned, baselines):
    optimizers = {
        name: {"learned": name in learned, "last_tenth": loss}
        for name, loss in {**learned, **baselines}.items()
    }
    return {"label": label, "results": {"optimizers": optimizers}}


def test_ratios_are_to_the_best_of_a_column():
    panels = [
        _panel("one", {"A": 0.1, "B": 0.4}, {"sgd": 0.3, "adam": 0.2}),
        _panel("two", {"A": None, "B": 0.6}, {"sgd": 0.5, "adam": None}),
        _panel("three", {"A": 5000.0}, {"sgd": 1.0, "adam": 2.0}),
    ]
    names, labels, ratios = ratio_matrix.matrix(panels)
    assert names == ["A", "B", ratio_matrix.BASELINE]
    assert labels == ["one", "two", "three"]
    np.testing.assert_allclose(
        ratios,
        [[1.0, math.inf, 5000.0], [4.0, 1.2, math.nan], [2.0, 1.0, 1.0]],
    )


def test_a_loss_of_zero_is_a_small_one():
    panel = _panel("one", {"A": 2e-12, "B": 0.0}, {"sgd": 0.0})
    *_, ratios = ratio_matrix.matrix([panel])
    np.testing.assert_allclose(ratios, [[2.0], [1.0], [1.0]])


def test_where_all_diverged_all_are_told_to_have():
    panel = _panel("one", {"A": None, "B": None}, {"sgd": None})
    *_, ratios = ratio_matrix.matrix([panel])
    assert np.all(np.isposinf(ratios))


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "1.00"),
        (9.994, "9.99"),
        (10.0, "10"),
        (999.4, "999"),
        (1e9, ">1000"),
        (math.inf, "NaN"),
        (math.nan, ""),
    ],
)
def test_ratios_have_the_digits_that_there_is_room_for(ratio, text):
    assert ratio_matrix.text(ratio) == text


def test_numbers_are_seen_on_their_colours():
    axes = mpl_figure.Figure().add_subplot()
    ratio_matrix.draw(axes, np.array([[1.0, 1e6, math.inf, math.nan]]))
    colours = [found.get_color() for found in axes.texts]
    assert colours == ["black", "white", "white", "black"]
