"""Tests of l2l_tf/problems/sonnet_model.py."""

import keras
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import sonnet_model
from l2l_tf.rules import hand_designed

_SEED = tf.constant([1, 2])
_INPUTS = np.random.default_rng(0).normal(2.0, 3.0, [60, 4]).astype("float32")
_LABELS = (np.arange(60) % 3).astype("int32")
_SPARSE = "sparse_categorical_crossentropy"


class Norm(snt.Module):
    """Batch normalisation, then a linear layer."""

    def __init__(self, num_outputs=3):
        super().__init__(name="net")
        self.norm = snt.BatchNorm(True, True, decay_rate=0.8)
        self.linear = snt.Linear(num_outputs)

    def __call__(self, inputs, is_training):
        return self.linear(self.norm(inputs, is_training))


class Twins(snt.Module):
    """Two layers of one name, and a variable beside them."""

    def __init__(self):
        super().__init__(name="twins")
        self.layers = [snt.Linear(3), snt.Linear(3)]

    @snt.once
    def _initialize(self):
        self.shift = tf.Variable(
            lambda: tf.random.uniform([3], 5.0, 6.0), name="shift"
        )

    def __call__(self, inputs):
        self._initialize()
        first, second = (layer(inputs) for layer in self.layers)
        return first + second + self.shift


def _problem(
    make_module=Norm, loss=_SPARSE, data=(_INPUTS, _LABELS), **options
):
    options = {"batch_size": 16} | options
    return sonnet_model.from_sonnet(make_module, loss, data, **options)


def _loss(problem, params, batch, seed=_SEED):
    state = problem.initial_model_state((), _SEED)
    return problem.loss(params, state, (), batch, seed)


def _batch(problem, step=0):
    stream = randomness.stream(_SEED, "batch")
    return problem.sample_batch((), randomness.fold_in(stream, step))


def test_an_unroll_is_sonnets_own_training():
    problem = _problem()

    @tf.function
    def run():
        rule = hand_designed.SGD(0.1)
        start = unroll.start(rule, problem, _SEED)
        return start, unroll.unroll(rule, problem, start, 5, keep_metrics=True)

    start, trajectory = run()
    module = Norm()
    module(tf.zeros([1, 4]), True)
    state = [v for v in module.variables if not v.trainable]
    for variable, value in zip(
        [*module.trainable_variables, *state],
        [*start.params, *start.model_state],
        strict=True,
    ):
        variable.assign(value)
    optimizer = snt.optimizers.SGD(0.1)
    for step in range(5):
        inputs, labels = _batch(problem, step)
        with tf.GradientTape() as tape:
            logits = module(inputs, True)
            loss = keras.losses.SparseCategoricalCrossentropy(True)(
                labels, logits
            )
        variables = module.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        np.testing.assert_allclose(trajectory.losses[step], loss, rtol=1e-4)
        np.testing.assert_allclose(
            trajectory.metrics["accuracy"][step],
            np.mean(np.argmax(logits, axis=1) == labels),
            rtol=1e-6,
        )
    for value, variable in zip(
        [*trajectory.run.params, *trajectory.run.model_state],
        [*module.trainable_variables, *state],
        strict=True,
    ):
        np.testing.assert_allclose(value, variable, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("make_module", "inputs"),
    [
        (lambda: snt.nets.MLP([20, 10, 3]), _INPUTS),
        (lambda: snt.nets.MLP([20, 3], dropout_rate=0.5), _INPUTS),
        (
            lambda: snt.Sequential([snt.Conv2D(2, 3), snt.Flatten(), tf.abs]),
            np.ones([60, 4, 4, 1], "float32"),
        ),
        (
            lambda: snt.Sequential([snt.Embed(5, 4), snt.Flatten()]),
            np.ones([60, 2], "int32"),
        ),
    ],
)
def test_modules_come_in_any_shape(make_module, inputs):
    problem = _problem(make_module, data=(inputs, _LABELS))
    params = problem.initial_params((), _SEED)
    outcome = _loss(problem, params, _batch(problem))
    assert np.isfinite(outcome.loss)
    assert len(outcome.model_state) == len(
        problem.initial_model_state((), _SEED)
    )


