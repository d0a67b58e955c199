"""The one interface of estimators of the meta-gradient dL/dphi."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

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


class Estimator(abc.ABC):
    """Estimates dL/dphi over the unrolls of a run, one after the other.

        state = estimator.initial_state(run)
        estimate = estimator(run, state)
        estimate = estimator(estimate.run, estimate.state)

    Both methods are pure functions of tensors: phi is read, never assigned, and
    all randomness comes from the run's seed and step.

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
