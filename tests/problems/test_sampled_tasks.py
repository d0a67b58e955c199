"""Tests of l2l_tf/problems/sampled_tasks.py."""

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import registry as meta_gradients
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import registry
from l2l_tf.rules import registry as rules


@pytest.fixture(scope="module")
def problem():
    return registry.make_problem("sampled-tasks", num_architectures=10)


def _seed(index=0, split="train"):
    return randomness.run_seed(0, split, index)


def _loss(member, index, split="train"):
    seed = _seed(index, split)
    task, params, state = unroll.draw_start(member, seed)
    batch = member.sample_batch(task, seed)
    loss = member.loss(params, state, task, batch, seed).loss
    return task, params, float(loss)


def test_kinds_take_turns_and_sizes_keep_to_the_limit(problem):
    names = [member.name for member in problem.members]
    for name, kind in zip(
        names,
        ["MLP", "", "autoencoder", "regression", "cells"] * 2,
        strict=True,
    ):
        assert kind in name
    assert any("convnet" in name for name in names)
    for member in problem.members:
        assert 200 <= member.architecture.network.size <= 4_000


def test_a_longer_list_begins_with_a_shorter_one(problem):
    shorter = registry.make_problem("sampled-tasks", num_architectures=6)
    assert [m.name for m in shorter.members] == [
        m.name for m in problem.members[:6]
    ]
    other = registry.make_problem(
        "sampled-tasks", num_architectures=6, architecture_seed=1
    )
    assert [m.name for m in other.members] != [m.name for m in shorter.members]


def test_configuration_builds_it_again(problem):
    config = problem.config()
    again = registry.make_problem(config["name"], **config["options"])
    assert again.config() == config
    for ours, theirs in zip(problem.members, again.members, strict=True):
        assert ours.name == theirs.name
        assert _loss(ours, 0)[2] == _loss(theirs, 0)[2]


def test_a_loss_of_one_unit_is_one_that_nothing_was_learned_for(problem):
    for member in problem.members:
        losses = []
        for index in range(5):
            task, _, loss = _loss(member, index)
            losses.append(loss / float(member.unit(task)))
        assert 0.6 < np.median(losses) < 6.0, member.name


def test_factors_change_gradients_and_not_the_function(problem):
    """f(u) = c loss(s u), so that its gradient is c s times the loss's."""
    plain = registry.make_problem(
        "sampled-tasks",
        num_architectures=10,
        loss_factor=1.0,
        parameter_factor=1.0,
    )
    for ours, theirs in zip(
        problem.members[:4], plain.members[:4], strict=True
    ):
        seed = _seed()
        gradients, losses, values, tasks = [], [], [], []
        for member in (ours, theirs):
            task, params, state = unroll.draw_start(member, seed)
            batch = member.sample_batch(task, seed)
            with tf.GradientTape() as tape:
                tape.watch(params)
                loss = member.loss(params, state, task, batch, seed).loss
            gradients.append(tape.gradient(loss, params))
            losses.append(float(loss / member.unit(task)))
            values.append(params)
            tasks.append(task)
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        factor = float(tasks[0]["loss_factor"])
        assert float(tasks[1]["loss_factor"]) == 1.0 != factor
        assert 0.1 <= factor <= 10.0
        for g, h, u, v, s in zip(
            *gradients, *values, tasks[0]["factors"], strict=True
        ):
            assert 1 / 3.001 <= np.min(s) and np.max(s) <= 3.001
            np.testing.assert_allclose(u * s, v, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(
                g, factor * s * h, rtol=1e-3, atol=1e-5 * factor
            )


def test_splits_have_other_examples(problem):
    for member in problem.members[:5]:
        _, _, ours = _loss(member, 0)
        _, _, theirs = _loss(member.with_split("test"), 0, "test")
        assert ours != theirs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": []}, "one or more of"),
        ({"data": ["imagenet"]}, "'imagenet'"),
        ({"data": "digits"}, "'digits'"),
        ({"num_architectures": 0}, "num_architectures"),
        ({"max_parameters": 100}, "max_parameters"),
        ({"loss_factor": 0.5}, "loss_factor"),
        ({"loss_factor": 1e300}, "loss_factor.*at most 1e"),
        ({"num_architectures": 10**9}, "num_architectures.*at most 1000"),
        ({"parameter_factor": "big"}, "parameter_factor"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        registry.make_problem("sampled-tasks", **options)


@pytest.mark.parametrize("index", [0, 4])
def test_replay_is_automatic_differentiation(problem, index):
    """In units of the task, both."""
    member = problem.members[index]
    rule = rules.make_rule({"layers": [3], "scale": 0.1})
    run = unroll.start(rule, member, _seed())
    found = []
    for name in ("autodiff", "replay"):
        options = {"jit_compile": False} if name == "replay" else {}
        estimator = meta_gradients.ESTIMATORS.build(
            name, rule, member, tf.ones([4]), **options
        )
        estimate = tf.function(estimator, autograph=False)(run, ())
        found.append(estimate)
    exact, ours = found
    np.testing.assert_allclose(ours.loss, exact.loss, rtol=1e-5)
    unit = float(member.unit(run.task))
    batch = member.sample_batch(
        run.task,
        randomness.fold_in(randomness.stream(run.seed, "batch"), 0),
    )
    first = member.loss(run.params, (), run.task, batch, run.seed).loss
    assert float(exact.losses[0]) == pytest.approx(float(first) / unit, 1e-5)
    for a, b in zip(ours.gradients, exact.gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