def test_starts_differ_by_seed_and_repeat_in_one_graph():
    problem = _problem(Twins)
    draw = tf.function(lambda seed: problem.initial_params((), seed))
    first, again, other = draw(_SEED), draw(_SEED), draw(_SEED + 1)
    assert draw.experimental_get_tracing_count() == 1
    eager = problem.initial_params((), _SEED)
    for name, *values in zip(
        problem.parameter_names, first, again, other, eager, strict=True
    ):
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[3])
        is_zero = name.endswith("/b")
        assert np.all((values[0] == values[2]) == is_zero)
    weights = [v for v in first if v.shape.rank == 2]
    assert not np.any(weights[0] == weights[1])


def _made(*makers, size):
    """A function that makes modules, their inputs, and those that are drawn."""

    def make_module():
        return snt.Sequential([snt.Flatten(), *(make() for make in makers)])

    inputs = tf.ones([60, size])
    problem = _problem(make_module, data=(inputs, _LABELS))
    tf.random.set_seed(0)
    module = make_module()
    module(inputs)
    drawn = problem.initial_params((), _SEED)
    return zip(drawn, module.trainable_variables, strict=True)


def test_starts_follow_the_modules_own_initializers():
    scaling = snt.initializers.VarianceScaling(2.0, distribution="normal")
    uniform = snt.initializers.RandomUniform(0.2, 0.4)
    for values, reference in _made(
        lambda: snt.Linear(300),  # Gaussian, cut at two deviations.
        lambda: snt.Linear(300, w_init=scaling),
        lambda: snt.Linear(300, w_init=uniform, b_init=uniform),
        lambda: snt.Linear(300, b_init=snt.initializers.Constant(7.0)),
        size=300,
    ):
        levels = np.linspace(0.0, 1.0, 21)
        np.testing.assert_allclose(
            np.quantile(values, levels[1:-1]),
            np.quantile(reference, levels[1:-1]),
            atol=0.25 * np.std(reference),
        )
        if values.shape.rank == 2:
            std = np.std(reference)
            assert np.std(values) == pytest.approx(std, rel=0.02)
            assert np.max(values) == pytest.approx(np.max(reference), rel=0.2)


def test_what_is_computed_from_draws_is_computed_anew():
    orthogonal = snt.initializers.Orthogonal()
    pairs = list(_made(lambda: snt.Linear(30, w_init=orthogonal), size=30))
    for values in pairs[1]:
        product = tf.matmul(values, values, transpose_a=True)
        np.testing.assert_allclose(product, np.eye(30), atol=1e-4)
    assert not np.any(np.isclose(*pairs[1], atol=1e-6))


def test_a_convolution_is_drawn_as_sonnet_does():
    def make_module():
        return snt.Sequential([snt.Conv2D(30, 5), snt.Flatten()])

    inputs = tf.ones([60, 2, 2, 40])
    problem = _problem(make_module, data=(inputs, _LABELS))
    bias, weights = problem.initial_params((), _SEED)
    tf.random.set_seed(0)
    module = make_module()
    module(inputs)
    _, reference = module.trainable_variables
    np.testing.assert_array_equal(bias, 0.0)
    std = float(np.std(reference))
    assert np.mean(weights) == pytest.approx(0.0, abs=0.02 * std)
    assert np.std(weights) == pytest.approx(std, rel=0.02)
    # Both are cut, and have samples enough to come close to the bound.
    assert np.max(weights) == pytest.approx(np.max(reference), rel=5e-3)
    assert np.min(weights) == pytest.approx(np.min(reference), rel=5e-3)


def test_initial_values_replace_those_of_the_module():
    params = _problem(initial_values=0.3).initial_params((), _SEED)
    assert all(np.all(p != 0.0) and np.all(p != 1.0) for p in params)
    problem = _problem(initial_values="glorot_uniform")
    params = dict(
        zip(
            problem.parameter_names,
            problem.initial_params((), _SEED),
            strict=True,
        )
    )
    np.testing.assert_array_equal(params["net/batch_norm/scale"], [1.0] * 4)
    np.testing.assert_array_equal(params["net/linear/b"], [0.0] * 3)
    assert np.max(np.abs(params["net/linear/w"])) <= np.sqrt(6 / 7)


