"""Tests of l2l_tf/problems/ensemble.py."""

import keras
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import ensemble
from l2l_tf.problems import image_classification
from l2l_tf.problems import keras_model
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.problems import sonnet_model
from l2l_tf.rules import hand_designed

_SEED = tf.constant([1, 2])


def _digits(**options):
    return image_classification.ImageClassification(
        "digits", hidden_layers=[], batch_size=4, **options
    )


def _batch_norm():
    rng = np.random.default_rng(0)
    return keras_model.from_keras(
        lambda: keras.Sequential(
            [
                keras.Input([3]),
                keras.layers.BatchNormalization(momentum=0.5),
                keras.layers.Dense(1),
            ]
        ),
        "mse",
        (rng.normal(size=(30, 3)) + 5.0, np.zeros([30, 1])),
        batch_size=4,
    )


def test_the_loss_is_the_weighted_sum():
    parts = [_digits(), simple.Simple(), _digits(), _batch_norm()]
    factors = [2.0, -0.5, 3.0, 0.25]
    problem = ensemble.Ensemble(parts, factors)
    task = problem.sample_task(_SEED)
    params = problem.initial_params(task, _SEED)
    batch = problem.sample_batch(task, _SEED)
    state = problem.initial_model_state(task, _SEED)
    outcome = problem.loss(params, state, task, batch, _SEED)
    expected, remaining, metrics = 0.0, list(params), {}
    for index, (part, factor) in enumerate(zip(parts, factors, strict=True)):
        size = len(part.parameter_names)
        own, remaining = remaining[:size], remaining[size:]
        part_outcome = part.loss(
            own, state[index], task[index], batch[index], _SEED
        )
        expected += factor * part_outcome.loss
        tf.nest.map_structure(
            np.testing.assert_array_equal,
            outcome.model_state[index],
            part_outcome.model_state,
        )
        for name, value in part_outcome.metrics.items():
            metrics[f"problem_{index}/{name}"] = value
    assert not remaining
    np.testing.assert_allclose(outcome.loss, expected, rtol=1e-6)
    assert set(metrics) == {"problem_0/accuracy", "problem_2/accuracy"}
    assert outcome.metrics == metrics


def test_factors_default_to_one():
    problem = ensemble.Ensemble([simple.Simple(), simple.SimpleMulti()])
    params = [tf.constant(x) for x in (1.0, 2.0, 3.0)]
    nothing = [(), ()]
    outcome = problem.loss(params, nothing, nothing, nothing, _SEED)
    assert float(outcome.loss) == 14.0


def test_independent_functions_stay_independent():
    parts = [quadratic.Quadratic(num_functions=3) for _ in range(2)]
    problem = ensemble.Ensemble(parts)
    task = problem.sample_task(_SEED)
    params = problem.initial_params(task, _SEED)
    losses = [
        part.loss([param], (), t, (), _SEED).loss
        for part, param, t in zip(parts, params, task, strict=True)
    ]
    nothing = [(), ()]
    outcome = problem.loss(params, nothing, task, nothing, _SEED)
    np.testing.assert_allclose(outcome.loss, losses[0] + losses[1])


def test_equal_problems_are_drawn_independently():
    problem = ensemble.Ensemble([quadratic.Quadratic()] * 2)
    (w, _), (other, _) = problem.sample_task(_SEED)
    first, second = problem.initial_params([(), ()], _SEED)
    assert not np.any(w == other) and not np.any(first == second)
    problem = ensemble.Ensemble([_digits()] * 2)
    (_, labels), (_, others) = problem.sample_batch([(), ()], _SEED)
    assert np.any(labels != others)


def test_states_advance_along_an_unroll():
    problem = ensemble.Ensemble([simple.Simple(), _batch_norm()])
    rule = hand_designed.SGD()

    @tf.function
    def states():
        start = unroll.start(rule, problem, _SEED)
        run = unroll.unroll(rule, problem, start, 20).run
        return start.model_state, run.model_state

    (_, [mean, *_]), (_, [final, *_]) = states()
    np.testing.assert_array_equal(mean, 0.0)
    np.testing.assert_allclose(final, 5.0, atol=1.0)


def _dropout():
    rng = np.random.default_rng(0)
    return sonnet_model.from_sonnet(
        DropOut,
        "mean_squared_error",
        (rng.normal(size=(30, 3)), np.zeros(30)),
        batch_size=4,
    )


class DropOut(snt.Module):
    def __init__(self):
        super().__init__()
        self.linear = snt.Linear(1)

    def __call__(self, inputs, is_training):
        assert is_training
        return self.linear(tf.nn.dropout(inputs, 0.5))


def test_each_problem_draws_from_a_seed_of_its_own():
    problem = ensemble.Ensemble([_dropout()] * 2, [1.0, -1.0])
    nothing = [(), ()]
    # The same parameters and minibatches: only masks differ.
    param = problem.initial_params(nothing, _SEED)[:2]
    batch = problem.sample_batch(nothing, _SEED)[:1]
    arguments = [*param, *param], [[], []], nothing, batch * 2
    first, again = (problem.loss(*arguments, _SEED).loss for _ in range(2))
    assert float(first) == float(again) != 0.0


def test_parameters_are_named_by_problem():
    problem = ensemble.Ensemble([simple.SimpleMulti(), quadratic.Quadratic()])
    assert problem.parameter_names == [
        "problem_0/x_0",
        "problem_0/x_1",
        "problem_1/theta",
    ]


def test_data_sets_of_all_problems_are_told_once():
    digits = image_classification.Digits()
    other = image_classification.Digits(hidden_layers=[5])
    zeros = image_classification.Digits(labels=[0, 1])
    several = ensemble.Ensemble([digits, simple.Simple(), other, zeros])
    assert several.data == f"{digits.data}; {zeros.data}"
    assert ensemble.Ensemble([simple.Simple()]).data == ""


def test_the_split_is_that_of_all_problems():
    problem = ensemble.Ensemble([simple.Simple(), _digits()]).with_split("test")
    assert [p.split for p in (problem, *problem.problems)] == ["test"] * 3
    named = ensemble.Ensemble([simple.Simple()])
    named.name = "another"
    assert named.with_split("test").config()["name"] == "another"


def test_problems_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"2 problems and the weights \[1.0\]"):
        ensemble.Ensemble([simple.Simple()] * 2, [1.0])
    with pytest.raises(ValueError, match="0 problems"):
        ensemble.Ensemble([])
    problem = ensemble.Ensemble(
        [simple.Simple(), quadratic.Quadratic(num_functions=3)]
    )
    task = problem.sample_task(_SEED)
    params = problem.initial_params(task, _SEED)
    with pytest.raises(ValueError, match=r"one shape.*\[\[\], \[3\]\]"):
        problem.loss(params, [(), ()], task, [(), ()], _SEED)
