"""Tests of l2l_tf/meta_gradients/unroll.py."""

import keras
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base
from l2l_tf.problems import image_classification
from l2l_tf.problems import keras_model
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.problems import sonnet_model
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
    start = tf.function(
        lambda: unroll.start(rule, problem, _SEED), autograph=False
    )
    go = tf.function(
        lambda run: unroll.unroll(rule, problem, run, num_steps),
        autograph=False,
    )
    run, losses = start(), []
    for _ in range(num_unrolls):
        trajectory = go(run)
        losses.append(trajectory.losses)
        run = trajectory.run
    return losses, run


def _batch(problem, step):
    stream = randomness.stream(_SEED, "batch")
    return problem.sample_batch((), randomness.fold_in(stream, step))


def _digits_loss(params, batch):
    return _DIGITS.loss(params, (), (), batch, _SEED)


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


def _quadratic_and_gradient():
    w, y = _QUADRATIC.sample_task(randomness.stream(_SEED, "task"))

    def loss(theta):
        return np.einsum("nij,nj->ni", w, theta) - y

    def gradient(theta):
        return 2 * np.einsum("nij,ni->nj", w, loss(theta))

    [theta] = _QUADRATIC.initial_params((), randomness.stream(_SEED, "params"))
    return lambda t: np.sum(loss(t) ** 2, 1), gradient, theta.numpy()


def test_sgd_equals_a_plain_loop():
    [losses], run = _run(hand_designed.SGD(2**-6), _QUADRATIC, 30)
    loss, gradient, theta = _quadratic_and_gradient()
    for step in range(30):
        np.testing.assert_allclose(losses[step], loss(theta))
        theta = theta - 2**-6 * gradient(theta)
    np.testing.assert_allclose(losses[30], loss(theta))
    np.testing.assert_allclose(run.params[0], theta)
    assert len(losses) == 31


def test_adam_equals_a_plain_loop():
    rule = hand_designed.Adam(2**-4, beta_1=0.75, beta_2=0.875, epsilon=2**-20)
    [losses], run = _run(rule, _QUADRATIC, 30)
    loss, gradient, theta = _quadratic_and_gradient()
    m = v = 0.0
    for step in range(1, 31):
        np.testing.assert_allclose(losses[step - 1], loss(theta))
        m = 0.75 * m + 0.25 * gradient(theta)
        v = 0.875 * v + 0.125 * gradient(theta) ** 2
        rate = 2**-4 * np.sqrt(1 - 0.875**step) / (1 - 0.75**step)
        theta = theta - rate * m / (np.sqrt(v) + 2**-20)
    np.testing.assert_allclose(losses[30], loss(theta))
    np.testing.assert_allclose(run.params[0], theta)


