"""Estimators of the meta-gradient dL/dphi over one unroll."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import meta_loss as meta_loss_lib
from l2l_tf.meta_gradients import replay as replay_lib
from l2l_tf.meta_gradients import unroll as unroll_lib
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
        second_derivatives: See `l2l_tf.meta_gradients.unroll.unroll`.

    Returns:
        The meta-loss, its gradient and where the run stands afterwards.
    """
    variables = rule.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        trajectory = unroll_lib.unroll(
            rule, problem, run, weights.shape[0] - 1, second_derivatives
        )
        loss = meta_loss_lib.meta_loss(trajectory.losses, weights)
    gradients = tape.gradient(
        loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return MetaGradient(loss, gradients, trajectory.losses, trajectory.run)


def replay(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    run: unroll_lib.Run,
    weights: tf.Tensor,
    coordinate_fraction: float = 1.0,
    jit_compile: bool = True,
) -> MetaGradient:
    """Differentiates the rule alone, replayed over what the unroll recorded.

    Equal to `autodiff` without second derivatives, to rounding; in a fraction
    of its time and memory. See `l2l_tf.meta_gradients.replay` for the identity.

    Args:
        rule: The update rule, with weights phi.
        problem: The problem that the run was drawn from.
        run: Where the unroll starts.
        weights: The weights w_t, shape [num_steps + 1].
        coordinate_fraction: The share of coordinates to replay, drawn
            uniformly for each unroll; with less than 1 the gradients are
            unbiased estimates.
        jit_compile: Whether XLA compiles the unroll and the replay.

    Returns:
        The meta-loss, its gradient and where the run stands afterwards.
    """
    seed = randomness.fold_in(
        randomness.stream(run.seed, "coordinates"), run.step
    )
    losses, after, gradients = unroll_lib.unroll(
        rule,
        problem,
        run,
        weights.shape[0] - 1,
        keep_gradients=True,
        jit_compile=jit_compile,
    )
    # The optimizee's gradients are those of the sum of its functions.
    num_functions = tf.cast(tf.size(losses[0]), tf.float64)
    weights = tf.cast(weights, tf.float64)
    phi_gradients = replay_lib.weights_gradient(
        rule,
        gradients,
        run.rule_state,
        weights / num_functions,
        coordinate_fraction,
        seed,
        jit_compile,
    )
    loss = meta_loss_lib.meta_loss(losses, weights)
    return MetaGradient(loss, phi_gradients, losses, after)
