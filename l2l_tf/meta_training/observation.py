"""A close look at one validation run: updates, states, and where time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from l2l_tf.core import randomness
from l2l_tf.meta_gradients import unroll as unroll_lib
from l2l_tf.meta_training import trainer as meta_training
from l2l_tf.rules import base as rules
from l2l_tf.rules import recording
from l2l_tf.rules import registry

# It changes next to nothing, in next to no time: what is left of a run is the
# optimizee. Were the rate zero, XLA would evaluate a quadratic only once.
_STILL = {"rule": "sgd", "learning_rate": 1e-9}


class Observation(NamedTuple):
    """What was seen along one validation run.

    Attributes:
        updates: For each parameter the g_t of the last unroll, shape
            [unroll_length, ...].
        update_norms: For each parameter the mean of |g_t| over all steps.
        states: The tensors of the rule's state at the end.
        forward_seconds: What the run took, without any meta-gradient.
        optimizee_seconds: What its losses and gradients alone took.
    """

    updates: list[np.ndarray]
    update_norms: list[float]
    states: list[np.ndarray]
    forward_seconds: float
    optimizee_seconds: float


class Observer:
    """Makes the first validation run once more, and keeps what it sees.

    Of a family it is the first member's.

    The unrolls are of the same length as in training, and compiled like them.
    """

    def __init__(self, trainer: meta_training.MetaTrainer):
        """Takes whose rule to observe; compiles nothing yet."""
        self._make_run = _Unrolls(trainer.rule, trainer)
        self._evaluate = _Unrolls(registry.make_rule(_STILL), trainer)

    def observe(self) -> Observation:
        """Makes the run."""
        norms: list[list[float]] = []

        def note(updates):
            norms.append([_mean_norm(update) for update in updates])

        run, updates, forward_seconds = self._make_run(note)
        _, _, optimizee_seconds = self._evaluate(lambda updates: None)
        return Observation(
            [update.numpy() for update in updates],
            [float(mean) for mean in np.mean(norms, axis=0)],
            [
                tf.convert_to_tensor(tensor).numpy()
                for tensor in tf.nest.flatten(run.rule_state)
            ],
            forward_seconds,
            optimizee_seconds,
        )


class _Unrolls:
    """The unrolls of the first validation run with some rule."""

    def __init__(
        self, rule: rules.UpdateRule, trainer: meta_training.MetaTrainer
    ):
        settings = trainer.settings
        problem, *_ = trainer.problem.with_split("validation").members
        rule = recording.Recording(rule.bind(problem.parameter_names))
        self._count = settings.num_steps // settings.unroll_length
        self._seed = randomness.run_seed(settings.seed, "validation", 0)
        self._is_compiled = False

        def advance(run):
            trajectory = unroll_lib.unroll(
                rule,
                problem,
                run,
                settings.unroll_length,
                keep_gradients=True,
                jit_compile=settings.estimator_options.get(
                    "jit_compile", False
                ),
            )
            # Losses are asked for, so that all of them are computed.
            _, updates = trajectory.records
            return trajectory.run, updates, trajectory.losses

        self._start = tf.function(
            lambda seed: unroll_lib.start(
                rule, problem, seed, settings.num_steps
            ),
            autograph=False,
        )
        self._advance = tf.function(advance, autograph=False)

    def __call__(
        self, note: Callable[[Any], None]
    ) -> tuple[unroll_lib.Run, Any, float]:
        """Makes them.

        Args:
            note: Is given the updates of each unroll.

        Returns:
            The run at its end, the updates of the last unroll, and the seconds
            that the unrolls took.
        """
        run = self._start(self._seed)
        if not self._is_compiled:
            self._advance(run)[-1].numpy()
            self._is_compiled = True
        seconds = 0.0
        for _ in range(self._count):
            began = time.perf_counter()
            run, updates, losses = self._advance(run)
            losses.numpy()
            seconds += time.perf_counter() - began
            note(updates)
        return run, updates, seconds


def _mean_norm(updates: tf.Tensor) -> float:
    """Returns the mean norm of updates along the first axis."""
    flat = tf.reshape(updates, [updates.shape[0], -1])
    return float(tf.reduce_mean(tf.norm(tf.cast(flat, tf.float64), axis=1)))
