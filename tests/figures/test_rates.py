"""Tests of l2l_tf/figures/rates.py."""

import json
import os
import pathlib

import pytest

from l2l_tf.figures import catalogue
from l2l_tf.figures import comparisons
from l2l_tf.figures import rates
from l2l_tf.problems import registry

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _problem(**options):
    return registry.make_problem("quadratic", num_functions=2, **options)


def test_rates_are_kept_by_problem_and_number_of_steps(tmp_path):
    cache = rates.RateCache(tmp_path / "folder" / "rates.json")
    assert cache.get(_problem(), 10) == {}
    cache.put(_problem(), 10, {"adam": 0.1})
    cache.put(_problem(), 20, {"adam": 0.2})
    cache.put(_problem(num_dims=3), 10, {"adam": 0.3})
    cache.put(_problem(), 10, {"adam": 0.4, "sgd": 1.0})
    read = rates.RateCache(tmp_path / "folder" / "rates.json")
    for each in (cache, read):
        assert each.get(_problem(), 10) == {"adam": 0.4, "sgd": 1.0}
        assert each.get(_problem(), 20) == {"adam": 0.2}
        assert each.get(_problem(num_dims=3), 10) == {"adam": 0.3}
        assert each.get(_problem(num_dims=4), 10) == {}


@pytest.mark.parametrize(
    "spelled",
    [
        {"num_dims": 10},
        {"initial_std": 1.0, "sampling": "gaussian"},
        {"dtype": "float32", "split": "test"},
    ],
)
def test_one_problem_in_other_words_is_the_same(spelled, tmp_path):
    cache = rates.RateCache(tmp_path / "rates.json")
    # An integer, where the other words have a float.
    std = {"initial_std": 1} if "initial_std" in spelled else {}
    cache.put(_problem(**std), 10, {"adam": 0.1})
    assert cache.get(_problem(**spelled), 10) == {"adam": 0.1}


def test_a_new_search_forgets_rates_until_they_are_put_again(tmp_path):
    path = tmp_path / "rates.json"
    known = rates.RateCache(path)
    known.put(_problem(), 10, {"adam": 0.1})
    known.put(_problem(), 20, {"adam": 0.2})
    anew = rates.RateCache(path, search_anew=True)
    assert anew.get(_problem(), 10) == anew.get(_problem(), 20) == {}
    anew.put(_problem(), 10, {"adam": 0.5})
    assert anew.get(_problem(), 10) == {"adam": 0.5}
    assert anew.get(_problem(), 20) == {}
    # A search that is stopped loses nothing.
    assert rates.RateCache(path).get(_problem(), 20) == {"adam": 0.2}


@pytest.mark.parametrize("content", ["[", "{}x", '{"mnist {}": {}}', "[1]"])
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="rates.json.*searched anew"):
        rates.RateCache(path)


@pytest.mark.skipif(
    not pathlib.Path(os.environ.get("TFDS_DATA_DIR", ""), "mnist").is_dir(),
    reason="needs MNIST in TFDS_DATA_DIR",
)
def test_published_rates_are_those_of_the_catalogue():
    path = _ROOT / "docs" / "results" / "baseline_rates.json"
    cache = rates.RateCache(path)
    # Each problem is built once, although panels share it.
    panels = {
        json.dumps([panel.problem, panel.options, panel.num_steps]): panel
        for figure in catalogue.FIGURES.values()
        if isinstance(figure, comparisons.Comparisons)
        for panel in figure.panels
        if panel.quick
    }
    for panel in panels.values():
        problem = registry.make_problem(panel.problem, **panel.options)
        known = cache.get(problem, panel.num_steps)
        assert set(panel.baselines) <= set(known), panel.label
