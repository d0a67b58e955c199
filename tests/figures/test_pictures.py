"""Tests of l2l_tf/figures/pictures.py."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from l2l_tf.evaluation import quasi_newton
from l2l_tf.figures import base
from l2l_tf.figures import comparisons
from l2l_tf.figures import pictures
from l2l_tf.figures import rates
from l2l_tf.figures import reproduction
from l2l_tf.problems import content_images
from l2l_tf.problems import images
from l2l_tf.problems import paintings
from l2l_tf.problems import registry

_OPTIONS = {"size": 16, "style": "great_wave"}
_COLUMNS = ["content", "style", "LSTM", "Adam", "L-BFGS"]


@pytest.fixture(name="figure", scope="module")
def _figure():
    panel = comparisons.Panel(
        "tiny", {"LSTM": "mnist"}, "style_transfer", _OPTIONS, num_steps=4
    )
    return pictures.Pictures("Tiny", (panel,), num_pictures=2)


@pytest.fixture(name="problem", scope="module")
def _problem():
    return registry.make_problem("style_transfer", "test", **_OPTIONS)


@pytest.fixture(name="context", scope="module")
def _context(problem, tmp_path_factory):
    path = tmp_path_factory.mktemp("rates") / "rates.json"
    cache = rates.RateCache(path)
    cache.put(problem, 4, {"adam": 0.05, "sgd": 1.0})
    return base.Context(cache, seed=3)


@pytest.fixture(name="result", scope="module")
def _result(figure, context):
    result = figure.run(context)
    return json.loads(json.dumps(reproduction.rounded(result)))


def _decoded(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_pictures_are_what_the_runs_end_with(result, problem):
    [panel] = result["panels"]
    expected = quasi_newton.record(problem, 4, 3, 2)
    for index, columns in enumerate(panel["pictures"]):
        assert list(columns) == _COLUMNS
        found = {name: _decoded(text) for name, text in columns.items()}
        painting = images.square(paintings.read("great_wave"), 16)
        np.testing.assert_array_equal(found["style"], painting)
        np.testing.assert_allclose(
            found["L-BFGS"],
            images.to_pixels(expected.params[0][index]),
            atol=1,
        )
        contents = content_images.photos(16)["test"]
        assert np.any(np.all(found["content"] == contents, axis=(1, 2, 3)))
        assert len({text for text in columns.values()}) == 5
    np.testing.assert_allclose(
        panel["losses"]["L-BFGS"], expected.losses[:, -1].mean(), rtol=1e-3
    )


def test_grid_shows_every_picture(figure, result):
    axes = figure.draw(result).axes
    assert len(axes) == 2 * 5
    assert [part.get_title() for part in axes[:5]] == _COLUMNS
    assert axes[0].get_ylabel() == axes[5].get_ylabel() == "tiny"
    [shown] = axes[9].get_images()
    expected = _decoded(result["panels"][0]["pictures"][1]["L-BFGS"])
    np.testing.assert_array_equal(shown.get_array(), expected)


def test_table_has_the_losses(figure, result):
    [row] = [r for r in figure.tables(result).splitlines() if "tiny" in r]
    losses = result["panels"][0]["losses"]
    assert (
        row
        == "| tiny | 4 | "
        + " | ".join(f"{losses[name]:,.0f}" for name in _COLUMNS[2:])
        + " |"
    )


def test_a_rate_that_is_not_known_is_searched_and_kept(
    figure, problem, tmp_path, monkeypatch
):
    cache = rates.RateCache(tmp_path / "rates.json")
    cache.put(problem, 4, {"sgd": 1.0})
    searches = []
    monkeypatch.setattr(
        comparisons.rate_search.Baseline,
        "search_learning_rate",
        lambda self, seed, runs, method: (
            searches.append(self.name)
            or comparisons.rate_search.Search(0.02, 1.0, {}, False)
        ),
    )
    for _ in range(2):
        figure.run(base.Context(cache, quick=True))
    assert searches == ["adam"]
    assert cache.get(problem, 4) == {"adam": 0.02, "sgd": 1.0}
