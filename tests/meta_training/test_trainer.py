"""Tests of l2l_tf/meta_training/trainer.py."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.meta_gradients import base
from l2l_tf.meta_gradients import registry as meta_gradients
from l2l_tf.meta_gradients import unroll
from l2l_tf.meta_training import meta_optimizer
from l2l_tf.meta_training import run_lengths
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.problems import quadratic
from l2l_tf.problems import simple
from l2l_tf.rules import registry

pytestmark = pytest.mark.slow

SETTINGS = settings_lib.Settings(
    num_epochs=4,
    num_steps=6,
    unroll_length=3,
    learning_rate=0.01,
    evaluation_period=2,
    evaluation_epochs=2,
    jit_compile=False,
)
PROBLEM = quadratic.Quadratic(num_functions=3, num_dims=2)


def _trainer(rule=None, problem=PROBLEM, **changes):
    rule = rule or registry.make_rule({"layers": [3]})
    settings = dataclasses.replace(SETTINGS, **changes)
    return meta_training.MetaTrainer(rule, problem, settings)


def _phi(trainer):
    return [v.numpy() for v in trainer.rule.trainable_variables]


class _Fragile(simple.Simple):
    """Not finite on the validation split, or in training from a seed on."""

    def __init__(self, broken_split):
        super().__init__()
        self.broken_split = broken_split

    def loss(self, *arguments):
        outcome = super().loss(*arguments)
        factor = math.nan if self.split == self.broken_split else 1.0
        return outcome._replace(loss=outcome.loss * factor)


class _SometimesBroken(simple.Simple):
    """Every run whose task's coin shows tails is not a number."""

    def sample_task(self, seed):
        return tf.random.stateless_uniform([], seed)

    def loss(self, params, model_state, task, batch, seed):
        outcome = super().loss(params, model_state, task, batch, seed)
        return outcome._replace(
            loss=tf.where(task < 0.5, math.nan, outcome.loss)
        )


@pytest.mark.parametrize("name", ["autodiff", "es", "pes"])
def test_run_is_a_loop_of_estimates_and_steps_of_adam(name):
    """Against a plain loop of unrolls with Keras's Adam."""
    import keras

    options = {} if name == "autodiff" else {"num_pairs": 3}
    trainer = _trainer(num_optimizees=2, meta_gradient=name, **options)
    rule = registry.make_rule({"layers": [3]})
    adam = keras.optimizers.Adam(0.01, epsilon=1e-8)
    phi = list(rule.trainable_variables)
    adam.build(phi)
    estimator = meta_gradients.ESTIMATORS.build(
        name, rule, PROBLEM, tf.ones([4]), **options
    )
    estimate = tf.function(estimator, autograph=False)
    for index in range(2):
        runs = [
            unroll.start(
                rule, PROBLEM, randomness.run_seed(0, "train", 2 * index + i)
            )
            for i in range(2)
        ]
        states = [estimator.initial_state(run) for run in runs]
        for _ in range(2):
            results = [
                estimate(run, state)
                for run, state in zip(runs, states, strict=True)
            ]
            runs = [result.run for result in results]
            states = [result.state for result in results]
            mean = [
                (a + b) / 2
                for a, b in zip(*(r.gradients for r in results), strict=True)
            ]
            adam.apply(mean, phi)
    reports = trainer.train()
    next(reports), next(reports)
    for ours, expected in zip(_phi(trainer), phi, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["autodiff", "replay"])
def test_first_steps_are_those_of_the_released_code(name):
    """The numbers of its `meta_test.testResults`, which are Torch's, too."""
    rule = registry.make_rule(
        {"layers": [], "preprocessing": "identity", "scale": 1.0}
        | {"initializer": "zeros"}
    )
    problem = simple.Simple()
    estimator = meta_gradients.ESTIMATORS.build(
        name, rule, problem, tf.ones([6])
    )
    optimizer = meta_optimizer.MetaOptimizer(rule.trainable_variables)
    run = unroll.start(rule, problem, randomness.run_seed(0, "train", 0))
    for _ in range(2):
        estimate = tf.function(estimator, autograph=False)(run, ())
        optimizer.apply(estimate.loss, estimate.gradients, tf.constant(0.01))
        run = estimate.run
    np.testing.assert_allclose(estimate.losses[-1], 0.7325327, atol=5e-5)
    np.testing.assert_allclose(run.params[0], 0.8559, atol=5e-5)


