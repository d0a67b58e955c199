"""Tests of l2l_tf/meta_training/progress.py."""

import math

import tensorflow as tf

from l2l_tf.meta_training import progress


def test_the_best_phi_is_kept_and_validations_since_are_counted():
    phi = [tf.Variable([1.0])]
    state = progress.Progress(phi)
    seen = []
    for run, loss in enumerate([math.nan, 3.0, 5.0, 3.0, 2.0, math.inf], 1):
        phi[0].assign([float(run)])
        is_best = state.take_best(loss, run, phi)
        seen.append((is_best, int(state.evaluations_since_best)))
    assert seen == [
        (False, 1),
        (True, 0),
        (False, 1),
        (False, 2),
        (True, 0),
        (False, 1),
    ]
    assert (float(state.best_loss), int(state.best_run)) == (2.0, 5)
    assert float(state.best_phi[0][0]) == 5.0


def test_a_checkpoint_has_the_names_of_earlier_ones(tmp_path):
    state = progress.Progress([tf.Variable([1.0])])
    checkpoint = tf.train.Checkpoint(progress=state.checkpointable())
    path = checkpoint.save(tmp_path / "ckpt")
    names = {
        name.split("/")[1]
        for name, _ in tf.train.list_variables(path)
        if name.startswith("progress/")
    }
    assert names == {
        "epoch",
        "best_loss",
        "best_epoch",
        "evaluations_since_best",
        "best_phi",
    }
