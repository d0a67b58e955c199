"""Curves of methods that are no update rules, to measure others by.

They know more of a function than its gradient at each step, so that they are
neither learned optimizers nor baselines that compete with these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.core import registry
from l2l_tf.evaluation import quasi_newton
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems

Reference = Callable[[problems.Problem, int, int, int], np.ndarray]
"""Maps a problem on its split, the number of steps, the seed and the number of
runs to losses of shape [curves, steps + 1], on the draws that
`l2l_tf.evaluation.learning_curves.Recorder` makes."""

REFERENCES: registry.Registry[Reference] = registry.Registry(
    "reference", "l2l_tf.figures"
)

_HISTORY = 10


@REFERENCES.register("L-BFGS, exact line search")
def limited_memory_bfgs(
    problem: problems.Problem, num_steps: int, seed: int, num_runs: int
) -> np.ndarray:
    """Runs L-BFGS with a history of 10 and the best step along each direction.

        d = -H g,   a = -<g, d> / <d, grad f(theta + d) - grad f(theta)>
        theta <- theta + a d

    On a quadratic function `a` is the minimum along d. Gradients and losses are
    the problem's, all else is in double precision.

    Source: Nocedal and Wright 2006, algorithm 7.4.

    Args:
        problem: Quadratic functions with one parameter, whose first axis counts
            them.
        num_steps: Steps.
        seed: The experiment's seed.
        num_runs: Draws.

    Returns:
        Losses of shape [curves, num_steps + 1].
    """
    curves = [
        _run(problem, num_steps, randomness.run_seed(seed, problem.split, run))
        for run in range(num_runs)
    ]
    return np.concatenate(curves, axis=1).T


@REFERENCES.register(quasi_newton.NAME)
def line_searches(
    problem: problems.Problem, num_steps: int, seed: int, num_runs: int
) -> np.ndarray:
    """Runs SciPy's L-BFGS, see `l2l_tf.evaluation.quasi_newton.record`."""
    return quasi_newton.record(problem, num_steps, seed, num_runs).losses


def _run(
    problem: problems.Problem, num_steps: int, seed: tf.Tensor
) -> np.ndarray:
    """Returns losses of one draw, shape [num_steps + 1, functions]."""
    task, [start], _ = unroll.draw_start(problem, seed)

    @tf.function
    def differentiate(theta):
        theta = tf.cast(theta, start.dtype)
        with tf.GradientTape() as tape:
            tape.watch(theta)
            outcome = problem.loss([theta], (), task, (), seed)
        return outcome.loss, tape.gradient(outcome.loss, theta)

    def evaluate(theta):
        loss, gradient = differentiate(tf.constant(theta))
        return loss.numpy(), gradient.numpy().astype(np.float64)

    theta = start.numpy().astype(np.float64)
    loss, gradient = evaluate(theta)
    losses, pairs = [loss], []
    for _ in range(num_steps):
        direction = -_two_loops(gradient, pairs)
        _, ahead = evaluate(theta + direction)
        curvature = _dot(direction, ahead - gradient)
        length = _over(-_dot(gradient, direction), curvature)
        step = length * direction
        theta = theta + step
        loss, after = evaluate(theta)
        losses.append(loss)
        pairs = [*pairs, (step, after - gradient)][-_HISTORY:]
        gradient = after
    return np.array(losses)


def _two_loops(gradient: np.ndarray, pairs) -> np.ndarray:
    """Returns `H g` for the pairs (s, y) of the last steps."""
    result, factors = gradient, []
    for s, y in reversed(pairs):
        factor = _over(_dot(s, result), _dot(s, y))
        result = result - factor * y
        factors.append(factor)
    if pairs:
        s, y = pairs[-1]
        scale = _over(_dot(s, y), _dot(y, y))
        result = np.where(scale > 0, scale, 1.0) * result
    for (s, y), factor in zip(pairs, reversed(factors), strict=True):
        result = result + (factor - _over(_dot(y, result), _dot(s, y))) * s
    return result


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=-1, keepdims=True)


def _over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divides; 0 where there is no curvature left, as at a minimum."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
