"""Learning curves of update rules, paired: same functions, starts, batches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from l2l_tf.core import compilation
from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.problems import base as problems
from l2l_tf.rules import base as rules

_CHUNK = 50
"""Updates that XLA makes in one call."""


class Recorder:
    """Runs a rule on a problem again and again; compiled once.

    Two recorders of the same problem record runs of the same functions from
    the same starts on the same minibatches, whatever their rules. Only what a
    loss itself draws (dropout) differs if XLA compiles one of them alone.
    """

    def __init__(
        self,
        make_rule: Callable[[tf.Tensor], rules.UpdateRule],
        problem: problems.Problem,
        num_steps: int,
        jit_compile: bool = False,
    ):
        """Prepares the runs.

        Args:
            make_rule: Builds the rule for a learning rate, a scalar tensor; a
                learned rule may ignore it.
            problem: The problem, on the split to be evaluated.
            num_steps: Updates per run, T.
            jit_compile: Whether XLA compiles them, which pays for learned
                rules.
        """

        def start(seed, learning_rate):
            return unroll_lib.start(make_rule(learning_rate), problem, seed)

        def advance(num_steps, run, learning_rate):
            losses, run, _ = unroll_lib.unroll(
                make_rule(learning_rate),
                problem,
                run,
                num_steps,
                jit_compile=jit_compile,
            )
            return tf.reshape(losses, [num_steps + 1, -1]), run

        self._split = problem.split
        self._jit_compile = jit_compile
        # Traced here, once: TensorFlow would take the traces of many
        # recorders for retracing, and warn of it.
        rate = tf.TensorSpec([], tf.float32)
        self._start = tf.function(start).get_concrete_function(
            tf.TensorSpec([2], tf.int32), rate
        )
        run = tf.nest.map_structure(
            tf.TensorSpec.from_tensor, self._start.structured_outputs
        )
        # XLA is given the minibatches of a whole chunk at once.
        chunk = _CHUNK if jit_compile else num_steps
        sizes = [chunk] * (num_steps // chunk)
        if num_steps % chunk:
            sizes.append(num_steps % chunk)
        advances = {
            size: tf.function(
                functools.partial(advance, size)
            ).get_concrete_function(run, rate)
            for size in set(sizes)
        }
        self._advances = [advances[size] for size in sizes]

    def curves(
        self, seed: int, num_runs: int, learning_rate: float = 1.0
    ) -> np.ndarray:
        """Records fresh runs.

        Args:
            seed: The experiment's seed.
            num_runs: Number of runs; run i is the same for every rule.
            learning_rate: What `make_rule` gets.

        Returns:
            Losses f(theta_0), ..., f(theta_T), shape [curves, T + 1]: one
            curve for each run and each of its independent functions.
        """
        rate = tf.constant(learning_rate, tf.float32)
        losses = [
            self._record(randomness.run_seed(seed, self._split, index), rate)
            for index in range(num_runs)
        ]
        return np.concatenate(losses, axis=1).T

    def _record(self, seed: tf.Tensor, rate: tf.Tensor) -> np.ndarray:
        run, losses = self._start(seed, rate), []
        for advance in self._advances:
            with compilation.explained(self._jit_compile):
                part, run = advance(run, rate)
            # The next chunk begins with the loss that this one ends with.
            losses.append(part[:-1])
        return np.concatenate([*losses, part[-1:]])


def late_loss(curves: np.ndarray) -> float:
    """Returns the mean loss over the last tenth of the steps.

    It stands for the final loss where runs are compared, with less of the
    last minibatch's noise.

    Args:
        curves: Shape [curves, T + 1].

    Returns:
        The mean, infinite if any value is not finite.
    """
    tail = _tail(curves)
    return float(np.mean(tail)) if np.all(np.isfinite(tail)) else math.inf


def summarize(
    curves: np.ndarray, learning_rate: float | None
) -> dict[str, Any]:
    """Describes learning curves by numbers that JSON can hold.

    Args:
        curves: Shape [curves, T + 1].
        learning_rate: The rate of a hand-designed rule.

    Returns:
        `mean` and `std` over curves for each step 0, ..., T; `final`, the
        mean of f(theta_T), and its standard error `final_sem`, which is no
        number for a single curve; `last_tenth`, the mean over the last tenth
        of the steps, and `last_tenth_sem`; `mean_over_steps`.
    """
    final = curves[:, -1]
    last_tenth = np.mean(_tail(curves), axis=1)
    # A curve that overflows has no mean: that is a result, not an error.
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "learning_rate": learning_rate,
            "mean": np.mean(curves, axis=0).tolist(),
            "std": np.std(curves, axis=0).tolist(),
            "final": float(np.mean(final)),
            "final_sem": _standard_error(final),
            "last_tenth": float(np.mean(last_tenth)),
            "last_tenth_sem": _standard_error(last_tenth),
            "mean_over_steps": float(np.mean(curves)),
        }


def _tail(curves: np.ndarray) -> np.ndarray:
    return curves[:, -math.ceil((curves.shape[1] - 1) / 10) :]


def _standard_error(values: np.ndarray) -> float:
    if len(values) < 2:
        return math.nan
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))
