"""Tests of l2l_tf/keras_optimizers/descent.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.keras_optimizers import descent


def _run(losses, **limits):
    """Returns the step at which descent ends, and the best points before."""
    limits = descent.Limits(**{"trial": 0, **limits})
    judge = tf.function(lambda r, loss: descent.judge(r, loss, limits))
    record = descent.Record(*map(tf.constant, descent.FIRST))
    best = []
    for step, loss in enumerate(losses):
        record, is_best, ends = judge(record, tf.constant(loss, tf.float32))
        if is_best:
            best.append(step)
        if ends:
            return step, best
    return None, best


def test_steady_descent_goes_on_and_every_step_is_best():
    losses = [3 * 0.99**t for t in range(300)]
    assert _run(losses) == (None, list(range(300)))


def test_only_the_start_is_a_best_point_until_the_trial_is_over():
    losses = [3 * 0.99**t for t in range(20)]
    assert _run(losses, trial=10) == (None, [0, *range(10, 20)])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_loss_that_is_not_finite_ends_it_at_once(bad):
    assert _run([1.0, 0.9, bad]) == (2, [0, 1])
    assert _run([bad]) == (0, [0])


def test_rise_ends_it_after_the_patience():
    losses = [1.0] * 5 + [10.0] * 50
    step, best = _run(losses, smoothing=0.0, patience=4, stall=1000)
    assert step == 8 and max(best) == 0


def test_noise_is_smoothed():
    losses = [1.0 + (step % 7 == 0) for step in range(90)]
    assert _run(losses, stall=1000)[0] is None
    assert _run(losses, smoothing=0.0, patience=1, stall=1000)[0] is not None


def test_stall_ends_it():
    assert _run([1.0] * 200, stall=50)[0] == 50
    slow = [1.0 - 1e-5 * t for t in range(200)]
    assert _run(slow, stall=50)[0] == 50


def test_negative_losses_descend_too():
    assert _run([-0.1 * t for t in range(300)], smoothing=0.0)[0] is None
    rise = [-10.0] * 5 + [-1.0] * 50
    assert _run(rise, smoothing=0.0, patience=3, stall=1000)[0] == 7


def test_running_mean_is_that_of_the_definition():
    losses = np.random.RandomState(0).rand(20)
    limits = descent.Limits(smoothing=0.8)
    record = descent.Record(*map(tf.constant, descent.FIRST))
    means = []
    for loss in losses:
        record, _, _ = descent.judge(
            record, tf.constant(loss, tf.float32), limits
        )
        weights = 0.8 ** np.arange(len(means) + 1)[::-1]
        past = losses[: len(means) + 1]
        means.append(np.sum(weights * past) / np.sum(weights))
        np.testing.assert_allclose(record.best, min(means), rtol=1e-5)
