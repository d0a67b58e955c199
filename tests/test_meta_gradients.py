"""Tests of l2l_tf/meta_gradients.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf import meta_gradients
from l2l_tf import randomness
from l2l_tf import unroll
from l2l_tf.problems import image_classification
from l2l_tf.problems import quadratic
from l2l_tf.rules import registry

_NUM_STEPS = 4
_WEIGHTS = {
    "constant": unroll.step_weights("constant", _NUM_STEPS),
    "last": unroll.step_weights("last", _NUM_STEPS),
    "random": tf.constant([0.3, 1.7, 0.0, 0.9, 2.1]),
}
_PROBLEMS = {
    "quadratic": quadratic.Quadratic(
        num_functions=2, num_dims=3, initial_std=1.0, dtype="float64"
    ),
    "digits": image_classification.ImageClassification(
        "digits",
        hidden_layers=[2],
        batch_size=8,
        initial_values=0.5,
        dtype="float64",
    ),
}
_LSTM = {"layers": [3, 2], "initializer": 0.5, "dtype": "float64"}
_RULES = {
    "log_and_sign": {**_LSTM, "preprocessing": "log_and_sign"},
    "identity": {**_LSTM, "preprocessing": "identity", "scale": 0.5},
    "linear": {
        **_LSTM,
        "layers": [],
        "preprocessing": "rescale",
        "preprocessing_options": {"factor": -0.1},
    },
}
# Biases and weights of the digits' network, or all that there is.
_ROUTES = {
    "digits": {"b$": _RULES["identity"], "w$": _RULES["log_and_sign"]},
    "quadratic": {"": _RULES["log_and_sign"]},
}


def _start(problem_name, rule_name):
    problem = _PROBLEMS[problem_name]
    config = _RULES.get(
        rule_name, {"rule": "routed", "routes": _ROUTES[problem_name]}
    )
    rule = registry.make_rule(config, problem.parameter_names)
    for index, variable in enumerate(rule.trainable_variables):
        # Biases away from zero, so that nothing vanishes by chance.
        noise = tf.random.stateless_normal(
            variable.shape, [index, 0], dtype=tf.float64
        )
        variable.assign_add(0.1 * noise)
    seed = randomness.run_seed(0, "train", 0)
    return rule, problem, unroll.start(rule, problem, seed)


def _meta_loss(rule, problem, run, weights, gradients=None):
    """A plain loop over the unroll, and the optimizee's gradients in it.

    Gradients that are given are fed to the rule in place of the true ones:
    they do not follow phi, as where they pass through a stop-gradient.
    """
    params, state = run.params, run.rule_state
    stream = randomness.stream(run.seed, "batch")
    total, recorded = 0.0, []
    for step, weight in enumerate(weights.numpy()):
        batch = problem.sample_batch(run.task, randomness.fold_in(stream, step))
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = problem.loss(params, run.task, batch)
        total += weight * np.mean(loss)
        if step < _NUM_STEPS:
            recorded.append(tape.gradient(loss, params))
            fed = recorded if gradients is None else gradients
            updates, state = rule(fed[step], state)
            params = [p + u for p, u in zip(params, updates, strict=True)]
    return total, recorded


def _autodiff(rule, problem, run, weights, second_derivatives):
    return tf.function(
        lambda: meta_gradients.autodiff(
            rule, problem, run, weights, second_derivatives
        )
    )()


def _check_against_differences(
    problem_name, rule_name, weights, second_derivatives
):
    rule, problem, run = _start(problem_name, rule_name)
    arguments = rule, problem, run, weights
    result = _autodiff(*arguments, second_derivatives)
    loss, recorded = _meta_loss(*arguments)
    assert float(result.loss) == pytest.approx(loss, rel=1e-12)
    fed = None if second_derivatives else recorded
    for index, (variable, gradient) in enumerate(
        zip(rule.trainable_variables, result.gradients, strict=True)
    ):
        direction = tf.random.stateless_normal(
            variable.shape, [index, 1], dtype=tf.float64
        )
        center, step = tf.identity(variable), 1e-5

        def along(distance, variable=variable, center=center, d=direction):
            variable.assign(center + distance * d)
            return _meta_loss(*arguments, fed)[0]

        slope = (along(step) - along(-step)) / (2 * step)
        variable.assign(center)
        expected = float(tf.reduce_sum(gradient * direction))
        assert slope == pytest.approx(expected, rel=1e-6), variable.name


@pytest.mark.parametrize("second_derivatives", [False, True])
@pytest.mark.parametrize("rule_name", [*_RULES, "routed"])
@pytest.mark.parametrize("problem_name", _PROBLEMS)
def test_gradients_are_the_slopes_of_the_meta_loss(
    problem_name, rule_name, second_derivatives
):
    _check_against_differences(
        problem_name, rule_name, _WEIGHTS["random"], second_derivatives
    )


@pytest.mark.parametrize("second_derivatives", [False, True])
@pytest.mark.parametrize("weights", ["constant", "last"])
def test_gradients_follow_the_step_weights(weights, second_derivatives):
    _check_against_differences(
        "quadratic", "log_and_sign", _WEIGHTS[weights], second_derivatives
    )


@pytest.mark.parametrize("problem_name", _PROBLEMS)
def test_second_derivatives_make_a_difference(problem_name):
    rule, problem, run = _start(problem_name, "identity")
    without, with_them = (
        _autodiff(rule, problem, run, _WEIGHTS["constant"], flag)
        for flag in (False, True)
    )
    np.testing.assert_array_equal(without.losses, with_them.losses)
    for a, b in zip(without.gradients, with_them.gradients, strict=True):
        assert np.linalg.norm(a - b) > 1e-3 * np.linalg.norm(b)


def test_the_result_holds_the_unroll():
    rule, problem, run = _start("quadratic", "identity")
    result = _autodiff(rule, problem, run, _WEIGHTS["random"], False)
    losses, end = tf.function(unroll.unroll)(rule, problem, run, _NUM_STEPS)
    np.testing.assert_allclose(result.losses, losses, rtol=1e-12)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12),
        result.run,
        end,
    )


def test_weights_that_the_loss_does_not_reach_get_zeros():
    rule, problem, run = _start("quadratic", "identity")
    first_only = tf.one_hot(0, _NUM_STEPS + 1)
    result = _autodiff(rule, problem, run, first_only, False)
    for gradient in result.gradients:
        np.testing.assert_array_equal(gradient, tf.zeros_like(gradient))
