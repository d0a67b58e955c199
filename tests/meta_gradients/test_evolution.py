"""Tests of l2l_tf/meta_gradients/evolution.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import autodiff
from l2l_tf.meta_gradients import evolution
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import quadratic
from l2l_tf.rules import base
from l2l_tf.rules import registry

_PROBLEM = quadratic.Quadratic(num_functions=4, num_dims=3, initial_std=1.0)
_STEP_WEIGHTS = meta_loss.step_weights("constant", 4)


def _flat(tensors):
    return np.concatenate([np.ravel(tensor) for tensor in tensors])


def _lstm():
    return registry.make_rule({"layers": [3], "initializer": 0.5})


class _Together(base.UpdateRule):
    """Its updates depend on the lengths of all gradients together."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([0.3, 0.5, -0.2])

    def initial_state(self, params):
        return tf.zeros([])

    def __call__(self, gradients, state):
        a, b, c = tf.unstack(self.weights)
        norm = tf.linalg.global_norm(gradients)
        state = tf.tanh(b * state + a * norm)
        return [(c * state - 0.05 * a) * g for g in gradients], state

    def config(self):
        return {"rule": "together"}


def _run(rule, index=0):
    return unroll.start(rule, _PROBLEM, randomness.run_seed(0, "train", index))


def _exact(rule, run, step_weights=_STEP_WEIGHTS):
    estimator = autodiff.Autodiff(
        rule, _PROBLEM, step_weights, second_derivatives=True
    )
    return tf.function(estimator, autograph=False)(run, ())


def _strategies(rule, **options):
    return tf.function(
        evolution.EvolutionStrategies(rule, _PROBLEM, _STEP_WEIGHTS, **options),
        autograph=False,
    )


def _alignment(estimate, exact):
    """The cosine, and the length along the exact gradient in its lengths."""
    along = estimate @ exact
    lengths = np.linalg.norm(estimate) * np.linalg.norm(exact)
    return along / lengths, along / (exact @ exact)


@pytest.mark.parametrize("make_rule", [_lstm, _Together])
def test_many_pairs_give_the_exact_gradient(make_rule):
    rule = make_rule()
    run = _run(rule)
    exact = _exact(rule, run)
    estimate = _strategies(rule, num_pairs=4096)(run, ())
    cosine, scale = _alignment(
        _flat(estimate.gradients), _flat(exact.gradients)
    )
    assert cosine > 0.95
    # Its standard error is sqrt(2 / 4096) = 0.022.
    assert scale == pytest.approx(1.0, abs=0.1)


def test_the_unroll_is_that_of_phi_itself():
    rule = _lstm()
    run = _run(rule)
    before = [variable.numpy() for variable in rule.trainable_variables]
    exact = _exact(rule, run)
    estimate = _strategies(rule, num_pairs=2)(run, ())
    np.testing.assert_allclose(estimate.loss, exact.loss, rtol=1e-5)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        (estimate.losses, estimate.run),
        (exact.losses, exact.run),
    )
    for variable, value in zip(rule.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_estimates_are_drawn_from_the_run_and_its_step_alone(jit_compile):
    rule = _lstm()
    run = _run(rule)
    estimate = _strategies(rule, num_pairs=3, jit_compile=jit_compile)
    first, again, later = (
        _flat(estimate(r, ()).gradients)
        for r in (run, run, run._replace(step=tf.constant(4)))
    )
    np.testing.assert_array_equal(first, again)
    # On quadratics a step changes the perturbations only.
    assert not np.allclose(first, later)


@pytest.mark.parametrize(
    "options",
    [
        {"num_pairs": 0},
        {"num_pairs": 1.5},
        {"perturbation_std": 0.0},
        {"perturbation_std": "a"},
    ],
)
def test_bad_options_are_refused_and_quoted(options):
    [(name, value)] = options.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        _strategies(_lstm(), **options)
