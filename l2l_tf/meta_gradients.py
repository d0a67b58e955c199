"""Estimators of the meta-gradient dL/dphi over one unroll."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from l2l_tf import unroll as unroll_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


class MetaGradient(NamedTuple):
    """What one unroll gives to meta-training.

    Attributes:
        loss: The meta-loss L, a scalar.
        gradients: dL/dphi, one tensor for each trainable variable of the rule.
        losses: f(theta_0), ..., f(theta_T), shape [num_steps + 1, ...].
        run: The run after the unroll; no gradient flows into it.
    """

    loss: tf.Tensor
    gradients: list[tf.Tensor]
    losses: tf.Tensor
    run: unroll_lib.Run


def autodiff(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    run: unroll_lib.Run,
    weights: tf.Tensor,
    second_derivatives: bool = False,
) -> MetaGradient:
    """Differentiates through the whole loop: backpropagation through time.

    Source: Andrychowicz et al. 2016, section 2.

    Args:
        rule: The update rule, with weights phi.
        problem: The problem that the run was drawn from.
        run: Where the unroll starts.
        weights: The weights w_t, shape [num_steps + 1].
        second_derivatives: See `l2l_tf.unroll.unroll`.

    Returns:
        The meta-loss, its gradient and where the run stands afterwards.
    """
    variables = rule.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        losses, run = unroll_lib.unroll(
            rule, problem, run, weights.shape[0] - 1, second_derivatives
        )
        loss = unroll_lib.meta_loss(losses, weights)
    gradients = tape.gradient(
        loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return MetaGradient(loss, gradients, losses, run)
