"""Tests of l2l_tf/meta_training/baselines.py."""

import numpy as np

from l2l_tf.evaluation import comparison
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
    assert made.results["sgd"]["learning_rate"] in rate_search.GRID
    for name in ("adam", "sgd"):
        ours = made.results[name]
        assert ours["learned"] is False
        np.testing.assert_allclose(ours["mean"], expected[name]["mean"])
    # The search left the start behind.
    assert made.results["sgd"]["mean"][-1] < made.results["sgd"]["mean"][0]
    assert asked == [("quadratic", "validation", 6)]
