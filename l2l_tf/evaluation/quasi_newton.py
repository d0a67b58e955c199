"""L-BFGS, the customary choice where a function has no minibatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import optimize

from l2l_tf.core import randomness
from l2l_tf.evaluation import learning_curves
from l2l_tf.meta_gradients import unroll
from l2l_tf.problems import base as problems

NAME = "L-BFGS"

_MEMORY = 10
"""Pairs of differences that it keeps."""


class _Enough(Exception):
    """All evaluations are made."""


def record(
    problem: problems.Problem,
    num_evaluations: int,
    seed: int,
    num_runs: int,
    progress: Callable[[int], Any] = lambda num_evaluations: None,
) -> learning_curves.Recording:
    """Records runs of SciPy's L-BFGS over evaluations of the function.

    The loss at t is the least of the first t + 1 evaluations, of the loss and
    its gradient together: a rule without a line search makes as many until it
    stands at theta_t.

    Args:
        problem: A problem with one function and without minibatches, on the
            split that runs are drawn from.
        num_evaluations: Evaluations after the first, T.
        seed: The experiment's seed.
        num_runs: Number of runs; run i has the function and the start of run
            i of `l2l_tf.evaluation.learning_curves.Recorder`.
        progress: Called with 1 after each evaluation but the first.

    Returns:
        Losses of shape [num_runs, T + 1], no metrics, and the parameters of
        the least loss.

    Raises:
        ValueError: If the problem is another one.
    """
    evaluate = _evaluation(problem)
    draw = tf.function(
        lambda run_seed: unroll.draw_start(problem, run_seed), autograph=False
    )
    curves, params = [], []
    for index in range(num_runs):
        run_seed = randomness.run_seed(seed, problem.split, index)
        task, start, model_state = draw(run_seed)
        shapes = [value.shape for value in start]

        def objective(flat, task=task, state=model_state, shapes=shapes):
            loss, gradients = evaluate(_unflatten(flat, shapes), state, task)
            return float(loss), _flatten(gradients)

        losses, best = _minimise(
            objective, _flatten(start), num_evaluations + 1, progress
        )
        curves.append(losses)
        params.append([v.numpy() for v in _unflatten(best, shapes)])
    values = [np.stack(runs) for runs in zip(*params, strict=True)]
    return learning_curves.Recording(np.stack(curves), {}, values)


def _evaluation(problem: problems.Problem) -> Callable[..., Any]:
    """Returns a function that gives the loss and its gradient."""

    def evaluate(params, model_state, task):
        seed = tf.zeros([2], tf.int32)
        batch = problem.sample_batch(task, seed)
        with tf.GradientTape() as tape:
            tape.watch(params)
            outcome = problem.loss(params, model_state, task, batch, seed)
        if tf.nest.flatten(batch) or outcome.loss.shape.rank != 0:
            raise ValueError(
                f"{NAME} needs a problem with one function and without "
                f"minibatches; received {problem.name!r}."
            )
        return outcome.loss, tape.gradient(outcome.loss, params)

    return tf.function(evaluate, autograph=False)


def _minimise(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    num_evaluations: int,
    progress: Callable[[int], Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least loss so far at each evaluation, and where it was."""
    losses: list[float] = []
    best = start

    def evaluate(flat):
        nonlocal best
        if len(losses) == num_evaluations:
            raise _Enough
        loss, gradient = objective(flat)
        if not losses or loss < np.nanmin([*losses, np.inf]):
            best = flat.copy()
        if losses:
            progress(1)
        losses.append(loss)
        return loss, gradient

    try:
        optimize.minimize(
            evaluate,
            start,
            jac=True,
            method="L-BFGS-B",
            options={
                "maxcor": _MEMORY,
                "maxfun": num_evaluations + 1,
                "maxiter": num_evaluations,
                "ftol": 0.0,
                "gtol": 0.0,
            },
        )
    except _Enough:
        pass
    # What is NaN is no loss, and the search goes on from elsewhere.
    least = np.fmin.accumulate(losses)
    # Where it ends earlier, nothing more is found.
    return np.pad(least, (0, num_evaluations - len(least)), "edge"), best


def _flatten(values: list[tf.Tensor]) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values]).astype(float)


def _unflatten(flat: np.ndarray, shapes: list[tf.TensorShape]):
    sizes = [shape.num_elements() for shape in shapes]
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [
        tf.constant(part.reshape(shape), tf.float32)
        for part, shape in zip(parts, shapes, strict=True)
    ]
