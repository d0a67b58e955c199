"""Tests of training on families, l2l_tf/meta_training/member.py."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves
from l2l_tf.meta_training import member as member_lib
from l2l_tf.meta_training import meta_optimizer
from l2l_tf.meta_training import preparation
from l2l_tf.meta_training import run_lengths
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import mixture
from l2l_tf.problems import quadratic
from l2l_tf.problems import registry
from l2l_tf.problems import simple
from l2l_tf.rules import registry as rules

pytestmark = pytest.mark.slow

_SETTINGS = settings_lib.Settings(
    num_epochs=6,
    num_steps=4,
    unroll_length=2,
    learning_rate=0.01,
    evaluation_period=3,
    evaluation_epochs=2,
    num_lanes=1,
    jit_compile=False,
    seed=1,
)


def _members():
    return [
        quadratic.Quadratic(num_functions=3, num_dims=2),
        simple.SimpleMulti(),
        quadratic.Quadratic(num_functions=2, num_dims=4),
    ]


def _rule():
    return rules.make_rule({"layers": [3]})


def _trainer(problem=None, **changes):
    return meta_training.MetaTrainer(
        _rule(),
        problem or mixture.Mixture(_members()),
        dataclasses.replace(_SETTINGS, **changes),
    )


def _phi(trainer):
    return [v.numpy() for v in trainer.rule.trainable_variables]


def test_each_run_is_one_of_the_member_that_the_seed_chooses():
    """Against the meta-steps of each member, one after the other."""
    trainer = _trainer(evaluation_period=6)
    rule = _rule()
    steps = meta_optimizer.MetaOptimizer(rule.trainable_variables, None)
    members = [
        member_lib.Member(rule, problem, tf.ones([3]), _SETTINGS, steps)
        for problem in _members()
    ]
    order = [randomness.shuffled_position(1, index, 3) for index in range(6)]
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]
    for index, (position, report) in enumerate(
        zip(order, trainer.train(), strict=True)
    ):
        losses, _ = members[position].make_run(
            [randomness.run_seed(1, "train", index)],
            tf.constant(0.01),
            run_lengths.plan(_SETTINGS, index),
        )
        assert report.meta_loss == pytest.approx(np.mean(losses) / 3, rel=1e-6)
    for ours, expected in zip(
        _phi(trainer), rule.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


def test_runs_of_all_lengths_share_what_is_traced():
    settings = dataclasses.replace(_SETTINGS, num_steps=6, min_steps=2)
    rule = _rule()
    steps = meta_optimizer.MetaOptimizer(rule.trainable_variables, None)
    member = member_lib.Member(
        rule, _members()[0], tf.ones([3]), settings, steps
    )
    plans = [run_lengths.plan(settings, index) for index in range(12)]
    assert len({plan.num_unrolls for plan in plans}) > 1
    for index, plan in enumerate(plans):
        seed = randomness.run_seed(1, "train", index)
        losses, _ = member.make_run([seed], tf.constant(0.01), plan)
        assert len(losses) == plan.num_unrolls
    for traced in (member._start_all, member._meta_step):
        assert traced.experimental_get_tracing_count() == 1


def test_a_mixture_of_one_trains_as_its_member():
    member = _members()[0]
    for ours, expected in zip(
        *(
            [r.meta_loss for r in _trainer(problem).train()]
            for problem in (mixture.Mixture([member]), member)
        ),
        strict=True,
    ):
        assert ours == expected


@pytest.mark.parametrize("stop", [2, 4])
def test_a_training_that_is_restored_ends_with_the_same_bits(stop, tmp_path):
    whole = _trainer()
    list(whole.train())
    first = _trainer()
    reports = first.train()
    for _ in range(stop):
        next(reports)
    path = tf.train.Checkpoint(**first.checkpointable()).save(tmp_path / "c")
    second = _trainer()
    tf.train.Checkpoint(**second.checkpointable()).restore(path)
    assert len(list(second.train())) == 6 - stop
    for ours, expected in zip(_phi(second), _phi(whole), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_validation_is_the_geometric_mean_over_members():
    trainer = _trainer()
    [report, _] = [r for r in trainer.train() if r.validation is not None]
    # Runs of the members: two of 3, of 1 and of 2 functions.
    assert report.validation.shape == (12, 5)
    parts = np.split(report.validation, [6, 8])
    for found, of in (
        (report.validation_loss, learning_curves.mean_of_last_tenth),
        (report.final_loss, lambda part: np.mean(part[:, -1])),
    ):
        expected = np.exp(np.mean([np.log(of(part)) for part in parts]))
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"meta_gradient": "autodiff"},
        {"coordinate_fraction": 0.5, "jit_compile": True},
        {"meta_gradient": "es", "num_pairs": 2},
        {"meta_gradient": "pes", "num_pairs": 2},
    ],
)
def test_sampled_tasks_are_trained_on(changes):
    # One member: that several take turns is tested above.
    problem = registry.make_problem("sampled-tasks", num_architectures=1)
    settings = settings_lib.Settings(
        num_epochs=2,
        num_steps=4,
        unroll_length=2,
        evaluation_period=2,
        evaluation_epochs=1,
        jit_compile=False,
        seed=1,
    )
    settings = dataclasses.replace(settings, **changes)
    config = preparation.complete_rule({"layers": [2]}, problem)
    trainer = meta_training.MetaTrainer(
        rules.make_rule(config), problem, settings
    )
    before = _phi(trainer)
    *_, report = trainer.train()
    assert np.isfinite(report.validation_loss) and report.skipped == 0
    assert not np.array_equal(before[0], _phi(trainer)[0])
