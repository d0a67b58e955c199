"""Tests of l2l_tf/meta_training/sequence_learner.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.evaluation import learning_curves
from l2l_tf.meta_training import sequence_learner
from l2l_tf.problems import online_regression
from l2l_tf.rules import hand_designed


class _Constants(online_regression.OnlineRegression):
    """Functions that have the same value everywhere."""

    def sample_batch(self, task, seed):
        x, _ = super().sample_batch(task, seed)
        return x, task[:, -1]


def _learner(problem, num_examples=4, **options):
    return sequence_learner.SequenceLearner(
        problem, num_examples, layers=[8], **options
    )


@pytest.fixture(scope="module")
def trained():
    """Returns a learner of constants."""
    learner = _learner(_Constants(num_functions=64))
    learner.train(400, learning_rate=0.03)
    return learner


def test_it_learns_a_new_function_from_its_first_example(trained):
    errors = trained.errors("test", 0, 2).numpy()
    assert errors.shape == (128, 4)
    # Of numbers uniform on [-1, 1] nothing is known at first.
    first, *rest = errors.mean(axis=0)
    assert first == pytest.approx(1 / 3, rel=0.25)
    assert max(rest) < 0.1 * first


def test_learning_takes_place_in_the_state(trained):
    before = [v.numpy() for v in trained.trainable_variables]
    first = trained.errors("test", 0, 1).numpy()
    np.testing.assert_array_equal(first, trained.errors("test", 0, 1))
    assert not np.array_equal(first, trained.errors("test", 1, 1))
    for variable, value in zip(
        trained.trainable_variables, before, strict=True
    ):
        np.testing.assert_array_equal(variable, value)


def test_a_prediction_knows_no_target_that_is_to_come():
    learner = _learner(_Constants(num_functions=3))
    inputs = tf.random.stateless_normal([4, 3, 2], [0, 0])
    targets = tf.random.stateless_normal([4, 3], [0, 1])
    others = tf.concat([targets[:2], targets[2:] + 1.0], axis=0)
    ours, theirs = (
        tf.sqrt(learner._squared_errors(inputs, t)).numpy()
        for t in (targets, others)
    )
    np.testing.assert_array_equal(ours[:2], theirs[:2])
    # The third target is read with the fourth input.
    learner_sees = np.abs(ours[3] - theirs[3])
    assert np.min(learner_sees) > 1e-3


def test_examples_are_those_that_online_learners_meet():
    problem = online_regression.OnlineRegression("test", num_functions=3)
    sequences = []

    class Spy(online_regression.OnlineRegression):
        def loss(self, params, model_state, task, batch, seed):
            outcome = super().loss(params, model_state, task, batch, seed)
            return outcome._replace(loss=batch[1])

    learner = _learner(problem)
    learner._errors = lambda inputs, targets: (
        sequences.append(targets) or (tf.zeros_like(targets))
    )
    learner.errors("test", 5, 2)
    recorder = learning_curves.Recorder(
        lambda rate: hand_designed.SGD(rate), Spy("test", num_functions=3), 3
    )
    seen = np.concatenate([tf.transpose(s) for s in sequences])
    np.testing.assert_allclose(recorder.curves(5, 2), seen, rtol=1e-6)
