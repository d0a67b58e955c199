"""Tests of l2l_tf/figures/no_free_lunch.py."""

import copy

import pytest

from l2l_tf.figures import no_free_lunch
from l2l_tf.figures import ratio_matrix


def _panel(label, learned, baselines):
    optimizers = {
        name: {
            "learned": name in learned,
            "last_tenth": loss,
            "last_tenth_sem": 0.001,
        }
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


def test_the_caption_says_where_the_diagonal_loses(figure, result):
    caption = no_free_lunch.caption(result, figure.trained_on)
    assert "best on 1 of 2 problems" in caption
    assert caption.endswith(
        "on 'two' SGD at its searched rate is best, and 'B' at 1.20 times its "
        "loss."
    )
    won = copy.deepcopy(result)
    won["panels"][1]["results"]["optimizers"]["B"]["last_tenth"] = 0.4
    caption = no_free_lunch.caption(won, figure.trained_on)
    assert caption.endswith("best on 2 of 2 problems.")


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ({"A": None, "B": None, "sgd": None, "adam": None}, "1 of 1 problems."),
        ({"B": None}, "is best, and 'B' diverged."),
    ],
)
def test_the_caption_tells_of_divergence(losses, expected, figure, result):
    optimizers = result["panels"][1]["results"]["optimizers"]
    for name, loss in losses.items():
        optimizers[name]["last_tenth"] = loss
    caption = no_free_lunch.caption(result, figure.trained_on)
    assert caption.endswith(expected)
    figure.draw(result)
    assert "diverged" in figure.tables(result)


def test_what_was_not_run_neither_wins_nor_loses(figure, result):
    del result["panels"][1]["results"]["optimizers"]["B"]
    caption = no_free_lunch.caption(result, figure.trained_on)
    assert caption.endswith("best on 1 of 1 problems.")


def test_losses_that_are_level_are_called_so(figure, result):
    result["panels"][1]["results"]["optimizers"]["B"]["last_tenth"] = 0.5005
    caption = no_free_lunch.caption(result, figure.trained_on)
    assert caption.endswith("1.00 times its loss (within the standard error).")


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
    table = figure.tables(result)
    *_, first, second, last = table.splitlines()
    assert first == (
        "| A | 1.00 (0.100 ± 0.001) | NaN (diverged) | >1000 (5,000 ± 0) |"
    )
    assert second == "| B | 4.00 (0.400 ± 0.001) | 1.20 (0.600 ± 0.001) |  |"
    row = f"| {ratio_matrix.BASELINE} | 2.00 (0.200 ± 0.001) | 1.00"
    assert last.startswith(row)
    assert "two: 3 runs of 20 steps, the best baseline SGD" in table
    assert figure.numbers(result, "A") == {}
