"""Meta-gradients of rules that share information, on several functions."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import ensemble
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry as rules

_STEPS = 4
_CONFIGS = {
    "averages": {"averaging_cells": [2, 1]},
    "relative": {"averaging_cells": 1, "frame": "relative", "skip": True},
    "matrix": {"rule": "ntm-bfgs", "averaging_cells": 1, "frame": "secant"},
    "pairs": {"rule": "ntm-l-bfgs", "averaging_cells": 1, "history": 2},
}


def _quadratic(num_dims):
    return quadratic.Quadratic(
        num_functions=3, num_dims=num_dims, dtype="float64", initial_std=1.0
    )


_PROBLEM = _quadratic(2)
# Two parameters, which together are one function's.
_BOTH = ensemble.Ensemble([_quadratic(2), _quadratic(3)], [1.0, 0.5])


def _rule(name, dtype="float64"):
    rule = rules.make_rule(
        {
            "layers": [4, 3],
            "initializer": 0.5,
            "preprocessing": "identity",
            "dtype": dtype,
            **_CONFIGS[name],
        }
    )
    for variable in rule.trainable_variables:
        noise = tf.random.stateless_normal(variable.shape, [1, 2])
        variable.assign_add(0.3 * tf.cast(noise, variable.dtype))
    return rule


def _estimate(name, rule, problem, **options):
    """Returns the estimates of two unrolls of a run."""
    estimator = registry.ESTIMATORS.build(
        name,
        rule,
        problem,
        meta_loss.step_weights("rising", _STEPS),
        **options,
    )
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    step = tf.function(estimator.__call__)
    first = step(run, estimator.initial_state(run))
    return first, step(first.run, first.state)


def _flat(estimate):
    return np.concatenate([np.ravel(g) for g in estimate.gradients])


@pytest.mark.parametrize("problem", [_PROBLEM, _BOTH], ids=["one", "two"])
@pytest.mark.parametrize("name", _CONFIGS)
def test_replay_is_exact(name, problem):
    rule = _rule(name)
    expected = _estimate("autodiff", rule, problem)
    for exact, ours in zip(
        expected,
        _estimate("replay", rule, problem, jit_compile=name == "matrix"),
        strict=True,
    ):
        np.testing.assert_allclose(ours.losses, exact.losses, rtol=1e-10)
        size = np.max(np.abs(_flat(exact)))
        np.testing.assert_allclose(_flat(ours), _flat(exact), atol=1e-10 * size)
        assert np.all(np.isfinite(_flat(exact))) and size > 0


def test_functions_of_a_draw_do_not_disturb_each_other():
    """The gradient of many is the mean of the gradients of each."""
    rule = _rule("matrix")

    class _One(quadratic.Quadratic):
        """One of the functions."""

        chosen = 0

        def sample_task(self, seed):
            return [
                t[self.chosen][tf.newaxis] for t in _PROBLEM.sample_task(seed)
            ]

        def initial_params(self, task, seed):
            [params] = _PROBLEM.initial_params(task, seed)
            return [params[self.chosen][tf.newaxis]]

    found = []
    for chosen in range(3):
        one = _One(num_functions=1, num_dims=2, dtype="float64")
        one.chosen = chosen
        found.append(_estimate("replay", rule, one, jit_compile=False)[1])
    together = _estimate("replay", rule, _PROBLEM, jit_compile=False)[1]
    np.testing.assert_allclose(
        _flat(together), np.mean([_flat(f) for f in found], axis=0), rtol=1e-9
    )


@pytest.mark.parametrize("estimator", ["es", "pes"])
@pytest.mark.parametrize("name", ["relative", "matrix"])
def test_evolution_strategies_take_them_as_any_rule(name, estimator):
    rule = _rule(name)
    options = {"num_pairs": 2, "jit_compile": False}
    exact = _estimate("autodiff", rule, _PROBLEM)
    for ours, theirs in zip(
        _estimate(estimator, rule, _PROBLEM, **options), exact, strict=True
    ):
        np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-10)
        assert np.all(np.isfinite(_flat(ours))) and np.any(_flat(ours))


def test_differences_point_along_the_exact_gradient():
    rule = _rule("matrix")
    options = {"num_pairs": 600, "perturbation_std": 1e-4, "jit_compile": True}
    ours = _flat(_estimate("es", rule, _PROBLEM, **options)[0])
    exact = _flat(_estimate("autodiff", rule, _PROBLEM)[0])
    # Second derivatives are in the one and not in the other.
    cosine = ours @ exact / np.linalg.norm(ours) / np.linalg.norm(exact)
    assert cosine > 0.5
