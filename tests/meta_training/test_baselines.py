"""Tests of l2l_tf/meta_training/baselines.py."""

import dataclasses
import json

import numpy as np
import pytest

from l2l_tf.evaluation import comparison
from l2l_tf.evaluation import learning_curves
from l2l_tf.evaluation import rate_search
from l2l_tf.meta_training import baselines


def test_curves_are_those_of_a_comparison_on_validation_draws(small_trainer):
    problem, settings = small_trainer.problem, small_trainer.settings
    asked = []

    def known_rates(problem, num_steps):
        asked.append((problem.name, problem.split, num_steps))
        return {"adam": 0.25}

    made = baselines.Baselines(problem, settings, ["adam", "sgd"], known_rates)
    assert not asked
    expected = comparison.compare(
        problem,
        "validation",
        settings.num_steps,
        settings.evaluation_epochs,
        settings.seed,
        baselines=["adam", "sgd"],
        learning_rates={
            name: found["learning_rate"] for name, found in made.results.items()
        },
    )["optimizers"]
    assert made.results["adam"]["learning_rate"] == 0.25
    found = rate_search.Baseline("sgd", problem, settings.num_steps)
    assert (
        made.results["sgd"]["learning_rate"]
        == found.search_learning_rate(settings.seed, 2, "halving").learning_rate
    )
    for name in ("adam", "sgd"):
        ours = made.results[name]
        assert ours["learned"] is False
        np.testing.assert_allclose(ours["mean"], expected[name]["mean"])
    # The search left the start behind.
    assert made.results["sgd"]["mean"][-1] < made.results["sgd"]["mean"][0]
    assert asked == [("quadratic", "validation", 6)]


def test_runs_are_few_and_searches_short(small_trainer, monkeypatch):
    made = []

    class Recorder(learning_curves.Recorder):
        def __init__(self, make_rule, problem, num_steps, *args, **options):
            super().__init__(make_rule, problem, num_steps, *args, **options)
            self.num_steps = num_steps

        def record(self, seed, num_runs, *args, **options):
            made.append((self.num_steps, num_runs))
            return super().record(seed, num_runs, *args, **options)

    monkeypatch.setattr(learning_curves, "Recorder", Recorder)
    settings = dataclasses.replace(
        small_trainer.settings, num_steps=120, evaluation_epochs=20
    )
    results = baselines.Baselines(
        small_trainer.problem, settings, ["sgd"]
    ).results
    assert made.pop() == (120, 4)
    assert {runs for _, runs in made} == {2}
    assert {steps for steps, _ in made} == {10, 33, 100}
    assert len(results["sgd"]["mean"]) == 121


@pytest.fixture
def kept(small_trainer, tmp_path):
    """What makes baselines that are kept in a folder, and their results."""
    calls = []

    def known_rates(problem, num_steps):
        calls.append(num_steps)
        return {"adam": 0.25, "sgd": 0.1}

    def make(names=("adam", "sgd"), **settings):
        return baselines.Baselines(
            small_trainer.problem,
            dataclasses.replace(small_trainer.settings, **settings),
            names,
            known_rates,
            tmp_path,
        )

    return make, calls, make().results, tmp_path / "baselines.json"


def test_kept_results_are_not_made_again(kept, monkeypatch):
    make, calls, results, file = kept
    content = file.read_bytes()

    def refuse(*args, **options):
        raise AssertionError("Nothing is to be run.")

    monkeypatch.setattr(learning_curves, "Recorder", refuse)
    assert make().results == results
    assert calls == [6] and file.read_bytes() == content
    with pytest.raises(AssertionError, match="Nothing is to be run"):
        assert make(seed=5).results


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-9],
        lambda text: "[]",
        lambda text: text.replace('"seed":', '"other":'),
        lambda text: text.replace('"mean":', '"men":'),
        lambda text: json.dumps(
            {**json.loads(text), "results": {"adam": 3, "sgd": None}}
        ),
    ],
)
def test_what_is_damaged_or_of_another_training_is_made_anew(kept, change):
    make, calls, results, file = kept
    whole = file.read_text()
    changed = change(whole)
    assert changed != whole
    file.write_text(changed)
    assert make().results == results
    assert calls == [6, 6] and file.read_text() == whole


def test_other_settings_and_names_have_other_results(kept):
    make, calls, _, _ = kept
    assert list(make(["sgd"]).results) == ["sgd"]
    assert len(make(num_steps=4).results["sgd"]["mean"]) == 5
    assert calls == [6, 6, 4]
