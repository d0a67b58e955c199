"""Meta-training: gradient descent on the weights of an update rule."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import distribution as distribution_lib
from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves as evaluation
from l2l_tf.meta_gradients import meta_loss
from l2l_tf.meta_training import member as member_lib
from l2l_tf.meta_training import meta_optimizer
from l2l_tf.meta_training import progress as progress_lib
from l2l_tf.meta_training import run_lengths
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules
from l2l_tf.rules import registry as rule_registry


class MetaTrainingError(RuntimeError):
    """Meta-training cannot go on."""


class MetaTrainer:
    """Trains a rule on a problem, one unroll after the other.

    Of a family each run has one member, which is compiled when it first has a
    run. Members come in shuffles of all, so that each has its share of the
    runs, whenever training ends.

    Every draw depends on the seed and the run's number alone, and all that
    changes is in variables (`checkpointable`), so that a training that is
    restored continues exactly as if it had never stopped.

    Source: Andrychowicz et al. 2016, sections 2 and 3.
    """

    def __init__(
        self,
        rule: rules.UpdateRule,
        problem: problems.Family,
        settings: settings_lib.Settings,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Prepares training.

        Args:
            rule: The rule to train; its weights are changed.
            problem: The problem, or a family of them; trained on its train
                split, validated on its validation split.
            settings: How to train.
            distribution: The replicas that share out the work, in whose scope
                the rule was made; one by default.

        Raises:
            ValueError: If the rule has nothing to train, or cannot be trained
                on the problem in this way.
        """
        settings = settings.resolved()
        self.distribution = distribution or distribution_lib.Distribution()
        self._phi = list(rule.trainable_variables)
        _check_weights(rule)
        self.rule = rule
        self.problem = problem.with_split("train")
        self.settings = settings
        self.meta_optimizer = meta_optimizer.MetaOptimizer(
            self.distribution.first(self._phi), settings.gradient_clip_norm
        )
        self.progress = progress_lib.Progress(self._phi)
        self._step_weights = meta_loss.step_weights(
            settings.step_weights, settings.unroll_length
        )
        self._members = [
            self._make_member(member, self.distribution)
            for member in self.problem.members
        ]

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

    def follow_chief(self) -> None:
        """Takes over the state that the chief's process has."""
        self.distribution.follow_chief(
            [
                *self._phi,
                *self.meta_optimizer.state,
                self.meta_optimizer.skipped,
                self.meta_optimizer.skipped_in_a_row,
                *tf.nest.flatten(self.progress.checkpointable()),
            ]
        )

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
        """Returns the graph of one meta-step, of a family the first member's.

        It consists of estimates, their mean, and Adam; with several replicas
        it is what one would do alone.
        """
        member = self._members[0]
        if self.distribution.count > 1:
            # What replicas do together is traced by all processes, or none.
            first, *_ = self.problem.members
            member = self._make_member(first)
        return member.meta_step_graph(self.settings.num_optimizees)

    def _make_member(
        self,
        problem: problems.Problem,
        distribution: distribution_lib.Distribution | None = None,
    ) -> member_lib.Member:
        return member_lib.Member(
            self.rule,
            problem,
            self._step_weights,
            self.settings,
            self.meta_optimizer,
            distribution,
        )

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
        position = randomness.shuffled_position(
            settings.seed, index, len(self._members)
        )
        began = time.perf_counter()
        with (
            compilation.explained(settings.jit_compile),
            self.distribution.watched(),
        ):
            losses, norms = self._members[position].make_run(
                seeds,
                rate,
                run_lengths.plan(settings, index),
                index / settings.num_epochs,
            )
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
            distribution=self.distribution,
        )

    def _validate(self, report: progress_lib.Report) -> progress_lib.Report:
        began = time.perf_counter()
        curves = self._validation.curves(
            self.settings.seed, self.settings.evaluation_epochs
        )
        loss = self._validation.last_tenth(curves)
        return dataclasses.replace(
            report,
            validation=curves,
            validation_loss=loss,
            final_loss=self._validation.final(curves),
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
