"""Tests of l2l_tf/problems/ensemble.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import ensemble
from l2l_tf.problems import image_classification
from l2l_tf.problems import keras_model
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
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
    weights = [2.0, -0.5, 3.0, 0.25]
    problem = ensemble.Ensemble(parts, weights)
    task = problem.sample_task(_SEED)
    params = problem.initial_params(task, _SEED)
    batch = problem.sample_batch(task, _SEED)
    state = problem.initial_model_state(task, _SEED)
    loss, next_state = problem.stateful_loss(params, state, task, batch)
    expected, remaining = 0.0, list(params)
    for index, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        size = len(part.parameter_names)
        own, remaining = remaining[:size], remaining[size:]
        part_loss, part_state = part.stateful_loss(
            own, state[index], task[index], batch[index]
        )
        expected += weight * part_loss
        tf.nest.map_structure(
            np.testing.assert_array_equal, next_state[index], part_state
        )
    assert not remaining
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(
        problem.loss(params, task, batch), expected, rtol=1e-6
    )


def test_weights_default_to_one():
    problem = ensemble.Ensemble([simple.Simple(), simple.SimpleMulti()])
    params = [tf.constant(x) for x in (1.0, 2.0, 3.0)]
    assert float(problem.loss(params, [(), ()], [(), ()])) == 14.0


def test_independent_functions_stay_independent():
    parts = [quadratic.Quadratic(num_functions=3) for _ in range(2)]
    problem = ensemble.Ensemble(parts)
    task = problem.sample_task(_SEED)
    params = problem.initial_params(task, _SEED)
    losses = [
        part.loss([param], t, ())
        for part, param, t in zip(parts, params, task, strict=True)
    ]
    np.testing.assert_allclose(
        problem.loss(params, task, [(), ()]), losses[0] + losses[1]
    )


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


def test_parameters_are_named_by_problem():
    problem = ensemble.Ensemble([simple.SimpleMulti(), quadratic.Quadratic()])
    assert problem.parameter_names == [
        "problem_0/x_0",
        "problem_0/x_1",
        "problem_1/theta",
    ]


def test_the_split_is_that_of_all_problems():
    problem = ensemble.Ensemble([simple.Simple(), _digits()]).with_split("test")
    assert [p.split for p in (problem, *problem.problems)] == ["test"] * 3


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
        problem.loss(params, task, [(), ()])
