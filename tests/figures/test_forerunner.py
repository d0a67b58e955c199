"""Tests of l2l_tf/figures/forerunner.py."""

import numpy as np
import pytest

from l2l_tf.figures import base
from l2l_tf.figures import catalogue
from l2l_tf.figures import forerunner
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction


@pytest.fixture(scope="module")
def figure():
    """Returns a small figure."""
    return forerunner.Forerunner(
        "Small", "online-regression", "quadratic", num_examples=30
    )


@pytest.fixture(scope="module")
def result(figure, tmp_path_factory):
    """Returns its runs, a first look."""
    path = tmp_path_factory.mktemp("forerunner") / "rates.json"
    context = base.Context(rates.RateCache(path), quick=True)
    found = figure.run(context)
    assert list(context.saved_optimizers) == ["quadratic"]
    return reproduction.rounded(found)


def test_every_learner_has_an_error_at_every_example(result):
    assert [f["learned"] for f in result["curves"].values()] == [
        True,
        True,
        False,
    ]
    for found in result["curves"].values():
        assert len(found["mean"]) == len(found["sem"]) == 30
        assert np.all(np.array(found["mean"]) > 0)
    assert result["num_functions"] == 256
    assert result["learning_rate"] > 0
    # SGD learns, whatever the others do in so few runs.
    sgd = result["curves"]["network, SGD"]["mean"]
    assert np.mean(sgd[20:]) < 0.5 * np.mean(sgd[:3])


def test_tables_and_drawing_need_the_result_alone(figure, result):
    text = figure.tables(result)
    assert "example 20 | example 30 | all after 20" in text
    assert "256 functions" in text
    drawing = figure.draw(result)
    assert len(drawing.axes[0].lines) == 3


def test_the_catalogue_has_it():
    entry = catalogue.FIGURES["forerunner"]
    assert entry.num_examples == 100
