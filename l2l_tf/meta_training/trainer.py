"""Meta-training: gradient descent on the weights of an update rule."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.meta_gradients import base as meta_gradients
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.meta_training import meta_optimizer
from l2l_tf.meta_training import progress as progress_lib
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules
from l2l_tf.rules import registry as rule_registry

_Started = tuple[unroll_lib.Run, meta_gradients.Nest]
"""A run, and what the estimator carries along it."""


class MetaTrainingError(RuntimeError):
    """Meta-training cannot go on."""


def combine(
    estimates: Sequence[meta_gradients.Estimate],
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns the mean meta-loss of several optimizees and its gradient."""
    count = len(estimates)
    gradients = zip(*(e.gradients for e in estimates), strict=True)
    return (
        tf.add_n([estimate.loss for estimate in estimates]) / count,
        [tf.add_n(parts) / count for parts in gradients],
    )


class MetaTrainer:
    """Trains a rule on a problem, one unroll after the other.

    A meta-step has three parts: an estimate of the meta-gradient for each
    optimizee, which is pure; their mean; and a guarded step of Adam.

    Every draw depends on the seed and the run's number alone, and all that
    changes is in variables (`checkpointable`), so that a training that is
    restored continues exactly as if it had never stopped.

    Source: Andrychowicz et al. 2016, sections 2 and 3.
    """

    def __init__(
        self,
        rule: rules.UpdateRule,
        problem: problems.Problem,
        settings: settings_lib.Settings,
    ):
        """Prepares training.

        Args:
            rule: The rule to train; its weights are changed.
            problem: The problem; trained on its train split, validated on
                its validation split.
            settings: How to train.

        Raises:
            ValueError: If the rule has nothing to train, or cannot be trained
                on the problem in this way.
        """
        settings = settings.resolved()
        self._phi = list(rule.trainable_variables)
        _check_weights(rule)
        self.rule = rule
        self.problem = problem.with_split("train")
        self.settings = settings
        self.meta_optimizer = meta_optimizer.MetaOptimizer(
            self._phi, settings.gradient_clip_norm
        )
        self.progress = progress_lib.Progress(self._phi)
        self._step_weights = meta_loss.step_weights(
            settings.step_weights, settings.unroll_length
        )
        self._estimator = registry.ESTIMATORS.build(
            settings.estimator,
            rule,
            self.problem,
            self._step_weights,
            **settings.estimator_options,
        )
        # Traced once each, however many optimizees a meta-step has.
        self._start = tf.function(self._start_run, autograph=False)
        self._estimate = tf.function(self._estimator.__call__, autograph=False)
        self._meta_step = tf.function(self._take_meta_step, autograph=False)
        self._make_run = tf.function(self._take_meta_steps, autograph=False)

    def checkpointable(self) -> dict[str, Any]:
        """Returns all that a checkpoint has to hold, by name."""
        return {
            "phi": self._phi,
            "meta_optimizer": self.meta_optimizer,
            "progress": self.progress.checkpointable(),
        }

    @property
    def is_finished(self) -> bool:
        """Whether all runs are done or patience has run out."""
        patience = self.settings.patience
        return int(self.progress.runs_done) >= self.settings.num_epochs or (
            patience is not None
            and int(self.progress.evaluations_since_best) >= patience
        )

    def train(self) -> Iterator[progress_lib.Report]:
        """Trains until finished, run by run.

        Yields:
            A report after each run, with all variables up to date.

        Raises:
            MetaTrainingError: If too many updates in a row were skipped.
            CompilationError: If XLA cannot compile the problem.
            StepError: If the problem or the rule fails in a step.
        """
        while not self.is_finished:
            yield self._train_run()

    def restore_best(self) -> None:
        """Sets phi to the best values found by validation.

        Raises:
            MetaTrainingError: If no validation had a finite loss.
        """
        if math.isinf(float(self.progress.best_loss)):
            raise MetaTrainingError(
                "No validation gave a finite loss, so there is no best rule. "
                "Train longer, or with a smaller learning_rate or a "
                "gradient_clip_norm."
            )
        for variable, best in zip(
            self._phi, self.progress.best_phi, strict=True
        ):
            variable.assign(best)

    def meta_step_graph(self) -> tf.Graph:
        """Returns the graph of one meta-step: estimates, their mean, Adam."""
        started = self._start.get_concrete_function(
            tf.TensorSpec([2], tf.int32)
        ).structured_outputs
        started = tf.nest.map_structure(tf.TensorSpec.from_tensor, started)
        return self._meta_step.get_concrete_function(
            [started] * self.settings.num_optimizees,
            tf.TensorSpec([], tf.float32),
        ).graph

    def _train_run(self) -> progress_lib.Report:
        settings = self.settings
        index = int(self.progress.runs_done)
        rate = tf.constant(settings.learning_rate_at(index), tf.float32)
        seeds = [
            randomness.run_seed(
                settings.seed, "train", index * settings.num_optimizees + i
            )
            for i in range(settings.num_optimizees)
        ]
        began = time.perf_counter()
        with compilation.explained(settings.jit_compile):
            losses, norms = self._make_run(seeds, rate)
        # These wait for the run, so that the time is all of it.
        mean_loss = float(np.mean(losses) / np.sum(self._step_weights))
        mean_norm = float(np.mean(norms))
        seconds = time.perf_counter() - began
        self._check_skips()
        done = index + 1
        report = progress_lib.Report(
            run=done,
            meta_loss=mean_loss,
            gradient_norm=mean_norm,
            learning_rate=float(rate),
            skipped=int(self.meta_optimizer.skipped),
            seconds=seconds,
        )
        is_last = done == settings.num_epochs
        if done % settings.evaluation_period == 0 or is_last:
            report = self._validate(report)
        self.progress.runs_done.assign(done)
        return report

    def _take_meta_steps(
        self, seeds: list[tf.Tensor], rate: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        started = [self._start(seed) for seed in seeds]
        losses, norms = [], []
        for _ in range(self.settings.num_steps // self.settings.unroll_length):
            loss, norm, started = self._meta_step(started, rate)
            losses.append(loss)
            norms.append(norm)
        return losses, norms

    def _start_run(self, seed: tf.Tensor) -> _Started:
        run = unroll_lib.start(self.rule, self.problem, seed)
        return run, self._estimator.initial_state(run)

    def _take_meta_step(
        self, started: list[_Started], rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[_Started]]:
        # As the boxes of TensorBoard's graph.
        with tf.name_scope("estimates"):
            estimates = self._estimate_all(started)
        with tf.name_scope("combine"):
            loss, gradients = combine(estimates)
        with tf.name_scope("guarded_adam"):
            norm = self.meta_optimizer.apply(loss, gradients, rate)
        return loss, norm, [(e.run, e.state) for e in estimates]

    def _estimate_all(
        self, started: list[_Started]
    ) -> list[meta_gradients.Estimate]:
        estimates: list[meta_gradients.Estimate] = []
        for run, state in started:
            # One after the other: side by side they would need the memory of
            # all at once.
            with tf.control_dependencies([e.loss for e in estimates[-1:]]):
                estimates.append(self._estimate(run, state))
        return estimates

    @functools.cached_property
    def _validation(self) -> evaluation.Recorder:
        # Traced when first needed: checking settings takes no time.
        settings = self.settings
        return evaluation.Recorder(
            lambda rate: self.rule,
            self.problem.with_split("validation"),
            settings.num_steps,
            # XLA compiles validation only where it compiles unrolls too: an
            # optimizee that it refuses is then found at the first unroll, and
            # not at the first validation, after many runs.
            settings.estimator_options.get("jit_compile", False),
        )

    def _validate(self, report: progress_lib.Report) -> progress_lib.Report:
        began = time.perf_counter()
        curves = self._validation.curves(
            self.settings.seed, self.settings.evaluation_epochs
        )
        loss = evaluation.mean_of_last_tenth(curves)
        return dataclasses.replace(
            report,
            validation=curves,
            validation_loss=loss,
            final_loss=float(np.mean(curves[:, -1])),
            validation_seconds=time.perf_counter() - began,
            is_best=self.progress.take_best(loss, report.run, self._phi),
        )

    def _check_skips(self) -> None:
        skips = int(self.meta_optimizer.skipped_in_a_row)
        if skips >= self.settings.max_skips_in_a_row:
            raise MetaTrainingError(
                f"The meta-loss or its gradient was not finite in the last "
                f"{skips} meta-steps, so training was stopped; phi holds its "
                "last finite values. The best rule so far can be exported, if "
                "there was a validation. Try a smaller learning_rate, a "
                "gradient_clip_norm, or a rule with a smaller scale."
            )


def _check_weights(rule: rules.UpdateRule) -> None:
    if not rule.trainable_variables:
        raise ValueError(
            f"The rule {rule.config()} has no weights to train; choose a "
            f"learned rule, such as {rule_registry.DEFAULT!r}."
        )
    dtypes = {variable.dtype.name for variable in rule.trainable_variables}
    refused = sorted(dtypes - {"float32", "float64"})
    if refused:
        raise ValueError(
            f"Weights of type {', '.join(refused)} cannot be trained: Adam's "
            "steps would vanish in rounding; give the rule dtype='float32' or "
            "'float64'."
        )
