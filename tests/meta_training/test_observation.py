"""Tests of l2l_tf/meta_training/observation.py."""

import numpy as np

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.meta_training import observation


def test_updates_and_states_are_those_of_the_first_validation_run(
    small_trainer,
):
    rule = small_trainer.rule
    problem = small_trainer.problem.with_split("validation")
    seed = randomness.run_seed(0, "validation", 0)
    run = unroll.start(rule, problem, seed)
    positions = [run.params[0].numpy()]
    for _ in range(6):
        run = unroll.unroll(rule, problem, run, 1).run
        positions.append(run.params[0].numpy())
    updates = np.diff(positions, axis=0)
    seen = observation.Observer(small_trainer).observe()
    (last,) = seen.updates
    np.testing.assert_allclose(last, updates[-2:], rtol=1e-3, atol=1e-6)
    norms = np.linalg.norm(updates.reshape([6, -1]), axis=1)
    np.testing.assert_allclose(seen.update_norms, [norms.mean()], rtol=1e-3)
    assert norms.mean() > 0 and len(seen.states) == 2
    for ours, expected in zip(seen.states, run.rule_state, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-6)


def test_seconds_are_told_and_observing_again_gives_the_same(small_trainer):
    observer = observation.Observer(small_trainer)
    first, second = observer.observe(), observer.observe()
    assert first.forward_seconds > 0 and first.optimizee_seconds > 0
    np.testing.assert_array_equal(first.updates, second.updates)
    small_trainer.rule.trainable_variables[0].assign_add(
        0.1 * np.ones_like(small_trainer.rule.trainable_variables[0])
    )
    assert np.any(observer.observe().updates[0] != first.updates[0])
