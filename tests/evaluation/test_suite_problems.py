"""Tests of l2l_tf/evaluation/suite_problems.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.evaluation import suite_problems
from l2l_tf.evaluation import suite_runs
from tests import prepared_data

_NAMES = suite_problems.PROBLEMS.names()
_MARKED = [
    pytest.param(
        name,
        marks=[
            prepared_data.needs(dataset)
            for dataset in ("mnist", "cifar10")
            if name.startswith(dataset)
        ],
    )
    for name in _NAMES
]


def test_there_are_at_least_twelve_and_some_need_no_data():
    assert len(_NAMES) >= 12
    without = [n for n in _NAMES if not n.startswith(("mnist", "cifar10"))]
    assert len(without) >= 6


@pytest.mark.parametrize("name", _MARKED)
def test_a_start_is_drawn_from_the_seed_and_its_loss_is_finite(name):
    problem = suite_problems.PROBLEMS.get(name)()
    assert len(problem.inputs) == len(problem.targets) >= 400
    starts = suite_runs.Starts(problem)
    keras.utils.set_random_seed(0)
    model = problem.make_model()
    inputs, targets = problem.inputs[:16], problem.targets[:16]
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = problem.loss(targets, outputs)
    assert np.isfinite(loss)
    # All that has a part in the loss is a variable of the model.
    watched = {id(v) for v in tape.watched_variables()}
    assert watched == {id(v.value) for v in model.trainable_variables}
    other = starts.values(1)
    assert any(
        np.any(a != b) for a, b in zip(starts.values(0), other, strict=True)
    )
