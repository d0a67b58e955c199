"""Updates along a run beside the curvature of the loss that they meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules


class Along(NamedTuple):
    """What a run met, step by step; arrays of shape [steps].

    Attributes:
        norms: |u|, the norm of the update.
        gradient_norms: |g|, that of the gradient.
        curvatures: u'Hu / |u|^2 on the step's minibatch, H the Hessian.
        derivatives: g'u / |u|, the loss's derivative along the update,
            negative where that goes downhill.
    """

    norms: np.ndarray
    gradient_norms: np.ndarray
    curvatures: np.ndarray
    derivatives: np.ndarray

    def lengths(self) -> np.ndarray:
        """Returns steps over those to the minimum along their direction.

            |u| / (-derivative / curvature)

        1 goes to the minimum of the parabola that the loss is taken for, 2 as
        far beyond it, where the loss is what it was; NaN where there is no
        minimum ahead.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.norms * self.curvatures / -self.derivatives
        has_minimum = (self.curvatures > 0) & (self.derivatives < 0)
        return np.where(has_minimum, found, np.nan)


def along(
    rule: rules.UpdateRule,
    problem: problems.Problem,
    num_steps: int,
    seed: int,
    index: int = 0,
) -> Along:
    """Makes a run, and measures curvature in the direction of each update.

    Args:
        rule: The rule that moves the parameters.
        problem: The problem, on the split that the run is drawn from.
        num_steps: Updates.
        seed: The experiment's seed.
        index: The run's number, as in `learning_curves.Recorder.record`.

    Returns:
        What the run met.
    """

    @tf.function(autograph=False)
    def advance(run):
        after = unroll.unroll(rule, problem, run, 1).run
        updates = [b - a for a, b in zip(run.params, after.params, strict=True)]
        with tf.GradientTape() as outer:
            outer.watch(run.params)
            with tf.GradientTape() as inner:
                inner.watch(run.params)
                loss = unroll.evaluate(problem, run).loss
            gradients = inner.gradient(loss, run.params)
            product = _dot(gradients, updates)
        # The derivative of g'u, u held fixed, is Hu.
        products = outer.gradient(
            product,
            run.params,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        squares = _dot(updates, updates), _dot(gradients, gradients)
        return (*squares, _dot(updates, products), product), after

    run_seed = randomness.run_seed(seed, problem.split, index)
    run = unroll.start(rule, problem, run_seed, num_steps)
    found = []
    for _ in range(num_steps):
        values, run = advance(run)
        found.append([float(value) for value in values])
    square, gradient_square, bent, product = np.array(found).T
    norms = np.sqrt(square)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Along(
            norms, np.sqrt(gradient_square), bent / square, product / norms
        )


def _dot(a: Sequence[tf.Tensor], b: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the product of two vectors that are kept in parts."""
    return tf.add_n([tf.reduce_sum(x * y) for x, y in zip(a, b, strict=True)])
