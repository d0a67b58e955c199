"""Tests of l2l_tf/meta_gradients/autodiff.py, and of replay.py against it."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry as meta_gradients
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base
from l2l_tf.problems import image_classification
from l2l_tf.problems import keras_model
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import registry

pytestmark = pytest.mark.slow

_NUM_STEPS = 4
_STEP_WEIGHTS = {
    "constant": meta_loss.step_weights("constant", _NUM_STEPS),
    "last": meta_loss.step_weights("last", _NUM_STEPS),
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


@functools.cache
def _start(problem_name, rule_name):
    """Returns a rule, a problem and the start of a run, to be left so."""
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


def _meta_loss(rule, problem, run, step_weights, gradients=None):
    """A plain loop over the unroll, and the optimizee's gradients in it.

    Gradients that are given are fed to the rule in place of the true ones:
    they do not follow phi, as where they pass through a stop-gradient.
    """
    params, state = run.params, run.rule_state
    stream = randomness.stream(run.seed, "batch")
    total, recorded = 0.0, []
    for step, weight in enumerate(step_weights.numpy()):
        batch = problem.sample_batch(run.task, randomness.fold_in(stream, step))
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = problem.loss(params, (), run.task, batch, run.seed).loss
        total += weight * np.mean(loss)
        if step < _NUM_STEPS:
            recorded.append(tape.gradient(loss, params))
            fed = recorded if gradients is None else gradients
            updates, state = rule(fed[step], state)
            params = [p + u for p, u in zip(params, updates, strict=True)]
    return total, recorded


def _estimate(name, rule, problem, run, step_weights, **options):
    estimator = meta_gradients.ESTIMATORS.build(
        name, rule, problem, step_weights, **options
    )
    return tf.function(
        lambda: estimator(run, estimator.initial_state(run)), autograph=False
    )()


def _autodiff(rule, problem, run, step_weights, second_derivatives):
    return _estimate(
        "autodiff",
        rule,
        problem,
        run,
        step_weights,
        second_derivatives=second_derivatives,
    )


@functools.cache
def _traced(name, problem_name, rule_name, **options):
    """Returns a function of the step weights that makes an estimate."""
    rule, problem, run = _start(problem_name, rule_name)
    step_weights = tf.Variable(tf.zeros([_NUM_STEPS + 1]), trainable=False)
    estimator = meta_gradients.ESTIMATORS.build(
        name, rule, problem, step_weights, **options
    )
    estimate = tf.function(
        lambda: estimator(run, estimator.initial_state(run)), autograph=False
    )

    def with_weights(values):
        step_weights.assign(values)
        return estimate()

    return with_weights


def _exact(problem_name, rule_name, step_weights, second_derivatives=False):
    return _traced(
        "autodiff",
        problem_name,
        rule_name,
        second_derivatives=second_derivatives,
    )(_STEP_WEIGHTS[step_weights])


def _check_against_differences(
    problem_name, rule_name, step_weights, second_derivatives
):
    rule, problem, run = _start(problem_name, rule_name)
    arguments = rule, problem, run, _STEP_WEIGHTS[step_weights]
    result = _exact(problem_name, rule_name, step_weights, second_derivatives)
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

        quotient = (along(step) - along(-step)) / (2 * step)
        variable.assign(center)
        expected = float(tf.reduce_sum(gradient * direction))
        assert quotient == pytest.approx(expected, rel=1e-6), variable.name


@pytest.mark.parametrize("second_derivatives", [False, True])
@pytest.mark.parametrize("rule_name", [*_RULES, "routed"])
@pytest.mark.parametrize("problem_name", _PROBLEMS)
def test_gradients_are_those_of_the_meta_loss(
    problem_name, rule_name, second_derivatives
):
    _check_against_differences(
        problem_name, rule_name, "random", second_derivatives
    )


@pytest.mark.parametrize("second_derivatives", [False, True])
@pytest.mark.parametrize("step_weights", ["constant", "last"])
def test_gradients_follow_the_step_weights(step_weights, second_derivatives):
    _check_against_differences(
        "quadratic", "log_and_sign", step_weights, second_derivatives
    )


@pytest.mark.parametrize("problem_name", _PROBLEMS)
def test_second_derivatives_make_a_difference(problem_name):
    without, with_them = (
        _exact(problem_name, "identity", "constant", flag)
        for flag in (False, True)
    )
    np.testing.assert_array_equal(without.losses, with_them.losses)
    for a, b in zip(without.gradients, with_them.gradients, strict=True):
        assert np.linalg.norm(a - b) > 1e-3 * np.linalg.norm(b)


def test_the_result_holds_the_unroll():
    rule, problem, run = _start("quadratic", "identity")
    result = _exact("quadratic", "identity", "random")
    losses, end, *_ = tf.function(unroll.unroll, autograph=False)(
        rule, problem, run, _NUM_STEPS
    )
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


def _both(*arguments, jit_compile=True):
    replayed = _estimate("replay", *arguments, jit_compile=jit_compile)
    return _autodiff(*arguments, second_derivatives=False), replayed


def _check_equal(exact, replayed, tolerance):
    assert float(replayed.loss) == pytest.approx(
        float(exact.loss), rel=tolerance
    )
    scale = tf.linalg.global_norm(exact.gradients)
    for a, b in zip(exact.gradients, replayed.gradients, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * scale
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance
        ),
        (exact.losses, exact.run),
        (replayed.losses, replayed.run),
    )


@pytest.mark.parametrize(
    "step_weights, jit_compile",
    [("constant", False), ("last", False), ("random", True)],
)
@pytest.mark.parametrize("rule_name", [*_RULES, "routed"])
@pytest.mark.parametrize("problem_name", _PROBLEMS)
def test_replay_equals_autodiff(
    problem_name, rule_name, step_weights, jit_compile
):
    replay = _traced("replay", problem_name, rule_name, jit_compile=jit_compile)
    exact = _exact(problem_name, rule_name, step_weights)
    _check_equal(exact, replay(_STEP_WEIGHTS[step_weights]), 1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_replay_equals_autodiff_in_single_precision(seed):
    rng = np.random.default_rng(seed)
    if seed % 2:
        problem = quadratic.Quadratic(
            num_functions=int(rng.integers(1, 9)),
            num_dims=int(rng.integers(1, 12)),
        )
    else:
        problem = image_classification.ImageClassification(
            "digits",
            hidden_layers=rng.integers(1, 9, rng.integers(0, 3)).tolist(),
            batch_size=int(rng.integers(1, 9)),
            activation=rng.choice(["sigmoid", "relu"]),
            initial_values=float(rng.uniform(0.1, 0.5)),
        )
    rule = registry.make_rule(
        {
            "rule": "coordinatewise",
            "layers": rng.integers(1, 21, rng.integers(0, 3)).tolist(),
            "scale": float(rng.uniform(0.01, 0.3)),
        }
    )
    step_weights = tf.constant(
        rng.uniform(0, 1, rng.integers(2, 25)), tf.float32
    )
    run = unroll.start(rule, problem, randomness.run_seed(seed, "train", 0))
    # The second unroll, which begins with a state of the rule.
    run = tf.function(unroll.unroll, autograph=False)(rule, problem, run, 3).run
    # The same arithmetic on the way forward: where gradients are near zero,
    # their logarithms would make much of another rounding.
    _check_equal(
        *_both(rule, problem, run, step_weights, jit_compile=False), 1e-4
    )


class _Shapes(base.Problem):
    """Parameters of several shapes, in a function that is not convex."""

    shapes = ([2, 2, 3, 4], [7, 3], [])
    parameter_names = ["kernel", "matrix", "scalar"]

    def initial_params(self, task, seed):
        return [
            tf.random.stateless_normal(
                shape, randomness.fold_in(seed, index), dtype=tf.float64
            )
            for index, shape in enumerate(self.shapes)
        ]

    def sample_batch(self, task, seed):
        return tf.random.stateless_normal([3], seed, dtype=tf.float64)

    def loss(self, params, model_state, task, batch, seed):
        total = 0.0
        for param, noise in zip(params, tf.unstack(batch), strict=True):
            total += tf.reduce_sum(tf.sin(param + noise) + 0.1 * param**2)
        # Independent functions, of which there may be any number.
        losses = tf.stack([total, 0.5 * total**2 / 100.0])
        return base.Outcome(losses, model_state)


@pytest.mark.parametrize("seed", range(4))
def test_replay_equals_autodiff_of_several_networks(seed):
    rng = np.random.default_rng(seed)

    def lstm(**options):
        layers = rng.integers(1, 8, rng.integers(1, 3)).tolist()
        return {**_LSTM, "layers": layers, "seed": seed, **options}

    routes = {
        "kernel": lstm(rule="kernelwise", kernel_shape=[2, 2]),
        "matrix": lstm(rule="vectorwise", size=3),
        ".*": lstm(rule="coordinatewise"),
    }
    problem = _Shapes()
    rule = registry.make_rule(
        {"rule": "routed", "routes": routes}, problem.parameter_names
    )
    step_weights = tf.constant(
        rng.uniform(0, 1, rng.integers(2, 25)), tf.float32
    )
    run = unroll.start(rule, problem, randomness.run_seed(seed, "train", 0))
    _check_equal(
        *_both(rule, problem, run, step_weights, jit_compile=bool(seed % 2)),
        1e-10,
    )


class _OfUnknownSize(quadratic.Quadratic):
    def loss(self, *arguments):
        outcome = super().loss(*arguments)
        losses = tf.boolean_mask(outcome.loss, [True] * 2)
        return outcome._replace(loss=losses)


def test_replay_takes_losses_whose_number_is_not_known_beforehand():
    rule, problem, run = _start("quadratic", "identity")
    problem = _OfUnknownSize(
        num_functions=2, num_dims=3, initial_std=1.0, dtype="float64"
    )
    results = _both(
        rule, problem, run, _STEP_WEIGHTS["random"], jit_compile=False
    )
    _check_equal(*results, 1e-10)


def test_replay_equals_autodiff_in_single_precision_under_xla():
    problem = image_classification.ImageClassification("digits")
    rule = registry.make_rule({"rule": "coordinatewise"})
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    step_weights = meta_loss.step_weights("constant", 20)
    exact, replayed = _both(rule, problem, run, step_weights)
    for a, b in zip(exact.gradients, replayed.gradients, strict=True):
        assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(a)


def test_replay_equals_autodiff_of_a_model_with_state():
    rng = np.random.default_rng(0)
    problem = keras_model.from_keras(
        lambda: keras.Sequential(
            [
                keras.Input([3]),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(2),
            ]
        ),
        "mse",
        (rng.normal(size=(60, 3)), rng.normal(size=(60, 2))),
        batch_size=5,
    )
    rule = registry.make_rule({"rule": "coordinatewise", "layers": [4]})
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    # In the plain graph: XLA would draw other units to drop.
    results = _both(
        rule, problem, run, _STEP_WEIGHTS["random"], jit_compile=False
    )
    _check_equal(*results, 1e-4)


class _StateOfParameters(simple.SimpleMulti):
    """Its loss depends on the parameters of the step before, too."""

    def initial_model_state(self, task, seed):
        return tf.constant(1.0)

    def loss(self, params, model_state, task, batch, seed):
        loss = super().loss(params, (), task, batch, seed).loss
        next_state = tf.reduce_sum(tf.square(params[0]))
        return base.Outcome(loss * model_state, next_state)


def test_a_model_s_state_counts_as_constant():
    problem = _StateOfParameters()
    rule = registry.make_rule({"rule": "coordinatewise", "layers": [4]})
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    without, replayed = _both(rule, problem, run, _STEP_WEIGHTS["random"])
    _check_equal(without, replayed, 1e-4)
    with_it = _autodiff(rule, problem, run, _STEP_WEIGHTS["random"], True)
    assert not np.allclose(without.gradients[0], with_it.gradients[0])


def test_a_fraction_of_the_coordinates_is_drawn_anew_for_each_unroll():
    rule, problem, run = _start("digits", "log_and_sign")
    estimate = tf.function(
        meta_gradients.ESTIMATORS.build(
            "replay",
            rule,
            problem,
            _STEP_WEIGHTS["constant"],
            coordinate_fraction=0.1,
        ),
        autograph=False,
    )
    first = estimate(run, ())
    again = estimate(run, ())
    for a, b in zip(first.gradients, again.gradients, strict=True):
        np.testing.assert_array_equal(a, b)
    for changed in (
        run._replace(step=tf.constant(4)),
        run._replace(seed=randomness.run_seed(0, "train", 1)),
    ):
        # The losses change too; what counts is which coordinates are drawn.
        gradients = estimate(changed, ()).gradients
        assert not np.array_equal(first.gradients[0], gradients[0])
    np.testing.assert_allclose(
        first.losses,
        _exact("digits", "log_and_sign", "constant").losses,
        rtol=1e-10,
    )