def test_every_loss_is_taken_on_a_minibatch_of_its_own():
    [losses], run = _run(hand_designed.SGD(0.0), _DIGITS, 5)
    expected = [
        _digits_loss(run.params, _batch(_DIGITS, t)).loss for t in range(6)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert len(set(losses.numpy())) == 6


def test_the_last_loss_is_that_of_the_last_parameters():
    [losses], run = _run(hand_designed.SGD(0.5), _DIGITS, 3)
    expected = _digits_loss(run.params, _batch(_DIGITS, 3)).loss
    np.testing.assert_allclose(losses[-1], expected, rtol=1e-5)


@pytest.mark.parametrize("make_problem", [lambda: _DIGITS, lambda: _QUADRATIC])
@pytest.mark.parametrize("second_derivatives", [False, True])
def test_xla_computes_the_same(make_problem, second_derivatives):
    problem = make_problem()
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    # Neither the first step nor the first minibatch.
    start = unroll.start(rule, problem, _SEED)._replace(step=tf.constant(7))
    plain, compiled = (
        tf.function(unroll.unroll, autograph=False)(
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
    trajectory = tf.function(unroll.unroll, autograph=False)(
        rule, _DIGITS, start, 3, keep_gradients=True, jit_compile=jit_compile
    )
    params = start.params
    for step in range(4):
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = _digits_loss(params, _batch(_DIGITS, step)).loss
        gradients = tape.gradient(loss, params)
        for kept, gradient in zip(trajectory.gradients, gradients, strict=True):
            np.testing.assert_allclose(
                kept[step], gradient, rtol=1e-4, atol=1e-6
            )
        params = [p - 0.5 * g for p, g in zip(params, gradients, strict=True)]


def test_gradients_are_not_kept_unless_asked_for():
    rule = hand_designed.SGD(0.5)
    start = unroll.start(rule, _DIGITS, _SEED)
    trajectory = unroll.unroll(rule, _DIGITS, start, 3)
    assert trajectory.gradients == []
    assert trajectory.records == () and trajectory.metrics == {}


def test_repeated_calls_add_no_traces():
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    start = tf.function(
        lambda seed: unroll.start(rule, _DIGITS, seed), autograph=False
    )
    go = tf.function(
        lambda run: unroll.unroll(rule, _DIGITS, run, 2), autograph=False
    )
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
    def loss(self, params, model_state, task, batch, seed):
        return base.Outcome(tf.square(params[0]), model_state)


def test_a_parameter_that_the_loss_does_not_use_has_no_gradient():
    _, run = _run(hand_designed.SGD(0.25), _Unused(), 1)
    np.testing.assert_array_equal(run.params, [0.5, 1.0])


class _Python(simple.SimpleMulti):
    """f(x_0, x_1) = x_0^2, by Python; gradients are of an unknown shape."""

    def initial_params(self, task, seed):
        return [tf.ones([2]), tf.ones([3])]

    def loss(self, params, model_state, task, batch, seed):
        square = tf.py_function(tf.square, [params[0]], tf.float32)
        return base.Outcome(tf.reduce_sum(square), model_state)


def test_gradients_have_the_shapes_of_parameters():
    seen = []

    class Seeing(hand_designed.SGD):
        def __call__(self, gradients, state):
            seen.extend(gradient.shape for gradient in gradients)
            return super().__call__(gradients, state)

    _, run = _run(Seeing(0.25), _Python(), 1)
    assert {tuple(shape) for shape in seen} == {(2,), (3,)}
    np.testing.assert_array_equal(run.params[0], [0.5, 0.5])


class _Recording(hand_designed.SGD):
    """Records the first gradient halved, and how far the state has come."""

    def record(self, gradients, state):
        updates, state = self(gradients, state)
        return updates, state, {"half": gradients[0] / 2, "s": state["step"]}


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_rules_records_are_stacked(jit_compile):
    rule = _Recording(0.5)
    start = unroll.start(rule, _DIGITS, _SEED)
    trajectory = tf.function(unroll.unroll, autograph=False)(
        rule, _DIGITS, start, 3, keep_gradients=True, jit_compile=jit_compile
    )
    assert set(trajectory.records) == {"half", "s"}
    np.testing.assert_array_equal(trajectory.records["s"], [1, 2, 3])
    np.testing.assert_allclose(
        trajectory.records["half"], trajectory.gradients[0][:3] / 2
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_metrics_are_those_of_the_losses_minibatches(jit_compile):
    rule = hand_designed.SGD(0.0)
    start = unroll.start(rule, _DIGITS, _SEED)
    trajectory = tf.function(unroll.unroll, autograph=False)(
        rule, _DIGITS, start, 4, jit_compile=jit_compile, keep_metrics=True
    )
    expected = [
        _digits_loss(start.params, _batch(_DIGITS, t)).metrics["accuracy"]
        for t in range(5)
    ]
    assert len(set(map(float, expected))) > 1
    assert set(trajectory.metrics) == {"accuracy"}
    np.testing.assert_allclose(trajectory.metrics["accuracy"], expected)


class _Noisy(simple.Simple):
    """Its loss is a number that its seed draws."""

    def loss(self, params, model_state, task, batch, seed):
        drawn = tf.random.stateless_uniform([], seed)
        return base.Outcome(drawn + 0.0 * params[0], model_state)


def test_every_loss_has_a_seed_of_its_own_by_run_and_step():
    rule = hand_designed.SGD(0.0)
    parts, _ = _run(rule, _Noisy(), 2, 2)
    [whole], _ = _run(rule, _Noisy(), 4)
    stream = randomness.stream(_SEED, "loss")
    expected = [
        tf.random.stateless_uniform([], randomness.fold_in(stream, step))
        for step in range(5)
    ]
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(parts[0], expected[:3])
    np.testing.assert_array_equal(parts[1], expected[2:])


def _convnet():
    rng = np.random.default_rng(0)
    return sonnet_model.from_sonnet(
        lambda: snt.Sequential(
            [snt.Conv2D(2, 3), tf.nn.relu, snt.Flatten(), snt.Linear(3)]
        ),
        "sparse_categorical_crossentropy",
        (rng.normal(size=(60, 5, 5, 1)).astype("float32"), np.arange(60) % 3),
        batch_size=4,
    )


def _compiled_parts(problem, rule, start):
    """What XLA compiles of an unroll: its loop, or the rule in it."""
    graph = (
        tf.function(
            lambda: unroll.unroll(rule, problem, start, 3, jit_compile=True),
            autograph=False,
        )
        .get_concrete_function()
        .graph
    )
    compiled = [
        {node.op for node in function.node_def}
        for function in graph.as_graph_def().library.function
        if function.attr["_XlaMustCompile"].b
    ]
    assert compiled
    loops = {"While", "StatelessWhile"}
    return "loop" if any(ops & loops for ops in compiled) else "rule"


def test_xla_compiles_the_rule_alone_where_there_are_convolutions():
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    for problem, part in ((_DIGITS, "loop"), (_convnet(), "rule")):
        start = unroll.start(rule, problem, _SEED)
        assert _compiled_parts(problem, rule, start) == part


def test_a_convnet_unrolls_to_the_same_with_a_compiled_rule():
    problem = _convnet()
    rule = learned.CoordinatewiseDeepLSTM(layers=[3])
    start = unroll.start(rule, problem, _SEED)
    plain, compiled = (
        tf.function(unroll.unroll, autograph=False)(
            rule, problem, start, 5, False, True, jit_compile, True
        )
        for jit_compile in (False, True)
    )
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        plain,
        compiled,
    )


class _Bare(simple.Simple):
    def loss(self, params, model_state, task, batch, seed):
        return tf.square(params[0])


def test_a_loss_that_is_no_outcome_is_refused():
    with pytest.raises(TypeError, match="_Bare must return an Outcome"):
        _run(hand_designed.SGD(0.25), _Bare(), 1)


def test_a_wrong_number_of_functions_is_refused():
    problem = quadratic.Quadratic(num_functions=2, num_dims=3)
    rule = hand_designed.SGD(0.1)
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    problem.num_functions = 3
    with pytest.raises(
        ValueError, match=r"holds 3 functions .* received \[2\]"
    ):
        unroll.unroll(rule, problem, run, 1)
