"""Tests of l2l_tf/evaluation/update_scales.py."""

import numpy as np
import pytest

from l2l_tf.evaluation import proposals
from l2l_tf.evaluation import update_scales
from l2l_tf.rules import registry as rules

_FACTORS = (1e-3, 1.0, 1e3)


@pytest.fixture(name="gradients", scope="module")
def _gradients():
    random = np.random.default_rng(6)
    return [
        random.normal(size=[5, 3, 2]).astype(np.float32),
        random.normal(size=[5, 40]).astype(np.float32),
    ]


def test_sgd_scales_with_gradients_and_adam_does_not(gradients):
    sgd = rules.make_rule({"rule": "sgd", "learning_rate": 0.5})
    every = np.concatenate([g.ravel() for g in gradients])
    np.testing.assert_allclose(
        update_scales.sizes(sgd, gradients, _FACTORS),
        0.5 * np.sqrt(np.mean(every**2)) * np.array(_FACTORS),
        rtol=1e-5,
    )
    adam = rules.make_rule({"rule": "adam", "learning_rate": 0.5})
    found = update_scales.sizes(adam, gradients, _FACTORS)
    np.testing.assert_allclose(found, found[1], rtol=1e-2)


def test_a_factor_of_one_gives_the_updates_as_they_are(gradients):
    rule = rules.make_rule({"layers": [4], "initializer": 0.5})
    updates = proposals.Follower(rule).follow(gradients).updates
    every = np.concatenate([u.ravel() for u in updates])
    few, same = update_scales.sizes(rule, gradients, (0.1, 1.0))
    assert same == pytest.approx(np.sqrt(np.mean(every**2)), rel=1e-5)
    assert few != pytest.approx(same, rel=1e-2)