def test_dropout_masks_differ_by_step_and_by_run_and_repeat():
    problem = _problem(
        lambda: snt.nets.MLP([40, 1], dropout_rate=0.5),
        "mean_squared_error",
        (np.ones([60, 4], "float32"), np.zeros(60)),
    )

    @tf.function
    def losses(seed):
        rule = hand_designed.SGD(0.0)
        start = unroll.start(rule, problem, _SEED)._replace(seed=seed)
        return unroll.unroll(rule, problem, start, 6).losses

    first, again, other = losses(_SEED), losses(_SEED), losses(_SEED + 1)
    # With equal examples and fixed parameters, only masks change the loss.
    assert len(set(first.numpy())) == 7
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)


def test_names_are_the_modules_own_and_differ():
    assert _problem(Twins).parameter_names == [
        "twins/shift",
        "twins/linear/b",
        "twins/linear/w",
        "twins/linear_1/b",
        "twins/linear_1/w",
    ]


def _hinge(outputs, targets):
    signs = 2.0 * tf.one_hot(targets, 3) - 1.0
    return tf.reduce_mean(tf.nn.relu(1.0 - signs * outputs))


def test_losses_and_metrics_can_be_functions():
    def largest(outputs, targets):
        del targets
        return tf.reduce_max(outputs)

    problem = _problem(
        lambda: snt.Linear(3), _hinge, metrics={"largest": largest}
    )
    bias, weights = problem.initial_params((), _SEED)
    inputs, labels = batch = _batch(problem)
    outcome = _loss(problem, [bias, weights], batch)
    outputs = inputs @ weights + bias
    np.testing.assert_allclose(outcome.loss, _hinge(outputs, labels), rtol=1e-5)
    assert set(outcome.metrics) == {"largest"}
    np.testing.assert_allclose(
        outcome.metrics["largest"], np.max(outputs), rtol=1e-5
    )
    assert not _loss(
        _problem(lambda: snt.Linear(3), _hinge), [bias, weights], batch
    ).metrics
    config = problem.config()
    assert config["name"] == "from_sonnet"
    assert config["options"]["loss"] == "_hinge"


def test_splits_and_data_are_those_of_from_keras():
    numbers = np.arange(61.0)[:, np.newaxis]
    problem = _problem(
        lambda: snt.Linear(1),
        "mean_squared_error",
        tf.data.Dataset.from_tensor_slices((numbers, numbers)).batch(7),
        batch_size=1000,
    )
    drawn = {
        split: set(_batch(problem.with_split(split))[0].numpy().ravel())
        for split in ("train", "validation", "test")
    }
    assert drawn == {
        "train": set(range(41)),
        "validation": set(range(41, 51)),
        "test": set(range(51, 61)),
    }


class Filled(snt.Module):
    """Made before, outside of any problem."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.ones([4, 3]))

    def __call__(self, inputs):
        return inputs @ self.w


def test_what_makes_no_sense_is_refused():
    for make_module, loss, message in (
        (snt.Flatten, _SPARSE, "no trainable variables"),
        (lambda: lambda x: x, _SPARSE, "Sonnet module.*function"),
        (lambda: snt.Linear(3), "nope", "'nope'.*'?sparse_categorical"),
    ):
        with pytest.raises(ValueError, match=message):
            _problem(make_module, loss)
    with pytest.raises(ValueError, match="batch_size.*0"):
        _problem(batch_size=0)
    with pytest.raises(ValueError, match="initial values 'nope'"):
        _problem(initial_values="nope")
    with pytest.raises(ValueError, match="at least 6.*5"):
        _problem(data=(_INPUTS[:5], _LABELS[:5]))
    problem = _problem(
        lambda: snt.Linear(3), lambda outputs, targets: outputs[:, 0]
    )
    with pytest.raises(ValueError, match=r"scalar.*\(16,\)"):
        _loss(problem, problem.initial_params((), _SEED), _batch(problem))


@pytest.mark.parametrize("module", [snt.Linear(3), Filled()])
def test_a_module_that_is_not_made_anew_is_refused(module):
    with pytest.raises(ValueError, match="new module"):
        problem = _problem(lambda: module)
        problem.initial_params((), _SEED)
