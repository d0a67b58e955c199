"""Tests of l2l_tf/figures/architecture_grid.py."""

import numpy as np

from l2l_tf.figures import architecture_grid


def _panel(layers, activation="relu", **losses):
    return {
        "options": {"activation": activation, "hidden_layers": layers},
        "results": {
            "optimizers": {
                name: {"learned": name == "LSTM", "last_tenth": loss}
                for name, loss in losses.items()
            }
        },
    }


def test_losses_are_drawn_over_units_for_each_kind():
    grid = architecture_grid.ArchitectureGrid("Grid", ())
    panels = [
        _panel([5], LSTM=0.2, adam=0.4),
        _panel([10], LSTM=0.1, adam=None),
        _panel([5, 5], "tanh", LSTM=0.3, adam=0.6),
    ]
    first, second = grid.draw({"panels": panels}).axes
    assert first.get_title() == "relu, 1 layer"
    assert second.get_title() == "tanh, 2 layers"
    drawn = {line.get_label(): line.get_xydata() for line in first.lines}
    assert drawn["LSTM"].tolist() == [[5, 0.2], [10, 0.1]]
    np.testing.assert_array_equal(drawn["Adam"], [[5, 0.4], [10, np.nan]])
    assert [len(line.get_xydata()) for line in second.lines] == [1, 1]
