"""Fixtures that the figures' tests share."""

import copy

import numpy as np
import pytest

from l2l_tf.figures import base
from l2l_tf.figures import catalogue
from l2l_tf.figures import comparisons
from l2l_tf.figures import learning_curves
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction

NAMES = ("LSTM", *comparisons.BASELINES)

PANEL = comparisons.Panel(
    "four functions",
    {"LSTM": "quadratic"},
    "quadratic",
    {"num_functions": 4, "num_dims": 2},
    num_steps=20,
    num_runs=2,
    baselines=("adam", "sgd"),
    paper=0.5,
)


@pytest.fixture
def panel():
    """Returns a panel's numbers, as if its runs had been made."""
    optimizers = {}
    for index, name in enumerate(NAMES):
        mean = np.linspace(2.0, 0.5 + 0.1 * index, 21)
        optimizers[name] = {
            "learned": name == "LSTM",
            "learning_rate": None if name == "LSTM" else 0.1 * index,
            "mean": mean.tolist(),
            "std": (0.1 * mean).tolist(),
            "final": mean[-1],
            "final_sem": 0.01,
            "last_tenth": mean[-1],
            "last_tenth_sem": 0.01,
            "mean_over_steps": mean.mean(),
        }
    return copy.deepcopy(
        {
            "label": "four functions",
            "optimizers": {"LSTM": "quadratic"},
            "options": {},
            "paper": 0.5,
            "paper_baseline": None,
            "results": {
                "problem": "quadratic",
                "split": "test",
                "num_steps": 20,
                "num_runs": 2,
                "seed": 0,
                "optimizers": optimizers,
            },
        }
    )


@pytest.fixture
def result(panel):
    """Returns a figure's numbers, as if its runs had been made."""
    return {
        "figure": "mnist",
        "title": "Title",
        "seed": 0,
        "quick": False,
        "saved_optimizers": {"quadratic": {}},
        "panels": [panel],
        "seconds": 1.6,
    }


@pytest.fixture(scope="session")
def small_figure():
    """Returns a small figure."""
    return learning_curves.LearningCurves("Small", (PANEL,), note="A note.")


@pytest.fixture(scope="session")
def reproduced(small_figure, tmp_path_factory):
    """Returns the small figure's runs, and the file of the searched rates."""
    path = tmp_path_factory.mktemp("figures") / "rates.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue.FIGURES, "small", small_figure)
        made = reproduction.reproduce("small", rates.RateCache(path))
    return made, path


@pytest.fixture
def context(reproduced):
    """Returns a context that knows the small figure's rates."""
    return base.Context(rates.RateCache(reproduced[1]))