def test_several_estimates_are_combined_to_their_mean():
    estimates = [
        base.Estimate(
            tf.constant(loss), [tf.constant([loss, 1.0])], losses=(), run=()
        )
        for loss in (1.0, 2.0, 6.0)
    ]
    rule = registry.make_rule({"layers": [3]})
    estimator = meta_gradients.ESTIMATORS.build(
        "autodiff", rule, PROBLEM, tf.ones([4])
    )
    total = estimator.contribution(estimates)
    [gradient] = estimator.combine(total, [], 3)
    np.testing.assert_allclose(gradient, [3.0, 1.0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_of_low_precision_are_refused(dtype):
    rule = registry.make_rule({"layers": [3], "dtype": dtype})
    with pytest.raises(ValueError, match=f"{dtype} cannot be trained.*float32"):
        _trainer(rule)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("name", ["autodiff", "replay", "es", "pes"])
def test_problems_of_any_precision_are_trained_on(dtype, name):
    problem = quadratic.Quadratic(num_functions=3, num_dims=2, dtype=dtype)
    trainer = _trainer(
        problem=problem, meta_gradient=name, num_epochs=2, jit_compile=True
    )
    before = _phi(trainer)
    *_, report = trainer.train()
    assert math.isfinite(report.meta_loss) and report.skipped == 0
    assert math.isfinite(report.validation_loss)
    assert not np.array_equal(before[0], _phi(trainer)[0])


@pytest.mark.parametrize("num_optimizees", [1, 3])
def test_replay_and_autodiff_train_alike(num_optimizees):
    trained = []
    for changes in (
        {"meta_gradient": "autodiff"},
        {"meta_gradient": "replay", "jit_compile": True},
        {"meta_gradient": "replay"},
    ):
        trainer = _trainer(num_optimizees=num_optimizees, **changes)
        reports = list(trainer.train())
        trained.append(
            [
                *_phi(trainer),
                [report.meta_loss for report in reports],
                # Adam would not notice a factor.
                [report.gradient_norm for report in reports],
            ]
        )
    for expected, *others in zip(*trained, strict=True):
        for other in others:
            np.testing.assert_allclose(other, expected, rtol=1e-3, atol=1e-5)


def test_a_fraction_of_coordinates_trains_otherwise_but_repeatably():
    phi = []
    for fraction in (0.5, 0.5, 1.0):
        trainer = _trainer(coordinate_fraction=fraction)
        list(trainer.train())
        phi.append(np.concatenate([np.ravel(v) for v in _phi(trainer)]))
    np.testing.assert_array_equal(phi[0], phi[1])
    assert not np.allclose(phi[0], phi[2])


class _NotForXLA(simple.Simple):
    def loss(self, *arguments):
        zero = tf.numpy_function(lambda: np.float32(0.0), [], tf.float32)
        zero.set_shape([])
        outcome = super().loss(*arguments)
        return outcome._replace(loss=outcome.loss + zero)


def test_a_problem_that_xla_cannot_compile_says_what_to_do():
    trainer = _trainer(problem=_NotForXLA(), jit_compile=True)
    with pytest.raises(
        compilation.CompilationError, match="jit_compile=False.*PyFunc"
    ):
        next(trainer.train())


@pytest.mark.parametrize(
    "changes",
    [
        {"jit_compile": False},
        {"jit_compile": True, "meta_gradient": "autodiff"},
        {"jit_compile": True, "second_derivatives": True},
    ],
)
def test_such_a_problem_trains_where_xla_is_not_asked(changes):
    trainer = _trainer(problem=_NotForXLA(), **changes)
    assert len(list(trainer.train())) == 4


@pytest.mark.parametrize("skipped", [0, 2])
def test_steps_before_the_part_that_is_trained_on_are_made(skipped):
    config = {"rule": "scheduled", "of": {"layers": [3]}, "learning_rate": 0.1}
    rule = registry.make_rule(config)
    trained = _trainer(rule, num_steps=12, max_unrolls=1)
    seed = randomness.run_seed(0, "train", 0)
    plan = run_lengths.Plan(12, skipped, 1)
    [loss], _ = trained._members[0].make_run([seed], tf.constant(0.0), plan)

    @tf.function(autograph=False)
    def last_unroll():
        run = unroll.start(rule, PROBLEM, seed, 12)
        for _ in range(skipped + 1):
            trajectory = unroll.unroll(rule, PROBLEM, run, 3)
            run = trajectory.run
        return trajectory.losses

    expected = np.sum(np.mean(last_unroll(), axis=1))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_runs_of_many_lengths_are_repeatable():
    changes = {"num_steps": 12, "min_steps": 3, "max_unrolls": 2}
    options = {"meta_gradient": "imitation", "num_epochs": 6}
    first, second = (_trainer(**changes, **options) for _ in range(2))
    reports = [[r.meta_loss for r in t.train()] for t in (first, second)]
    assert reports[0] == reports[1]
    assert all(np.isfinite(reports[0]))


def test_training_lowers_the_loss():
    trainer = _trainer(num_epochs=60, num_steps=20, unroll_length=10)
    losses = [report.meta_loss for report in trainer.train()]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_best_phi_is_that_of_the_best_validation():
    trainer = _trainer(num_epochs=12, learning_rate=0.3)
    kept = {}
    for report in trainer.train():
        if report.validation is not None:
            kept[report.validation_loss] = _phi(trainer)
    best = min(kept)
    assert len(kept) == 6 and float(trainer.progress.best_loss) == best
    assert best != list(kept)[-1], "choose settings whose last is not best"
    trainer.restore_best()
    for ours, expected in zip(_phi(trainer), kept[best], strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_validation_uses_fresh_functions_of_its_own_and_the_same_each_time():
    trainer = _trainer(learning_rate=0.0)
    validations = [
        r.validation for r in trainer.train() if r.validation is not None
    ]
    np.testing.assert_array_equal(*validations)
    recorder = evaluation.Recorder(
        lambda _: trainer.rule, PROBLEM.with_split("train"), 6
    )
    assert not np.any(np.isin(recorder.curves(0, 8), validations[0][:, 0]))


def test_last_run_is_validated_even_between_periods():
    reports = list(_trainer(num_epochs=3).train())
    validated = [r.run for r in reports if r.validation is not None]
    assert validated == [2, 3]


def test_patience_ends_training():
    trainer = _trainer(
        num_epochs=100, learning_rate=0.0, evaluation_period=1, patience=3
    )
    assert len(list(trainer.train())) == 4


def test_meta_loss_that_is_not_finite_is_skipped_and_counted():
    rule = registry.make_rule({"layers": [2]})
    trainer = _trainer(rule, _SometimesBroken(), num_epochs=12)
    before, skipped = _phi(trainer), 0
    outcomes = set()
    for report in trainer.train():
        broken = math.isnan(report.meta_loss)
        skipped += 2 * broken
        outcomes.add(broken)
        same = all(
            np.array_equal(a, b)
            for a, b in zip(before, _phi(trainer), strict=True)
        )
        assert same == broken and report.skipped == skipped
        before = _phi(trainer)
    assert outcomes == {True, False}


def test_many_skips_in_a_row_end_training_with_an_explanation():
    trainer = _trainer(
        problem=_Fragile("train"), num_epochs=50, max_skips_in_a_row=6
    )
    before = _phi(trainer)
    with pytest.raises(meta_training.MetaTrainingError, match="6 meta-steps"):
        list(trainer.train())
    for a, b in zip(before, _phi(trainer), strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_that_is_never_finite_leaves_no_best():
    trainer = _trainer(problem=_Fragile("validation"))
    list(trainer.train())
    with pytest.raises(meta_training.MetaTrainingError, match="finite"):
        trainer.restore_best()


def test_rule_without_weights_is_refused():
    with pytest.raises(ValueError, match="no weights"):
        _trainer(registry.make_rule({"rule": "adam"}))
