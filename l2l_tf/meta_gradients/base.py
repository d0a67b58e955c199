"""The one interface of estimators of the meta-gradient dL/dphi."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from l2l_tf.core import distribution
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

Nest = Any
"""A nest of tensors; `()` where there is nothing."""


class Estimate(NamedTuple):
    """What one unroll gives to meta-training.

    Attributes:
        loss: The meta-loss L, a scalar.
        gradients: dL/dphi, one tensor for each trainable variable of the rule.
        losses: f(theta_0), ..., f(theta_T), shape [num_steps + 1, ...].
        run: The run after the unroll; no gradient flows into it.
        state: What the estimator carries to the next unroll of the run.
    """

    loss: tf.Tensor
    gradients: list[tf.Tensor]
    losses: tf.Tensor
    run: unroll_lib.Run
    state: Nest = ()


Started = tuple[unroll_lib.Run, Nest]
"""A run, and what the estimator carries along it."""


class Estimator(abc.ABC):
    """Estimates dL/dphi over the unrolls of a run, one after the other.

        state = estimator.initial_state(run)
        estimate = estimator(run, state)
        estimate = estimator(estimate.run, estimate.state)

    Both methods are pure functions of tensors: phi is read, never assigned, and
    all randomness comes from the run's seed and step.

    Where there are several replicas, each estimates for some of a meta-step's
    runs, and the gradients are averaged. What else may be shared out is up to
    the estimator:

        runs = estimator.own_seeds(seeds), started     # on each replica
        measured = [estimator.measure(*run) for run in runs]
        total = sum over replicas of estimator.contribution(measured)
        gradients = estimator.combine(total, ..., count)  # the same everywhere

    Attributes:
        share: The share of the training that is over, 0 to 1, which whoever
            trains assigns before each run.
        reasons: Why the estimator lacks an option that others have, for
            messages.
    """

    reasons: Mapping[str, str] = {}

    def __init__(
        self,
        rule: rules.UpdateRule,
        problem: problems.Problem,
        step_weights: tf.Tensor,
        /,
    ):
        """Takes what every estimator needs; subclasses add options.

        Args:
            rule: The update rule, with weights phi.
            problem: The problem that runs are drawn from.
            step_weights: The w_t of one unroll, shape [num_steps + 1].
        """
        self._rule = rule
        self._problem = problem
        self._step_weights = step_weights
        self._num_steps = step_weights.shape[0] - 1
        self.share = tf.Variable(0.0, trainable=False, name="share")

    def initial_state(
        self, run: unroll_lib.Run, num_steps: tf.Tensor | None = None
    ) -> Nest:
        """Returns what the estimator carries, before a run's first unroll.

        Args:
            run: The run.
            num_steps: Updates of the whole run; None if that is not known.
        """
        del run, num_steps
        return ()

    @abc.abstractmethod
    def __call__(self, run: unroll_lib.Run, state: Nest) -> Estimate:
        """Makes one unroll. Call it inside a `tf.function`.

        Args:
            run: Where the unroll starts.
            state: What the previous unroll of this run returned, or
                `initial_state`.

        Returns:
            The meta-loss, its gradient, and where the run stands afterwards.
        """

    def check_replicas(self, num_optimizees: int, num_replicas: int) -> None:
        """Refuses numbers that do not go into each other.

        Raises:
            ValueError: If replicas would not have equal shares.
        """
        distribution.check_share("num_optimizees", num_optimizees, num_replicas)

    def own_seeds(self, seeds: tf.Tensor) -> tf.Tensor:
        """Returns which of a meta-step's runs this replica makes.

        Args:
            seeds: The seeds of all runs, shape [runs, 2].

        Returns:
            Those of this replica, shape [own runs, 2].
        """
        first, count = distribution.own_share(seeds.shape[0])
        # Its shape is known, unlike that of `seeds[first : first + count]`.
        return tf.slice(seeds, [first, 0], [count, 2])

    def measure(self, run: unroll_lib.Run, state: Nest) -> Estimate:
        """Makes this replica's part of one unroll.

        Args:
            run: See `__call__`.
            state: See `__call__`.

        Returns:
            An estimate, with `gradients` that `contribution` understands.
        """
        return self(run, state)

    def contribution(self, measured: Sequence[Estimate]) -> list[tf.Tensor]:
        """Returns what is summed over replicas, and that is all that travels.

        Args:
            measured: What `measure` returned for each run of this replica.
        """
        gradients = zip(*(m.gradients for m in measured), strict=True)
        return [tf.add_n(parts) for parts in gradients]

    def combine(
        self,
        total: Sequence[tf.Tensor],
        advanced: Sequence[Started],
        count: int,
    ) -> list[tf.Tensor]:
        """Returns the mean of dL/dphi over all runs of a meta-step.

        Args:
            total: The contributions of all replicas, summed.
            advanced: The runs of one replica after the unroll.
            count: The number of runs of all replicas together.
        """
        del advanced
        return [tensor / count for tensor in total]
