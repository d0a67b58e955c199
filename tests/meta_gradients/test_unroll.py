"""Tests of l2l_tf/meta_gradients/unroll.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import image_classification
from l2l_tf.problems import keras_model
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import hand_designed
from l2l_tf.rules.learned import deep_lstm_rules as learned

_SEED = tf.constant([1, 2])
_DIGITS = image_classification.ImageClassification(
    "digits", hidden_layers=[3], batch_size=4, initial_values=0.5
)
_QUADRATIC = quadratic.Quadratic(num_functions=3, num_dims=4, dtype="float64")


def _dropout_and_batch_norm():
    rng = np.random.default_rng(0)
    return keras_model.from_keras(
        lambda: keras.Sequential(
            [
                keras.Input([4]),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        ),
        "mse",
        (rng.normal(size=(60, 4)), rng.normal(size=(60, 1))),
        batch_size=4,
    )


def _run(rule, problem, num_steps, num_unrolls=1):
    """The losses and the end of a run that is made of several unrolls."""
    start = tf.function(lambda: unroll.start(rule, problem, _SEED))
    go = tf.function(lambda run: unroll.unroll(rule, problem, run, num_steps))
    run, losses = start(), []
    for _ in range(num_unrolls):
        part, run, _ = go(run)
        losses.append(part)
    return losses, run


def _batch(problem, step):
    stream = randomness.stream(_SEED, "batch")
    return problem.sample_batch((), randomness.fold_in(stream, step))


@pytest.mark.parametrize(
    "make_problem", [lambda: _DIGITS, _dropout_and_batch_norm]
)
def test_five_unrolls_of_20_are_one_of_100(make_problem):
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    problem = make_problem()
    parts, run = _run(rule, problem, 20, 5)
    [whole], expected = _run(rule, problem, 100)
    for index, losses in enumerate(parts):
        np.testing.assert_allclose(
            losses, whole[20 * index : 20 * index + 21], rtol=1e-5
        )
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        run,
        expected,
    )
    assert int(run.step) == 100


def _quadratic_and_slope():
    w, y = _QUADRATIC.sample_task(randomness.stream(_SEED, "task"))

    def loss(theta):
        return np.einsum("nij,nj->ni", w, theta) - y

    def slope(theta):
        return 2 * np.einsum("nij,ni->nj", w, loss(theta))

    [theta] = _QUADRATIC.initial_params((), randomness.stream(_SEED, "params"))
    return lambda t: np.sum(loss(t) ** 2, 1), slope, theta.numpy()


def test_sgd_equals_a_plain_loop():
    [losses], run = _run(hand_designed.SGD(2**-6), _QUADRATIC, 30)
    loss, slope, theta = _quadratic_and_slope()
    for step in range(30):
        np.testing.assert_allclose(losses[step], loss(theta))
        theta = theta - 2**-6 * slope(theta)
    np.testing.assert_allclose(losses[30], loss(theta))
    np.testing.assert_allclose(run.params[0], theta)
    assert len(losses) == 31


def test_adam_equals_a_plain_loop():
    rule = hand_designed.Adam(2**-4, beta_1=0.75, beta_2=0.875, epsilon=2**-20)
    [losses], run = _run(rule, _QUADRATIC, 30)
    loss, slope, theta = _quadratic_and_slope()
    m = v = 0.0
    for step in range(1, 31):
        np.testing.assert_allclose(losses[step - 1], loss(theta))
        m = 0.75 * m + 0.25 * slope(theta)
        v = 0.875 * v + 0.125 * slope(theta) ** 2
        rate = 2**-4 * np.sqrt(1 - 0.875**step) / (1 - 0.75**step)
        theta = theta - rate * m / (np.sqrt(v) + 2**-20)
    np.testing.assert_allclose(losses[30], loss(theta))
    np.testing.assert_allclose(run.params[0], theta)


def test_every_loss_is_taken_on_a_minibatch_of_its_own():
    [losses], run = _run(hand_designed.SGD(0.0), _DIGITS, 5)
    expected = [
        _DIGITS.loss(run.params, (), _batch(_DIGITS, t)) for t in range(6)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert len(set(losses.numpy())) == 6


def test_the_last_loss_is_that_of_the_last_parameters():
    [losses], run = _run(hand_designed.SGD(0.5), _DIGITS, 3)
    expected = _DIGITS.loss(run.params, (), _batch(_DIGITS, 3))
    np.testing.assert_allclose(losses[-1], expected, rtol=1e-5)


@pytest.mark.parametrize("make_problem", [lambda: _DIGITS, lambda: _QUADRATIC])
@pytest.mark.parametrize("second_derivatives", [False, True])
def test_xla_computes_the_same(make_problem, second_derivatives):
    problem = make_problem()
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    # Neither the first step nor the first minibatch.
    start = unroll.start(rule, problem, _SEED)._replace(step=tf.constant(7))
    plain, compiled = (
        tf.function(unroll.unroll)(
            rule, problem, start, 5, second_derivatives, True, jit_compile
        )
        for jit_compile in (False, True)
    )
    assert int(compiled.run.step) == 12
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        plain,
        compiled,
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_kept_gradients_are_those_of_each_step(jit_compile):
    rule = hand_designed.SGD(0.5)
    start = unroll.start(rule, _DIGITS, _SEED)
    trajectory = tf.function(unroll.unroll)(
        rule, _DIGITS, start, 3, keep_gradients=True, jit_compile=jit_compile
    )
    params = start.params
    for step in range(4):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = _DIGITS.loss(params, (), _batch(_DIGITS, step))
        gradients = tape.gradient(loss, params)
        for kept, gradient in zip(trajectory.gradients, gradients, strict=True):
            np.testing.assert_allclose(
                kept[step], gradient, rtol=1e-4, atol=1e-6
            )
        params = [p - 0.5 * g for p, g in zip(params, gradients, strict=True)]


def test_gradients_are_not_kept_unless_asked_for():
    rule = hand_designed.SGD(0.5)
    start = unroll.start(rule, _DIGITS, _SEED)
    assert unroll.unroll(rule, _DIGITS, start, 3).gradients == []


def test_repeated_calls_add_no_traces():
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    start = tf.function(lambda seed: unroll.start(rule, _DIGITS, seed))
    go = tf.function(lambda run: unroll.unroll(rule, _DIGITS, run, 2))
    graph = None
    for index in range(3):
        run = start(randomness.run_seed(0, "train", index))
        for _ in range(2):
            run = go(run).run
        size = len(go.get_concrete_function(run).graph.as_graph_def().node)
        assert graph in (None, size)
        graph = size
    assert start.experimental_get_tracing_count() == 1
    assert go.experimental_get_tracing_count() == 1


class _Unused(simple.SimpleMulti):
    def loss(self, params, task, batch):
        return tf.square(params[0])


def test_a_parameter_that_the_loss_does_not_use_has_no_gradient():
    _, run = _run(hand_designed.SGD(0.25), _Unused(), 1)
    np.testing.assert_array_equal(run.params, [0.5, 1.0])
