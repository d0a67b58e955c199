"""Training runs on one member of a family: each part is traced once."""

from __future__ import annotations

import tensorflow as tf

from l2l_tf.core import distribution as distribution_lib
from l2l_tf.meta_gradients import base as meta_gradients
from l2l_tf.meta_gradients import registry
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.meta_training import meta_optimizer as meta_optimizer_lib
from l2l_tf.meta_training import run_lengths
from l2l_tf.meta_training import settings as settings_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


class Member:
    """Makes the meta-steps of runs whose optimizees are draws of one problem.

    A meta-step has three parts: an estimate of the meta-gradient for each
    optimizee, which is pure, and made on each replica for its own share; their
    mean over all of them; and a guarded step of Adam, the same in each process.
    """

    def __init__(
        self,
        rule: rules.UpdateRule,
        problem: problems.Problem,
        step_weights: tf.Tensor,
        settings: settings_lib.Settings,
        meta_optimizer: meta_optimizer_lib.MetaOptimizer,
        distribution: distribution_lib.Distribution | None = None,
    ):
        """Prepares the runs.

        Args:
            rule: The rule to train.
            problem: The member, on its train split.
            step_weights: The w_t of one unroll.
            settings: How to train.
            meta_optimizer: Makes the steps.
            distribution: The replicas that share out the optimizees; one by
                default.

        Raises:
            ValueError: If the rule cannot be trained on it in this way.
        """
        self._distribution = distribution or distribution_lib.Distribution()
        self._rule = rule.bind(problem.parameter_names)
        self._problem = problem
        self._unroll_length = settings.unroll_length
        self._may_skip = settings.max_unrolls is not None
        self._jit_compile = settings.estimator_options.get("jit_compile", False)
        self._meta_optimizer = meta_optimizer
        self._estimator = registry.ESTIMATORS.build(
            settings.estimator,
            self._rule,
            problem,
            step_weights,
            **settings.estimator_options,
        )
        self._estimator.check_replicas(
            settings.num_optimizees, self._distribution.count
        )
        # Traced once each, however many optimizees a meta-step has.
        self._start = tf.function(self._start_run, autograph=False)
        self._start_all = tf.function(self._start_runs, autograph=False)
        self._measure = tf.function(self._estimator.measure, autograph=False)
        self._meta_step = tf.function(self._take_meta_step, autograph=False)
        # Runs of many lengths would be traced once for each.
        self._make_run = (
            self._take_meta_steps
            if settings.min_steps is not None
            else tf.function(self._take_meta_steps, autograph=False)
        )

    def make_run(
        self,
        seeds: list[tf.Tensor],
        rate: tf.Tensor,
        plan: run_lengths.Plan,
        share: float = 0.0,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Makes the meta-steps of one run of each optimizee.

        Args:
            seeds: The seeds of the runs, one for each optimizee.
            rate: Adam's learning rate.
            plan: How long the runs are, and what of them is trained on.
            share: The share of the training that is over.

        Returns:
            The meta-loss of each unroll that is trained on, and the norm of
            its gradient.
        """
        self._estimator.share.assign(share)
        return self._make_run(
            tf.stack(seeds),
            rate,
            tf.constant(plan.num_steps, tf.int32),
            tf.constant(plan.skipped, tf.int32),
            plan.num_unrolls,
        )

    def meta_step_graph(self, num_optimizees: int) -> tf.Graph:
        """Returns the graph of one meta-step."""
        count = tf.TensorSpec([], tf.int32)
        started = self._start_all.get_concrete_function(
            tf.TensorSpec([num_optimizees, 2], tf.int32), count, count
        ).structured_outputs
        return self._meta_step.get_concrete_function(
            tf.nest.map_structure(tf.type_spec_from_value, started),
            tf.TensorSpec([], tf.float32),
        ).graph

    def _take_meta_steps(self, seeds, rate, num_steps, skipped, num_unrolls):
        started = self._start_all(seeds, num_steps, skipped)
        losses, norms = [], []
        for _ in range(num_unrolls):
            loss, norm, started = self._meta_step(started, rate)
            losses.append(loss)
            norms.append(norm)
        return losses, norms

    def _start_runs(
        self, seeds: tf.Tensor, num_steps: tf.Tensor, skipped: tf.Tensor
    ) -> list[meta_gradients.Started]:
        def start_own(seeds, num_steps, skipped):
            return [
                self._start(seed, num_steps, skipped)
                for seed in tf.unstack(self._estimator.own_seeds(seeds))
            ]

        return self._distribution.run(start_own, seeds, num_steps, skipped)

    def _start_run(
        self, seed: tf.Tensor, num_steps: tf.Tensor, skipped: tf.Tensor
    ) -> meta_gradients.Started:
        run = unroll_lib.start(self._rule, self._problem, seed, num_steps)
        if self._may_skip:
            run = self._skip(run, skipped)
        return run, self._estimator.initial_state(run, num_steps)

    def _skip(self, run: unroll_lib.Run, count: tf.Tensor) -> unroll_lib.Run:
        """Makes a number of unrolls that nothing is learned from."""

        def advance(index, run):
            trajectory = unroll_lib.unroll(
                self._rule,
                self._problem,
                run,
                self._unroll_length,
                jit_compile=self._jit_compile,
            )
            return index + 1, trajectory.run

        _, run = tf.while_loop(
            lambda index, run: index < count, advance, (0, run)
        )
        return run

    def _take_meta_step(
        self, started: list[meta_gradients.Started], rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[meta_gradients.Started]]:
        distribution = self._distribution
        # As the boxes of TensorBoard's graph.
        with tf.name_scope("estimates"):
            loss, contribution, advanced = distribution.run(
                self._measure_own, started
            )
        with tf.name_scope("combine"):
            own = distribution.first(advanced)
            count = len(own) * distribution.count
            loss, contribution = distribution.sum((loss, contribution))
            loss = loss / count
            gradients = self._estimator.combine(contribution, own, count)
        with tf.name_scope("guarded_adam"):
            norm = self._meta_optimizer.apply(loss, gradients, rate)
            distribution.follow_first(self._rule.trainable_variables)
        return loss, norm, advanced

    def _measure_own(
        self, started: list[meta_gradients.Started]
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[meta_gradients.Started]]:
        """Returns the sum of losses, what is to be summed, and the runs."""
        measured: list[meta_gradients.Estimate] = []
        for run, state in started:
            # One after the other: side by side they would need the memory of
            # all at once.
            with tf.control_dependencies([m.loss for m in measured[-1:]]):
                measured.append(self._measure(run, state))
        return (
            tf.add_n([m.loss for m in measured]),
            self._estimator.contribution(measured),
            [(m.run, m.state) for m in measured],
        )
