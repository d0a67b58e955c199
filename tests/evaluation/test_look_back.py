"""Tests of l2l_tf/evaluation/look_back.py."""

import numpy as np
import pytest

from l2l_tf.evaluation import look_back
from l2l_tf.evaluation import proposals
from l2l_tf.rules import registry as rules

_RATE, _DECAY = 0.1, 0.9


@pytest.fixture(name="gradients", scope="module")
def _gradients():
    random = np.random.default_rng(5)
    return [
        random.normal(size=[9, 3, 2]).astype(np.float32),
        random.normal(size=[9, 4]).astype(np.float32),
    ]


def _flat(gradients):
    return np.concatenate([g.reshape(len(g), -1) for g in gradients], axis=1)


def _rms(values):
    return np.sqrt(np.mean(np.square(values), axis=-1))


def test_momentum_forgets_as_its_formula_says(gradients):
    rule = rules.make_rule({"rule": "momentum", "learning_rate": _RATE})
    found = look_back.effects(rule, gradients, [4, 8], 4)
    flat = _flat(gradients)
    for row, step in zip(found, (4, 8), strict=True):
        decays = _DECAY ** np.arange(step, -1, -1)[:, np.newaxis]
        update = np.sum(decays * flat[: step + 1], axis=0)
        expected = [_DECAY**k * _rms(flat[step - k]) for k in range(5)]
        np.testing.assert_allclose(row, expected / _rms(update), rtol=1e-4)


def test_sgd_looks_at_nothing_but_the_gradient(gradients):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": _RATE})
    [found] = look_back.effects(rule, gradients, [5], 3)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        {"layers": [4], "initializer": 0.5, "preprocessing": "identity"},
        {"rule": "adam", "learning_rate": _RATE},
    ],
)
def test_effects_are_differences_of_updates(config, gradients):
    rule = rules.make_rule(config)
    step, epsilon = 7, 1e-2
    [found] = look_back.effects(rule, gradients, [step], 5)

    def updates(back, factor):
        changed = [g.copy() for g in gradients]
        for g in changed:
            g[step - back] *= factor
        followed = proposals.Follower(rule).follow(changed).updates
        return _flat(followed)[step]

    for back in (0, 1, 5):
        change = updates(back, 1 + epsilon) - updates(back, 1 - epsilon)
        expected = _rms(change / (2 * epsilon)) / _rms(updates(0, 1.0))
        np.testing.assert_allclose(found[back], expected, rtol=2e-2)


@pytest.mark.parametrize("size", [0.0, 1e-25])
def test_coordinates_that_never_moved_have_no_effect(size, gradients):
    still = [*gradients, np.full([9, 10], size, np.float32)]
    rule = rules.make_rule({"rule": "adam", "learning_rate": _RATE})
    np.testing.assert_allclose(
        look_back.effects(rule, still, [6], 3),
        look_back.effects(rule, gradients, [6], 3),
        rtol=1e-4,
    )


@pytest.mark.parametrize("step", [2, 9])
def test_steps_that_cannot_be_looked_back_from_are_refused(step, gradients):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": _RATE})
    with pytest.raises(ValueError, match=f"from 3 to 8; received {step}"):
        look_back.effects(rule, gradients, [step], 3)


@pytest.mark.parametrize(
    "options",
    [
        {"averaging_cells": 1},
        {"inputs": "rms"},
        {"outputs": "rms"},
        {"rule": "vectorwise", "size": 2},
    ],
)
def test_rules_whose_coordinates_share_something_are_refused(
    options, gradients
):
    rule = rules.make_rule({"layers": [3], "initializer": 0.5, **options})
    with pytest.raises(ValueError, match="share nothing; received"):
        look_back.effects(rule, gradients[:1], [5], 3)


@pytest.mark.parametrize(("steps", "num_back"), [([], 3), ([5], -1)])
def test_nothing_to_look_back_at_is_refused(steps, num_back, gradients):
    rule = rules.make_rule({"rule": "sgd", "learning_rate": _RATE})
    with pytest.raises(ValueError, match="Looking back takes gradients"):
        look_back.effects(rule, gradients, steps, num_back)
