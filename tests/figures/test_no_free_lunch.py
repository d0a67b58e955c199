"""Tests of l2l_tf/figures/no_free_lunch.py."""

import copy
import math

import numpy as np
import pytest

from l2l_tf.figures import no_free_lunch


def _panel(label, learned, baselines):
    optimizers = {
        name: {"learned": name in learned, "last_tenth": loss}
        for name, loss in {**learned, **baselines}.items()
    }
    results = {"optimizers": optimizers, "num_runs": 3, "num_steps": 20}
    return {"label": label, "results": results}


@pytest.fixture(name="figure")
def _figure():
    return no_free_lunch.NoFreeLunch(
        "Matrix", (), trained_on={"one": ("A",), "two": ("B",)}
    )


@pytest.fixture(name="result")
def _result():
    return {
        "panels": [
            _panel("one", {"A": 0.1, "B": 0.4}, {"sgd": 0.3, "adam": 0.2}),
            _panel("two", {"A": None, "B": 0.6}, {"sgd": 0.5, "adam": None}),
            _panel("three", {"A": 5000.0}, {"sgd": 1.0, "adam": 2.0}),
        ]
    }


def test_ratios_are_to_the_best_of_a_column(result):
    names, labels, ratios = no_free_lunch.matrix(result["panels"])
    assert names == ["A", "B", no_free_lunch.BASELINE]
    assert labels == ["one", "two", "three"]
    np.testing.assert_allclose(
        ratios,
        [[1.0, math.inf, 5000.0], [4.0, 1.2, math.nan], [2.0, 1.0, 1.0]],
    )


def test_the_caption_says_where_the_diagonal_loses(figure, result):
    caption = figure.caption(result)
    assert "best on 1 of 2 problems" in caption
    assert caption.endswith(
        "on two SGD at its searched rate is best, and B at 1.20 times its loss."
    )
    won = copy.deepcopy(result)
    won["panels"][1]["results"]["optimizers"]["B"]["last_tenth"] = 0.4
    assert figure.caption(won).endswith("best on 2 of 2 problems.")


def test_cells_show_ratios_and_frames_what_was_trained_there(figure, result):
    [axes] = figure.draw(result).axes
    assert [text.get_text() for text in axes.texts] == [
        *("1.00", "NaN", ">1000"),
        *("4.00", "1.20", ""),
        *("2.00", "1.00", "1.00"),
    ]
    frames = {
        (round(p.get_x() + 0.46), round(p.get_y() + 0.44)) for p in axes.patches
    }
    assert frames == {(0, 0), (1, 1)}


def test_tables_tell_losses_beside_ratios(figure, result):
    *_, first, second, last = figure.tables(result).splitlines()
    assert first == "| A | 1.00 (0.100) | NaN (diverged) | >1000 (5,000) |"
    assert second == "| B | 4.00 (0.400) | 1.20 (0.600) |  |"
    assert last.startswith(f"| {no_free_lunch.BASELINE} | 2.00 (0.200) | 1.00")
    assert figure.numbers(result, "A") == {}
