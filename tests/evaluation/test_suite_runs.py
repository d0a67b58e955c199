"""Tests of l2l_tf/evaluation/suite_runs.py, against Keras's own loop."""

import keras
import numpy as np
import pytest

from l2l_tf.evaluation import suite_problems
from l2l_tf.evaluation import suite_runs
from l2l_tf.rules import scheduled


def _problem():
    rng = np.random.default_rng(0)
    return suite_problems.SuiteProblem(
        lambda: keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(4, activation="tanh"),
                keras.layers.BatchNormalization(),
                keras.layers.Dense(2),
            ]
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        rng.normal(size=(40, 3)).astype(np.float32),
        rng.integers(0, 2, 40).astype(np.int32),
        8,
    )


def _images():
    rng = np.random.default_rng(0)
    return suite_problems.SuiteProblem(
        lambda: keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                keras.layers.Conv2D(2, 3),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        ),
        keras.losses.MeanSquaredError(),
        rng.normal(size=(20, 6, 6, 1)).astype(np.float32),
        rng.normal(size=(20, 1)).astype(np.float32),
        4,
    )


def _adam(steps=0):
    return keras.optimizers.Adam(0.5)


def _nesterov(steps=0):
    return keras.optimizers.SGD(0.5, momentum=0.9, nesterov=True)


def _runner(problem, starts, make, num_steps=100, **options):
    candidate = suite_runs.Candidate("it", make, {}, **options)
    return suite_runs.Runner(problem, starts, candidate, num_steps)


@pytest.mark.parametrize("make_problem", [_problem, _images])
@pytest.mark.parametrize("make", [_adam, _nesterov])
def test_losses_are_those_of_train_on_batch(make_problem, make):
    """Also where runs of other seeds and rates came before."""
    problem = make_problem()
    starts = suite_runs.Starts(problem)
    runner = _runner(problem, starts, make)
    runner.losses(3, 7, 0.2)
    for seed, rate in ((0, 0.01), (1, 0.03)):
        # More than a chunk, and part of another.
        ours = runner.losses(seed, 60, rate)
        keras.utils.set_random_seed(seed)
        model = problem.make_model()
        optimizer = make()
        optimizer.learning_rate = rate
        model.compile(optimizer, problem.loss)
        rng = np.random.default_rng(seed)
        expected = []
        for _ in range(60):
            batch = rng.integers(
                0, len(problem.inputs), problem.batch_size, dtype=np.int32
            )
            expected.append(
                model.train_on_batch(
                    problem.inputs[batch], problem.targets[batch]
                )
            )
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


def test_a_schedule_is_kerass_own():
    problem = _problem()
    starts = suite_runs.Starts(problem)

    def decayed(steps):
        return keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(0.05, steps)
        )

    ours = _runner(problem, starts, _adam, 60, schedule=scheduled.cosine)
    keras_own = _runner(problem, starts, decayed, 60)
    np.testing.assert_allclose(
        ours.losses(0, 60, 0.05), keras_own.losses(0, 60), rtol=1e-4
    )


def test_a_longer_run_begins_as_a_shorter_one():
    problem = _problem()
    runner = _runner(problem, suite_runs.Starts(problem), _adam)
    np.testing.assert_array_equal(
        runner.losses(0, 70)[:20], runner.losses(0, 20)
    )


def test_keys_tell_seeds_and_data_apart():
    problem = _problem()
    starts = suite_runs.Starts(problem)
    assert starts.key(0) == suite_runs.Starts(_problem()).key(0)
    assert starts.key(0)["start"] != starts.key(1)["start"]
    other = problem._replace(inputs=problem.inputs + 1.0)
    assert suite_runs.Starts(other).key(0)["data"] != starts.key(0)["data"]
